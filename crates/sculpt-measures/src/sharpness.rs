//! The largest eigenvalue of the Hessian of the training loss.

use crate::session::Worker;
use crate::{Key, MeasureError, Session};
use sculpt_experiments::{DataRef, Environment, ExperimentError, StateRef};
use sculpt_hessian::{Eigen, Graphs, Hessian, MICRO_BATCH, MeanLoss, Product, Seed, Which};
use sculpt_models::Precision;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// Training images of the loss, the first ones, un-augmented: the same at every point (reference §3.5). Of pictures, which are sorted by class,
/// as many spread over all.
pub(crate) const PROBE: usize = 512;

/// Residual of the eigenpair relative to the eigenvalue.
const TOLERANCE: f64 = 1e-3;

const MAX_PRODUCTS: usize = 300;
const MAX_BASIS: usize = 80;
const SEED: u64 = 1;

/// Where the search begins: a tenth of a vector drawn from the seed, uniform on the sphere, and an eigenvector of so many of the images.
const START: &str = "an eighth of the images, most of those in doubt";

/// A largest eigenvalue.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sharpness {
    pub(crate) eigenvalue: f64,
    /// `‖Hv − λv‖`: the true eigenvalue is no farther away.
    pub(crate) residual: f64,
    /// Whether that is below [`TOLERANCE`] of the eigenvalue; else all [`MAX_PRODUCTS`] were spent.
    pub(crate) converged: bool,
}

#[derive(Serialize)]
struct Inputs<'a> {
    measure: &'static str,
    v: u32,
    checkpoint: &'a str,
    data: &'a str,
    images: usize,
    tolerance: f64,
    max_products: usize,
    max_basis: usize,
    micro_batch: usize,
    start: &'static str,
    seed: u64,
    environment: &'a Environment,
}

impl Session {
    /// The largest eigenvalues at states that were trained on these data, in their order.
    ///
    /// # Errors
    /// Data that are not at hand, a broken checkpoint, a loss that is not finite.
    pub(crate) fn sharpness(
        &self,
        data: &DataRef,
        states: &[StateRef],
    ) -> Result<Vec<Sharpness>, MeasureError> {
        let data = self.needed_images(data)?;
        let key = |state: &StateRef, environment: &Environment| {
            Ok(Key::of(&Inputs {
                measure: "largest-eigenvalue",
                v: 6,
                checkpoint: &self.sha256(state)?,
                data: data.loaded_as(),
                images: PROBE.min(data.n_training),
                tolerance: TOLERANCE,
                max_products: MAX_PRODUCTS,
                max_basis: MAX_BASIS,
                micro_batch: MICRO_BATCH,
                start: START,
                seed: SEED,
                environment,
            }))
        };
        self.measured(
            &data,
            states,
            |state| state,
            key,
            |worker, state| self.largest_eigenvalue(worker, state),
        )
    }

    fn largest_eigenvalue(&self, worker: &Worker, state: &StateRef) -> Result<Sharpness, MeasureError> {
        let (model, _) = self.entry(state)?;
        let read = self.source().state(state, &model.layout())?;
        let network = model
            .folded_network(Precision::F32)
            .map_err(ExperimentError::from)?;
        let place = |values: &[f32]| Tensor::from_slice(values).to_device(worker.device);
        let (theta, buffers) = (place(&read.theta), place(&read.buffers));
        let (images, labels) = worker.probe.first(PROBE)?;
        let of = MeanLoss {
            network: &network,
            theta: &theta,
            buffers: &buffers,
            mask: Some(&read.mask),
            images: &images,
            labels: &labels,
        };
        let hessian = Hessian::new(of, Product::DoubleBackward, MICRO_BATCH, Graphs::Keep)?;
        let largest = Eigen::new(
            1,
            Which::LargestAlgebraic,
            TOLERANCE,
            MAX_PRODUCTS,
            MAX_BASIS,
            Seed(SEED),
        )?;
        let found = hessian.eigenpairs(&largest)?;
        Ok(Sharpness {
            eigenvalue: found.values[0],
            residual: found.residuals[0],
            converged: found.converged,
        })
    }
}
