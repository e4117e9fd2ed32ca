//! Loss and error along the line between two states, on test and on training images, under two BatchNorm rules.

use crate::session::{Images, Worker};
use crate::{Key, MeasureError, Session};
use sculpt_connectivity::{BatchNormRule, Connectivity, Curve, End, ExampleSet, Worth};
use sculpt_experiments::{DataRef, Environment, ExperimentError, StateRef};
use sculpt_models::Precision;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
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
    ends: u32,
    rules: [&'static str; 2],
    batch: usize,
    environment: &'a Environment,
}

/// Version of what states are worth as ends, of which lines are made too.
const V_OF_ENDS: u32 = 1;

#[derive(Serialize)]
struct EndInputs<'a> {
    measure: &'static str,
    v: u32,
    checkpoint: &'a str,
    data: &'a str,
    n_training: usize,
    rules: [&'static str; 2],
    batch: usize,
    environment: &'a Environment,
}

/// What a state is worth as the end of lines.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AtEnd {
    /// By rule, then by set: test, train.
    worths: Vec<Vec<Worth>>,
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
                v: 4,
                a: &self.sha256(a)?,
                b: &self.sha256(b)?,
                data: data.loaded_as(),
                n_training: data.n_training,
                points: POINTS,
                ends: V_OF_ENDS,
                rules: RULES.map(BatchNormRule::name),
                batch: data.batch(),
                environment,
            }))
        };
        let mut unknown = BTreeSet::new();
        for pair in pairs {
            let environment = Environment::here(self.device(), self.entry(&pair.0)?.1);
            if !self.has_kept::<Line>(&key(pair, &environment)?) {
                unknown.extend([&pair.0, &pair.1]);
            }
        }
        let ends = self.ends(&data, unknown.into_iter().cloned().collect())?;
        self.measured(
            &data,
            pairs,
            |(a, _)| a,
            key,
            |worker, (a, b)| self.line(worker, [a, b], &ends),
        )
    }

    /// What states are worth as ends: mostly of several lines each.
    fn ends(&self, data: &Images, states: Vec<StateRef>) -> Result<BTreeMap<StateRef, AtEnd>, MeasureError> {
        let key = |state: &StateRef, environment: &Environment| {
            Ok(Key::of(&EndInputs {
                measure: "line-end",
                v: V_OF_ENDS,
                checkpoint: &self.sha256(state)?,
                data: data.loaded_as(),
                n_training: data.n_training,
                rules: RULES.map(BatchNormRule::name),
                batch: data.batch(),
                environment,
            }))
        };
        let ends = self.measured(
            data,
            &states,
            |state| state,
            key,
            |worker, state| self.at_end(worker, state),
        )?;
        Ok(states.into_iter().zip(ends).collect())
    }

    fn at_end(&self, worker: &Worker, state: &StateRef) -> Result<AtEnd, MeasureError> {
        let end = self.end(worker, state)?;
        let worths = self.under_each_rule(worker, state, |connectivity, sets| {
            Ok(connectivity.at_end(&end, sets)?)
        })?;
        Ok(AtEnd { worths })
    }

    fn line(
        &self,
        worker: &Worker,
        [a, b]: [&StateRef; 2],
        known: &BTreeMap<StateRef, AtEnd>,
    ) -> Result<Line, MeasureError> {
        let ends = [self.end(worker, a)?, self.end(worker, b)?];
        // A line that was kept a moment ago may be gone, and nobody has asked for its ends.
        let at_end = |state| match known.get(state) {
            Some(at_end) => Ok(at_end.clone()),
            None => self.at_end(worker, state),
        };
        let (at_a, at_b) = (at_end(a)?, at_end(b)?);
        let mut worths = at_a.worths.iter().zip(&at_b.worths);
        let profiles = self.under_each_rule(worker, a, |connectivity, sets| {
            let (at_a, at_b) = worths.next().expect("one for each rule");
            let curves = connectivity.curve_between(&ends[0], &ends[1], [at_a, at_b], sets)?;
            let profile = |curve: Curve| Profile {
                alpha: curve.alpha,
                loss: curve.loss,
                error: curve.error,
            };
            Ok(curves.into_iter().map(profile).collect())
        })?;
        Ok(Line { profiles })
    }

    fn end(&self, worker: &Worker, state: &StateRef) -> Result<End, MeasureError> {
        let layout = self.entry(state)?.0.layout();
        let read = self.source().state(state, &layout)?;
        let place = |values: &[f32]| Tensor::from_slice(values).to_device(worker.device);
        Ok(End::new(&layout, place(&read.theta), place(&read.buffers))?)
    }

    /// Does something under each of [`RULES`], with the network of a state, on the test and the training images.
    fn under_each_rule<T>(
        &self,
        worker: &Worker,
        state: &StateRef,
        mut work: impl FnMut(&Connectivity<'_>, &[ExampleSet<'_>]) -> Result<T, MeasureError>,
    ) -> Result<Vec<T>, MeasureError> {
        let (model, _) = self.entry(state)?;
        // Most of the time is evaluation, in which BatchNorm is part of the convolutions, and pruned weights need not be multiplied.
        let network = model
            .folded_network(Precision::F32)
            .map_err(ExperimentError::from)?;
        let sets = [&worker.test, &worker.training].map(|set| ExampleSet::fallible(|| set.batches()));
        let mut found = Vec::new();
        for rule in RULES {
            let connectivity = Connectivity::new(&network, POINTS, rule, Some(&sets[1]))?;
            found.push(work(&connectivity, &sets)?);
        }
        Ok(found)
    }
}
