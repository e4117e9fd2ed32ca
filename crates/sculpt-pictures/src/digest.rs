use crate::{Part, PictureError, Pictures};
use sculpt_store::canonical::hex;
use sha2::{Digest as _, Sha256};

/// Digest of a set of pictures: SHA-256 of the text that has one line for each, sorted by path, part by part:
///
/// ```text
/// <SHA-256 of the file>  <bytes>  <path, such as train/n01440764/n01440764_18.JPEG>
/// ```
///
/// The class is in the path, so labels are covered. It is of the files as their owners gave them out: it can be computed
/// in one pass over them, a file at a time, and neither a decoder of pictures nor a way of packing them changes it, as
/// they would change a digest of decoded pixels or of an archive.
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
        let refused = |problem: &str| PictureError::layout(path, problem);
        if path.contains(['\n', '\r']) {
            return Err(refused("it has a line's end in its name"));
        }
        // Part by part: as a walk through sorted folders comes by.
        if self
            .last
            .as_deref()
            .is_some_and(|last| last.split('/').ge(path.split('/')))
        {
            return Err(refused("it does not come after the picture before it"));
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
/// the files that it was made of; another one has the digest that stands in it: see [`Pack`](crate::Pack).
///
/// # Errors
/// As [`open`](crate::open); what the file system refuses.
pub fn pictures_digest(folder: &std::path::Path) -> Result<String, PictureError> {
    if let crate::Lying::Packed = crate::Lying::of(folder)? {
        return Ok(crate::Pack::open(folder)?.digest().to_owned());
    }
    let mut digest = PictureDigest::new();
    for part in Part::ALL {
        digest_of(&*crate::open(folder, part)?, &mut digest)?;
    }
    Ok(digest.finish())
}

fn digest_of(pictures: &dyn Pictures, digest: &mut PictureDigest) -> Result<(), PictureError> {
    let mut bytes = Vec::new();
    for i in 0..pictures.len() {
        pictures.read(i, &mut bytes)?;
        digest.add(
            &pictures.name(i)?,
            bytes.len() as u64,
            &hex(&Sha256::digest(&bytes)),
        )?;
    }
    Ok(())
}
