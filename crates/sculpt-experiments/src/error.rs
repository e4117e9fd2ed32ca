use crate::NodeId;
use sculpt_checkpoints::CheckpointError;
use sculpt_collective::CollectiveError;
use sculpt_datasets::DatasetError;
use sculpt_label_noise::LabelNoiseError;
use sculpt_masks::MaskError;
use sculpt_models::ModelError;
use sculpt_parquet::ParquetError;
use sculpt_pictures::PictureError;
use sculpt_remote::RemoteError;
use sculpt_schedules::ScheduleError;
use sculpt_scores::ScoreError;
use sculpt_signs::SignsError;
use sculpt_store::lease::SILENCE;
use sculpt_store::{FileError, Holder, LockError};
use sculpt_trainers::TrainError;
use std::path::PathBuf;
use thiserror::Error;

/// Why an experiment cannot be described, run or read.
#[derive(Debug, Error)]
pub enum ExperimentError {
    /// Not an id.
    #[error("{text:?} is not a node id (64 hexadecimal digits)")]
    BadId {
        /// What was given.
        text: String,
    },
    /// No node, or several, whose id begins so.
    #[error(
        "{n} nodes of {store} and of the published suites have an id that begins with {prefix:?}; `sculpt ls [SUITE]` lists them"
    )]
    Prefix {
        /// What was given.
        prefix: String,
        /// How many match.
        n: usize,
        /// Where.
        store: PathBuf,
    },
    /// A recipe names a state that it does not hold.
    #[error("the recipe names epoch {epoch} of node {id}, which it does not hold")]
    UnknownParent {
        /// The node.
        id: NodeId,
        /// The epoch.
        epoch: u32,
    },
    /// A parent has not been run.
    #[error("node {id} needs epoch {epoch} of node {parent}, which {store} does not hold; run that first")]
    ParentMissing {
        /// The node to run.
        id: NodeId,
        /// Its parent.
        parent: NodeId,
        /// The parent's epoch.
        epoch: u32,
        /// Where.
        store: PathBuf,
    },
    /// A state that was asked for is neither in the store nor in a published suite.
    #[error(
        "{store} does not hold the state after epoch {epoch} of node {id}; `sculpt reproduce` or `sculpt node` makes it"
    )]
    NoState {
        /// The node.
        id: NodeId,
        /// The epoch.
        epoch: u32,
        /// Where.
        store: PathBuf,
    },
    /// A state that is not what was recorded, or what its address says.
    #[error("{path}: the state after epoch {epoch} of node {id} {detail}; {remedy}")]
    DamagedState {
        /// The file.
        path: PathBuf,
        /// The node.
        id: NodeId,
        /// The epoch.
        epoch: u32,
        /// What is wrong with it.
        detail: String,
        /// What mends it.
        remedy: &'static str,
    },
    /// A finished node that was made again came out otherwise.
    #[error(
        "node {id} was made again for an epoch that it had not kept, and its state after epoch {epoch} came out with \
         other bits than the finished one (another machine, device or thread count); the old states stay. --again \
         makes the node anew with everything that follows from it"
    )]
    OtherBits {
        /// The node.
        id: NodeId,
        /// The first epoch that differs.
        epoch: u32,
    },
    /// Training whose last step left no network that can be tested.
    #[error(
        "the test loss of node {id} is {loss} after epoch {epoch}, at a highest learning rate of {learning_rate}: training \
         diverged; lower the rate"
    )]
    TestDiverged {
        /// The node.
        id: NodeId,
        /// Epoch of the cycle, from 1.
        epoch: u32,
        /// Mean loss of the test images.
        loss: f64,
        /// The schedule's highest rate.
        learning_rate: f64,
    },
    /// A node that is made once more is not what its finished child read.
    #[error(
        "epoch {epoch} of node {id} came out with SHA-256 {found}, and the finished node {child} was made from one with \
         {read} (another machine, device or thread count); --again makes the node anew with everything that follows from it"
    )]
    ReadOtherwise {
        /// The node.
        id: NodeId,
        /// Its child.
        child: NodeId,
        /// The epoch.
        epoch: u32,
        /// What the child read.
        read: String,
        /// What it is now.
        found: String,
    },
    /// A parent is not what the finished child read.
    #[error(
        "node {id} was made from epoch {epoch} of node {parent} with SHA-256 {read}, and that state now has {found}; \
         --again makes the node anew with everything that follows from it"
    )]
    ParentChanged {
        /// The child.
        id: NodeId,
        /// Its parent.
        parent: NodeId,
        /// The parent's epoch.
        epoch: u32,
        /// What the child read.
        read: String,
        /// What is there now.
        found: String,
    },
    /// Another process works on the node.
    #[error("node {id} is being run by {} (lock {})", by.as_ref().map_or_else(|| "another process".to_owned(), Holder::to_string), lock.display())]
    Locked {
        /// The node.
        id: NodeId,
        /// The lock file.
        lock: PathBuf,
        /// Which one, where it is known.
        by: Option<Holder>,
    },
    /// Another machine took the node over while this one was not heard of.
    #[error("node {id} was taken over by another machine, which heard nothing of this one for {} s: it goes on there", SILENCE.as_secs())]
    TakenOver {
        /// The node.
        id: NodeId,
    },
    /// A file that is not ours, or not the recorded one.
    #[error("{path}: {detail}")]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// Pictures that changed while nodes were made of them: the folder.
    #[error("the pictures in {} changed while they were trained on: this node is not kept; the next command sees them anew", .0.display())]
    PicturesChanged(PathBuf),
    /// The data that a node names is not the data at hand.
    #[error("the data {name:?} at hand have digest {found}, the node wants {wanted}: {how}")]
    DataDiffers {
        /// Name of the data.
        name: String,
        /// Digest of what is at hand.
        found: String,
        /// Digest in the node.
        wanted: String,
        /// How one comes by them.
        how: String,
    },
    /// The data that a node names is not at hand.
    #[error("the data {name:?} are not at hand: {how}")]
    DataMissing {
        /// Name of the data.
        name: String,
        /// How one comes by them.
        how: String,
    },
    /// Two states cannot be joined.
    #[error("node {id} joins a mask of {mask} with weights of {network}, which is another network")]
    CombineDiffers {
        /// The node.
        id: NodeId,
        /// The network that the mask is of.
        mask: String,
        /// The network that the weights are of.
        network: String,
    },
    /// A suite that has not been trained whole.
    #[error(
        "{missing} of the {needed} checkpoints of suite {suite:?} are missing; run its `reproduce` or `run` to the end, or publish what there is with --unfinished"
    )]
    SuiteUnfinished {
        /// The suite.
        suite: String,
        /// How many.
        missing: usize,
        /// Of how many.
        needed: usize,
    },
    /// A suite of a recipe where one of a preset is wanted.
    #[error(
        "suite {suite:?} ({path}) is a recipe of somebody's own, not a preset's artefacts: `sculpt draw VIEW --suite {suite}` shows it"
    )]
    SuiteOfRecipe {
        /// The suite.
        suite: String,
        /// Its file.
        path: PathBuf,
    },
    /// States of a recipe that make no curves.
    #[error("{detail}")]
    Selection {
        /// Why not.
        detail: String,
    },
    /// A node whose content came from a file of its user's, and is not in the store.
    #[error(
        "node {id} is the content of a file that the store no longer holds; `sculpt run` of its recipe reads the file again"
    )]
    NotLoaded {
        /// The node.
        id: NodeId,
    },
    /// A random mask for a state that has one.
    #[error("node {id} draws a random mask for a state that has a mask; draw it from an unpruned one")]
    AlreadyMasked {
        /// The node.
        id: NodeId,
    },
    /// A score on more images than are trained on, or on none.
    #[error(
        "a score on {asked} images cannot be computed: {available} are trained on; `images` of the criterion says how many, as in \
         criterion = {{ snip = {{ images = {available} }} }}"
    )]
    ScoringImages {
        /// Images asked for.
        asked: usize,
        /// Images there are.
        available: usize,
    },
    /// A network that cannot name the classes of its data.
    #[error("node {id} trains {model} with {classes} outputs on {data}, which has {n_classes} classes")]
    TooFewClasses {
        /// The node.
        id: NodeId,
        /// Its network.
        model: String,
        /// Outputs.
        classes: i64,
        /// Key of the data.
        data: &'static str,
        /// Classes of the data.
        n_classes: u16,
    },
    /// A value of a preset or a user's recipe is out of range.
    #[error("{what} {value} {problem}")]
    BadValue {
        /// Which value.
        what: &'static str,
        /// Its text.
        value: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A field of a node is out of range, by itself or beside what the node works on.
    #[error("{field} is {value}, not {allowed}")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// Its text.
        value: String,
        /// What it may be.
        allowed: String,
    },
    /// A batch that the machine's memory cannot hold.
    #[error(
        "a batch of {batch} images of {} x {} needs {needed_gb:.1} GB for the outputs of the layers of {model} alone, \
         and {free_gb:.1} GB of memory are free: take a smaller batch",
        image[1], image[2]
    )]
    Memory {
        /// Images of a step.
        batch: u32,
        /// Channels, rows and columns of each.
        image: [u32; 3],
        /// The network.
        model: String,
        /// The least that it can be, in 10⁹ bytes.
        needed_gb: f64,
        /// What this process may still take, in 10⁹ bytes.
        free_gb: f64,
    },
    /// Unknown word for a choice.
    #[error("{what} {value:?} is unknown; allowed are {allowed}")]
    UnknownWord {
        /// Which choice.
        what: &'static str,
        /// The word given.
        value: String,
        /// The words allowed.
        allowed: String,
    },
    /// A table of metrics or timings cannot be read or written.
    #[error("{path}: {source}")]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ParquetError,
    },
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it says.
        source: std::io::Error,
    },
    /// A remote place refused.
    #[error(transparent)]
    Remote(Box<RemoteError>),
    /// A state of a remote store that could not be brought.
    #[error("the state of node {id} after epoch {epoch} could not be brought: {why}")]
    NotBrought {
        /// The node.
        id: NodeId,
        /// Epochs of it.
        epoch: u32,
        /// What stood in the way.
        why: String,
    },
    /// A node that is finished here and could not be brought to the remote store.
    #[error(
        "node {id} is finished here, in {path}, and could not be brought to the store: {source}; the same command goes on from there"
    )]
    NotPushed {
        /// The node.
        id: NodeId,
        /// Its folder.
        path: PathBuf,
        /// What stood in the way.
        source: Box<RemoteError>,
    },
    /// Another machine finished the node before, with another result.
    #[error("{source}: the store keeps that one, what was made here is set aside in {path}")]
    OtherMachine {
        /// Where the result of this machine is.
        path: PathBuf,
        /// Which file differs.
        source: Box<RemoteError>,
    },
    /// A remote store of which nobody can tell what it holds.
    #[error(
        "{location} cannot be listed, since no web server can: give suites by name (--suite) and nodes by their whole ids, or ask the store itself (s3://…)"
    )]
    NotListed {
        /// Where it is.
        location: String,
    },
    /// What is finished on a remote store stays.
    #[error(
        "{location} is a remote store, in which nothing finished is made anew; give a folder with --runs, or another prefix"
    )]
    RemoteStays {
        /// Where it is.
        location: String,
    },
    /// A checkpoint cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A lock of a store or suite that cannot be had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file that the operating system refuses.
    #[error(transparent)]
    File(#[from] FileError),
    /// The data cannot be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Pictures cannot be found or read.
    #[error(transparent)]
    Pictures(#[from] PictureError),
    /// A network that the data does not fit.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A mask cannot be made.
    #[error(transparent)]
    Mask(#[from] MaskError),
    /// A score cannot be computed.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// Signs cannot be taken or flipped.
    #[error(transparent)]
    Signs(#[from] SignsError),
    /// Labels cannot be corrupted.
    #[error(transparent)]
    LabelNoise(#[from] LabelNoiseError),
    /// A schedule cannot be made.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// Processes that do not come together, or no longer work together.
    #[error(transparent)]
    Collective(#[from] CollectiveError),
    /// A node that one of its processes cannot train.
    #[error("rank {rank} cannot train node {id}: {reason}", id = id.short())]
    Rank {
        /// The node.
        id: NodeId,
        /// The first process that cannot.
        rank: usize,
        /// Why.
        reason: String,
    },
    /// A process of a training that ended while the others went on.
    #[error(
        "{reason}; started again with all its ranks, `sculpt node {id}` goes on from what was saved last", id = id.short()
    )]
    RankLost {
        /// The node.
        id: NodeId,
        /// What they say.
        reason: String,
    },
    /// Training failed.
    #[error(transparent)]
    Train(#[from] TrainError),
}

impl From<RemoteError> for ExperimentError {
    fn from(error: RemoteError) -> Self {
        Self::Remote(Box::new(error))
    }
}
