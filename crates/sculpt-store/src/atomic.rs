//! Files that are replaced whole or not at all.
//!
//! The new content goes to a temporary name in the same folder, is synchronised with the disk and then takes
//! the file's name, and the folder is synchronised too. Whatever fails, the old file stays as it was and the
//! temporary one is removed; one that a killed process left behind goes with the next write into its folder. Folders on
//! the way are made, and the folder that each of them stands in is synchronised too. What a link leads to is replaced, not
//! the link. A device or pipe (`/dev/stdout`) has no content to replace and is written to directly.

use crate::lease::is_shared;
use crate::{FileError, paths};
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Replaces the file at `path` by `bytes`.
///
/// # Errors
/// What the operating system refuses; then the old file stands as it was.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_with(path, |file| file.write_all(bytes))
}

/// Makes the file at `path` of `bytes`, if there is none yet: whether there was none. Of several that do so at once, on one machine or
/// several, one makes it; where the file system has no links, the last one.
///
/// # Errors
/// What the operating system refuses.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<bool, FileError> {
    let mut is_new = true;
    place(
        path,
        |file| file.write_all(bytes),
        |from, to| match fs::hard_link(from, to) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                is_new = false;
                Ok(false)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
            // The temporary name goes when it is dropped.
            Ok(()) => Ok(false),
            Err(_) => fs::rename(from, to).map(|()| true),
        },
    )?;
    Ok(is_new)
}

/// Replaces the file at `path` by what `fill` writes.
///
/// # Errors
/// What `fill` returns or the operating system refuses; then the old file stands as it was.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), FileError> {
    place(path, fill, |from, to| fs::rename(from, to).map(|()| true))
}

/// Fills a temporary file, and has it `put` in its place: whether its name is gone by that.
fn place(
    path: &Path,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
    put: impl FnOnce(&Path, &Path) -> io::Result<bool>,
) -> Result<(), FileError> {
    let failed = |doing: &'static str| {
        move |refused: io::Error| FileError {
            path: path.to_owned(),
            doing,
            refused,
        }
    };
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            return Err(failed("write")(io::Error::from(io::ErrorKind::IsADirectory)));
        }
        Ok(found) if !found.is_file() => {
            let mut device = File::options().write(true).open(path).map_err(failed("write"))?;
            return fill(&mut device).map_err(failed("write"));
        }
        Ok(_) | Err(_) => {}
    }
    let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    let real = is_link
        .then(|| fs::canonicalize(path))
        .transpose()
        .map_err(failed("write"))?;
    let path = real.as_deref().unwrap_or(path);
    let folder = folder_of(path);
    make_folders(folder, &mut sync_folder).map_err(failed("make the folder of"))?;
    let (mut temporary, mut file) = Temporary::create(path, folder).map_err(failed("write"))?;
    remove_strays(folder, Some(&file)).map_err(failed("tidy the folder of"))?;
    fill(&mut file).map_err(failed("write"))?;
    file.sync_all().map_err(failed("write"))?;
    temporary.in_place = put(&temporary.path, path).map_err(failed("write"))?;
    // Not before: whoever sweeps the folder takes an unlocked one for a killed process's.
    drop(file);
    drop(temporary);
    sync_folder(folder).map_err(failed("synchronise the folder of"))
}

/// No write lasts so long: a temporary file that nobody has touched since is a killed process's, where no lock tells.
const STRAY_AFTER: Duration = Duration::from_secs(600);

/// Removes the temporary files of a folder whose lock the caller holds. Whoever writes there without it loses its own, and is told.
///
/// # Errors
/// What the operating system refuses.
pub fn tidy(folder: &Path) -> Result<(), FileError> {
    remove_strays(folder, None).map_err(|refused| FileError {
        path: folder.to_owned(),
        doing: "tidy",
        refused,
    })
}

/// Makes a folder and those on the way to it, so that they are there after a power cut too.
///
/// # Errors
/// What the operating system refuses.
pub fn create_folder(path: &Path) -> Result<(), FileError> {
    make_folders(path, &mut sync_folder).map_err(|refused| FileError {
        path: path.to_owned(),
        doing: "make the folder",
        refused,
    })
}

