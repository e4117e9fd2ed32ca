use crate::error::refused;
use crate::tars::Tars;
use crate::{Lying, Pack, Part, PictureError};
use rayon::prelude::*;
use sculpt_store::canonical::hex;
use sculpt_store::paths;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// Digest of a set of pictures: SHA-256 of the text that has one line for each, sorted by path, part by part:
///
/// ```text
/// <SHA-256 of the file>  <bytes>  <path, such as train/n01440764/n01440764_18.JPEG>
/// ```
///
/// The class is in the path, and no class is without pictures, so labels are covered. It is of the files as their owners
/// gave them out: it can be computed in one pass over them, a file at a time, and neither a decoder of pictures nor a way
/// of packing them changes it, as they would change a digest of decoded pixels or of an archive.
#[derive(Clone, Debug, Default)]
pub struct PictureDigest {
    text: Sha256,
    last: Option<String>,
}

impl PictureDigest {
    /// Of no picture.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next picture in; `path` has `/` between its parts.
    ///
    /// # Errors
    /// A path that does not come after the last one, or that has a line's end in it.
    pub fn add(&mut self, path: &str, n_bytes: u64, sha256: &str) -> Result<(), PictureError> {
        check_name(path)?;
        // Part by part: as a walk through sorted folders comes by.
        if self
            .last
            .as_deref()
            .is_some_and(|last| last.split('/').ge(path.split('/')))
        {
            return Err(PictureError::layout(
                path,
                "it does not come after the picture before it",
            ));
        }
        self.text.update(format!("{sha256}  {n_bytes}  {path}\n"));
        self.last = Some(path.to_owned());
        Ok(())
    }

    /// The digest, lower-case hexadecimal.
    pub fn finish(self) -> String {
        hex(&self.text.finalize())
    }
}

/// The [`PictureDigest`] of the pictures in a folder, however they lie. A pack that keeps the files as they were has that of
/// the files that it was made of; another one has the digest that stands in it: see [`Pack`]. Files are read on all
/// threads of rayon's pool; `progress` is told after some how many were.
///
/// # Errors
/// As [`open`](crate::open); what the file system refuses.
pub fn pictures_digest(folder: &Path, progress: &mut dyn FnMut(usize)) -> Result<String, PictureError> {
    if let Lying::Packed = Lying::of(folder)? {
        return Ok(Pack::open(folder)?.digest().to_owned());
    }
    let (mut digest, mut n_read) = (PictureDigest::new(), 0);
    for part in Part::ALL {
        let pictures = crate::open(folder, part)?;
        for chunk in chunks(pictures.len()) {
            let lines: Vec<_> = chunk
                .clone()
                .into_par_iter()
                .map_init(Vec::new, |bytes, i| {
                    pictures.read(i, bytes)?;
                    let sha256 = hex(&Sha256::digest(bytes.as_slice()));
                    Ok((pictures.name(i)?, bytes.len() as u64, sha256))
                })
                .collect::<Result<_, PictureError>>()?;
            for (path, n_bytes, sha256) in lines {
                digest.add(&path, n_bytes, &sha256)?;
            }
            n_read += chunk.len();
            progress(n_read);
        }
    }
    Ok(digest.finish())
}

/// What tells, without reading the pictures in a folder, that they are those that were read before: SHA-256 over the path,
/// length and time of change of every file that they lie in.
///
/// # Errors
/// As [`pictures_digest`].
pub fn pictures_stamp(folder: &Path) -> Result<String, PictureError> {
    let mut stamp = Sha256::new();
    let line = |path: &Path| -> Result<String, PictureError> {
        let found = fs::metadata(path).map_err(refused(path, "read"))?;
        let changed = found.modified().map_err(refused(path, "read"))?;
        let since = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(format!(
            "{} {} {}\n",
            found.len(),
            since.as_nanos(),
            path.display()
        ))
    };
    match Lying::of(folder)? {
        Lying::Packed => stamp.update(line(&paths::pack_index(folder))?),
        Lying::Tars => {
            for path in Tars::paths(folder) {
                stamp.update(line(&path)?);
            }
        }
        Lying::Folders => {
            for part in Part::ALL {
                let pictures = crate::open(folder, part)?;
                for chunk in chunks(pictures.len()) {
                    let one = |i: usize| line(&folder.join(pictures.name(i)?));
                    let lines: Vec<_> = chunk.into_par_iter().map(one).collect::<Result<_, _>>()?;
                    stamp.update(lines.concat());
                }
            }
        }
    }
    Ok(hex(&stamp.finalize()))
}

/// A name that can stand in a line.
pub(crate) fn check_name(path: &str) -> Result<(), PictureError> {
    if path.contains(['\n', '\r']) {
        return Err(PictureError::layout(path, "it has a line's end in its name"));
    }
    Ok(())
}

/// Places of `n` pictures, some hundred at a time: that many lines are held together.
pub(crate) fn chunks(n: usize) -> impl Iterator<Item = Range<usize>> {
    const CHUNK: usize = 512;
    (0..n)
        .step_by(CHUNK)
        .map(move |start| start..(start + CHUNK).min(n))
}
