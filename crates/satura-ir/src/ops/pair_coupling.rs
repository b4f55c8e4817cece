//! Probabilities of classes from those of pairs.

use super::checks::floats;
use super::support::float_dtype;
use crate::{Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Dim, Elements, Shape, Tensor};

crate::op_struct! {
    /// The probabilities of `classes` classes that agree best with those of the pairs: `x: [N, classes * (classes - 1) / 2]` has for each pair `i < j`, in the order
    /// (0, 1), (0, 2), .., (1, 2), .., the probability of `i` where only the two are possible, above 0 and below 1; the result is `[N, classes]`. Floats, computed in f64.
    ///
    /// The second method of Wu, Lin and Weng, "Probability estimates for multi-class classification by pairwise coupling" (2004), with the stopping rule of LIBSVM: at most
    /// `max(100, classes)` rounds, until every condition holds up to `0.005 / classes`.
    pub struct PairCoupling {
        /// The number of classes, at least 2.
        pub classes: usize,
    }
}

impl PairCoupling {
    fn pairs(&self) -> Result<usize, OpError> {
        let pairs = self.classes.checked_mul(self.classes.saturating_sub(1)).map(|n| n / 2);
        pairs.filter(|n| *n > 0).ok_or_else(|| OpError::attribute(format!("{} classes", self.classes)))
    }
}

impl OpDef for PairCoupling {
    const NAME: &'static str = "pair_coupling";

    fn arity(&self) -> Arity {
        1..=1
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        Ok(vec![float_dtype(cx, Self::NAME)?])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        let (x, pairs) = (cx.shape(0)?, Dim::from(self.pairs()?));
        match &x[..] {
            [rows, columns] if columns.as_const().is_none() || *columns == pairs => {
                Ok(vec![Shape(vec![rows.clone(), Dim::from(self.classes)])])
            }
            _ => {
                Err(OpError::shape(format!("{} classes have {pairs} pairs, the input is {x}", self.classes)))
            }
        }
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let (x, pairs) = (&inputs[0], self.pairs()?);
        let [rows, columns] = *x.shape() else { return Err(OpError::shape("a matrix is expected")) };
        if columns != pairs {
            return Err(OpError::shape(format!(
                "{} classes have {pairs} pairs, not {columns}",
                self.classes
            )));
        }
        let values = floats(Self::NAME, x)?;
        let out = values.chunks_exact(pairs).flat_map(|row| couple(self.classes, row)).collect();
        Ok(vec![Tensor::from_elements(x.dtype(), &[rows, self.classes], Elements::Float(out))])
    }
}

fn couple(classes: usize, pairs: &[f64]) -> Vec<f64> {
    let mut r = vec![vec![0.0; classes]; classes];
    let mut next = pairs.iter();
    for i in 0..classes {
        for j in i + 1..classes {
            let p = next.next().copied().unwrap_or(0.5);
            (r[i][j], r[j][i]) = (p, 1.0 - p);
        }
    }
    let mut q = vec![vec![0.0; classes]; classes];
    for i in 0..classes {
        for j in 0..classes {
            q[i][j] = if i == j {
                (0..classes).filter(|k| *k != i).map(|k| r[k][i] * r[k][i]).sum()
            } else {
                -r[j][i] * r[i][j]
            };
        }
    }
    let mut p = vec![1.0 / classes as f64; classes];
    for _ in 0..classes.max(100) {
        let mut qp: Vec<f64> = q.iter().map(|row| row.iter().zip(&p).map(|(a, b)| a * b).sum()).collect();
        let mut pqp: f64 = p.iter().zip(&qp).map(|(a, b)| a * b).sum();
        if qp.iter().all(|entry| (entry - pqp).abs() < 0.005 / classes as f64) {
            break;
        }
        for t in 0..classes {
            let step = (pqp - qp[t]) / q[t][t];
            p[t] += step;
            pqp = (pqp + step * (step * q[t][t] + 2.0 * qp[t])) / ((1.0 + step) * (1.0 + step));
            for j in 0..classes {
                qp[j] = (qp[j] + step * q[t][j]) / (1.0 + step);
                p[j] /= 1.0 + step;
            }
        }
    }
    p
}
