//! Elementwise primitives.

use super::attribute::{int, text};
use super::cx::{Cx, Form, NoForm, to_attribute};
use super::names::Name;
use super::takes::{
    BFLOAT, BOOL, FLOAT, FLOATS, FLOATS8, NUMBERS, SIGNED_INTS, SMALL_INTS, STRING, Takes, WIDE_INTS,
    WIDE_NUMBERS, carrier, castable, inputs_as, same,
};
use satura_ir::ops::{self, RemKind};
use satura_tensor::{DType, Tensor};

/// Sums, differences, products and quotients: small integers from operator set 14 on.
pub(super) const ARITHMETIC: &Takes = &[(1, FLOATS), (1, WIDE_INTS), (14, SMALL_INTS)];
const POWERS: &Takes = &[(1, FLOATS), (1, &[DType::I32, DType::I64])];
const SIGNED: &Takes = &[(1, FLOATS), (1, SIGNED_INTS)];
const EQUAL: &Takes = &[(1, FLOATS), (1, WIDE_INTS), (1, SMALL_INTS), (1, BOOL), (19, STRING)];
const BITS: &Takes = &[(18, WIDE_INTS), (18, SMALL_INTS)];
const WHERE: &Takes = &[
    (1, FLOATS),
    (16, BFLOAT),
    (1, WIDE_INTS),
    (1, SMALL_INTS),
    (1, BOOL),
    (1, STRING),
    (1, super::takes::COMPLEX),
];

/// An operator of one name and meaning, whose inputs and output have one dtype.
pub(super) fn plain(cx: &mut Cx<'_>, op: &str, takes: &Takes) -> Form {
    same(cx, op, takes, Vec::new())
}

/// There is no negation of unsigned numbers: they are taken from 0.
pub(super) fn neg(cx: &mut Cx<'_>, _: &ops::Neg) -> Form {
    let dtype = cx.dtype(0)?;
    if !dtype.is_unsigned_int() {
        return plain(cx, "Neg", SIGNED);
    }
    let wide = carrier(ARITHMETIC, cx.version(), dtype)?;
    let (zero, x) = (cx.scalar(wide, 0.0)?, cx.input(0));
    let x = cx.cast_from(&x, dtype, wide);
    cx.result_as(wide, "Sub", &[zero, x], Vec::new())
}

/// Of bools, and of the bits of integers: `-1 - x` where there is no operator for them.
pub(super) fn not(cx: &mut Cx<'_>, _: &ops::Not) -> Form {
    let dtype = cx.dtype(0)?;
    if dtype == DType::Bool {
        return plain(cx, "Not", &[(1, BOOL)]);
    }
    if cx.version() >= 18 {
        return plain(cx, "BitwiseNot", BITS);
    }
    let wide = carrier(ARITHMETIC, cx.version(), dtype)?;
    let all = dtype.int_range().map_or(0, |(_, greatest)| if dtype.is_signed_int() { -1 } else { greatest });
    let all = Tensor::from_elements(wide, &[], satura_tensor::Elements::Int(vec![all]));
    let (ones, x) = (cx.constant(&all), cx.input(0));
    let x = cx.cast_from(&x, dtype, wide);
    cx.result_as(wide, "Sub", &[ones, x], Vec::new())
}

pub(super) fn is_nan(cx: &mut Cx<'_>, _: &ops::IsNan) -> Form {
    let dtype = cx.dtype(0)?;
    let carrier = carrier(FLOAT, cx.version(), dtype)?;
    let inputs = inputs_as(cx, dtype, carrier);
    cx.result("IsNaN", &inputs, Vec::new())
}

pub(super) fn cast(cx: &mut Cx<'_>, op: &ops::Cast) -> Form {
    let from = cx.dtype(0)?;
    if let Some(dtype) = [from, op.to].into_iter().find(|dtype| !castable(cx.version(), *dtype)) {
        return Err(NoForm::new(format!("operator set {} converts no {dtype}", cx.version())));
    }
    let x = cx.input(0);
    let mut attributes = vec![to_attribute(op.to)];
    if op.to == DType::F8E8M0 && from != op.to {
        let scaled = towards_power_of_two(cx, &x, from)?;
        attributes.push(text("round_mode", "down"));
        return cx.result("Cast", &[scaled], attributes);
    }
    if FLOATS8.contains(&op.to) {
        // What is out of range becomes infinity or NaN.
        attributes.push(int("saturate", 0));
    }
    cx.result("Cast", &[x], attributes)
}

/// What a conversion that rounds down to powers of two takes to the power that is nearest by its logarithm: the one below sqrt(2) times the number. What is below 0 becomes NaN, and
/// infinity the greatest power.
fn towards_power_of_two(cx: &mut Cx<'_>, x: &Name, from: DType) -> Result<Name, NoForm> {
    let wide = cx.cast_from(x, from, DType::F64);
    let mut number = |value: f64| cx.scalar(DType::F64, value);
    // The margin is that of the reader, so that reading gives the same powers.
    let factor = number(std::f64::consts::SQRT_2 / (1.0 + 2f64.powi(-26)))?;
    let (zero, nan, greatest) = (number(0.0)?, number(f64::NAN)?, number(2f64.powi(127))?);
    let negative = cx.node("Less", &[wide.clone(), zero], Vec::new());
    let magnitude = cx.node("Where", &[negative, nan, wide], Vec::new());
    let scaled = cx.node("Mul", &[magnitude, factor], Vec::new());
    Ok(cx.node("Min", &[scaled, greatest], Vec::new()))
}

