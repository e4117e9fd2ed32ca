use crate::unpack::{checksums, unpack};
use crate::{Archive, Client, DownloadError, Limits, Proof};
use sculpt_store::canonical::sha256_file;
use sculpt_store::{FileError, LockError, PassingLock, atomic, paths};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// More than any packed archive of ours has: a server cannot fill the disk.
const MOST_BYTES: u64 = 1 << 30;

/// The first two bytes of a gzip file (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Brings an archive and unpacks its files into its folder below `dest`, which is returned. Where they are there already
/// and genuine, nothing is fetched; where the archive lies in `dest` (put there by hand), it is used and left there.
///
/// `url` replaces the published address, never the checksum. `progress` is called with the bytes that are here
/// and all bytes of the archive (0: not known). What a broken transfer left, in `….partial`, is gone on with
/// by the next call. Nothing but the wanted files is unpacked, to a temporary folder that is renamed at the end.
///
/// # Errors
/// A server that refuses, breaks off, is too slow or serves something else; an archive that is not the published one;
/// a folder that holds other files; what the file system refuses.
pub fn get(
    archive: &Archive,
    dest: &Path,
    url: Option<&str>,
    limits: Limits,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<PathBuf, DownloadError> {
    let folder = dest.join(&archive.folder);
    if folder.exists() {
        return genuine(archive, folder);
    }
    atomic::create_folder(dest)?;
    let by_hand = dest.join(archive.file_name());
    // Two that append to one file would make neither's.
    let _lock = match PassingLock::exclusive(&paths::partial_lock(&by_hand)) {
        Err(LockError::Held { .. }) => return Err(DownloadError::Busy { path: folder }),
        // Where the file system has no locks, all goes on as if alone.
        lock => lock.ok(),
    };
    if folder.exists() {
        // Whoever had it has brought it.
        return genuine(archive, folder);
    }
    if by_hand.exists() {
        check(archive, &by_hand, &by_hand.display().to_string())?;
        unpack(archive, &by_hand, &folder)?;
        return Ok(folder);
    }
    let url = url.unwrap_or(&archive.url);
    let client = Client::new(url, limits)?;
    let partial = paths::partial(&by_hand);
    if partial.exists() && !begins_as_gzip(&partial)? {
        // What an earlier attempt took for the archive: a login page, perhaps.
        remove(&partial)?;
    }
    loop {
        let goes_on = partial.exists();
        client.fetch(url, &partial, archive.bytes, MOST_BYTES, progress)?;
        match check(archive, &partial, url) {
            Ok(()) => break,
            Err(error) => {
                remove(&partial)?;
                // It may have begun another file than the one that is served now.
                if !goes_on {
                    return Err(error);
                }
            }
        }
    }
    unpack(archive, &partial, &folder)?;
    remove(&partial)?;
    Ok(folder)
}

/// The folder, where its files are the archive's.
fn genuine(archive: &Archive, folder: PathBuf) -> Result<PathBuf, DownloadError> {
    let proof = checksums(archive, &folder).and_then(|sums| archive.proof(&folder, &sums));
    match proof {
        Ok(Proof::Genuine) => Ok(folder),
        Ok(Proof::Differs { .. } | Proof::Unproven) | Err(_) => Err(DownloadError::Occupied {
            path: folder,
            title: archive.title.clone(),
        }),
    }
}

fn check(archive: &Archive, path: &Path, from: &str) -> Result<(), DownloadError> {
    let (received, _) = sha256_file(path)?;
    if received == archive.sha256 {
        return Ok(());
    }
    Err(DownloadError::Checksum {
        url: from.to_owned(),
        received,
        expected: archive.sha256.clone(),
    })
}

/// Also true of a file that is too short to tell.
fn begins_as_gzip(path: &Path) -> Result<bool, DownloadError> {
    let mut start = Vec::new();
    let file = File::open(path).map_err(at("read", path))?;
    file.take(GZIP.len() as u64)
        .read_to_end(&mut start)
        .map_err(at("read", path))?;
    Ok(GZIP.starts_with(&start))
}

pub(crate) fn remove(path: &Path) -> Result<(), DownloadError> {
    fs::remove_file(path).map_err(at("remove", path))
}

/// Says where the file system refused.
pub(crate) fn at(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> DownloadError + use<> {
    let path = path.to_path_buf();
    move |refused| {
        DownloadError::File(FileError {
            path: path.clone(),
            doing,
            refused,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_server::{Server, archive, bring, good, listing, ok, refused};
    use sculpt_store::canonical::sha256_hex;
    use tempfile::TempDir;

    const NOBODY: &str = "http://127.0.0.1:1/a.tar.gz";

    #[test]
    fn a_good_archive_is_unpacked_once() {
        let (dest, packed) = (TempDir::new().unwrap(), good());
        let server = Server::whole(&packed);
        let mut calls = Vec::new();
        let mut progress = |done, total| calls.push((done, total));
        let url = Some(server.url.as_str());
        let folder = get(&archive(&packed), dest.path(), url, Limits::USUAL, &mut progress).unwrap();
        assert_eq!(listing(&folder), ["SHA256SUMS", "test.bin", "train.bin"]);
        assert_eq!(listing(dest.path()), ["some-binary"]);
        let n = packed.len() as u64;
        assert_eq!((calls[0], calls.last().copied()), ((0, n), Some((n, n))));
        // The server answers no second time, and is not asked.
        assert_eq!(
            bring(&archive(&packed), dest.path(), &server.url).unwrap(),
            folder
        );
        fs::write(folder.join("test.bin"), [0; 70]).unwrap();
        let says = ["some-binary exists", "move it away"];
        refused(&archive(&packed), dest.path(), &server, &says);
    }

    #[test]
    fn who_comes_while_another_brings_it_is_told() {
        let (dest, packed) = (TempDir::new().unwrap(), good());
        let server = Server::whole(&packed);
        let lock = paths::partial_lock(&dest.path().join("some-binary.tar.gz"));
        let other = PassingLock::exclusive(&lock).unwrap();
        refused(
            &archive(&packed),
            dest.path(),
            &server,
            &["some-binary", "another process"],
        );
        drop(other);
        bring(&archive(&packed), dest.path(), &server.url).unwrap();
        assert_eq!(listing(dest.path()), ["some-binary"]);
    }

    #[test]
    fn a_wrong_checksum_leaves_nothing() {
        let (dest, packed) = (TempDir::new().unwrap(), good());
        let mut other = packed.clone();
        other[20] ^= 1;
        let server = Server::whole(&other);
        let says = [server.url.as_str(), &sha256_hex(&other), "not the published"];
        refused(&archive(&packed), dest.path(), &server, &says);
        assert!(listing(dest.path()).is_empty());
    }

    /// A page instead of the archive: refused before a byte of it is written where the length is known, and what had
    /// come before stays; not gone on with where it is not known.
    #[test]
    fn a_login_page_is_no_beginning_of_an_archive() {
        let (dest, packed) = (TempDir::new().unwrap(), good());
        let page = b"<html>Please log in to the network</html>";
        let known = Archive {
            bytes: Some(packed.len() as u64),
            ..archive(&packed)
        };
        let says = ["has 41 bytes", "the file that is wanted has"];
        refused(&known, dest.path(), &Server::whole(page), &says);
        assert!(listing(dest.path()).is_empty());
        let partial = dest.path().join("some-binary.tar.gz.partial");
        fs::write(&partial, &packed[..100]).unwrap();
        refused(&known, dest.path(), &Server::whole(page), &says);
        assert_eq!(fs::read(&partial).unwrap(), &packed[..100]);

        fs::write(&partial, page).unwrap();
        let server = Server::whole(&packed);
        bring(&archive(&packed), dest.path(), &server.url).unwrap();
        assert_eq!(*server.ranges.lock().unwrap(), [None]);
    }

    #[test]
    fn a_broken_transfer_is_gone_on_with() {
        let (dest, packed) = (TempDir::new().unwrap(), good());
        let n = packed.len();
        let rest = format!(
            "206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes 100-{}/{n}",
            n - 100,
            n - 1
        );
        let server = Server::new(vec![
            (format!("200 OK\r\nContent-Length: {n}"), packed[..100].to_vec()),
            (rest, packed[100..].to_vec()),
        ]);
        let says = ["100", "the next attempt goes on from"];
        refused(&archive(&packed), dest.path(), &server, &says);
        assert_eq!(listing(dest.path()), ["some-binary.tar.gz.partial"]);
        bring(&archive(&packed), dest.path(), &server.url).unwrap();
        assert_eq!(listing(dest.path()), ["some-binary"]);
        let ranges = server.ranges.lock().unwrap();
        assert_eq!(*ranges, [None, Some("bytes=100-".to_owned())]);
    }

    /// A server without ranges answers 200 and sends all; one with another file answers 416; and what had come may
    /// have begun another archive, which shows at the end.
    #[test]
    fn a_transfer_starts_again_where_it_must() {
        let packed = good();
        let n = packed.len();
        let never = "416 Range Not Satisfiable\r\nContent-Length: 0".to_owned();
        let rest = format!(
            "206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes 16-{}/{n}",
            n - 16,
            n - 1
        );
        for answers in [
            vec![ok(&packed)],
            vec![(never, Vec::new()), ok(&packed)],
            vec![(rest, packed[16..].to_vec()), ok(&packed)],
        ] {
            let dest = TempDir::new().unwrap();
            let partial = dest.path().join("some-binary.tar.gz.partial");
            fs::write(partial, b"\x1f\x8bsomething else").unwrap();
            let server = Server::new(answers);
            bring(&archive(&packed), dest.path(), &server.url).unwrap();
            assert_eq!(server.ranges.lock().unwrap()[0], Some("bytes=16-".to_owned()));
        }
    }

    #[test]
    fn an_archive_put_there_by_hand_is_used() {
        let (dest, packed) = (TempDir::new().unwrap(), good());
        let by_hand = dest.path().join("some-binary.tar.gz");
        fs::write(&by_hand, b"other").unwrap();
        let error = bring(&archive(&packed), dest.path(), NOBODY).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("some-binary.tar.gz is not the published"),
            "{error}"
        );
        fs::write(&by_hand, &packed).unwrap();
        bring(&archive(&packed), dest.path(), NOBODY).unwrap();
        assert_eq!(listing(dest.path()), ["some-binary", "some-binary.tar.gz"]);
    }
}
