#![doc = include_str!("../README.md")]

mod archive;
mod checkpoint;
mod error;
mod foreign;
#[cfg(test)]
mod hand_made;
mod header;
mod mask_file;
mod meta;
mod parts;
mod published;
mod state;
mod tensors;
pub mod verify;

pub use checkpoint::{checkpoint_bytes, read_checkpoint, read_meta, write_checkpoint};
pub use error::{CheckpointError, Fault, FaultKind};
pub use foreign::{read_weights, write_state_dict};
pub use mask_file::{read_mask, write_mask};
pub use meta::Meta;
pub use published::{read_published, write_published};
pub use state::{State, Weights};
pub use tensors::{TensorData, Tensors, read_tensors, tensors_bytes, write_tensors};
