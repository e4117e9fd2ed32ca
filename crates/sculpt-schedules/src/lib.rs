#![doc = include_str!("../README.md")]

mod cycles;
mod error;
mod kind;
mod kinds;
mod rows;
mod schedule;
mod shape;
#[cfg(test)]
mod tests;

pub use cycles::CycleRule;
pub use error::ScheduleError;
pub use kind::Kind;
pub use rows::Row;
pub use schedule::Schedule;
pub use shape::WarmUp;
