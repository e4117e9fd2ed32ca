use crate::criterion::is_default;
use crate::{BatchNorm, Choice, Images, Point, Probe, ScoreError, Scorer, Scores};
use sculpt_masks::Density;
use sculpt_network::Mode;
use serde::{Deserialize, Serialize};

/// What is [`snip`]'s own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Snip {
    /// While gradients are taken: the running statistics, or as in the authors' harness the batch's (reference §2.1).
    #[serde(skip_serializing_if = "is_default")]
    pub batch_norm: BatchNorm,
}

impl Scorer for Snip {
    const HELP: &'static str = "The largest |weight * gradient|";

    const USUAL: Self = Self {
        batch_norm: BatchNorm::Eval,
    };

    /// In training mode there is nothing to fold.
    fn prefers_folded(&self) -> bool {
        self.batch_norm == BatchNorm::Eval
    }

    fn choose(&self, point: &Point<'_>, images: Images<'_>, density: Density) -> Result<Choice, ScoreError> {
        snip(point, images.probe()?, self.batch_norm.into())?.choose(density)
    }
}

/// SNIP: `|θ ⊙ ∂L/∂θ|`, with the gradient of the mean loss over the whole probe (Lee et al. 2019).
///
/// The absolute value is taken once, after the gradients of all pieces are summed. In [`Mode::Eval`] the
/// pieces do not matter; in [`Mode::Train`] and [`Mode::Calibrate`], which normalise alike and differ in what
/// they do to the buffers only, each piece is normalised by its own statistics. `θ` and the buffers stay as
/// they are in every mode.
///
/// # Errors
/// A probe that does not fit the network, or a score that is not finite.
pub fn snip(point: &Point<'_>, probe: &Probe, mode: Mode) -> Result<Scores, ScoreError> {
    let gradient = point.gradient(probe, mode, 1.0)?;
    let scores = point.prunable(&(gradient * point.theta()).abs());
    Scores::new(point, "SNIP", &scores)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_networks::{assert_close, linear, no_buffers, probe, three_to_one};

    /// p = (3/4, 1/4). Label 0: ∂L/∂θ = (p₀ − 1, p₁) = (−1/4, 1/4). Label 1: (3/4, −3/4). The mean of both is
    /// (1/4, −1/4), where the mean of absolute values would be 1/2.
    #[test]
    fn absolute_once_after_the_sum() {
        let (network, theta, buffers) = (linear(), three_to_one(1.0), no_buffers());
        let point = Point::new(&network, &theta, &buffers, None).unwrap();
        for labels in [&[0][..], &[0, 1]] {
            let scores = snip(&point, &probe(labels), Mode::Eval).unwrap();
            assert_close(scores.values(), &[6f64.ln() / 4.0, 2f64.ln() / 4.0]);
        }
    }
}
