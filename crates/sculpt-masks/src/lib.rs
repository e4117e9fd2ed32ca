#![doc = include_str!("../README.md")]

mod allocation;
mod density;
mod error;
mod levels;
mod magnitude;
mod mask;
mod packing;
mod random;
mod select;
#[cfg(test)]
mod test_layouts;
mod ties;

pub use allocation::{Allocation, Rule, layer_counts, layer_densities};
pub use density::{Density, Sparsity};
pub use error::{DensityError, MaskError};
pub use levels::{geometric_densities, turboprune_densities};
pub use magnitude::{largest, magnitude};
pub use mask::{LayerCount, Mask};
pub use packing::{pack_bits, unpack_bits};
pub use random::{random, random_subset};
pub use select::{Score, keep_top};
pub use ties::Ties;
// What a caller needs who has nothing else of ours.
pub use sculpt_layout::{Layout, LayoutBuilder, LayoutError, ParamKind};
pub use sculpt_random::Seed;
