use crate::summary::student_t;
use crate::{Interval, StatsError, paired_difference};
use statrs::distribution::ContinuousCDF as _;

/// Whether `a` and `b`, measured under the same seeds, differ by less than a margin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Equivalence {
    /// Number of pairs.
    pub n: usize,
    /// Mean of the differences `a − b`.
    pub mean: f64,
    /// Sample standard deviation of the differences; `None` for a single pair.
    pub standard_deviation: Option<f64>,
    /// The largest true difference, of either sign, that counts as none.
    pub margin: f64,
    /// The error rate of the verdict.
    pub alpha: f64,
    /// Student-t interval of the mean difference at level `1 − 2·alpha`; `None` for a single pair.
    pub interval: Option<Interval>,
    /// The tests; `None` where `t` is undefined: for a single pair, or when all differences are equal.
    pub test: Option<Tost>,
}

/// Two one-sided t tests (Schuirmann 1987).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tost {
    /// `(mean + margin) / (s / √n)`.
    pub t_lower: f64,
    /// `(mean − margin) / (s / √n)`.
    pub t_upper: f64,
    /// `n − 1`.
    pub degrees_of_freedom: usize,
    /// The probability of a `t_lower` at least as large if the true difference is `−margin` or less. Alone,
    /// it is the test that `a` reaches at least `b − margin` (non-inferiority).
    pub p_lower: f64,
    /// The probability of a `t_upper` at most as large if the true difference is `margin` or more.
    pub p_upper: f64,
    /// The p value of equivalence: the larger of the two.
    pub p: f64,
    /// The verdict, `p < alpha`: the interval lies within `(−margin, margin)`. `false` is no proof of a
    /// difference.
    pub is_equivalent: bool,
}

/// Tests whether the true mean of `a[i] − b[i]` lies within `(−margin, margin)`, at error rate `alpha` (a
/// fraction). The margin is in the unit of the values.
///
/// # Errors
/// A margin that is not positive and finite, an `alpha` outside (0, 0.5), or as [`paired_difference`].
pub fn equivalence(a: &[f64], b: &[f64], margin: f64, alpha: f64) -> Result<Equivalence, StatsError> {
    if !(margin > 0.0 && margin.is_finite()) {
        return Err(StatsError::Margin { margin });
    }
    if !(alpha > 0.0 && alpha < 0.5) {
        return Err(StatsError::Alpha { alpha });
    }
    let paired = paired_difference(a, b, 1.0 - 2.0 * alpha)?;
    let test = paired
        .standard_deviation
        .filter(|&s| s > 0.0)
        .map(|s| tost(paired.mean, s, paired.n, margin, alpha));
    Ok(Equivalence {
        n: paired.n,
        mean: paired.mean,
        standard_deviation: paired.standard_deviation,
        margin,
        alpha,
        interval: paired.interval,
        test,
    })
}

