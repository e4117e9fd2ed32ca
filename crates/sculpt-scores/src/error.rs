use crate::Criterion;
use sculpt_masks::MaskError;
use tch::{Device, Kind};
use thiserror::Error;

/// Why there are no such scores.
#[derive(Debug, Error)]
pub enum ScoreError {
    /// A word that no criterion has.
    #[error("{given:?} is no criterion, known are {}", Criterion::ALL.map(|known| known.word()).join(", "))]
    UnknownCriterion {
        /// The word.
        given: String,
    },
    /// A criterion that looks at images was given none.
    #[error("the criterion needs images and labels, and no probe was given")]
    NoProbe,
    /// A vector, or a mask, is not of the network's layout.
    #[error("{what} has shape {found:?} where the network has [{expected}]")]
    Length {
        /// Which vector.
        what: &'static str,
        /// Its shape.
        found: Vec<i64>,
        /// The layout's length.
        expected: usize,
    },
    /// A vector of numbers that no gradient is taken in.
    #[error("{what} is of kind {found:?}, not {expected}")]
    Kind {
        /// Which vector.
        what: &'static str,
        /// Its kind.
        found: Kind,
        /// What it may be.
        expected: &'static str,
    },
    /// A tensor lies on another device than θ.
    #[error("{what} lies on {found:?}, θ on {expected:?}")]
    OtherDevice {
        /// Which tensor.
        what: &'static str,
        /// Its device.
        found: Device,
        /// That of θ.
        expected: Device,
    },
    /// An infinite or undefined number among the weights.
    #[error("entry {index} of {tensor} is {value}, not a finite number")]
    NonFiniteWeight {
        /// The tensor.
        tensor: String,
        /// Place in it, row-major.
        index: usize,
        /// What stands there.
        value: f64,
    },
    /// A pruned weight is not `+0.0`.
    #[error("entry {index} of {tensor} is pruned but holds {value:e}, not +0.0")]
    PrunedNotZero {
        /// The tensor.
        tensor: String,
        /// Place in it, row-major.
        index: usize,
        /// What it holds.
        value: f64,
    },
    /// A probe without images.
    #[error("a probe needs at least one image")]
    NoImages,
    /// Labels that are not one class for each image.
    #[error("batch {batch} has labels of shape {labels:?} and kind {kind:?} for images of shape {images:?}")]
    Labels {
        /// Number of the batch, from 0.
        batch: usize,
        /// Shape of its labels; should be `[n]`.
        labels: Vec<i64>,
        /// Their kind; should be `Int64`.
        kind: Kind,
        /// Shape of its images; should be `[n, …]`, n at least 1.
        images: Vec<i64>,
    },
    /// A label that is no class.
    #[error("batch {batch} has label {label}, and the network {classes} classes")]
    Label {
        /// Number of the batch, from 0.
        batch: usize,
        /// The label.
        label: i64,
        /// Number of classes; they count from 0.
        classes: i64,
    },
    /// The network did not answer with one row of logits for each image.
    #[error("the network made logits of shape {found:?} from {n_images} images")]
    Logits {
        /// Their shape.
        found: Vec<i64>,
        /// Number of images.
        n_images: i64,
    },
    /// The network's answer does not depend on θ by a graph.
    #[error("the logits have no gradient with respect to θ")]
    NoGradient,
    /// A parameter of a criterion outside its range.
    #[error("{what} {value} is not a finite number above 0")]
    NotPositive {
        /// Which one.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// More iterations than anybody waits for.
    #[error("iterations is {value}, not in 1..={max}")]
    Iterations {
        /// What was asked for.
        value: u32,
        /// The most.
        max: u32,
    },
    /// A block of the Fisher matrix without weights, or too large to invert.
    #[error("block_size {value} is not in 1..={max}")]
    BlockSize {
        /// Weights in a block.
        value: usize,
        /// The most.
        max: usize,
    },
    /// Images that are not channels, rows and columns.
    #[error("images of shape {shape:?} are not [n, channels, height, width]")]
    NotPictures {
        /// Their shape.
        shape: Vec<i64>,
    },
    /// An image size that no image has.
    #[error("image size {size:?} has a dimension below 1")]
    ImageSize {
        /// Channels, height, width.
        size: [i64; 3],
    },
    /// A score that overflowed, or has no value.
    #[error("the {criterion} score of entry {index} of {tensor} is {value}")]
    NonFiniteScore {
        /// The criterion.
        criterion: &'static str,
        /// The tensor.
        tensor: String,
        /// Place in it, row-major.
        index: usize,
        /// The score.
        value: f64,
    },
    /// A block of the Fisher matrix without an inverse.
    #[error(
        "the Fisher matrix of entries {start}.. of {tensor} has no inverse: its gradients are not finite, or the damping {damping:e} is lost beside them"
    )]
    NoInverse {
        /// The tensor.
        tensor: String,
        /// First entry of the block, row-major.
        start: usize,
        /// The damping λ.
        damping: f64,
    },
    /// There is no such mask.
    #[error(transparent)]
    Mask(#[from] MaskError),
}

impl ScoreError {
    /// Refuses a number that is not finite and above 0.
    pub(crate) fn check_positive(what: &'static str, value: f64) -> Result<(), Self> {
        if value > 0.0 && value.is_finite() {
            return Ok(());
        }
        Err(Self::NotPositive { what, value })
    }
}
