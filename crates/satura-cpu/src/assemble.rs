//! From elementwise nodes to a [`Program`]: values in single-assignment form, simplified as they are added, then put into registers.

use crate::lanes::{Binary, Unary};
use crate::memory::View;
use crate::program::{Instruction, Operand, Program, Source};

/// A value of a program under construction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Item {
    /// The result of the function of that position.
    Result(usize),
    /// The operand of that position.
    Operand(usize),
    /// One number.
    Number(f32),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Function {
    Unary(Unary, Item),
    Binary(Binary, Item, Item),
    Select(Item, Item, Item),
}

impl Function {
    fn reads(&self) -> Vec<Item> {
        match *self {
            Function::Unary(_, a) => vec![a],
            Function::Binary(_, a, b) => vec![a, b],
            Function::Select(c, a, b) => vec![c, a, b],
        }
    }
}

/// Builds one program.
#[derive(Default)]
pub(crate) struct Assembler {
    functions: Vec<Function>,
    operands: Vec<View>,
}

/// Whether two numbers are the same up to a rounding or two.
fn close(a: f32, b: f32) -> bool {
    (a - b).abs() <= 2.0 * f32::EPSILON * b.abs()
}

impl Assembler {
    /// An operand, each view once.
    pub(crate) fn operand(&mut self, view: &View) -> Item {
        let at = self.operands.iter().position(|o| o == view).unwrap_or_else(|| {
            self.operands.push(view.clone());
            self.operands.len() - 1
        });
        Item::Operand(at)
    }

    pub(crate) fn operand_count(&self) -> usize {
        self.operands.len()
    }

    fn push(&mut self, function: Function) -> Item {
        let at = self.functions.iter().position(|f| *f == function).unwrap_or_else(|| {
            self.functions.push(function);
            self.functions.len() - 1
        });
        Item::Result(at)
    }

    fn unary_of(&self, item: Item) -> Option<(Unary, Item)> {
        match item {
            Item::Result(at) => match self.functions[at] {
                Function::Unary(f, a) => Some((f, a)),
                Function::Binary(..) | Function::Select(..) => None,
            },
            Item::Operand(_) | Item::Number(_) => None,
        }
    }

    pub(crate) fn unary(&mut self, f: Unary, a: Item) -> Item {
        if f == Unary::Copy {
            return a;
        }
        if let (Unary::Clamp(0.0, 1.0), Some((Unary::Affine(slope, middle), x))) = (f, self.unary_of(a)) {
            return self.push(Function::Unary(Unary::HardSigmoid(slope, middle), x));
        }
        self.push(Function::Unary(f, a))
    }

