use crate::{CycleRule, Kind};
use thiserror::Error;

/// Why there is no such schedule.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ScheduleError {
    /// A name that no kind has.
    #[error("schedule {given:?} is not one of {}", Kind::ALL.map(Kind::name).join(", "))]
    UnknownKind {
        /// The name.
        given: String,
    },
    /// A peak learning rate that is not finite and above 0.
    #[error("learning rate {lr} is not a finite number above 0")]
    LearningRate {
        /// The rate.
        lr: f64,
    },
    /// A cycle without epochs, or epochs without steps.
    #[error("a cycle of {epochs} epochs of {steps_per_epoch} steps has no steps")]
    NoSteps {
        /// Epochs a cycle.
        epochs: u32,
        /// Steps an epoch.
        steps_per_epoch: u32,
    },
    /// A cycle of 2³² steps or more.
    #[error(
        "a cycle of {epochs} epochs of {steps_per_epoch} steps has more than {} steps",
        u32::MAX
    )]
    TooLong {
        /// Epochs a cycle.
        epochs: u32,
        /// Steps an epoch.
        steps_per_epoch: u32,
    },
    /// A rule that cuts training into no cycle, or into one without epochs.
    #[error("{rule:?} leaves no cycle, or one without epochs")]
    NoCycle {
        /// The rule.
        rule: CycleRule,
    },
}
