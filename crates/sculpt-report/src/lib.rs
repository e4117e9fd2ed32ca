#![doc = include_str!("../README.md")]

mod accuracies;
mod artefact;
mod claims;
mod cost_table;
mod differences;
mod epochs_table;
mod error;
mod fields;
mod figures;
mod frame_file;
mod landscapes;
#[cfg(test)]
mod looks_tests;
mod output;
mod own;
mod page;
mod peak_table;
mod pictures;
#[cfg(test)]
mod programme_tests;
mod provenance;
mod quantities;
mod registry;
mod schedules;
mod schematic;
mod session;
mod setup_table;
mod shows;
mod sign_table;
mod tradeoffs;
mod training_curves;
mod words;

pub use artefact::{Artefact, programme};
pub use error::ReportError;
pub use frame_file::to_table;
pub use output::{Written, restyle, write};
pub use own::{Contrasted, Output, OwnSession};
pub use page::{clear_own_files, write_own_page, write_page};
pub use provenance::{Provenance, Restyled, SuiteShown};
pub use registry::ALL;
pub use sculpt_claims::Question;
pub use session::{Session, is_shown_by};
pub use training_curves::training_curves;
// What an artefact is called, needs, and gives.
pub use sculpt_measures::{Needs, PanelNeeds};
pub use sculpt_rows::{
    Cell, ClaimRow, ContrastRow, Difference, Frame, Name, OwnContrastRow, SummaryRow, Test, Unit, Verdict,
};
