//! Elementwise ops on registers.

use super::Emitter;
use crate::LowerError;
use satura_ir::ops::RemKind;
use satura_ir::{PrimOp, ValueId};
use satura_kernel::{BinaryOp, Index, Reg, Scalar, UnaryOp};
use satura_tensor::{DType, SmallFloat};

/// The register type of a dtype; `None` for those that stay on the host.
pub(crate) fn scalar_of(dtype: DType) -> Option<Scalar> {
    match dtype {
        DType::F32 | DType::F16 | DType::BF16 => Some(Scalar::F32),
        DType::I64 | DType::I32 | DType::I16 | DType::I8 | DType::I4 | DType::I2 => Some(Scalar::I32),
        DType::U64 | DType::U32 | DType::U16 | DType::U8 | DType::U4 | DType::U2 => Some(Scalar::U32),
        DType::Bool => Some(Scalar::Bool),
        small => SmallFloat::of(small).map(|_| Scalar::F32),
    }
}

impl Emitter<'_> {
    pub(super) fn elementwise(
        &mut self,
        op: PrimOp<'_>,
        value: ValueId,
        x: &[ValueId],
        coords: &[Index],
    ) -> Result<Reg, LowerError> {
        let mut operands = Vec::with_capacity(x.len());
        for operand in x {
            let at = self.broadcast_coords(*operand, coords);
            operands.push(self.value(*operand, &at)?);
        }
        let dtype = self.dtype(value);
        let result = self.apply(op, &operands, self.dtype(x[0]), dtype)?;
        Ok(self.wrap(result, dtype))
    }

    fn apply(&mut self, op: PrimOp<'_>, x: &[Reg], from: DType, to: DType) -> Result<Reg, LowerError> {
        let unary = |em: &mut Self, op| Ok(em.b.unary(op, x[0]));
        let binary = |em: &mut Self, op| Ok(em.b.binary(op, x[0], x[1]));
        match op {
            PrimOp::Neg(_) => unary(self, UnaryOp::Neg),
            PrimOp::Abs(_) => unary(self, UnaryOp::Abs),
            PrimOp::Sign(_) => unary(self, UnaryOp::Sign),
            PrimOp::Floor(_) => unary(self, UnaryOp::Floor),
            PrimOp::Ceil(_) => unary(self, UnaryOp::Ceil),
            PrimOp::Round(_) => unary(self, UnaryOp::Round),
            PrimOp::Exp(_) => unary(self, UnaryOp::Exp),
            PrimOp::Log(_) => unary(self, UnaryOp::Log),
            PrimOp::Sqrt(_) => unary(self, UnaryOp::Sqrt),
            PrimOp::Sin(_) => unary(self, UnaryOp::Sin),
            PrimOp::Cos(_) => unary(self, UnaryOp::Cos),
            PrimOp::Tan(_) => unary(self, UnaryOp::Tan),
            PrimOp::Tanh(_) => unary(self, UnaryOp::Tanh),
            PrimOp::Sigmoid(_) => unary(self, UnaryOp::Sigmoid),
            PrimOp::Erf(_) => unary(self, UnaryOp::Erf),
            PrimOp::Not(_) => unary(self, UnaryOp::Not),
            PrimOp::IsNan(_) => unary(self, UnaryOp::IsNan),
            PrimOp::Add(_) => binary(self, BinaryOp::Add),
            PrimOp::Sub(_) => binary(self, BinaryOp::Sub),
            PrimOp::Mul(_) => binary(self, BinaryOp::Mul),
            PrimOp::Div(_) => binary(self, BinaryOp::Div),
            PrimOp::Pow(_) if from.is_int() => Ok(self.integer_power(x[0], x[1])),
            PrimOp::Pow(_) => binary(self, BinaryOp::Pow),
            PrimOp::Max(_) if from == DType::Bool => binary(self, BinaryOp::Or),
            PrimOp::Min(_) if from == DType::Bool => binary(self, BinaryOp::And),
            PrimOp::Max(_) => binary(self, BinaryOp::Max),
            PrimOp::Min(_) => binary(self, BinaryOp::Min),
            PrimOp::And(_) => binary(self, BinaryOp::And),
            PrimOp::Or(_) => binary(self, BinaryOp::Or),
            PrimOp::Xor(_) => binary(self, BinaryOp::Xor),
            PrimOp::Equal(_) => binary(self, BinaryOp::Eq),
            PrimOp::Less(_) => binary(self, BinaryOp::Lt),
            PrimOp::LessEqual(_) => binary(self, BinaryOp::Le),
            PrimOp::Rem(op) => Ok(match op.kind {
                RemKind::Trunc => self.b.binary(BinaryOp::Rem, x[0], x[1]),
                RemKind::Floor => self.floor_rem(x[0], x[1]),
            }),
            PrimOp::Select(_) => Ok(self.b.select(x[0], x[1], x[2])),
            PrimOp::Cast(_) => self.cast(x[0], from, to),
            PrimOp::BitCast(_) => self.bit_cast(x[0], from, to),
            PrimOp::Const(_)
            | PrimOp::Reshape(_)
            | PrimOp::Transpose(_)
            | PrimOp::Broadcast(_)
            | PrimOp::Slice(_)
            | PrimOp::Pad(_)
            | PrimOp::Concat(_)
            | PrimOp::Iota(_)
            | PrimOp::ShapeOf(_)
            | PrimOp::Gather(_)
            | PrimOp::GatherElements(_)
            | PrimOp::GatherNd(_)
            | PrimOp::ScatterElements(_)
            | PrimOp::ScatterNd(_)
            | PrimOp::Reduce(_)
            | PrimOp::ArgReduce(_)
            | PrimOp::Scan(_)
            | PrimOp::MatMul(_)
            | PrimOp::Conv(_)
            | PrimOp::ConvTranspose(_)
            | PrimOp::MaxPool(_)
            | PrimOp::AvgPool(_)
            | PrimOp::Resize(_)
            | PrimOp::If(_)
            | PrimOp::Loop(_) => Err(LowerError::internal("the op is not elementwise")),
        }
    }

    /// The remainder with the sign of the divisor.
    fn floor_rem(&mut self, a: Reg, b: Reg) -> Reg {
        let rest = self.b.binary(BinaryOp::Rem, a, b);
        let scalar = self.b.ty(rest).scalar;
        if scalar == Scalar::U32 {
            return rest;
        }
        let zero = if scalar == Scalar::F32 { self.b.f32(0.0) } else { self.b.i32(0) };
        let (rest_negative, b_negative) =
            (self.b.binary(BinaryOp::Lt, rest, zero), self.b.binary(BinaryOp::Lt, b, zero));
        let differ = self.b.binary(BinaryOp::Xor, rest_negative, b_negative);
        let is_zero = self.b.binary(BinaryOp::Eq, rest, zero);
        let moved = self.b.binary(BinaryOp::Add, rest, b);
        let corrected = self.b.select(differ, moved, rest);
        let none = if scalar == Scalar::F32 {
            // A zero has the sign of the divisor, too.
            let (bits, sign) = (self.b.bitcast(Scalar::U32, b), self.b.u32(1 << 31));
            let signed = self.b.binary(BinaryOp::And, bits, sign);
            self.b.bitcast(Scalar::F32, signed)
        } else {
            rest
        };
        self.b.select(is_zero, none, corrected)
    }

    /// An integer to a power that is not negative, by squaring: one step a bit of the exponent.
    fn integer_power(&mut self, base: Reg, exponent: Reg) -> Reg {
        let width = self.b.ty(base).width.max(self.b.ty(exponent).width);
        let signed = self.b.ty(base).scalar == Scalar::I32;
        let one = if signed { self.b.i32(1) } else { self.b.u32(1) };
        let (base, start) = (self.b.widen(base, width), self.b.widen(one, width));
        let (square, result) = (self.accumulator(base), self.accumulator(start));
        let exponent = self.b.bitcast(Scalar::U32, exponent);
        let rest = self.b.widen(exponent, width);
        let rest = self.accumulator(rest);
        let (zero, bits) = (self.b.u32(0), self.b.u32(32));
        let counter = self.b.open_for();
        let (power, factor, left) = (self.b.get(result), self.b.get(square), self.b.get(rest));
        let unit = self.b.u32(1);
        let odd = self.b.binary(BinaryOp::And, left, unit);
        let odd = self.b.convert(Scalar::Bool, odd);
        let product = self.b.binary(BinaryOp::Mul, power, factor);
        let chosen = self.b.select(odd, product, power);
        self.b.set(result, chosen);
        let squared = self.b.binary(BinaryOp::Mul, factor, factor);
        self.b.set(square, squared);
        let halved = self.b.binary(BinaryOp::Shr, left, unit);
        self.b.set(rest, halved);
        self.b.close_for(counter, zero, bits, 1);
        self.b.get(result)
    }

    /// The same bits, before [`wrap`](Self::wrap): narrow integers are held extended to the register's width, which `wrap` does again for the new dtype.
    fn bit_cast(&mut self, x: Reg, from: DType, to: DType) -> Result<Reg, LowerError> {
        let scalar = scalar_of(to).ok_or_else(|| LowerError::internal("a cast to a host dtype"))?;
        let truth = from == DType::Bool || to == DType::Bool;
        Ok(if truth { self.b.convert(scalar, x) } else { self.b.bitcast(scalar, x) })
    }

    /// A cast by the rules of `satura_tensor::cast`, before [`wrap`](Self::wrap).
    fn cast(&mut self, x: Reg, from: DType, to: DType) -> Result<Reg, LowerError> {
        let scalar = scalar_of(to).ok_or_else(|| LowerError::internal("a cast to a host dtype"))?;
        if !from.is_float() || !to.is_int() {
            return Ok(self.b.convert(scalar, x));
        }
        // Floats saturate at the ends of the integer type; the 32-bit ends are those of the conversion itself.
        let (least, greatest) = to.int_range().expect("integers have a range");
        if to.bits() >= 32 {
            return Ok(self.b.convert(scalar, x));
        }
        let (least, greatest) = (self.b.f32(least as f32), self.b.f32(greatest as f32));
        let nan = self.b.unary(UnaryOp::IsNan, x);
        let low = self.b.binary(BinaryOp::Max, x, least);
        let clamped = self.b.binary(BinaryOp::Min, low, greatest);
        let zero = self.b.f32(0.0);
        let chosen = self.b.select(nan, zero, clamped);
        Ok(self.b.convert(scalar, chosen))
    }

    /// A register cut to what a narrow integer dtype stores, or rounded to what a small float does.
    pub(crate) fn wrap(&mut self, x: Reg, dtype: DType) -> Reg {
        match dtype {
            DType::U16 | DType::U8 | DType::U4 | DType::U2 => {
                let mask = self.b.u32((1 << dtype.bits()) - 1);
                self.b.binary(BinaryOp::And, x, mask)
            }
            DType::I16 | DType::I8 | DType::I4 | DType::I2 => {
                let by = self.b.u32(32 - dtype.bits() as u32);
                let bits = self.b.bitcast(Scalar::U32, x);
                let high = self.b.binary(BinaryOp::Shl, bits, by);
                let high = self.b.bitcast(Scalar::I32, high);
                let by = self.b.bitcast(Scalar::I32, by);
                self.b.binary(BinaryOp::Shr, high, by)
            }
            small => match SmallFloat::of(small) {
                Some(format) => {
                    let code = self.encode_small(x, format);
                    self.decode_small(code, format)
                }
                None => x,
            },
        }
    }
}
