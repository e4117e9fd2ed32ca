use crate::{Method, StateRef};
use sculpt_masks::Density;

/// A state that an artefact reads, and where it stands there.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// How it was trained.
    pub method: &'static Method,
    /// The density asked for.
    pub density: Density,
    /// Place in the list of densities, 0 for dense; for densities outside it, the number of those above.
    pub level: u32,
    /// Cycles trained with this mask, or epochs trained with it in units of a cycle; from 1.
    pub cycle: u32,
    /// Seed of the run.
    pub seed: u64,
    /// The state.
    pub state: StateRef,
}
