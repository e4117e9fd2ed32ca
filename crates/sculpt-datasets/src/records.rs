//! Record files: which there are, what they are, what is in them.

use crate::layout::{RecordFile, RecordLayout};
use crate::{DataSpec, DatasetError, Examples, digest};
use sculpt_downloads::Proof;
use sculpt_store::canonical::{sha256_file, sha256_hex};
use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Record files that are there.
#[derive(Clone, Debug)]
pub struct Found {
    pub(crate) folder: PathBuf,
    pub(crate) proof: Proof,
    digest: String,
    n_train: u32,
    n_test: u32,
}

impl Found {
    /// Digest of the data.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether they are the published files.
    pub fn is_original(&self) -> bool {
        self.proof == Proof::Genuine
    }

    /// Records of the training files.
    pub fn n_train(&self) -> u32 {
        self.n_train
    }

    /// Records of the test file.
    pub fn n_test(&self) -> u32 {
        self.n_test
    }

    /// From the files' checksums and numbers of records.
    fn new(
        spec: &DataSpec,
        layout: &RecordLayout,
        folder: PathBuf,
        files: &[(String, u32)],
    ) -> Result<Self, DatasetError> {
        let sha256s: Vec<String> = files.iter().map(|(sha256, _)| sha256.clone()).collect();
        let proof = layout.archive(spec).proof(&folder, &sha256s)?;
        let digest = match spec.digest {
            Some(genuine) if proof == Proof::Genuine => genuine.to_owned(),
            Some(_) | None => digest::of_files(sha256s.iter().map(String::as_str)),
        };
        let (test, train) = files.split_last().expect("a layout has a test file");
        Ok(Self {
            folder,
            proof,
            digest,
            n_train: train.iter().map(|(_, n)| n).sum(),
            n_test: test.1,
        })
    }
}

pub(crate) fn find(spec: &DataSpec, layout: &RecordLayout, dir: &Path) -> Result<Found, DatasetError> {
    let folder = folder_of(spec, layout, dir)?;
    let mut files = Vec::new();
    for file in layout.files() {
        let path = folder.join(file.name);
        let (metadata, n) = records_of(spec, layout, &path, file)?;
        files.push((sha256_of(&path, &metadata)?, n));
    }
    Found::new(spec, layout, folder, &files)
}

/// Training examples, test examples, digest.
pub(crate) fn read(
    spec: &DataSpec,
    layout: &RecordLayout,
    dir: &Path,
) -> Result<(Examples, Examples, String), DatasetError> {
    let folder = folder_of(spec, layout, dir)?;
    let (mut files, mut parts) = (Vec::new(), Vec::new());
    for file in layout.files() {
        let path = folder.join(file.name);
        let (metadata, n) = records_of(spec, layout, &path, file)?;
        let bytes = fs::read(&path).map_err(io_at(&path))?;
        if bytes.len() as u64 != metadata.len() {
            return Err(wrong_size(spec, layout, &path, file, bytes.len() as u64));
        }
        files.push((sha256_hex(&bytes), n));
        if parts.is_empty() || file.name == layout.test.name {
            parts.push((Vec::new(), Vec::new()));
        }
        let (pixels, labels) = parts.last_mut().expect("it was just pushed");
        decode(spec, layout, &path, &bytes, pixels, labels)?;
    }
    let examples = |(pixels, labels)| {
        let (height, width) = (spec.shape.height as usize, spec.shape.width as usize);
        Examples::new(height, width, pixels, labels)
    };
    let test = examples(parts.pop().expect("a layout has a test file"))?;
    let train = examples(parts.pop().expect("a layout has training files"))?;
    let found = Found::new(spec, layout, folder, &files)?;
    Ok((train, test, found.digest))
}

