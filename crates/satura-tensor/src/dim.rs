//! Symbolic dimensions: integer polynomials over named symbols, in normal form.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Add, Mul, Neg, Sub};
use std::sync::Arc;

/// The name of an unknown extent, such as `N` or `sequence`. Symbols of one name are one unknown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(Arc<str>);

impl Symbol {
    /// The symbol of that name.
    pub fn new(name: &str) -> Self {
        Symbol(name.into())
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Symbol {
    /// A plain identifier as it is, anything else in quotes with Rust's escapes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = self.0.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && self.0.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !matches!(&*self.0, "mod" | "min" | "max" | "floordiv");
        if plain { f.write_str(&self.0) } else { write!(f, "{:?}", &*self.0) }
    }
}

/// Values for symbols.
pub type Bindings = BTreeMap<Symbol, i64>;

/// An indivisible factor of a term.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Atom {
    /// A named unknown, never negative.
    Symbol(Symbol),
    /// What only a run shows. It stands alone: see [`Dim::unknown`].
    Unknown,
    /// Quotient rounded towards minus infinity.
    FloorDiv(Dim, Dim),
    /// Remainder with the sign of the divisor.
    Mod(Dim, Dim),
    /// The lesser.
    Min(Dim, Dim),
    /// The greater.
    Max(Dim, Dim),
}

/// A product that could have more terms saturates.
const MAX_TERMS: usize = 4096;

/// A product of atoms with their powers; empty for the constant term.
type Monomial = Vec<(Atom, u32)>;

/// An integer expression over symbols: a sum of `coefficient * atom^power * ..`.
///
/// The form is normal: terms are sorted, no coefficient is zero, and quotients, remainders, minima and maxima
/// of constants are evaluated. Two expressions that are equal as polynomials over their atoms are `==`.
/// Symbols stand for extents, so they are never negative. Arithmetic saturates at the ends of `i64`, and a product of very many terms
/// is the greatest `i64`; a saturated extent fails every size limit, so it never becomes an allocation.
///
/// One expression has no value that could be written down: [`Dim::unknown`]. It takes in all that it is combined with, and it is equal to itself
/// only as an expression: two unknown extents may differ when the graph runs, so who concludes something from equality asks [`is_known`](Dim::is_known) first.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dim {
    terms: BTreeMap<Monomial, i64>,
}

impl From<i64> for Dim {
    fn from(value: i64) -> Self {
        let mut dim = Dim::default();
        dim.add_term(Vec::new(), value);
        dim
    }
}

