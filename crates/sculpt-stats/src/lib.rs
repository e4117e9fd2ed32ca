#![doc = include_str!("../README.md")]

mod bootstrap;
mod bounded;
mod equivalence;
mod error;
mod paired;
mod power;
mod summary;

pub use bootstrap::{Bootstrap, bootstrap, mean_bootstrap_interval};
pub use bounded::{mean_log_interval, mean_logit_interval};
pub use equivalence::{Equivalence, Tost, equivalence};
pub use error::StatsError;
pub use paired::{PairedDifference, TTest, paired_difference, t_test};
pub use power::{Alternative, holm, power, runs_needed, smallest_effect};
pub use summary::{Interval, IntervalKind, Summary, mean, mean_t_interval, standard_deviation};
// What a caller of the bootstrap needs who has nothing else of ours.
pub use sculpt_random::Seed;