    pub(crate) fn binary(&mut self, f: Binary, a: Item, b: Item) -> Item {
        let (a, b) = match (f, a, b) {
            (Binary::Add | Binary::Mul, Item::Number(_), Item::Result(_) | Item::Operand(_)) => (b, a),
            // Comparisons tell a number from NaN alike in either order.
            (Binary::Max | Binary::Min, Item::Number(x), Item::Result(_) | Item::Operand(_))
                if !x.is_nan() =>
            {
                (b, a)
            }
            _ => (a, b),
        };
        match (f, b) {
            (Binary::Add, Item::Number(x)) if x.is_finite() => return self.affine(a, 1.0, x),
            (Binary::Sub, Item::Number(x)) if x.is_finite() => return self.affine(a, 1.0, -x),
            (Binary::Mul, Item::Number(x)) if x.is_finite() => return self.affine(a, x, -0.0),
            (Binary::Div, Item::Number(x)) if x.is_normal() && (1.0 / x).is_normal() => {
                return self.affine(a, 1.0 / x, -0.0);
            }
            (Binary::Max, Item::Number(least)) if !least.is_nan() => {
                let f = if least == 0.0 { Unary::Relu } else { Unary::Clamp(least, f32::INFINITY) };
                return self.unary(f, a);
            }
            (Binary::Min, Item::Number(greatest)) if !greatest.is_nan() => {
                return match self.unary_of(a) {
                    Some((Unary::Relu, x)) if greatest >= 0.0 => self.unary(Unary::Clamp(0.0, greatest), x),
                    Some((Unary::Clamp(least, f32::INFINITY), x)) if least <= greatest => {
                        self.unary(Unary::Clamp(least, greatest), x)
                    }
                    _ => self.unary(Unary::Clamp(f32::NEG_INFINITY, greatest), a),
                };
            }
            (Binary::Mul, _) => {
                for (x, gate) in [(a, b), (b, a)] {
                    match self.unary_of(gate) {
                        Some((Unary::HardSigmoid(slope, middle), y)) if x == y => {
                            return self.unary(Unary::HardSwish(slope, middle), x);
                        }
                        Some((Unary::Sigmoid, y)) if x == y => return self.unary(Unary::Silu, x),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        self.push(Function::Binary(f, a, b))
    }

    /// `a * factor + summand`, joined with what `a` is. A summand of -0 keeps the sign of a product that is 0.
    fn affine(&mut self, a: Item, factor: f32, summand: f32) -> Item {
        match self.unary_of(a) {
            Some((Unary::Affine(first, 0.0), x)) if factor == 1.0 => {
                return self.push(Function::Unary(Unary::Affine(first, summand), x));
            }
            // min(max(x + m, 0), h) / h is a hard sigmoid.
            Some((Unary::Clamp(0.0, top), y)) if summand == 0.0 && close(top * factor, 1.0) => {
                if let Some((Unary::Affine(slope, middle), x)) = self.unary_of(y) {
                    return self
                        .push(Function::Unary(Unary::HardSigmoid(slope * factor, middle * factor), x));
                }
            }
            _ => {}
        }
        if summand == 0.0
            && let Item::Result(at) = a
            && let Function::Binary(Binary::Mul, p, q) = self.functions[at]
        {
            for (x, gate) in [(p, q), (q, p)] {
                if let Some((Unary::Clamp(0.0, top), y)) = self.unary_of(gate)
                    && close(top * factor, 1.0)
                    && let Some((Unary::Affine(slope, middle), z)) = self.unary_of(y)
                    && z == x
                {
                    return self.push(Function::Unary(Unary::HardSwish(slope * factor, middle * factor), x));
                }
            }
        }
        self.push(Function::Unary(Unary::Affine(factor, summand), a))
    }

    pub(crate) fn select(&mut self, condition: Item, a: Item, b: Item) -> Item {
        self.push(Function::Select(condition, a, b))
    }

    /// The program that computes `result` as a tensor of `shape`, to which all operands broadcast.
    pub(crate) fn finish(self, result: Item, shape: &[usize]) -> Program {
        let (functions, result) = self.pruned(result);
        // Operands that only pruned functions read go too.
        let mut used: Vec<usize> = functions
            .iter()
            .flat_map(Function::reads)
            .chain([result])
            .filter_map(|item| match item {
                Item::Operand(i) => Some(i),
                Item::Result(_) | Item::Number(_) => None,
            })
            .collect();
        used.sort_unstable();
        used.dedup();
        let views: Vec<&View> = used.iter().map(|i| &self.operands[*i]).collect();
        let strides: Vec<Vec<isize>> = views.iter().map(|v| v.broadcast_strides(shape)).collect();
        let (dims, strides) = merge_axes(shape, strides);
        let dense = crate::memory::dense_strides(&dims);
        let operands: Vec<Operand> = views
            .iter()
            .zip(strides)
            .map(|(view, strides)| {
                let is_dense = (0..dims.len()).all(|a| dims[a] == 1 || strides[a] == dense[a]);
                Operand { storage: view.storage, offset: view.offset, dense: is_dense, strides }
            })
            .collect();
        let source = |item: Item, homes: &[usize]| match item {
            Item::Result(at) => Source::Register(homes[at]),
            Item::Operand(i) => {
                Source::Operand(used.binary_search(&i).expect("the list has every operand read"))
            }
            Item::Number(x) => Source::Number(x),
        };
        // Registers: freed after the last reader, and only then taken again, so none is read and written at once.
        let mut last_use = vec![usize::MAX; functions.len()];
        for (at, function) in functions.iter().enumerate() {
            for item in function.reads() {
                if let Item::Result(read) = item {
                    last_use[read] = at;
                }
            }
        }
        let (mut homes, mut free, mut registers) = (Vec::new(), Vec::new(), 0);
        let mut code = Vec::new();
        for (at, function) in functions.iter().enumerate() {
            let target = free.pop().unwrap_or_else(|| {
                registers += 1;
                registers - 1
            });
            homes.push(target);
            code.push(match *function {
                Function::Unary(f, a) => Instruction::Unary(target, f, source(a, &homes)),
                Function::Binary(f, a, b) => {
                    Instruction::Binary(target, f, source(a, &homes), source(b, &homes))
                }
                Function::Select(c, a, b) => {
                    Instruction::Select(target, source(c, &homes), source(a, &homes), source(b, &homes))
                }
            });
            let mut dead: Vec<usize> = function
                .reads()
                .into_iter()
                .filter_map(|item| match item {
                    Item::Result(read) if last_use[read] == at => Some(homes[read]),
                    Item::Result(_) | Item::Operand(_) | Item::Number(_) => None,
                })
                .collect();
            dead.sort_unstable();
            dead.dedup();
            free.extend(dead);
        }
        let result = source(result, &homes);
        Program { dims, operands, code, result, registers }
    }

    /// The functions that `result` needs, in order, `result` last.
    fn pruned(&self, result: Item) -> (Vec<Function>, Item) {
        let Item::Result(root) = result else { return (Vec::new(), result) };
        let mut needed = vec![false; self.functions.len()];
        needed[root] = true;
        for at in (0..=root).rev() {
            if needed[at] {
                for item in self.functions[at].reads() {
                    if let Item::Result(read) = item {
                        needed[read] = true;
                    }
                }
            }
        }
        let mut renamed = vec![0; self.functions.len()];
        let mut kept = Vec::new();
        for at in (0..=root).filter(|at| needed[*at]) {
            renamed[at] = kept.len();
            let rename = |item: Item| match item {
                Item::Result(read) => Item::Result(renamed[read]),
                Item::Operand(_) | Item::Number(_) => item,
            };
            kept.push(match self.functions[at] {
                Function::Unary(f, a) => Function::Unary(f, rename(a)),
                Function::Binary(f, a, b) => Function::Binary(f, rename(a), rename(b)),
                Function::Select(c, a, b) => Function::Select(rename(c), rename(a), rename(b)),
            });
        }
        (kept, Item::Result(renamed[root]))
    }
}

/// Merges neighbouring axes that every operand walks through alike, and drops axes of extent 1.
pub(crate) fn merge_axes(shape: &[usize], strides: Vec<Vec<isize>>) -> (Vec<usize>, Vec<Vec<isize>>) {
    let mut dims: Vec<usize> = Vec::new();
    let mut merged: Vec<Vec<isize>> = vec![Vec::new(); strides.len()];
    for axis in 0..shape.len() {
        let size = shape[axis];
        if size == 1 {
            continue;
        }
        let continues = !dims.is_empty()
            && strides.iter().zip(&merged).all(|(s, m)| m.last() == Some(&(s[axis] * size as isize)));
        if continues {
            *dims.last_mut().expect("an axis to continue") *= size;
        } else {
            dims.push(size);
        }
        for (s, m) in strides.iter().zip(&mut merged) {
            if continues {
                m.pop();
            }
            m.push(s[axis]);
        }
    }
    (dims, merged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::StorageId;

    #[test]
    fn hard_swish_is_one_instruction() {
        let mut a = Assembler::default();
        let x = a.operand(&View::dense(StorageId(0), &[4]));
        let shifted = a.binary(Binary::Add, x, Item::Number(3.0));
        let raised = a.binary(Binary::Max, shifted, Item::Number(0.0));
        let clipped = a.binary(Binary::Min, raised, Item::Number(6.0));
        let gated = a.binary(Binary::Mul, x, clipped);
        let result = a.binary(Binary::Div, gated, Item::Number(6.0));
        let program = a.finish(result, &[4]);
        assert!(
            matches!(program.code[..], [Instruction::Unary(_, Unary::HardSwish(..), Source::Operand(0))]),
            "{:?}",
            program.code
        );
    }

    #[test]
    fn axes_merge() {
        let (dims, strides) = merge_axes(&[2, 3, 1, 4], vec![vec![12, 4, 4, 1], vec![0, 1, 0, 0]]);
        assert_eq!(dims, [2, 3, 4]);
        assert_eq!(strides, [vec![12, 4, 1], vec![0, 1, 0]]);
        assert_eq!(merge_axes(&[2, 3, 4], vec![vec![12, 4, 1]]).0, [24]);
    }
}
