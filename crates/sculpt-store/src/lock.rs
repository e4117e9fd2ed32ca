//! Locks between processes of one machine: files that the operating system locks, and frees when their holder ends, however.

use crate::{FileError, Holder};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use thiserror::Error;

/// A lock, held while this lives.
#[derive(Debug)]
pub struct Lock {
    /// Dropping it gives the lock back.
    file: File,
}

/// Why there is no lock.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("{} holds the lock {}", holding(by.as_ref()), path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Which one, where it is known.
        by: Option<Holder>,
    },
    /// Some network file systems, unless they are mounted so.
    #[error(
        "the file system of {} has no locks ({refused}): put --runs on another, or mount it with flock",
        path.display()
    )]
    NoLocks {
        /// The lock file.
        path: PathBuf,
        /// What the operating system said.
        refused: io::Error,
    },
    /// The lock file cannot be made or opened.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A holder in words.
fn holding(by: Option<&Holder>) -> String {
    by.map_or_else(|| "another process".to_owned(), Holder::to_string)
}

/// How often a lock that is held is tried again.
const TRY_EVERY: Duration = Duration::from_millis(20);

#[derive(Clone, Copy)]
enum Kind {
    Exclusive,
    Shared,
}

impl Lock {
    /// Takes the lock that nobody else may hold, or says at once that somebody does.
    ///
    /// # Errors
    /// A lock that is held, a file system without locks, or a file that cannot be opened.
    pub fn exclusive(path: &Path) -> Result<Self, LockError> {
        take(path, Kind::Exclusive)
    }

    /// Takes the lock together with others that share it.
    ///
    /// # Errors
    /// As [`Lock::exclusive`].
    pub fn shared(path: &Path) -> Result<Self, LockError> {
        take(path, Kind::Shared)
    }

    /// As [`Lock::exclusive`], but waits so long for whoever holds it.
    ///
    /// # Errors
    /// As [`Lock::exclusive`].
    pub fn exclusive_within(path: &Path, wait: Duration) -> Result<Self, LockError> {
        within(path, Kind::Exclusive, wait)
    }

    /// As [`Lock::shared`], but waits so long for whoever holds it alone.
    ///
    /// # Errors
    /// As [`Lock::exclusive`].
    pub fn shared_within(path: &Path, wait: Duration) -> Result<Self, LockError> {
        within(path, Kind::Shared, wait)
    }

    /// Whether whoever comes now finds this lock's file at a path, and not another or none.
    fn is_of(&self, path: &Path) -> bool {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let place = |found: fs::Metadata| (found.dev(), found.ino());
            let own = self.file.metadata().map(place);
            own.is_ok_and(|own| fs::metadata(path).map(place).is_ok_and(|there| there == own))
        }
        #[cfg(not(unix))]
        path.exists()
    }
}

/// A lock whose file goes with it.
#[derive(Debug)]
pub struct PassingLock {
    /// Given back after the file is gone.
    _lock: Lock,
    path: PathBuf,
}

impl PassingLock {
    /// As [`Lock::exclusive`].
    ///
    /// # Errors
    /// As there.
    pub fn exclusive(path: &Path) -> Result<Self, LockError> {
        loop {
            let lock = Lock::exclusive(path)?;
            // Else it is of a file that went with its holder meanwhile.
            if lock.is_of(path) {
                return Ok(Self {
                    _lock: lock,
                    path: path.to_owned(),
                });
            }
        }
    }
}

impl Drop for PassingLock {
    fn drop(&mut self) {
        // Whoever cannot remove it leaves an empty file.
        let _ = fs::remove_file(&self.path);
    }
}

fn within(path: &Path, kind: Kind, wait: Duration) -> Result<Lock, LockError> {
    let begun = Instant::now();
    loop {
        match take(path, kind) {
            Err(LockError::Held { .. }) if begun.elapsed() < wait => thread::sleep(TRY_EVERY),
            taken => return taken,
        }
    }
}

