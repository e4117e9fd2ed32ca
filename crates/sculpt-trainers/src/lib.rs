#![doc = include_str!("../README.md")]

mod batches;
mod division;
mod error;
mod evaluate;
mod recorded;
mod sgd;
mod state;
mod train;

pub use batches::{BatchError, Batches, Part, Resident};
pub use division::{BatchNorm, Division, Ranks, RanksError, Statistics, share};
pub use error::TrainError;
pub use evaluate::{Evaluation, evaluate, try_evaluate, try_predict};
pub use recorded::{RecordError, Recorded, Recorder};
pub use sgd::Sgd;
pub use state::State;
pub use train::{EpochMetrics, Flow, Observer, Outcome, Position, Step, Training};
// What a caller needs who has nothing else of ours.
pub use sculpt_layout::{Layout, LayoutBuilder, LayoutError, ParamKind};
pub use sculpt_masks::{Density, Mask};
pub use sculpt_network::{FromFn, Mode, Network};
pub use sculpt_schedules::{Kind, Schedule, ScheduleError};
