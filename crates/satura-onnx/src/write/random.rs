//! Random numbers.

use super::attribute::{float, int, ints};
use super::cx::{Cx, Form, NoForm};
use super::takes::{FLOAT, FLOAT_13, exactly, is_taken};
use crate::types;
use satura_ir::attr::Real;
use satura_ir::ops::{self, RandomKind};
use satura_tensor::DType;

/// A number of an attribute, which must be one of single precision.
fn single(name: &str, value: Real) -> Result<f64, NoForm> {
    let value = value.get();
    if f64::from(value as f32) == value || value.is_nan() {
        Ok(value)
    } else {
        Err(NoForm::new(format!("{name} is {value}, which is no number of single precision")))
    }
}

/// Types that the operators do not give are drawn in double precision, in which all of them are drawn anyway, and rounded. A shape that is not constant is that of a tensor made for it.
pub(super) fn random(cx: &mut Cx<'_>, op: &ops::Random) -> Form {
    let (name, like, first, second) = match op.kind {
        RandomKind::Uniform => ("RandomUniform", "RandomUniformLike", "low", "high"),
        RandomKind::Normal => ("RandomNormal", "RandomNormalLike", "mean", "scale"),
    };
    let dtype = if is_taken(FLOAT, cx.version(), op.dtype) { op.dtype } else { DType::F64 };
    let mut attributes = vec![
        int("dtype", i64::from(types::number(dtype))),
        float(first, single(first, op.a)?),
        float(second, single(second, op.b)?),
    ];
    if let Some(seed) = op.seed {
        let signed = seed.cast_signed();
        let seed = signed as f32;
        // The conversion back saturates, so the greatest seed would seem to survive.
        if seed as i64 != signed || signed == i64::MAX {
            return Err(NoForm::new(format!("the seed {signed} is no number of single precision")));
        }
        attributes.push(float("seed", f64::from(seed)));
    }
    let sizes: Option<Vec<i64>> = op.shape.iter().map(|dim| dim.as_const()).collect();
    match sizes {
        Some(sizes) => {
            attributes.push(ints("shape", sizes));
            cx.result_as(dtype, name, &[], attributes)
        }
        None => {
            let shape = cx.dims(&op.shape)?;
            let shaped = cx.node("ConstantOfShape", &[shape], Vec::new());
            cx.result_as(dtype, like, &[shaped], attributes)
        }
    }
}

pub(super) fn dropout(cx: &mut Cx<'_>, op: &ops::Dropout) -> Form {
    let seed = op.seed.map(|seed| int("seed", seed.cast_signed()));
    exactly(cx, "Dropout", FLOAT_13, seed.into_iter().collect())
}
