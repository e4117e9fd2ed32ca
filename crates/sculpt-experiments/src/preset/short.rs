//! The paper's grid in a tenth of its time.

use super::paper::paper;
use super::{PanelName, Setup};
use crate::DataRef;

/// The paper's grid at a tenth of the epochs: 15 a cycle, 9 on ImageNet, milestones scaled.
pub(super) fn short(panel: PanelName, data: DataRef) -> Setup {
    let setup = paper(panel, data);
    Setup {
        cycle_epochs: setup.cycle_epochs / 10,
        total_epochs: setup.total_epochs.map(|total| total / 10),
        long_interval: setup.long_interval / 10,
        ..setup
    }
}
