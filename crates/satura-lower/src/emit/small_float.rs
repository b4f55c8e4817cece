//! Floats of 8 bits and fewer: codes in memory, `f32` in registers, by integer arithmetic, so that devices cannot differ and need no denormal numbers.

use super::Emitter;
use satura_kernel::{BinaryOp, Reg, Scalar, UnaryOp};
use satura_tensor::{SmallFloat, SpecialValues};

impl Emitter<'_> {
    fn op(&mut self, op: BinaryOp, a: Reg, b: u32) -> Reg {
        let b = self.b.u32(b);
        self.b.binary(op, a, b)
    }

    /// The value of a code (`U32`), exactly.
    pub(super) fn decode_small(&mut self, code: Reg, format: SmallFloat) -> Reg {
        if format.special == SpecialValues::Scale {
            return self.decode_scale(code);
        }
        let sign = format.sign_bit();
        let mantissa = format.mantissa_bits;
        let magnitude = self.op(BinaryOp::And, code, sign - 1);
        // Normal codes are the upper bits of an f32 whose exponent is counted from another zero.
        let high = self.op(BinaryOp::Shl, magnitude, 23 - mantissa);
        let normal = self.op(BinaryOp::Add, high, ((127 - format.bias) as u32) << 23);
        let normal = self.b.bitcast(Scalar::F32, normal);
        let count = self.b.convert(Scalar::F32, magnitude);
        let unit = self.b.f32(2f32.powi(1 - format.bias - mantissa as i32));
        let tiny = self.b.binary(BinaryOp::Mul, count, unit);
        let is_tiny = self.op(BinaryOp::Lt, magnitude, 1 << mantissa);
        let value = self.b.select(is_tiny, tiny, normal);
        let bits = self.b.bitcast(Scalar::U32, value);
        let sign_of_code = self.op(BinaryOp::And, code, sign);
        let sign_of_value = self.op(BinaryOp::Shl, sign_of_code, 31 - sign.trailing_zeros());
        let signed = self.b.binary(BinaryOp::Or, bits, sign_of_value);
        let nan = self.b.u32(f32::NAN.to_bits());
        let bits = match format.special {
            SpecialValues::Ieee => {
                let infinite = format.nan_code() & !((1 << mantissa) - 1);
                let infinity = self.b.u32(f32::INFINITY.to_bits());
                let infinity = self.b.binary(BinaryOp::Or, infinity, sign_of_value);
                let is_infinite = self.op(BinaryOp::Eq, magnitude, infinite);
                let known = self.b.select(is_infinite, infinity, signed);
                let bound = self.b.u32(infinite);
                let is_nan = self.b.binary(BinaryOp::Lt, bound, magnitude);
                self.b.select(is_nan, nan, known)
            }
            SpecialValues::AllOnesNan => {
                let is_nan = self.op(BinaryOp::Eq, magnitude, sign - 1);
                self.b.select(is_nan, nan, signed)
            }
            SpecialValues::NegativeZeroNan => {
                let is_nan = self.op(BinaryOp::Eq, code, sign);
                self.b.select(is_nan, nan, signed)
            }
            SpecialValues::None | SpecialValues::Scale => signed,
        };
        self.b.bitcast(Scalar::F32, bits)
    }

    /// A power of two from its exponent; all ones is NaN.
    fn decode_scale(&mut self, code: Reg) -> Reg {
        let normal = self.op(BinaryOp::Shl, code, 23);
        let least = self.b.u32(2f32.powi(-127).to_bits());
        let is_least = self.op(BinaryOp::Eq, code, 0);
        let finite = self.b.select(is_least, least, normal);
        let nan = self.b.u32(f32::NAN.to_bits());
        let is_nan = self.op(BinaryOp::Eq, code, 0xff);
        let bits = self.b.select(is_nan, nan, finite);
        self.b.bitcast(Scalar::F32, bits)
    }

    /// The code (`U32`) of the nearest value, ties to even, by the rules of [`SmallFloat::encode`]. Of [`SpecialValues::Scale`], values that have a code only.
    pub(super) fn encode_small(&mut self, x: Reg, format: SmallFloat) -> Reg {
        if format.special == SpecialValues::Scale {
            let bits = self.b.bitcast(Scalar::U32, x);
            let exponent = self.op(BinaryOp::Shr, bits, 23);
            return self.op(BinaryOp::And, exponent, 0xff);
        }
        let sign = format.sign_bit();
        let mantissa = format.mantissa_bits;
        let drop = 23 - mantissa;
        let bits = self.b.bitcast(Scalar::U32, x);
        let magnitude = self.op(BinaryOp::And, bits, 0x7fff_ffff);
        // Half a unit, less where the last kept bit is even, carries into the bits that stay.
        let last = self.op(BinaryOp::Shr, magnitude, drop);
        let last = self.op(BinaryOp::And, last, 1);
        let raised = self.op(BinaryOp::Add, magnitude, (1 << (drop - 1)) - 1);
        let raised = self.b.binary(BinaryOp::Add, raised, last);
        let kept = self.op(BinaryOp::Shr, raised, drop);
        let normal = self.op(BinaryOp::Sub, kept, ((127 - format.bias) as u32) << mantissa);
        // Beside this number, one unit of the format's subnormals is the last bit of an f32.
        let anchor = 2f32.powi(1 - format.bias - mantissa as i32 + 23);
        let absolute = self.b.bitcast(Scalar::F32, magnitude);
        let base = self.b.f32(anchor);
        let moved = self.b.binary(BinaryOp::Add, absolute, base);
        let moved = self.b.bitcast(Scalar::U32, moved);
        let tiny = self.op(BinaryOp::Sub, moved, anchor.to_bits());
        let is_tiny = self.op(BinaryOp::Lt, magnitude, ((128 - format.bias) as u32) << 23);
        let code = self.b.select(is_tiny, tiny, normal);
        let sign_of_value = self.op(BinaryOp::Shr, bits, 31 - sign.trailing_zeros());
        let sign_of_value = self.op(BinaryOp::And, sign_of_value, sign);
        let is_nan = self.b.unary(UnaryOp::IsNan, x);
        match format.special {
            SpecialValues::Ieee => {
                let infinite = self.b.u32(format.nan_code() & !((1 << mantissa) - 1));
                let bounded = self.b.binary(BinaryOp::Min, code, infinite);
                let nan = self.b.u32(format.nan_code());
                let known = self.b.select(is_nan, nan, bounded);
                self.b.binary(BinaryOp::Or, known, sign_of_value)
            }
            SpecialValues::AllOnesNan => {
                let nan = self.b.u32(format.nan_code());
                let bounded = self.b.binary(BinaryOp::Min, code, nan);
                let known = self.b.select(is_nan, nan, bounded);
                self.b.binary(BinaryOp::Or, known, sign_of_value)
            }
            SpecialValues::NegativeZeroNan => {
                let is_beyond = self.b.u32(sign - 1);
                let is_beyond = self.b.binary(BinaryOp::Lt, is_beyond, code);
                let is_nan = self.b.binary(BinaryOp::Or, is_nan, is_beyond);
                let zero = self.b.u32(0);
                let is_zero = self.b.binary(BinaryOp::Eq, code, zero);
                let kept_sign = self.b.select(is_zero, zero, sign_of_value);
                let signed = self.b.binary(BinaryOp::Or, code, kept_sign);
                let nan = self.b.u32(format.nan_code());
                self.b.select(is_nan, nan, signed)
            }
            SpecialValues::None | SpecialValues::Scale => {
                let greatest = self.b.u32(sign - 1);
                let bounded = self.b.binary(BinaryOp::Min, code, greatest);
                let known = self.b.select(is_nan, greatest, bounded);
                let kept_sign = self.b.u32(0);
                let kept_sign = self.b.select(is_nan, kept_sign, sign_of_value);
                self.b.binary(BinaryOp::Or, known, kept_sign)
            }
        }
    }
}
