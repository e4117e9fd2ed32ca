use crate::draw::DrawError;
use sculpt_checkpoints::CheckpointError;
use sculpt_connectivity::ConnectivityError;
use sculpt_datasets::DatasetError;
use sculpt_experiments::{ExperimentError, NodeId, UnknownMethod};
use sculpt_hessian::{HessianError, LanczosError};
use sculpt_signs::SignsError;
use sculpt_stats::StatsError;
use sculpt_store::FileError;
use std::path::PathBuf;
use thiserror::Error;

/// Why an artefact cannot be measured, drawn or written.
#[derive(Debug, Error)]
pub enum ReportError {
    /// No artefact of this name.
    #[error("{name} is not available; available are {available}")]
    UnknownArtefact {
        /// The name given.
        name: String,
        /// What there is.
        available: String,
    },
    /// A state that the artefact shows has not been trained.
    #[error(
        "{missing} of the {needed} checkpoints of {artefact} are missing from suite {suite:?}, the first being epoch {epoch} of node {id}; `cargo xtask reproduce {artefact}` with the suite's preset trains them"
    )]
    StatesMissing {
        /// The artefact.
        artefact: String,
        /// The suite.
        suite: String,
        /// How many.
        missing: usize,
        /// Of how many.
        needed: usize,
        /// The first one's node.
        id: NodeId,
        /// Its epoch.
        epoch: u32,
    },
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
        "the data {data:?} is not at hand, and nothing else tells losses between checkpoints or curvatures; give --data DIR"
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
    /// A frame lacks a column, or a cell has another type.
    #[error("the frame of {artefact} has no {kind} in row {row} of column {column:?}")]
    BadCell {
        /// The artefact.
        artefact: String,
        /// The type wanted.
        kind: &'static str,
        /// The row, from 0.
        row: usize,
        /// The column.
        column: String,
    },
    /// A file that is not ours.
    #[error("{path}: {detail}")]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A frame cannot be read or written.
    #[error("{path}: {source}")]
    Frame {
        /// The file.
        path: PathBuf,
        /// What polars says.
        source: polars_core::error::PolarsError,
    },
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: std::io::Error,
    },
    /// A recipe, run or suite cannot be read.
    #[error(transparent)]
    Experiment(#[from] ExperimentError),
    /// A checkpoint cannot be read or a file not written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A frame that names no method of ours.
    #[error(transparent)]
    Method(#[from] UnknownMethod),
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
    /// A mean or interval cannot be computed.
    #[error(transparent)]
    Stats(#[from] StatsError),
    /// A picture cannot be drawn.
    #[error(transparent)]
    Draw(#[from] DrawError),
}
