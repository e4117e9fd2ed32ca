#![doc = include_str!("../README.md")]

mod error;
mod init;
mod resnet;
mod spec;

pub use error::ModelError;
pub use init::{InitRule, initialise};
pub use resnet::{Precision, ResNet};
pub use spec::{Architecture, ModelSpec, Shortcut, Stem};
