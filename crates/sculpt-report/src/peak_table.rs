//! Table 5: cyclic training stopped where it is best (§6, "for enough number of cycles such that the generalization performance
//! peaks").

use crate::artefact::{Content, PanelSource};
use crate::{ReportError, Session, shows};
use sculpt_experiments::{Labels, PanelName};
use sculpt_measures::Needs;
use sculpt_rows::{Name, PeakRow};

/// A table of peaks.
pub(crate) struct PeakTable {
    pub(crate) name: Name,
    pub(crate) title: &'static str,
}

pub(crate) static TABLE_5: PeakTable = PeakTable {
    name: Name::Table(5),
    title: "Cyclic training at its peak, chosen on one half of the test images and reported on the other, beside its last cycle",
};

const SOURCES: &[PanelSource] = &[PanelSource {
    letter: "a",
    panel: PanelName::A,
    once: false,
    shows: shows::PEAKS,
    labels: Labels::Clean,
}];

impl Content for PeakTable {
    type Row = PeakRow;

    fn sources(&self) -> &'static [PanelSource] {
        SOURCES
    }

    fn measure(&self, session: &Session, needs: &Needs) -> Result<Vec<PeakRow>, ReportError> {
        Ok(session.measures().peak_rows(&needs.panels)?)
    }
}
