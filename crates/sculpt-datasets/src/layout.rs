use crate::DataSpec;
use sculpt_downloads::{Archive, ArchiveFile};

/// Files of records in CIFAR's binary layout: of each record label bytes, then the red, green and blue plane.
#[derive(Clone, Debug)]
pub struct RecordLayout {
    /// Word for `data get`.
    pub(crate) word: &'static str,
    pub(crate) url: &'static str,
    pub(crate) archive_sha256: &'static str,
    /// Length of the archive; `None`: nobody wrote it down.
    pub(crate) archive_bytes: Option<u64>,
    /// Folder in the archive that holds the record files.
    pub(crate) folder: &'static str,
    /// Training files in their order.
    pub(crate) train: &'static [RecordFile],
    pub(crate) test: RecordFile,
    /// Number of values of each label byte of a record; the last one is the class.
    pub(crate) label_bytes: &'static [u16],
}

/// A file of records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordFile {
    pub(crate) name: &'static str,
    /// Records of the genuine file; others have at most as many.
    pub(crate) n_records: u32,
    /// `None`: nobody wrote it down.
    pub(crate) sha256: Option<&'static str>,
}

impl RecordLayout {
    /// Training files in their order, then the test file.
    pub(crate) fn files(&self) -> impl Iterator<Item = &RecordFile> {
        self.train.iter().chain([&self.test])
    }

    pub(crate) fn record_bytes(&self, spec: &DataSpec) -> u64 {
        let shape = spec.shape;
        self.label_bytes.len() as u64
            + u64::from(shape.channels) * u64::from(shape.height) * u64::from(shape.width)
    }

    pub(crate) fn archive(&self, spec: &DataSpec) -> Archive {
        let files = self.files().map(|file| ArchiveFile {
            name: file.name.to_owned(),
            bytes: u64::from(file.n_records) * self.record_bytes(spec),
            sha256: file.sha256.map(str::to_owned),
        });
        Archive {
            title: spec.title.to_owned(),
            url: self.url.to_owned(),
            sha256: self.archive_sha256.to_owned(),
            bytes: self.archive_bytes,
            folder: self.folder.to_owned(),
            files: files.collect(),
        }
    }
}
