#![doc = include_str!("../README.md")]

mod convolution;
mod error;
mod init;
mod resnet;
mod spec;

pub use convolution::conv2d;
pub use error::ModelError;
pub use init::{InitRule, initialise};
pub use resnet::{Precision, ResNet};
pub use spec::{Architecture, ModelSpec, Shortcut, Stem};
