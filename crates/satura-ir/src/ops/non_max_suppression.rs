//! Selection of boxes that do not overlap.

use super::checks::{floats, indices, same_extent};
use crate::{Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Dim, Shape, Tensor};

crate::op_struct! {
    /// For each batch element and class, the boxes of the highest scores, without those that overlap one that was taken already: `boxes: [N, B, 4]` and `scores: [N, C, B]` of one
    /// float dtype, the greatest number of boxes for a class (an i64 scalar), the greatest ratio of intersection to union, and, if given, the score that a box must exceed (scalars of
    /// that dtype). Gives `[k, 3]`, i64: batch element, class, box. Of equal scores the lower position comes first; a NaN score comes last.
    pub struct NonMaxSuppression {
        /// Whether a box is (x of the centre, y of the centre, width, height), and not (y, x) of two opposite corners.
        pub center: bool,
    }
}

impl OpDef for NonMaxSuppression {
    const NAME: &'static str = "non_max_suppression";

    fn arity(&self) -> Arity {
        4..=5
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        let dtype = cx.dtype(0)?;
        for i in [1, 3, 4].into_iter().filter(|i| *i < cx.len()) {
            if cx.dtype(i)? != dtype || !dtype.is_float() {
                return Err(OpError::dtype(format!(
                    "input {i} is {}, the boxes are {dtype}: one float dtype is needed",
                    cx.ty(i)
                )));
            }
        }
        if cx.dtype(2)? != DType::I64 {
            return Err(OpError::dtype(format!("the number of boxes must be i64, it is {}", cx.ty(2))));
        }
        Ok(vec![DType::I64])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        if let (Ok(boxes), Ok(scores)) = (cx.shape(0), cx.shape(1)) {
            check(boxes, scores)?;
        }
        Ok(vec![Shape(vec![Dim::unknown(), Dim::from(3)])])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let (boxes, scores) = (&inputs[0], &inputs[1]);
        check(&Shape::of(boxes.shape()), &Shape::of(scores.shape()))?;
        let (corners, ranks) = (floats(Self::NAME, boxes)?, floats(Self::NAME, scores)?);
        let most = indices(Self::NAME, &inputs[2])?.first().copied().unwrap_or(0);
        let number = |i: usize| inputs.get(i).map(|t| floats(Self::NAME, t)).transpose();
        let overlap = number(3)?.and_then(|v| v.first().copied()).unwrap_or(0.0);
        let least = number(4)?.and_then(|v| v.first().copied());
        let (classes, count) = (scores.shape()[1], scores.shape()[2]);
        let single = boxes.dtype() != DType::F64;
        let mut selected: Vec<i64> = Vec::new();
        for batch in 0..scores.shape()[0] {
            let rectangle = |b: usize| self.rectangle(&corners[(batch * count + b) * 4..][..4]);
            for class in 0..classes {
                let ranks = &ranks[(batch * classes + class) * count..][..count];
                let mut order: Vec<usize> =
                    (0..count).filter(|b| least.is_none_or(|least| ranks[*b] > least)).collect();
                order.sort_by(|a, b| {
                    ranks[*b]
                        .partial_cmp(&ranks[*a])
                        .unwrap_or_else(|| ranks[*a].is_nan().cmp(&ranks[*b].is_nan()))
                });
                let mut taken: Vec<usize> = Vec::new();
                for b in order {
                    if taken.len() as i128 >= most {
                        break;
                    }
                    let ratio = |other: &usize| {
                        let ratio = rectangle(b).overlap(&rectangle(*other));
                        if single { f64::from(ratio as f32) } else { ratio }
                    };
                    if !taken.iter().any(|other| ratio(other) > overlap) {
                        taken.push(b);
                        selected.extend([batch as i64, class as i64, b as i64]);
                    }
                }
            }
        }
        let rows = selected.len() / 3;
        Ok(vec![Tensor::from_vec(selected, &[rows, 3])])
    }
}

fn check(boxes: &Shape, scores: &Shape) -> Result<(), OpError> {
    let ([n, b, four], [m, _, c]) = (&boxes.0[..], &scores.0[..]) else {
        return Err(OpError::shape(format!(
            "boxes of shape {boxes} and scores of shape {scores}: rank 3 is needed"
        )));
    };
    let differ = || format!("boxes of shape {boxes} and scores of shape {scores}");
    same_extent(n, m, differ)?;
    same_extent(b, c, differ)?;
    same_extent(four, &Dim::from(4), || format!("boxes of shape {boxes}: a box has 4 numbers"))
}

/// An interval on each of two axes.
struct Rectangle([[f64; 2]; 2]);

impl NonMaxSuppression {
    fn rectangle(&self, numbers: &[f64]) -> Rectangle {
        let [a, b, c, d] = [numbers[0], numbers[1], numbers[2], numbers[3]];
        Rectangle(if self.center {
            [[a - c / 2.0, a + c / 2.0], [b - d / 2.0, b + d / 2.0]]
        } else {
            [[a.min(c), a.max(c)], [b.min(d), b.max(d)]]
        })
    }
}

impl Rectangle {
    fn area(&self) -> f64 {
        self.0.iter().map(|[low, high]| high - low).product()
    }

    /// The ratio of the areas of intersection and union; 0 where either rectangle is empty.
    fn overlap(&self, other: &Rectangle) -> f64 {
        let shared = self.0.iter().zip(&other.0).map(|(a, b)| (a[1].min(b[1]) - a[0].max(b[0])).max(0.0));
        let intersection: f64 = shared.product();
        let union = self.area() + other.area() - intersection;
        if intersection > 0.0 && union > 0.0 { intersection / union } else { 0.0 }
    }
}
