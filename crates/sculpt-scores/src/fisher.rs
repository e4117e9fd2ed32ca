use crate::{Choice, Images, Point, Probe, ScoreError, Scorer, Scores};
use sculpt_masks::Density;
use serde::{Deserialize, Serialize};
use tch::Kind;

/// [`fisher`] has no numbers of its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fisher {}

impl Scorer for Fisher {
    const HELP: &'static str = "The largest weight^2 * (mean squared gradient)";

    const USUAL: Self = Self {};

    fn choose(&self, point: &Point<'_>, images: Images<'_>, density: Density) -> Result<Choice, ScoreError> {
        fisher(point, images.probe()?)?.choose(density)
    }
}

/// Fisher: `½ θ_j² F_j` with the diagonal of the empirical Fisher matrix, `F_j = 1/n Σ_i (∂L_i/∂θ_j)²`, one
/// gradient an image, true labels, evaluation mode.
///
/// The square of the mean gradient instead would keep exactly SNIP's set.
///
/// # Errors
/// A probe that does not fit the network, or a score that is not finite.
pub fn fisher(point: &Point<'_>, probe: &Probe) -> Result<Scores, ScoreError> {
    // Squares of small f32 numbers underflow.
    let mut squares = point.theta().zeros_like().to_kind(Kind::Double);
    point.each_gradient(probe, |gradient| {
        let gradient = gradient.to_kind(Kind::Double);
        let _ = squares.addcmul_(&gradient, &gradient);
    })?;
    let factor = 0.5 / probe.n_images() as f64;
    let scores = point.theta().to_kind(Kind::Double).square() * squares * factor;
    Scores::new(point, "Fisher", &point.prunable(&scores))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_networks::{assert_close, linear, no_buffers, probe, three_to_one};

    /// p = (3/4, 1/4). Gradients (−1, 1)/4 for label 0 and (3, −3)/4 for label 1: F = (1 + 9)/32 = 5/16 for
    /// both weights.
    #[test]
    fn one_gradient_an_image() {
        let (network, theta, buffers) = (linear(), three_to_one(1.0), no_buffers());
        let point = Point::new(&network, &theta, &buffers, None).unwrap();
        let scores = fisher(&point, &probe(&[0, 1])).unwrap();
        let half = 5.0 / 32.0;
        assert_close(
            scores.values(),
            &[half * 6f64.ln().powi(2), half * 2f64.ln().powi(2)],
        );
    }
}
