use sculpt_lanczos::LanczosError;
use tch::{Device, Kind};
use thiserror::Error;

/// Why a loss has no Hessian that could be computed.
#[derive(Debug, Error, PartialEq)]
pub enum HessianError {
    /// A vector has not the length that goes with the others.
    #[error("{what} has {found} entries, not {expected}")]
    Length {
        /// Which vector.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length that the layout or the number of images asks for.
        expected: usize,
    },
    /// A vector comes as a matrix, say.
    #[error("{what} has shape {found:?}, which is not flat")]
    NotFlat {
        /// Which vector.
        what: &'static str,
        /// Its shape.
        found: Vec<i64>,
    },
    /// The numbers of `θ` are neither f32 nor f64.
    #[error("θ holds {found:?}, not Float or Double")]
    ThetaKind {
        /// What it holds.
        found: Kind,
    },
    /// A tensor holds other numbers than it should.
    #[error("{what} holds {found:?}, not {expected:?}")]
    Kind {
        /// Which tensor.
        what: &'static str,
        /// What it holds.
        found: Kind,
        /// The kind of `θ`, or Int64 for labels.
        expected: Kind,
    },
    /// A tensor lies on another device than `θ`.
    #[error("{what} is on {found:?}, θ is on {expected:?}")]
    Device {
        /// Which tensor.
        what: &'static str,
        /// Where it is.
        found: Device,
        /// Where `θ` is.
        expected: Device,
    },
    /// A mean over no images.
    #[error("the probe holds no image")]
    NoImages,
    /// Micro-batches without images.
    #[error("micro-batches of 0 images")]
    NoMicroBatch,
    /// The network's answer is not one row of logits for each image.
    #[error("the network answers one image by a tensor of shape {found:?}, not [1, classes]")]
    LogitsShape {
        /// Its shape for one image.
        found: Vec<i64>,
    },
    /// A label that no logit belongs to.
    #[error("label {label} of image {index} is not in 0..{classes}")]
    Label {
        /// Place in the probe.
        index: usize,
        /// The label.
        label: i64,
        /// Number of logits.
        classes: i64,
    },
    /// The loss is infinite or no number at this point.
    #[error("the loss is {loss}: there is no Hessian here")]
    LossNotFinite {
        /// Its value.
        loss: f64,
    },
    /// A finite difference over no distance.
    #[error("finite-difference step {step} is not positive and finite")]
    Step {
        /// Its length.
        step: f64,
    },
    /// The Lanczos run cannot start or go on.
    #[error(transparent)]
    Lanczos(#[from] LanczosError),
}
