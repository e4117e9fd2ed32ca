//! What the tests of this crate share: a server on the loopback, and archives of any content.

use crate::{Archive, ArchiveFile, DownloadError, Limits, get};
use flate2::{Compression, write::GzEncoder};
use sculpt_store::canonical::sha256_hex;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A server on the loopback that gives `answers` (status line and headers, body), a connection each, and
/// keeps the `Range` that was asked for.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) ranges: Arc<Mutex<Vec<Option<String>>>>,
}

impl Server {
    pub(crate) fn new(answers: Vec<(String, Vec<u8>)>) -> Self {
        Self::dripping(answers, usize::MAX, Duration::ZERO)
    }

    /// Sends bodies in pieces of `piece` bytes with pauses between them.
    pub(crate) fn dripping(answers: Vec<(String, Vec<u8>)>, piece: usize, pause: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/a.tar.gz", listener.local_addr().unwrap());
        let ranges = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&ranges);
        thread::spawn(move || {
            for (head, body) in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut range = None;
                for line in BufReader::new(&stream).lines() {
                    let line = line.unwrap().to_lowercase();
                    if let Some(value) = line.strip_prefix("range: ") {
                        range = Some(value.to_owned());
                    }
                    if line.is_empty() {
                        break;
                    }
                }
                seen.lock().unwrap().push(range);
                let head = format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n");
                // The client may hang up before the end: that is its right.
                let _ = stream.write_all(head.as_bytes());
                for piece in body.chunks(piece.min(body.len().max(1))) {
                    if stream.write_all(piece).and_then(|()| stream.flush()).is_err() {
                        break;
                    }
                    thread::sleep(pause);
                }
            }
        });
        Self { url, ranges }
    }

    /// One answer with all of `body`.
    pub(crate) fn whole(body: &[u8]) -> Self {
        Self::new(vec![ok(body)])
    }
}

/// An answer of success that announces its length.
pub(crate) fn ok(body: &[u8]) -> (String, Vec<u8>) {
    (format!("200 OK\r\nContent-Length: {}", body.len()), body.to_vec())
}

/// A gzipped tar archive; the names are written as they are, however bad.
pub(crate) fn packed(entries: &[(&str, tar::EntryType, usize)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for &(name, kind, n_bytes) in entries {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_size(n_bytes as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder
            .append(&header, io::repeat(1).take(n_bytes as u64))
            .unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

/// What [`archive`] describes, and two entries that nobody wants.
pub(crate) fn good() -> Vec<u8> {
    packed(&[
        ("some-binary/", tar::EntryType::Directory, 0),
        ("some-binary/train.bin", tar::EntryType::Regular, 280),
        ("some-binary/notes.txt", tar::EntryType::Regular, 700),
        ("some-binary/test.bin", tar::EntryType::Regular, 70),
    ])
}

/// Two files without checksums, in an archive with the checksum of `packed`.
pub(crate) fn archive(packed: &[u8]) -> Archive {
    let file = |name: &str, bytes| ArchiveFile {
        name: name.to_owned(),
        bytes,
        sha256: None,
    };
    Archive {
        title: "Some".to_owned(),
        url: "https://host.invalid/some-binary.tar.gz".to_owned(),
        sha256: sha256_hex(packed),
        bytes: None,
        folder: "some-binary".to_owned(),
        files: vec![file("train.bin", 280), file("test.bin", 70)],
    }
}

pub(crate) fn bring(archive: &Archive, dest: &Path, url: &str) -> Result<PathBuf, DownloadError> {
    get(archive, dest, Some(url), Limits::USUAL, &mut |_, _| {})
}

#[track_caller]
pub(crate) fn refused(archive: &Archive, dest: &Path, server: &Server, parts: &[&str]) {
    let error = bring(archive, dest, &server.url).unwrap_err().to_string();
    assert!(parts.iter().all(|part| error.contains(part)), "{error}");
}

pub(crate) fn listing(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
