#![doc = include_str!("../README.md")]

mod contrast;
mod contrasts;
mod derive;
#[cfg(test)]
mod error_rates;
mod evidence;
mod images;
mod judge;
mod list;
mod methods;
mod panel;
mod params;
mod question;
#[cfg(test)]
mod tests;
mod verdicts;

pub use evidence::Evidence;
pub use methods::METHODS;
pub use params::Margins;
pub use question::{Answer, Question, adjusted};
pub use verdicts::{artefacts, claims, contrasts};
