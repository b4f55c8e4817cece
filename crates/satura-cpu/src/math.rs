//! Functions of one f32 that compile to vector code: no branches, no tables.
//!
//! The coefficients are least-squares fits at Chebyshev nodes. Each function is within a few units in the last place of the exact value over its whole range, keeps NaN, and gives
//! the limits at the infinities.

use crate::simd::fma;

/// Evaluates a polynomial, constant term first.
#[inline(always)]
fn poly<const FMA: bool, const N: usize>(x: f32, c: [f32; N]) -> f32 {
    let mut sum = c[N - 1];
    let mut i = N - 1;
    while i > 0 {
        i -= 1;
        sum = fma::<FMA>(sum, x, c[i]);
    }
    sum
}

/// `2^n` for whole `n` from -126 to 127.
#[inline(always)]
fn power_of_two(n: f32) -> f32 {
    // Adding 1.5 * 2^23 leaves the whole number in the low bits.
    let bits = (n + 12_582_912.0).to_bits();
    f32::from_bits(bits.wrapping_add(127) << 23)
}

/// `e^x`.
#[inline(always)]
pub(crate) fn exp<const FMA: bool>(x: f32) -> f32 {
    // Beyond these ends the result is 0 or infinity anyway; NaN fails both tests and stays.
    let x = if x < -104.0 { -104.0 } else { x };
    let x = if x > 89.0 { 89.0 } else { x };
    let n = fma::<FMA>(x, std::f32::consts::LOG2_E, 12_582_912.0) - 12_582_912.0;
    // ln 2 in two parts, the first exact in products with n.
    let r = fma::<FMA>(n, -0.693_145_75, x);
    let r = fma::<FMA>(n, -1.428_606_8e-6, r);
    let tail = poly::<FMA, 6>(
        r,
        [0.5, 0.166_666_67, 0.041_666_465, 0.008_333_299, 0.001_393_368_8, 0.000_198_993_34],
    );
    let y = fma::<FMA>(tail, r * r, r) + 1.0;
    // Two steps, so that results below the normal range and just below infinity come out right.
    let half = (n * 0.5).floor();
    let scaled = y * power_of_two(half) * power_of_two(n - half);
    if x.is_nan() { x } else { scaled }
}

/// `ln x`; NaN below 0.
#[inline(always)]
pub(crate) fn log<const FMA: bool>(x: f32) -> f32 {
    // Subnormal numbers are scaled into the normal range first.
    let tiny = x < f32::MIN_POSITIVE;
    let scaled = if tiny { x * 8_388_608.0 } else { x };
    let bits = scaled.to_bits();
    // The mantissa within [sqrt(1/2), sqrt(2)): the exponent counts from there.
    let shifted = bits.wrapping_sub(0x3f35_04f3);
    let exponent = ((shifted as i32) >> 23) as f32 - if tiny { 23.0 } else { 0.0 };
    let mantissa = f32::from_bits((shifted & 0x007f_ffff).wrapping_add(0x3f35_04f3));
    let f = mantissa - 1.0;
    let tail = poly::<FMA, 9>(
        f,
        [
            0.333_333_3,
            -0.249_999_9,
            0.200_007_07,
            -0.166_684_8,
            0.142_499_37,
            -0.124_110_51,
            0.116_615_11,
            -0.115_712_01,
            0.071_497_54,
        ],
    );
    let square = f * f;
    let correction = fma::<FMA>(exponent, -2.121_944_4e-4, f * square * tail);
    let sum = fma::<FMA>(-0.5, square, correction) + f;
    let result = fma::<FMA>(exponent, 0.693_359_4, sum);
    let result = if x == f32::INFINITY { x } else { result };
    let result = if x == 0.0 { f32::NEG_INFINITY } else { result };
    let result = if x < 0.0 { f32::NAN } else { result };
    if x.is_nan() { x } else { result }
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub(crate) fn sigmoid<const FMA: bool>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<FMA>(-x))
}

