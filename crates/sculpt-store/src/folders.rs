//! Folders that are replaced whole and removed.

use crate::atomic::rename;
use crate::{FileError, paths};
use std::fs;
use std::io;
use std::path::Path;

/// Gives a folder whose content is on the disk the place of another, if there is one, which is removed. Whoever looks the place up meanwhile finds one
/// or the other, whole (and who reads several files may find some of each); where the file system cannot exchange two folders (NFS,
/// say), there is an instant without either. What a killed process leaves stands beside `place`, as [`paths::old_folder`] or under the new folder's name.
///
/// # Errors
/// What the operating system refuses; then the old folder stands in its place, as far as that can be had back.
pub fn replace(new: &Path, place: &Path) -> Result<(), FileError> {
    replace_with(new, place, exchange)
}

fn replace_with(
    new: &Path,
    place: &Path,
    exchange: impl Fn(&Path, &Path) -> io::Result<()>,
) -> Result<(), FileError> {
    let old = paths::old_folder(place);
    match fs::symlink_metadata(place) {
        Ok(found) if found.is_dir() || found.is_symlink() => {}
        Ok(_) => {
            return Err(FileError {
                path: place.to_owned(),
                doing: "replace",
                refused: io::Error::other("it is no folder"),
            });
        }
        // What a killed process moved out of the way is not removed before there is another.
        Err(_) => {
            rename(new, place)?;
            return remove(&old);
        }
    }
    remove(&old)?;
    // The first error is on its way to the caller: one of the way back would add nothing to it.
    if exchange(new, place).is_ok() {
        rename(new, &old).inspect_err(|_| drop(exchange(new, place)))?;
    } else {
        rename(place, &old)?;
        rename(new, place).inspect_err(|_| drop(rename(&old, place)))?;
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
            folder(&paths::old_folder(&place), "left behind");
            folder(&new, "four");
            replace_with(&new, &place, way).unwrap();
            assert_eq!(fs::read_to_string(place.join("file")).unwrap(), "four");
            assert_eq!(names(root.path()), ["s"]);
        }
    }

    /// Where folders can be exchanged, as on the disks that tests run on.
    #[cfg(target_os = "linux")]
    #[test]
    fn who_looks_meanwhile_finds_one_or_the_other() {
        let root = tempfile::tempdir().unwrap();
        let (place, new) = (root.path().join("s"), root.path().join(".s.partial"));
        folder(&place, "0");
        folder(&new, "0");
        if let Err(refused) = exchange(&new, &place) {
            eprintln!("nothing to see: folders cannot be exchanged here ({refused})");
            return;
        }
        remove(&new).unwrap();
        std::thread::scope(|scope| {
            let replacing = scope.spawn(|| {
                for n in 1..300 {
                    folder(&new, &n.to_string());
                    replace(&new, &place).unwrap();
                }
            });
            while !replacing.is_finished() {
                assert!(place.exists());
            }
        });
    }

    /// As after a kill between the two renames: what is out of the way goes only when there is another; and a link that leads nowhere is a place too.
    #[test]
    fn what_was_out_of_the_way_and_what_leads_nowhere() {
        let root = tempfile::tempdir().unwrap();
        let (place, new) = (root.path().join("s"), root.path().join(".s.partial"));
        folder(&paths::old_folder(&place), "old");
        assert!(replace(&new, &place).is_err());
        assert_eq!(names(root.path()), [".s.old"]);
        folder(&new, "new");
        replace(&new, &place).unwrap();
        assert_eq!(names(root.path()), ["s"]);
        remove(&place).unwrap();
        std::os::unix::fs::symlink("nowhere", &place).unwrap();
        folder(&new, "new");
        replace(&new, &place).unwrap();
        assert_eq!(fs::read_to_string(place.join("file")).unwrap(), "new");
        assert_eq!(names(root.path()), ["s"]);
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
        folder(&place, "one");
        let error = replace(&place, &file).unwrap_err().to_string();
        assert!(error.ends_with("file: it is no folder"), "{error}");
        assert!(file.is_file() && place.is_dir());
        assert!(replace(&root.path().join("none"), &place).is_err());
        assert_eq!(fs::read_to_string(place.join("file")).unwrap(), "one");
    }
}
