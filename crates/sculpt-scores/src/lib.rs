#![doc = include_str!("../README.md")]

mod criterion;
mod error;
mod fisher;
mod grasp;
mod point;
mod probe;
mod scores;
mod select;
mod snip;
mod synflow;
#[cfg(test)]
mod test_networks;
mod wood_fisher;

pub use criterion::{BatchNorm, Criterion, Images, Numbers, Scorer};
pub use error::ScoreError;
pub use fisher::{Fisher, fisher};
pub use grasp::{Grasp, grasp};
pub use point::Point;
pub use probe::Probe;
pub use scores::{Choice, Scores};
pub use snip::{Snip, snip};
pub use synflow::{DensitySchedule, SynFlow, synflow};
pub use wood_fisher::{WoodFisher, wood_fisher};

// The criteria that need no gradient, and the types of this crate's arguments and results.
pub use sculpt_layout::{Layout, LayoutBuilder};
pub use sculpt_masks::{
    Allocation, Density, DensityError, LayerCount, Mask, MaskError, Rule, magnitude, random,
};
pub use sculpt_network::{FromFn, Mode, Network};
pub use sculpt_random::Seed;
