use crate::row::row;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The images that a loss is a mean over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageSet {
    /// The test set.
    Test,
    /// The first training images, un-augmented.
    Train,
}

/// What `from` and `to` of a line count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Along {
    /// Cycles, or the intervals of a long run.
    Cycles,
    /// Levels of iterative pruning.
    Levels,
}

/// What BatchNorm's statistics are between two checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchNorm {
    /// On the line between those of the ends; drawn.
    Interpolate,
    /// Measured anew on training images.
    Recalibrate,
}

row! {
    /// A point of the line between two checkpoints that follow each other.
    pub struct LineRow {
        /// The paper's letter of the panel that the runs are of.
        panel: String,
        /// Id of the method.
        method: String,
        /// Seed of the run.
        seed: u32,
        /// Density asked for, of the later checkpoint.
        density_target: f64 as "fraction",
        /// Cycle or level that the earlier one ends.
        from: u32,
        /// Cycle or level that the later one ends.
        to: u32,
        /// Images of the loss.
        set: ImageSet,
        /// What BatchNorm's statistics are.
        batch_norm: BatchNorm,
        /// Place on the line, from 0, the earlier one, to 1.
        alpha: f64 as "fraction",
        /// Mean cross-entropy in nats. Sums in f32 move in their last digits.
        loss: f64 as "nats" [within |_, published| loss(published.loss)],
        /// Fraction of the images that are wrong.
        error: f64 as "fraction" [within |_, _| ERROR],
        /// Node of the earlier one.
        node_from: String,
        /// Its epoch.
        epoch_from: u32 as "epochs",
        /// Node of the later one.
        node: String,
        /// Its epoch.
        epoch: u32 as "epochs",
    }
}

row! {
    /// A point of a line, or a largest eigenvalue at a checkpoint: figure 3 has both.
    pub struct JumpRow {
        /// The paper's letter of the panel that the runs are of.
        panel: String,
        /// Id of the method.
        method: String,
        /// Seed of the run.
        seed: u32,
        /// Density asked for, of the later checkpoint.
        density_target: f64 as "fraction",
        /// Cycle that the earlier one ends; of an eigenvalue both are the same.
        from: u32,
        /// Cycle that the later one ends.
        to: u32,
        /// Images of the loss.
        set: ImageSet,
        /// What BatchNorm's statistics are; of an eigenvalue its own.
        batch_norm: Option<BatchNorm>,
        /// Place on the line; none of an eigenvalue.
        alpha: Option<f64> as "fraction",
        /// Mean cross-entropy in nats; none of an eigenvalue.
        loss: Option<f64> as "nats" [within |_, published| loss(published.loss.unwrap_or(0.0))],
        /// Fraction of the images that are wrong; none of an eigenvalue.
        error: Option<f64> as "fraction" [within |_, _| ERROR],
        /// Node of the earlier one.
        node_from: String,
        /// Its epoch.
        epoch_from: u32 as "epochs",
        /// Node of the later one.
        node: String,
        /// Its epoch.
        epoch: u32 as "epochs",
        /// Largest eigenvalue of the Hessian of the training loss, in nats; none of a line.
        eigenvalue: Option<f64> as "nats" [within eigenvalues],
        /// `‖Hv − λv‖` of the eigenvalue: an eigenvalue is no farther away.
        residual: Option<f64> as "nats" [within |_, published| SEARCH * published.eigenvalue.unwrap_or(0.0).abs()],
        /// Whether the residual is below a thousandth of the eigenvalue; else the search spent all its products.
        converged: Option<bool>,
    }
}

/// The largest eigenvalue at a checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Eigenvalue {
    /// Id of the method.
    pub method: String,
    /// Seed of the run.
    pub seed: u32,
    /// Cycle that the checkpoint ends.
    pub cycle: u32,
    /// The eigenvalue, in nats.
    pub value: f64,
    /// Whether the search for it ended.
    pub converged: bool,
}

/// An error is a number of images: 2 of the demo's 500.
pub(crate) const ERROR: f64 = 4e-3;

/// The search ends when the residual is this much of the eigenvalue; where, from 0 to there, is chance.
pub(crate) const SEARCH: f64 = 1e-3;

/// What a residual leaves out: the rounding of sums in f32 (sculpt-lanczos).
pub(crate) const ROUNDING: f64 = 1e-6;

pub(crate) fn loss(published: f64) -> f64 {
    1e-3 * published.abs().max(1.0)
}

/// Each lies within its residual of the eigenvalue.
fn eigenvalues(computed: &JumpRow, published: &JumpRow) -> f64 {
    let bound = |row: &JumpRow| row.residual.unwrap_or(0.0) + ROUNDING * row.eigenvalue.unwrap_or(0.0).abs();
    bound(computed) + bound(published)
}

