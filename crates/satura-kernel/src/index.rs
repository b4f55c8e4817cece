//! Index arithmetic: integer expressions over bounded variables, in a normal form that knows ranges.
//!
//! Movement ops (transpose, slice, reshape, ..) are maps on indices. Composing them gives sums, quotients and remainders by constants; this
//! form simplifies them with the ranges of the variables, so that `reshape` after `reshape` costs nothing and contiguous runs stay visible.

use crate::{BinaryOp, Builder, Reg};
use std::collections::BTreeMap;

/// A variable of an index expression: a loop counter, an invocation number, a loaded index. Its value lies in `0..extent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexVar {
    /// Its number.
    pub id: u32,
    /// One more than its greatest value.
    pub extent: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Atom {
    Var(IndexVar),
    /// Quotient by a positive constant, of an expression that is never negative.
    Div(Box<Index>, i64),
    /// Remainder by a positive constant, of an expression that is never negative.
    Mod(Box<Index>, i64),
}

/// An integer expression: a sum of multiples of atoms and a constant, with a range that holds wherever it is used.
#[derive(Clone, Debug)]
pub struct Index {
    terms: BTreeMap<Atom, i64>,
    constant: i64,
    /// Least and greatest value, as narrow as is known.
    range: (i64, i64),
}

impl PartialEq for Index {
    fn eq(&self, other: &Self) -> bool {
        self.terms == other.terms && self.constant == other.constant
    }
}
impl Eq for Index {}
impl PartialOrd for Index {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Index {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (&self.terms, self.constant).cmp(&(&other.terms, other.constant))
    }
}
impl std::hash::Hash for Index {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.terms.hash(state);
        self.constant.hash(state);
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a.abs() } else { gcd(b, a % b) }
}

impl Atom {
    fn range(&self) -> (i64, i64) {
        match self {
            Atom::Var(var) => (0, var.extent - 1),
            Atom::Div(x, c) => (x.range.0.max(0) / c, x.range.1.max(0) / c),
            Atom::Mod(x, c) => (0, (c - 1).min(x.range.1.max(0))),
        }
    }
}

impl Index {
    /// A constant.
    pub fn constant(value: i64) -> Self {
        Index { terms: BTreeMap::new(), constant: value, range: (value, value) }
    }

    /// A variable; a constant 0 if it has only that value.
    pub fn var(var: IndexVar) -> Self {
        if var.extent <= 1 {
            return Index::constant(0);
        }
        Index::atom(Atom::Var(var))
    }

    fn atom(atom: Atom) -> Self {
        let range = atom.range();
        if range.0 == range.1 {
            return Index::constant(range.0);
        }
        Index { terms: BTreeMap::from([(atom, 1)]), constant: 0, range }
    }

    /// The value, if it is one.
    pub fn as_constant(&self) -> Option<i64> {
        if self.terms.is_empty() {
            Some(self.constant)
        } else {
            (self.range.0 == self.range.1).then_some(self.range.0)
        }
    }

    /// Least and greatest value.
    pub fn range(&self) -> (i64, i64) {
        self.range
    }

    /// Whether every value lies in `0..extent`.
    pub fn within(&self, extent: i64) -> bool {
        self.range.0 >= 0 && self.range.1 < extent
    }

    /// The same expression where it is known, by a test around its use, to lie in `0..extent`.
    pub fn assume_within(mut self, extent: i64) -> Self {
        self.range = (self.range.0.max(0), self.range.1.min(extent - 1));
        self
    }

    fn terms_range(terms: &BTreeMap<Atom, i64>, constant: i64) -> (i64, i64) {
        terms.iter().fold((constant, constant), |(least, greatest), (atom, coefficient)| {
            let (a, b) = atom.range();
            let (x, y) = (a.saturating_mul(*coefficient), b.saturating_mul(*coefficient));
            (least.saturating_add(x.min(y)), greatest.saturating_add(x.max(y)))
        })
    }

