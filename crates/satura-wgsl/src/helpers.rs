//! Functions that generated text defines when a kernel uses them: operations that WGSL lacks, or whose built-in form is inexact or undefined for some arguments.
//!
//! In a body, `$F`, `$I`, `$U`, `$B` stand for the float, signed, unsigned and bool type of the width, and `$n` for the width.

/// A function of the generated text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Helper {
    /// The lesser float, NaN if either is.
    Min,
    /// The greater float, NaN if either is.
    Max,
    /// Hyperbolic tangent.
    Tanh,
    /// Logistic function.
    Sigmoid,
    /// Error function.
    Erf,
    /// C's `pow`.
    Pow,
    /// C's `fmod`.
    FloatRem,
    /// Signed quotient.
    DivI32,
    /// Signed remainder.
    RemI32,
    /// Unsigned quotient.
    DivU32,
    /// Unsigned remainder.
    RemU32,
    /// Float to signed integer, saturating.
    ToI32,
    /// Float to unsigned integer, saturating.
    ToU32,
    /// Bits of the nearest half-precision float.
    HalfBits,
    /// Bits of the nearest bfloat16.
    BrainBits,
    /// The nearest half-precision float.
    HalfRound,
    /// The nearest bfloat16.
    BrainRound,
}

impl Helper {
    /// The name of the function for operands of `width` components.
    pub(crate) fn name(self, width: u8) -> String {
        let name = match self {
            Helper::Min => "min_nan",
            Helper::Max => "max_nan",
            Helper::Tanh => "tanh_any",
            Helper::Sigmoid => "sigmoid",
            Helper::Erf => "erf",
            Helper::Pow => "pow_any",
            Helper::FloatRem => "rem_f",
            Helper::DivI32 => "div_i",
            Helper::RemI32 => "rem_i",
            Helper::DivU32 => "div_u",
            Helper::RemU32 => "rem_u",
            Helper::ToI32 => "to_i",
            Helper::ToU32 => "to_u",
            Helper::HalfBits => "f16_bits",
            Helper::BrainBits => "bf16_bits",
            Helper::HalfRound => "f16_round",
            Helper::BrainRound => "bf16_round",
        };
        format!("{name}_x{width}")
    }

    /// The text of the function.
    pub(crate) fn text(self, width: u8) -> String {
        let ty = |scalar: &str| if width == 1 { scalar.to_owned() } else { format!("vec{width}<{scalar}>") };
        let body = self
            .body()
            .replace("$F", &ty("f32"))
            .replace("$I", &ty("i32"))
            .replace("$U", &ty("u32"))
            .replace("$B", &ty("bool"));
        format!("fn {}{body}", self.name(width))
    }

