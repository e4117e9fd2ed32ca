//! What an earlier run left in the folder of a pack.

use super::index::{Begun, Index};
use super::write::PackingProgress;
use crate::error::refused;
use crate::{Part, PictureError};
use sculpt_store::digest::Mismatch;
use sculpt_store::{atomic, paths, read, sealed};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Marks the folder as a half-made pack of this kind, or finds that it is one; `true` where it is a whole one. One of which a shard
/// is missing, or is not the recorded one byte for byte, becomes a half-made one: what is in order of it is taken over, the rest removed.
pub(super) fn begin(
    out: &Path,
    begun: &Begun,
    listing: &str,
    n: usize,
    progress: &mut dyn FnMut(&PackingProgress) -> ControlFlow<()>,
) -> Result<bool, PictureError> {
    let other = |what: &str| {
        let problem = format!(
            "{what} of other pictures (their names and lengths tell) or with other parameters: remove it, or give another \
             folder"
        );
        PictureError::pack(out, problem)
    };
    if paths::pack_index(out).is_file() {
        let index = Index::read(out)?;
        if index.parameters != begun.parameters || index.listing != listing {
            return Err(other("it holds a pack"));
        }
        let damaged = damaged_shards(out, &index, n, progress)?;
        if damaged.is_empty() {
            return Ok(true);
        }
        // One of another pack, whole by itself, would be taken for what an earlier run had packed. As long as they are being
        // removed the index stands, which tells that they are missing.
        for path in damaged.iter().filter(|path| path.symlink_metadata().is_ok()) {
            fs::remove_file(path).map_err(refused(path, "remove"))?;
        }
        let path = paths::pack_index(out);
        write_sealed(&paths::pack_begun(out), begun)?;
        fs::remove_file(&path).map_err(refused(&path, "remove"))?;
        return Ok(false);
    }
    let marker = paths::pack_begun(out);
    if marker.is_file() {
        let bytes = read(&marker).map_err(refused(&marker, "read"))?;
        let found: Result<(Begun, bool), _> = sealed::open(&bytes);
        let (found, _) = found.map_err(|error| PictureError::pack(&marker, error.to_string()))?;
        return if found == *begun {
            Ok(false)
        } else {
            Err(other("it holds a half-made pack"))
        };
    }
    let has_shards = Part::ALL
        .iter()
        .any(|part| paths::pack_shard(out, part.word(), 0).exists());
    if has_shards {
        return Err(PictureError::pack(
            out,
            "it holds shards of a pack that has lost its index: remove them",
        ));
    }
    write_sealed(&marker, begun)?;
    Ok(false)
}

/// The shards of a whole pack that are not what its index records.
fn damaged_shards(
    out: &Path,
    index: &Index,
    n: usize,
    progress: &mut dyn FnMut(&PackingProgress) -> ControlFlow<()>,
) -> Result<Vec<PathBuf>, PictureError> {
    let mut damaged = Vec::new();
    let mut so_far = PackingProgress {
        done: 0,
        n,
        found: 0,
        bytes: 0,
    };
    for part in Part::ALL {
        for (number, entry) in index.shards(part).iter().enumerate() {
            let path = paths::pack_shard(out, part.word(), number);
            match entry.file.check(&path) {
                Ok(()) => {}
                // A disk that does not answer says nothing of what is on it.
                Err(Mismatch::File(error)) if path.is_file() => return Err(error.into()),
                Err(_) => damaged.push(path),
            }
            so_far.done += entry.records as usize;
            so_far.found = so_far.done;
            so_far.bytes += entry.file.bytes;
            if progress(&so_far).is_break() {
                return Err(PictureError::Stopped);
            }
        }
    }
    Ok(damaged)
}

pub(super) fn write_sealed<T: serde::Serialize>(path: &Path, value: &T) -> Result<(), PictureError> {
    let text = sealed::seal(value).map_err(|error| PictureError::pack(path, error.to_string()))?;
    Ok(atomic::write(path, text.as_bytes())?)
}