    fn from_terms(terms: BTreeMap<Atom, i64>, constant: i64) -> Self {
        let range = Self::terms_range(&terms, constant);
        Index { terms, constant, range }
    }

    /// `self + other`.
    pub fn add(&self, other: &Index) -> Index {
        let mut terms = self.terms.clone();
        for (atom, coefficient) in &other.terms {
            let sum = terms.get(atom).copied().unwrap_or(0) + coefficient;
            if sum == 0 {
                terms.remove(atom);
            } else {
                terms.insert(atom.clone(), sum);
            }
        }
        let mut out = Index::from_terms(terms, self.constant + other.constant);
        out.range.0 = out.range.0.max(self.range.0.saturating_add(other.range.0));
        out.range.1 = out.range.1.min(self.range.1.saturating_add(other.range.1));
        out.join_quotients()
    }

    /// `c * (x / c) + x % c` is `x`.
    fn join_quotients(self) -> Index {
        for (atom, k) in &self.terms {
            let Atom::Mod(x, c) = atom else { continue };
            // The quotient that belongs to the remainder, as division writes it: (x / a) / c is x / (a * c).
            let quotient = match single_quotient(x) {
                Some((inner, a)) => Atom::Div(inner, a * c),
                None => Atom::Div(x.clone(), *c),
            };
            if self.terms.get(&quotient) == Some(&(k * c)) {
                let mut terms = self.terms.clone();
                terms.remove(atom);
                terms.remove(&quotient);
                let rest = Index::from_terms(terms, self.constant);
                let mut joined = rest.add(&x.mul(*k));
                joined.range.0 = joined.range.0.max(self.range.0);
                joined.range.1 = joined.range.1.min(self.range.1);
                return joined;
            }
        }
        self
    }

    /// `self + value`.
    pub fn offset(&self, value: i64) -> Index {
        self.add(&Index::constant(value))
    }

    /// `self * factor`.
    pub fn mul(&self, factor: i64) -> Index {
        if factor == 0 {
            return Index::constant(0);
        }
        let terms = self.terms.iter().map(|(atom, c)| (atom.clone(), c * factor)).collect();
        let (a, b) = (self.range.0.saturating_mul(factor), self.range.1.saturating_mul(factor));
        Index { terms, constant: self.constant * factor, range: (a.min(b), a.max(b)) }
    }

    /// `self / divisor`, rounded down.
    ///
    /// # Panics
    /// If the divisor is not positive or the expression may be negative.
    pub fn div(&self, divisor: i64) -> Index {
        assert!(
            divisor > 0 && self.range.0 >= 0,
            "quotients are of non-negative expressions by positive constants"
        );
        if divisor == 1 {
            return self.clone();
        }
        if self.range.1 < divisor {
            return Index::constant(0);
        }
        let (whole, rest) = self.split(divisor);
        if !(whole.terms.is_empty() && whole.constant == 0) && rest.range.0 >= 0 {
            return whole.add(&rest.div(divisor)).narrowed(self.range.0 / divisor, self.range.1 / divisor);
        }
        if let Some((g, big, _)) = self.common_factor(divisor)
            && big.range.0 >= 0
        {
            return big.div(divisor / g);
        }
        if let Some((inner, a)) = single_quotient(self) {
            return Index::atom(Atom::Div(inner, a * divisor));
        }
        Index::atom(Atom::Div(Box::new(self.clone()), divisor))
    }