impl From<usize> for Dim {
    fn from(value: usize) -> Self {
        Dim::from(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<i32> for Dim {
    fn from(value: i32) -> Self {
        Dim::from(i64::from(value))
    }
}

impl Dim {
    /// The unknown of that name.
    pub fn symbol(name: &str) -> Self {
        Dim::atom(Atom::Symbol(Symbol::new(name)))
    }

    /// What depends on data: the number of elements that are not zero, say. Any integer, so not known to be at least 0.
    pub fn unknown() -> Self {
        Dim::atom(Atom::Unknown)
    }

    /// Whether the value follows from symbols.
    pub fn is_known(&self) -> bool {
        !matches!(self.as_atom(), Some(Atom::Unknown))
    }

    fn atom(atom: Atom) -> Self {
        let mut dim = Dim::default();
        dim.add_term(vec![(atom, 1)], 1);
        dim
    }

    fn add_term(&mut self, monomial: Monomial, coefficient: i64) {
        if coefficient == 0 {
            return;
        }
        let entry = self.terms.entry(monomial);
        match entry {
            std::collections::btree_map::Entry::Vacant(slot) => {
                slot.insert(coefficient);
            }
            std::collections::btree_map::Entry::Occupied(mut slot) => {
                let sum = slot.get().saturating_add(coefficient);
                if sum == 0 {
                    slot.remove();
                } else {
                    *slot.get_mut() = sum;
                }
            }
        }
    }

    /// The value, if there is no symbol left.
    pub fn as_const(&self) -> Option<i64> {
        match self.terms.len() {
            0 => Some(0),
            1 => self.terms.get(&Vec::new() as &Monomial).copied(),
            _ => None,
        }
    }

    /// The summands: a coefficient and the atoms it multiplies, each with its power. None for 0; no atoms for the constant.
    pub fn terms(&self) -> impl Iterator<Item = (i64, &[(Atom, u32)])> {
        self.terms.iter().map(|(monomial, coefficient)| (*coefficient, &monomial[..]))
    }

    /// Whether this is the constant `value`.
    pub fn is(&self, value: i64) -> bool {
        self.as_const() == Some(value)
    }

    /// The symbol, if the expression is nothing but one.
    pub fn as_symbol(&self) -> Option<&Symbol> {
        match self.as_atom()? {
            Atom::Symbol(symbol) => Some(symbol),
            Atom::Unknown | Atom::FloorDiv(..) | Atom::Mod(..) | Atom::Min(..) | Atom::Max(..) => None,
        }
    }

    /// The atom, if the expression is nothing but one.
    fn as_atom(&self) -> Option<&Atom> {
        let (monomial, coefficient) = self.terms.iter().next()?;
        match &monomial[..] {
            [(atom, 1)] if self.terms.len() == 1 && *coefficient == 1 => Some(atom),
            _ => None,
        }
    }

    /// `floor(self / divisor)`. Exact quotients of every term are taken out: `(4*N + 8) floordiv 4` is `N + 2`.
    pub fn floor_div(&self, divisor: &Dim) -> Dim {
        if !(self.is_known() && divisor.is_known()) {
            return Dim::unknown();
        }
        if self == divisor && divisor.is_positive() {
            return Dim::from(1);
        }
        if let Some(d) = divisor.as_const() {
            if d == 1 {
                return self.clone();
            }
            if let (Some(value), true) = (self.as_const(), d != 0) {
                return Dim::from(floor_div(value, d));
            }
            if d > 0 {
                // floor((d*q + r) / d) = q + floor(r / d): move whole multiples out of the quotient.
                let (whole, rest) = self.split_multiples(d);
                if rest.terms.is_empty() {
                    return whole;
                }
                if !whole.terms.is_empty() {
                    return whole + rest.floor_div(divisor);
                }
            }
        }
        if let Some(quotient) = self.exact_quotient(divisor) {
            return quotient;
        }
        Dim::atom(Atom::FloorDiv(self.clone(), divisor.clone()))
    }

    /// `ceil(self / divisor)`.
    pub fn ceil_div(&self, divisor: &Dim) -> Dim {
        (self.clone() + divisor.clone() - Dim::from(1)).floor_div(divisor)
    }

    /// `self - divisor * floor(self / divisor)`.
    pub fn modulo(&self, divisor: &Dim) -> Dim {
        if !(self.is_known() && divisor.is_known()) {
            return Dim::unknown();
        }
        if let (Some(value), Some(d)) = (self.as_const(), divisor.as_const())
            && d != 0
        {
            return Dim::from(value.saturating_sub(floor_div(value, d).saturating_mul(d)));
        }
        if let Some(d) = divisor.as_const().filter(|d| *d > 0) {
            let (_, rest) = self.split_multiples(d);
            if rest.as_const().is_some() {
                return rest;
            }
            return Dim::atom(Atom::Mod(rest, divisor.clone()));
        }
        if self.exact_quotient(divisor).is_some() {
            return Dim::from(0);
        }
        Dim::atom(Atom::Mod(self.clone(), divisor.clone()))
    }

    /// The lesser of the two.
    pub fn minimum(&self, other: &Dim) -> Dim {
        if !(self.is_known() && other.is_known()) {
            return Dim::unknown();
        }
        match (self.clone() - other.clone()).sign() {
            Some(Sign::Negative | Sign::Zero) => self.clone(),
            Some(Sign::Positive) => other.clone(),
            None if (self.clone() - other.clone()).is_non_negative() => other.clone(),
            None if (other.clone() - self.clone()).is_non_negative() => self.clone(),
            // min(a, max(a, b)) is a.
            None if matches!(other.as_atom(), Some(Atom::Max(a, b)) if a == self || b == self) => {
                self.clone()
            }
            None if matches!(self.as_atom(), Some(Atom::Max(a, b)) if a == other || b == other) => {
                other.clone()
            }
            None => {
                let (a, b) = if self <= other { (self, other) } else { (other, self) };
                Dim::atom(Atom::Min(a.clone(), b.clone()))
            }
        }
    }

    /// The greater of the two.
    pub fn maximum(&self, other: &Dim) -> Dim {
        if !(self.is_known() && other.is_known()) {
            return Dim::unknown();
        }
        match (self.clone() - other.clone()).sign() {
            Some(Sign::Positive | Sign::Zero) => self.clone(),
            Some(Sign::Negative) => other.clone(),
            None if (self.clone() - other.clone()).is_non_negative() => self.clone(),
            None if (other.clone() - self.clone()).is_non_negative() => other.clone(),
            // max(a, min(a, b)) is a.
            None if matches!(other.as_atom(), Some(Atom::Min(a, b)) if a == self || b == self) => {
                self.clone()
            }
            None if matches!(self.as_atom(), Some(Atom::Min(a, b)) if a == other || b == other) => {
                other.clone()
            }
            None => {
                let (a, b) = if self <= other { (self, other) } else { (other, self) };
                Dim::atom(Atom::Max(a.clone(), b.clone()))
            }
        }
    }

    /// Whether the value is at least 0 for all values of the symbols. `false` when not known.
    pub fn is_non_negative(&self) -> bool {
        self.terms.iter().all(|(monomial, coefficient)| {
            *coefficient >= 0 && monomial.iter().all(|(atom, power)| power % 2 == 0 || atom.is_non_negative())
        })
    }

    /// Whether the value is at least 1 for all values of the symbols. `false` when not known.
    pub fn is_positive(&self) -> bool {
        self.is_non_negative() && self.terms.get(&Vec::new() as &Monomial).is_some_and(|c| *c > 0)
    }

    fn sign(&self) -> Option<Sign> {
        self.as_const().map(|value| match value.signum() {
            1 => Sign::Positive,
            0 => Sign::Zero,
            _ => Sign::Negative,
        })
    }

    /// `self / divisor` where it is an exact polynomial quotient by one term.
    pub fn exact_quotient(&self, divisor: &Dim) -> Option<Dim> {
        if !(self.is_known() && divisor.is_known()) {
            return None;
        }
        if divisor.terms.len() != 1 {
            return (self == divisor)
                .then(|| Dim::from(1))
                .or_else(|| self.terms.is_empty().then(Dim::default));
        }
        let (by, d) = divisor.terms.iter().next()?;
        let mut quotient = Dim::default();
        for (monomial, coefficient) in &self.terms {
            if coefficient.checked_rem(*d) != Some(0) {
                return None;
            }
            let mut rest = monomial.clone();
            for (atom, power) in by {
                let at = rest.iter().position(|(a, _)| a == atom)?;
                rest[at].1 = rest[at].1.checked_sub(*power)?;
                if rest[at].1 == 0 {
                    rest.remove(at);
                }
            }
            quotient.add_term(rest, coefficient / d);
        }
        Some(quotient)
    }

    /// Splits into `whole` and `rest` with `self == d * whole + rest`, `rest` having coefficients in `0..d`.
    fn split_multiples(&self, d: i64) -> (Dim, Dim) {
        let (mut whole, mut rest) = (Dim::default(), Dim::default());
        for (monomial, coefficient) in &self.terms {
            whole.add_term(monomial.clone(), coefficient.div_euclid(d));
            rest.add_term(monomial.clone(), coefficient.rem_euclid(d));
        }
        (whole, rest)
    }

    /// The expression with every bound symbol replaced by its value.
    pub fn bind(&self, bindings: &Bindings) -> Dim {
        self.substitute(&|symbol| bindings.get(symbol).map(|value| Dim::from(*value)))
    }

    /// The expression with symbols replaced by what `with` gives; `None` keeps the symbol.
    pub fn substitute(&self, with: &dyn Fn(&Symbol) -> Option<Dim>) -> Dim {
        let mut sum = Dim::default();
        for (monomial, coefficient) in &self.terms {
            let mut product = Dim::from(*coefficient);
            for (atom, power) in monomial {
                let factor = match atom {
                    Atom::Symbol(symbol) => with(symbol).unwrap_or_else(|| Dim::atom(atom.clone())),
                    Atom::Unknown => Dim::unknown(),
                    Atom::FloorDiv(a, b) => a.substitute(with).floor_div(&b.substitute(with)),
                    Atom::Mod(a, b) => a.substitute(with).modulo(&b.substitute(with)),
                    Atom::Min(a, b) => a.substitute(with).minimum(&b.substitute(with)),
                    Atom::Max(a, b) => a.substitute(with).maximum(&b.substitute(with)),
                };
                for _ in 0..*power {
                    product = product * factor.clone();
                }
            }
            sum = sum + product;
        }
        sum
    }

    /// Adds the symbols of the expression to `into`, in order of name within each term.
    pub fn collect_symbols(&self, into: &mut Vec<Symbol>) {
        for monomial in self.terms.keys() {
            for (atom, _) in monomial {
                match atom {
                    Atom::Symbol(symbol) => {
                        if !into.contains(symbol) {
                            into.push(symbol.clone());
                        }
                    }
                    Atom::Unknown => {}
                    Atom::FloorDiv(a, b) | Atom::Mod(a, b) | Atom::Min(a, b) | Atom::Max(a, b) => {
                        a.collect_symbols(into);
                        b.collect_symbols(into);
                    }
                }
            }
        }
    }

    /// How large the expression is: its terms and those inside its atoms, counted.
    pub fn weight(&self) -> usize {
        let atom = |atom: &Atom| match atom {
            Atom::Symbol(_) | Atom::Unknown => 1,
            Atom::FloorDiv(a, b) | Atom::Mod(a, b) | Atom::Min(a, b) | Atom::Max(a, b) => {
                a.weight() + b.weight()
            }
        };
        self.terms.keys().map(|monomial| 1 + monomial.iter().map(|(a, _)| atom(a)).sum::<usize>()).sum()
    }

    /// The one symbol and its value for which `self == value`, where the expression is linear in one symbol
    /// and the solution is whole.
    pub fn solve(&self, value: i64) -> Option<(Symbol, i64)> {
        let mut constant = 0i64;
        let mut unknown = None;
        for (monomial, coefficient) in &self.terms {
            match &monomial[..] {
                [] => constant = *coefficient,
                [(Atom::Symbol(symbol), 1)] if unknown.is_none() => {
                    unknown = Some((symbol.clone(), *coefficient))
                }
                _ => return None,
            }
        }
        let (symbol, coefficient) = unknown?;
        let rest = value.checked_sub(constant)?;
        let solution = rest.checked_div(coefficient)?;
        (rest % coefficient == 0 && solution >= 0).then_some((symbol, solution))
    }
}

enum Sign {
    Negative,
    Zero,
    Positive,
}

impl Atom {
    fn is_non_negative(&self) -> bool {
        match self {
            Atom::Symbol(_) => true,
            Atom::Unknown => false,
            Atom::FloorDiv(a, b) => a.is_non_negative() && b.is_non_negative(),
            Atom::Mod(_, b) => b.is_positive(),
            Atom::Min(a, b) => a.is_non_negative() && b.is_non_negative(),
            Atom::Max(a, b) => a.is_non_negative() || b.is_non_negative(),
        }
    }
}

fn floor_div(a: i64, b: i64) -> i64 {
    let q = a.saturating_div(b);
    if a.checked_rem(b).is_some_and(|r| r != 0) && (a < 0) != (b < 0) { q - 1 } else { q }
}

impl Add for Dim {
    type Output = Dim;
    fn add(mut self, other: Dim) -> Dim {
        if !(self.is_known() && other.is_known()) {
            return Dim::unknown();
        }
        for (monomial, coefficient) in other.terms {
            self.add_term(monomial, coefficient);
        }
        self
    }
}

impl Neg for Dim {
    type Output = Dim;
    fn neg(self) -> Dim {
        if !self.is_known() {
            return self;
        }
        Dim { terms: self.terms.into_iter().map(|(m, c)| (m, c.saturating_neg())).collect() }
    }
}

impl Sub for Dim {
    type Output = Dim;
    fn sub(self, other: Dim) -> Dim {
        self + -other
    }
}

impl Mul for Dim {
    type Output = Dim;
    fn mul(self, other: Dim) -> Dim {
        if !(self.is_known() && other.is_known()) {
            return if self.is(0) || other.is(0) { Dim::from(0) } else { Dim::unknown() };
        }
        if self.terms.len().saturating_mul(other.terms.len()) > MAX_TERMS {
            return Dim::from(i64::MAX);
        }
        let mut product = Dim::default();
        for (ma, ca) in &self.terms {
            for (mb, cb) in &other.terms {
                let mut monomial = ma.clone();
                for (atom, power) in mb {
                    match monomial.binary_search_by(|(a, _)| a.cmp(atom)) {
                        Ok(at) => monomial[at].1 = monomial[at].1.saturating_add(*power),
                        Err(at) => monomial.insert(at, (atom.clone(), *power)),
                    }
                }
                product.add_term(monomial, ca.saturating_mul(*cb));
            }
        }
        product
    }
}

impl fmt::Display for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Atom::Symbol(symbol) => write!(f, "{symbol}"),
            Atom::Unknown => f.write_str("?"),
            Atom::FloorDiv(a, b) => write!(f, "floordiv({a}, {b})"),
            Atom::Mod(a, b) => write!(f, "mod({a}, {b})"),
            Atom::Min(a, b) => write!(f, "min({a}, {b})"),
            Atom::Max(a, b) => write!(f, "max({a}, {b})"),
        }
    }
}

