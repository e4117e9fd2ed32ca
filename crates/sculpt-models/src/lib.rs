#![doc = include_str!("../README.md")]

mod convolution;
mod error;
mod exported;
mod families;
mod flops;
mod init;
mod plan;
mod planned;
mod spec;

pub use convolution::conv2d;
pub use error::ModelError;
pub use exported::NetworkFault;
pub use families::{Shortcut, known_models};
pub use flops::training_flops;
pub use init::{InitRule, initialise};
pub use planned::{Bf16Units, ConvolutionWork, JointNorm, Precision, has_amx, has_bf16};
pub use spec::ModelSpec;
// What a caller needs who has nothing else of ours.
pub use sculpt_layout::Layout;
pub use sculpt_network::{Mode, Network};
pub use sculpt_random::Seed;
