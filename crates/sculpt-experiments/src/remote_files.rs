//! Files of a store that is in a remote place, and that are no node's: suites, networks, what recipes name.

use crate::{ExperimentError, Store};
use sculpt_store::digest::Digest;
use sculpt_store::{atomic, paths};
use std::fs;
use std::path::Path;

/// Descriptions of suites and files of recipes have no more bytes each.
const MOST_FILE_BYTES: u64 = 1 << 28;

impl Store {
    /// Brings the description of a suite. A copy that cannot be read, of a place that has none, is no more than a spoilt cache.
    pub(crate) fn bring_suite(&self, path: &Path) -> Result<(), ExperimentError> {
        let Some(remote) = &self.remote else { return Ok(()) };
        self.bring_file(path, None)?;
        let is_spoilt = path.exists() && crate::suite::read(path).is_err();
        if is_spoilt && remote.folders.remote().look(&self.relative(path))?.is_none() {
            fs::remove_file(path).map_err(|source| ExperimentError::Io {
                path: path.to_owned(),
                source,
            })?;
        }
        Ok(())
    }

    /// Brings a file of the store that is no node's, if there is one in the remote place. One whose hash is known is brought once.
    pub(crate) fn bring_file(&self, path: &Path, sha256: Option<&str>) -> Result<(), ExperimentError> {
        let Some(remote) = &self.remote else { return Ok(()) };
        if sha256.is_some() && path.exists() {
            return Ok(());
        }
        let place = remote.folders.remote();
        let file = self.relative(path);
        if let Some(sha256) = sha256 {
            let Some(found) = place.look(&file)? else {
                return Ok(());
            };
            let digest = Digest {
                sha256: sha256.to_owned(),
                bytes: found.bytes,
            };
            place.fetch_checked(&file, path, &digest)?;
            return Ok(());
        }
        if let Some(content) = place.read(&file, MOST_FILE_BYTES)?
            && fs::read(path).ok().as_ref() != Some(&content)
        {
            atomic::write(path, &content)?;
        }
        Ok(())
    }

    /// Writes a file of the store that is no node's to the remote place, if there is one and has another.
    pub(crate) fn keep_file(&self, path: &Path) -> Result<(), ExperimentError> {
        let Some(remote) = &self.remote else { return Ok(()) };
        let place = remote.folders.remote();
        let file = self.relative(path);
        let digest = Digest::of_file(path)?;
        let found = place.look(&file)?;
        let same = found.is_some_and(|found| {
            found.bytes == digest.bytes && found.sha256.is_none_or(|sha256| sha256 == digest.sha256)
        });
        if !same {
            place.write_file(&file, path, &digest)?;
        }
        Ok(())
    }

    /// Brings the descriptions of all suites of the remote place.
    ///
    /// # Errors
    /// What the file system or the remote place refuses.
    pub fn bring_suites(&self) -> Result<(), ExperimentError> {
        let Some(remote) = &self.remote else { return Ok(()) };
        let folder = paths::suites_folder(self.runs());
        let under = format!("{}/", self.relative(&folder));
        let listed = remote.folders.remote().list(&under)?;
        for (file, _) in listed.ok_or_else(|| self.not_listed())? {
            let name = file.strip_prefix(&under).unwrap_or_default();
            if paths::suite_of(name).is_some() {
                self.bring_file(&folder.join(name), None)?;
            }
        }
        Ok(())
    }

    /// A path of the store's folder, with `/`.
    fn relative(&self, path: &Path) -> String {
        let inner = path.strip_prefix(self.runs()).unwrap_or(path);
        let parts: Vec<_> = inner.iter().map(|part| part.to_string_lossy()).collect();
        parts.join("/")
    }
}
