//! Error function.

unary_op! {
    /// `erf(x) = 2/sqrt(pi) * integral of e^(-t^2) from 0 to x`, elementwise. Floats.
    Erf, "erf",
    float: erf,
}

/// The error function to within a few units in the last place.
pub(super) fn erf(x: f64) -> f64 {
    let a = x.abs();
    if x.is_nan() {
        x
    } else if a < 2.0 {
        series(x)
    } else if a < 6.0 {
        (1.0 - complement(a)).copysign(x)
    } else {
        // The complement is below half a unit in the last place of 1.
        1f64.copysign(x)
    }
}

/// `2/sqrt(pi) * e^(-x^2) * (x + 2x^3/3 + 4x^5/15 + ..)`: every term has the sign of `x`, so nothing cancels.
fn series(x: f64) -> f64 {
    let square = x * x;
    let (mut term, mut sum, mut odd) = (x, x, 1.0);
    while term.abs() > f64::EPSILON / 4.0 * sum.abs() {
        odd += 2.0;
        term *= 2.0 * square / odd;
        sum += term;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-square).exp() * sum
}

/// `1 - erf(x)` for `x >= 2` by Laplace's continued fraction `e^(-x^2)/sqrt(pi) / (x + (1/2)/(x + (2/2)/(x + ..)))`, from the far end.
fn complement(x: f64) -> f64 {
    // Enough for full precision at 2, where it converges slowest.
    const DEPTH: u32 = 150;
    let tail = (1..=DEPTH).rev().fold(x, |tail, k| x + f64::from(k) / 2.0 / tail);
    std::f64::consts::FRAC_2_SQRT_PI / 2.0 * (-x * x).exp() / tail
}

#[cfg(test)]
mod tests {
    /// Values by arbitrary-precision arithmetic, rounded to f64.
    #[test]
    fn full_precision() {
        for (x, expected) in CASES {
            let error = (super::erf(x) - expected).abs() / expected;
            assert!(error < 1e-15, "erf({x}) is off by {error:e}");
            assert_eq!(super::erf(-x), -super::erf(x));
        }
        assert_eq!(super::erf(0.0), 0.0);
        assert!(super::erf(f64::NAN).is_nan());
        assert_eq!(super::erf(f64::NEG_INFINITY), -1.0);
    }

    const CASES: [(f64, f64); 13] = [
        (1e-300, 1.1283791670955126e-300),
        (1e-8, 1.1283791670955126e-08),
        (0.1, 0.1124629160182849),
        (0.5, 0.5204998778130465),
        (1.0, 0.8427007929497149),
        (1.5, 0.9661051464753108),
        (1.99, 0.995111413199617),
        (2.0, 0.9953222650189527),
        (2.01, 0.9955248493552482),
        (2.5, 0.999593047982555),
        (3.0, 0.9999779095030014),
        (4.0, 0.9999999845827421),
        (5.9, 0.9999999999999999),
    ];
}
