use crate::NetworkFault;
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
    /// A description that lacks a field, or has one too many.
    #[error(
        "a network is described by `architecture`, `width` and `classes`, or by `network`, and by nothing else"
    )]
    Fields,
    /// An exported network that cannot be used.
    #[error("{network} {fault}")]
    Network {
        /// Its file, or its title and SHA-256.
        network: String,
        /// What is wrong with it.
        fault: NetworkFault,
    },
    /// Images of other than three channels.
    #[error("{name} takes images of 3 channels, not of {channels}")]
    Channels {
        /// The model.
        name: String,
        /// Channels asked for.
        channels: u32,
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
