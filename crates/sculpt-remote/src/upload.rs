//! A folder becomes one on a server: what is there is not sent again, and its list comes last.

use crate::{Remote, RemoteError};
use sculpt_store::digest::Digest;
use std::collections::BTreeMap;
use std::path::Path;

/// What an upload did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uploaded {
    /// Files sent now.
    pub sent: usize,
    /// Of all of these.
    pub sent_bytes: u64,
    /// Files that were there.
    pub were_there: usize,
}

/// Uploads files of a folder, by names with `/`. Those of `last` come last, in that order: without them nobody takes the others
/// for whole. They go first where anything that is there has to be replaced. Cut off, the same call goes on.
///
/// # Errors
/// A server that refuses, a file that changes meanwhile, or what the file system refuses.
pub fn upload(
    remote: &Remote,
    folder: &Path,
    files: &[String],
    last: &[&str],
    progress: &mut dyn FnMut(u64),
) -> Result<Uploaded, RemoteError> {
    let there: Option<BTreeMap<String, u64>> = remote.list("")?.map(|files| files.into_iter().collect());
    let mut done = Uploaded::default();
    let is_last = |file: &&String| last.contains(&file.as_str());
    let mut open = Vec::new();
    let mut replaces = false;
    let ordered = files.iter().filter(|file| !is_last(file));
    let ordered = ordered.chain(
        last.iter()
            .filter_map(|name| files.iter().find(|file| file == name)),
    );
    let mut bytes_so_far = 0;
    for file in ordered {
        let path = folder.join(file);
        let digest = Digest::of_file(&path)?;
        let listed = there.as_ref().is_none_or(|there| there.contains_key(file));
        let found = if listed { remote.look(file)? } else { None };
        let same = found.as_ref().is_some_and(|found| {
            found.bytes == digest.bytes && found.sha256.as_ref() == Some(&digest.sha256)
        });
        if same {
            done.were_there += 1;
            bytes_so_far += digest.bytes;
            progress(bytes_so_far);
        } else {
            replaces |= found.is_some();
            open.push((file, path, digest));
        }
    }
    if replaces {
        // What is there is a mixture from here on.
        for name in last.iter().rev() {
            if there.as_ref().is_none_or(|there| there.contains_key(*name)) {
                remote.remove(name)?;
            }
            let gone = files.iter().find(|file| file == name);
            let is_open = open.iter().any(|(file, ..)| file.as_str() == *name);
            if let (Some(file), false) = (gone, is_open) {
                let path = folder.join(file);
                let digest = Digest::of_file(&path)?;
                done.were_there -= 1;
                bytes_so_far -= digest.bytes;
                open.push((file, path, digest));
            }
        }
        open.sort_by_key(|(file, ..)| {
            last.iter()
                .position(|name| name == file)
                .map_or(0, |place| place + 1)
        });
    }
    for (file, path, digest) in open {
        remote.write_file(file, &path, &digest)?;
        done.sent += 1;
        done.sent_bytes += digest.bytes;
        bytes_so_far += digest.bytes;
        progress(bytes_so_far);
    }
    Ok(done)
}
