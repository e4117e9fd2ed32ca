//! Table 4: what each method costs until its network is trained.

use crate::artefact::{Content, PanelSource};
use crate::{ReportError, Session, shows};
use sculpt_experiments::Labels;
use sculpt_experiments::PanelName;
use sculpt_measures::Needs;
use sculpt_rows::{CostRow, Name};

/// A ledger of epochs, operations, time and memory.
pub(crate) struct CostTable {
    pub(crate) name: Name,
    pub(crate) title: &'static str,
}

pub(crate) static TABLE_4: CostTable = CostTable {
    name: Name::Table(4),
    title: "Cost of a trained network, by method and sparsity",
};

const fn source(letter: &'static str, panel: PanelName) -> PanelSource {
    PanelSource {
        letter,
        panel,
        once: false,
        shows: shows::SCULPTING,
        labels: Labels::Clean,
    }
}

const SOURCES: &[PanelSource] = &[
    source("a", PanelName::A),
    source("b", PanelName::B),
    source("c", PanelName::C),
];

impl Content for CostTable {
    type Row = CostRow;

    fn sources(&self) -> &'static [PanelSource] {
        SOURCES
    }

    fn measure(&self, session: &Session, needs: &Needs) -> Result<Vec<CostRow>, ReportError> {
        Ok(session.measures().cost_rows(&needs.panels)?)
    }
}