    /// `self % divisor`.
    ///
    /// # Panics
    /// If the divisor is not positive or the expression may be negative.
    pub fn modulo(&self, divisor: i64) -> Index {
        assert!(
            divisor > 0 && self.range.0 >= 0,
            "remainders are of non-negative expressions by positive constants"
        );
        if divisor == 1 {
            return Index::constant(0);
        }
        if self.range.1 < divisor {
            return self.clone();
        }
        let (whole, rest) = self.split(divisor);
        if !(whole.terms.is_empty() && whole.constant == 0) && rest.range.0 >= 0 {
            return rest.modulo(divisor);
        }
        if let Some((g, big, small)) = self.common_factor(divisor)
            && big.range.0 >= 0
        {
            return big.modulo(divisor / g).mul(g).add(&small);
        }
        if self.terms.len() == 1
            && self.constant == 0
            && let Some((Atom::Mod(x, c), 1)) = self.terms.iter().next().map(|(a, k)| (a, *k))
            && c % divisor == 0
        {
            return x.modulo(divisor);
        }
        Index::atom(Atom::Mod(Box::new(self.clone()), divisor))
    }

    fn narrowed(mut self, least: i64, greatest: i64) -> Index {
        self.range = (self.range.0.max(least), self.range.1.min(greatest));
        self
    }

    /// `whole` and `rest` with `self == divisor * whole + rest`, coefficients of `rest` in `0..divisor`.
    fn split(&self, divisor: i64) -> (Index, Index) {
        let (mut whole, mut rest) = (BTreeMap::new(), BTreeMap::new());
        for (atom, coefficient) in &self.terms {
            let q = coefficient.div_euclid(divisor);
            let r = coefficient.rem_euclid(divisor);
            if q != 0 {
                whole.insert(atom.clone(), q);
            }
            if r != 0 {
                rest.insert(atom.clone(), r);
            }
        }
        let whole = Index::from_terms(whole, self.constant.div_euclid(divisor));
        let rest = Index::from_terms(rest, self.constant.rem_euclid(divisor));
        (whole, rest)
    }

    /// `g`, `big`, `small` with `self == g * big + small`, `small` in `0..g` and `g > 1` a divisor of `divisor`.
    fn common_factor(&self, divisor: i64) -> Option<(i64, Index, Index)> {
        let mut by_size: Vec<(&Atom, i64)> = self.terms.iter().map(|(a, c)| (a, *c)).collect();
        by_size.sort_by_key(|(_, c)| c.abs());
        for k in 0..by_size.len() {
            let g = by_size[k..].iter().fold(divisor, |g, (_, c)| gcd(g, *c));
            if g <= 1 {
                continue;
            }
            let small_terms = by_size[..k].iter().map(|(a, c)| ((*a).clone(), *c)).collect();
            let small = Index::from_terms(small_terms, self.constant.rem_euclid(g));
            if small.within(g) {
                let big_terms = by_size[k..].iter().map(|(a, c)| ((*a).clone(), c / g)).collect();
                let mut big = Index::from_terms(big_terms, self.constant.div_euclid(g));
                big.range.0 = big.range.0.max(self.range.0.div_euclid(g));
                big.range.1 = big.range.1.min(self.range.1.div_euclid(g));
                return Some((g, big, small));
            }
        }
        None
    }

    /// The coefficient of `var` and the rest, if the expression is linear in it; `None` if it stands inside a quotient or remainder.
    pub fn linear_in(&self, var: IndexVar) -> Option<(i64, Index)> {
        let mut terms = self.terms.clone();
        let coefficient = terms.remove(&Atom::Var(var)).unwrap_or(0);
        let rest = Index::from_terms(terms, self.constant);
        if rest.mentions(var) { None } else { Some((coefficient, rest)) }
    }

    /// Whether `var` occurs.
    pub fn mentions(&self, var: IndexVar) -> bool {
        self.terms.keys().any(|atom| match atom {
            Atom::Var(v) => *v == var,
            Atom::Div(x, _) | Atom::Mod(x, _) => x.mentions(var),
        })
    }

    /// Whether every value is a multiple of `factor`, as far as the coefficients tell.
    pub fn is_multiple_of(&self, factor: i64) -> bool {
        self.constant % factor == 0 && self.terms.values().all(|c| c % factor == 0)
    }

