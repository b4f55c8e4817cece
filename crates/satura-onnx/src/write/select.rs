//! Sorting and selecting: what is chosen depends on the data.

use super::attribute::{flag, int};
use super::cx::{Cx, Form, NoForm};
use super::takes::{ANY, BFLOAT, BOOL, COMPLEX, FLOATS, SMALL_INTS, STRING, Takes, WIDE_INTS, carrier};
use satura_ir::ops;
use satura_tensor::DType;

const UNIQUE: &Takes =
    &[(1, FLOATS), (28, BFLOAT), (1, WIDE_INTS), (1, SMALL_INTS), (1, BOOL), (1, STRING), (1, COMPLEX)];
const SORTED: &Takes = &[(1, FLOATS), (1, WIDE_INTS), (1, SMALL_INTS), (24, BFLOAT)];

/// Of a scalar, readers differ about the number of axes: it is made a vector.
pub(super) fn non_zero(cx: &mut Cx<'_>, _: &ops::NonZero) -> Form {
    let dtype = cx.dtype(0)?;
    let wide = carrier(ANY, cx.version(), dtype)?;
    let x = cx.input(0);
    let mut x = cx.cast_from(&x, dtype, wide);
    if cx.shape(0).is_some_and(|shape| shape.is_empty()) {
        let one = cx.vector(&[1]);
        x = cx.node("Reshape", &[x, one], Vec::new());
    }
    cx.result("NonZero", &[x], Vec::new())
}

pub(super) fn unique(cx: &mut Cx<'_>, op: &ops::Unique) -> Form {
    let dtype = cx.dtype(0)?;
    let wide = carrier(UNIQUE, cx.version(), dtype)?;
    let x = cx.input(0);
    let x = cx.cast_from(&x, dtype, wide);
    let mut attributes = vec![flag("sorted", op.sorted)];
    attributes.extend(op.axis.map(|axis| int("axis", axis)));
    cx.result_as(wide, "Unique", &[x], attributes)
}

/// The number of elements is a vector of one.
pub(super) fn top_k(cx: &mut Cx<'_>, op: &ops::TopK) -> Form {
    let dtype = cx.dtype(0)?;
    let wide = match dtype {
        DType::Bool => DType::U8,
        _ => carrier(SORTED, cx.version(), dtype)?,
    };
    let x = cx.input(0);
    let x = cx.cast_from(&x, dtype, wide);
    let k = cx.as_vector(1);
    let attributes = vec![int("axis", op.axis), flag("largest", op.largest)];
    cx.result_as(wide, "TopK", &[x, k], attributes)
}

/// Boxes and scores are f32.
pub(super) fn non_max_suppression(cx: &mut Cx<'_>, op: &ops::NonMaxSuppression) -> Form {
    let dtype = cx.dtype(0)?;
    if !matches!(dtype, DType::F32 | DType::F16 | DType::BF16) {
        return Err(NoForm::new(format!("NonMaxSuppression takes no {dtype}")));
    }
    let inputs: Vec<_> = (0..cx.count())
        .map(|i| {
            let x = cx.input(i);
            if i == 2 { x } else { cx.cast_from(&x, dtype, DType::F32) }
        })
        .collect();
    let center = int("center_point_box", i64::from(op.center));
    cx.result("NonMaxSuppression", &inputs, vec![center])
}
