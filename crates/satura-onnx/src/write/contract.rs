//! Matrix products and convolutions.

use super::attribute::{int, ints};
use super::cx::{Cx, Form, count, signed};
use super::names::Name;
use super::takes::{FLOAT, WIDE_NUMBERS, inputs_as, same};
use crate::proto::AttributeProto;
use satura_ir::ops;
use satura_tensor::DType;

pub(super) fn matmul(cx: &mut Cx<'_>, _: &ops::MatMul) -> Form {
    same(cx, "MatMul", WIDE_NUMBERS, Vec::new())
}

/// The attributes of a window.
pub(super) fn window(
    strides: &[usize],
    low: &[usize],
    high: &[usize],
    dilations: &[usize],
) -> Vec<AttributeProto> {
    vec![
        ints("strides", signed(strides)),
        ints("pads", signed(&[low, high].concat())),
        ints("dilations", signed(dilations)),
    ]
}

pub(super) fn group(groups: usize) -> AttributeProto {
    int("group", count(groups))
}

/// Of integers by way of f64, in which their products and sums are exact up to 2^53.
pub(super) fn conv(cx: &mut Cx<'_>, op: &ops::Conv) -> Form {
    let mut attributes = window(&op.strides, &op.pads_low, &op.pads_high, &op.dilations);
    attributes.push(group(op.groups));
    let dtype = cx.dtype(0)?;
    if dtype.is_int() {
        let inputs = inputs_as(cx, dtype, DType::F64);
        return cx.result_as(DType::F64, "Conv", &inputs, attributes);
    }
    same(cx, "Conv", FLOAT, attributes)
}

/// Zero points that are constants 0 are left out.
pub(super) fn conv_integer(cx: &mut Cx<'_>, op: &ops::ConvInteger) -> Form {
    let mut attributes = window(&op.strides, &op.pads_low, &op.pads_high, &op.dilations);
    attributes.push(group(op.groups));
    let given = (2..4).rev().find(|zero| !cx.is_zero(*zero)).map_or(2, |last| last + 1);
    let inputs: Vec<Name> = (0..given).map(|i| cx.input(i)).collect();
    cx.result("ConvInteger", &inputs, attributes)
}

pub(super) fn conv_transpose(cx: &mut Cx<'_>, op: &ops::ConvTranspose) -> Form {
    let mut attributes = window(&op.strides, &op.pads_low, &op.pads_high, &op.dilations);
    attributes.extend([group(op.groups), ints("output_padding", signed(&op.output_padding))]);
    same(cx, "ConvTranspose", FLOAT, attributes)
}