/// Those that nobody has touched for long when `just_made` was made; all, without one. The file system's own clock is asked: where several
/// machines write, this one's may be an hour off.
fn remove_strays(folder: &Path, just_made: Option<&File>) -> io::Result<()> {
    let now = just_made.map(|file| file.metadata()?.modified()).transpose()?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(paths::is_temporary) {
            continue;
        }
        // One that went away meanwhile took its place.
        let Ok(found) = entry.metadata() else { continue };
        if !found.is_file() {
            continue;
        }
        let modified = found.modified()?;
        let is_old = now.is_none_or(|now| now.duration_since(modified).unwrap_or_default() >= STRAY_AFTER);
        // Held until the file is gone: its writer, if it is just being made, sees that and takes another.
        let lock = unlocked(&entry.path());
        if is_old || lock.is_some() {
            remove_if_there(&entry.path())?;
        }
    }
    Ok(())
}

/// The lock of a temporary file that nobody is writing. None where somebody is, or where locks do not tell.
fn unlocked(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    (!is_shared(&file) && file.try_lock().is_ok()).then_some(file)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Gives a file or folder whose content is on the disk another name: in one step, and synchronised on both sides.
///
/// # Errors
/// What the operating system refuses.
pub fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    let failed = |refused| FileError {
        path: to.to_owned(),
        doing: "move what was written to",
        refused,
    };
    fs::rename(from, to).map_err(failed)?;
    sync_folder(folder_of(to)).map_err(failed)?;
    if folder_of(from) == folder_of(to) {
        return Ok(());
    }
    sync_folder(folder_of(from)).map_err(failed)
}

/// The folder that a path stands in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// A folder's entry is on the disk once `sync` was called with the folder that it stands in.
fn make_folders(path: &Path, sync: &mut dyn FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = folder_of(path);
    if parent != path {
        make_folders(parent, sync)?;
    }
    match fs::create_dir(path) {
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        made => made?,
    }
    sync(parent)
}

/// A file under a temporary name, removed unless it took its place.
struct Temporary {
    path: PathBuf,
    in_place: bool,
}

