//! Measures under what they rest on, so that a stale one is never found: the SHA-256 of the key's canonical JSON is the
//! file's name, and the file holds key and value under a hash of its own.

use crate::canonical::{sha256_hex, to_canonical_json};
use crate::{FileError, atomic, paths, sealed};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// The cache of a store, or of a published suite's reader.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
    counts: Arc<Counts>,
}

/// Measures so far, of a cache and its clones.
#[derive(Debug, Default)]
pub struct Counts {
    found: AtomicU64,
    taken: AtomicU64,
    wanted: AtomicU64,
    lost: AtomicU64,
}

impl Counts {
    /// Measures that the cache had.
    pub fn found(&self) -> u64 {
        self.found.load(Ordering::Relaxed)
    }

    /// Measures taken anew.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Measures that are to be taken anew, those that were taken among them, as far as is known: the next figure may want more.
    pub fn wanted(&self) -> u64 {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Of those taken, how many could not be kept, where nothing may be written.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// What one measure rests on.
pub struct Key {
    parts: Value,
    sha256: String,
}

/// What a file of the cache holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Measure {
    key: Value,
    value: Value,
}

/// What a file of a cache turns out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MeasureFile {
    /// A measure, every byte as it was written.
    Sound,
    /// One of an older version, which carries no hash: it is measured again when it is asked for.
    Older,
    /// Anything else, and why: it is measured again when it is asked for.
    Damaged(String),
}

impl Cache {
    /// The cache in a store's folder, or in another that holds one.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            counts: Arc::default(),
        }
    }

    /// How far the work is, for as long as anybody holds the cache or a clone of it.
    pub fn counts(&self) -> Weak<Counts> {
        Arc::downgrade(&self.counts)
    }

    /// What was measured under this key; none too where the file is not what was written.
    pub fn get<V: DeserializeOwned>(&self, key: &Key) -> Option<V> {
        let value = self.read(key)?;
        self.counts.found.fetch_add(1, Ordering::Relaxed);
        Some(value)
    }

    /// Whether there is such a measure, for whoever does not yet ask for it. It may be gone when it is asked for.
    pub fn has<V: DeserializeOwned>(&self, key: &Key) -> bool {
        self.read::<V>(key).is_some()
    }

    fn read<V: DeserializeOwned>(&self, key: &Key) -> Option<V> {
        let bytes = crate::read(&paths::measure(&self.folder, &key.sha256)).ok()?;
        let (measure, is_sealed) = sealed::open::<Measure>(&bytes).ok()?;
        let is_own = is_sealed && measure.key == key.parts;
        is_own
            .then(|| serde_json::from_value(measure.value).ok())
            .flatten()
    }

    /// So many more are to be taken.
    pub fn want(&self, n: u64) {
        self.counts.wanted.fetch_add(n, Ordering::Relaxed);
    }

    /// Keeps what was measured; a cache that cannot be written to keeps nothing, and counts it ([`Counts::lost`]).
    ///
    /// A number that is not finite is kept as `null`, which is read as none: of a value that must have it, there is then none.
    ///
    /// # Errors
    /// What the file system refuses, but for a place that is read only.
    ///
    /// # Panics
    /// When the value has no JSON, such as a map by something else than text.
    pub fn put(&self, key: &Key, value: &impl Serialize) -> Result<(), FileError> {
        self.counts.taken.fetch_add(1, Ordering::Relaxed);
        let measure = Measure {
            key: key.parts.clone(),
            value: serde_json::to_value(value).expect("a measure is plain JSON"),
        };
        let text = sealed::seal(&measure).expect("measures are finite");
        match atomic::write(&paths::measure(&self.folder, &key.sha256), text.as_bytes()) {
            Err(error)
                if [ErrorKind::ReadOnlyFilesystem, ErrorKind::PermissionDenied]
                    .contains(&error.refused.kind()) =>
            {
                self.counts.lost.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            written => written,
        }
    }
}

impl Key {
    /// Of everything that the measure depends on.
    ///
    /// # Panics
    /// When the parts have no canonical JSON, such as a number that is not finite.
    pub fn of(parts: &impl Serialize) -> Self {
        let json = to_canonical_json(parts).expect("a key is plain JSON");
        Self {
            parts: serde_json::from_str(&json).expect("canonical JSON is JSON"),
            sha256: sha256_hex(json.as_bytes()),
        }
    }
}

/// Looks at a file of a cache, whose name is the SHA-256 of its key.
pub fn check_measure(path: &Path) -> MeasureFile {
    let bytes = match crate::read(path) {
        Ok(bytes) => bytes,
        Err(error) => return MeasureFile::Damaged(error.to_string()),
    };
    match sealed::open::<Measure>(&bytes) {
        Ok((measure, true)) => {
            let json = to_canonical_json(&measure.key).unwrap_or_default();
            let due = paths::measure_file(&sha256_hex(json.as_bytes()));
            if path.file_name().is_some_and(|name| name == due.as_str()) {
                MeasureFile::Sound
            } else {
                MeasureFile::Damaged(format!("holds the measure whose file is {due}"))
            }
        }
        Ok((_, false)) => MeasureFile::Damaged("lacks its own SHA-256".to_owned()),
        Err(error) => match serde_json::from_slice::<Value>(&bytes) {
            Ok(Value::Object(object))
                if !["key", "value", "sha256"]
                    .iter()
                    .any(|key| object.contains_key(*key)) =>
            {
                MeasureFile::Older
            }
            Ok(_) | Err(_) => MeasureFile::Damaged(error.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn every_byte_of_a_measure_counts() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path());
        let key = Key::of(&("loss", 0.25));
        assert_eq!(cache.get::<f64>(&key), None);
        cache.put(&key, &1.5).unwrap();
        assert_eq!(cache.get(&key), Some(1.5));
        let path = paths::measure(folder.path(), &key.sha256);
        assert_eq!(check_measure(&path), MeasureFile::Sound);
        let bytes = fs::read(&path).unwrap();
        for i in 0..bytes.len() {
            let mut spoilt = bytes.clone();
            spoilt[i] ^= 1 << (i % 8);
            fs::write(&path, spoilt).unwrap();
            assert_eq!(cache.get::<f64>(&key), None, "byte {i}");
            assert!(
                matches!(check_measure(&path), MeasureFile::Damaged(_)),
                "byte {i}"
            );
        }
        fs::write(&path, "{\"loss\":1.5}").unwrap();
        assert_eq!(check_measure(&path), MeasureFile::Older);
    }

    #[test]
    fn clones_count_together_and_nobody_counts_after_them() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path());
        let (counts, clone, key) = (cache.counts(), cache.clone(), Key::of(&1));
        assert_eq!(cache.get::<f64>(&key), None);
        cache.want(2);
        clone.put(&key, &1.5).unwrap();
        assert_eq!(cache.get(&key), Some(1.5));
        let so_far = counts.upgrade();
        let so_far = so_far.map(|counts| (counts.found(), counts.taken(), counts.wanted()));
        assert_eq!(so_far, Some((1, 1, 2)));
        drop((cache, clone));
        assert!(counts.upgrade().is_none());
    }

    /// Nobody makes folders among the kernel's.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_nothing_keeps_is_counted() {
        let cache = Cache::new(Path::new("/sys"));
        let (counts, key) = (cache.counts(), Key::of(&1));
        cache.put(&key, &1.5).unwrap();
        assert_eq!(cache.get::<f64>(&key), None);
        let so_far = counts.upgrade().map(|counts| (counts.taken(), counts.lost()));
        assert_eq!(so_far, Some((1, 1)));
    }
}
