use sculpt_experiments::{ExperimentError, NodeId, UnknownMethod};
use sculpt_figures::DrawError;
use sculpt_measures::MeasureError;
use sculpt_parquet::ParquetError;
use sculpt_rows::RowError;
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
    /// A state of a recipe that is to be drawn has not been trained.
    #[error(
        "{missing} of the {needed} states to be drawn are missing from suite {suite:?}, the first being {first}; `sculpt run` of its recipe trains them"
    )]
    RecipeUnfinished {
        /// The suite.
        suite: String,
        /// How many.
        missing: usize,
        /// Of how many.
        needed: usize,
        /// The first one's name.
        first: String,
    },
    /// No curve of this name.
    #[error("there is no curve {name:?}; there are: {available}")]
    NoCurve {
        /// The name given.
        name: String,
        /// What there is.
        available: String,
    },
    /// Two curves that cannot be paired.
    #[error("{a:?} and {b:?} share no seed at any place, and nothing can be compared: {places}")]
    NothingShared {
        /// The one.
        a: String,
        /// The other.
        b: String,
        /// Where each stands, with which seeds.
        places: String,
    },
    /// More curves than a picture tells apart.
    #[error(
        "{n} curves are more than the {most} that a picture tells apart; choose with --nodes or --only, or take another --by"
    )]
    TooManyCurves {
        /// How many.
        n: usize,
        /// At most.
        most: usize,
    },
    /// No two states of one curve and seed.
    #[error(
        "no curve has two states that follow each other; --x cycles follows a node's cycles, --x density what a repeat prunes"
    )]
    NothingFollows,
    /// Signs are compared with those of a node, and none is named.
    #[error("signs are compared with those of another node: name it with --against")]
    NoReference,
    /// The node that signs are to be compared with is not there.
    #[error("the recipe has no node {name:?} to compare signs with")]
    NoReferenceNode {
        /// The name given.
        name: String,
    },
    /// Nothing but the states that signs are compared with.
    #[error(
        "nothing but {name:?} itself is to be drawn; its signs are compared with those of the other nodes"
    )]
    OnlyReference {
        /// The node.
        name: String,
    },
    /// A state without the one to compare its signs with.
    #[error(
        "{n} states of {against:?} go with {state}, by seed, axes of the grid and density, and signs are compared with those of one"
    )]
    NoPartner {
        /// The state.
        state: String,
        /// What it is compared with.
        against: String,
        /// How many there are.
        n: usize,
    },
    /// A table, which has no picture to draw anew.
    #[error("{artefact} has no picture")]
    NoPicture {
        /// The artefact.
        artefact: String,
    },
    /// A frame that does not hold the artefact's rows.
    #[error(transparent)]
    Row(#[from] RowError),
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
        /// What is wrong with it.
        source: ParquetError,
    },
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: std::io::Error,
    },
    /// A frame that names no method of ours.
    #[error(transparent)]
    Method(#[from] UnknownMethod),
    /// A mean or interval cannot be computed.
    #[error(transparent)]
    Stats(#[from] StatsError),
    /// A picture cannot be drawn.
    #[error(transparent)]
    Draw(#[from] DrawError),
    /// States cannot be measured.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// A recipe, run or suite cannot be read.
    #[error(transparent)]
    Experiment(#[from] ExperimentError),
    /// A file that the operating system refuses.
    #[error(transparent)]
    File(#[from] FileError),
}

impl ReportError {
    /// Whether something is merely not there: states that the suite does not hold, or data that are not at hand. Whoever shows
    /// several artefacts leaves such a one out, by name, and goes on.
    pub fn is_absence(&self) -> bool {
        match self {
            Self::StatesMissing { .. } => true,
            Self::Measure(error) => matches!(
                error,
                MeasureError::DataMissing { .. }
                    | MeasureError::NoScore { .. }
                    | MeasureError::NoPredictions { .. }
            ),
            _ => false,
        }
    }
}
