use crate::{BatchError, Position, RanksError, RecordError};
use thiserror::Error;

/// Why training cannot start or go on.
#[derive(Debug, Error)]
pub enum TrainError {
    /// A hyper-parameter outside its range.
    #[error("{what} {value} is not in [0, 1)")]
    HyperParameter {
        /// Which one.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// The loss is no longer a number.
    #[error(
        "the training loss is {loss} from step {step} of epoch {epoch} on, at learning rate {learning_rate}: training diverged; lower the \
         rate"
    )]
    Diverged {
        /// Epoch of the cycle, from 1.
        epoch: u32,
        /// Step of the epoch, from 1.
        step: u32,
        /// Mean loss of the epoch.
        loss: f64,
        /// Rate of the epoch's last step.
        learning_rate: f64,
    },
    /// The last step of an epoch made numbers that are none, after losses that were some.
    #[error(
        "{what} is no number after epoch {epoch}, at learning rate {learning_rate}: training diverged; lower the rate"
    )]
    Overflowed {
        /// Epoch of the cycle, from 1.
        epoch: u32,
        /// The first of them: which vector, and which tensor of it.
        what: String,
        /// Rate of the epoch's last step.
        learning_rate: f64,
    },
    /// The source of the batches has none for a step.
    #[error("no batch for step {step} of epoch {epoch} since initialisation: {source}")]
    NoBatch {
        /// Epochs since initialisation.
        epoch: u64,
        /// The step, from 0.
        step: u32,
        /// What the source says.
        source: BatchError,
    },
    /// A vector has not the length of the network's layout.
    #[error("{what} has {found} entries where the network has {expected}")]
    Length {
        /// Which vector.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The layout's.
        expected: usize,
    },
    /// A pruned weight is not `+0.0`.
    #[error("parameter {index} ({tensor}) is pruned but holds {value:e}, not +0.0")]
    PrunedNotZero {
        /// Place in θ.
        index: usize,
        /// The tensor it belongs to.
        tensor: String,
        /// What it holds.
        value: f32,
    },
    /// The schedule was made for another number of epochs, or of steps an epoch.
    #[error(
        "the schedule is made for {} epochs of {} steps, training is of {} epochs of {} steps",
        .schedule[0], .schedule[1], .training[0], .training[1]
    )]
    StepsDiffer {
        /// Epochs of the schedule, and steps of one.
        schedule: [u32; 2],
        /// Epochs of training, and steps of one.
        training: [u32; 2],
    },
    /// Training cannot have been stopped there.
    #[error(
        "no training of {} epochs of {} steps stops after {} epochs and {} steps, with {} of {} images right so far",
        .training[0], .training[1], .position.epoch, .position.step, .position.n_correct, .position.n_seen
    )]
    Position {
        /// Where it is to go on.
        position: Position,
        /// Epochs of training, and steps of one.
        training: [u32; 2],
    },
    /// A number of groups that a batch cannot have.
    #[error(
        "batch_norm.groups is {groups}, not in 2..=65535; the whole batch as one group has no batch_norm: leave batch_norm out"
    )]
    Groups {
        /// It.
        groups: u32,
    },
    /// Statistics that are those of a whole batch under another name.
    #[error(
        "statistics that are synchronised over all groups are those of the whole batch: leave batch_norm out"
    )]
    Synchronised,
    /// A training whose groups follow one another, on several processes.
    #[error(
        "batch_norm.statistics is \"sequential\": the groups of a batch follow one another, and {ranks} processes cannot share them; \
         start one"
    )]
    OneAfterTheOther {
        /// How many there are.
        ranks: usize,
    },
    /// More processes than groups.
    #[error(
        "a batch has {groups} groups by batch_norm, which {ranks} processes cannot share; start {groups} at most"
    )]
    TooManyRanks {
        /// How many processes there are.
        ranks: usize,
        /// Groups of a batch.
        groups: u32,
    },
    /// A process that does not have the same numbers as the others: a bug, other hardware, or memory that fails.
    #[error(
        "rank {rank} has other weights, momentum or statistics than rank 0 after epoch {epoch}, bit for bit"
    )]
    RanksDiffer {
        /// The first that differs.
        rank: usize,
        /// Epoch of the cycle, from 1.
        epoch: u32,
    },
    /// A step cannot be launched as one.
    #[error("the operations of a training step cannot be recorded or repeated: {source}")]
    Record {
        /// What the device says.
        source: RecordError,
    },
    /// The processes no longer work together.
    #[error("{source}")]
    Ranks {
        /// What they say.
        source: RanksError,
    },
}

impl TrainError {
    pub(crate) fn record(source: RecordError) -> Self {
        Self::Record { source }
    }

    pub(crate) fn ranks(source: RanksError) -> Self {
        Self::Ranks { source }
    }
}
