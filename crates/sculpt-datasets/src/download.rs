use crate::DatasetError;
use crate::cifar::{self, SUMS};
use crate::digest;
use crate::published::{Archive, Published};
use flate2::read::GzDecoder;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// Fetches a published data set into a folder below `dest`, and returns that folder, which
/// [`cifar10`](crate::cifar10) or [`cifar100`](crate::cifar100) reads. Where it is there already and complete,
/// nothing is fetched; where the archive lies in `dest` (put there by hand), it is used and left there.
///
/// `url` replaces the published address, never the checksum. `progress` is called with the bytes that are here
/// and all bytes of the archive (0: not known). What a broken transfer left, in `….partial`, is gone on with
/// by the next call. Nothing but the record files is unpacked, to a temporary folder that is renamed at the
/// end.
pub fn download(
    which: Archive,
    dest: &Path,
    url: Option<&str>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<PathBuf, DatasetError> {
    let published = which.published();
    fetch(published, dest, url.unwrap_or(published.url), progress)
}

/// More than any of the archives has, packed or not: a server or an archive cannot fill the disk.
const MOST_BYTES: u64 = 1 << 30;

/// Bytes handled between two calls of `progress`.
const CHUNK: usize = 1 << 18;

fn fetch(
    published: &Published,
    dest: &Path,
    url: &str,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<PathBuf, DatasetError> {
    let folder = dest.join(published.folder);
    if folder.exists() {
        return match checksums(published, &folder).and_then(|sums| cifar::prove(published, &folder, &sums)) {
            Ok(()) => Ok(folder),
            Err(_) => Err(DatasetError::Occupied {
                path: folder,
                title: published.title,
            }),
        };
    }
    fs::create_dir_all(dest).map_err(at(dest))?;
    let by_hand = dest.join(published.archive_name());
    if by_hand.exists() {
        let sha256 = hash_file(&by_hand)?;
        if sha256 != published.archive_sha256 {
            return Err(DatasetError::Checksum {
                url: by_hand.display().to_string(),
                received: sha256,
                expected: published.archive_sha256,
            });
        }
        unpack(published, &by_hand, &folder)?;
        return Ok(folder);
    }
    let partial = dest.join(format!("{}.partial", published.archive_name()));
    Client::new(url).fetch(url, &partial, published.archive_bytes, MOST_BYTES, progress)?;
    let sha256 = hash_file(&partial)?;
    if sha256 != published.archive_sha256 {
        remove(&partial)?;
        return Err(DatasetError::Checksum {
            url: url.to_owned(),
            received: sha256,
            expected: published.archive_sha256,
        });
    }
    unpack(published, &partial, &folder)?;
    remove(&partial)?;
    Ok(folder)
}

/// Fetches files over HTTP(S); connections to a server are kept between files.
#[derive(Debug)]
pub struct Client(ureq::Agent);

impl Client {
    /// A client for addresses on the server of `url`.
    pub fn new(url: &str) -> Self {
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(30)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_per_read(Some(Duration::from_secs(60)));
        if url.starts_with("http://127.0.0.1") || url.starts_with("http://localhost") {
            // No proxy stands between a machine and itself.
            config = config.proxy(None);
        }
        Self(config.build().into())
    }

    /// Brings the whole file at `url` into `partial`, going on from what is there.
    ///
    /// `bytes` is its length, where that is known; it has no more than `most`. `progress` is called with the bytes
    /// that are here and all bytes (0: not known). What came is not compared with any checksum.
    ///
    /// # Errors
    /// A server that does not answer or refuses, a file that is longer, a transfer that ends early (what came is
    /// kept), or what the file system refuses.
    pub fn fetch(
        &self,
        url: &str,
        partial: &Path,
        bytes: Option<u64>,
        most: u64,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), DatasetError> {
        let mut received = match fs::metadata(partial) {
            Ok(metadata) => metadata.len(),
            Err(source) if source.kind() == io::ErrorKind::NotFound => 0,
            Err(source) => return Err(at(partial)(source)),
        };
        if bytes == Some(received) && received > 0 {
            return Ok(());
        }
        if bytes.is_some_and(|expected| received > expected) {
            remove(partial)?;
            received = 0;
        }
        let mut response = self.get(url, received)?;
        if received > 0 && response.status() == 416 {
            // What is here does not begin the file that is there.
            remove(partial)?;
            received = 0;
            response = self.get(url, 0)?;
        }
        let status = response.status().as_u16();
        let range = header(&response, "content-range").unwrap_or_default().to_owned();
        let goes_on = match status {
            200 => false,
            206 if received > 0 && range.starts_with(&format!("bytes {received}-")) => true,
            _ => {
                return Err(DatasetError::Status {
                    url: url.to_owned(),
                    status,
                });
            }
        };
        if !goes_on {
            received = 0;
        }
        let announced = header(&response, "content-length").and_then(|length| length.parse::<u64>().ok());
        let expected = bytes.or(announced.map(|length| length.saturating_add(received)));
        let most = expected.unwrap_or(most).min(most);
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .append(goes_on)
            .truncate(!goes_on)
            .open(partial)
            .map_err(at(partial))?;
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; CHUNK];
        loop {
            progress(received, expected.unwrap_or(0));
            let n = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(source) if source.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    file.sync_all().map_err(at(partial))?;
                    return Err(DatasetError::BrokenOff {
                        url: url.to_owned(),
                        received,
                        path: partial.to_path_buf(),
                        source,
                    });
                }
            };
            received += n as u64;
            if received > most {
                drop(file);
                remove(partial)?;
                return Err(DatasetError::TooLong {
                    url: url.to_owned(),
                    expected: most,
                });
            }
            file.write_all(&buffer[..n]).map_err(at(partial))?;
        }
        file.sync_all().map_err(at(partial))?;
        match expected {
            Some(expected) if received < expected => Err(DatasetError::Truncated {
                url: url.to_owned(),
                received,
                expected,
                path: partial.to_path_buf(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// The answer to a GET for the bytes from `first` on.
    fn get(&self, url: &str, first: u64) -> Result<ureq::http::Response<ureq::Body>, DatasetError> {
        let mut request = self.0.get(url).header("accept-encoding", "identity");
        if first > 0 {
            request = request.header("range", format!("bytes={first}-"));
        }
        request.call().map_err(|source| DatasetError::Transport {
            url: url.to_owned(),
            source: Box::new(source),
        })
    }
}

fn header<'a>(response: &'a ureq::http::Response<ureq::Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// Unpacks the record files of the archive into `folder`, which does not exist yet.
fn unpack(published: &Published, archive: &Path, folder: &Path) -> Result<(), DatasetError> {
    let staging = folder.with_file_name(format!("{}.partial", published.folder));
    if staging.exists() {
        fs::remove_dir_all(&staging).map_err(at(&staging))?;
    }
    fs::create_dir(&staging).map_err(at(&staging))?;
    let unpacked = unpack_into(published, archive, &staging).and_then(|()| {
        let sha256s = checksums(published, &staging)?;
        let sums_path = staging.join(SUMS);
        fs::write(&sums_path, cifar::sums(published, &sha256s)).map_err(at(&sums_path))?;
        cifar::prove(published, &staging, &sha256s)?;
        fs::rename(&staging, folder).map_err(at(folder))
    });
    if unpacked.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_dir_all(&staging);
    }
    unpacked
}

/// Files are created under names of ours only, with lengths that are known before.
fn unpack_into(published: &Published, archive: &Path, staging: &Path) -> Result<(), DatasetError> {
    let file = File::open(archive).map_err(at(archive))?;
    let mut entries = tar::Archive::new(GzDecoder::new(io::BufReader::new(file)).take(MOST_BYTES));
    let mut missing: Vec<_> = published.files().collect();
    for entry in entries.entries().map_err(at(archive))? {
        let mut entry = entry.map_err(at(archive))?;
        let path = entry.path().map_err(at(archive))?.into_owned();
        let bad = || DatasetError::BadEntry {
            archive: archive.to_path_buf(),
            entry: path.display().to_string(),
        };
        let plain = path
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !plain {
            return Err(bad());
        }
        let wanted = missing
            .iter()
            .position(|file| path == Path::new(published.folder).join(file.name));
        let Some(wanted) = wanted else {
            continue;
        };
        let record_file = missing.swap_remove(wanted);
        let n_bytes = record_file.n_records * published.record_bytes();
        if !entry.header().entry_type().is_file() || entry.size() != n_bytes {
            return Err(bad());
        }
        let target = staging.join(record_file.name);
        let mut out = File::create_new(&target).map_err(at(&target))?;
        let copied = io::copy(&mut entry, &mut out).map_err(at(&target))?;
        if copied != n_bytes {
            return Err(bad());
        }
        out.sync_all().map_err(at(&target))?;
    }
    match missing.first() {
        None => Ok(()),
        Some(file) => Err(DatasetError::MissingEntry {
            archive: archive.to_path_buf(),
            entry: format!("{}/{}", published.folder, file.name),
        }),
    }
}

/// SHA-256 of each record file in `folder`.
fn checksums(published: &Published, folder: &Path) -> Result<Vec<String>, DatasetError> {
    published
        .files()
        .map(|file| {
            cifar::read_file(published, folder, file.name, file.n_records).map(|bytes| digest::sha256(&bytes))
        })
        .collect()
}

fn hash_file(path: &Path) -> Result<String, DatasetError> {
    let mut file = File::open(path).map_err(at(path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer).map_err(at(path))? {
            0 => return Ok(digest::hex(&hasher.finalize())),
            n => hasher.update(&buffer[..n]),
        }
    }
}

fn remove(path: &Path) -> Result<(), DatasetError> {
    fs::remove_file(path).map_err(at(path))
}

/// Says where the file system refused.
fn at(path: &Path) -> impl Fn(io::Error) -> DatasetError + use<> {
    let path = path.to_path_buf();
    move |source| DatasetError::Io {
        path: path.clone(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::published::RecordFile;
    use flate2::{Compression, write::GzEncoder};
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpListener;
    use std::sync::{Arc, Mutex};
    use std::thread;
    use tempfile::TempDir;

    /// A server on the loopback that gives `answers` (status line and headers, body), a connection each, and
    /// keeps the `Range` that was asked for.
    struct Server {
        url: String,
        ranges: Arc<Mutex<Vec<Option<String>>>>,
    }

    impl Server {
        fn new(answers: Vec<(String, Vec<u8>)>) -> Self {
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
                    let _ = stream
                        .write_all(head.as_bytes())
                        .and_then(|()| stream.write_all(&body));
                }
            });
            Self { url, ranges }
        }

        /// One answer with all of `body`.
        fn whole(body: &[u8]) -> Self {
            Self::new(vec![(
                format!("200 OK\r\nContent-Length: {}", body.len()),
                body.to_vec(),
            )])
        }
    }

    const FILES: [&str; 2] = ["train.bin", "test.bin"];

    /// A gzipped tar archive; the names are written as they are, however bad.
    fn archive(entries: &[(&str, tar::EntryType, usize)]) -> Vec<u8> {
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

    fn good() -> Vec<u8> {
        archive(&[
            ("cifar-100-binary/", tar::EntryType::Directory, 0),
            ("cifar-100-binary/train.bin", tar::EntryType::Regular, 20 * 14),
            ("cifar-100-binary/notes.txt", tar::EntryType::Regular, 700),
            ("cifar-100-binary/test.bin", tar::EntryType::Regular, 5 * 14),
        ])
    }

    /// CIFAR-100 with 20 and 5 records of 2 + 3 · 2 · 2 = 14 bytes, published as `archive`.
    fn published(archive: &[u8]) -> Published {
        static TRAIN: [RecordFile; 1] = [RecordFile {
            name: FILES[0],
            n_records: 20,
            sha256: None,
        }];
        Published {
            archive_sha256: digest::sha256(archive).leak(),
            train: &TRAIN,
            test: RecordFile {
                name: FILES[1],
                n_records: 5,
                sha256: None,
            },
            height: 2,
            width: 2,
            ..Archive::Cifar100.published().clone()
        }
    }

    fn quiet(_: u64, _: u64) {}

    fn listing(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[track_caller]
    fn refused(published: &Published, dest: &Path, server: &Server, parts: &[&str]) {
        let error = fetch(published, dest, &server.url, &mut quiet)
            .unwrap_err()
            .to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }

    #[test]
    fn a_good_archive_is_unpacked_once() {
        let (dest, archive) = (TempDir::new().unwrap(), good());
        let server = Server::whole(&archive);
        let mut calls = Vec::new();
        let folder = fetch(
            &published(&archive),
            dest.path(),
            &server.url,
            &mut |done, total| {
                calls.push((done, total));
            },
        )
        .unwrap();
        assert_eq!(listing(&folder), ["SHA256SUMS", "test.bin", "train.bin"]);
        assert_eq!(listing(dest.path()), ["cifar-100-binary"]);
        let n = archive.len() as u64;
        assert_eq!((calls[0], calls.last().copied()), ((0, n), Some((n, n))));
        // The server answers no second time, and is not asked.
        assert_eq!(
            fetch(&published(&archive), dest.path(), &server.url, &mut quiet).unwrap(),
            folder
        );
        fs::write(folder.join("test.bin"), [0; 70]).unwrap();
        refused(
            &published(&archive),
            dest.path(),
            &server,
            &["cifar-100-binary exists", "move it away"],
        );
    }

    #[test]
    fn a_wrong_checksum_leaves_nothing() {
        let (dest, archive) = (TempDir::new().unwrap(), good());
        let mut other = archive.clone();
        other[20] ^= 1;
        let server = Server::whole(&other);
        let sha256 = digest::sha256(&other);
        refused(
            &published(&archive),
            dest.path(),
            &server,
            &[&server.url, &sha256, "not the published"],
        );
        assert!(listing(dest.path()).is_empty());
    }

    #[test]
    fn a_broken_transfer_is_gone_on_with() {
        let (dest, archive) = (TempDir::new().unwrap(), good());
        let n = archive.len();
        let server = Server::new(vec![
            (format!("200 OK\r\nContent-Length: {n}"), archive[..100].to_vec()),
            (
                format!(
                    "206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes 100-{}/{n}",
                    n - 100,
                    n - 1
                ),
                archive[100..].to_vec(),
            ),
        ]);
        refused(
            &published(&archive),
            dest.path(),
            &server,
            &["100", "the next attempt goes on from"],
        );
        assert_eq!(listing(dest.path()), ["cifar-100-binary.tar.gz.partial"]);
        fetch(&published(&archive), dest.path(), &server.url, &mut quiet).unwrap();
        assert_eq!(listing(dest.path()), ["cifar-100-binary"]);
        assert_eq!(
            *server.ranges.lock().unwrap(),
            [None, Some("bytes=100-".to_owned())]
        );
    }

    /// A server without ranges answers 200 and sends all; one with another file answers 416.
    #[test]
    fn a_transfer_starts_again_where_it_must() {
        let archive = good();
        let whole = (
            format!("200 OK\r\nContent-Length: {}", archive.len()),
            archive.clone(),
        );
        let never = (
            "416 Range Not Satisfiable\r\nContent-Length: 0".to_owned(),
            Vec::new(),
        );
        for answers in [vec![whole.clone()], vec![never, whole]] {
            let dest = TempDir::new().unwrap();
            fs::write(
                dest.path().join("cifar-100-binary.tar.gz.partial"),
                b"something else",
            )
            .unwrap();
            let server = Server::new(answers);
            fetch(&published(&archive), dest.path(), &server.url, &mut quiet).unwrap();
        }
    }

    #[test]
    fn servers_that_refuse_are_named() {
        let (dest, archive) = (TempDir::new().unwrap(), good());
        let server = Server::new(vec![(
            "404 Not Found\r\nContent-Length: 4".to_owned(),
            b"gone".to_vec(),
        )]);
        refused(
            &published(&archive),
            dest.path(),
            &server,
            &[&server.url, "the server answered 404"],
        );
        let nobody = Server {
            url: "http://127.0.0.1:1/a.tar.gz".to_owned(),
            ranges: Arc::default(),
        };
        refused(&published(&archive), dest.path(), &nobody, &["cannot be fetched"]);
        let mut short = published(&archive);
        short.archive_bytes = Some(50);
        refused(
            &short,
            dest.path(),
            &Server::whole(&archive),
            &["more than the 50 bytes"],
        );
        assert!(listing(dest.path()).is_empty());
    }

    #[test]
    fn an_archive_put_there_by_hand_is_used() {
        let (dest, archive) = (TempDir::new().unwrap(), good());
        let by_hand = dest.path().join("cifar-100-binary.tar.gz");
        let nobody = "http://127.0.0.1:1/";
        fs::write(&by_hand, b"other").unwrap();
        let error = fetch(&published(&archive), dest.path(), nobody, &mut quiet).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("cifar-100-binary.tar.gz is not the published"),
            "{error}"
        );
        fs::write(&by_hand, &archive).unwrap();
        fetch(&published(&archive), dest.path(), nobody, &mut quiet).unwrap();
        assert_eq!(
            listing(dest.path()),
            ["cifar-100-binary", "cifar-100-binary.tar.gz"]
        );
    }

    /// Archives whose own checksum is right, so that only what they hold is wrong.
    #[test]
    fn archives_cannot_write_elsewhere_or_anything_else() {
        use tar::EntryType::{Regular, Symlink};
        let cases = [
            (vec![("../train.bin", Regular, 280)], "entry ../train.bin"),
            (vec![("/tmp/train.bin", Regular, 280)], "entry /tmp/train.bin"),
            (
                vec![("cifar-100-binary/train.bin", Symlink, 0)],
                "entry cifar-100-binary/train.bin",
            ),
            (
                vec![("cifar-100-binary/train.bin", Regular, 281)],
                "entry cifar-100-binary/train.bin",
            ),
            (
                vec![("cifar-100-binary/train.bin", Regular, 280)],
                "does not hold cifar-100-binary/test.bin",
            ),
        ];
        for (entries, part) in cases {
            let (dest, archive) = (TempDir::new().unwrap(), archive(&entries));
            refused(
                &published(&archive),
                dest.path(),
                &Server::whole(&archive),
                &[part],
            );
            // The archive is the published one, so it is kept for another look.
            assert_eq!(listing(dest.path()), ["cifar-100-binary.tar.gz.partial"]);
        }
    }
}
