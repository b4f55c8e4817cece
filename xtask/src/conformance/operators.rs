//! `conformance/operators.txt`: how many cases each operator has, and what becomes of them on each device. The table of support is made from it.

use super::results::{Case, Counts, counts};
use crate::cmd::at;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fmt::Write;

const FILE: &str = "conformance/operators.txt";

/// Counts by operator, then by device.
pub(crate) type Operators = BTreeMap<String, BTreeMap<String, Counts>>;

/// The committed counts.
pub(crate) fn read() -> Result<Operators> {
    let text = std::fs::read_to_string(at(FILE)).unwrap_or_default();
    parse(&text).with_context(|| format!("in {FILE}"))
}

fn parse(text: &str) -> Result<Operators> {
    let mut operators = Operators::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let operator = words.next().unwrap_or_default();
        let devices = operators.entry(operator.to_owned()).or_default();
        for word in words {
            let numbers = word.split_once('=').and_then(|(device, numbers)| {
                let numbers: Vec<usize> =
                    numbers.split('/').map(str::parse).collect::<Result<_, _>>().ok()?;
                Some((device, Counts::try_from(numbers).ok()?))
            });
            let Some((device, numbers)) = numbers else {
                bail!("DEVICE=pass/host/fail/skip is expected: {line}")
            };
            devices.insert(device.to_owned(), numbers);
        }
    }
    Ok(operators)
}

/// What differs between the committed counts of a device and those of a run of all cases.
pub(super) fn differences(device: &str, cases: &[Case]) -> Result<Vec<String>> {
    let (committed, fresh) = (read()?, counts(cases));
    let of = |operator: &str| committed.get(operator).and_then(|devices| devices.get(device));
    let changed = fresh.iter().filter(|(operator, counts)| of(operator) != Some(*counts));
    let gone = committed.keys().filter(|operator| of(operator).is_some() && !fresh.contains_key(*operator));
    let changed = changed.map(|(operator, counts)| {
        format!("{operator}: {counts:?} on {device}, {FILE} says {:?}", of(operator))
    });
    Ok(changed
        .chain(gone.map(|operator| format!("{operator}: {FILE} names it, the suite does not have it")))
        .collect())
}

/// Writes the counts of a device anew.
pub(super) fn bless(device: &str, cases: &[Case]) -> Result<()> {
    let mut operators = read()?;
    operators.values_mut().for_each(|devices| {
        devices.remove(device);
    });
    for (operator, counts) in counts(cases) {
        operators.entry(operator).or_default().insert(device.to_owned(), counts);
    }
    operators.retain(|_, devices| !devices.is_empty());
    let mut text = "# Cases of the ONNX backend suite by operator: pass/host/fail/skip on each device.\n\
                    # Written by `cargo xtask conformance --device DEVICE --bless`.\n"
        .to_owned();
    for (operator, devices) in &operators {
        text.push_str(operator);
        for (device, [pass, host, fail, skip]) in devices {
            // Writing to a String cannot fail.
            let _ = write!(text, " {device}={pass}/{host}/{fail}/{skip}");
        }
        text.push('\n');
    }
    std::fs::write(at(FILE), text).with_context(|| format!("cannot write {FILE}"))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn lines() {
        let operators = parse("# about\nAdd cpu=2/0/0/1 gpu=1/1/0/1\n").expect("well-formed");
        assert_eq!((operators["Add"]["cpu"], operators["Add"]["gpu"]), ([2, 0, 0, 1], [1, 1, 0, 1]));
        assert!(parse("Add cpu=2/0/0\n").is_err() && parse("Add cpu\n").is_err());
    }
}
