//! How networks do on labelled images: one definition for what training records and what figures measure.

use crate::ExperimentError;
use sculpt_datasets::{DataPart, Dataset, DatasetError, EvaluationSet};
use sculpt_layout::Layout;
use sculpt_models::{ModelSpec, Precision};
use sculpt_network::{Mode, Network};
use sculpt_trainers::{Evaluation, try_evaluate, try_predict};
use std::cell::OnceCell;
use tch::{Device, Tensor};

/// Images in a batch of every evaluation (design §5): part of what an accuracy means, to the last image.
pub const EVALUATION_BATCH: usize = 500;

/// Images on which the quick way is compared with the exact one.
const COMPARED: i64 = 32;

/// So many times the largest difference of a logit on those images is the doubt of an image. Of 1,490 batches of the demo's networks none
/// needed more than 7 (of the first 64 images), two logits of an image moving against each other.
const CAUTION: f64 = 16.0;

/// The least doubt, of the largest logit of an image: of those images both ways may have computed the same by chance, or nothing at all.
const LEAST_DOUBT: f64 = 1e-5;

/// [`EVALUATION_BATCH`] for images of this many rows and columns: of large ones as many as have the pixels of 500 of 64 × 64, since memory
/// has an end.
pub fn evaluation_batch((height, width): (usize, usize)) -> usize {
    (EVALUATION_BATCH * 64 * 64 / (height * width).max(1)).clamp(1, EVALUATION_BATCH)
}

/// Examples as every record and every figure looks at them.
///
/// # Errors
/// What libtorch refuses: no memory, no such device.
pub fn evaluation_set(
    dataset: &Dataset,
    part: &DataPart,
    device: Device,
) -> Result<EvaluationSet, DatasetError> {
    part.evaluation(dataset.mean, dataset.std, evaluation_batch(part.size()), device)
}

/// Loss and accuracy as training records them: f32, batches of [`evaluation_batch`], computed by libtorch.
///
/// # Errors
/// An exported network without its file; pictures that cannot be read.
pub fn evaluate_examples(
    model: &ModelSpec,
    theta: &Tensor,
    buffers: &Tensor,
    examples: &EvaluationSet,
) -> Result<Evaluation, ExperimentError> {
    let network = model.network(Precision::F32)?;
    Ok(try_evaluate(&network, theta, buffers, examples.batches())?)
}

/// The same, and the class that the network gives each image, in their order. Classes, and so the number that is right, are those of
/// [`evaluate_examples`], as far as the two ways of computing differ nowhere by many times what they differ by on some images; the loss may
/// differ from its by rounding.
///
/// # Errors
/// As [`evaluate_examples`].
pub fn predict_examples(
    model: &ModelSpec,
    theta: &Tensor,
    buffers: &Tensor,
    examples: &EvaluationSet,
) -> Result<(Evaluation, Vec<u16>), ExperimentError> {
    let network = SameClasses {
        exact: model.network(Precision::F32)?,
        // An exported network knows one way.
        quick: match model.network_sha256() {
            None => Some(model.folded_network(Precision::F32)?),
            Some(_) => None,
        },
        doubt: OnceCell::new(),
    };
    let mut batches = Vec::new();
    let keep = |classes: &Tensor| batches.push(classes.shallow_clone());
    let evaluation = try_predict(&network, theta, buffers, examples.batches(), keep)?;
    let all = Tensor::cat(&batches, 0).to_device(Device::Cpu);
    let all = Vec::<i64>::try_from(&all)
        .expect("classes are a list of integers")
        .into_iter();
    let class = |class: i64| u16::try_from(class).expect("networks have at most 65,535 outputs");
    Ok((evaluation, all.map(class).collect()))
}

/// A network computed in a quick way, and in the exact one where the quick way does not say beyond doubt which logit of an image is
/// the largest: a batch as a whole, since libtorch's last bits depend on what is beside an image. What doubt is, both say of some images
/// of the first batch.
struct SameClasses {
    exact: Box<dyn Network<Tensor>>,
    quick: Option<Box<dyn Network<Tensor>>>,
    doubt: OnceCell<Doubt>,
}

/// By how much the quick way may be wrong at a logit.
struct Doubt {
    absolute: f64,
    /// Of the largest logit of an image, beside that.
    relative: f64,
}

