use crate::row::row;
use crate::{BatchNorm, ImageSet, Unit, Verdict};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a contrast compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quantity {
    /// Percent of the test images that are right.
    Accuracy,
    /// Largest loss on a line between two checkpoints, less the straight line between its ends.
    Chord,
    /// Natural logarithm of the largest eigenvalue at the last checkpoint.
    LogEigenvalue,
    /// Percent of the signs that are LRR's.
    SignOverlap,
    /// Training epochs.
    Epochs,
    /// Ideal sparse bytes.
    Bytes,
}

/// How the densities of a seed become one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Over {
    /// Mean over the densities of `method − versus`; both must have the density.
    Mean,
    /// `method` at the density with the largest mean over seeds, less `versus`: tested at 5 % over the number of densities,
    /// since one of them is enough.
    Best,
    /// `method`, less `versus` at the density with the largest mean over seeds: all densities must pass.
    VersusBest,
    /// Mean of `method − versus` over `densities`, less the same over `versus_densities`.
    Growth,
    /// The density at which `method` spares least of `versus`, of all seeds.
    Worst,
}

/// What must be true of the mean over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Test {
    /// It lies above the bound, by a one-sided t test.
    Above,
    /// It lies below the bound, by a one-sided t test.
    Below,
    /// It is nearer to 0 than the bound, by TOST.
    Within,
    /// Nothing is tested: it is counted.
    Counted,
}

row! {
    /// A comparison that a claim comes down to, at one place: what is compared, the rows of which frame it comes from, and
    /// what its test says. Seeds decide. What other test images would have made of the same states stands beside it, where their
    /// predictions are known: `image_se` to `n_images`, paired by image as McNemar's test is.
    pub struct ContrastRow {
        /// Number of the claim.
        claim: u32,
        /// The part of the claim's sentence: contrasts of one part are replicates, parts are conjuncts.
        part: String,
        /// Which of the part's replicates.
        replicate: String,
        /// What is compared.
        contrast: String,
        /// Artefact whose rows it comes from.
        artefact: String,
        /// Its panel, as the rows have it; empty where the artefact has one alone.
        panel: String,
        /// What is compared of them.
        quantity: Quantity,
        /// Id of the method.
        method: String,
        /// Its cycle: `first`, `last`, or a number.
        cycle: Option<String>,
        /// Id of what it is compared with.
        versus: Option<String>,
        /// Its cycle.
        versus_cycle: Option<String>,
        /// Densities asked for, apart by blanks.
        densities: Option<String>,
        /// Densities of `versus`.
        versus_densities: Option<String>,
        /// How they become one number.
        over: Option<Over>,
        /// Images of a loss.
        set: Option<ImageSet>,
        /// What BatchNorm's statistics are.
        batch_norm: Option<BatchNorm>,
        /// Pairs of checkpoints, `from-to`, apart by blanks, of which the mean is taken.
        pairs: Option<String>,
        /// Seeds, apart by blanks.
        seeds: String,
        /// One number a seed, apart by blanks, in the unit.
        values: String as "as in `unit`" [list_within |_, published| tolerance(published.unit)],
        /// What the effect is measured in.
        unit: Unit,
        /// What is tested.
        test: Test,
        /// What the mean is tested against; of `within` at both sides of 0.
        bound: Option<f64> as "as in `unit`",
        /// The bound without its sign where it is a margin, a number that the paper does not give.
        margin: Option<f64> as "as in `unit`",
        /// The null hypothesis.
        null: String,
        /// Mean over seeds.
        effect: Option<f64> as "as in `unit`" [within |_, published| tolerance(published.unit)],
        /// Lower end of the interval that decides: Student's t, of the level beside it.
        low: Option<f64> as "as in `unit`" [within |_, published| INTERVAL * tolerance(published.unit)],
        /// Upper end.
        high: Option<f64> as "as in `unit`" [within |_, published| INTERVAL * tolerance(published.unit)],
        /// Standard error that comes from the test images alone, the states being what they are: of an image `d` is 100 times the sum
        /// of `weight · (1 where it is right, else 0)` over the states whose accuracies make the effect, the effect is the mean of `d`,
        /// and this is its sample deviation over the root of `n_images`. None where predictions are not kept, and of anything but
        /// accuracies.
        image_se: Option<f64> as "as in `unit`" [within |_, published| tolerance(published.unit)],
        /// Lower end of the interval that goes with it: Student's t, of the level beside it.
        image_low: Option<f64> as "as in `unit`" [within |_, published| INTERVAL * tolerance(published.unit)],
        /// Upper end.
        image_high: Option<f64> as "as in `unit`" [within |_, published| INTERVAL * tolerance(published.unit)],
        /// Test images that they are of.
        n_images: Option<u32> as "images",
        /// Level of the intervals: 0.9 goes with one-sided tests at 5 %, more with the best of several levels.
        level: Option<f64> as "fraction",
        /// Sample standard deviation over seeds.
        deviation: Option<f64> as "as in `unit`" [within |_, published| INTERVAL * tolerance(published.unit)],
        /// Probability of the test; none without spread, where the sign decides.
        p: Option<f64> [log_within log_p],
        /// Seeds; counts have none.
        n: Option<u32> as "seeds",
        /// What the test says.
        verdict: Verdict,
        /// The same at half the margin.
        verdict_half_margin: Option<Verdict>,
        /// The same at twice the margin.
        verdict_twice_margin: Option<Verdict>,
        /// With so many seeds and this deviation, the distance from the bound that is found with 80 % power; of `within` the
        /// margin that is shown with it where there is no difference.
        smallest_effect: Option<f64> as "as in `unit`" [within |_, published| INTERVAL * tolerance(published.unit)],
        /// Seeds with which an undecided contrast would be decided with 80 % power, were the mean and deviation the true ones;
        /// none above 10,000. It follows from them, and runs away where the mean nears the bound.
        n_to_decide: Option<u32> as "seeds" [within |_, _| f64::INFINITY],
        /// Of a chord: the same mean with the mean of the ends in place of the straight line. It decides nothing.
        mean_of_ends: Option<f64> as "as in `unit`" [within |_, published| tolerance(published.unit)],
        /// The paper's number, in the unit.
        paper: Option<f64> as "as in `unit`",
        /// Of a count the arithmetic; what else must be known.
        note: Option<String>,
    }
}

