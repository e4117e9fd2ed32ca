use sculpt_downloads::DownloadError;
use sculpt_store::FileError;
use thiserror::Error;

/// Why something of a remote place cannot be read or written. No variant holds a signed address, a header or a secret.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// The file system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// A transfer failed, as often as it was tried.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// A word that names no remote place.
    #[error("{word:?} is no remote place: {why}")]
    Location {
        /// The word, without what may be secret in it.
        word: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A variable of the environment that cannot be used.
    #[error("{name} {why}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// What is wrong.
        why: &'static str,
    },
    /// A place that is only read.
    #[error("{location} is read only: {remedy}")]
    ReadOnly {
        /// The place.
        location: String,
        /// Where to write instead.
        remedy: &'static str,
    },
    /// Writing, and nobody said who writes.
    #[error(
        "{object} cannot be written without credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (`aws configure export-credentials --format env` prints them)"
    )]
    NoCredentials {
        /// The object.
        object: String,
    },
    /// The server refused.
    #[error("{object} cannot be {doing}: the server answered {status}{code}{remedy}")]
    Refused {
        /// The object.
        object: String,
        /// What was tried: read, written.
        doing: &'static str,
        /// HTTP status.
        status: u16,
        /// The server's own word for it in brackets, or nothing.
        code: String,
        /// What to do.
        remedy: &'static str,
    },
    /// No answer, or none that is HTTP.
    #[error("{object} cannot be {doing}, tried {tries} times: {why}")]
    Transport {
        /// The object.
        object: String,
        /// What was tried: read, written.
        doing: &'static str,
        /// How often.
        tries: u32,
        /// What the client said.
        why: String,
    },
    /// An object that is longer than anything of its kind.
    #[error("{object} has more than the {most} bytes that it may have")]
    TooLong {
        /// The object.
        object: String,
        /// The most.
        most: u64,
    },
    /// Other bytes than the recorded ones; they were thrown away.
    #[error(
        "{object} has {bytes} bytes and SHA-256 {sha256}, and {expected_bytes} and {expected} are recorded; it was thrown away, and whoever keeps {location} has to mend it"
    )]
    OtherBytes {
        /// The object.
        object: String,
        /// The place that it is in.
        location: String,
        /// What came.
        sha256: String,
        /// Its length.
        bytes: u64,
        /// What is recorded.
        expected: String,
        /// Its length.
        expected_bytes: u64,
    },
    /// A list that is none, or lists what it must not.
    #[error("{object} is no list of ours: {detail}")]
    BadList {
        /// The object.
        object: String,
        /// What is wrong.
        detail: String,
    },
    /// Another machine finished the same folder with other bytes.
    #[error(
        "{folder} of {location} was finished by another machine with another {file} (SHA-256 {theirs}, here {ours}); nothing was overwritten"
    )]
    OtherResult {
        /// The place.
        location: String,
        /// The folder.
        folder: String,
        /// The first file that differs.
        file: String,
        /// SHA-256 there.
        theirs: String,
        /// SHA-256 here.
        ours: String,
    },
    /// A local file changed while it was uploaded.
    #[error("{path} changed while it was uploaded to {object}; the same command goes on from here")]
    Changed {
        /// The file.
        path: String,
        /// The object.
        object: String,
    },
}

impl RemoteError {
    /// Whether it is what the place has that is wrong, and not the way there.
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::OtherBytes { .. }
                | Self::TooLong { .. }
                | Self::BadList { .. }
                | Self::Download(DownloadError::OtherLength { .. } | DownloadError::TooLong { .. })
        )
    }
}