impl Network<Tensor> for SameClasses {
    fn layout(&self) -> &Layout {
        self.exact.layout()
    }

    fn forward(&self, theta: &Tensor, buffers: &Tensor, images: &Tensor, mode: Mode) -> Tensor {
        let exact = |images: &Tensor| self.exact.forward(theta, buffers, images, mode);
        let n = images.size()[0];
        // A GPU would have to be waited for; few images are exact sooner than compared.
        let (Some(quick), Device::Cpu, Mode::Eval) = (&self.quick, images.device(), mode) else {
            return exact(images);
        };
        if self.doubt.get().is_none() && n <= COMPARED {
            return exact(images);
        }
        let logits = quick.forward(theta, buffers, images, mode);
        let doubt = self.doubt.get_or_init(|| {
            // All over the batch: neighbours may be of one class.
            let some = |x: &Tensor| x.slice(0, None, None, n / COMPARED);
            Doubt::between(&some(&logits), &exact(&some(images)))
        });
        match doubt.spares(&logits) {
            true => logits,
            false => exact(images),
        }
    }
}

impl Doubt {
    /// From the same logits `[n, classes]` computed in both ways.
    fn between(quick: &Tensor, exact: &Tensor) -> Self {
        let apart = largest(&(quick - exact));
        let most = |x: Tensor| CAUTION * x.max().double_value(&[]);
        Self {
            relative: most(&apart / largest(exact).clamp_min(f64::from(f32::MIN_POSITIVE))) + LEAST_DOUBT,
            absolute: most(apart),
        }
    }

    /// Whether the largest of the logits `[n, classes]` is beyond doubt for each image. Of several, one that is not a number leaves it in doubt.
    fn spares(&self, logits: &Tensor) -> bool {
        if logits.size()[1] < 2 {
            return true;
        }
        let (two, _) = logits.topk(2, 1, true, true);
        let margin = two.select(1, 0) - two.select(1, 1);
        let doubt = largest(logits) * self.relative + self.absolute;
        margin.greater_tensor(&doubt).all().int64_value(&[]) == 1
    }
}

/// The largest size in each row of `[n, classes]`.
fn largest(logits: &Tensor) -> Tensor {
    logits.abs().amax([1i64].as_slice(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(row: [f32; 3]) -> Tensor {
        Tensor::from_slice(&row).view([1, 3])
    }

    #[test]
    fn a_class_is_in_doubt_where_two_logits_are_alike() {
        let doubt = Doubt {
            absolute: 1e-4,
            relative: 1e-3,
        };
        let sure = row([1.0, -2.0, 1.01]);
        assert!(doubt.spares(&sure));
        for doubtful in [
            [0.0, 0.0, 0.0],
            [0.0, 0.0, 0.9e-4],
            [1.0, -2.0, 1.002],
            [1.0, f32::NAN, 3.0],
            [f32::INFINITY, 0.0, 1.0],
        ] {
            let both = Tensor::cat(&[&sure, &row(doubtful)], 0);
            assert!(!doubt.spares(&both), "{doubtful:?}");
        }
        assert!(doubt.spares(&Tensor::zeros([4, 1], tch::kind::FLOAT_CPU)));
    }

    #[test]
    fn doubt_is_many_times_what_was_seen() {
        let exact = Tensor::cat(&[row([1.0, -4.0, 2.0]), row([0.0, 0.25, 0.0])], 0);
        let quick = Tensor::cat(&[row([1.0, -4.5, 2.0]), row([0.125, 0.25, 0.0])], 0);
        let doubt = Doubt::between(&quick, &exact);
        assert_eq!(
            (doubt.absolute, doubt.relative),
            (CAUTION * 0.5, CAUTION * 0.5 + LEAST_DOUBT)
        );
        // Two ways that agree on these images may not on others; what is no number leaves all in doubt.
        let least = Doubt::between(&exact, &exact);
        assert!(least.spares(&row([0.0, 1e-30, 0.0])) && !least.spares(&row([0.0, 1.0, 1.000_005])));
        let nan = Doubt::between(&row([0.0, f32::NAN, 0.0]), &row([0.0, 1.0, 0.0]));
        assert!(!nan.spares(&row([0.0, 1e9, 0.0])));
    }
}
