use crate::StatsError;
use statrs::distribution::{ContinuousCDF as _, StudentsT};
use std::fmt;

/// What is known of a quantity from independent values of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Number of values.
    pub n: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation (divisor `n − 1`); `None` for a single value.
    pub standard_deviation: Option<f64>,
    /// Confidence interval of the mean; `None` for a single value.
    pub interval: Option<Interval>,
}

/// A confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// How it was computed.
    pub kind: IntervalKind,
}

/// How an interval was computed. Displayed as in `95 % Student t` and `95 % bootstrap (10,000 resamples)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum IntervalKind {
    /// `mean ± t · s / √n`, `t` the `(1 + level) / 2` quantile of Student's t with `n − 1` degrees of freedom.
    StudentT {
        /// Confidence level, a fraction in (0, 1).
        level: f64,
    },
    /// The same about the logit of the mean, in whose unit the standard error is by the delta method: it stays in [0, 1].
    LogitT {
        /// Confidence level, a fraction in (0, 1).
        level: f64,
    },
    /// The same about the logarithm of the mean: it is never negative.
    LogT {
        /// Confidence level, a fraction in (0, 1).
        level: f64,
    },
    /// The `(1 ± level) / 2` quantiles of a statistic over values drawn with replacement.
    Bootstrap {
        /// Confidence level, a fraction in (0, 1).
        level: f64,
        /// How often values were drawn.
        resamples: usize,
    },
}

/// Mean, standard deviation and Student-t interval of `values` at confidence `level`, a fraction.
///
/// # Errors
/// No values, one that is not finite, a level outside (0, 1), or a result beyond the range of `f64`.
pub fn mean_t_interval(values: &[f64], level: f64) -> Result<Summary, StatsError> {
    let mean = mean(values)?;
    let standard_deviation = standard_deviation(values)?;
    let n = values.len();
    let t = t_quantile(n, level)?;
    let interval = match (standard_deviation, t) {
        (Some(s), Some(t)) => {
            let half_width = t * s / (n as f64).sqrt();
            Some(Interval {
                low: finite(mean - half_width, "interval")?,
                high: finite(mean + half_width, "interval")?,
                kind: IntervalKind::StudentT { level },
            })
        }
        (None, _) | (_, None) => None,
    };
    Ok(Summary {
        n,
        mean,
        standard_deviation,
        interval,
    })
}

/// Arithmetic mean.
///
/// # Errors
/// No values, one that is not finite, or a sum beyond the range of `f64`.
pub fn mean(values: &[f64]) -> Result<f64, StatsError> {
    check_values(values)?;
    finite(two_pass_mean(values), "mean")
}

/// [`mean`] of finite values, at least one; not finite where it overflows.
pub(crate) fn two_pass_mean(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    // The second pass takes out the rounding of the first, so that the mean of equal values is that value.
    let correction = values.iter().map(|x| x - mean).sum::<f64>() / n;
    mean + correction
}

/// Sample standard deviation, with divisor `n − 1`; `None` for a single value.
///
/// # Errors
/// As [`mean`].
pub fn standard_deviation(values: &[f64]) -> Result<Option<f64>, StatsError> {
    let mean = mean(values)?;
    if values.len() == 1 {
        return Ok(None);
    }
    let sum_of_squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
    let s = (sum_of_squares / (values.len() - 1) as f64).sqrt();
    finite(s, "standard deviation").map(Some)
}

/// The `(1 + level) / 2` quantile of Student's t for `n` values; `None` for one value.
pub(crate) fn t_quantile(n: usize, level: f64) -> Result<Option<f64>, StatsError> {
    check_level(level)?;
    Ok((n > 1).then(|| student_t(n - 1).inverse_cdf(0.5 + 0.5 * level)))
}

pub(crate) fn check_values(values: &[f64]) -> Result<(), StatsError> {
    if values.is_empty() {
        return Err(StatsError::NoValues);
    }
    match values.iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(index) => Err(StatsError::NotFinite {
            index,
            value: values[index],
        }),
    }
}

pub(crate) fn check_level(level: f64) -> Result<(), StatsError> {
    if level > 0.0 && level < 1.0 {
        Ok(())
    } else {
        Err(StatsError::Level { level })
    }
}

/// The standard Student's t distribution.
pub(crate) fn student_t(degrees_of_freedom: usize) -> StudentsT {
    StudentsT::new(0.0, 1.0, degrees_of_freedom as f64).expect("n − 1 ≥ 1 degrees of freedom")
}

pub(crate) fn finite(x: f64, quantity: &'static str) -> Result<f64, StatsError> {
    if x.is_finite() {
        Ok(x)
    } else {
        Err(StatsError::Overflow { quantity })
    }
}

impl fmt::Display for IntervalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IntervalKind::StudentT { level } => write!(f, "{} % Student t", percent(*level)),
            IntervalKind::LogitT { level } => write!(f, "{} % Student t on the logit", percent(*level)),
            IntervalKind::LogT { level } => write!(f, "{} % Student t on the logarithm", percent(*level)),
            IntervalKind::Bootstrap { level, resamples } => {
                let (level, resamples) = (percent(*level), grouped(*resamples));
                write!(f, "{level} % bootstrap ({resamples} resamples)")
            }
        }
    }
}

