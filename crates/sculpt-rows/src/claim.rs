use crate::contrast::{INTERVAL, Tested, log_tolerance, tolerance};
use crate::row::row;
use crate::{Test, Verdict};
use serde::{Deserialize, Serialize};
use std::fmt;

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
    /// The verdict on a sentence of the paper, and the weakest of its contrasts.
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
        /// Each part of the sentence with its verdict, and what is left out.
        parts: String,
        /// Which contrast is shown, and what it is the weakest of.
        contrast: String,
        /// Its mean over seeds, in the unit.
        effect: Option<f64> as "as in `unit`" [within |_, published| of_unit(published)],
        /// Lower end of the interval that decides, 90 % for one-sided tests at 5 %.
        low: Option<f64> as "as in `unit`" [within |_, published| INTERVAL * of_unit(published)],
        /// Upper end.
        high: Option<f64> as "as in `unit`" [within |_, published| INTERVAL * of_unit(published)],
        /// Lower end of the interval that comes from the test images alone, of the same contrast and level.
        image_low: Option<f64> as "as in `unit`" [within |_, published| INTERVAL * of_unit(published)],
        /// Upper end.
        image_high: Option<f64> as "as in `unit`" [within |_, published| INTERVAL * of_unit(published)],
        /// What the effect is measured in.
        unit: Option<Unit>,
        /// What is tested.
        test: Option<Test>,
        /// What the mean is tested against; of `within` at both sides of 0.
        bound: Option<f64> as "as in `unit`",
        /// The bound without its sign where it is a margin, a number that the paper does not give.
        margin: Option<f64> as "as in `unit`",
        /// Seeds; counts have none.
        n: Option<u32> as "seeds",
        /// The largest p of the contrasts that have enough runs; none without spread, where the sign decides.
        p: Option<f64> [log_within log_p],
        /// The same adjusted for the number of claims, after Holm; it hangs on the p of the others too.
        p_holm: Option<f64> [log_within |computed, published| log_p(computed, published) + OTHERS],
        /// The verdict at half the margins.
        verdict_half_margin: Option<Verdict>,
        /// The verdict at twice the margins.
        verdict_twice_margin: Option<Verdict>,
        /// The smallest effect that the contrast shown finds with 80 % power.
        smallest_effect: Option<f64> as "as in `unit`" [within |_, published| INTERVAL * of_unit(published)],
        /// Seeds with which what is undecided would be decided with 80 % power.
        n_to_decide: Option<u32> as "seeds" [within |_, _| f64::INFINITY],
        /// The paper's numbers.
        paper: Option<String>,
    }
}

/// By how much `ln p_holm` may differ because other claims' p did.
const OTHERS: f64 = 0.05;

fn of_unit(row: &ClaimRow) -> f64 {
    row.unit.map_or(0.0, tolerance)
}

fn log_p(computed: &ClaimRow, published: &ClaimRow) -> f64 {
    let tested = |row: &ClaimRow| Tested {
        effect: row.effect,
        interval: row.low.zip(row.high),
        bound: row.bound.unwrap_or(0.0),
        n: row.n.unwrap_or(0),
    };
    log_tolerance(&tested(computed), &tested(published))
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unit::Points => "points",
            Unit::Nats => "nats",
            Unit::LogRatio => "log ratio",
            Unit::Epochs => "epochs",
            Unit::PercentOfBytes => "percent of bytes",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_the_words_of_the_frame() {
        for unit in [
            Unit::Points,
            Unit::Nats,
            Unit::LogRatio,
            Unit::Epochs,
            Unit::PercentOfBytes,
        ] {
            assert_eq!(serde_json::json!(unit), unit.to_string());
        }
    }
}
