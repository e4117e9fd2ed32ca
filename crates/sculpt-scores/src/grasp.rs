use crate::{Choice, Images, Point, Probe, ScoreError, Scorer, Scores};
use sculpt_masks::Density;
use sculpt_network::{Linearised, Mode};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor, no_grad};

/// What is [`grasp`]'s own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grasp {
    /// Of the logits, above 0; 200 (the code of Wang et al. 2020).
    #[serde(skip_serializing_if = "is_usual_temperature")]
    pub temperature: f64,
}

impl Scorer for Grasp {
    const HELP: &'static str = "The largest weight * (Hessian * gradient), at a temperature of 200";

    const USUAL: Self = Self { temperature: 200.0 };

    fn check(&self) -> Result<(), ScoreError> {
        ScoreError::check_positive("temperature", self.temperature)
    }

    fn choose(&self, point: &Point<'_>, images: Images<'_>, density: Density) -> Result<Choice, ScoreError> {
        grasp(point, images.probe()?, *self)?.choose(density)
    }
}

fn is_usual_temperature(temperature: &f64) -> bool {
    *temperature == Grasp::USUAL.temperature
}

/// GraSP: `θ ⊙ Hg`, sign kept, of the mean loss over the whole probe at logits divided by a temperature
/// (Wang et al. 2020).
///
/// `g` is the gradient over the prunable weights that survive and `H` the Hessian over the same: a product by
/// double backward, or as the network writes it out ([`sculpt_network::Network::linearise`]), in [`Mode::Eval`]. Wang et al. score `−θ ⊙ Hg` and remove the largest: to keep the largest
/// of `θ ⊙ Hg` is the same. Their division by `|Σ score|` changes no order and is left out.
///
/// Two passes over the probe: `g` is complete before the first product, so that pieces do not matter.
///
/// # Errors
/// A temperature that is not above 0, a probe that does not fit the network, or a score that is not finite.
pub fn grasp(point: &Point<'_>, probe: &Probe, params: Grasp) -> Result<Scores, ScoreError> {
    params.check()?;
    let Grasp { temperature } = params;
    let direction = point.gradient(probe, Mode::Eval, temperature)? * point.candidates();
    let mut product = point.theta().zeros_like();
    for batch in probe.batches() {
        if let Some(written) = point.linearise(batch) {
            let part = no_grad(|| along(written, &batch.labels, temperature, &direction));
            let _ = product.g_add_(&part);
            continue;
        }
        point.each_loss([batch], Mode::Eval, temperature, |theta, loss| {
            let gradient = Tensor::run_backward(&[loss], &[theta], true, true).swap_remove(0);
            let slope = gradient.dot(&direction);
            let part = Tensor::run_backward(&[&slope], &[theta], false, false).swap_remove(0);
            let _ = product.g_add_(&part);
        })?;
    }
    let scores = point.prunable(&(product / probe.n_images() as f64 * point.theta()));
    Scores::new(point, "GraSP", &scores)
}

/// The Hessian of the sum of a batch's cross-entropies, of logits `z / T`, times `v`: with probabilities `p`, the slope at `z` is
/// `(p − e_y) / T`, and changes along `z'` by `(diag(p) − p pᵀ) z' / T²`.
fn along(
    mut network: Box<dyn Linearised<Tensor> + '_>,
    labels: &Tensor,
    temperature: f64,
    v: &Tensor,
) -> Tensor {
    let p = (network.logits() / temperature).softmax(-1, None::<Kind>);
    let hit = -Tensor::ones_like(labels).to_kind(p.kind()).unsqueeze(-1);
    let slope = p.scatter_add(1, &labels.unsqueeze(-1), &hit) / temperature;
    // Kept for what comes next.
    let _ = network.pull_back(&slope);
    network.change_along(v, &|change| {
        let weighted = &p * change;
        let mean = weighted.sum_dim_intlist([-1i64].as_slice(), true, None::<Kind>);
        (weighted - &p * mean) / (temperature * temperature)
    })
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
            let scores = grasp(&point, &probe(&[0]), Grasp { temperature: t }).unwrap();
            let scaled: Vec<f64> = scores.values().iter().map(|score| score * t * t).collect();
            assert_close(&scaled, &[-6f64.ln() * 3.0 / 32.0, 2f64.ln() * 3.0 / 32.0]);
        }
    }

    #[test]
    fn ranges() {
        let (network, theta, buffers) = (linear(), three_to_one(1.0), no_buffers());
        let point = Point::new(&network, &theta, &buffers, None).unwrap();
        for (temperature, text) in [(0.0, "0"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
            let error = grasp(&point, &probe(&[0]), Grasp { temperature }).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("temperature {text} is not a finite number above 0")
            );
        }
    }
}
