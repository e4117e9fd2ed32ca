//! Folders that are replaced whole and removed.

use crate::atomic::{folder_of, rename, sync_folder};
use crate::{FileError, paths};
use std::fs;
use std::io;
use std::path::Path;

/// Gives a folder whose content is on the disk the place of another, if there is one, which is removed. Whoever looks meanwhile sees one or the other,
/// whole; where the file system cannot exchange two folders (NFS, say), there is an instant without either. What a killed process leaves stands
/// beside `place`, as [`paths::suite_old`] or under the new folder's name, and never in its place.
///
/// # Errors
/// What the operating system refuses.
pub fn replace(new: &Path, place: &Path) -> Result<(), FileError> {
    replace_with(new, place, exchange)
}

fn replace_with(
    new: &Path,
    place: &Path,
    exchange: impl FnOnce(&Path, &Path) -> io::Result<()>,
) -> Result<(), FileError> {
    let old = paths::suite_old(place);
    remove(&old)?;
    if !place.exists() {
        return rename(new, place);
    }
    if exchange(new, place).is_ok() {
        sync_folder(folder_of(place)).map_err(|refused| FileError {
            path: place.to_owned(),
            doing: "synchronise the folder of",
            refused,
        })?;
        // Under its old name it is no half-made new one, whatever happens next.
        rename(new, &old)?;
    } else {
        rename(place, &old)?;
        rename(new, place).inspect_err(|_| {
            // The first error is on its way to the caller, and names the place that is empty if this fails too.
            let _ = rename(&old, place);
        })?;
    }
    remove(&old)
}

/// Each takes the other's name in one step.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Removes a folder with all that is in it, if it is there.
///
/// # Errors
/// What the operating system refuses.
pub fn remove(folder: &Path) -> Result<(), FileError> {
    match fs::remove_dir_all(folder) {
        Err(refused) if refused.kind() != io::ErrorKind::NotFound => Err(FileError {
            path: folder.to_owned(),
            doing: "remove",
            refused,
        }),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn folder(path: &Path, content: &str) {
        fs::create_dir(path).unwrap();
        fs::write(path.join("file"), content).unwrap();
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn replaces_one_that_is_there_one_that_is_not_and_what_was_left_behind() {
        let refuses = |_: &Path, _: &Path| Err(io::ErrorKind::InvalidInput.into());
        let ways: [fn(&Path, &Path) -> io::Result<()>; 2] = [exchange, refuses];
        for way in ways {
            let root = tempfile::tempdir().unwrap();
            let (place, new) = (root.path().join("s"), root.path().join(".s.partial"));
            for content in ["one", "two", "three"] {
                folder(&new, content);
                replace_with(&new, &place, way).unwrap();
                assert_eq!(fs::read_to_string(place.join("file")).unwrap(), content);
                assert_eq!(names(root.path()), ["s"]);
            }
            folder(&paths::suite_old(&place), "left behind");
            folder(&new, "four");
            replace_with(&new, &place, way).unwrap();
            assert_eq!(fs::read_to_string(place.join("file")).unwrap(), "four");
            assert_eq!(names(root.path()), ["s"]);
        }
    }

    /// Where folders can be exchanged, as on the disks that tests run on.
    #[cfg(target_os = "linux")]
    #[test]
    fn who_looks_meanwhile_sees_one_or_the_other() {
        let root = tempfile::tempdir().unwrap();
        let (place, new) = (root.path().join("s"), root.path().join(".s.partial"));
        folder(&place, "0");
        folder(&new, "0");
        if exchange(&new, &place).is_err() {
            return;
        }
        remove(&new).unwrap();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 1..300 {
                    folder(&new, &n.to_string());
                    replace(&new, &place).unwrap();
                }
                is_over.store(true, Ordering::Relaxed);
            });
            while !is_over.load(Ordering::Relaxed) {
                assert!(place.join("file").exists());
            }
        });
    }

    #[test]
    fn what_cannot_be_removed_or_replaced_is_named() {
        let root = tempfile::tempdir().unwrap();
        let (file, place) = (root.path().join("file"), root.path().join("s"));
        fs::write(&file, "").unwrap();
        assert!(
            remove(&file)
                .unwrap_err()
                .to_string()
                .starts_with("cannot remove ")
        );
        remove(&place).unwrap();
        folder(&place, "one");
        assert!(replace(&root.path().join("none"), &place).is_err());
        assert_eq!(fs::read_to_string(place.join("file")).unwrap(), "one");
    }
}
