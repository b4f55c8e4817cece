//! Discrete Fourier transform.

use super::checks::{floats, output_sizes};
use super::{MatMul, Reshape, Transpose, axis_index};
use crate::{Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, ValueId};
use satura_tensor::{DType, Dim, Elements, Shape, Tensor, cast};
use std::f64::consts::TAU;

crate::op_struct! {
    /// `y[k] = sum over j of x[j] e^(-2 pi i j k / L)` along an axis of length `L`; the inverse has `+` in the exponent and divides by `L`. Complex numbers are a last axis of extent 2,
    /// real ones one of extent 1. `x: [.., n, .., 1 or 2]`, floats; what is shorter than `L` is continued with zeros, what is longer is cut.
    pub struct Dft {
        /// The axis; negative counts from the back. Not the last one.
        pub axis: i64,
        /// `L`; `none` is `n`, or `2 (n - 1)` for a one-sided inverse.
        pub length: Option<usize>,
        /// Whether it is the inverse.
        pub inverse: bool,
        /// Whether only the first `L / 2 + 1` numbers of a spectrum are given (inverse, whose output is then real) or wanted: the others are their conjugates.
        pub onesided: bool,
    }
}

impl Dft {
    /// The axis, `L`, and the extents of the output along it and along the last axis.
    fn plan(&self, x: &Shape) -> Result<(usize, Dim, [Dim; 2]), OpError> {
        let axis = axis_index(self.axis, x.len())?;
        let parts = x.last().and_then(Dim::as_const);
        if axis + 1 == x.len() || parts.is_some_and(|p| !(1..=2).contains(&p)) {
            return Err(OpError::shape(format!(
                "a transform along axis {axis} of {x}: the last axis must be another one, of extent 1 or 2"
            )));
        }
        let n = x[axis].clone();
        let length = match self.length {
            Some(length) => Dim::from(length),
            None if self.inverse && self.onesided => (n - Dim::from(1)) * Dim::from(2),
            None => n,
        };
        if length.as_const().is_some_and(|l| l < 1) {
            return Err(OpError::shape(format!("a transform of length {length}")));
        }
        let half = length.floor_div(&Dim::from(2)) + Dim::from(1);
        let out = match (self.inverse, self.onesided) {
            (false, true) => [half, Dim::from(2)],
            (true, true) => [length.clone(), Dim::from(1)],
            (_, false) => [length.clone(), Dim::from(2)],
        };
        Ok((axis, length, out))
    }

    fn shape(&self, x: &Shape) -> Result<Shape, OpError> {
        let (axis, _, [along, parts]) = self.plan(x)?;
        let mut shape = x.clone();
        shape.0[axis] = along;
        *shape.0.last_mut().expect("an axis was found") = parts;
        Ok(shape)
    }

    /// How much part `p` of number `j` of the input adds to part `q` of number `k` of the output.
    fn weight(&self, length: usize, j: usize, p: usize, k: usize, q: usize) -> f64 {
        let turn = (j as u128 * k as u128 % length as u128) as f64 / length as f64;
        let sign = if self.inverse { 1.0 } else { -1.0 };
        let (sin, cos) = (TAU * turn).sin_cos();
        let real_imaginary = match (p, q) {
            (0, 0) | (1, 1) => cos,
            (0, _) => sign * sin,
            _ => -sign * sin,
        };
        match (self.inverse, self.onesided) {
            (false, _) => real_imaginary,
            (true, false) => real_imaginary / length as f64,
            // Every number but the first and, of an even length, the last stands for its conjugate too.
            (true, true) => {
                let alone = j == 0 || 2 * j == length;
                real_imaginary * if alone { 1.0 } else { 2.0 } / length as f64
            }
        }
    }

    /// How many numbers of the input matter.
    fn used(&self, n: usize, length: usize) -> usize {
        n.min(if self.inverse && self.onesided { length / 2 + 1 } else { length })
    }
}

impl OpDef for Dft {
    const NAME: &'static str = "dft";

