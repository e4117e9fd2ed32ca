//! Measures under what they rest on, so that a stale one is never found: the SHA-256 of the key's canonical JSON is the
//! file's name.

use crate::MeasureError;
use sculpt_store::canonical::{sha256_hex, to_canonical_json};
use sculpt_store::{atomic, paths};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs;
use std::path::{Path, PathBuf};

/// The cache of a store, or of a published suite's reader.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
}

/// The name of one measure.
pub(crate) struct Key(String);

impl Cache {
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// What was measured under this key; none too where the file cannot be read as that.
    pub(crate) fn get<V: DeserializeOwned>(&self, key: &Key) -> Option<V> {
        let bytes = fs::read(paths::measure(&self.folder, &key.0)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    pub(crate) fn put(&self, key: &Key, value: &impl Serialize) -> Result<(), MeasureError> {
        let text = serde_json::to_vec(value).expect("a measure is plain JSON");
        Ok(atomic::write(&paths::measure(&self.folder, &key.0), &text)?)
    }
}

impl Key {
    /// Of everything that the measure depends on.
    pub(crate) fn of(parts: &impl Serialize) -> Self {
        let json = to_canonical_json(parts).expect("a key is plain JSON");
        Self(sha256_hex(json.as_bytes()))
    }
}
