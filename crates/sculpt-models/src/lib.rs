#![doc = include_str!("../README.md")]

mod convolution;
mod error;
mod families;
mod flops;
mod init;
mod plan;
mod planned;
mod spec;

pub use convolution::conv2d;
pub use error::ModelError;
pub use families::{Shortcut, known_models};
pub use flops::training_flops;
pub use init::{InitRule, initialise};
pub use planned::Precision;
pub use spec::ModelSpec;