fn take(path: &Path, kind: Kind) -> Result<Lock, LockError> {
    let failed = |doing: &'static str| {
        move |refused: io::Error| FileError {
            path: path.to_owned(),
            doing,
            refused,
        }
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed("make the folder of"))?;
    }
    // A pipe would be waited for, and what a link leads to is not ours.
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        let refused = io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file");
        return Err(failed("lock")(refused).into());
    }
    let mut options = File::options();
    // NFS gives shared locks to those that may read, and others to those that may write.
    let file = options.create(true).read(true).append(true).open(path);
    let file = file.map_err(failed("open"))?;
    let locked = match kind {
        Kind::Exclusive => file.try_lock(),
        Kind::Shared => file.try_lock_shared(),
    };
    match locked {
        Ok(()) => Ok(Lock { file }),
        Err(TryLockError::WouldBlock) => Err(LockError::Held {
            path: path.to_owned(),
            by: None,
        }),
        Err(TryLockError::Error(refused)) if means_no_locks(&refused) => Err(LockError::NoLocks {
            path: path.to_owned(),
            refused,
        }),
        Err(TryLockError::Error(refused)) => Err(failed("lock")(refused).into()),
    }
}

/// ENOLCK, ENOSYS, EOPNOTSUPP and the kernel's own ENOTSUPP, as Linux numbers them.
fn means_no_locks(refused: &io::Error) -> bool {
    refused.kind() == io::ErrorKind::Unsupported
        || (cfg!(target_os = "linux")
            && refused
                .raw_os_error()
                .is_some_and(|n| [37, 38, 95, 524].contains(&n)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn one_alone_or_many_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/lock");
        let alone = Lock::exclusive(&path).unwrap();
        let held = |taken: Result<Lock, LockError>| matches!(taken, Err(LockError::Held { .. }));
        assert!(held(Lock::exclusive(&path)) && held(Lock::shared(&path)));
        assert!(held(Lock::exclusive_within(&path, Duration::from_millis(50))));
        drop(alone);
        let (_one, _two) = (Lock::shared(&path).unwrap(), Lock::shared(&path).unwrap());
        assert!(held(Lock::exclusive(&path)));
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    }

    /// Many that come and go: never two at once, and nothing is left.
    #[test]
    fn a_passing_lock_goes_with_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let holders = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        if let Ok(_lock) = PassingLock::exclusive(&path) {
                            assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                            holders.fetch_sub(1, Ordering::SeqCst);
                        }
                    }
                });
            }
        });
        let alone = PassingLock::exclusive(&path).unwrap();
        assert!(matches!(
            PassingLock::exclusive(&path),
            Err(LockError::Held { .. })
        ));
        drop(alone);
        assert!(!path.exists());
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_plain_file_is_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let (link, socket) = (folder.path().join("link"), folder.path().join("socket"));
        std::os::unix::fs::symlink(folder.path().join("other"), &link).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for path in [link, socket] {
            let error = Lock::exclusive(&path).unwrap_err().to_string();
            assert!(error.contains("it is no plain file"), "{error}");
        }
        assert!(!folder.path().join("other").exists());
    }

    #[test]
    fn whoever_waits_gets_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let alone = Lock::exclusive(&path).unwrap();
        let waiting = thread::spawn({
            let path = path.clone();
            move || Lock::shared_within(&path, Duration::from_secs(60)).is_ok()
        });
        thread::sleep(Duration::from_millis(50));
        drop(alone);
        assert!(waiting.join().unwrap());
    }

    #[test]
    fn file_systems_without_locks_are_told_apart() {
        assert!(
            [37, 38, 95, 524]
                .map(io::Error::from_raw_os_error)
                .iter()
                .all(means_no_locks)
        );
        assert!(!means_no_locks(&io::Error::from_raw_os_error(13)));
    }
}
