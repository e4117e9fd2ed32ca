//! Who may change what of a store.

use crate::{ExperimentError, NodeId, Store};
use sculpt_store::{Holding, Lease, Lock, LockError, paths};
use std::io::ErrorKind;
use std::thread;
use std::time::{Duration, Instant};

/// A moment in which whoever holds a lock for a description has long written it.
const SOON: Duration = Duration::from_secs(5);

/// How often a lock that is held is tried again meanwhile.
const TRY_EVERY: Duration = Duration::from_millis(20);

impl Store {
    /// Takes the node's lock, or says that another process has it, here or on another machine.
    ///
    /// # Errors
    /// A lock held elsewhere, or what the file system refuses.
    pub fn lock(&self, id: &NodeId) -> Result<Lease, ExperimentError> {
        let lease = Lease::take_at_once(&paths::lock(&self.node_folder(id)));
        lease.map_err(|error| locked(id, error))
    }

    /// As [`Store::lock`], but takes it over from a machine of which nothing is heard any more, for which it waits up to
    /// [`sculpt_store::lease::SILENCE`] while `goes_on` says so.
    ///
    /// # Errors
    /// As [`Store::lock`].
    pub(crate) fn lock_over(
        &self,
        id: &NodeId,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Lease, ExperimentError> {
        let lease = Lease::take(&paths::lock(&self.node_folder(id)), goes_on);
        lease.map_err(|error| locked(id, error))
    }

    /// As [`Store::lock_over`], but waits a moment for whoever only changes the description.
    pub(crate) fn lock_soon(&self, id: &NodeId) -> Result<Lease, ExperimentError> {
        let begun = Instant::now();
        loop {
            match self.lock_over(id, &|| true) {
                Err(ExperimentError::Locked { .. }) if begun.elapsed() < SOON => thread::sleep(TRY_EVERY),
                taken => return taken,
            }
        }
    }

    /// Whether somebody is at work on the node, or may be; none where nobody can.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn holding(&self, id: &NodeId) -> Result<Option<Holding>, ExperimentError> {
        let holding = Lease::holding(&paths::lock(&self.node_folder(id)));
        holding.map_err(|error| locked(id, error))
    }

    /// Keeps `gc` from deleting while a recipe runs: many may hold this at once. None where the store cannot be written
    /// to, from which nothing can be deleted either, or where the file system has no locks: there `gc` deletes nothing.
    ///
    /// # Errors
    /// A store from which something is being deleted for longer than a moment, or what the file system refuses.
    pub fn share(&self) -> Result<Option<Lock>, ExperimentError> {
        let read_only = [ErrorKind::ReadOnlyFilesystem, ErrorKind::PermissionDenied];
        match Lock::shared_within(&paths::lock(self.runs()), SOON) {
            Err(LockError::File(error)) if read_only.contains(&error.refused.kind()) => Ok(None),
            Err(LockError::NoLocks { .. }) => Ok(None),
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
        LockError::Held { path, by } => ExperimentError::Locked {
            id: id.clone(),
            lock: path,
            by,
        },
        LockError::NoLocks { .. } | LockError::File(_) => error.into(),
    }
}
