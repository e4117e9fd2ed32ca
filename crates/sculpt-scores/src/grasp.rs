use crate::{Point, Probe, ScoreError, Scores};
use sculpt_network::Mode;
use tch::Tensor;

/// The temperature of Wang et al. 2020 (their code), 200.
pub const PAPER_TEMPERATURE: f64 = 200.0;

/// GraSP: `θ ⊙ Hg`, sign kept, of the mean loss over the whole probe at logits divided by `temperature`
/// (Wang et al. 2020).
///
/// `g` is the gradient over the prunable weights that survive and `H` the Hessian over the same: a product by
/// double backward, in [`Mode::Eval`]. Wang et al. score `−θ ⊙ Hg` and remove the largest: to keep the largest
/// of `θ ⊙ Hg` is the same. Their division by `|Σ score|` changes no order and is left out.
///
/// Two passes over the probe: `g` is complete before the first product, so that pieces do not matter.
///
/// # Errors
/// A temperature that is not above 0, a probe that does not fit the network, or a score that is not finite.
pub fn grasp(point: &Point<'_>, probe: &Probe, temperature: f64) -> Result<Scores, ScoreError> {
    if !(temperature > 0.0 && temperature.is_finite()) {
        return Err(ScoreError::NotPositive {
            what: "temperature",
            value: temperature,
        });
    }
    let direction = point.gradient(probe, Mode::Eval, temperature)? * point.candidates();
    let mut product = point.theta().zeros_like();
    point.each_loss(probe.batches(), Mode::Eval, temperature, |theta, loss| {
        let gradient = Tensor::run_backward(&[loss], &[theta], true, true).swap_remove(0);
        let slope = gradient.dot(&direction);
        let part = Tensor::run_backward(&[&slope], &[theta], false, false).swap_remove(0);
        let _ = product.g_add_(&part);
    })?;
    let scores = point.prunable(&(product / probe.n_images() as f64 * point.theta()));
    Scores::new(point, "GraSP", &scores)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_networks::{assert_close, linear, no_buffers, probe, three_to_one};

    /// At logits / T, p = (3/4, 1/4): g = (−1, 1) / 4T, H = p₀p₁ (1, −1; −1, 1) / T², so that
    /// Hg = 3/16 · (−1/2, 1/2) / T³. Times θ = T (ln 6, ln 2).
    #[test]
    fn by_hand() {
        for t in [1.0, 200.0] {
            let (network, theta, buffers) = (linear(), three_to_one(t), no_buffers());
            let point = Point::new(&network, &theta, &buffers, None).unwrap();
            let scores = grasp(&point, &probe(&[0]), t).unwrap();
            let scaled: Vec<f64> = scores.values().iter().map(|score| score * t * t).collect();
            assert_close(&scaled, &[-6f64.ln() * 3.0 / 32.0, 2f64.ln() * 3.0 / 32.0]);
        }
    }

    #[test]
    fn ranges() {
        let (network, theta, buffers) = (linear(), three_to_one(1.0), no_buffers());
        let point = Point::new(&network, &theta, &buffers, None).unwrap();
        for (temperature, text) in [(0.0, "0"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
            let error = grasp(&point, &probe(&[0]), temperature).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("temperature {text} is not a finite number above 0")
            );
        }
    }
}
