//! Files that grow while somebody watches: a line, a record at a time.
//!
//! They are written in place and never synchronised, so that adding to them costs next to nothing; a process that ends in the
//! middle leaves a torn end, and a reader must stop there. For what is relied on there is [`crate::atomic`].

use crate::FileError;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// Begins the file anew with these bytes; its folder is made where it is missing.
///
/// # Errors
/// What the operating system refuses; what then stands there is not known.
pub fn begin(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let written = path.parent().map_or(Ok(()), fs::create_dir_all);
    let written = written.and_then(|()| File::create(path)?.write_all(bytes));
    written.map_err(|refused| failed(path, refused))
}

/// Adds bytes to the end of a file that is there.
///
/// # Errors
/// No such file, or what the operating system refuses: then the end may be torn, and the file is to be begun anew.
pub fn append(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let file = File::options().append(true).open(path);
    let written = file.and_then(|mut file| file.write_all(bytes));
    written.map_err(|refused| failed(path, refused))
}

fn failed(path: &Path, refused: std::io::Error) -> FileError {
    FileError {
        path: path.to_owned(),
        doing: "write",
        refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_begins_anew_and_grows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        assert!(append(&path, b"x").is_err());
        begin(&path, b"old").unwrap();
        begin(&path, b"1").unwrap();
        append(&path, b"23").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"123");
    }
}
