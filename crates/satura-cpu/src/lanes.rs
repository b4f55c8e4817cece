//! The elementwise functions on blocks of f32, which programs are made of. A truth value is 1 or 0; any other value than 0 counts as true.
//!
//! Each function is within the rounding of one f32 operation of the op's definition in f64.

use crate::math;
use crate::simd::{fma, versions};

/// A function of one element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Unary {
    Copy,
    Neg,
    Abs,
    Sign,
    Floor,
    Ceil,
    Round,
    Exp,
    Log,
    Sqrt,
    Sin,
    Cos,
    Tan,
    Tanh,
    Sigmoid,
    Erf,
    Not,
    IsNan,
    /// 1 where it is not 0, NaN included.
    Truth,
    Relu,
    LeakyRelu(f32),
    Elu(f32),
    /// Slope and value at 0.
    HardSigmoid(f32, f32),
    /// Slope and value at 0 of the gate.
    HardSwish(f32, f32),
    Silu,
    Softplus,
    Gelu,
    GeluTanh,
    /// Bounds; at least one is finite.
    Clamp(f32, f32),
    /// Factor, then summand.
    Affine(f32, f32),
}

/// A function of two elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    RemFloor,
    RemTrunc,
    Max,
    Min,
    And,
    Or,
    Xor,
    Equal,
    Less,
    LessEqual,
}

#[inline(always)]
fn map(d: &mut [f32], a: &[f32], f: impl Fn(f32) -> f32) {
    for (d, a) in d.iter_mut().zip(a) {
        *d = f(*a);
    }
}

#[inline(always)]
fn truth(x: bool) -> f32 {
    if x { 1.0 } else { 0.0 }
}

/// The greater; NaN if either is.
#[inline(always)]
pub(crate) fn max(a: f32, b: f32) -> f32 {
    let larger = if a > b { a } else { b };
    if a.is_nan() { a } else { larger }
}

/// The lesser; NaN if either is.
#[inline(always)]
pub(crate) fn min(a: f32, b: f32) -> f32 {
    let smaller = if a < b { a } else { b };
    if a.is_nan() { a } else { smaller }
}

/// Within the bounds; NaN stays, as every comparison with it is false.
#[inline(always)]
fn clamp(x: f32, least: f32, greatest: f32) -> f32 {
    let x = if x < least { least } else { x };
    if x > greatest { greatest } else { x }
}

/// Through f64, where no vector form is worth it.
#[inline(always)]
fn wide(d: &mut [f32], a: &[f32], f: impl Fn(f64) -> f64) {
    map(d, a, |x| f(f64::from(x)) as f32);
}

#[inline(always)]
fn unary_body<const FMA: bool>(f: Unary, d: &mut [f32], a: &[f32]) {
    match f {
        Unary::Copy => d.copy_from_slice(a),
        Unary::Neg => map(d, a, |x| -x),
        Unary::Abs => map(d, a, f32::abs),
        Unary::Sign => map(d, a, |x| {
            let sign = truth(x > 0.0) - truth(x < 0.0);
            if x.is_nan() { x } else { sign }
        }),
        Unary::Floor => map(d, a, f32::floor),
        Unary::Ceil => map(d, a, f32::ceil),
        Unary::Round => map(d, a, f32::round_ties_even),
        Unary::Exp => map(d, a, math::exp::<FMA>),
        Unary::Log => map(d, a, math::log::<FMA>),
        Unary::Sqrt => map(d, a, f32::sqrt),
        Unary::Sin => wide(d, a, f64::sin),
        Unary::Cos => wide(d, a, f64::cos),
        Unary::Tan => wide(d, a, f64::tan),
        Unary::Tanh => map(d, a, math::tanh::<FMA>),
        Unary::Sigmoid => map(d, a, math::sigmoid::<FMA>),
        Unary::Erf => map(d, a, math::erf::<FMA>),
        Unary::Not => map(d, a, |x| truth(x == 0.0)),
        Unary::IsNan => map(d, a, |x| truth(x.is_nan())),
        Unary::Truth => map(d, a, |x| truth(x != 0.0)),
        Unary::Relu => map(d, a, |x| if x < 0.0 { 0.0 } else { x }),
        Unary::LeakyRelu(alpha) => map(d, a, |x| if x < 0.0 { alpha * x } else { x }),
        Unary::Elu(alpha) => map(d, a, |x| {
            // Near 0 the difference from 1 would lose its digits: there the hyperbolic tangent gives it, as e^x - 1 = 2t / (1 - t) for t = tanh(x / 2).
            let t = math::tanh::<FMA>(0.5 * x);
            let near = 2.0 * t / (1.0 - t);
            let far = math::exp::<FMA>(x) - 1.0;
            let value = alpha * if x > -1.0 { near } else { far };
            if x < 0.0 { value } else { x }
        }),
        Unary::HardSigmoid(slope, middle) => map(d, a, |x| clamp(fma::<FMA>(x, slope, middle), 0.0, 1.0)),
        Unary::HardSwish(slope, middle) => map(d, a, |x| x * clamp(fma::<FMA>(x, slope, middle), 0.0, 1.0)),
        Unary::Silu => map(d, a, |x| x / (1.0 + math::exp::<FMA>(-x))),
        Unary::Softplus => map(d, a, |x| {
            let e = math::exp::<FMA>(-x.abs());
            // The logarithm of 1 + e: where the sum loses digits of e, the ratio of what was added puts them back.
            let sum = 1.0 + e;
            let rest = math::log::<FMA>(sum) * if sum == 1.0 { 1.0 } else { e / (sum - 1.0) };
            let rest = if sum == 1.0 { e } else { rest };
            (if x < 0.0 { 0.0 } else { x }) + rest
        }),
        Unary::Gelu => map(d, a, |x| 0.5 * x * (1.0 + math::erf::<FMA>(x * std::f32::consts::FRAC_1_SQRT_2))),
        Unary::GeluTanh => map(d, a, |x| {
            let inner = 0.797_884_6 * fma::<FMA>(0.044_715 * x * x, x, x);
            0.5 * x * (1.0 + math::tanh::<FMA>(inner))
        }),
        Unary::Clamp(least, greatest) => map(d, a, |x| clamp(x, least, greatest)),
        Unary::Affine(factor, summand) => map(d, a, |x| fma::<FMA>(x, factor, summand)),
    }
}

