use crate::row::row;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The verdict on a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// A part of it does not hold.
    #[serde(rename = "not supported")]
    NotSupported,
    /// Nothing can be said.
    #[serde(rename = "not enough runs")]
    NotEnoughRuns,
    /// All of it holds.
    #[serde(rename = "supported")]
    Supported,
}

/// What a difference is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Percentage points, of accuracy or of overlap.
    #[serde(rename = "points")]
    Points,
    /// Of the loss.
    #[serde(rename = "nats")]
    Nats,
    /// Natural logarithm of a ratio.
    #[serde(rename = "log ratio")]
    LogRatio,
    /// Training epochs.
    #[serde(rename = "epochs")]
    Epochs,
    /// Of the dense network's bytes.
    #[serde(rename = "percent of bytes")]
    PercentOfBytes,
}

row! {
    /// The verdict on a sentence of the paper, and its weakest contrast.
    pub struct ClaimRow {
        /// Number of the claim, from 1.
        number: u32,
        /// What is claimed.
        claim: String,
        /// Where the paper says it.
        place: String,
        /// Artefacts whose rows decide.
        artefacts: String,
        /// The verdict.
        verdict: Verdict,
        /// Mean over seeds, in the unit.
        effect: Option<f64> [within |_, published| effect(published)],
        /// Lower end of the 95 % Student-t interval.
        low: Option<f64> [within |_, published| INTERVAL * effect(published)],
        /// Upper end.
        high: Option<f64> [within |_, published| INTERVAL * effect(published)],
        /// Seeds; counts have none.
        n: u32,
        /// The paper's numbers.
        paper: Option<String>,
        /// What the effect is measured in.
        unit: Option<Unit>,
        /// How far the mean may be off, or must be; none for a plain sign.
        margin: Option<f64>,
        /// Probability of the test; none without spread, where the sign decides.
        p: Option<f64> [log_within log_p],
        /// What was compared, and what was left out.
        contrast: String,
    }
}

/// An end of an interval moves with the spread too, by at most `t / √(n − 1)` times as much: 3.04 for three seeds.
const INTERVAL: f64 = 5.0;

/// By how much `ln p` may differ where effect and interval are the same: rounding.
const LOG_P: f64 = 1e-6;

/// What the frames below may differ by on another machine, twice, since an effect is a difference.
fn effect(published: &ClaimRow) -> f64 {
    match published.unit {
        Some(Unit::Points) => 0.2,
        Some(Unit::Nats) => 2e-3,
        Some(Unit::LogRatio) => 2e-2,
        Some(Unit::Epochs | Unit::PercentOfBytes) | None => 0.0,
    }
}

/// [`LOG_P`], and what the row's own effect and interval explain where they moved: p is a function of `t = (effect −
/// bound) / se` and of the seeds. With ν degrees of freedom `|d ln p / dt|` is at most the largest `−f′ / f` of the
/// density, `(ν + 1) / (2 √ν)`; `se` is the half width of the interval over the quantile of Student's t.
fn log_p(computed: &ClaimRow, published: &ClaimRow) -> f64 {
    let moved = || {
        let half = |row: &ClaimRow| Some(0.5 * (row.high? - row.low?));
        let (a, b) = (half(computed)?, half(published)?);
        let shift = (computed.effect? - published.effect?).abs() / a;
        let farthest = published.effect?.abs() + published.margin.unwrap_or(0.0);
        // The 97.5 % quantile falls with n.
        let quantile = if published.n < 3 { 12.71 } else { 4.303 };
        let dt = quantile * (shift + farthest * (1.0 / a - 1.0 / b).abs());
        let freedom = f64::from(published.n.max(2) - 1);
        Some(dt * (freedom + 1.0) / (2.0 * freedom.sqrt()))
    };
    LOG_P + moved().filter(|moved| moved.is_finite()).unwrap_or(0.0)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::NotSupported => "not supported",
            Verdict::NotEnoughRuns => "not enough runs",
            Verdict::Supported => "supported",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare;

    /// Differences `mean − s`, `mean`, `mean + s` of three seeds: se is s / √3, the interval's half width 4.302653
    /// se, and with two degrees of freedom P(T > t) = ½ (1 − t / √(2 + t²)).
    fn row(mean: f64, s: f64) -> ClaimRow {
        let se = s / 3f64.sqrt();
        let (t, half) = (mean / se, 4.302_653 * se);
        ClaimRow {
            number: 1,
            claim: String::new(),
            place: String::new(),
            artefacts: String::new(),
            verdict: Verdict::Supported,
            effect: Some(mean),
            low: Some(mean - half),
            high: Some(mean + half),
            n: 3,
            paper: None,
            unit: Some(Unit::Points),
            margin: None,
            p: Some(0.5 * (1.0 - t / (2.0 + t * t).sqrt())),
            contrast: String::new(),
        }
    }

    #[track_caller]
    fn check(computed: ClaimRow, published: ClaimRow, columns: &[&str]) {
        let found: Vec<_> = compare(&[computed], &[published])
            .into_iter()
            .map(|d| d.column)
            .collect();
        assert_eq!(found, columns);
    }

    /// A p that the effect and the interval beside it do not explain is a difference, be it 1e-12 or 0.3.
    #[test]
    fn p_is_compared_by_its_logarithm() {
        for (mean, s) in [(2.0, 1.0), (2.0, 0.01), (0.1, 1.0), (-3.0, 0.5)] {
            let published = row(mean, s);
            check(published.clone(), published.clone(), &[]);
            let p = published.p.map(|p| p * 1.000_01);
            check(
                ClaimRow {
                    p,
                    ..published.clone()
                },
                published.clone(),
                &["p"],
            );
            let p = Some(0.0);
            check(
                ClaimRow {
                    p,
                    ..published.clone()
                },
                published,
                &["p"],
            );
        }
    }

    /// An image more or less moves effect, interval and p together.
    #[test]
    fn p_may_move_as_far_as_effect_and_interval_do() {
        for (mean, s) in [(2.0, 1.0), (2.0, 0.5), (0.1, 1.0), (-3.0, 0.5)] {
            check(row(mean + 0.1, s), row(mean, s), &[]);
            check(row(mean, s + 0.05), row(mean, s), &[]);
            check(row(mean - 0.1, s - 0.05), row(mean, s), &[]);
        }
        check(row(2.3, 1.0), row(2.0, 1.0), &["effect"]);
    }

    #[test]
    fn verdicts_are_the_words_of_the_frame() {
        for verdict in [Verdict::NotSupported, Verdict::NotEnoughRuns, Verdict::Supported] {
            assert_eq!(serde_json::json!(verdict), verdict.to_string());
        }
    }
}
