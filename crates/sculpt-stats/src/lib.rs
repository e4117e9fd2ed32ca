#![doc = include_str!("../README.md")]

mod error;
mod paired;
mod summary;

pub use error::StatsError;
pub use paired::{PairedDifference, TTest, paired_difference};
pub use summary::{Interval, IntervalKind, Summary, mean, mean_t_interval, standard_deviation};
