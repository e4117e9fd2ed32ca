use sculpt_store::FileError;
use std::path::PathBuf;
use thiserror::Error;

/// Why the bytes of a picture are not one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Not a byte.
    #[error("it is empty")]
    Empty,
    /// It ends before the picture does.
    #[error("it ends before the picture does")]
    Cut,
    /// Neither of the forms that are read, whatever its name says.
    #[error("it is neither JPEG nor PNG (it begins with {})", hex(first))]
    Form {
        /// Its first bytes, at most 4.
        first: Vec<u8>,
    },
    /// More pixels than may be decoded.
    #[error("it has {width} x {height} pixels, more than {most}")]
    TooLarge {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Most pixels.
        most: u64,
    },
    /// The decoder of its form gave up.
    #[error("it cannot be decoded as {form}: {detail}")]
    Damaged {
        /// Name of the form.
        form: &'static str,
        /// In the decoder's words.
        detail: String,
    },
}

fn hex(bytes: &[u8]) -> String {
    let words: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    words.join(" ")
}

/// Why pictures cannot be had.
#[derive(Debug, Error)]
pub enum PictureError {
    /// What the operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// A picture that nobody can read.
    #[error("{name}: {problem}")]
    Unreadable {
        /// Which.
        name: String,
        /// Why.
        problem: DecodeError,
    },
    /// More pictures were unreadable than may be left out.
    #[error("pictures that cannot be read: {}; {most} may be left out (--leave-out): {}", names.len(), names.join("; "))]
    TooManyUnreadable {
        /// Each with the reason.
        names: Vec<String>,
        /// How many may be left out.
        most: usize,
    },
    /// A folder or file of pictures that is not laid out as any that is read.
    #[error("{}: {problem}", path.display())]
    Layout {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A pack that is half made, damaged, or of another version.
    #[error("{}: {problem}", path.display())]
    Pack {
        /// The folder or file of the pack.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Somebody else packs into the same folder, or its file system has no locks.
    #[error(transparent)]
    Lock(#[from] sculpt_store::LockError),
    /// The caller asked to stop; what was packed until then serves the next time.
    #[error("packing was stopped; the same command goes on with it")]
    Stopped,
    /// Threads that the operating system refuses.
    #[error("cannot start threads that decode pictures: {refused}")]
    Threads {
        /// What it said.
        refused: std::io::Error,
    },
    /// A batch of no pictures, or of more than there are.
    #[error("batches of {batch} cannot be made of {n} pictures (incomplete batches dropped: {drop_last})")]
    NoBatch {
        /// Pictures a batch.
        batch: usize,
        /// Pictures.
        n: usize,
        /// Whether an incomplete last batch is left out.
        drop_last: bool,
    },
}

impl PictureError {
    pub(crate) fn layout(path: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        Self::Layout {
            path: path.into(),
            problem: problem.into(),
        }
    }

    pub(crate) fn pack(path: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        Self::Pack {
            path: path.into(),
            problem: problem.into(),
        }
    }
}

/// What was tried with a file when the operating system refused.
pub(crate) fn refused(
    path: &std::path::Path,
    doing: &'static str,
) -> impl FnOnce(std::io::Error) -> PictureError + use<> {
    let path = path.to_owned();
    move |refused| PictureError::File(FileError { path, doing, refused })
}