/// An end of an interval moves with the spread too, by at most `t / √(n − 1)` times as much: 2.06 for three seeds at 90 %.
pub(crate) const INTERVAL: f64 = 5.0;

/// By how much `ln p` may differ where effect and interval are the same: rounding.
const LOG_P: f64 = 1e-6;

/// What the frames below may differ by on another machine, twice, since an effect is a difference.
pub(crate) fn tolerance(unit: Unit) -> f64 {
    match unit {
        Unit::Points => 0.2,
        Unit::Nats => 2e-3,
        Unit::LogRatio => 2e-2,
        Unit::Epochs | Unit::PercentOfBytes => 0.0,
    }
}

/// What a probability follows from.
pub(crate) struct Tested {
    pub(crate) effect: Option<f64>,
    pub(crate) interval: Option<(f64, f64)>,
    pub(crate) bound: f64,
    pub(crate) n: u32,
}

/// [`LOG_P`], and what the row's own effect and interval explain where they moved: p is a function of `t = (effect −
/// bound) / se` and of the seeds. With ν degrees of freedom `|d ln p / dt|` is at most the largest `−f′ / f` of the
/// density, `(ν + 1) / (2 √ν)`; `se` is the half width of the interval over the quantile of Student's t.
pub(crate) fn log_tolerance(computed: &Tested, published: &Tested) -> f64 {
    let moved = || {
        let half = |row: &Tested| row.interval.map(|(low, high)| 0.5 * (high - low));
        let (a, b) = (half(computed)?, half(published)?);
        let shift = (computed.effect? - published.effect?).abs() / a;
        let farthest = published.effect?.abs() + published.bound.abs();
        // The 95 % quantile falls with n.
        let quantile = if published.n < 3 { 6.314 } else { 2.92 };
        let dt = quantile * (shift + farthest * (1.0 / a - 1.0 / b).abs());
        let freedom = f64::from(published.n.max(2) - 1);
        Some(dt * (freedom + 1.0) / (2.0 * freedom.sqrt()))
    };
    LOG_P + moved().filter(|moved| moved.is_finite()).unwrap_or(0.0)
}

