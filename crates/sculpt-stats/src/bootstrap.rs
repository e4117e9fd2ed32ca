use crate::summary::{check_level, check_values, finite, two_pass_mean};
use crate::{Interval, IntervalKind, StatsError, Summary, mean, standard_deviation};
use sculpt_random::{Purpose, Seed, Stream};

/// Resampling with replacement; index: the resample.
const RESAMPLE: Purpose = Purpose::new(b"resample");

/// A statistic of independent values, and how far it moves when they are drawn again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrap {
    /// Number of values.
    pub n: usize,
    /// The statistic of the values themselves.
    pub estimate: f64,
    /// Its percentile interval; `None` for a single value.
    pub interval: Option<Interval>,
}

/// `statistic` of `values`, and its percentile bootstrap interval at confidence `level`, a fraction.
///
/// Each resample is `n` of the values, drawn with replacement from its own stream of `seed`, numbered by the
/// resample. The interval's ends are the `(1 ± level) / 2` quantiles of the resamples' statistics, linear
/// between neighbours (NumPy's default).
///
/// # Errors
/// No values, one that is not finite, a level outside (0, 1), no resamples, a statistic that is not finite,
/// or an interval beyond the range of `f64`.
pub fn bootstrap(
    values: &[f64],
    statistic: impl Fn(&[f64]) -> f64,
    level: f64,
    resamples: usize,
    seed: Seed,
) -> Result<Bootstrap, StatsError> {
    check_values(values)?;
    check_level(level)?;
    if resamples == 0 {
        return Err(StatsError::NoResamples);
    }
    let estimate = statistic(values);
    if !estimate.is_finite() {
        return Err(StatsError::Statistic { value: estimate });
    }
    let n = values.len();
    let interval = if n > 1 {
        let mut statistics = resampled(values, statistic, resamples, seed)?;
        statistics.sort_unstable_by(f64::total_cmp);
        Some(Interval {
            low: finite(quantile(&statistics, 0.5 - 0.5 * level), "interval")?,
            high: finite(quantile(&statistics, 0.5 + 0.5 * level), "interval")?,
            kind: IntervalKind::Bootstrap { level, resamples },
        })
    } else {
        None
    };
    Ok(Bootstrap {
        n,
        estimate,
        interval,
    })
}

/// As [`mean_t_interval`](crate::mean_t_interval), but for the interval: a percentile [`bootstrap`] of the
/// mean.
///
/// # Errors
/// As [`bootstrap`].
pub fn mean_bootstrap_interval(
    values: &[f64],
    level: f64,
    resamples: usize,
    seed: Seed,
) -> Result<Summary, StatsError> {
    Ok(Summary {
        n: values.len(),
        mean: mean(values)?,
        standard_deviation: standard_deviation(values)?,
        interval: bootstrap(values, two_pass_mean, level, resamples, seed)?.interval,
    })
}

/// The statistic of each resample.
fn resampled(
    values: &[f64],
    statistic: impl Fn(&[f64]) -> f64,
    resamples: usize,
    seed: Seed,
) -> Result<Vec<f64>, StatsError> {
    let mut drawn = vec![0.0; values.len()];
    (0..resamples)
        .map(|resample| {
            let mut stream = Stream::new(seed, RESAMPLE, resample as u64);
            drawn.fill_with(|| values[stream.below(values.len() as u64) as usize]);
            let value = statistic(&drawn);
            if value.is_finite() {
                Ok(value)
            } else {
                Err(StatsError::ResampledStatistic { resample, value })
            }
        })
        .collect()
}

