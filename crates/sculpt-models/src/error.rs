use thiserror::Error;

/// Why a model description is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ModelError {
    /// The name is none of ours.
    #[error("model {name:?} is unknown; known are {}", crate::known_models())]
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
    /// An image of which nothing is left on the way through the network.
    #[error("{name} halves images so often that nothing is left of {height} x {width} pixels")]
    ImageTooSmall {
        /// The model.
        name: String,
        /// Rows of the image.
        height: u32,
        /// Columns of the image.
        width: u32,
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