impl LineRow {
    /// The same in a frame that holds eigenvalues too.
    pub fn into_jump(self) -> JumpRow {
        JumpRow {
            panel: self.panel,
            method: self.method,
            seed: self.seed,
            density_target: self.density_target,
            from: self.from,
            to: self.to,
            set: self.set,
            batch_norm: Some(self.batch_norm),
            alpha: Some(self.alpha),
            loss: Some(self.loss),
            error: Some(self.error),
            node_from: self.node_from,
            epoch_from: self.epoch_from,
            node: self.node,
            epoch: self.epoch,
            eigenvalue: None,
            residual: None,
            converged: None,
        }
    }
}

impl JumpRow {
    /// The point of a line, if it is one.
    pub fn line(&self) -> Option<LineRow> {
        Some(LineRow {
            panel: self.panel.clone(),
            method: self.method.clone(),
            seed: self.seed,
            density_target: self.density_target,
            from: self.from,
            to: self.to,
            set: self.set,
            batch_norm: self.batch_norm?,
            alpha: self.alpha?,
            loss: self.loss?,
            error: self.error?,
            node_from: self.node_from.clone(),
            epoch_from: self.epoch_from,
            node: self.node.clone(),
            epoch: self.epoch,
        })
    }

    /// The eigenvalue, if it is one.
    pub fn eigenvalue(&self) -> Option<Eigenvalue> {
        Some(Eigenvalue {
            method: self.method.clone(),
            seed: self.seed,
            cycle: self.to,
            value: self.eigenvalue?,
            converged: self.converged.unwrap_or(true),
        })
    }
}

impl ImageSet {
    /// Both, in the order in which they are shown.
    pub const ALL: [Self; 2] = [Self::Test, Self::Train];
}

impl BatchNorm {
    /// Both; the first is drawn, claims are decided under both.
    pub const ALL: [Self; 2] = [Self::Interpolate, Self::Recalibrate];
}

impl fmt::Display for ImageSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ImageSet::Test => "test",
            ImageSet::Train => "train",
        })
    }
}

impl fmt::Display for BatchNorm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BatchNorm::Interpolate => "interpolate",
            BatchNorm::Recalibrate => "recalibrate",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Frame, Row, compare};

    fn line() -> LineRow {
        LineRow {
            panel: "a".to_owned(),
            method: "wr".to_owned(),
            seed: 1,
            density_target: 0.1,
            from: 1,
            to: 2,
            set: ImageSet::Train,
            batch_norm: BatchNorm::Recalibrate,
            alpha: 0.1,
            loss: 0.5,
            error: 0.02,
            node_from: "a".to_owned(),
            epoch_from: 8,
            node: "b".to_owned(),
            epoch: 8,
        }
    }

    fn eigenvalue(value: f64, residual: f64) -> JumpRow {
        JumpRow {
            batch_norm: None,
            alpha: None,
            loss: None,
            error: None,
            eigenvalue: Some(value),
            residual: Some(residual),
            ..line().into_jump()
        }
    }

    /// Figure 3's frame is that of the other figures with two columns more.
    #[test]
    fn a_line_is_a_line_in_both_frames() {
        assert_eq!(line().into_jump().line(), Some(line()));
        assert_eq!(line().into_jump().eigenvalue(), None);
        assert_eq!(eigenvalue(4.0, 0.0).line(), None);
        assert_eq!(JumpRow::names()[..15], LineRow::names());
        let cells = Frame::of(&[line()]).cells()[0].clone();
        assert_eq!(
            cells[6..8].iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["train", "recalibrate"]
        );
    }

    /// 4.000 ± 0.002 and 4.004 ± 0.003 may be the same, 4.006 may not.
    #[test]
    fn eigenvalues_differ_by_their_residuals() {
        let columns = |value, residual| -> Vec<String> {
            let found = compare(&[eigenvalue(value, residual)], &[eigenvalue(4.0, 0.002)]);
            found.into_iter().map(|difference| difference.column).collect()
        };
        assert_eq!(columns(4.004, 0.003), [""; 0]);
        assert_eq!(columns(4.006, 0.003), ["eigenvalue"]);
        assert_eq!(columns(4.0, 0.01), ["residual"]);
    }

    #[test]
    fn words_are_those_of_the_frames() {
        for set in ImageSet::ALL {
            assert_eq!(serde_json::json!(set), set.to_string());
        }
        for rule in BatchNorm::ALL {
            assert_eq!(serde_json::json!(rule), rule.to_string());
        }
    }
}
