use crate::DownloadError;
use sculpt_store::{FileError, paths};
use std::fs;
use std::io;
use std::path::Path;

/// A gzipped tar archive that somebody published, and what of it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// What is in it, for messages.
    pub title: String,
    /// Its address.
    pub url: String,
    /// SHA-256 of the archive, lower-case hexadecimal.
    pub sha256: String,
    /// Its length in bytes; `None`: nobody wrote it down.
    pub bytes: Option<u64>,
    /// The folder in it that holds the files, and that is made for them.
    pub folder: String,
    /// The files that are unpacked, in the order in which they are listed.
    pub files: Vec<ArchiveFile>,
}

/// A file of an [`Archive`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveFile {
    /// Its name in the folder.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256; `None`: nobody wrote it down.
    pub sha256: Option<String>,
}

/// What checksums say of files that look like those of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// They are those of the published archive.
    Genuine,
    /// One of them is another file.
    Differs {
        /// Its name.
        name: String,
        /// Its SHA-256.
        sha256: String,
    },
    /// Nobody wrote their checksums down, and no `SHA256SUMS` of ours stands beside them.
    Unproven,
}

impl Archive {
    /// Last part of the address: what the archive is called when it is put somewhere by hand.
    pub fn file_name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or(&self.url)
    }

    /// Text of `SHA256SUMS` beside files with these checksums: the archive, then the files, as `sha256sum` writes them.
    pub fn sums(&self, sha256s: &[String]) -> String {
        let mut text = format!("{}  {}\n", self.sha256, self.file_name());
        for (file, sha256) in self.files.iter().zip(sha256s) {
            text.push_str(&format!("{sha256}  {}\n", file.name));
        }
        text
    }

    /// Whether the files in `folder`, which have these checksums, came from the published archive.
    ///
    /// # Errors
    /// A `SHA256SUMS` that cannot be read.
    pub fn proof(&self, folder: &Path, sha256s: &[String]) -> Result<Proof, DownloadError> {
        for (file, sha256) in self.files.iter().zip(sha256s) {
            if file.sha256.as_ref().is_some_and(|known| known != sha256) {
                return Ok(Proof::Differs {
                    name: file.name.clone(),
                    sha256: sha256.clone(),
                });
            }
        }
        if self.files.iter().all(|file| file.sha256.is_some()) {
            return Ok(Proof::Genuine);
        }
        let path = paths::checksums(folder);
        match fs::read_to_string(&path) {
            Ok(text) if text == self.sums(sha256s) => Ok(Proof::Genuine),
            // Bytes that are no text are no sums of ours either.
            Err(error) if ![io::ErrorKind::NotFound, io::ErrorKind::InvalidData].contains(&error.kind()) => {
                let (doing, refused) = ("read", error);
                Err(FileError { path, doing, refused }.into())
            }
            Ok(_) | Err(_) => Ok(Proof::Unproven),
        }
    }
}