fn log_p(computed: &ContrastRow, published: &ContrastRow) -> f64 {
    let tested = |row: &ContrastRow| Tested {
        effect: row.effect,
        interval: row.low.zip(row.high),
        bound: row.bound.unwrap_or(0.0),
        n: row.n.unwrap_or(0),
    };
    log_tolerance(&tested(computed), &tested(published))
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Test::Above => "above",
            Test::Below => "below",
            Test::Within => "within",
            Test::Counted => "counted",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare;

    /// Differences `mean − s`, `mean`, `mean + s` of three seeds: se is s / √3, the interval's half width 2.919986 se, and with
    /// two degrees of freedom P(T > t) = ½ (1 − t / √(2 + t²)).
    fn row(mean: f64, s: f64) -> ContrastRow {
        let se = s / 3f64.sqrt();
        let (t, half) = (mean / se, 2.919_986 * se);
        let text = |text: &str| text.to_owned();
        ContrastRow {
            claim: 1,
            part: text("all"),
            replicate: text("2a"),
            contrast: String::new(),
            artefact: text("figure 2"),
            panel: text("a"),
            quantity: Quantity::Accuracy,
            method: text("lrr"),
            cycle: Some(text("last")),
            versus: None,
            versus_cycle: None,
            densities: Some(text("0.8 0.5")),
            versus_densities: None,
            over: Some(Over::Best),
            set: None,
            batch_norm: None,
            pairs: None,
            seeds: text("1 2 3"),
            values: format!("{} {mean} {}", mean - s, mean + s),
            unit: Unit::Points,
            test: Test::Above,
            bound: Some(0.0),
            margin: None,
            null: String::new(),
            effect: Some(mean),
            low: Some(mean - half),
            high: Some(mean + half),
            image_se: None,
            image_low: None,
            image_high: None,
            n_images: None,
            level: Some(0.9),
            deviation: Some(s),
            p: Some(0.5 * (1.0 - t / (2.0 + t * t).sqrt())),
            n: Some(3),
            verdict: Verdict::Supported,
            verdict_half_margin: None,
            verdict_twice_margin: None,
            smallest_effect: None,
            n_to_decide: None,
            mean_of_ends: None,
            paper: None,
            note: None,
        }
    }

    #[track_caller]
    fn check(computed: ContrastRow, published: ContrastRow, columns: &[&str]) {
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
            for p in [published.p.map(|p| p * 1.000_01), Some(0.0)] {
                let computed = ContrastRow {
                    p,
                    ..published.clone()
                };
                check(computed, published.clone(), &["p"]);
            }
        }
    }

    /// An image more or less moves values, effect, interval and p together.
    #[test]
    fn p_may_move_as_far_as_effect_and_interval_do() {
        for (mean, s) in [(2.0, 1.0), (2.0, 0.5), (0.1, 1.0), (-3.0, 0.5)] {
            check(row(mean + 0.1, s), row(mean, s), &[]);
            check(row(mean, s + 0.05), row(mean, s), &[]);
            check(row(mean - 0.1, s - 0.05), row(mean, s), &[]);
        }
        check(row(2.3, 1.0), row(2.0, 1.0), &["values", "effect"]);
    }

    #[test]
    fn tests_are_the_words_of_the_frame() {
        for test in [Test::Above, Test::Below, Test::Within, Test::Counted] {
            assert_eq!(serde_json::json!(test), test.to_string());
        }
    }
}
