//! What a number of runs can find: power of the one-sided t test and of TOST, for normal values.

use crate::StatsError;
use crate::summary::student_t;
use statrs::distribution::ContinuousCDF as _;
use statrs::function::{erf::erfc, gamma::ln_gamma};
use std::f64::consts::{LN_2, SQRT_2};

/// Steps of Simpson's rule over the chi distribution of the deviation.
const STEPS: u32 = 400;

/// Deviations of that distribution to each side: what lies beyond is below 1e-14.
const REACH: f64 = 8.0;

/// More runs than anybody makes; searches for a number of runs end here.
const MOST: usize = 10_000;

/// A test of the mean of normal values of a known deviation, and what must be true for it to be asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Alternative {
    /// One-sided t test: the mean lies so far beyond the bound.
    Beyond {
        /// Distance from the bound, positive on the side that is tested for.
        distance: f64,
    },
    /// TOST: the mean lies here, and the margins at both sides of 0.
    Within {
        /// The true mean.
        mean: f64,
        /// The margin, positive.
        margin: f64,
    },
}

/// The probability that a test at error rate `alpha` of `n` values of this deviation says so.
///
/// # Errors
/// Fewer than two values, a deviation that is not positive, an `alpha` outside (0, 0.5), or a truth that is no number.
pub fn power(truth: Alternative, deviation: f64, n: usize, alpha: f64) -> Result<f64, StatsError> {
    if !(deviation > 0.0 && deviation.is_finite()) {
        return Err(StatsError::Deviation { deviation });
    }
    if !(alpha > 0.0 && alpha < 0.5) {
        return Err(StatsError::Alpha { alpha });
    }
    if n < 2 {
        return Err(StatsError::TooFew { n });
    }
    match truth {
        Alternative::Beyond { distance: value } | Alternative::Within { mean: value, .. }
            if !value.is_finite() =>
        {
            return Err(StatsError::Hypothesis { value });
        }
        Alternative::Within { margin, .. } if !(margin > 0.0 && margin.is_finite()) => {
            return Err(StatsError::Margin { margin });
        }
        Alternative::Beyond { .. } | Alternative::Within { .. } => {}
    }
    let freedom = (n - 1) as f64;
    let critical = student_t(n - 1).inverse_cdf(1.0 - alpha) / freedom.sqrt();
    let scale = (n as f64).sqrt() / deviation;
    Ok(match truth {
        Alternative::Beyond { distance } => {
            over_chi(freedom, f64::INFINITY, |x| phi(distance * scale - critical * x))
        }
        Alternative::Within { mean, margin } => {
            let (above, below) = ((margin - mean) * scale, (margin + mean) * scale);
            // Of a larger sample deviation no mean passes both tests.
            let last = margin * scale / critical;
            over_chi(freedom, last, |x| {
                phi(above - critical * x) - phi(critical * x - below)
            })
        }
    })
}

/// The smallest distance from the bound that a one-sided test of `n` values finds with this power; with `within`, the
/// smallest margin that TOST shows with it where the true mean is 0.
///
/// # Errors
/// As [`power()`]; a `wanted` outside (0, 1), or nearer to 1 than can be computed.
pub fn smallest_effect(
    within: bool,
    deviation: f64,
    n: usize,
    wanted: f64,
    alpha: f64,
) -> Result<f64, StatsError> {
    crate::summary::check_level(wanted)?;
    let of = |size: f64| {
        let truth = if within {
            Alternative::Within {
                mean: 0.0,
                margin: size,
            }
        } else {
            Alternative::Beyond { distance: size }
        };
        power(truth, deviation, n, alpha)
    };
    let mut high = deviation;
    while of(high)? < wanted {
        high *= 2.0;
        // The sum that is a power ends at 1 to eight digits.
        if !high.is_finite() {
            return Err(StatsError::Power { wanted });
        }
    }
    let mut low = 0.0;
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if of(middle)? < wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(high)
}

/// The fewest values with which a test has this power; none where 10,000 are too few.
///
/// # Errors
/// As [`power()`]; a `wanted` outside (0, 1).
pub fn runs_needed(
    truth: Alternative,
    deviation: f64,
    wanted: f64,
    alpha: f64,
) -> Result<Option<usize>, StatsError> {
    crate::summary::check_level(wanted)?;
    let enough = |n: usize| Ok(power(truth, deviation, n, alpha)? >= wanted);
    let (mut few, mut many) = (1, 2);
    while !enough(many)? {
        (few, many) = (many, 2 * many);
        if few >= MOST {
            return Ok(None);
        }
    }
    while many - few > 1 {
        let middle = usize::midpoint(few, many);
        if enough(middle)? {
            many = middle;
        } else {
            few = middle;
        }
    }
    Ok((many <= MOST).then_some(many))
}

/// p values adjusted for their number after Holm (1979), in the order given: each is the smallest error rate over all of
/// them at which its own hypothesis is rejected. NaN rejects none, and counts as 1.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let known = |p: &f64| if p.is_nan() { 1.0 } else { p.clamp(0.0, 1.0) };
    let p: Vec<f64> = p.iter().map(known).collect();
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut adjusted = vec![1.0; p.len()];
    let mut largest = 0.0_f64;
    for (rank, index) in order.into_iter().enumerate() {
        largest = largest.max((p.len() - rank) as f64 * p[index]).min(1.0);
        adjusted[index] = largest;
    }
    adjusted
}

