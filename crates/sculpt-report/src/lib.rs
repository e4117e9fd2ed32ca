#![doc = include_str!("../README.md")]

mod accuracies;
mod accuracy;
mod artefact;
mod cache;
mod chain;
mod claims;
mod cost_table;
mod differences;
pub mod draw;
mod epochs_table;
mod error;
mod figures;
mod frame;
mod landscapes;
mod lines;
mod output;
mod page;
#[cfg(test)]
mod programme_tests;
mod registry;
mod schedules;
mod schematic;
mod session;
mod setup_table;
mod sharpness;
mod shows;
mod sign_table;
mod summary;
mod words;

pub use accuracy::Score;
pub use artefact::{Artefact, Name, Needs, PanelNeeds, programme};
pub use cache::{MeasureFile, check_measure};
pub use error::ReportError;
pub use frame::{Cell, Difference, Frame, compare};
pub use output::{Written, write};
pub use page::write_page;
pub use registry::ALL;
pub use session::{Provenance, Session};
