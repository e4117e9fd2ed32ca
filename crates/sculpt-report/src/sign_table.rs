//! Table 3: how many signs a network shares with LRR's, and what it gets right (A.1).

use crate::artefact::{Content, Needs, PanelSource};
use crate::shows;
use crate::{Cell, Frame, Name, ReportError, Session};
use sculpt_experiments::{Method, PanelName, StateRef, methods};
use sculpt_signs::overlap;
use std::collections::HashMap;

/// A table of sign overlaps at the preset's level of 93 % sparsity.
pub(crate) struct SignTable {
    pub(crate) name: Name,
    pub(crate) title: &'static str,
}

pub(crate) static TABLE_3: SignTable = SignTable {
    name: Name::Table(3),
    title: "Sign overlap with LRR, and recovery, under LRR's mask (in the paper of 93 % sparsity)",
};

const SOURCES: &[PanelSource] = &[PanelSource {
    letter: "a",
    panel: PanelName::A,
    once: false,
    shows: shows::SIGN_OVERLAP,
    noisy: false,
}];

const COLUMNS: &[&str] = &[
    "method",
    "seed",
    "density_target",
    "overlap",
    "overlap_paper",
    "n_signs",
    "n_flips",
    "accuracy",
    "accuracy_paper",
    "n_correct",
    "n_images",
    "node",
    "epoch",
];

impl Content for SignTable {
    fn sources(&self) -> &'static [PanelSource] {
        SOURCES
    }

    fn columns(&self) -> &'static [&'static str] {
        COLUMNS
    }

    /// The signs after training against those after LRR's level, over the survivors of its mask.
    fn measure(&self, session: &Session, needs: &Needs) -> Result<Frame, ReportError> {
        let mut frame = Frame::new(COLUMNS);
        for panel in &needs.panels {
            let states: Vec<_> = panel.points.iter().map(|point| point.state.clone()).collect();
            let scores = session.scores(panel.panel, &states)?;
            let lrr: HashMap<u64, &StateRef> = panel
                .points
                .iter()
                .filter(|point| point.method == &methods::LRR)
                .map(|point| (point.seed, &point.state))
                .collect();
            for (point, score) in panel.points.iter().zip(scores) {
                let method = point.method;
                let (model, _) = session.entry(&point.state)?;
                let layout = model.layout();
                let read = |state| session.source().state(state, &layout);
                let (theirs, own) = (read(lrr[&point.seed])?, read(&point.state)?);
                let shared = overlap(&layout, &theirs.mask, &theirs.theta, &own.theta)?;
                frame.push(vec![
                    method.id.into(),
                    (point.seed as u32).into(),
                    point.density.get().into(),
                    shared.overlap.into(),
                    Cell::from(papers_overlap(method)),
                    (shared.n as u32).into(),
                    (shared.n_flips() as u32).into(),
                    (score.test.n_correct as f64 / score.test.n as f64).into(),
                    Cell::from(papers_accuracy(method)),
                    (score.test.n_correct as u32).into(),
                    (score.test.n as u32).into(),
                    point.state.id.as_str().into(),
                    point.state.epoch.into(),
                ]);
            }
        }
        Ok(frame)
    }

    /// Signs are of checkpoints and do not move; counts of images may (design §5).
    fn tolerance(&self, published: &Frame, column: &str, row: usize) -> Option<f64> {
        let n = published.number(self.name, row, "n_images").unwrap_or(0.0);
        let images = (n / 1000.0).floor().max(1.0);
        match column {
            "n_correct" => Some(images),
            "accuracy" => Some(images / n + f64::EPSILON),
            _ => None,
        }
    }
}

/// A.1: overlap with LRR's signs, from the signs of the warm-up.
fn papers_overlap(method: &'static Method) -> Option<f64> {
    [
        (&methods::LRR_MASK_WARMUP_SIGNS, 0.9537),
        (&methods::LRR_MASK_WARMUP_SIGNS_ONE_CYCLE, 0.9367),
    ]
    .into_iter()
    .find_map(|(own, value)| (own == method).then_some(value))
}

/// A.1: accuracy from the warm-up's weights with a fifth of their signs flipped.
fn papers_accuracy(method: &'static Method) -> Option<f64> {
    [
        (&methods::LRR_MASK_FLIPPED_WARMUP_INIT, 0.8871),
        (&methods::LRR_MASK_FLIPPED_WARMUP_INIT_ONE_CYCLE, 0.8812),
    ]
    .into_iter()
    .find_map(|(own, value)| (own == method).then_some(value))
}
