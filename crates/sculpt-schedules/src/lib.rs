#![doc = include_str!("../README.md")]

mod cycles;
mod error;
mod kind;
mod rows;
mod schedule;

pub use cycles::CycleRule;
pub use error::ScheduleError;
pub use kind::Kind;
pub use rows::Row;
pub use schedule::Schedule;