impl Temporary {
    fn create(path: &Path, folder: &Path) -> io::Result<(Self, File)> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = path
            .file_name()
            .ok_or_else(|| io::Error::from(io::ErrorKind::IsADirectory))?;
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let mut hidden = std::ffi::OsString::from(".");
            hidden.push(name);
            hidden.push(format!(".{}-{number}.tmp", std::process::id()));
            let path = folder.join(hidden);
            match File::options().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    // Locks are a help only: where there are none, age tells strays.
                    let is_swept = matches!(file.try_lock(), Err(TryLockError::WouldBlock));
                    if is_swept || file.metadata()?.nlink() == 0 {
                        continue;
                    }
                    let temporary = Self {
                        path,
                        in_place: false,
                    };
                    return Ok((temporary, file));
                }
                // Left behind by a killed process of the same number.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.in_place {
            // The first error is on its way to the caller; this one would add nothing to it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Only Unix can open a folder as a file, and some file systems (CIFS, VirtualBox shares) cannot synchronise it.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(folder)?.sync_all() {
        Err(error) if [io::ErrorKind::InvalidInput, io::ErrorKind::Unsupported].contains(&error.kind()) => {
            Ok(())
        }
        synchronised => synchronised,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn replaces_and_makes_folders() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/file");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(path.parent().unwrap()), ["file"]);
    }

    #[test]
    fn the_first_to_write_a_new_file_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/file");
        assert!(write_new(&path, b"one").unwrap());
        assert!(!write_new(&path, b"two").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(names(path.parent().unwrap()), ["file"]);
        let path = folder.path().join("b/file");
        let n_new = std::thread::scope(|scope| {
            let write = |i: u8| write_new(&path, &[i; 999]).unwrap();
            let all: Vec<_> = (0..8).map(|i| scope.spawn(move || write(i))).collect();
            all.into_iter()
                .map(|one| u32::from(one.join().unwrap()))
                .sum::<u32>()
        });
        assert_eq!(n_new, 1);
        let written = fs::read(&path).unwrap();
        assert_eq!(written, [written[0]; 999]);
        assert_eq!(names(path.parent().unwrap()), ["file"]);
    }

    /// Without that, a power cut could take the new folders with all that is in them.
    #[test]
    fn each_new_folder_is_synchronised_where_it_stands() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("a")).unwrap();
        let mut synced = Vec::new();
        let mut sync = |folder: &Path| {
            synced.push(folder.strip_prefix(root.path()).unwrap().to_owned());
            sync_folder(folder)
        };
        make_folders(&root.path().join("a/b/c"), &mut sync).unwrap();
        make_folders(&root.path().join("a/b/c"), &mut sync).unwrap();
        assert_eq!(synced, [Path::new("a"), Path::new("a/b")]);
        let mut refuses = |_: &Path| Err(io::ErrorKind::StorageFull.into());
        assert!(make_folders(&root.path().join("d"), &mut refuses).is_err());
        create_folder(&root.path().join("e/f")).unwrap();
        assert!(root.path().join("e/f").is_dir());
    }

    #[test]
    fn whole_folders_change_their_names() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("x/from"), root.path().join("y/to"));
        write(&from.join("file"), b"one").unwrap();
        let error = rename(&from, &to).unwrap_err().to_string();
        assert!(error.contains("move what was written to"), "{error}");
        create_folder(&root.path().join("y")).unwrap();
        rename(&from, &to).unwrap();
        assert_eq!(fs::read(to.join("file")).unwrap(), b"one");
        assert!(!from.exists());
    }

    #[test]
    fn what_a_link_leads_to_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        let (file, link) = (root.path().join("x/file"), root.path().join("link"));
        write(&file, b"one").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, b"two").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        fs::remove_file(&file).unwrap();
        assert!(write(&link, b"three").is_err(), "a link that leads nowhere");
    }

    #[test]
    fn a_full_disk_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, b"old").unwrap();
        let error = write_with(&path, |file| {
            file.write_all(b"half of the ne")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        let message = error.unwrap_err().to_string();
        assert_eq!(
            message,
            format!("cannot write {}: the disk is full", path.display())
        );
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["file"]);
    }

    /// Those of killed processes: what is locked is being written, unless it is too old for that.
    #[test]
    fn strays_go_with_the_next_write() {
        let folder = tempfile::tempdir().unwrap();
        let stray = |number: u32, age: u64| {
            let file = File::create(folder.path().join(format!(".file.1-{number}.tmp"))).unwrap();
            let then = std::time::SystemTime::now() - Duration::from_secs(age);
            file.set_modified(then).unwrap();
            file
        };
        let written = [stray(0, 700), stray(1, 10)];
        written.iter().for_each(|file| file.try_lock().unwrap());
        drop(stray(2, 0));
        write(&folder.path().join("file"), b"x").unwrap();
        assert_eq!(names(folder.path()), [".file.1-1.tmp", "file"]);
        tidy(folder.path()).unwrap();
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn a_panic_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let unwound = std::panic::catch_unwind(|| write_with(&path, |_| panic!("while writing")));
        assert!(unwound.is_err());
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn impossible_places_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(folder.path(), b"x").unwrap_err().to_string();
        assert!(error.ends_with("it is a folder"), "{error}");
        let file = folder.path().join("file");
        write(&file, b"x").unwrap();
        let error = write(&file.join("below"), b"x").unwrap_err().to_string();
        assert!(error.contains("below: "), "{error}");
        assert!(error.ends_with("a part of the path is not a folder"), "{error}");
        assert_eq!(names(folder.path()), ["file"]);
    }

    /// The device stays a device, even for root.
    #[cfg(target_os = "linux")]
    #[test]
    fn devices_are_written_to_directly() {
        use std::os::unix::fs::FileTypeExt;
        let error = write(Path::new("/dev/full"), b"x").unwrap_err().to_string();
        assert_eq!(error, "cannot write /dev/full: the disk is full");
        assert!(fs::metadata("/dev/full").unwrap().file_type().is_char_device());
        write(Path::new("/dev/null"), b"x").unwrap();
    }
}
