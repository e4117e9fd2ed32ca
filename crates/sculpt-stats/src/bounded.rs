//! Intervals of means that have ends: they stay inside, by the delta method.

use crate::summary::{finite, t_quantile};
use crate::{Interval, IntervalKind, StatsError, Summary, mean, standard_deviation};

/// Mean of fractions in [0, 1], each of `n_trials` trials, with an interval that stays in [0, 1]: Student's t about the logit of the
/// mean `p`, whose standard error is `s / √n / (p (1 − p))` by the delta method. A mean of 0 or 1 has no logit: `(k + ½) / (N + 1)`
/// stands for it, of `k` successes among all `N` trials, and the interval reaches from there to the mean.
///
/// # Errors
/// As [`mean_t_interval`](crate::mean_t_interval), and a value outside [0, 1].
pub fn mean_logit_interval(values: &[f64], n_trials: u32, level: f64) -> Result<Summary, StatsError> {
    let outside = values.iter().position(|value| !(0.0..=1.0).contains(value));
    if let Some(index) = outside {
        return Err(StatsError::NoFraction {
            index,
            value: values[index],
        });
    }
    let trials = f64::from(n_trials) * values.len() as f64;
    let centre = |mean: f64| {
        if mean > 0.0 && mean < 1.0 {
            mean
        } else {
            (mean * trials + 0.5) / (trials + 1.0)
        }
    };
    let ends = |mean: f64, error: f64| {
        let p = centre(mean);
        let (logit, half) = ((p / (1.0 - p)).ln(), error / (p * (1.0 - p)));
        [logit - half, logit + half].map(|x| 1.0 / (1.0 + (-x).exp()))
    };
    summary(values, level, IntervalKind::LogitT { level }, ends)
}

/// Mean of what is never negative, with an interval that is not either: Student's t about the logarithm of the mean, whose standard
/// error is `s / √n / mean` by the delta method. A mean of 0 has the interval [0, 0].
///
/// # Errors
/// As [`mean_t_interval`](crate::mean_t_interval), and a negative value.
pub fn mean_log_interval(values: &[f64], level: f64) -> Result<Summary, StatsError> {
    if let Some(index) = values.iter().position(|value| *value < 0.0) {
        return Err(StatsError::Negative {
            index,
            value: values[index],
        });
    }
    let ends = |mean: f64, error: f64| {
        if mean > 0.0 {
            [-1.0, 1.0].map(|side| mean * (side * error / mean).exp())
        } else {
            [mean; 2]
        }
    };
    summary(values, level, IntervalKind::LogT { level }, ends)
}

/// `ends` makes an interval of the mean and of `t` standard errors of it.
fn summary(
    values: &[f64],
    level: f64,
    kind: IntervalKind,
    ends: impl Fn(f64, f64) -> [f64; 2],
) -> Result<Summary, StatsError> {
    let mean = mean(values)?;
    let standard_deviation = standard_deviation(values)?;
    let n = values.len();
    let t = t_quantile(n, level)?;
    let interval = match standard_deviation.zip(t) {
        Some((s, t)) => {
            let [low, high] = ends(mean, t * s / (n as f64).sqrt());
            // Rounding, and a mean at an end.
            Some(Interval {
                low: finite(low.min(mean), "interval")?,
                high: finite(high.max(mean), "interval")?,
                kind,
            })
        }
        None => None,
    };
    Ok(Summary {
        n,
        mean,
        standard_deviation,
        interval,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(summary: Summary, mean: f64, low: f64, high: f64) {
        let interval = summary.interval.unwrap();
        for (found, wanted) in [(summary.mean, mean), (interval.low, low), (interval.high, high)] {
            assert!((found - wanted).abs() < 1e-9, "{found} for {wanted}");
        }
    }

    /// 0.4, 0.5, 0.6: s = 0.1, t = 4.3026527297, half width t · 0.1 / √3 / 0.25 = 0.9936550813 about a logit of 0:
    /// 1 / (1 + e^0.99365…) = 0.2701855…
    #[test]
    fn fractions_in_the_middle() {
        let half = 4.3026527297_f64 * 0.1 / 3f64.sqrt() / 0.25;
        let low = 1.0 / (1.0 + half.exp());
        assert!((low - 0.270_186).abs() < 1e-5, "{low}");
        let summary = mean_logit_interval(&[0.4, 0.5, 0.6], 1000, 0.95).unwrap();
        check(summary, 0.5, low, 1.0 - low);
    }

    /// 0.2, 0.9, 1: Student's t on the fractions themselves would end at 1.78.
    #[test]
    fn intervals_of_fractions_stay_inside() {
        let summary = mean_logit_interval(&[0.2, 0.9, 1.0], 10, 0.95).unwrap();
        let interval = summary.interval.unwrap();
        assert!(0.0 < interval.low && interval.low < 0.2 && 0.9 < interval.high && interval.high < 1.0);
        assert_eq!(interval.kind.to_string(), "95 % Student t on the logit");
    }

    /// Nothing of 2 · 10: (0 + ½) / (20 + 1) = 1 / 42; all of them: 41 / 42.
    #[test]
    fn fractions_at_the_ends() {
        check(
            mean_logit_interval(&[0.0, 0.0], 10, 0.95).unwrap(),
            0.0,
            0.0,
            1.0 / 42.0,
        );
        check(
            mean_logit_interval(&[1.0, 1.0], 10, 0.95).unwrap(),
            1.0,
            41.0 / 42.0,
            1.0,
        );
    }

    /// 1, 2, 3: s = 1, half width of the logarithm t / √3 / 2 = 1.2420688.
    #[test]
    fn what_is_never_negative() {
        let half = 4.3026527297_f64 / 3f64.sqrt() / 2.0;
        check(
            mean_log_interval(&[1.0, 2.0, 3.0], 0.95).unwrap(),
            2.0,
            2.0 * (-half).exp(),
            2.0 * half.exp(),
        );
        check(mean_log_interval(&[0.0, 0.0], 0.95).unwrap(), 0.0, 0.0, 0.0);
        let kind = mean_log_interval(&[1.0, 2.0], 0.9)
            .unwrap()
            .interval
            .unwrap()
            .kind;
        assert_eq!(kind.to_string(), "90 % Student t on the logarithm");
    }

    #[test]
    fn one_value_has_no_interval_and_others_are_refused() {
        assert_eq!(mean_logit_interval(&[0.5], 10, 0.95).unwrap().interval, None);
        assert_eq!(mean_log_interval(&[0.5], 0.95).unwrap().interval, None);
        let refused = |result: Result<Summary, StatsError>| result.unwrap_err().to_string();
        assert_eq!(
            refused(mean_logit_interval(&[0.5, 1.5], 10, 0.95)),
            "value 1 is 1.5, not a fraction in [0, 1]"
        );
        assert_eq!(
            refused(mean_log_interval(&[-0.5], 0.95)),
            "value 0 is -0.5, less than 0"
        );
        assert!(mean_logit_interval(&[f64::NAN], 10, 0.95).is_err());
        assert!(mean_log_interval(&[f64::NAN], 0.95).is_err());
    }
}
