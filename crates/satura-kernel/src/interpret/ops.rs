//! The operations of the IR on the bits of one component. Floats are computed in `f32`, except where a function of the standard library would be less exact.

use crate::ir::{BinaryOp, Scalar, SubgroupOp, UnaryOp};
use half::{bf16, f16};

/// One operand.
pub(super) fn unary(op: UnaryOp, scalar: Scalar, x: u32) -> u32 {
    match scalar {
        Scalar::F32 => float_unary(op, f32::from_bits(x)),
        Scalar::I32 => {
            let x = x.cast_signed();
            match op {
                UnaryOp::Neg => x.wrapping_neg().cast_unsigned(),
                UnaryOp::Abs => x.wrapping_abs().cast_unsigned(),
                UnaryOp::Sign => x.signum().cast_unsigned(),
                _ => (!x).cast_unsigned(),
            }
        }
        Scalar::U32 => match op {
            UnaryOp::Neg => x.wrapping_neg(),
            UnaryOp::Abs => x,
            UnaryOp::Sign => x.min(1),
            _ => !x,
        },
        Scalar::Bool => u32::from(x == 0),
    }
}

fn float_unary(op: UnaryOp, x: f32) -> u32 {
    let y = match op {
        UnaryOp::Neg => -x,
        UnaryOp::Abs => x.abs(),
        UnaryOp::Sign if x > 0.0 => 1.0,
        UnaryOp::Sign if x < 0.0 => -1.0,
        UnaryOp::Sign => x,
        UnaryOp::Floor => x.floor(),
        UnaryOp::Ceil => x.ceil(),
        UnaryOp::Round => x.round_ties_even(),
        UnaryOp::Exp => x.exp(),
        UnaryOp::Log => x.ln(),
        UnaryOp::Sqrt => x.sqrt(),
        UnaryOp::Sin => x.sin(),
        UnaryOp::Cos => x.cos(),
        UnaryOp::Tan => x.tan(),
        UnaryOp::Tanh => x.tanh(),
        UnaryOp::Sigmoid => (1.0 / (1.0 + (-f64::from(x)).exp())) as f32,
        UnaryOp::Erf => erf(x),
        UnaryOp::IsNan => return u32::from(x.is_nan()),
        UnaryOp::RoundF16 => f16::from_f32(x).to_f32(),
        UnaryOp::RoundBf16 => bf16::from_f32(x).to_f32(),
        // The verifier keeps bitwise operations away from floats.
        UnaryOp::Not => return !x.to_bits(),
    };
    y.to_bits()
}

/// The error function by its series with terms of one sign; from 4 on it is 1 in `f32`.
fn erf(x: f32) -> f32 {
    if x.is_nan() {
        return x;
    }
    if x.abs() >= 4.0 {
        return 1f32.copysign(x);
    }
    let x = f64::from(x);
    let square = x * x;
    let (mut term, mut sum, mut odd) = (x, x, 1.0);
    while term.abs() > 1e-12 * sum.abs() {
        odd += 2.0;
        term *= 2.0 * square / odd;
        sum += term;
    }
    (std::f64::consts::FRAC_2_SQRT_PI * (-square).exp() * sum) as f32
}

