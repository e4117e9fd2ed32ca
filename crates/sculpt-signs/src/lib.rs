#![doc = include_str!("../README.md")]

mod error;
mod flip;
mod fraction;
mod initialise;
mod overlap;
mod tensors;

pub use error::{FractionError, SignsError};
pub use flip::{flip, flip_slice};
pub use fraction::Fraction;
pub use initialise::{SignsOnly, signs_only, signs_only_slice};
pub use overlap::{LayerOverlap, Overlap, SignCount, compare, overlap};
// What a caller needs who has nothing else of ours.
pub use sculpt_layout::Layout;
pub use sculpt_masks::Mask;
pub use sculpt_random::Seed;
