//! Reading descriptions, lists and tables, which are small: whole, but never more than there is memory for.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// The paper's whole grid has a manifest of 30 MB and metrics of 40 MB.
const MOST_BYTES: u64 = 1 << 28;

/// The bytes of a file of at most 256 MiB.
///
/// # Errors
/// What the operating system refuses; a longer file, or none that is regular: a folder, or a pipe that would be waited for.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let found = fs::metadata(path)?;
    if found.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if !found.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is no regular file"));
    }
    if found.len() > MOST_BYTES {
        let detail = format!(
            "it has {} bytes, and no list, description or table has more than {MOST_BYTES}",
            found.len()
        );
        return Err(io::Error::new(ErrorKind::FileTooLarge, detail));
    }
    let mut bytes = Vec::new();
    // It may grow while it is read.
    File::open(path)?.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of such a file.
///
/// # Errors
/// As [`read`], and bytes that are no UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is no text in UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_files_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert_eq!(read(&path).unwrap_err().kind(), ErrorKind::NotFound);
        fs::write(&path, "β").unwrap();
        assert_eq!(read_text(&path).unwrap(), "β");
        fs::write(&path, [0xff]).unwrap();
        assert_eq!(read(&path).unwrap(), [0xff]);
        assert!(read_text(&path).unwrap_err().to_string().contains("UTF-8"));
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(MOST_BYTES + 1)
            .unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("268435457 bytes"));
        assert_eq!(read(folder.path()).unwrap_err().kind(), ErrorKind::IsADirectory);
        assert!(
            read(Path::new("/dev/zero"))
                .unwrap_err()
                .to_string()
                .contains("no regular file")
        );
    }
}