    fn arity(&self) -> Arity {
        1..=1
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        super::support::float_dtype(cx, Self::NAME).map(|dtype| vec![dtype])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        self.shape(cx.shape(0)?).map(|shape| vec![shape])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let x = &inputs[0];
        let shape = Shape::of(x.shape());
        let (axis, length, _) = self.plan(&shape)?;
        let sizes = output_sizes(&self.shape(&shape)?)?;
        let length = length.as_const().map_or(0, |l| l as usize);
        let values = floats(Self::NAME, x)?;
        let (n, rank) = (x.shape()[axis], x.rank());
        let (parts, out_parts) = (x.shape()[rank - 1], sizes[rank - 1]);
        let inner: usize = x.shape()[axis + 1..rank - 1].iter().product();
        let outer: usize = x.shape()[..axis].iter().product();
        let mut out = Vec::with_capacity(sizes.iter().product());
        for o in 0..outer {
            for k in 0..sizes[axis] {
                for i in 0..inner {
                    for q in 0..out_parts {
                        let mut sum = 0.0;
                        for j in 0..self.used(n, length) {
                            let from = &values[((o * n + j) * inner + i) * parts..][..parts];
                            for (p, value) in from.iter().enumerate() {
                                sum += value * self.weight(length, j, p, k, q);
                            }
                        }
                        out.push(sum);
                    }
                }
            }
        }
        Ok(vec![Tensor::from_elements(x.dtype(), &sizes, Elements::Float(out))])
    }
}

/// The matrix of a transform has no more elements.
const MATRIX_LIMIT: usize = 1 << 27;

impl Composite for Dft {
    /// One product with a constant matrix, the transformed axis and the parts of its numbers being one axis.
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let x = inputs[0];
        let (shape, sizes) = (cx.shape(x)?, cx.sizes(x)?);
        let (axis, length, _) = self.plan(&shape)?;
        let out = output_sizes(&self.shape(&shape)?)?;
        let length = length.as_const().map_or(0, |l| l as usize);
        let (n, rank) = (sizes[axis], sizes.len());
        let (parts, out_parts, numbers) = (sizes[rank - 1], out[rank - 1], out[axis]);
        let (rows, columns) = (n * parts, numbers * out_parts);
        if rows.checked_mul(columns).is_none_or(|count| count > MATRIX_LIMIT) {
            return Err(OpError::limit(format!("a transform of length {length} needs too large a matrix")));
        }
        let used = self.used(n, length);
        let weight = |row: usize, column: usize| {
            let (j, k) = (row / parts, column / out_parts);
            if j < used { self.weight(length, j, row % parts, k, column % out_parts) } else { 0.0 }
        };
        let matrix = (0..rows * columns).map(|at| weight(at / columns, at % columns)).collect();
        let matrix = cast(&Tensor::from_vec(matrix, &[rows, columns]), cx.dtype(x)?)
            .ok_or_else(|| OpError::dtype("only floats are transformed"))?;
        let matrix = cx.constant(matrix)?;
        // The axis moves before the last one, and back.
        let mut forth: Vec<usize> = (0..rank).filter(|a| *a != axis && *a + 1 != rank).collect();
        let batch: Vec<usize> = forth.iter().map(|a| sizes[*a]).collect();
        forth.extend([axis, rank - 1]);
        let mut back = vec![0; rank];
        forth.iter().enumerate().for_each(|(to, from)| back[*from] = to);
        let moved = cx.one(Transpose { perm: forth }, &[x])?;
        let rows_shape = Shape::of(&[batch.iter().product(), rows]);
        let flat = cx.one(Reshape { shape: rows_shape }, &[moved])?;
        let product = cx.one(MatMul {}, &[flat, matrix])?;
        let mut spread = batch;
        spread.extend([numbers, out_parts]);
        let spread = cx.one(Reshape { shape: Shape::of(&spread) }, &[product])?;
        Ok(vec![cx.one(Transpose { perm: back }, &[spread])?])
    }
}
