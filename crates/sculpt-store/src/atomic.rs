//! Files that are replaced whole or not at all.
//!
//! The new content goes to a temporary name in the same folder, is synchronised with the disk and then takes
//! the file's name, and the folder is synchronised too. Whatever fails, the old file stays as it was and the
//! temporary one is removed. Folders on the way are made. A device or pipe (`/dev/stdout`) has no content to
//! replace and is written to directly.

use crate::FileError;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

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
    fs::create_dir_all(folder).map_err(failed("make the folder of"))?;
    let (mut temporary, mut file) = Temporary::create(path, folder).map_err(failed("write"))?;
    fill(&mut file).map_err(failed("write"))?;
    file.sync_all().map_err(failed("write"))?;
    drop(file);
    fs::rename(&temporary.path, path).map_err(failed("write"))?;
    temporary.in_place = true;
    sync_folder(folder).map_err(failed("synchronise the folder of"))
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

/// Only Unix can open a folder as a file.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()
    } else {
        Ok(())
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
