use crate::DatasetError;
use sculpt_store::canonical::{hex, sha256_file};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// Digest of a data set of pictures: SHA-256 of the text that has one line for each, sorted by path, part by part:
///
/// ```text
/// <SHA-256 of the file>  <bytes>  <path, such as train/n01440764/n01440764_18.JPEG>
/// ```
///
/// The class is in the path, so labels are covered. It is of the files as their owners gave them out: it can be computed
/// in one pass over them, a file at a time, and neither a decoder of pictures nor a way of packing them changes it, as
/// they would change a digest of decoded pixels or of an archive.
#[derive(Clone, Debug, Default)]
pub struct PictureDigest {
    text: Sha256,
    last: Option<String>,
}

impl PictureDigest {
    /// Of no picture.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next picture in; `path` has `/` between its parts.
    ///
    /// # Errors
    /// A path that does not come after the last one, or that has a line's end in it.
    pub fn add(&mut self, path: &str, n_bytes: u64, sha256: &str) -> Result<(), DatasetError> {
        let refused = |problem| DatasetError::Picture {
            path: path.into(),
            problem,
        };
        if path.contains(['\n', '\r']) {
            return Err(refused("has a line's end in its name"));
        }
        // Part by part: as a walk through sorted folders comes by.
        if self
            .last
            .as_deref()
            .is_some_and(|last| last.split('/').ge(path.split('/')))
        {
            return Err(refused("does not come after the picture before it"));
        }
        self.text.update(format!("{sha256}  {n_bytes}  {path}\n"));
        self.last = Some(path.to_owned());
        Ok(())
    }

    /// The digest, lower-case hexadecimal.
    pub fn finish(self) -> String {
        hex(&self.text.finalize())
    }
}

/// The [`PictureDigest`] of a folder that holds `train/<class>/<picture>` and `val/<class>/<picture>`.
///
/// # Errors
/// A folder without these, anything else in them, or what the file system refuses.
pub fn pictures_digest(folder: &Path) -> Result<String, DatasetError> {
    let mut digest = PictureDigest::new();
    for part in ["train", "val"] {
        let part_folder = folder.join(part);
        for (class, class_folder) in sorted(&part_folder)? {
            for (name, path) in sorted(&class_folder)? {
                if !path.is_file() {
                    let problem = "is no picture in a class's folder";
                    return Err(DatasetError::Picture { path, problem });
                }
                let (sha256, n_bytes) = sha256_file(&path)?;
                digest.add(&format!("{part}/{class}/{name}"), n_bytes, &sha256)?;
            }
        }
    }
    Ok(digest.finish())
}

/// Names and paths of what is in a folder.
fn sorted(folder: &Path) -> Result<Vec<(String, PathBuf)>, DatasetError> {
    let refused = |source| DatasetError::Io {
        path: folder.to_path_buf(),
        source,
    };
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(refused)? {
        let entry = entry.map_err(refused)?;
        let path = entry.path();
        let name = entry
            .file_name()
            .into_string()
            .map_err(|_| DatasetError::Picture {
                path: path.clone(),
                problem: "has a name that is no text",
            })?;
        entries.push((name, path));
    }
    entries.sort();
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    /// `cd DIR; LC_ALL=C; for f in train/a/x.JPEG train/a-b/x.JPEG val/a/y.JPEG; do printf '%s  %s  %s\n' \
    /// "$(sha256sum <$f | cut -c1-64)" $(wc -c <$f) $f; done | sha256sum`
    const BY_COREUTILS: &str = "c3ff77aea1b72a038ffc5baa92997af3afcf1ddb663d733562ec6569dfb3caef";

    fn folder() -> TempDir {
        let dir = TempDir::new().unwrap();
        for (path, text) in [
            ("train/a/x.JPEG", "one"),
            ("train/a-b/x.JPEG", "two"),
            ("val/a/y.JPEG", ""),
        ] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    /// Class folders are sorted as names are, so that `a` comes before `a-b`, whatever the bytes of `a/` and `a-`.
    #[test]
    fn the_digest_is_one_of_contents() {
        let dir = folder();
        assert_eq!(pictures_digest(dir.path()).unwrap(), BY_COREUTILS);
        for change in ["train/a/x.JPEG", "val/a/y.JPEG"] {
            let dir = folder();
            fs::write(dir.path().join(change), "other").unwrap();
            assert_ne!(pictures_digest(dir.path()).unwrap(), BY_COREUTILS);
        }
        fs::rename(dir.path().join("val/a"), dir.path().join("val/b")).unwrap();
        assert_ne!(pictures_digest(dir.path()).unwrap(), BY_COREUTILS);
    }

    #[test]
    fn what_has_no_place_is_named() {
        let dir = folder();
        fs::create_dir(dir.path().join("train/a/deep")).unwrap();
        let error = pictures_digest(dir.path()).unwrap_err().to_string();
        assert!(
            error.ends_with("train/a/deep is no picture in a class's folder"),
            "{error}"
        );
        assert!(pictures_digest(&dir.path().join("train")).is_err());
        let mut digest = PictureDigest::new();
        digest.add("train/a/b", 1, "00").unwrap();
        assert!(digest.add("train/a/b", 1, "00").is_err());
        assert!(digest.add("train/a\n/c", 1, "00").is_err());
    }
}
