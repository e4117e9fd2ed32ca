use sculpt_layout::LayoutError;
use tch::Kind;
use thiserror::Error;

/// What is wrong with an exported network.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NetworkFault {
    /// The file system refuses.
    #[error("cannot be read: {reason}")]
    Unreadable {
        /// Why.
        reason: String,
    },
    /// More than a network without its weights can have.
    #[error("has {what} of {bytes} bytes, {max} are allowed")]
    TooLarge {
        /// Which part of it.
        what: String,
        /// Its bytes.
        bytes: u64,
        /// The most.
        max: u64,
    },
    /// A file that `export_network.py` did not make.
    #[error("is no network of python/export_network.py: {reason}")]
    NotExported {
        /// What is missing.
        reason: String,
    },
    /// A file of another version of `export_network.py`.
    #[error(
        "is of format {found}, this program reads format {read}; export the network with this version's export_network.py"
    )]
    Format {
        /// What the file says.
        found: String,
        /// The one that is read.
        read: u32,
    },
    /// A program that does what no recording does.
    #[error("holds a program with {word:?}, which {does}; python/export_network.py writes none")]
    Forbidden {
        /// What it says.
        word: String,
        /// What that does.
        does: &'static str,
    },
    /// A program that has other parameters than are described.
    #[error("holds a program that takes {what} as {found}, where {expected} is described")]
    OtherParts {
        /// The vector, or a parameter of it.
        what: String,
        /// What the program says.
        found: String,
        /// What the description says.
        expected: String,
    },
    /// A value of the description.
    #[error("describes no network: {what} is {value}, not {allowed}")]
    Value {
        /// Whose value.
        what: String,
        /// The value.
        value: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// Tensors that make no layout.
    #[error("describes no network: {0}")]
    Layout(#[from] LayoutError),
    /// Another file than was described.
    #[error("has a file with SHA-256 {found}, and {recorded} is recorded")]
    OtherContent {
        /// The file's.
        found: String,
        /// The recorded one.
        recorded: String,
    },
    /// A description that was changed.
    #[error("is recorded with another description than its file has")]
    OtherDescription,
    /// Nobody gave the file.
    #[error("is known by its description alone: --network FILE brings its program")]
    NoProgram,
    /// There is no such program in other precisions.
    #[error("computes in f32 alone, not in bf16: precision \"f32\" is for it")]
    Precision,
    /// libtorch cannot load or run the program.
    #[error("fails to {doing}: {reason}")]
    Failed {
        /// What: to load, or a method.
        doing: &'static str,
        /// What libtorch says.
        reason: String,
    },
    /// A program that answers something else.
    #[error("answers {method} with something else than (logits, buffers)")]
    NoLogits {
        /// The method.
        method: &'static str,
    },
    /// A program that does not do what is described.
    #[error(
        "answers {method} with a tensor {found:?} of {found_kind:?} where {expected:?} of {kind:?} is described"
    )]
    Answer {
        /// The method.
        method: &'static str,
        /// Shape of the answer.
        found: Vec<i64>,
        /// Its kind.
        found_kind: Kind,
        /// The shape described.
        expected: Vec<i64>,
        /// The kind of what was put in.
        kind: Kind,
    },
    /// A program that answers one question in two ways.
    #[error("answers {method} in two ways when it is asked twice")]
    Unrepeatable {
        /// The method.
        method: &'static str,
    },
    /// A program that writes into what it is given.
    #[error("changes its {what} in {method}")]
    Changes {
        /// The method.
        method: &'static str,
        /// Parameters, running statistics or images.
        what: &'static str,
    },
    /// A program that does not end in time.
    #[error("takes more than {seconds} seconds to answer for an image or two in each mode")]
    TooSlow {
        /// How long was waited.
        seconds: u64,
    },
    /// A network that is to normalise over images that other processes have.
    #[error(
        "normalises by itself, and cannot over the images of several processes; `batch_norm = {{ groups = N, statistics = \"rank-0\" }}` of \
         a Train node gives each its own statistics"
    )]
    OwnNorm,
    /// An image of another size than the network was exported for.
    #[error(
        "takes images of {expected:?} (channels, rows, columns), not of {found:?}: it was exported for these"
    )]
    ImageSize {
        /// What it takes.
        expected: [u32; 3],
        /// What was asked.
        found: [u32; 3],
    },
}
