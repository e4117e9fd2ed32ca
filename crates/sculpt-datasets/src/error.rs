use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why data cannot be made, read, fetched or cut into batches.
#[derive(Debug, Error)]
pub enum DatasetError {
    /// Pixels that are not `[n, 3, height, width]` for any `n`.
    #[error("{n_bytes} pixel bytes are not a whole number of images of 3 x {height} x {width}")]
    PixelCount {
        /// Bytes given.
        n_bytes: usize,
        /// Rows of an image.
        height: usize,
        /// Columns of an image.
        width: usize,
    },
    /// Not one label for each image.
    #[error("{n_labels} labels were given for {n_images} images")]
    LabelCount {
        /// Labels given.
        n_labels: usize,
        /// Images there are.
        n_images: usize,
    },
    /// More examples asked for than there are.
    #[error("{asked} examples were asked for, and there are {available}")]
    TooFew {
        /// Examples asked for.
        asked: usize,
        /// Examples there are.
        available: usize,
    },
    /// A held-out split that leaves nothing to train on.
    #[error("holding out {n_validation} of {n_examples} examples leaves none to train on")]
    NothingLeft {
        /// Examples to be held out.
        n_validation: usize,
        /// Examples there are.
        n_examples: usize,
    },
    /// A batch size that gives no step an epoch.
    #[error(
        "batches of {batch} cannot be made of {n_examples} examples (incomplete batches dropped: {drop_last})"
    )]
    NoBatch {
        /// Batch size.
        batch: usize,
        /// Examples there are.
        n_examples: usize,
        /// Whether an incomplete last batch is dropped.
        drop_last: bool,
    },
    /// A crop of pictures of many sizes, asked of images of one.
    #[error("resized-crop-flip is for pictures of many sizes, and all of these are {height} x {width}")]
    OneSize {
        /// Rows of an image.
        height: usize,
        /// Columns of an image.
        width: usize,
    },
    /// Images too small for the augmentation's padding.
    #[error("images of {height} x {width} are too small to be padded by {pad} on each side")]
    TooSmallToPad {
        /// Rows of an image.
        height: usize,
        /// Columns of an image.
        width: usize,
        /// Padding in pixels.
        pad: usize,
    },
    /// libtorch refused, for lack of memory or of the device.
    #[error("the examples cannot be put on the device: {0}")]
    Device(#[from] tch::TchError),
    /// The data folder does not exist.
    #[error("{path} is no folder; `data get {archive}` fetches {url}")]
    MissingFolder {
        /// The folder.
        path: PathBuf,
        /// Word for `data get`.
        archive: &'static str,
        /// Where the data are published.
        url: &'static str,
    },
    /// None of the record files is in the data folder, which may hold other data.
    #[error("{path} holds none of the files of {title}; `data get {archive}` fetches {url}")]
    Absent {
        /// The folder.
        path: PathBuf,
        /// The data looked for.
        title: &'static str,
        /// Word for `data get`.
        archive: &'static str,
        /// Where the data are published.
        url: &'static str,
    },
    /// A record file is not in the data folder, and others are.
    #[error("{path} is missing; `data get {archive}` fetches {url}")]
    MissingFile {
        /// The file.
        path: PathBuf,
        /// Word for `data get`.
        archive: &'static str,
        /// Where the data are published.
        url: &'static str,
    },
    /// A record file of another length than its records need.
    #[error("{path} has {n_bytes} bytes, and {n_records} records of {record_bytes} need {}", n_records * record_bytes)]
    FileSize {
        /// The file.
        path: PathBuf,
        /// Its length.
        n_bytes: u64,
        /// Records it should hold.
        n_records: u64,
        /// Bytes of a record.
        record_bytes: u64,
    },
    /// A label that names no class.
    #[error("{path}: record {record} has label {label}, and the labels of {n_classes} classes end at {}", n_classes - 1)]
    LabelOutOfRange {
        /// The file.
        path: PathBuf,
        /// The record, from 0.
        record: usize,
        /// Its label.
        label: u8,
        /// Number of classes.
        n_classes: usize,
    },
    /// A file that is not the published one, read without a name of its own.
    #[error(
        "{path} is not the file of the published {title} (its SHA-256 is {sha256}); \
         give these data a name of their own with --data-name"
    )]
    NotTheOriginal {
        /// The file.
        path: PathBuf,
        /// The data it was taken for.
        title: &'static str,
        /// Its SHA-256.
        sha256: String,
    },
    /// CIFAR-100 that did not come from `download`, read without a name of its own.
    #[error(
        "{path}: only the checksum of the archive of {title} is known, so files that `data get {archive}` did not \
         unpack need a name of their own, with --data-name"
    )]
    Unproven {
        /// The folder.
        path: PathBuf,
        /// The data it was taken for.
        title: &'static str,
        /// Word for `data get`.
        archive: &'static str,
    },
    /// The name of published data for other data.
    #[error("the data in {path} are not known to be the published {title}: `{name}` cannot be their name")]
    NameTaken {
        /// The folder.
        path: PathBuf,
        /// The name asked for.
        name: String,
        /// The data whose name it is.
        title: &'static str,
    },
    /// A name without a letter.
    #[error("`{name}` is no name for data: it is empty or starts or ends with a space")]
    BadName {
        /// The name asked for.
        name: String,
    },
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The server did not answer, or not in HTTP.
    #[error("{url} cannot be fetched: {source}")]
    Transport {
        /// The address.
        url: String,
        /// What the client said.
        source: Box<ureq::Error>,
    },
    /// The server answered with another status than success.
    #[error("{url} cannot be fetched: the server answered {status}")]
    Status {
        /// The address.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// The transfer ended early; what came is kept.
    #[error("{url} ended after {received} of {expected} bytes; the next attempt goes on from {path}")]
    Truncated {
        /// The address.
        url: String,
        /// Bytes in the file so far.
        received: u64,
        /// Bytes of the file.
        expected: u64,
        /// The incomplete file.
        path: PathBuf,
    },
    /// The connection failed in mid-transfer; what came is kept.
    #[error("{url} broke off after {received} bytes ({source}); the next attempt goes on from {path}")]
    BrokenOff {
        /// The address.
        url: String,
        /// Bytes in the file so far.
        received: u64,
        /// The incomplete file.
        path: PathBuf,
        /// What the connection said.
        source: io::Error,
    },
    /// More bytes than the file has; they are thrown away.
    #[error("{url} sends more than the {expected} bytes that it should have")]
    TooLong {
        /// The address.
        url: String,
        /// Bytes of the file, or the most that it may have.
        expected: u64,
    },
    /// Another file than the published one; it is thrown away.
    #[error("{url} is not the published archive: its SHA-256 is {received}, not {expected}")]
    Checksum {
        /// The address.
        url: String,
        /// SHA-256 of what came.
        received: String,
        /// SHA-256 of the published archive.
        expected: &'static str,
    },
    /// An archive entry that points elsewhere, or a record file that is none or has another size.
    #[error("{archive}: entry {entry} is not what this archive should hold")]
    BadEntry {
        /// The archive.
        archive: PathBuf,
        /// Path of the entry.
        entry: String,
    },
    /// An archive without one of the record files.
    #[error("{archive} does not hold {entry}")]
    MissingEntry {
        /// The archive.
        archive: PathBuf,
        /// Path of the entry.
        entry: String,
    },
    /// The target folder holds something else.
    #[error("{path} exists and does not hold the published {title}; move it away and try again")]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// The data that should be there.
        title: &'static str,
    },
}
