//! Who may do what in a store at the same time.

use crate::{ExperimentError, NodeId, Store};
use sculpt_store::{Lock, LockError, paths};
use std::io::ErrorKind;
use std::time::Duration;

/// A moment in which whoever holds a lock for a description has long written it.
const SOON: Duration = Duration::from_secs(5);

impl Store {
    /// Takes the node's lock, or says that another process has it.
    ///
    /// # Errors
    /// A lock held elsewhere, or what the file system refuses.
    pub fn lock(&self, id: &NodeId) -> Result<Lock, ExperimentError> {
        let lock = Lock::exclusive(&paths::lock(&self.node_folder(id)));
        lock.map_err(|error| locked(id, error))
    }

    /// As [`Store::lock`], but waits a moment for whoever only changes the description.
    pub(crate) fn lock_soon(&self, id: &NodeId) -> Result<Lock, ExperimentError> {
        let lock = Lock::exclusive_within(&paths::lock(&self.node_folder(id)), SOON);
        lock.map_err(|error| locked(id, error))
    }

    /// Keeps `gc` from deleting while a recipe runs: many may hold this at once. None where the store cannot be written
    /// to, from which nothing can be deleted either.
    ///
    /// # Errors
    /// A store from which something is being deleted for longer than a moment, or what the file system refuses.
    pub fn share(&self) -> Result<Option<Lock>, ExperimentError> {
        let read_only = [ErrorKind::ReadOnlyFilesystem, ErrorKind::PermissionDenied];
        match Lock::shared_within(&paths::lock(self.runs()), SOON) {
            Err(LockError::File(error)) if read_only.contains(&error.refused.kind()) => Ok(None),
            lock => Ok(Some(lock?)),
        }
    }

    /// Keeps recipes from running while something is deleted.
    ///
    /// # Errors
    /// A recipe that runs, or what the file system refuses.
    pub fn own(&self) -> Result<Lock, ExperimentError> {
        Ok(Lock::exclusive(&paths::lock(self.runs()))?)
    }
}

fn locked(id: &NodeId, error: LockError) -> ExperimentError {
    match error {
        LockError::Held { path } => ExperimentError::Locked {
            id: id.clone(),
            lock: path,
        },
        LockError::NoLocks { .. } | LockError::File(_) => error.into(),
    }
}
