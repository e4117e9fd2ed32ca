//! Files that are replaced whole or not at all.
//!
//! The new content goes to a temporary name in the same folder, is synchronised with the disk and then takes
//! the file's name, and the folder is synchronised too. Whatever fails, the old file stays as it was and the
//! temporary one is removed; one that a killed process left behind goes with the next write into its folder. Folders on
//! the way are made. A device or pipe (`/dev/stdout`) has no content to
//! replace and is written to directly.

use crate::{FileError, paths};
use std::fs::{self, File};
use std::io::{self, Write};
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

/// Replaces the file at `path` by what `fill` writes.
///
/// # Errors
/// What `fill` returns or the operating system refuses; then the old file stands as it was.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), FileError> {
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
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    make_folder(folder).map_err(failed("make the folder of"))?;
    remove_strays(folder, STRAY_AFTER).map_err(failed("tidy the folder of"))?;
    let (mut temporary, mut file) = Temporary::create(path, folder).map_err(failed("write"))?;
    fill(&mut file).map_err(failed("write"))?;
    file.sync_all().map_err(failed("write"))?;
    drop(file);
    fs::rename(&temporary.path, path).map_err(failed("write"))?;
    temporary.in_place = true;
    sync_folder(folder).map_err(failed("synchronise the folder of"))
}

/// No write lasts so long: a temporary file that nobody has touched since is a killed process's.
const STRAY_AFTER: Duration = Duration::from_secs(600);

/// Removes the temporary files of a folder that nobody can be writing, because the caller holds its lock.
///
/// # Errors
/// What the operating system refuses.
pub fn tidy(folder: &Path) -> Result<(), FileError> {
    remove_strays(folder, Duration::ZERO).map_err(|refused| FileError {
        path: folder.to_owned(),
        doing: "tidy",
        refused,
    })
}

fn remove_strays(folder: &Path, older_than: Duration) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(paths::is_temporary) {
            continue;
        }
        // One that went away meanwhile took its place.
        let Ok(found) = entry.metadata() else { continue };
        let age = found.modified()?.elapsed().unwrap_or_default();
        if found.is_file() && age >= older_than {
            remove_if_there(&entry.path())?;
        }
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Makes a folder and those above it, each entered into the one above for good.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    if above != folder {
        make_folder(above)?;
    }
    match fs::create_dir(folder) {
        // Somebody else was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        made => made?,
    }
    sync_folder(above)
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

    /// The older one is a killed process's, the younger one may be being written.
    #[test]
    fn strays_go_with_the_next_write() {
        let folder = tempfile::tempdir().unwrap();
        let stray = |number: u32, age: u64| {
            let file = File::create(folder.path().join(format!(".file.1-{number}.tmp"))).unwrap();
            let then = std::time::SystemTime::now() - Duration::from_secs(age);
            file.set_modified(then).unwrap();
        };
        stray(0, 700);
        stray(1, 10);
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