    /// The expression with `var` replaced by a constant.
    pub fn at(&self, var: IndexVar, value: i64) -> Index {
        if !self.mentions(var) {
            return self.clone();
        }
        let mut out = Index::constant(self.constant);
        for (atom, coefficient) in &self.terms {
            let replaced = match atom {
                Atom::Var(v) if *v == var => Index::constant(value),
                Atom::Var(_) => Index::atom(atom.clone()),
                Atom::Div(x, c) => x.at(var, value).narrowed(0, i64::MAX).div(*c),
                Atom::Mod(x, c) => x.at(var, value).narrowed(0, i64::MAX).modulo(*c),
            };
            out = out.add(&replaced.mul(*coefficient));
        }
        out.narrowed(self.range.0, self.range.1)
    }

    /// Emits the expression as `U32` arithmetic. `value` gives the register of a variable. Intermediate sums may wrap; the result is right wherever
    /// the expression is not negative, and is at least 2^31 where it is negative.
    pub fn emit(&self, b: &mut Builder, value: &dyn Fn(IndexVar) -> Reg) -> Reg {
        let mut sum: Option<Reg> = None;
        for (atom, coefficient) in &self.terms {
            let base = match atom {
                Atom::Var(var) => value(*var),
                Atom::Div(x, c) => {
                    let x = x.emit(b, value);
                    let c = b.u32(*c as u32);
                    b.binary(BinaryOp::Div, x, c)
                }
                Atom::Mod(x, c) => {
                    let x = x.emit(b, value);
                    let c = b.u32(*c as u32);
                    b.binary(BinaryOp::Rem, x, c)
                }
            };
            let factor = b.u32(*coefficient as u32);
            let term = b.binary(BinaryOp::Mul, base, factor);
            sum = Some(match sum {
                Some(sum) => b.binary(BinaryOp::Add, sum, term),
                None => term,
            });
        }
        let constant = b.u32(self.constant as u32);
        match sum {
            Some(sum) => b.binary(BinaryOp::Add, sum, constant),
            None => constant,
        }
    }
}

/// `x` and `c` if the expression is just `x / c`.
fn single_quotient(index: &Index) -> Option<(Box<Index>, i64)> {
    if index.constant != 0 || index.terms.len() != 1 {
        return None;
    }
    match index.terms.iter().next()? {
        (Atom::Div(x, c), 1) => Some((x.clone(), *c)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn var(id: u32, extent: i64) -> Index {
        Index::var(IndexVar { id, extent })
    }

    #[test]
    fn recomposition_vanishes() {
        let i = var(0, 2 * 3 * 4);
        let coords = [i.div(12), i.div(4).modulo(3), i.modulo(4)];
        let flat = coords[0].mul(3).add(&coords[1]).mul(4).add(&coords[2]);
        assert_eq!(flat, i);
        let other = coords[0].mul(12).add(&coords[1].mul(4)).add(&coords[2]);
        assert_eq!(other, i);
    }

    #[test]
    fn vector_lanes_stay_linear() {
        let lane = IndexVar { id: 1, extent: 4 };
        let i = var(0, 6).mul(4).add(&Index::var(lane));
        let (row, column) = (i.div(8), i.modulo(8));
        assert_eq!(row.linear_in(lane).map(|(c, _)| c), Some(0));
        assert_eq!(column.linear_in(lane).map(|(c, rest)| (c, rest.is_multiple_of(4))), Some((1, true)));
    }

    #[test]
    fn ranges_decide() {
        let (a, b) = (var(0, 5), var(1, 7));
        let flat = a.mul(7).add(&b);
        assert_eq!(flat.div(7), a);
        assert_eq!(flat.modulo(7), b);
        assert!(b.offset(-3).assume_within(4).within(4));
        assert_eq!(flat.at(IndexVar { id: 1, extent: 7 }, 6), a.mul(7).offset(6));
    }
}
