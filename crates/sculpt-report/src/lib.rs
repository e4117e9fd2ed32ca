#![doc = include_str!("../README.md")]

mod accuracies;
mod accuracy;
mod artefact;
mod cache;
pub mod draw;
mod error;
mod figures;
mod frame;
mod landscapes;
mod lines;
mod output;
mod page;
mod registry;
mod session;
mod sharpness;
mod words;

pub use accuracy::Score;
pub use artefact::{Artefact, Name, Needs, PanelNeeds};
pub use error::ReportError;
pub use frame::{Cell, Difference, Frame, compare};
pub use output::{Written, write};
pub use page::write_page;
pub use registry::ALL;
pub use session::{Provenance, Session};
