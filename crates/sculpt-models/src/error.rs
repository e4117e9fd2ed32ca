use thiserror::Error;

/// Why a model description is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ModelError {
    /// The name is none of ours.
    #[error(
        "model {name:?} is unknown; known are resnet20, resnet8 (and every resnet of depth 6n+2 up to 1202), \
         resnet18-cifar, resnet50-cifar, resnet18, resnet50"
    )]
    UnknownName {
        /// The name given.
        name: String,
    },
    /// The depth is not one of the architecture's.
    #[error("depth {depth} is not one of this architecture's ({allowed})")]
    BadDepth {
        /// The depth given.
        depth: u32,
        /// What it may be.
        allowed: &'static str,
    },
    /// A width or class count outside its range.
    #[error("{what} {value} is not in 1..={max}")]
    OutOfRange {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: u32,
        /// The largest allowed.
        max: u32,
    },
    /// A shortcut kind was given for a model that has only one.
    #[error("--shortcut applies to the CIFAR family (resnet20, resnet8, …), not to {name}")]
    ShortcutNotApplicable {
        /// The model.
        name: String,
    },
    /// Unknown word for a choice.
    #[error("{what} {value:?} is unknown; allowed are {allowed}")]
    UnknownWord {
        /// Which choice.
        what: &'static str,
        /// The word given.
        value: String,
        /// The words allowed.
        allowed: &'static str,
    },
}
