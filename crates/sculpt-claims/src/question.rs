//! One question about the mean of paired differences, for curves that are not the paper's.

use crate::judge::{Reach, judge, known, reach};
use crate::params::{ALPHA, Rule};
use sculpt_rows::{Test, Verdict};
use sculpt_stats::{StatsError, holm};

/// What is asked of the mean over seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question(Rule);

/// The answer, by the rules of the paper's claims: at least three seeds, an error rate of 5 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// Mean over seeds.
    pub effect: f64,
    /// Its 90 % interval, Student's t; none of a single seed.
    pub interval: Option<(f64, f64)>,
    /// Sample standard deviation.
    pub deviation: Option<f64>,
    /// Supported, contradicted, undecided, or not enough runs.
    pub verdict: Verdict,
    /// None without spread, where the sign decides, and of too few seeds.
    pub p: Option<f64>,
    /// The distance from the bound that so many seeds of this deviation find with 80 % power.
    pub smallest_effect: Option<f64>,
    /// Seeds that would decide an undecided question with 80 % power.
    pub n_to_decide: Option<usize>,
}

/// Probabilities adjusted for their number after Holm; what was decided without one counts as one of them, and has none after it.
pub fn adjusted(p: &[Option<f64>]) -> Vec<Option<f64>> {
    let all: Vec<f64> = p.iter().map(|p| p.unwrap_or(0.0)).collect();
    p.iter()
        .zip(holm(&all))
        .map(|(own, adjusted)| own.map(|_| adjusted))
        .collect()
}

impl Question {
    /// Whether it lies above 0.
    pub const BETTER: Self = Self(Rule::Above(0.0));

    /// Whether it is nearer to 0 than `margin`, by TOST; above 0.
    pub fn alike(margin: f64) -> Self {
        Self(Rule::Within(margin))
    }

    /// What is tested.
    pub fn test(self) -> Test {
        self.0.test()
    }

    /// Against what.
    pub fn bound(self) -> f64 {
        self.0.bound()
    }

    /// Asks it of one value a seed.
    ///
    /// # Errors
    /// No value, or one that is not finite.
    pub fn ask(self, values: &[f64]) -> Result<Answer, StatsError> {
        let judged = judge(values, self.0)?;
        let known = known(values, ALPHA)?;
        let reach: Reach = reach(values, self.0, judged.verdict, ALPHA)?;
        Ok(Answer {
            effect: known.effect.ok_or(StatsError::NoValues)?,
            interval: known.interval,
            deviation: known.deviation,
            verdict: judged.verdict,
            p: judged.p,
            smallest_effect: reach.smallest_effect,
            n_to_decide: reach.n_to_decide,
        })
    }
}