/// Mean of `value` over the chi distribution up to `last`, by Simpson's rule.
fn over_chi(freedom: f64, last: f64, value: impl Fn(f64) -> f64) -> f64 {
    let low = (freedom.sqrt() - REACH).max(0.0);
    let high = (freedom.sqrt() + REACH).min(last);
    if high <= low {
        return 0.0;
    }
    let constant = (1.0 - 0.5 * freedom) * LN_2 - ln_gamma(0.5 * freedom);
    let density = |x: f64| {
        if x > 0.0 {
            (constant + (freedom - 1.0) * x.ln() - 0.5 * x * x).exp()
        } else if freedom == 1.0 {
            constant.exp()
        } else {
            0.0
        }
    };
    let step = (high - low) / f64::from(STEPS);
    let weighted = (0..=STEPS).map(|i| {
        let weight = match i {
            0 | STEPS => 1.0,
            odd if odd % 2 == 1 => 4.0,
            _ => 2.0,
        };
        let x = low + step * f64::from(i);
        weight * density(x) * value(x)
    });
    (weighted.sum::<f64>() * step / 3.0).clamp(0.0, 1.0)
}

/// The normal distribution.
fn phi(z: f64) -> f64 {
    0.5 * erfc(-z / SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(truth: Alternative, n: usize, expected: f64) {
        let found = power(truth, 1.0, n, 0.05).unwrap();
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }

    /// From `crates/sculpt-stats/goldens/stats.py` (SciPy's `nct`, and a quadrature for TOST).
    #[test]
    fn as_scipy() {
        for (distance, n, expected) in GOLDEN_BEYOND {
            check(Alternative::Beyond { distance }, n, expected);
        }
        for (mean, margin, n, expected) in GOLDEN_WITHIN {
            check(Alternative::Within { mean, margin }, n, expected);
        }
    }

    /// At the bound the test errs as often as it says, whatever n.
    #[test]
    fn at_the_bound_power_is_alpha() {
        for n in [2, 3, 5, 30, 10_000] {
            check(Alternative::Beyond { distance: 0.0 }, n, 0.05);
        }
    }

    /// TOST of three values passes only where `s < margin · √3 / 2.92`: with a deviation far above it, never.
    #[test]
    fn a_margin_below_the_reach_of_three_values_has_no_power() {
        let found = power(
            Alternative::Within {
                mean: 0.0,
                margin: 0.01,
            },
            1.0,
            3,
            0.05,
        );
        assert!(found.unwrap() < 1e-4);
    }

    #[test]
    fn searches_end_where_the_power_is() {
        for within in [false, true] {
            let effect = smallest_effect(within, 0.7, 3, 0.8, 0.05).unwrap();
            let truth = if within {
                Alternative::Within {
                    mean: 0.0,
                    margin: effect,
                }
            } else {
                Alternative::Beyond { distance: effect }
            };
            assert!((power(truth, 0.7, 3, 0.05).unwrap() - 0.8).abs() < 1e-9);
            assert_eq!(runs_needed(truth, 0.7, 0.8, 0.05).unwrap(), Some(3));
        }
        // One deviation: textbooks say 8 (t), seven have 0.75.
        let one = Alternative::Beyond { distance: 1.0 };
        assert_eq!(runs_needed(one, 1.0, 0.8, 0.05).unwrap(), Some(8));
        let tiny = Alternative::Beyond { distance: 1e-3 };
        assert_eq!(runs_needed(tiny, 1.0, 0.8, 0.05).unwrap(), None);
    }

    /// 0.01, 0.04, 0.03 of three: 0.03; 0.04; max(2 · 0.03, 0.03) = 0.06, which 0.04 may not go below.
    #[test]
    fn holm_by_hand() {
        assert_eq!(holm(&[0.01, 0.04, 0.03]), [0.03, 0.06, 0.06]);
        assert_eq!(holm(&[0.9, 0.6]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
        // NaN of either sign is no evidence.
        assert_eq!(holm(&[0.01, f64::NAN]), [0.02, 1.0]);
        assert_eq!(holm(&[-f64::NAN, 0.5]), [1.0, 1.0]);
    }

    #[test]
    fn refusals() {
        let beyond = Alternative::Beyond { distance: 1.0 };
        let refused = |deviation, n, alpha| power(beyond, deviation, n, alpha).unwrap_err().to_string();
        assert_eq!(refused(0.0, 3, 0.05), "deviation 0 is not a positive number");
        assert_eq!(refused(1.0, 1, 0.05), "1 values have no deviation");
        assert_eq!(refused(1.0, 3, 0.5), "alpha 0.5 is not in (0, 0.5)");
        assert!(smallest_effect(false, 1.0, 3, 1.0, 0.05).is_err());
        let nearly = 1.0 - 1e-9;
        assert_eq!(
            smallest_effect(false, 1.0, 5, nearly, 0.05),
            Err(StatsError::Power { wanted: nearly })
        );
        let (mean, margin) = (f64::NAN, f64::NAN);
        for truth in [
            Alternative::Beyond { distance: mean },
            Alternative::Within { mean, margin: 1.0 },
            Alternative::Within { mean: 0.0, margin },
            Alternative::Within {
                mean: 0.0,
                margin: 0.0,
            },
        ] {
            assert!(power(truth, 1.0, 3, 0.05).is_err(), "{truth:?}");
        }
    }

    const GOLDEN_BEYOND: [(f64, usize, f64); 5] = [
        (1.0, 3, 0.32183640914846035),
        (2.5, 3, 0.8484151937408713),
        (1.0, 8, 0.8150194415569083),
        (0.3, 50, 0.6725739831252315),
        (-1.0, 3, 0.0013507619640955816),
    ];
    const GOLDEN_WITHIN: [(f64, f64, usize, f64); 4] = [
        (0.0, 1.0, 3, 0.12733842750819754),
        (0.0, 3.0, 3, 0.8804207330815865),
        (0.5, 3.0, 3, 0.8358844560441534),
        (0.2, 1.0, 20, 0.963956714325763),
    ];
}
