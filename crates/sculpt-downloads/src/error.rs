use sculpt_store::FileError;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why something cannot be brought or unpacked.
#[derive(Debug, Error)]
pub enum DownloadError {
    /// The file system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// An address that is not asked.
    #[error("{url} is no https address; plain http to other machines has to be allowed")]
    Scheme {
        /// The address.
        url: String,
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
    /// The server sends the client elsewhere, without encryption.
    #[error(
        "{url} cannot be fetched: the server answered {status}, go to {location:?}; give that address if it is right"
    )]
    Redirect {
        /// The address.
        url: String,
        /// HTTP status.
        status: u16,
        /// Where to.
        location: String,
    },
    /// The server announces another file than the known one; nothing of it is kept.
    #[error("{url} has {announced} bytes, and the file that is wanted has {expected}")]
    OtherLength {
        /// The address.
        url: String,
        /// Bytes that the server announces.
        announced: u64,
        /// Bytes of the file.
        expected: u64,
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
    /// The server is too slow to wait for; what came is kept.
    #[error("{url} {what}; {received} bytes are here, and the next attempt goes on from {path}")]
    TooSlow {
        /// The address.
        url: String,
        /// Which limit was passed, and by how much.
        what: String,
        /// Bytes in the file so far.
        received: u64,
        /// The incomplete file.
        path: PathBuf,
    },
    /// More bytes than the file has; they are thrown away.
    #[error("{url} sends more than the {expected} bytes that it should have")]
    TooLong {
        /// The address.
        url: String,
        /// Bytes of the file, or the most that it may have.
        expected: u64,
    },
    /// Another file than the published one; it is thrown away if it was fetched.
    #[error("{url} is not the published archive: its SHA-256 is {received}, not {expected}")]
    Checksum {
        /// The address, or the path.
        url: String,
        /// SHA-256 of what came.
        received: String,
        /// SHA-256 of the published archive.
        expected: String,
    },
    /// An archive entry that points elsewhere, or a wanted file that is none or has another size.
    #[error("{archive}: entry {entry:?} is not what this archive should hold")]
    BadEntry {
        /// The archive.
        archive: PathBuf,
        /// Path of the entry.
        entry: String,
    },
    /// An archive without one of the wanted files.
    #[error("{archive} does not hold {entry}")]
    MissingEntry {
        /// The archive.
        archive: PathBuf,
        /// Path of the entry.
        entry: String,
    },
    /// The files of an archive do not have the published checksums.
    #[error("{archive}: {name} is not the published file, its SHA-256 is {sha256}")]
    OtherFile {
        /// The archive.
        archive: PathBuf,
        /// The file in it.
        name: String,
        /// Its SHA-256.
        sha256: String,
    },
    /// The target folder holds something else.
    #[error("{path} exists and does not hold the published {title}; move it away and try again")]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// What should be there.
        title: String,
    },
    /// Another process brings the same, and has not ended.
    #[error("another process brings {path}; when that has ended it is there, or can be asked for again")]
    Busy {
        /// The folder that it will be.
        path: PathBuf,
    },
}
