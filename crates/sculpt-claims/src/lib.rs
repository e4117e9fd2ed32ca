#![doc = include_str!("../README.md")]

mod contrasts;
mod evidence;
mod finding;
mod list;
mod methods;
#[cfg(test)]
mod tests;
mod verdicts;

pub use evidence::Evidence;
pub use methods::METHODS;
pub use verdicts::{artefacts, verdicts};