/// Two operands.
pub(super) fn binary(op: BinaryOp, scalar: Scalar, a: u32, b: u32) -> u32 {
    match scalar {
        Scalar::F32 => float_binary(op, f32::from_bits(a), f32::from_bits(b)),
        Scalar::I32 => {
            let (a, b) = (a.cast_signed(), b.cast_signed());
            let y = match op {
                BinaryOp::Add => a.wrapping_add(b),
                BinaryOp::Sub => a.wrapping_sub(b),
                BinaryOp::Mul => a.wrapping_mul(b),
                BinaryOp::Div if b == 0 => 0,
                BinaryOp::Div => a.wrapping_div(b),
                BinaryOp::Rem if b == 0 => 0,
                BinaryOp::Rem => a.wrapping_rem(b),
                BinaryOp::Min => a.min(b),
                BinaryOp::Max => a.max(b),
                BinaryOp::And => a & b,
                BinaryOp::Or => a | b,
                BinaryOp::Xor => a ^ b,
                BinaryOp::Shl => a.wrapping_shl(b.cast_unsigned()),
                BinaryOp::Shr => a.wrapping_shr(b.cast_unsigned()),
                BinaryOp::Eq => i32::from(a == b),
                BinaryOp::Lt => i32::from(a < b),
                BinaryOp::Le => i32::from(a <= b),
                // The verifier keeps powers of integers away.
                BinaryOp::Pow => a.wrapping_pow(b.cast_unsigned()),
            };
            y.cast_unsigned()
        }
        Scalar::U32 | Scalar::Bool => match op {
            BinaryOp::Add => a.wrapping_add(b),
            BinaryOp::Sub => a.wrapping_sub(b),
            BinaryOp::Mul => a.wrapping_mul(b),
            BinaryOp::Div => a.checked_div(b).unwrap_or(0),
            BinaryOp::Rem => a.checked_rem(b).unwrap_or(0),
            BinaryOp::Min => a.min(b),
            BinaryOp::Max => a.max(b),
            BinaryOp::And => a & b,
            BinaryOp::Or => a | b,
            BinaryOp::Xor => a ^ b,
            BinaryOp::Shl => a.wrapping_shl(b),
            BinaryOp::Shr => a.wrapping_shr(b),
            BinaryOp::Eq => u32::from(a == b),
            BinaryOp::Lt => u32::from(a < b),
            BinaryOp::Le => u32::from(a <= b),
            BinaryOp::Pow => a.wrapping_pow(b),
        },
    }
}

fn float_binary(op: BinaryOp, a: f32, b: f32) -> u32 {
    let y = match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div => a / b,
        BinaryOp::Rem => a % b,
        BinaryOp::Pow => a.powf(b),
        BinaryOp::Min if a.is_nan() || b < a || b.is_nan() => {
            if a.is_nan() {
                a
            } else {
                b
            }
        }
        BinaryOp::Min => a,
        BinaryOp::Max if a.is_nan() || b > a || b.is_nan() => {
            if a.is_nan() {
                a
            } else {
                b
            }
        }
        BinaryOp::Max => a,
        BinaryOp::Eq => return u32::from(a == b),
        BinaryOp::Lt => return u32::from(a < b),
        BinaryOp::Le => return u32::from(a <= b),
        // The verifier keeps bitwise operations away from floats.
        BinaryOp::And | BinaryOp::Or | BinaryOp::Xor | BinaryOp::Shl | BinaryOp::Shr => return 0,
    };
    y.to_bits()
}

/// A conversion.
pub(super) fn convert(from: Scalar, to: Scalar, x: u32) -> u32 {
    match (from, to) {
        (Scalar::F32, Scalar::I32) => (f32::from_bits(x) as i32).cast_unsigned(),
        (Scalar::F32, Scalar::U32) => f32::from_bits(x) as u32,
        (Scalar::F32, Scalar::Bool) => u32::from(f32::from_bits(x) != 0.0),
        (Scalar::I32, Scalar::F32) => (x.cast_signed() as f32).to_bits(),
        (Scalar::U32 | Scalar::Bool, Scalar::F32) => (x as f32).to_bits(),
        (Scalar::I32 | Scalar::U32, Scalar::Bool) => u32::from(x != 0),
        (Scalar::F32, Scalar::F32)
        | (Scalar::I32 | Scalar::U32, Scalar::I32 | Scalar::U32)
        | (Scalar::Bool, Scalar::I32 | Scalar::U32 | Scalar::Bool) => x,
    }
}

/// The pairwise step of a subgroup reduction.
pub(super) fn combine(op: SubgroupOp, scalar: Scalar, a: u32, b: u32) -> u32 {
    let op = match op {
        SubgroupOp::Add => BinaryOp::Add,
        SubgroupOp::Mul => BinaryOp::Mul,
        SubgroupOp::Min => BinaryOp::Min,
        SubgroupOp::Max => BinaryOp::Max,
    };
    binary(op, scalar, a, b)
}