fn folder_of(spec: &DataSpec, layout: &RecordLayout, dir: &Path) -> Result<PathBuf, DatasetError> {
    let below = dir.join(layout.folder);
    let folder = if below.is_dir() { below } else { dir.to_path_buf() };
    if !folder.is_dir() {
        return Err(DatasetError::MissingFolder {
            path: folder,
            key: spec.key,
            how: spec.how(),
        });
    }
    if layout.files().any(|file| folder.join(file.name).exists()) {
        return Ok(folder);
    }
    Err(DatasetError::Absent {
        path: folder,
        key: spec.key,
        how: spec.how(),
    })
}

/// What the file system says of a record file, and how many records it holds: at least one, at most the genuine file's.
fn records_of(
    spec: &DataSpec,
    layout: &RecordLayout,
    path: &Path,
    file: &RecordFile,
) -> Result<(Metadata, u32), DatasetError> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(DatasetError::MissingFile {
                path: path.to_path_buf(),
                key: spec.key,
                how: spec.how(),
            });
        }
        Err(error) => return Err(io_at(path)(error)),
    };
    let (n_bytes, record_bytes) = (metadata.len(), layout.record_bytes(spec));
    let n = n_bytes / record_bytes;
    if !n_bytes.is_multiple_of(record_bytes) || !(1..=u64::from(file.n_records)).contains(&n) {
        return Err(wrong_size(spec, layout, path, file, n_bytes));
    }
    Ok((metadata, n as u32))
}

fn wrong_size(
    spec: &DataSpec,
    layout: &RecordLayout,
    path: &Path,
    file: &RecordFile,
    n_bytes: u64,
) -> DatasetError {
    DatasetError::FileSize {
        path: path.to_path_buf(),
        n_bytes,
        n_records: file.n_records,
        record_bytes: layout.record_bytes(spec),
    }
}

/// SHA-256 of a file, computed once as long as its length and the time of its last change stay.
fn sha256_of(path: &Path, metadata: &Metadata) -> Result<String, DatasetError> {
    type Known = BTreeMap<PathBuf, (u64, SystemTime, String)>;
    static KNOWN: Mutex<Known> = Mutex::new(BTreeMap::new());
    /// A file may change twice within the file system's shortest time.
    const SETTLED: Duration = Duration::from_secs(2);

    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let changed = metadata.modified().map_err(io_at(path))?;
    if let Some((n_bytes, time, sha256)) = known().get(path)
        && (*n_bytes, *time) == (metadata.len(), changed)
    {
        return Ok(sha256.clone());
    }
    let (sha256, n_bytes) = sha256_file(path)?;
    if changed.elapsed().is_ok_and(|age| age > SETTLED) {
        known().insert(path.to_path_buf(), (n_bytes, changed, sha256.clone()));
    }
    Ok(sha256)
}

/// Appends the pixels and the classes of the records in `bytes`.
fn decode(
    spec: &DataSpec,
    layout: &RecordLayout,
    path: &Path,
    bytes: &[u8],
    pixels: &mut Vec<u8>,
    labels: &mut Vec<u16>,
) -> Result<(), DatasetError> {
    pixels.reserve(bytes.len());
    for (i, record) in bytes.chunks_exact(layout.record_bytes(spec) as usize).enumerate() {
        let (record_labels, image) = record.split_at(layout.label_bytes.len());
        for (&label, &n_classes) in record_labels.iter().zip(layout.label_bytes) {
            let label = u16::from(label);
            if label >= n_classes {
                return Err(DatasetError::LabelOutOfRange {
                    path: path.to_path_buf(),
                    record: i,
                    label,
                    n_classes,
                });
            }
        }
        labels.extend(record_labels.last().map(|&label| u16::from(label)));
        pixels.extend_from_slice(image);
    }
    Ok(())
}

fn io_at(path: &Path) -> impl Fn(io::Error) -> DatasetError + use<> {
    let path = path.to_path_buf();
    move |source| DatasetError::Io {
        path: path.clone(),
        source,
    }
}
