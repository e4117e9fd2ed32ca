//! Room in a cache: folders that were used longest ago go first.

use sculpt_store::{FileError, Lock, atomic, folders, paths};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How much a cache may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes of all its folders.
    pub most_bytes: u64,
    /// What was used within this time stays, whatever it takes: somebody may be about to read it.
    pub in_use: Duration,
}

/// Makes room for `bytes` more in the folders of `cache`, which are `<first 2>/<SHA-256>/`: those that were used longest ago go,
/// each out of the way in one step before it is deleted. When one was used is the time of its file `used`. Only folders that
/// `may_go` says yes to, by their paths, and none whose lock is held. One process makes room at a time: beside it another frees nothing. Returns the
/// bytes that are there now.
///
/// # Errors
/// What the file system refuses.
pub fn make_room(
    cache: &Path,
    bytes: u64,
    room: Room,
    used: &dyn Fn(&Path) -> PathBuf,
    may_go: &dyn Fn(&Path) -> bool,
) -> Result<u64, FileError> {
    let way_out = paths::evicted_folder(cache);
    let lock = Lock::exclusive(&paths::evicting_lock(cache)).ok();
    if lock.is_some() {
        // What a killed process left on its way out.
        folders::remove(&way_out)?;
    }
    let mut found = Vec::new();
    for first_two in entries(cache)? {
        if paths::file_name(&first_two).len() != 2 {
            continue;
        }
        for folder in entries(&first_two)? {
            if paths::is_sha256(paths::file_name(&folder)) {
                let last = fs::metadata(used(&folder)).and_then(|of| of.modified());
                found.push((last.ok(), bytes_of(&folder)?, folder));
            }
        }
    }
    let mut total: u64 = found.iter().map(|(_, bytes, _)| bytes).sum();
    if lock.is_none() {
        return Ok(total);
    }
    found.sort();
    for (last, size, folder) in found {
        if total.saturating_add(bytes) <= room.most_bytes {
            break;
        }
        // One without the file is not finished.
        let Some(last) = last else { continue };
        let age = SystemTime::now().duration_since(last).unwrap_or_default();
        let name = paths::file_name(&folder).to_owned();
        if age < room.in_use {
            continue;
        }
        // First, so that nothing comes into it while `may_go` looks.
        let Ok(_lock) = Lock::exclusive(&paths::lock(&folder)) else {
            continue;
        };
        if !may_go(&folder) {
            continue;
        }
        atomic::create_folder(&way_out)?;
        atomic::rename(&folder, &way_out.join(&name))?;
        total = total.saturating_sub(size);
    }
    folders::remove(&way_out)?;
    Ok(total)
}

fn bytes_of(folder: &Path) -> Result<u64, FileError> {
    let mut total = 0;
    for path in entries(folder)? {
        // One that went meanwhile takes nothing.
        let Ok(found) = fs::symlink_metadata(&path) else {
            continue;
        };
        total += if found.is_dir() {
            bytes_of(&path)?
        } else {
            found.len()
        };
    }
    Ok(total)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let refused = |refused| FileError {
        path: folder.to_owned(),
        doing: "read",
        refused,
    };
    let listed = match fs::read_dir(folder) {
        Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => {
            return Ok(Vec::new());
        }
        listed => listed.map_err(refused)?,
    };
    listed
        .map(|entry| entry.map(|entry| entry.path()).map_err(refused))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    const NOW: Room = Room {
        most_bytes: 2500,
        in_use: Duration::ZERO,
    };

    fn name(i: u8) -> String {
        format!("{i:02x}").repeat(32)
    }

    /// Four folders of 1,000 bytes; the higher the number, the longer ago it was used.
    fn cache() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for i in 0..4u8 {
            let folder = paths::node_folder(root.path(), &name(i));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("state"), [i; 1000]).unwrap();
            let used = File::create(folder.join("used")).unwrap();
            used.set_modified(SystemTime::now() - Duration::from_secs(100 * (1 + u64::from(i))))
                .unwrap();
        }
        root
    }

    fn left(root: &Path) -> Vec<u8> {
        (0..4)
            .filter(|i| paths::node_folder(root, &name(*i)).exists())
            .collect()
    }

    fn make(root: &Path, bytes: u64, room: Room, may_go: &dyn Fn(&Path) -> bool) -> u64 {
        make_room(root, bytes, room, &|folder| folder.join("used"), may_go).unwrap()
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let root = cache();
        assert_eq!(make(root.path(), 0, NOW, &|_| true), 2000);
        assert_eq!(left(root.path()), [0, 1]);
        assert_eq!(make(root.path(), 500, NOW, &|_| true), 2000);
        assert_eq!(make(root.path(), 501, NOW, &|_| true), 1000);
        assert_eq!(left(root.path()), [0]);
        assert_eq!(make(root.path(), 9000, NOW, &|_| true), 0);
        assert!(!paths::evicted_folder(root.path()).exists());
    }

    #[test]
    fn what_is_needed_stays() {
        let root = cache();
        let recent = Room {
            in_use: Duration::from_secs(350),
            ..NOW
        };
        assert_eq!(make(root.path(), 0, recent, &|_| true), 3000);
        assert_eq!(left(root.path()), [0, 1, 2]);

        let root = cache();
        let _lock = Lock::exclusive(&paths::lock(&paths::node_folder(root.path(), &name(3)))).unwrap();
        fs::remove_file(paths::node_folder(root.path(), &name(2)).join("used")).unwrap();
        assert_eq!(
            make(root.path(), 9000, NOW, &|folder| !folder.ends_with(name(1))),
            3000
        );
        assert_eq!(left(root.path()), [1, 2, 3]);
    }

    /// Two processes on one cache: what one is taking out is not the other's to delete.
    #[test]
    fn one_makes_room_at_a_time() {
        let root = cache();
        let stray = paths::evicted_folder(root.path()).join("x");
        fs::create_dir_all(&stray).unwrap();
        let other = Lock::exclusive(&paths::evicting_lock(root.path())).unwrap();
        assert_eq!(make(root.path(), 0, NOW, &|_| true), 4000);
        assert!(stray.exists());
        drop(other);
        assert_eq!(make(root.path(), 0, NOW, &|_| true), 2000);
        assert!(!stray.exists());
    }

    #[test]
    fn what_a_killed_process_left_goes() {
        let root = cache();
        let stray = paths::evicted_folder(root.path()).join("x");
        fs::create_dir_all(&stray).unwrap();
        make(
            root.path(),
            0,
            Room {
                most_bytes: 9000,
                ..NOW
            },
            &|_| true,
        );
        assert!(!stray.exists());
        assert_eq!(left(root.path()), [0, 1, 2, 3]);
    }
}
