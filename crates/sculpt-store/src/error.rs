use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// What the operating system refused to do with a file.
#[derive(Debug, Error)]
#[error("cannot {doing} {}: {}", path.display(), reason(refused))]
pub struct FileError {
    /// The file or folder.
    pub path: PathBuf,
    /// What was tried, such as `open`.
    pub doing: &'static str,
    /// What the operating system said; the message holds it, so it is no source to be printed again.
    pub refused: io::Error,
}

/// The operating system's usual answers in plain words.
fn reason(source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::NotFound => "there is no such file or folder".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::StorageFull => "the disk is full".into(),
        io::ErrorKind::QuotaExceeded => "the disk quota is used up".into(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".into(),
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            "a part of the path is not a folder".into()
        }
        io::ErrorKind::IsADirectory => "it is a folder".into(),
        io::ErrorKind::UnexpectedEof => "the file became shorter while it was read".into(),
        _ => source.to_string(),
    }
}
