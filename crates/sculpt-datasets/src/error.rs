use sculpt_downloads::DownloadError;
use sculpt_store::FileError;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why data cannot be made, found, read or cut into batches.
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
    /// Blocks of pixels that do not fill the images.
    #[error("blocks of {k} x {k} pixels do not fill images of {height} x {width}")]
    Blocks {
        /// Rows and columns of a block.
        k: usize,
        /// Rows of the images.
        height: usize,
        /// Columns of the images.
        width: usize,
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
    /// A shift of images of one size, asked of pictures of many.
    #[error("pictures of many sizes are trained on with the augmentation resized-crop-flip, or none")]
    ManySizes,
    /// Something that only examples in memory can do.
    #[error("{key:?} are pictures on disk, and this takes images in memory")]
    OnDisk {
        /// The data set.
        key: &'static str,
    },
    /// More classes than the data set has.
    #[error("these pictures have {found} classes, and {key:?} has {n_classes}")]
    TooManyClasses {
        /// The data set.
        key: &'static str,
        /// Classes found.
        found: usize,
        /// Classes it has.
        n_classes: u16,
    },
    /// A training batch of which nothing is left.
    #[error("batch {step} of epoch {epoch} has no picture that can be read: {}", names.join("; "))]
    EmptyBatch {
        /// Epochs trained before.
        epoch: u64,
        /// Steps of the epoch before.
        step: usize,
        /// Pictures that were left out until then, each with the reason.
        names: Vec<String>,
    },
    /// Pictures of which all were left out.
    #[error("none of the pictures can be read")]
    NothingReadable,
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
    /// A name that no data set has.
    #[error(
        "no data set is called {name:?}; known are {known}. Files of your own in the layout of one of them go by its name, and --data-name gives them a title"
    )]
    Unknown {
        /// The name.
        name: String,
        /// The names that there are, each with how one comes by the data.
        known: String,
    },
    /// Data that nobody pointed at.
    #[error("{key:?} is not at hand: {how}")]
    NotAtHand {
        /// The data looked for.
        key: &'static str,
        /// How one comes by them.
        how: String,
    },
    /// The data folder does not exist.
    #[error("{path} is no folder; {key:?}: {how}")]
    MissingFolder {
        /// The folder.
        path: PathBuf,
        /// The data looked for.
        key: &'static str,
        /// How one comes by them.
        how: String,
    },
    /// None of the record files is in the data folder, which may hold other data.
    #[error("{path} holds none of the files of {key:?}: {how}")]
    Absent {
        /// The folder.
        path: PathBuf,
        /// The data looked for.
        key: &'static str,
        /// How one comes by them.
        how: String,
    },
    /// A record file is not in the data folder, and others are.
    #[error("{path} is missing; {key:?}: {how}")]
    MissingFile {
        /// The file.
        path: PathBuf,
        /// The data looked for.
        key: &'static str,
        /// How one comes by them.
        how: String,
    },
    /// A record file of a length that no number of records has.
    #[error("{path} has {n_bytes} bytes, which are not 1 to {n_records} whole records of {record_bytes}")]
    FileSize {
        /// The file.
        path: PathBuf,
        /// Its length.
        n_bytes: u64,
        /// The most records that it may hold.
        n_records: u32,
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
        label: u16,
        /// Number of classes.
        n_classes: u16,
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
    /// Files without known checksums that did not come from `data get`, read without a name of their own.
    #[error(
        "{path}: only the checksum of the archive of {title} is known, so files that `data get` did not unpack need a \
         name of their own, with --data-name ({how})"
    )]
    Unproven {
        /// The folder.
        path: PathBuf,
        /// The data it was taken for.
        title: &'static str,
        /// How one comes by the published files.
        how: String,
    },
    /// The name of other data.
    #[error("the data in {path} are not known to be the published {title}: `{name}` cannot be their name")]
    NameTaken {
        /// The folder.
        path: PathBuf,
        /// The name asked for.
        name: String,
        /// The data whose name it is.
        title: &'static str,
    },
    /// A name without a letter, or one that no title can show.
    #[error(
        "{name:?} is no name for data: it has no letter, begins or ends with a space, has a control character in it or more than 80 characters"
    )]
    BadName {
        /// The name asked for.
        name: String,
    },
    /// A file that cannot be hashed.
    #[error(transparent)]
    File(#[from] FileError),
    /// Pictures that cannot be had.
    #[error(transparent)]
    Pictures(#[from] sculpt_pictures::PictureError),
    /// The sums beside files cannot be read.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
}