versions! {
    /// Applies a function to each element of `a`, of the same length as `d`.
    pub(crate) fn unary(f: Unary, d: &mut [f32], a: &[f32]) = unary_body
}

/// Where the second operand, or the first, is one number for the whole block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Operands<'a> {
    Both(&'a [f32], &'a [f32]),
    First(&'a [f32], f32),
    Second(f32, &'a [f32]),
}

#[inline(always)]
fn zip(d: &mut [f32], operands: Operands<'_>, f: impl Fn(f32, f32) -> f32) {
    match operands {
        Operands::Both(a, b) => d.iter_mut().zip(a).zip(b).for_each(|((d, a), b)| *d = f(*a, *b)),
        Operands::First(a, b) => d.iter_mut().zip(a).for_each(|(d, a)| *d = f(*a, b)),
        Operands::Second(a, b) => d.iter_mut().zip(b).for_each(|(d, b)| *d = f(a, *b)),
    }
}

/// `a` raised to `b`, in f64.
fn power(a: f32, b: f32) -> f32 {
    f64::from(a).powf(f64::from(b)) as f32
}

fn remainder_floor(a: f32, b: f32) -> f32 {
    let (a, b) = (f64::from(a), f64::from(b));
    let r = a % b;
    let result = if r == 0.0 {
        0f64.copysign(b)
    } else if (r < 0.0) != (b < 0.0) {
        r + b
    } else {
        r
    };
    result as f32
}

#[inline(always)]
fn binary_body<const FMA: bool>(f: Binary, d: &mut [f32], operands: Operands<'_>) {
    match f {
        Binary::Add => zip(d, operands, |a, b| a + b),
        Binary::Sub => zip(d, operands, |a, b| a - b),
        Binary::Mul => zip(d, operands, |a, b| a * b),
        Binary::Div => zip(d, operands, |a, b| a / b),
        Binary::Pow => match operands {
            // Small whole exponents are products, exact to a rounding each.
            Operands::First(a, 2.0) => map(d, a, |x| x * x),
            Operands::First(a, 1.0) => d.copy_from_slice(a),
            _ => zip(d, operands, power),
        },
        Binary::RemFloor => zip(d, operands, remainder_floor),
        Binary::RemTrunc => zip(d, operands, |a, b| a % b),
        Binary::Max => zip(d, operands, max),
        Binary::Min => zip(d, operands, min),
        Binary::And => zip(d, operands, |a, b| truth((a != 0.0) & (b != 0.0))),
        Binary::Or => zip(d, operands, |a, b| truth((a != 0.0) | (b != 0.0))),
        Binary::Xor => zip(d, operands, |a, b| truth((a != 0.0) ^ (b != 0.0))),
        Binary::Equal => zip(d, operands, |a, b| truth(a == b)),
        Binary::Less => zip(d, operands, |a, b| truth(a < b)),
        Binary::LessEqual => zip(d, operands, |a, b| truth(a <= b)),
    }
}

versions! {
    /// Applies a function to each pair of elements; slices have the length of `d`.
    pub(crate) fn binary(f: Binary, d: &mut [f32], operands: Operands<'_>) = binary_body
}

#[inline(always)]
fn select_body<const FMA: bool>(d: &mut [f32], condition: &[f32], a: &[f32], b: &[f32]) {
    for (((d, c), a), b) in d.iter_mut().zip(condition).zip(a).zip(b) {
        *d = if *c != 0.0 { *a } else { *b };
    }
}

versions! {
    /// `a` where the condition is true, else `b`.
    pub(crate) fn select(d: &mut [f32], condition: &[f32], a: &[f32], b: &[f32]) = select_body
}
