use crate::summary::student_t;
use crate::{Interval, StatsError, mean, mean_t_interval, standard_deviation};
use statrs::distribution::ContinuousCDF as _;

/// What is known of `a − b` when both were measured under the same seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedDifference {
    /// Number of pairs.
    pub n: usize,
    /// Mean of the differences.
    pub mean: f64,
    /// Sample standard deviation of the differences; `None` for a single pair.
    pub standard_deviation: Option<f64>,
    /// Confidence interval of the mean difference; `None` for a single pair.
    pub interval: Option<Interval>,
    /// Test of the mean difference against 0; `None` where `t` is undefined: for a single pair, or when all
    /// differences are equal.
    pub test: Option<TTest>,
}

/// Student's t test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TTest {
    /// `mean / (s / √n)`.
    pub t: f64,
    /// `n − 1`.
    pub degrees_of_freedom: usize,
    /// Two-sided p value: the probability of a `|t|` at least as large if the true difference is 0.
    pub p: f64,
}

/// Summary and t test of the differences `a[i] − b[i]`, at confidence `level`, a fraction.
///
/// # Errors
/// Different lengths, or as [`mean_t_interval`]; a difference too large for `f64` is not finite.
pub fn paired_difference(a: &[f64], b: &[f64], level: f64) -> Result<PairedDifference, StatsError> {
    if a.len() != b.len() {
        return Err(StatsError::Lengths {
            n_a: a.len(),
            n_b: b.len(),
        });
    }
    for (index, &value) in a.iter().chain(b).enumerate() {
        if !value.is_finite() {
            let index = index % a.len();
            return Err(StatsError::NotFinite { index, value });
        }
    }
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let summary = mean_t_interval(&differences, level)?;
    let test = summary
        .standard_deviation
        .filter(|&s| s > 0.0)
        .map(|s| student(summary.mean, s, summary.n));
    Ok(PairedDifference {
        n: summary.n,
        mean: summary.mean,
        standard_deviation: summary.standard_deviation,
        interval: summary.interval,
        test,
    })
}

/// Test of the mean of `values` against `bound`; none of a single value, or of equal ones.
///
/// # Errors
/// As [`mean_t_interval`]; a bound that is not finite.
pub fn t_test(values: &[f64], bound: f64) -> Result<Option<TTest>, StatsError> {
    if !bound.is_finite() {
        return Err(StatsError::Hypothesis { value: bound });
    }
    let (mean, deviation) = (mean(values)?, standard_deviation(values)?);
    let spread = deviation.filter(|&s| s > 0.0);
    Ok(spread.map(|s| student(mean - bound, s, values.len())))
}

impl TTest {
    /// One-sided p value: the probability of a `t` at least as large if the true difference is 0 or less. For
    /// claims that `a` beats `b`; for `b` beats `a` it is `1 − p_greater`.
    pub fn p_greater(&self) -> f64 {
        student_t(self.degrees_of_freedom).cdf(-self.t)
    }
}

fn student(mean: f64, standard_deviation: f64, n: usize) -> TTest {
    let t = mean / (standard_deviation / (n as f64).sqrt());
    let degrees_of_freedom = n - 1;
    TTest {
        t,
        degrees_of_freedom,
        p: 2.0 * student_t(degrees_of_freedom).cdf(-t.abs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Differences 1, 2, 3: mean 2, s = 1, t = 2 √3; with 2 degrees of freedom
    /// p = 1 − |t| / √(2 + t²) = 1 − √(12 / 14) = 0.0741799.
    #[test]
    fn three_pairs() {
        let paired = paired_difference(&[2.0, 4.0, 6.0], &[1.0, 2.0, 3.0], 0.95).unwrap();
        assert_eq!(
            (paired.n, paired.mean, paired.standard_deviation),
            (3, 2.0, Some(1.0))
        );
        let test = paired.test.unwrap();
        assert_eq!(test.degrees_of_freedom, 2);
        assert!((test.t - 12f64.sqrt()).abs() < 1e-12, "{}", test.t);
        assert!(
            (test.p - (1.0 - (12.0f64 / 14.0).sqrt())).abs() < 1e-10,
            "{}",
            test.p
        );
        // 0 lies in the 95 % interval, since p > 0.05.
        assert!(paired.interval.unwrap().low < 0.0);
    }

    /// One degree of freedom: p = 1 − (2 / π) arctan |t|. Differences −1, −3: mean −2, s = √2, t = −2.
    #[test]
    fn two_pairs_with_the_sign_of_a_minus_b() {
        let paired = paired_difference(&[0.0, 0.0], &[1.0, 3.0], 0.95).unwrap();
        let test = paired.test.unwrap();
        assert!((test.t + 2.0).abs() < 1e-12, "{}", test.t);
        let p = 1.0 - std::f64::consts::FRAC_2_PI * 2f64.atan();
        assert!((test.p - p).abs() < 1e-10, "{} {p}", test.p);
    }

    /// From `crates/sculpt-stats/goldens/stats.py` (SciPy's `ttest_rel`).
    #[test]
    fn one_sided() {
        let (a, b) = ([91.2, 90.7, 91.9, 91.4, 90.9], [91.0, 90.9, 91.5, 91.3, 90.6]);
        for (first, second, p) in [(a, b, 0.09756895879302407), (b, a, 0.9024310412069759)] {
            let test = paired_difference(&first, &second, 0.95).unwrap().test.unwrap();
            assert!((test.p_greater() - p).abs() < 1e-10, "{} {p}", test.p_greater());
        }
    }

    /// 1, 2, 3 against 1: mean 1 beyond it, t = √3, and the same with both moved.
    #[test]
    fn one_sample() {
        let t = t_test(&[1.0, 2.0, 3.0], 1.0).unwrap().unwrap();
        assert!((t.t - 3f64.sqrt()).abs() < 1e-12);
        assert_eq!(
            t,
            paired_difference(&[1.0, 2.0, 3.0], &[1.0; 3], 0.95)
                .unwrap()
                .test
                .unwrap()
        );
        assert_eq!(t_test(&[1.0, 1.0], 0.0), Ok(None));
        assert!(t_test(&[1.0, 2.0, 3.0], f64::NAN).is_err());
    }

    #[test]
    fn t_is_undefined_without_spread() {
        let one = paired_difference(&[1.0], &[2.0], 0.95).unwrap();
        assert_eq!(
            (one.mean, one.standard_deviation, one.interval, one.test),
            (-1.0, None, None, None)
        );
        let equal = paired_difference(&[2.0, 3.0], &[1.0, 2.0], 0.95).unwrap();
        assert_eq!(
            (equal.mean, equal.standard_deviation, equal.test),
            (1.0, Some(0.0), None)
        );
    }

    #[test]
    fn refusals() {
        assert_eq!(paired_difference(&[], &[], 0.95), Err(StatsError::NoValues));
        let lengths = paired_difference(&[1.0], &[], 0.95);
        assert_eq!(lengths, Err(StatsError::Lengths { n_a: 1, n_b: 0 }));
        // Named by its own place and value, not by that of the difference.
        let in_b = paired_difference(&[1.0, 2.0], &[1.0, f64::NEG_INFINITY], 0.95);
        assert_eq!(
            in_b,
            Err(StatsError::NotFinite {
                index: 1,
                value: f64::NEG_INFINITY
            })
        );
    }
}
