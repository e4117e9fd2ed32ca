#![doc = include_str!("../README.md")]

mod accuracy;
mod artefact;
pub mod draw;
mod error;
mod figure5;
mod frame;
mod output;
mod page;
mod session;

pub use accuracy::Score;
pub use artefact::{ALL, Artefact, ArtefactKind, Needs};
pub use error::ReportError;
pub use frame::{Cell, Difference, Frame, compare};
pub use output::{Written, write};
pub use page::write_page;
pub use session::{Provenance, Session};
