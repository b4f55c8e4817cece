//! The 8-bit and 4-bit floating point formats (OCP OFP8 and MX specifications; the FNUZ variants after Graphcore and AMD).

use crate::DType;

/// A format of at most 8 bits, described by its fields.
#[derive(Clone, Copy, Debug)]
pub struct SmallFloat {
    /// Bits of the exponent.
    pub exponent_bits: u32,
    /// Bits of the mantissa.
    pub mantissa_bits: u32,
    /// What is subtracted from the stored exponent.
    pub bias: i32,
    /// NaN and infinity.
    pub special: SpecialValues,
}

/// What the format does with NaN and infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecialValues {
    /// All-ones exponent is infinity or NaN, as in IEEE 754.
    Ieee,
    /// Only the all-ones code is NaN; no infinity.
    AllOnesNan,
    /// The code of negative zero is NaN; no infinity.
    NegativeZeroNan,
    /// No NaN and no infinity: out of range saturates.
    None,
    /// Unsigned power of two; all ones is NaN.
    Scale,
}

impl SmallFloat {
    /// The format of a dtype; `None` for every other dtype.
    pub fn of(dtype: DType) -> Option<Self> {
        let (exponent_bits, mantissa_bits, bias, special) = match dtype {
            DType::F8E4M3FN => (4, 3, 7, SpecialValues::AllOnesNan),
            DType::F8E4M3FNUZ => (4, 3, 8, SpecialValues::NegativeZeroNan),
            DType::F8E5M2 => (5, 2, 15, SpecialValues::Ieee),
            DType::F8E5M2FNUZ => (5, 2, 16, SpecialValues::NegativeZeroNan),
            DType::F8E8M0 => (8, 0, 127, SpecialValues::Scale),
            DType::F4E2M1 => (2, 1, 1, SpecialValues::None),
            _ => return None,
        };
        Some(SmallFloat { exponent_bits, mantissa_bits, bias, special })
    }

    /// The sign as a bit of the code. [`SpecialValues::Scale`] has no sign.
    pub fn sign_bit(self) -> u32 {
        1 << (self.exponent_bits + self.mantissa_bits)
    }

    /// A code of NaN, if the format has one.
    pub fn nan_code(self) -> u32 {
        match self.special {
            SpecialValues::NegativeZeroNan => self.sign_bit(),
            SpecialValues::Scale => 0xff,
            _ => self.sign_bit() - 1,
        }
    }

    /// The value of a code, exactly.
    pub fn decode(self, code: u8) -> f64 {
        let code = u32::from(code);
        if self.special == SpecialValues::Scale {
            return if code == 0xff { f64::NAN } else { 2f64.powi(code as i32 - 127) };
        }
        let magnitude = code & (self.sign_bit() - 1);
        let sign = if code & self.sign_bit() != 0 { -1.0 } else { 1.0 };
        let exponent = magnitude >> self.mantissa_bits;
        let fraction = f64::from(magnitude & ((1 << self.mantissa_bits) - 1));
        let top = (1 << self.exponent_bits) - 1;
        match self.special {
            SpecialValues::Ieee if exponent == top && fraction == 0.0 => return sign * f64::INFINITY,
            SpecialValues::Ieee if exponent == top => return f64::NAN,
            SpecialValues::AllOnesNan if magnitude == self.sign_bit() - 1 => return f64::NAN,
            SpecialValues::NegativeZeroNan if code == self.sign_bit() => return f64::NAN,
            _ => {}
        }
        let unit = 2f64.powi(-(self.mantissa_bits as i32));
        sign * if exponent == 0 {
            fraction * unit * 2f64.powi(1 - self.bias)
        } else {
            (1.0 + fraction * unit) * 2f64.powi(exponent as i32 - self.bias)
        }
    }

    /// Rounds to nearest, ties to even. Beyond the greatest finite value: infinity, else NaN, else saturation, as the format has them.
    pub fn encode(self, value: f64) -> u8 {
        if self.special == SpecialValues::Scale {
            if value.is_nan() || value <= 0.0 {
                return if value == 0.0 { 0 } else { 0xff };
            }
            return (value.log2().round_ties_even().clamp(-127.0, 127.0) as i32 + 127) as u8;
        }
        if value.is_nan() {
            return self.nan_code() as u8;
        }
        let negative = value.is_sign_negative();
        let magnitude = value.abs();
        // Codes grow with their values, so rounding is a search for the nearest code.
        let mut greatest = self.sign_bit() - 1;
        while !self.decode(greatest as u8).is_finite() {
            greatest -= 1;
        }
        let (mut low, mut high) = (0u32, greatest);
        while low < high {
            let middle = (low + high).div_ceil(2);
            if self.decode(middle as u8) <= magnitude { low = middle } else { high = middle - 1 }
        }
        let below = self.decode(low as u8);
        let above = if low == greatest {
            // The next step of the same size: the border where rounding leaves the finite range.
            below + (below - self.decode((low - 1) as u8))
        } else {
            self.decode((low + 1) as u8)
        };
        let up = match (magnitude - below).partial_cmp(&(above - magnitude)) {
            Some(std::cmp::Ordering::Greater) => true,
            Some(std::cmp::Ordering::Equal) => low & 1 == 1,
            _ => magnitude == f64::INFINITY,
        };
        let code = if !up {
            low
        } else if low < greatest {
            low + 1
        } else {
            match self.special {
                SpecialValues::Ieee => greatest + 1,
                SpecialValues::None => greatest,
                _ => return self.nan_code() as u8 | if negative { self.sign_bit() as u8 } else { 0 },
            }
        };
        let keeps_sign = negative && !(code == 0 && self.special == SpecialValues::NegativeZeroNan);
        (code | if keeps_sign { self.sign_bit() } else { 0 }) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_code_round_trips() {
        for dtype in DType::all() {
            let Some(format) = SmallFloat::of(dtype) else { continue };
            for code in 0..1u32 << dtype.bits() {
                let value = format.decode(code as u8);
                if value.is_finite() {
                    assert_eq!(format.encode(value), code as u8, "{dtype} code {code:#x} = {value}");
                }
            }
            assert!(dtype == DType::F4E2M1 || format.decode(format.encode(f64::NAN)).is_nan(), "{dtype}");
        }
    }

    #[test]
    fn known_values() {
        let e4m3 = SmallFloat::of(DType::F8E4M3FN).expect("a small float");
        assert_eq!(e4m3.decode(0x7e), 448.0);
        assert_eq!(e4m3.encode(0.0625 * 1.0625), 0x18);
        let e5m2 = SmallFloat::of(DType::F8E5M2).expect("a small float");
        assert_eq!(e5m2.decode(0x7b), 57344.0);
        assert_eq!(e5m2.encode(1e9), 0x7c);
    }
}
