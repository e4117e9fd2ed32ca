//! Rows of how many signs a network shares with LRR's, and what it gets right (A.1).

use crate::{MeasureError, PanelNeeds, Session};
use sculpt_experiments::{Method, StateRef, methods};
use sculpt_rows::SignRow;
use sculpt_signs::overlap;
use std::collections::HashMap;

impl Session {
    /// The signs after training against those after LRR's level, over the survivors of its mask. `paper` has the
    /// paper's overlap and accuracy of a method.
    ///
    /// # Errors
    /// A broken checkpoint; a count that is not what training recorded; neither data nor record.
    ///
    /// # Panics
    /// When a seed of the panels has no LRR.
    pub fn sign_rows(
        &self,
        panels: &[PanelNeeds],
        paper: impl Fn(&'static Method) -> (Option<f64>, Option<f64>),
    ) -> Result<Vec<SignRow>, MeasureError> {
        let mut rows = Vec::new();
        for panel in panels {
            let states: Vec<_> = panel.points.iter().map(|point| point.state.clone()).collect();
            let scores = self.scores(&panel.data, &states)?;
            let lrr: HashMap<u64, &StateRef> = panel
                .points
                .iter()
                .filter(|point| point.method == &methods::LRR)
                .map(|point| (point.seed, &point.state))
                .collect();
            for (point, score) in panel.points.iter().zip(scores) {
                let method = point.method;
                let (model, _) = self.entry(&point.state)?;
                let layout = model.layout();
                let read = |state| self.source().state(state, &layout);
                let (theirs, own) = (read(lrr[&point.seed])?, read(&point.state)?);
                let shared = overlap(&layout, &theirs.mask, &theirs.theta, &own.theta)?;
                let (overlap_paper, accuracy_paper) = paper(method);
                rows.push(SignRow {
                    panel: panel.letter.to_owned(),
                    method: method.id.to_owned(),
                    seed: point.seed as u32,
                    cycle: point.cycle,
                    epochs: panel.recipe.epochs_trained(&point.state) as u32,
                    density_target: point.density.get(),
                    overlap: shared.overlap,
                    overlap_paper,
                    n_signs: shared.n as u32,
                    n_flips: shared.n_flips() as u32,
                    accuracy: score.test.n_correct as f64 / score.test.n as f64,
                    accuracy_paper,
                    n_correct: score.test.n_correct as u32,
                    n_images: score.test.n as u32,
                    node: point.state.id.as_str().to_owned(),
                    epoch: point.state.epoch,
                });
            }
        }
        Ok(rows)
    }
}
