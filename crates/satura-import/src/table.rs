//! The table of converters of a reader.

/// One converter: which op it reads, in which versions of its domain.
#[derive(Clone, Copy, Debug)]
pub struct Converter<F: 'static> {
    /// The domain or namespace of the op; empty for the format's own.
    pub domain: &'static str,
    /// The op, as the format spells it.
    pub op: &'static str,
    /// The first version of the domain whose form of the op it reads.
    pub since: i64,
    /// The last such version.
    pub until: i64,
    /// The conversion.
    pub run: F,
}

/// What a table has for an op.
#[derive(Clone, Copy, Debug)]
pub enum Lookup<'a, F: 'static> {
    /// A converter.
    Found(&'a Converter<F>),
    /// Converters of the op, for other versions only: the first and the last version of any.
    OtherVersion(i64, i64),
    /// The op exists in another domain.
    OtherDomain(&'static str),
    /// The op is not known.
    Unknown,
}

/// The converters of a reader. Rows of one op have version ranges that do not overlap.
#[derive(Debug)]
pub struct ConverterTable<F: 'static> {
    sorted: Vec<Converter<F>>,
}

impl<F: Copy> ConverterTable<F> {
    /// A table of those rows.
    pub fn new(rows: &[Converter<F>]) -> Self {
        let mut sorted = rows.to_vec();
        sorted.sort_by_key(|row| (row.op, row.domain, row.since));
        ConverterTable { sorted }
    }

    /// The rows, by op, domain and version.
    pub fn rows(&self) -> &[Converter<F>] {
        &self.sorted
    }

    /// The rows of which an earlier one of the same op reads some of the same versions, or whose range is empty: mistakes of the table.
    pub fn overlaps(&self) -> Vec<&Converter<F>> {
        let pairs = self.sorted.windows(2);
        let same =
            |a: &Converter<F>, b: &Converter<F>| a.op == b.op && a.domain == b.domain && b.since <= a.until;
        pairs
            .filter(|p| same(&p[0], &p[1]))
            .map(|p| &p[1])
            .chain(self.sorted.iter().filter(|r| r.since > r.until))
            .collect()
    }

    /// The converter of an op in a version of a domain.
    pub fn find(&self, domain: &str, op: &str, version: i64) -> Lookup<'_, F> {
        let start = self.sorted.partition_point(|row| row.op < op);
        let rows = self.sorted[start..].iter().take_while(|row| row.op == op);
        let mut other = Lookup::Unknown;
        for row in rows {
            if row.domain != domain {
                if matches!(other, Lookup::Unknown) {
                    other = Lookup::OtherDomain(row.domain);
                }
            } else if (row.since..=row.until).contains(&version) {
                return Lookup::Found(row);
            } else {
                other = match other {
                    Lookup::OtherVersion(since, until) => {
                        Lookup::OtherVersion(since.min(row.since), until.max(row.until))
                    }
                    _ => Lookup::OtherVersion(row.since, row.until),
                };
            }
        }
        other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookup() {
        let row = |domain, op, since, until| Converter { domain, op, since, until, run: () };
        let table =
            ConverterTable::new(&[row("", "Pad", 11, 25), row("", "Pad", 2, 10), row("x", "Foo", 1, 1)]);
        assert!(matches!(table.find("", "Pad", 10), Lookup::Found(r) if r.since == 2));
        assert!(matches!(table.find("", "Pad", 26), Lookup::OtherVersion(2, 25)));
        assert!(matches!(table.find("", "Foo", 1), Lookup::OtherDomain("x")));
        assert!(matches!(table.find("", "Bar", 1), Lookup::Unknown));
        assert!(table.overlaps().is_empty());
        assert_eq!(ConverterTable::new(&[row("", "A", 1, 5), row("", "A", 5, 6)]).overlaps().len(), 1);
    }
}
