#![doc = include_str!("../README.md")]

mod batches;
mod error;
mod evaluate;
mod sgd;
mod state;
mod train;

pub use batches::{BatchError, Batches};
pub use error::TrainError;
pub use evaluate::{Evaluation, evaluate};
pub use sgd::Sgd;
pub use state::State;
pub use train::{EpochMetrics, Flow, Observer, Outcome, Position, Step, Training};
