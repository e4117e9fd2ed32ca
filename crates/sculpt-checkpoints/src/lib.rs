#![doc = include_str!("../README.md")]

mod any_network;
mod archive;
mod checkpoint;
mod dialects;
mod error;
mod fault_kind;
mod foreign;
mod form;
#[cfg(test)]
mod hand_made;
mod header;
mod listing;
mod mask_file;
mod meta;
mod names;
mod parts;
mod pickle;
mod published;
mod size;
mod state;
mod state_dict;
mod tensors;
mod torch_file;
mod torch_write;
pub mod verify;

pub use any_network::{read_any_weights, read_layout};
pub use checkpoint::{checkpoint_bytes, read_checkpoint, read_meta, write_checkpoint};
pub use dialects::{DIALECTS, Dialect};
pub use error::{CheckpointError, Fault};
pub use fault_kind::FaultKind;
pub use foreign::{read_weights, read_weights_and_form};
pub use form::{Form, MaskForm, Misfit};
pub use listing::Listing;
pub use mask_file::{read_mask, write_mask};
pub use meta::Meta;
pub use published::{read_published, write_published};
pub use state::{State, Weights};
pub use state_dict::{write_state_dict, write_state_dict_as};
pub use tensors::{TensorData, Tensors, read_tensors, tensors_bytes, write_tensors};
// What a caller needs who has nothing else of ours.
pub use sculpt_layout::{Layout, LayoutBuilder, LayoutError, ParamKind};
pub use sculpt_masks::{Density, Mask, MaskError, magnitude};
