//! Determinant.

use super::Broadcast;
use super::arith::{div, mul, select, sub};
use super::checks::floats;
use super::{Abs, ArgKind, ArgReduce, Equal, GatherElements, Iota, Reshape, Slice};
use crate::{Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, ValueId};
use satura_tensor::{DType, Dim, Elements, Shape, Tensor};

crate::op_struct! {
    /// The determinant of each square matrix: `[.., n, n] -> [..]`, floats, by elimination with row exchanges.
    pub struct Det {}
}

fn batch(x: &Shape) -> Result<Shape, OpError> {
    match &x.0[..] {
        [batch @ .., rows, columns]
            if rows.as_const().zip(columns.as_const()).is_none_or(|(r, c)| r == c) =>
        {
            Ok(Shape(batch.to_vec()))
        }
        _ => Err(OpError::shape(format!("a determinant needs square matrices, the shape is {x}"))),
    }
}

impl OpDef for Det {
    const NAME: &'static str = "det";

    fn arity(&self) -> Arity {
        1..=1
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        super::support::float_dtype(cx, Self::NAME).map(|dtype| vec![dtype])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        batch(cx.shape(0)?).map(|shape| vec![shape])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let x = &inputs[0];
        let shape = super::checks::output_sizes(&batch(&Shape::of(x.shape()))?)?;
        let n = x.shape()[x.rank() - 1];
        let values = floats(Self::NAME, x)?;
        let count = shape.iter().product();
        let out = (0..count).map(|at| determinant(&mut values[at * n * n..][..n * n].to_vec(), n)).collect();
        Ok(vec![Tensor::from_elements(x.dtype(), &shape, Elements::Float(out))])
    }
}

fn determinant(a: &mut [f64], n: usize) -> f64 {
    let mut product = 1.0;
    for step in 0..n {
        let largest = |p: usize, q: usize| if a[q * n + step].abs() > a[p * n + step].abs() { q } else { p };
        let pivot = (step..n).fold(step, largest);
        if pivot != step {
            (step..n).for_each(|column| a.swap(pivot * n + column, step * n + column));
            product = -product;
        }
        let head = a[step * n + step];
        product *= head;
        if head == 0.0 {
            return product;
        }
        for row in step + 1..n {
            let factor = a[row * n + step] / head;
            (step..n).for_each(|column| a[row * n + column] -= factor * a[step * n + column]);
        }
    }
    product
}

/// Larger matrices would unroll into too many nodes.
const MOST_ROWS: usize = 64;

impl Composite for Det {
    /// One elimination step for each row; what is left after a step is one row and one column smaller.
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let shape = batch(&cx.shape(inputs[0])?)?;
        let sizes = cx.sizes(inputs[0])?;
        let n = sizes[sizes.len() - 1];
        if n > MOST_ROWS {
            return Err(OpError::unknown(format!("matrices of {n} rows are not unrolled")));
        }
        let count: usize = sizes[..sizes.len() - 2].iter().product();
        let one = cx.scalar_like(inputs[0], 1.0)?;
        let mut product = cx.one(Broadcast { shape: Shape::of(&[count, 1, 1]) }, &[one])?;
        if count == 0 || n == 0 {
            return Ok(vec![cx.one(Reshape { shape }, &[product])?]);
        }
        let mut rest = cx.one(Reshape { shape: Shape::of(&[count, n, n]) }, &[inputs[0]])?;
        for m in (1..=n).rev() {
            let part = |rows: [usize; 2], columns: [usize; 2]| Slice {
                starts: [0, rows[0], columns[0]].map(Dim::from).to_vec(),
                sizes: [count, rows[1], columns[1]].map(Dim::from).to_vec(),
                steps: vec![1; 3],
            };
            let column = cx.one(part([0, m], [0, 1]), &[rest])?;
            let size = cx.one(Abs {}, &[column])?;
            let best = cx.one(ArgReduce { kind: ArgKind::Max, axis: 1, keep: true, last: false }, &[size])?;
            let row_shape = Shape::of(&[count, 1, m]);
            let at = cx.one(Broadcast { shape: row_shape }, &[best])?;
            let pivot_row = cx.one(GatherElements { axis: 1 }, &[rest, at])?;
            let first_row = cx.one(part([0, 1], [0, m]), &[rest])?;
            let rows = cx.one(Iota { dtype: DType::I64, shape: Shape::of(&[1, m, 1]), axis: 1 }, &[])?;
            // The first row takes the place of the pivot row, and drops out if it is that row.
            let is_pivot = cx.one(Equal {}, &[rows, best])?;
            let exchanged = select(cx, is_pivot, first_row, rest)?;
            let head = cx.one(part([0, 1], [0, 1]), &[pivot_row])?;
            let stays = super::arith::below(cx, best, 1.0)?;
            let negated = cx.one(super::Neg {}, &[head])?;
            let factor = select(cx, stays, head, negated)?;
            product = mul(cx, product, factor)?;
            if m == 1 {
                break;
            }
            let below = cx.one(part([1, m - 1], [1, m - 1]), &[exchanged])?;
            let column = cx.one(part([1, m - 1], [0, 1]), &[exchanged])?;
            let row = cx.one(part([0, 1], [1, m - 1]), &[pivot_row])?;
            // A column of zeros: the product is 0 already, and the quotient must not be NaN.
            let zero = cx.scalar_like(head, 0.0)?;
            let vanishes = cx.one(Equal {}, &[head, zero])?;
            let divisor = select(cx, vanishes, one, head)?;
            let factors = div(cx, column, divisor)?;
            let outer = mul(cx, factors, row)?;
            rest = sub(cx, below, outer)?;
        }
        Ok(vec![cx.one(Reshape { shape }, &[product])?])
    }
}