/// Hyperbolic tangent.
#[inline(always)]
pub(crate) fn tanh<const FMA: bool>(x: f32) -> f32 {
    let a = x.abs();
    let square = x * x;
    let tail = poly::<FMA, 6>(
        square,
        [-0.333_333_33, 0.133_332_93, -0.053_956_8, 0.021_749_4, -0.008_281_772, 0.002_224_319_5],
    );
    let small = fma::<FMA>(x * square, tail, x);
    let large = 1.0 - 2.0 / (exp::<FMA>(2.0 * a) + 1.0);
    if a < 0.625 { small } else { large.copysign(x) }
}

/// Error function.
#[inline(always)]
pub(crate) fn erf<const FMA: bool>(x: f32) -> f32 {
    let a = x.abs();
    let square = x * x;
    let small = x * poly::<FMA, 8>(
        square,
        [
            std::f32::consts::FRAC_2_SQRT_PI,
            -0.376_126_38,
            0.112_837_83,
            -0.026_865_438,
            0.005_221_053_4,
            -0.000_848_439_66,
            0.000_112_682_51,
            -9.673_591e-6,
        ],
    );
    // The logarithm of the complement; from 4 on the result rounds to 1.
    let capped = if a > 4.2 { 4.2 } else { a };
    let exponent = poly::<FMA, 10>(
        capped,
        [
            0.000_429_982_3,
            -1.130_739_2,
            -0.630_823_4,
            -0.111_203_32,
            0.027_205_212,
            -0.005_113_663,
            0.000_700_376_64,
            -6.501_158e-5,
            3.609_350_8e-6,
            -8.905_024e-8,
        ],
    );
    let large = 1.0 - exp::<FMA>(exponent);
    if a < 1.0 { small } else { large.copysign(x) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Greatest error in units in the last place over a range of bit patterns of both signs.
    fn worst(f: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64, low: f32, high: f32) -> f64 {
        let mut worst = 0f64;
        for bits in (low.to_bits()..high.to_bits()).step_by(1009) {
            for x in [f32::from_bits(bits), -f32::from_bits(bits)] {
                let (actual, expected) = (f(x), exact(f64::from(x)));
                if !expected.is_finite() || expected.abs() > f64::from(f32::MAX) {
                    assert_eq!(actual.is_nan(), expected.is_nan(), "at {x}");
                    continue;
                }
                let unit =
                    f64::from((expected as f32).abs().max(f32::MIN_POSITIVE)) * f64::from(f32::EPSILON);
                worst = worst.max((f64::from(actual) - expected).abs() / unit);
            }
        }
        worst
    }

    #[test]
    fn close_to_exact() {
        for (name, error) in [
            ("exp", worst(exp::<false>, f64::exp, 1e-6, 110.0)),
            ("log", worst(log::<false>, f64::ln, 1e-44, 3e38)),
            ("tanh", worst(tanh::<false>, f64::tanh, 1e-6, 20.0)),
            ("sigmoid", worst(sigmoid::<false>, |x| 1.0 / (1.0 + (-x).exp()), 1e-6, 87.0)),
        ] {
            assert!(error < 4.0, "{name} is off by {error} units in the last place");
        }
    }

    #[test]
    fn limits() {
        for f in [exp::<false>, log::<false>, tanh::<false>, sigmoid::<false>, erf::<false>] {
            assert!(f(f32::NAN).is_nan());
        }
        assert_eq!(exp::<false>(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp::<false>(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp::<false>(0.0), 1.0);
        assert_eq!(log::<false>(0.0), f32::NEG_INFINITY);
        assert_eq!(log::<false>(1.0), 0.0);
        assert_eq!(log::<false>(f32::INFINITY), f32::INFINITY);
        assert_eq!(sigmoid::<false>(f32::NEG_INFINITY), 0.0);
        assert_eq!(tanh::<false>(f32::NEG_INFINITY), -1.0);
        assert_eq!(erf::<false>(f32::INFINITY), 1.0);
    }
}