/// Before operator set 26, a conversion keeps the bits between integers, and between bools and bytes; nothing keeps those of floats.
pub(super) fn bit_cast(cx: &mut Cx<'_>, op: &ops::BitCast) -> Form {
    let from = cx.dtype(0)?;
    if cx.version() >= 26 {
        let x = cx.input(0);
        return cx.result("BitCast", &[x], vec![to_attribute(op.to)]);
    }
    let whole = |dtype: DType| dtype.is_int() || dtype == DType::Bool;
    if !whole(from) || !whole(op.to) {
        return Err(NoForm::since("BitCast of floats", 26));
    }
    if let Some(dtype) = [from, op.to].into_iter().find(|dtype| !castable(cx.version(), *dtype)) {
        return Err(NoForm::new(format!("operator set {} converts no {dtype}", cx.version())));
    }
    let x = cx.input(0);
    cx.result("Cast", &[x], vec![to_attribute(op.to)])
}

/// Logic of bools, or the operator for the bits of integers.
pub(super) fn logic(cx: &mut Cx<'_>, op: &str, of_bits: &str) -> Form {
    let dtype = cx.dtype(0)?;
    if dtype == DType::Bool {
        return plain(cx, op, &[(1, BOOL)]);
    }
    if cx.version() >= 18 {
        return plain(cx, of_bits, BITS);
    }
    // Before that bit by bit, along a new last axis.
    let places = dtype.bits();
    let powers: Vec<i64> = (0..places).map(|bit| 1i64 << bit).collect();
    let shifts = cx.constant(&Tensor::from_vec((0..places as u64).collect(), &[places]));
    let (last, two) = (cx.vector(&[-1]), cx.scalar(DType::U64, 2.0)?);
    let bits = cx.inputs().into_iter().map(|x| {
        let wide = cx.cast_from(&x, dtype, DType::U64);
        let column = cx.node("Unsqueeze", &[wide, last.clone()], Vec::new());
        let shifted = cx.node("BitShift", &[column, shifts.clone()], vec![text("direction", "RIGHT")]);
        let bit = cx.node("Mod", &[shifted, two.clone()], Vec::new());
        cx.cast(&bit, DType::Bool)
    });
    let bits: Vec<_> = bits.collect();
    let chosen = cx.node(op, &bits, Vec::new());
    let (chosen, powers) = (cx.cast(&chosen, DType::I64), cx.vector(&powers));
    let weighted = cx.node("Mul", &[chosen, powers], Vec::new());
    let sum = [weighted, last];
    cx.result_as(DType::I64, "ReduceSum", &sum, vec![int("keepdims", 0)])
}

fn compare(cx: &mut Cx<'_>, op: &str, takes: &Takes) -> Form {
    let dtype = cx.dtype(0)?;
    let carrier = carrier(takes, cx.version(), dtype)?;
    let inputs = inputs_as(cx, dtype, carrier);
    cx.result(op, &inputs, Vec::new())
}

pub(super) fn equal(cx: &mut Cx<'_>, _: &ops::Equal) -> Form {
    compare(cx, "Equal", EQUAL)
}

pub(super) fn less(cx: &mut Cx<'_>, _: &ops::Less) -> Form {
    compare(cx, "Less", NUMBERS)
}

pub(super) fn less_equal(cx: &mut Cx<'_>, _: &ops::LessEqual) -> Form {
    compare(cx, "LessOrEqual", NUMBERS)
}

pub(super) fn pow(cx: &mut Cx<'_>, _: &ops::Pow) -> Form {
    plain(cx, "Pow", POWERS)
}

/// Before operator set 28, the operator has no sign of the divisor for floats, which is composed.
pub(super) fn rem(cx: &mut Cx<'_>, op: &ops::Rem) -> Form {
    let dtype = cx.dtype(0)?;
    if op.kind == RemKind::Trunc || !dtype.is_float() || cx.version() >= 28 {
        return same(cx, "Mod", NUMBERS, vec![int("fmod", i64::from(op.kind == RemKind::Trunc))]);
    }
    let carrier = carrier(WIDE_NUMBERS, cx.version(), dtype)?;
    let inputs = inputs_as(cx, dtype, carrier);
    let [_, y] = &inputs[..] else { return Err(NoForm::new("two inputs are expected")) };
    let zero = cx.scalar(carrier, 0.0)?;
    let rest = cx.node("Mod", &inputs, vec![int("fmod", 1)]);
    let signs = [&rest, y].map(|value| cx.node("Sign", std::slice::from_ref(value), Vec::new()));
    let product = cx.node("Mul", &signs, Vec::new());
    let differs = cx.node("Less", &[product, zero], Vec::new());
    let more = cx.node("Add", &[rest.clone(), y.clone()], Vec::new());
    let moved = cx.node("Where", &[differs, more, rest], Vec::new());
    // The sign of the divisor, also for 0: `Where` may lose the sign of a 0.
    let size = cx.node("Abs", &[moved], Vec::new());
    let [_, sign] = signs;
    cx.result_as(carrier, "Mul", &[size, sign], Vec::new())
}

pub(super) fn select(cx: &mut Cx<'_>, _: &ops::Select) -> Form {
    let dtype = cx.dtype(1)?;
    let carrier = carrier(WHERE, cx.version(), dtype)?;
    let inputs = match dtype {
        // The condition is no number.
        DType::Bool => cx.inputs(),
        _ => inputs_as(cx, dtype, carrier),
    };
    cx.result_as(carrier, "Where", &inputs, Vec::new())
}
