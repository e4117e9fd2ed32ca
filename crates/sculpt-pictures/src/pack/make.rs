//! From a picture to its record.

use super::index::{Codec, PackParameters, ShortSide};
use super::shard::{NO_LABEL, RECORD_HEADER};
use super::write::Packing;
use crate::resize::{Scaler, Window};
use crate::source::parts;
use crate::transform::with_shorter_side;
use crate::{DecodeError, Decoder, Lying, PictureError, Pictures, Region, Size, jpeg, open, raw};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use sha2::{Digest as _, Sha256};
use std::io;
use std::path::Path;

/// A record, ready to be written.
pub(super) struct Made {
    pub(super) label: u16,
    pub(super) name: String,
    pub(super) source_sha256: [u8; 32],
    pub(super) source_bytes: u64,
    pub(super) is_whole: bool,
    pub(super) record: Vec<u8>,
}

/// Makes the record of every picture in `source` as [`pack`](super::pack) does, on as many threads, and keeps none: all of packing but
/// its order and its files, so the most that it could reach. Bytes of all records.
///
/// # Errors
/// As [`pack`](super::pack), but for its own folder; pictures that nobody can read are records too, and no error.
pub fn make_and_forget(source: &Path, packing: Packing) -> Result<u64, PictureError> {
    let pool = pool(packing.workers)?;
    let mut bytes = 0;
    for part in parts(source, Lying::of(source)?) {
        let pictures = open(source, part)?;
        let made: Result<u64, PictureError> = pool.install(|| {
            let places = (0..pictures.len()).into_par_iter().with_max_len(MOST_AT_ONCE);
            let make = |maker: &mut Maker, i| maker.make(&*pictures, i, packing.parameters.canonical());
            let made = places.map_init(Maker::default, make);
            made.map(|made| Ok(made?.record.len() as u64)).sum()
        });
        bytes += made?;
    }
    Ok(bytes)
}

/// Pictures that a thread takes at a time, so that the last are shared out.
const MOST_AT_ONCE: usize = 8;

/// Threads that make records.
pub(super) fn pool(workers: usize) -> Result<ThreadPool, PictureError> {
    let pool = ThreadPoolBuilder::new().num_threads(workers.max(1)).build();
    pool.map_err(|refused| PictureError::Threads {
        refused: io::Error::other(refused),
    })
}

/// Makes records, on one thread.
#[derive(Default)]
pub(super) struct Maker {
    decoder: Decoder,
    scaler: Scaler,
    source: Vec<u8>,
    pixels: Vec<u8>,
    scaled: Vec<u8>,
    payload: Vec<u8>,
}

impl Maker {
    pub(super) fn make(
        &mut self,
        pictures: &dyn Pictures,
        i: usize,
        parameters: PackParameters,
    ) -> Result<Made, PictureError> {
        let name = pictures.name(i)?;
        let too_long = || PictureError::layout(&name, "it or its name is too long for a pack");
        let name_bytes = u16::try_from(name.len()).map_err(|_| too_long())?;
        pictures.read(i, &mut self.source)?;
        let source_sha256: [u8; 32] = Sha256::digest(&self.source).into();
        let (label, is_whole) = match self.packed(parameters) {
            Ok(is_whole) => (pictures.label(i), is_whole),
            Err(problem) => {
                self.payload.clear();
                self.payload.extend_from_slice(problem.to_string().as_bytes());
                (NO_LABEL, false)
            }
        };
        let source_bytes = self.source.len() as u64;
        let mut record = Vec::with_capacity(RECORD_HEADER + usize::from(name_bytes) + self.payload.len());
        record.extend_from_slice(&source_sha256);
        record.extend_from_slice(&source_bytes.to_le_bytes());
        record.extend_from_slice(name.as_bytes());
        record.extend_from_slice(&self.payload);
        u32::try_from(record.len()).map_err(|_| too_long())?;
        Ok(Made {
            label,
            name,
            source_sha256,
            source_bytes,
            is_whole,
            record,
        })
    }

    /// Makes the payload of the source; whether they are the same.
    fn packed(&mut self, parameters: PackParameters) -> Result<bool, DecodeError> {
        let whole = |size: Size| Region::whole(size.width, size.height);
        let size = self.decoder.decode(&self.source, whole, &mut self.pixels)?.size();
        let target = match parameters.side {
            ShortSide::Pixels(side) if size.width.min(size.height) > side => with_shorter_side(size, side),
            ShortSide::Pixels(_) | ShortSide::Full => size,
        };
        let is_kept =
            parameters.codec == Codec::Jpeg && target == size && self.decoder.is_plain_jpeg(&self.source);
        if is_kept {
            self.payload.clone_from(&self.source);
            return Ok(true);
        }
        let pixels = if target == size {
            &self.pixels
        } else {
            self.scaled
                .resize(3 * target.width as usize * target.height as usize, 0);
            self.scaler
                .resize(&self.pixels, size, Window::whole(size), target, &mut self.scaled);
            &self.scaled
        };
        match parameters.codec {
            Codec::Raw => raw::encode(pixels, target, &mut self.payload),
            Codec::Jpeg => {
                let quality = parameters.quality.into();
                let encoded = jpeg::encode(pixels, target.width, target.height, quality, &mut self.payload);
                encoded.map_err(|refused| DecodeError::Damaged {
                    form: "JPEG",
                    detail: format!("it cannot be encoded: {refused:?}"),
                })?;
            }
        }
        Ok(false)
    }
}
