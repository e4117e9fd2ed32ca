#![doc = include_str!("../README.md")]

mod accuracy;
mod claim;
mod compare;
mod cost;
mod decode;
mod difference;
mod encode;
mod epoch;
mod error;
mod frame;
mod landscape;
mod name;
mod row;
mod schedule;
mod setup;
mod sign;
mod stretch;
mod words;

pub use accuracy::{AccuracyRow, Part, of_method};
pub use claim::{ClaimRow, Unit, Verdict};
pub use compare::{Difference, compare};
pub use cost::CostRow;
pub use difference::DifferenceRow;
pub use epoch::EpochRow;
pub use error::RowError;
pub use frame::{Cell, Frame};
pub use landscape::{Along, BatchNorm, Eigenvalue, ImageSet, JumpRow, LineRow};
pub use name::Name;
pub use row::{Column, Row, Tolerance};
pub use schedule::ScheduleRow;
pub use setup::SetupRow;
pub use sign::SignRow;
pub use stretch::StretchRow;
pub use words::sparsity;
