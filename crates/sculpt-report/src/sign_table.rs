//! Table 3: how many signs a network shares with LRR's, and what it gets right (A.1).

use crate::artefact::{Content, PanelSource};
use crate::{ReportError, Session, shows};
use sculpt_experiments::{Labels, Method, PanelName, methods};
use sculpt_measures::Needs;
use sculpt_rows::{Name, SignRow};

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
    labels: Labels::Clean,
}];

impl Content for SignTable {
    type Row = SignRow;

    fn sources(&self) -> &'static [PanelSource] {
        SOURCES
    }

    fn measure(&self, session: &Session, needs: &Needs) -> Result<Vec<SignRow>, ReportError> {
        let paper = |method| (papers_overlap(method), papers_accuracy(method));
        Ok(session.measures().sign_rows(&needs.panels, paper)?)
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
