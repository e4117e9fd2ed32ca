//! Rows of figures of test accuracy.

use crate::{MeasureError, PanelNeeds, Session};
use sculpt_rows::AccuracyRow;

impl Session {
    /// The test accuracy of every state of these panels, all of which are there.
    ///
    /// # Errors
    /// A broken checkpoint; a count that is not what training recorded; neither data nor record.
    pub fn accuracy_rows(&self, panels: &[PanelNeeds]) -> Result<Vec<AccuracyRow>, MeasureError> {
        let mut rows = Vec::new();
        for panel in panels {
            let states: Vec<_> = panel.points.iter().map(|point| point.state.clone()).collect();
            let scores = self.scores(&panel.data, &states)?;
            for (point, score) in panel.points.iter().zip(scores) {
                rows.push(AccuracyRow {
                    panel: panel.letter.to_owned(),
                    method: point.method.id.to_owned(),
                    seed: point.seed as u32,
                    level: point.level,
                    cycle: point.cycle,
                    epochs: panel.recipe.epochs_trained(&point.state) as u32,
                    density_target: point.density.get(),
                    density: score.density,
                    node: point.state.id.as_str().to_owned(),
                    epoch: point.state.epoch,
                    accuracy: score.test.n_correct as f64 / score.test.n as f64,
                    n_correct: score.test.n_correct as u32,
                    n_images: score.test.n as u32,
                    test_loss: score.test.loss,
                    recorded_n_correct: score.recorded.map(|r| r.n_correct as u32),
                    measured: score.measured,
                });
            }
        }
        Ok(rows)
    }
}
