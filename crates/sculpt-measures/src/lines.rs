//! Loss and error along the line between two states, on test and on training images, under two BatchNorm rules.

use crate::session::Worker;
use crate::{Key, MeasureError, Session};
use sculpt_connectivity::{BatchNormRule, Connectivity, End, ExampleSet};
use sculpt_experiments::{DataRef, Environment, ExperimentError, StateRef};
use sculpt_models::Precision;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// Points of a line, both ends among them (design §5).
pub const POINTS: usize = 11;

/// Of BatchNorm's statistics: the first is drawn; claims are decided under both.
pub const RULES: [BatchNormRule; 2] = [BatchNormRule::Interpolate, BatchNormRule::Recalibrate];

/// What a line is worth.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    /// By rule, then by set: test, train.
    pub(crate) profiles: Vec<Vec<Profile>>,
}

/// Along one line on one set under one rule, from end to end.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    pub(crate) alpha: Vec<f64>,
    /// Nats.
    pub(crate) loss: Vec<f64>,
    /// Fraction of the images.
    pub(crate) error: Vec<f64>,
}

#[derive(Serialize)]
struct Inputs<'a> {
    measure: &'static str,
    v: u32,
    a: &'a str,
    b: &'a str,
    data: &'a str,
    n_training: usize,
    points: usize,
    rules: [&'static str; 2],
    batch: usize,
    environment: &'a Environment,
}

impl Session {
    /// The lines between pairs of states that were trained on these data, in their order.
    ///
    /// # Errors
    /// Data that are not at hand, a broken checkpoint, a loss that is not finite.
    pub(crate) fn lines(
        &self,
        data: &DataRef,
        pairs: &[(StateRef, StateRef)],
    ) -> Result<Vec<Line>, MeasureError> {
        let data = self.needed_images(data)?;
        let key = |(a, b): &(StateRef, StateRef), environment: &Environment| {
            Ok(Key::of(&Inputs {
                measure: "line",
                v: 3,
                a: &self.sha256(a)?,
                b: &self.sha256(b)?,
                data: data.loaded_as(),
                n_training: data.n_training,
                points: POINTS,
                rules: RULES.map(BatchNormRule::name),
                batch: data.batch(),
                environment,
            }))
        };
        self.measured(
            &data,
            pairs,
            |(a, _)| a,
            key,
            |worker, pair| self.line(worker, pair),
        )
    }

    fn line(&self, worker: &Worker, (a, b): &(StateRef, StateRef)) -> Result<Line, MeasureError> {
        let (model, _) = self.entry(a)?;
        // Most of the time is evaluation, in which BatchNorm is part of the convolutions, and pruned weights need not be multiplied.
        let network = model
            .folded_network(Precision::F32)
            .map_err(ExperimentError::from)?;
        let layout = model.layout();
        let end = |state: &StateRef| -> Result<End, MeasureError> {
            let read = self.source().state(state, &layout)?;
            let place = |values: &[f32]| Tensor::from_slice(values).to_device(worker.device);
            Ok(End::new(&layout, place(&read.theta), place(&read.buffers))?)
        };
        let (a, b) = (end(a)?, end(b)?);
        let sets = [&worker.test, &worker.training].map(|set| ExampleSet::fallible(|| set.batches()));
        let mut profiles = Vec::new();
        for rule in RULES {
            let connectivity = Connectivity::new(&network, POINTS, rule, Some(&sets[1]))?;
            let curves = connectivity
                .curve(&a, &b, &sets)?
                .into_iter()
                .map(|curve| Profile {
                    alpha: curve.alpha,
                    loss: curve.loss,
                    error: curve.error,
                });
            profiles.push(curves.collect());
        }
        Ok(Line { profiles })
    }
}