fn tost(mean: f64, standard_deviation: f64, n: usize, margin: f64, alpha: f64) -> Tost {
    let standard_error = standard_deviation / (n as f64).sqrt();
    let t_lower = (mean + margin) / standard_error;
    let t_upper = (mean - margin) / standard_error;
    let degrees_of_freedom = n - 1;
    let t = student_t(degrees_of_freedom);
    let (p_lower, p_upper) = (t.cdf(-t_lower), t.cdf(t_upper));
    let p = p_lower.max(p_upper);
    Tost {
        t_lower,
        t_upper,
        degrees_of_freedom,
        p_lower,
        p_upper,
        p,
        is_equivalent: p < alpha,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IntervalKind;

    const A: [f64; 5] = [91.2, 90.7, 91.9, 91.4, 90.9];
    const B: [f64; 5] = [91.0, 90.9, 91.5, 91.3, 90.6];

    #[track_caller]
    fn check_close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-10, "{a} {b}");
    }

    /// From `crates/sculpt-stats/goldens/stats.py` (SciPy's `ttest_1samp`, twice).
    #[test]
    fn as_scipy() {
        let result = equivalence(&A, &B, 0.5, 0.05).unwrap();
        let test = result.test.unwrap();
        check_close(test.t_lower, 6.410486691557884);
        check_close(test.t_upper, -3.302371932014592);
        check_close(test.p_lower, 0.0015212242485969434);
        check_close(test.p_upper, 0.014933484186179215);
        assert_eq!((test.p, test.is_equivalent), (test.p_upper, true));
        let interval = result.interval.unwrap();
        check_close(interval.low, -0.05948706029270803);
        check_close(interval.high, 0.3794870602927181);
        assert_eq!(interval.kind, IntervalKind::StudentT { level: 0.9 });

        let narrow = equivalence(&A, &B, 0.2, 0.05).unwrap().test.unwrap();
        check_close(narrow.p, 0.35871417995726324);
        assert!(!narrow.is_equivalent);
        // Not equivalent, and yet not inferior: p_lower = 0.0125.
        check_close(narrow.p_lower, 0.012486151633771871);
    }

    /// Two pairs, differences 1 and 3: mean 2, s = √2, s / √2 = 1. One degree of freedom: F(t) = ½ +
    /// arctan(t) / π. Margin 3: t = 5 and −1, p = ½ − arctan(5) / π and ½ − arctan(1) / π = 0.25.
    #[test]
    fn by_hand() {
        let result = equivalence(&[1.0, 3.0], &[0.0, 0.0], 3.0, 0.2).unwrap();
        let test = result.test.unwrap();
        assert_eq!((result.n, result.mean, test.degrees_of_freedom), (2, 2.0, 1));
        check_close(test.p_lower, 0.5 - 5f64.atan() / std::f64::consts::PI);
        check_close(test.p, 0.25);
        assert!(!test.is_equivalent);
        assert!(
            equivalence(&[1.0, 3.0], &[0.0, 0.0], 3.0, 0.26)
                .unwrap()
                .test
                .unwrap()
                .is_equivalent
        );
    }

    /// The verdict and the interval are one statement.
    #[test]
    fn equivalent_if_and_only_if_the_interval_lies_within_the_margin() {
        for margin in [0.1, 0.3, 0.37, 0.39, 1.0] {
            for (a, b) in [(A, B), (B, A)] {
                let result = equivalence(&a, &b, margin, 0.05).unwrap();
                let interval = result.interval.unwrap();
                let within = -margin < interval.low && interval.high < margin;
                assert_eq!(result.test.unwrap().is_equivalent, within, "{margin}");
            }
        }
    }

    #[test]
    fn no_verdict_without_spread() {
        let one = equivalence(&[1.0], &[1.0], 0.5, 0.05).unwrap();
        assert_eq!((one.n, one.mean, one.interval, one.test), (1, 0.0, None, None));
        let equal = equivalence(&[2.0, 3.0], &[2.0, 3.0], 0.5, 0.05).unwrap();
        assert_eq!((equal.standard_deviation, equal.test), (Some(0.0), None));
    }

    #[test]
    fn refusals() {
        let refused = |margin, alpha| equivalence(&A, &B, margin, alpha).unwrap_err().to_string();
        assert_eq!(refused(0.0, 0.05), "margin 0 is not a positive number");
        assert_eq!(refused(f64::NAN, 0.05), "margin NaN is not a positive number");
        assert_eq!(
            refused(f64::INFINITY, 0.05),
            "margin inf is not a positive number"
        );
        assert_eq!(refused(0.5, 0.5), "alpha 0.5 is not in (0, 0.5)");
        assert_eq!(refused(0.5, f64::NAN), "alpha NaN is not in (0, 0.5)");
        assert_eq!(
            equivalence(&A, &B[1..], 0.5, 0.05),
            Err(StatsError::Lengths { n_a: 5, n_b: 4 })
        );
    }
}