/// The `q` quantile of sorted numbers, at least one, linear between neighbours; not finite where their
/// difference overflows.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let place = q * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + place.fract() * (above - below)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mean_t_interval;

    const VALUES: [f64; 8] = [3.0, 1.0, 4.0, 1.5, 9.0, 2.5, 6.0, 5.0];

    fn median(values: &[f64]) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        quantile(&sorted, 0.5)
    }

    #[track_caller]
    fn check(bootstrap: Bootstrap, estimate: f64, low: f64, high: f64) {
        let interval = bootstrap.interval.unwrap();
        for (found, expected) in [
            (bootstrap.estimate, estimate),
            (interval.low, low),
            (interval.high, high),
        ] {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    /// From `crates/sculpt-stats/goldens/stats.py`: the same draws in plain Python, NumPy's quantiles.
    #[test]
    fn known_answers() {
        let of = |statistic: fn(&[f64]) -> f64| bootstrap(&VALUES, statistic, 0.95, 400, Seed(42)).unwrap();
        check(of(two_pass_mean), 4.0, 2.4984375, 5.7515625);
        check(of(median), 3.5, 1.75, 6.0);
    }

    /// 0, 10, 20, 30, 40: the 0.25 quantile lies at place 1, the 0.3 quantile at place 1.2.
    #[test]
    fn quantiles() {
        let sorted = [0.0, 10.0, 20.0, 30.0, 40.0];
        for (q, expected) in [(0.0, 0.0), (0.25, 10.0), (0.3, 12.0), (1.0, 40.0)] {
            assert!((quantile(&sorted, q) - expected).abs() < 1e-12, "{q}");
        }
        assert_eq!(quantile(&[7.0], 0.975), 7.0);
    }

    /// Of two values 0 and 1 the mean of a resample is 0, ½ or 1 with probabilities ¼, ½, ¼: the 0.2 quantile
    /// is 0, the 0.3 quantile ½, and so on, with 4,000 resamples more than seven standard deviations away
    /// from a step.
    #[test]
    fn two_values() {
        let ends = |level| {
            let interval = mean_bootstrap_interval(&[0.0, 1.0], level, 4_000, Seed(1))
                .unwrap()
                .interval
                .unwrap();
            (interval.low, interval.high)
        };
        assert_eq!(ends(0.6), (0.0, 1.0));
        assert_eq!(ends(0.4), (0.5, 0.5));
    }

    #[test]
    fn of_the_mean() {
        let summary = mean_bootstrap_interval(&VALUES, 0.9, 100, Seed(1)).unwrap();
        let by_t = mean_t_interval(&VALUES, 0.9).unwrap();
        assert_eq!(
            (summary.n, summary.mean, summary.standard_deviation),
            (by_t.n, by_t.mean, by_t.standard_deviation)
        );
        let kind = IntervalKind::Bootstrap {
            level: 0.9,
            resamples: 100,
        };
        assert_eq!(summary.interval.unwrap().kind, kind);
        assert_eq!(mean_bootstrap_interval(&VALUES, 0.9, 100, Seed(1)), Ok(summary));
        assert_ne!(mean_bootstrap_interval(&VALUES, 0.9, 100, Seed(2)), Ok(summary));
        let equal = mean_bootstrap_interval(&[0.1; 3], 0.9, 100, Seed(1)).unwrap();
        assert_eq!(equal.interval.map(|i| (i.low, i.high)), Some((0.1, 0.1)));
    }

    #[test]
    fn one_value_has_no_interval() {
        let one = mean_bootstrap_interval(&[0.5], 0.95, 100, Seed(1)).unwrap();
        assert_eq!((one.n, one.mean, one.interval), (1, 0.5, None));
        assert_eq!(
            bootstrap(&[0.5], median, 0.95, 100, Seed(1)).unwrap().interval,
            None
        );
    }

    #[test]
    fn refusals() {
        let refused = |values: &[f64], level, resamples| {
            bootstrap(values, median, level, resamples, Seed(1))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(refused(&[], 0.95, 10), "no values to summarise");
        assert_eq!(
            refused(&[0.0, f64::NAN], 0.95, 10),
            "value 1 is NaN, not a finite number"
        );
        assert_eq!(refused(&[0.0], 1.0, 10), "confidence level 1 is not in (0, 1)");
        assert_eq!(
            refused(&[0.0], 0.95, 0),
            "a bootstrap needs at least one resample"
        );
        let of = |statistic: fn(&[f64]) -> f64| {
            bootstrap(&[1.0, 2.0], statistic, 0.95, 100, Seed(1))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            of(|_| f64::NAN),
            "the statistic of the values is NaN, not a finite number"
        );
        // Infinite where the same value is drawn twice.
        let of_pairs = of(|values| 1.0 / (values[0] - values[1]));
        assert!(
            of_pairs.starts_with("the statistic of resample ")
                && of_pairs.ends_with(" is inf, not a finite number"),
            "{of_pairs}"
        );
    }
}