impl fmt::Display for Dim {
    /// Terms with the highest order first, the constant last: `4*N*H + N - 1`. `?` for what is unknown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.terms.is_empty() {
            return f.write_str("0");
        }
        for (i, (monomial, coefficient)) in self.terms.iter().rev().enumerate() {
            let magnitude = coefficient.unsigned_abs();
            match (i, *coefficient < 0) {
                (0, true) => f.write_str("-")?,
                (0, false) => {}
                (_, true) => f.write_str(" - ")?,
                (_, false) => f.write_str(" + ")?,
            }
            let mut first = true;
            if magnitude != 1 || monomial.is_empty() {
                write!(f, "{magnitude}")?;
                first = false;
            }
            for (atom, power) in monomial {
                for _ in 0..*power {
                    if !first {
                        f.write_str("*")?;
                    }
                    write!(f, "{atom}")?;
                    first = false;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(dim: Dim, expected: &str) {
        assert_eq!(dim.to_string(), expected);
        assert_eq!(crate::parse_dim(expected).expect("the printed form parses"), dim);
    }

    #[test]
    fn normal_form() {
        let (n, h) = (Dim::symbol("N"), Dim::symbol("H"));
        let k = |v: i64| Dim::from(v);
        check((n.clone() + k(1)) * (n.clone() - k(1)), "N*N - 1");
        check((n.clone() * k(4) + k(8)).floor_div(&k(4)), "N + 2");
        check((n.clone() * k(4) + k(9)).modulo(&k(4)), "1");
        check((n.clone() + k(3)).floor_div(&k(2)), "floordiv(N + 1, 2) + 1");
        check((n.clone() * h.clone()).floor_div(&h), "N");
        check(n.minimum(&(n.clone() + k(2))), "N");
        check(n.maximum(&h), "max(H, N)");
        check(n.maximum(&n.minimum(&h)), "N");
        check(n.maximum(&h).minimum(&h), "H");
        check(n.clone() - n.clone(), "0");
        check(Dim::symbol("a.b") * k(-2), "-2*\"a.b\"");
        assert_eq!((n.clone() * k(2) + k(1)).solve(7), Some((Symbol::new("N"), 3)));
        assert_eq!((n * k(2)).solve(7), None);
    }

    #[test]
    fn what_is_unknown_takes_all_in() {
        let (u, n) = (Dim::unknown(), Dim::symbol("N"));
        let zero = Dim::from(0);
        for dim in [u.clone(), u.clone() - u.clone(), u.clone() * n.clone() + n.clone(), -u.clone()] {
            check(dim, "?");
        }
        for dim in [u.floor_div(&u), n.modulo(&u), u.minimum(&u), n.maximum(&u), zero.maximum(&u)] {
            check(dim, "?");
        }
        check(u.clone() * zero, "0");
        assert!(!u.is_known() && !u.is_non_negative() && u.as_const().is_none() && u.solve(3).is_none());
        assert!(u.exact_quotient(&u).is_none());
        assert_eq!(u.bind(&Bindings::from([(Symbol::new("N"), 7)])), u);
    }

    #[test]
    fn binding_evaluates_every_atom() {
        let n = Dim::symbol("N");
        let e = (n.clone() + Dim::from(3)).floor_div(&Dim::from(2)) * n.modulo(&Dim::symbol("M"));
        let bound = e.bind(&Bindings::from([(Symbol::new("N"), 7), (Symbol::new("M"), 4)]));
        assert_eq!(bound.as_const(), Some(15));
    }

    #[test]
    fn arithmetic_at_the_ends_saturates() {
        let (least, n) = (Dim::from(i64::MIN), Dim::symbol("N"));
        assert!((-least.clone()).is(i64::MAX));
        assert!(least.floor_div(&Dim::from(-1)).is(i64::MAX));
        assert!(least.modulo(&Dim::from(-1)).is(0) || least.modulo(&Dim::from(-1)).is(-1));
        assert_eq!((n.clone() * least.clone()).exact_quotient(&Dim::from(-1)), None);
        check((n.clone() * least).floor_div(&Dim::from(3)), "floordiv(N, 3) - 3074457345618258603*N");
        let many = (0..100).fold(Dim::from(0), |sum, i| sum + Dim::symbol(&format!("n{i}")));
        assert!((many.clone() * many).is(i64::MAX));
    }
}
