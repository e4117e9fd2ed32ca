#![doc = include_str!("../README.md")]

mod classes;
mod crew;
mod decode;
mod devkit;
mod digest;
mod error;
mod folder;
mod jpeg;
mod loader;
mod names;
pub mod pack;
mod png;
mod raw;
mod region;
mod resize;
mod section;
mod source;
mod tars;
mod transform;

pub use classes::{ClassList, Classes};
pub use decode::{Decoder, MOST_PIXELS, Size};
pub use digest::{PictureDigest, pictures_digest, pictures_stamp};
pub use error::{DecodeError, PictureError};
pub use loader::{Batch, Loader, Loading, Reading, Sequence};
pub use pack::{
    Codec, LeftOut, Pack, PackParameters, PackPart, Packing, PackingProgress, Quality, ShortSide,
};
pub use region::Region;
pub use source::{Lying, Part, Pictures, Relabelled, Subset, open};
pub use transform::{Transform, Transformer, order, resized_crop};

/// The seed of order, crops and mirror images.
pub use sculpt_random::Seed;

/// Whether JPEG is decoded by the half of the library that is written in assembler, which is about half again as fast. It is built
/// where there is a `nasm` when mozjpeg-sys is compiled.
pub fn decodes_fast() -> bool {
    jpeg::is_fast()
}
