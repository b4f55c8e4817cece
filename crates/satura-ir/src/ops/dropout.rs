//! Elements dropped at random.

use super::support::{bounded, check_scalar};
use super::{Cast, Div, LessEqual, Mul, Not, Or, Random, RandomKind, Select, Sub};
use crate::attr::Real;
use crate::{Algebra, Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, ValueId};
use satura_tensor::{DType, Elements, Shape, Tensor, cast};

crate::op_struct! {
    /// While training, each element of `x` (input 0, floats of any shape) becomes 0 with the probability `ratio` (input 1, an f32 scalar), and those that stay are divided by
    /// `1 - ratio`, so that the mean stays too (Srivastava et al., Dropout, 2014). `training` (input 2, a bool scalar) says whether; else `x` stays as it is. The second
    /// output, bools of that shape, says which elements stay.
    ///
    /// An element stays where a number of [`Random`](super::Random) from 0 to 1 is not below the ratio.
    pub struct Dropout {
        /// As that of [`Random`](super::Random).
        pub seed: Option<u64>,
        /// As that of [`Random`](super::Random).
        pub id: u64,
    }
}

impl Dropout {
    /// The numbers that decide.
    fn random(&self, shape: Shape) -> Random {
        let (kind, dtype) = (RandomKind::Uniform, DType::F32);
        Random { kind, dtype, shape, a: Real::from(0.0), b: Real::from(1.0), seed: self.seed, id: self.id }
    }
}

impl OpDef for Dropout {
    const NAME: &'static str = "dropout";
    const ALGEBRA: Algebra = Algebra::RANDOM;

    fn arity(&self) -> Arity {
        3..=3
    }

    fn outputs(&self) -> usize {
        2
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        let dtype = cx.dtype(0)?;
        if !dtype.is_float() {
            return Err(OpError::dtype(format!("dropout does not take {dtype}")));
        }
        for (i, what, expected) in [(1, "ratio", DType::F32), (2, "mode", DType::Bool)] {
            let given = cx.dtype(i)?;
            if given != expected {
                return Err(OpError::dtype(format!("the {what} must be {expected}, it is {given}")));
            }
        }
        Ok(vec![dtype, DType::Bool])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        check_scalar(cx, 1, "the ratio")?;
        check_scalar(cx, 2, "the mode")?;
        let shape = cx.shape(0)?;
        Ok(vec![shape.clone(), shape.clone()])
    }

    fn eval(&self, inputs: &[Tensor], cx: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let [x, ratio, training] = inputs else { return Err(OpError::arity("3 inputs expected")) };
        let shape = bounded(x.shape().to_vec())?;
        let all = || Tensor::from_bools(&vec![true; x.elements()], &shape);
        let (Elements::Float(ratios), Elements::Bool(mode)) = (ratio.to_elements(), training.to_elements())
        else {
            return Err(OpError::dtype("a ratio in f32 and a mode in bool are expected"));
        };
        let ([ratio], [training]) = (&ratios[..], &mode[..]) else {
            return Err(OpError::shape("ratio and mode must be scalars"));
        };
        if !training {
            return Ok(vec![x.clone(), all()]);
        }
        let drawn = self.random(Shape::of(&shape)).eval(&[], cx)?;
        let Some(Elements::Float(drawn)) = drawn.first().map(Tensor::to_elements) else {
            return Err(OpError::dtype("random numbers are expected"));
        };
        let stays: Vec<bool> = drawn.iter().map(|number| ratio <= number).collect();
        // The factor has the dtype of the elements, as in the decomposition.
        let factor = Tensor::scalar(1.0 / (1.0 - *ratio as f32));
        let factor = match cast(&factor, x.dtype()).map(|factor| factor.to_elements()) {
            Some(Elements::Float(factor)) => factor.first().copied().unwrap_or(1.0),
            _ => return Err(OpError::dtype(format!("dropout does not take {}", x.dtype()))),
        };
        let Elements::Float(values) = x.to_elements() else {
            return Err(OpError::dtype(format!("dropout does not take {}", x.dtype())));
        };
        let values =
            values.iter().zip(&stays).map(|(x, stays)| if *stays { x * factor } else { 0.0 }).collect();
        let mask = Tensor::from_bools(&stays, &shape);
        Ok(vec![Tensor::from_elements(x.dtype(), &shape, Elements::Float(values)), mask])
    }
}

impl Composite for Dropout {
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let [x, ratio, training] = inputs else { return Err(OpError::arity("3 inputs expected")) };
        let (dtype, shape) = (cx.dtype(*x)?, cx.shape(*x)?);
        let drawn = cx.one(self.random(shape), &[])?;
        let stays = cx.one(LessEqual {}, &[*ratio, drawn])?;
        let one = cx.scalar(DType::F32, 1.0)?;
        let rest = cx.one(Sub {}, &[one, *ratio])?;
        let mut factor = cx.one(Div {}, &[one, rest])?;
        if dtype != DType::F32 {
            factor = cx.one(Cast { to: dtype }, &[factor])?;
        }
        let zero = cx.scalar(dtype, 0.0)?;
        let scaled = cx.one(Mul {}, &[*x, factor])?;
        let dropped = cx.one(Select {}, &[stays, scaled, zero])?;
        let result = cx.one(Select {}, &[*training, dropped, *x])?;
        let inference = cx.one(Not {}, &[*training])?;
        Ok(vec![result, cx.one(Or {}, &[stays, inference])?])
    }
}
