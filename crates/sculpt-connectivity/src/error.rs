use crate::BatchNormRule;
use tch::{Device, Kind};
use thiserror::Error;

/// Why there is no such curve.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ConnectivityError {
    /// Too few points for a line.
    #[error("a line takes at least 2 points, its ends, not {points}")]
    Points {
        /// The number of points asked for.
        points: usize,
    },
    /// A name that no BatchNorm rule has.
    #[error(
        "BatchNorm rule {given:?} is not one of {}",
        BatchNormRule::ALL.map(BatchNormRule::name).join(", ")
    )]
    UnknownRule {
        /// The name.
        given: String,
    },
    /// Statistics are to be estimated anew, from nothing.
    #[error("the BatchNorm rule recalibrate needs a calibration set")]
    NoCalibrationSet,
    /// A vector that is not as long as the network's.
    #[error("{what} has shape {found:?} where the network has [{expected}]")]
    Shape {
        /// Which vector.
        what: &'static str,
        /// Its shape.
        found: Vec<i64>,
        /// The layout's length.
        expected: usize,
    },
    /// A batch of an example set that cannot be had.
    #[error("examples cannot be had: {because}")]
    NoBatch {
        /// What their source says.
        because: String,
    },
    /// Vectors of other numbers than f32 or f64, or of both.
    #[error("θ is {theta:?} and the buffer vector {buffers:?}: both must be Float, or both Double")]
    Kinds {
        /// Kind of `θ`.
        theta: Kind,
        /// Kind of the buffer vector.
        buffers: Kind,
    },
    /// `θ` and buffers, or two ends, on different devices.
    #[error("{what} is on {found:?}, what it goes with on {expected:?}")]
    Device {
        /// Which vector.
        what: &'static str,
        /// Its device.
        found: Device,
        /// The device of the vector that it goes with.
        expected: Device,
    },
    /// The ends are of different kinds.
    #[error("end b is {b:?}, end a {a:?}")]
    EndKinds {
        /// Kind of end a.
        a: Kind,
        /// Kind of end b.
        b: Kind,
    },
    /// A weight or a statistic that is NaN or infinite.
    #[error("{tensor} holds {value} at {index}")]
    NotFinite {
        /// `state_dict` name.
        tensor: String,
        /// Place in the tensor, row-major.
        index: usize,
        /// What it holds.
        value: f64,
    },
    /// A set without images.
    #[error("evaluation set {set} has no images")]
    EmptySet {
        /// Which set, from 0.
        set: usize,
    },
    /// A calibration set without batches.
    #[error("the calibration set has no batches")]
    EmptyCalibrationSet,
    /// Labels that are not one class number for each image.
    #[error("evaluation set {set} has labels {kind:?} {shape:?} for {images} images, not Int64 [{images}]")]
    Labels {
        /// Which set, from 0.
        set: usize,
        /// Kind of the labels.
        kind: Kind,
        /// Shape of the labels.
        shape: Vec<i64>,
        /// Images in the batch.
        images: i64,
    },
    /// A label that is none of the network's classes.
    #[error("evaluation set {set} has label {label}, the network's classes are 0 to {}", classes - 1)]
    Label {
        /// Which set, from 0.
        set: usize,
        /// The label.
        label: i64,
        /// Number of the network's classes.
        classes: i64,
    },
    /// A re-estimated statistic that is NaN or infinite.
    #[error(
        "recalibrated at alpha {alpha}, {tensor} is {value}: the activations overflow, or a batch has one value a channel"
    )]
    Statistics {
        /// Place on the line.
        alpha: f64,
        /// `state_dict` name of the statistic.
        tensor: String,
        /// Its value.
        value: f64,
    },
    /// A loss that is NaN or infinite.
    #[error("the loss on evaluation set {set} at alpha {alpha} is {loss}: the network overflows there")]
    Loss {
        /// Which set, from 0.
        set: usize,
        /// Place on the line.
        alpha: f64,
        /// The mean cross-entropy.
        loss: f64,
    },
}
