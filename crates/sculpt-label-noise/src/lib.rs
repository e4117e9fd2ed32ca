#![doc = include_str!("../README.md")]

mod corrupt;
mod derange;
mod error;
mod rate;
mod rule;

pub use corrupt::{Noise, corrupt};
pub use error::LabelNoiseError;
pub use rate::Rate;
pub use rule::Rule;
// What a caller needs who has nothing else of ours.
pub use sculpt_random::Seed;
