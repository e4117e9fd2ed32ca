//! Rows of what is measured of a recipe of a user's own.

use crate::costs::Ledger;
use crate::{MeasureError, Score, Session};
use sculpt_experiments::{CurvePoint, DataRef, NamedState, Node, StateRef};
use sculpt_rows::{
    BatchNorm, ImageSet, OwnAccuracyRow, OwnCostRow, OwnEigenvalueRow, OwnLineRow, OwnSignRow,
};
use sculpt_signs::overlap;
use std::collections::{BTreeMap, HashMap};

/// Two states of a curve and seed that follow each other, and what they are counted by.
#[derive(Clone, Copy, Debug)]
pub struct Following<'a> {
    /// The earlier one.
    pub from: (&'a CurvePoint, u32),
    /// The later one.
    pub to: (&'a CurvePoint, u32),
}

impl Session {
    /// The test accuracy of every point.
    ///
    /// # Errors
    /// As [`Session::scores`].
    pub fn own_accuracy_rows(&self, points: &[CurvePoint]) -> Result<Vec<OwnAccuracyRow>, MeasureError> {
        let scores = self.scores_of(points)?;
        let row = |(point, score): (&CurvePoint, Score)| OwnAccuracyRow {
            curve: point.curve.clone(),
            state: point.named.title(),
            seed: point.seed as u32,
            x: point.x,
            density_target: point.density,
            density: score.density,
            cycle: point.named.cycle,
            epochs: point.epochs as u32,
            node: point.named.state.id.as_str().to_owned(),
            epoch: point.named.state.epoch,
            accuracy: score.test.n_correct as f64 / score.test.n as f64,
            n_correct: score.test.n_correct as u32,
            n_images: score.test.n as u32,
            test_loss: score.test.loss,
            recorded_n_correct: score.recorded.map(|recorded| recorded.n_correct as u32),
            measured: score.measured,
        };
        Ok(points.iter().zip(scores).map(row).collect())
    }

    /// The lines between states that follow each other, with the losses on test and training images, under both of BatchNorm's rules.
    ///
    /// # Errors
    /// Data that are not at hand, a broken checkpoint, a loss that is not finite.
    pub fn own_line_rows(&self, pairs: &[Following<'_>]) -> Result<Vec<OwnLineRow>, MeasureError> {
        let lines = self.by_data(
            pairs,
            |pair| &pair.to.0.named.state,
            |data, pairs| {
                let ends = |pair: &&Following<'_>| {
                    let state = |point: &CurvePoint| point.named.state.clone();
                    (state(pair.from.0), state(pair.to.0))
                };
                let states: Vec<_> = pairs.iter().map(ends).collect();
                self.lines(data, &states)
            },
        )?;
        let mut rows = Vec::new();
        for (pair, line) in pairs.iter().zip(lines) {
            let ((a, from), (b, to)) = (pair.from, pair.to);
            for (batch_norm, profiles) in BatchNorm::ALL.into_iter().zip(&line.profiles) {
                for (set, profile) in ImageSet::ALL.into_iter().zip(profiles) {
                    for (i, alpha) in profile.alpha.iter().enumerate() {
                        rows.push(OwnLineRow {
                            curve: b.curve.clone(),
                            state_from: a.named.title(),
                            state: b.named.title(),
                            seed: b.seed as u32,
                            density_target: b.density,
                            from,
                            to,
                            set,
                            batch_norm,
                            alpha: *alpha,
                            loss: profile.loss[i],
                            error: profile.error[i],
                            node_from: a.named.state.id.as_str().to_owned(),
                            epoch_from: a.named.state.epoch,
                            node: b.named.state.id.as_str().to_owned(),
                            epoch: b.named.state.epoch,
                        });
                    }
                }
            }
        }
        Ok(rows)
    }

    /// The largest eigenvalue at every point.
    ///
    /// # Errors
    /// As [`Session::own_line_rows`].
    pub fn own_eigenvalue_rows(&self, points: &[CurvePoint]) -> Result<Vec<OwnEigenvalueRow>, MeasureError> {
        let found = self.by_data(
            points,
            |point| &point.named.state,
            |data, points| self.sharpness(data, &states(points)),
        )?;
        let rows = points.iter().zip(found).map(|(point, found)| OwnEigenvalueRow {
            curve: point.curve.clone(),
            state: point.named.title(),
            seed: point.seed as u32,
            x: point.x,
            density_target: point.density,
            cycle: point.named.cycle,
            epochs: point.epochs as u32,
            node: point.named.state.id.as_str().to_owned(),
            epoch: point.named.state.epoch,
            eigenvalue: found.eigenvalue,
            residual: found.residual,
            converged: found.converged,
        });
        Ok(rows.collect())
    }

    /// How many signs each point shares with the other of its pair, over the weights that both have.
    ///
    /// # Errors
    /// A broken checkpoint, or states of two networks.
    pub fn own_sign_rows(
        &self,
        pairs: &[(&CurvePoint, &NamedState)],
    ) -> Result<Vec<OwnSignRow>, MeasureError> {
        let row = |(point, against): &(&CurvePoint, &NamedState)| {
            let (model, _) = self.entry(&point.named.state)?;
            let layout = model.layout();
            let read = |state| self.source().state(state, &layout);
            let (own, theirs) = (read(&point.named.state)?, read(&against.state)?);
            // What one of them has pruned has no sign.
            let both = theirs.mask.intersect(&own.mask);
            let shared = overlap(&layout, &both, &theirs.theta, &own.theta)?;
            Ok(OwnSignRow {
                curve: point.curve.clone(),
                state: point.named.title(),
                against: against.title(),
                seed: point.seed as u32,
                x: point.x,
                density_target: point.density,
                cycle: point.named.cycle,
                node: point.named.state.id.as_str().to_owned(),
                epoch: point.named.state.epoch,
                node_against: against.state.id.as_str().to_owned(),
                epoch_against: against.state.epoch,
                overlap: shared.overlap,
                n_signs: shared.n as u32,
                n_flips: shared.n_flips() as u32,
            })
        };
        pairs.iter().map(row).collect()
    }

    /// What it took to train every point, and its test accuracy.
    ///
    /// # Errors
    /// As [`Session::scores`], and timings or masks that cannot be read.
    pub fn own_cost_rows(&self, points: &[CurvePoint]) -> Result<Vec<OwnCostRow>, MeasureError> {
        let (scores, mut masks) = (self.scores_of(points)?, HashMap::new());
        let mut rows = Vec::new();
        for (point, score) in points.iter().zip(scores) {
            let ledger = Ledger::of(self.recipe(), &point.named.state, self, &mut masks)?;
            rows.push(OwnCostRow {
                curve: point.curve.clone(),
                state: point.named.title(),
                seed: point.seed as u32,
                x: point.x,
                density_target: point.density,
                node: point.named.state.id.as_str().to_owned(),
                epoch: point.named.state.epoch,
                epochs_total: ledger.epochs,
                flops_dense: ledger.flops_dense,
                flops_sparse_ideal: ledger.flops_sparse_ideal,
                seconds: ledger.seconds,
                peak_memory_bytes: ledger.peak_memory_bytes,
                sparse_ideal_bytes: ledger.sparse_ideal_bytes,
                accuracy: score.test.n_correct as f64 / score.test.n as f64,
                n_correct: score.test.n_correct as u32,
                n_images: score.test.n as u32,
                measured: score.measured,
            });
        }
        Ok(rows)
    }

    /// Whether the data that a state was trained on are at hand.
    ///
    /// # Errors
    /// Data that are not.
    pub fn check_data_of(&self, state: &StateRef) -> Result<(), MeasureError> {
        if let Some(Node::Train(train)) = self.recipe().get(&state.id).map(|entry| &entry.node) {
            self.needed_images(&train.data)?;
        }
        Ok(())
    }

    fn scores_of(&self, points: &[CurvePoint]) -> Result<Vec<Score>, MeasureError> {
        self.by_data(
            points,
            |point| &point.named.state,
            |data, points| self.scores(data, &states(points)),
        )
    }

    /// Does `work` once for all items whose states were trained on the same data; the answers in the items' order.
    fn by_data<T, V>(
        &self,
        items: &[T],
        state: impl Fn(&T) -> &StateRef,
        work: impl Fn(&DataRef, &[&T]) -> Result<Vec<V>, MeasureError>,
    ) -> Result<Vec<V>, MeasureError> {
        let mut groups: BTreeMap<String, (&DataRef, Vec<usize>)> = BTreeMap::new();
        for (place, item) in items.iter().enumerate() {
            let state = state(item);
            let entry = self.recipe().get(&state.id);
            let Some(Node::Train(train)) = entry.map(|entry| &entry.node) else {
                return Err(MeasureError::NoState {
                    id: state.id.clone(),
                    epoch: state.epoch,
                });
            };
            let group = groups.entry(serde_json::json!(train.data).to_string());
            group.or_insert((&train.data, Vec::new())).1.push(place);
        }
        let mut found: Vec<Option<V>> = items.iter().map(|_| None).collect();
        for (data, places) in groups.into_values() {
            let own: Vec<_> = places.iter().map(|&place| &items[place]).collect();
            for (place, value) in places.into_iter().zip(work(data, &own)?) {
                found[place] = Some(value);
            }
        }
        let found = found.into_iter();
        Ok(found
            .map(|value| value.expect("every item is of a group"))
            .collect())
    }
}

fn states(points: &[&CurvePoint]) -> Vec<StateRef> {
    points.iter().map(|point| point.named.state.clone()).collect()
}
