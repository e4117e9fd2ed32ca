use sculpt_connectivity::ConnectivityError;
use sculpt_datasets::DatasetError;
use sculpt_experiments::{ExperimentError, NodeId};
use sculpt_hessian::{HessianError, LanczosError};
use sculpt_schedules::ScheduleError;
use sculpt_signs::SignsError;
use sculpt_store::FileError;
use thiserror::Error;

/// Why states cannot be measured.
#[derive(Debug, Error)]
pub enum MeasureError {
    /// Neither the data nor a recorded score.
    #[error(
        "the data are not at hand and no score is recorded for epoch {epoch} of node {id}; give --data DIR"
    )]
    NoScore {
        /// The node.
        id: NodeId,
        /// The epoch.
        epoch: u32,
    },
    /// Classes of test images that are not known.
    #[error(
        "which test images epoch {epoch} of node {id} gets right is not known: the suite was published without predictions, and the data are \
         not at hand; give --data DIR, or publish it again"
    )]
    NoPredictions {
        /// The node.
        id: NodeId,
        /// The epoch.
        epoch: u32,
    },
    /// A state that a suite should have.
    #[error("epoch {epoch} of node {id} is not in the suite")]
    NoState {
        /// The node.
        id: NodeId,
        /// The epoch.
        epoch: u32,
    },
    /// Data that a measure cannot do without.
    #[error(
        "the data {data:?} is not at hand, and nothing else tells losses between checkpoints or curvatures; give --data DIR (of the paper's figures --suite demo needs none, and --published shows a frame that is published)"
    )]
    DataMissing {
        /// What they are called.
        data: String,
    },
    /// A checkpoint that does not do what training recorded.
    #[error(
        "epoch {epoch} of node {id} gets {measured} of {n} images right, training recorded {recorded}; the checkpoint or the data is not what it was"
    )]
    RecordDiffers {
        /// The node.
        id: NodeId,
        /// The epoch.
        epoch: u32,
        /// Correct images as measured.
        measured: u64,
        /// As recorded.
        recorded: u64,
        /// Images.
        n: u64,
    },
    /// A recipe, run or suite cannot be read.
    #[error(transparent)]
    Experiment(#[from] ExperimentError),
    /// A file that the operating system refuses.
    #[error(transparent)]
    File(#[from] FileError),
    /// The data cannot be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Losses between two checkpoints cannot be computed.
    #[error(transparent)]
    Connectivity(#[from] ConnectivityError),
    /// A curvature cannot be computed.
    #[error(transparent)]
    Hessian(#[from] HessianError),
    /// Signs cannot be compared.
    #[error(transparent)]
    Signs(#[from] SignsError),
    /// A search for eigenvalues with parameters out of range.
    #[error(transparent)]
    Lanczos(#[from] LanczosError),
    /// A schedule out of range.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
}