/// Rounded to 10 digits after the point: 100 · 0.57 is 56.99999999999999 in f64.
fn percent(level: f64) -> f64 {
    (level * 1e12).round() / 1e10
}

/// With a comma before every third digit from the right.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_close(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-9 * b.abs(), "{a} {b}");
    }

    /// Closed forms. 1 degree: tan(π · 0.475) = 12.7062047362. 2: 0.95 · √(2 / (4 · 0.975 · 0.025))
    /// = 0.95 · √(2 / 0.0975) = 4.3026527297. 4: 2 √(q − 1) with q = cos(⅓ arccos √α) / √α and
    /// α = 4 · 0.975 · 0.025 = 0.0975, = 2.7764451052. And 30, from tables: 2.0422724563.
    #[test]
    fn quantiles() {
        for (n, t) in [
            (2, 12.7062047362),
            (3, 4.3026527297),
            (5, 2.7764451052),
            (31, 2.0422724563),
        ] {
            check_close(t_quantile(n, 0.95).unwrap().unwrap(), t);
        }
        assert_eq!(t_quantile(1, 0.95), Ok(None));
        check_close(t_quantile(2, 0.5).unwrap().unwrap(), 1.0);
    }

    /// 2, 4, 4, 4, 5, 5, 7, 9: mean 40 / 8 = 5, squares 9 + 1 + 1 + 1 + 0 + 0 + 4 + 16 = 32, s = √(32 / 7).
    #[test]
    fn mean_and_standard_deviation() {
        let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        assert_eq!(mean(&values), Ok(5.0));
        check_close(
            standard_deviation(&values).unwrap().unwrap(),
            (32.0f64 / 7.0).sqrt(),
        );
    }

    /// 90, 91, 93: mean 274 / 3, deviations −4/3, −1/3, 5/3, s² = (42 / 9) / 2 = 7 / 3,
    /// half width 4.3026527297 · √(7 / 9).
    #[test]
    fn interval_of_three_seeds() {
        let summary = mean_t_interval(&[90.0, 91.0, 93.0], 0.95).unwrap();
        let half_width = 4.3026527297 * 7f64.sqrt() / 3.0;
        let interval = summary.interval.unwrap();
        assert_eq!(summary.n, 3);
        check_close(summary.standard_deviation.unwrap(), (7.0f64 / 3.0).sqrt());
        check_close(interval.low, 274.0 / 3.0 - half_width);
        check_close(interval.high, 274.0 / 3.0 + half_width);
        assert_eq!(interval.kind, IntervalKind::StudentT { level: 0.95 });
    }

    #[test]
    fn one_value_and_equal_values() {
        let one = mean_t_interval(&[0.5], 0.95).unwrap();
        assert_eq!(
            (one.n, one.mean, one.standard_deviation, one.interval),
            (1, 0.5, None, None)
        );
        // In f64, 0.1 + 0.1 + 0.1 is more than 0.3.
        let equal = mean_t_interval(&[0.1; 3], 0.95).unwrap();
        assert_eq!((equal.mean, equal.standard_deviation), (0.1, Some(0.0)));
        assert_eq!(equal.interval.map(|i| (i.low, i.high)), Some((0.1, 0.1)));
    }

    #[test]
    fn names() {
        for (level, name) in [
            (0.95, "95 % Student t"),
            (0.57, "57 % Student t"),
            (0.999, "99.9 % Student t"),
        ] {
            assert_eq!(IntervalKind::StudentT { level }.to_string(), name);
        }
        for (resamples, name) in [
            (999, "90 % bootstrap (999 resamples)"),
            (10_000, "90 % bootstrap (10,000 resamples)"),
            (1_000_000, "90 % bootstrap (1,000,000 resamples)"),
        ] {
            assert_eq!(
                IntervalKind::Bootstrap {
                    level: 0.9,
                    resamples
                }
                .to_string(),
                name
            );
        }
    }

    #[test]
    fn refusals() {
        assert_eq!(mean_t_interval(&[], 0.95), Err(StatsError::NoValues));
        let infinite = mean_t_interval(&[1.0, f64::INFINITY], 0.95);
        assert_eq!(
            infinite,
            Err(StatsError::NotFinite {
                index: 1,
                value: f64::INFINITY
            })
        );
        let nan = mean_t_interval(&[f64::NAN], 0.95).unwrap_err();
        assert_eq!(nan.to_string(), "value 0 is NaN, not a finite number");
        let huge = mean_t_interval(&[f64::MAX, f64::MAX], 0.95);
        assert_eq!(huge, Err(StatsError::Overflow { quantity: "mean" }));
        // The level is checked for a single value too.
        for level in [0.0, 1.0, 95.0, -0.5, f64::NAN] {
            let refused = mean_t_interval(&[1.0], level);
            assert!(
                matches!(refused, Err(StatsError::Level { .. })),
                "{level}: {refused:?}"
            );
        }
    }
}