    fn body(self) -> &'static str {
        match self {
            // A comparison with NaN is false, which keeps `a`; only `b` needs a look at its bits.
            Helper::Min => {
                "(a: $F, b: $F) -> $F {
    return select(select(a, b, b < a), b, (bitcast<$U>(b) & $U(0x7fffffffu)) > $U(0x7f800000u));
}
"
            }
            Helper::Max => {
                "(a: $F, b: $F) -> $F {
    return select(select(a, b, a < b), b, (bitcast<$U>(b) & $U(0x7fffffffu)) > $U(0x7f800000u));
}
"
            }
            // Near 0 an odd polynomial keeps the relative accuracy; beyond, e^(-2|x|) cannot overflow.
            Helper::Tanh => {
                "(x: $F) -> $F {
    let z = x * x;
    let p = fma(fma(fma(fma($F(-0.00590586f), z, $F(0.020805378f)), z, $F(-0.05378668f)), z, $F(0.13331959f)), z, $F(-0.333333f));
    let t = exp(abs(x) * -2.0f);
    let large = ($F(1.0f) - t) / ($F(1.0f) + t);
    return select(select(large, -large, x < $F(0.0f)), fma(x * z, p, x), z < $F(0.36f));
}
"
            }
            Helper::Sigmoid => {
                "(x: $F) -> $F {
    let t = exp(-abs(x));
    return select($F(1.0f), t, x < $F(0.0f)) / ($F(1.0f) + t);
}
"
            }
            // |x| < 1: x times a polynomial of x^2. Beyond: 1 - e^-g(|x|), with g the logarithm of the complement; at 4 that is 1 in f32.
            Helper::Erf => {
                "(x: $F) -> $F {
    let z = x * x;
    let p = fma(fma(fma($F(7.853858e-5f), z, $F(-0.00080101925f)), z, $F(0.0051883277f)), z, $F(-0.026853811f));
    let q = fma(fma(fma(p, z, $F(0.112835854f)), z, $F(-0.37612626f)), z, $F(1.1283791f));
    let y = min(abs(x), $F(4.0f));
    let g = fma(fma(fma($F(-0.00018557490f), y, $F(0.0029396156f)), y, $F(-0.021805352f)), y, $F(0.10303743f));
    let h = fma(fma(fma(g, y, $F(0.6382256f)), y, $F(1.12704f)), y, $F(0.00035370892f));
    let large = $F(1.0f) - exp(-h);
    let r = select(select(large, -large, x < $F(0.0f)), x * q, z < $F(1.0f));
    return select(r, x, (bitcast<$U>(x) & $U(0x7fffffffu)) > $U(0x7f800000u));
}
"
            }
            Helper::Pow => {
                "(a: $F, b: $F) -> $F {
    let one = $F(1.0f);
    let magnitude = abs(a);
    let r = exp2(b * log2(magnitude));
    let whole = trunc(b) == b;
    let odd = whole & (trunc(b * 0.5f) != b * 0.5f);
    let negative = (bitcast<$U>(a) >> $U(31u)) != $U(0u);
    let signed = select(r, -r, negative & odd);
    let largest = max(bitcast<$U>(a) & $U(0x7fffffffu), bitcast<$U>(b) & $U(0x7fffffffu));
    let undefined = ((a < $F(0.0f)) & !whole & (magnitude <= $F(3.4028235e38f))) | (largest > $U(0x7f800000u));
    let s = select(signed, bitcast<$F>($U(0x7fc00000u) | (bitcast<$U>(a) & $U(1u))), undefined);
    let unit = select(one, -one, negative & odd);
    let t = select(s, unit, (magnitude == one) & !undefined);
    return select(t, one, (b == $F(0.0f)) | (a == one));
}
"
            }
            // The quotient may be rounded up or down by one; the remainder is corrected for it. An infinite divisor leaves the dividend.
            Helper::FloatRem => {
                "(a: $F, b: $F) -> $F {
    let x = abs(a);
    let y = abs(b);
    var r = fma(-trunc(x / y), y, x);
    r = select(r, r + y, r < $F(0.0f));
    r = select(r, r - y, r >= y);
    r = select(r, x, x < y);
    return bitcast<$F>(bitcast<$U>(r) | (bitcast<$U>(a) & $U(0x80000000u)));
}
"
            }
            // Neither a divisor of 0 nor the one overflow, the least integer by -1, reaches the hardware.
            Helper::DivI32 => {
                "(a: $I, b: $I) -> $I {
    let zero = b == $I(0i);
    let q = a / select(b, $I(1i), zero | ((b == $I(-1i)) & (a == $I(i32(-2147483648)))));
    return select(q, $I(0i), zero);
}
"
            }
            Helper::RemI32 => {
                "(a: $I, b: $I) -> $I {
    return a % select(b, $I(1i), (b == $I(0i)) | (b == $I(-1i)));
}
"
            }
            Helper::DivU32 => {
                "(a: $U, b: $U) -> $U {
    let zero = b == $U(0u);
    return select(a / select(b, $U(1u), zero), $U(0u), zero);
}
"
            }
            Helper::RemU32 => {
                "(a: $U, b: $U) -> $U {
    return a % select(b, $U(1u), b == $U(0u));
}
"
            }
            // The built-in conversion clamps to the greatest float below 2^31, and NaN is undefined.
            Helper::ToI32 => {
                "(x: $F) -> $I {
    let nan = (bitcast<$U>(x) & $U(0x7fffffffu)) > $U(0x7f800000u);
    return select(select($I(x), $I(2147483647i), x >= $F(2147483648.0f)), $I(0i), nan);
}
"
            }
            Helper::ToU32 => {
                "(x: $F) -> $U {
    let nan = (bitcast<$U>(x) & $U(0x7fffffffu)) > $U(0x7f800000u);
    return select(select($U(x), $U(4294967295u), x >= $F(4294967296.0f)), $U(0u), nan);
}
"
            }
            // By integers, because devices differ in how the built-in packing rounds. Adding 0.5 rounds a subnormal half at its last bit.
            Helper::HalfBits => {
                "(x: $F) -> $U {
    let bits = bitcast<$U>(x);
    let a = bits & $U(0x7fffffffu);
    let normal = (a - $U(0x38000000u) + $U(0xfffu) + ((a >> $U(13u)) & $U(1u))) >> $U(13u);
    let tiny = bitcast<$U>(bitcast<$F>(a) + $F(0.5f)) - $U(0x3f000000u);
    let finite = select(normal, tiny, a < $U(0x38800000u));
    let h = select(select(finite, $U(0x7c00u), a >= $U(0x477ff000u)), $U(0x7e00u), a > $U(0x7f800000u));
    return h | ((bits >> $U(16u)) & $U(0x8000u));
}
"
            }
            Helper::BrainBits => {
                "(x: $F) -> $U {
    let bits = bitcast<$U>(x);
    let nan = (bits & $U(0x7fffffffu)) > $U(0x7f800000u);
    let rounded = (bits + $U(0x7fffu) + ((bits >> $U(16u)) & $U(1u))) >> $U(16u);
    return select(rounded, (bits >> $U(16u)) | $U(0x40u), nan);
}
"
            }
            // A subnormal half is a number of units that the last bits of a float beside 0.5 count.
            Helper::HalfRound => {
                "(x: $F) -> $F {
    let bits = bitcast<$U>(x);
    let a = bits & $U(0x7fffffffu);
    let normal = (a + $U(0xfffu) + ((a >> $U(13u)) & $U(1u))) & $U(0xffffe000u);
    let units = bitcast<$U>(bitcast<$F>(a) + $F(0.5f)) - $U(0x3f000000u);
    let tiny = bitcast<$U>($F(units) * $F(5.9604645e-8f));
    let finite = select(normal, tiny, a < $U(0x38800000u));
    let h = select(select(finite, $U(0x7f800000u), a >= $U(0x477ff000u)), $U(0x7fc00000u), a > $U(0x7f800000u));
    return bitcast<$F>(h | (bits & $U(0x80000000u)));
}
"
            }
            Helper::BrainRound => {
                "(x: $F) -> $F {
    let bits = bitcast<$U>(x);
    let nan = (bits & $U(0x7fffffffu)) > $U(0x7f800000u);
    let rounded = (bits + $U(0x7fffu) + ((bits >> $U(16u)) & $U(1u))) & $U(0xffff0000u);
    return bitcast<$F>(select(rounded, bits | $U(0x400000u), nan));
}
"
            }
        }
    }
}
