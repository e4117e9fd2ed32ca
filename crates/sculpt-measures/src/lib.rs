#![doc = include_str!("../README.md")]

mod accuracies;
mod accuracy;
mod chain;
mod costs;
mod error;
mod landscapes;
mod lines;
mod needs;
mod own;
mod peaks;
mod session;
mod sharpness;
mod signs;

pub use accuracy::Score;
pub use chain::{Stretch, one_seed, schedule_rows, stretch_rows, trained};
pub use error::MeasureError;
pub use landscapes::Pairs;
pub use lines::{POINTS, RULES};
pub use needs::{Needs, PanelNeeds};
pub use own::Following;
pub use session::Session;

/// What was measured, kept.
pub use sculpt_store::cache::{Cache, Counts, Key, MeasureFile, check_measure};
