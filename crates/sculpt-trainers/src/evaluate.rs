use sculpt_network::{Mode, Network};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use tch::{Kind, Reduction, Tensor, no_grad};

/// What a network makes of a set of labelled images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Mean cross-entropy, nats.
    pub loss: f64,
    /// Images whose largest logit is their label's.
    pub n_correct: u64,
    /// Images.
    pub n: u64,
}

impl Evaluation {
    /// Fraction correct, in [0, 1].
    pub fn accuracy(&self) -> f64 {
        self.n_correct as f64 / self.n as f64
    }
}

/// Loss and accuracy over all batches, BatchNorm in evaluation mode, nothing changed.
///
/// # Panics
/// When there is no image.
pub fn evaluate(
    network: &dyn Network<Tensor>,
    theta: &Tensor,
    buffers: &Tensor,
    batches: impl IntoIterator<Item = (Tensor, Tensor)>,
) -> Evaluation {
    let batches = batches.into_iter().map(Ok::<_, Infallible>);
    let Ok(evaluation) = try_evaluate(network, theta, buffers, batches);
    evaluation
}

/// The same over batches that may not be had, such as those of pictures on disk.
///
/// # Errors
/// The first error that a batch is.
///
/// # Panics
/// When there is no image.
pub fn try_evaluate<E>(
    network: &dyn Network<Tensor>,
    theta: &Tensor,
    buffers: &Tensor,
    batches: impl IntoIterator<Item = Result<(Tensor, Tensor), E>>,
) -> Result<Evaluation, E> {
    try_predict(network, theta, buffers, batches, |_| {})
}

/// The same, and `predicted` is told the class i64 `[b]` of the largest logit of each image, batch by batch.
///
/// # Errors
/// As [`try_evaluate`].
///
/// # Panics
/// As there.
pub fn try_predict<E>(
    network: &dyn Network<Tensor>,
    theta: &Tensor,
    buffers: &Tensor,
    batches: impl IntoIterator<Item = Result<(Tensor, Tensor), E>>,
    mut predicted: impl FnMut(&Tensor),
) -> Result<Evaluation, E> {
    no_grad(|| {
        // On the device, so that no batch waits for the one before it.
        let mut sums: Option<[Tensor; 2]> = None;
        let mut n = 0;
        for batch in batches {
            let (images, labels) = batch?;
            let logits = network.forward(theta, buffers, &images, Mode::Eval);
            let loss = logits.cross_entropy_loss(&labels, None::<Tensor>, Reduction::Sum, -100, 0.0);
            let classes = logits.argmax(1, false);
            let of_batch = [
                loss.to_kind(Kind::Double),
                classes.eq_tensor(&labels).sum(Kind::Int64),
            ];
            predicted(&classes);
            n += labels.size()[0] as u64;
            sums = Some(match sums {
                None => of_batch,
                Some([loss, n_correct]) => [loss + &of_batch[0], n_correct + &of_batch[1]],
            });
        }
        let sums = sums.filter(|_| n > 0);
        let [loss, n_correct] = sums.expect("an evaluation needs at least one image");
        Ok(Evaluation {
            loss: loss.double_value(&[]) / n as f64,
            n_correct: n_correct.int64_value(&[]) as u64,
            n,
        })
    })
}
