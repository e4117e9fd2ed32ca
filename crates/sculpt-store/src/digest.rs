//! What a file must be: its SHA-256 and length, as lists of files record them.

use crate::canonical::{sha256_file, sha256_hex};
use crate::{FileError, atomic, paths};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use thiserror::Error;

/// SHA-256 and length of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digest {
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// Length in bytes.
    pub bytes: u64,
}

/// Why a file is not the recorded one.
#[derive(Debug, Error)]
pub enum Mismatch {
    /// It has another length.
    #[error("has {found} bytes, and {recorded} are recorded")]
    Bytes {
        /// Its length.
        found: u64,
        /// The recorded one.
        recorded: u64,
    },
    /// It has other content.
    #[error("has SHA-256 {found}, and {recorded} is recorded")]
    Sha256 {
        /// Its hash.
        found: String,
        /// The recorded one.
        recorded: String,
    },
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Digest {
    /// That of a file.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn of_file(path: &Path) -> Result<Self, FileError> {
        let (sha256, bytes) = sha256_file(path)?;
        Ok(Self { sha256, bytes })
    }

    /// That of a file's content.
    pub fn of(content: &[u8]) -> Self {
        Self {
            sha256: sha256_hex(content),
            bytes: content.len() as u64,
        }
    }

    /// Whether the file is the recorded one.
    ///
    /// # Errors
    /// Another file, or one that cannot be read.
    pub fn check(&self, path: &Path) -> Result<(), Mismatch> {
        // A length tells without reading: a file may be of any.
        let length = fs::metadata(path).ok().filter(fs::Metadata::is_file);
        if let Some(found) = length
            .map(|found| found.len())
            .filter(|found| *found != self.bytes)
        {
            let recorded = self.bytes;
            return Err(Mismatch::Bytes { found, recorded });
        }
        let found = Self::of_file(path)?;
        if found.bytes != self.bytes {
            return Err(Mismatch::Bytes {
                found: found.bytes,
                recorded: self.bytes,
            });
        }
        if found.sha256 != self.sha256 {
            return Err(Mismatch::Sha256 {
                found: found.sha256,
                recorded: self.sha256.clone(),
            });
        }
        Ok(())
    }
}

/// Writes a file that holds nothing but the SHA-256 of another.
///
/// # Errors
/// What the operating system refuses.
pub fn write_sha256(path: &Path, sha256: &str) -> Result<(), FileError> {
    atomic::write(path, format!("{sha256}\n").as_bytes())
}

/// What [`write_sha256`] wrote; none where the file holds anything else.
///
/// # Errors
/// A file that cannot be read.
pub fn read_sha256(path: &Path) -> Result<Option<String>, FileError> {
    let content = crate::read(path).map_err(|refused| FileError {
        path: path.to_owned(),
        doing: "read",
        refused,
    })?;
    let text = String::from_utf8(content).ok();
    let hash = text.and_then(|text| Some(text.strip_suffix('\n')?.to_owned()));
    Ok(hash.filter(|hash| paths::is_sha256(hash)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "abc").unwrap();
        let digest = Digest::of_file(&path).unwrap();
        assert_eq!(digest, Digest::of(b"abc"));
        digest.check(&path).unwrap();
        fs::write(&path, "abd").unwrap();
        assert!(matches!(digest.check(&path), Err(Mismatch::Sha256 { .. })));
        fs::write(&path, "abcd").unwrap();
        let error = digest.check(&path).unwrap_err().to_string();
        assert_eq!(error, "has 4 bytes, and 3 are recorded");
    }

    #[test]
    fn every_byte_of_a_hash_file_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sha256");
        let hash = Digest::of(b"abc").sha256;
        write_sha256(&path, &hash).unwrap();
        assert_eq!(read_sha256(&path).unwrap(), Some(hash.clone()));
        let bytes = fs::read(&path).unwrap();
        for i in 0..bytes.len() {
            let mut spoilt = bytes.clone();
            spoilt[i] ^= 1;
            fs::write(&path, spoilt).unwrap();
            assert_ne!(read_sha256(&path).unwrap(), Some(hash.clone()), "byte {i}");
        }
    }
}
