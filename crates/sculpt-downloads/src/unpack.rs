use crate::get::at;
use crate::{Archive, DownloadError, Proof};
use flate2::read::GzDecoder;
use sculpt_store::canonical::sha256_file;
use sculpt_store::{atomic, folders, paths};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path};

/// More than any unpacked archive of ours has: an archive cannot fill the disk.
const MOST_BYTES: u64 = 1 << 30;

/// Unpacks the wanted files of the archive at `path` into `folder`, which does not exist yet and appears whole.
pub(crate) fn unpack(archive: &Archive, path: &Path, folder: &Path) -> Result<(), DownloadError> {
    let staging = paths::partial(folder);
    folders::remove(&staging)?;
    atomic::create_folder(&staging)?;
    let unpacked = unpack_into(archive, path, &staging).and_then(|()| {
        let sha256s = checksums(archive, &staging)?;
        atomic::write(&paths::checksums(&staging), archive.sums(&sha256s).as_bytes())?;
        match archive.proof(&staging, &sha256s)? {
            Proof::Genuine => Ok(atomic::rename(&staging, folder)?),
            Proof::Differs { name, sha256 } => Err(DownloadError::OtherFile {
                archive: path.to_owned(),
                name,
                sha256,
            }),
            Proof::Unproven => unreachable!("the sums were just written"),
        }
    });
    if unpacked.is_err() {
        // The first error is the one to tell.
        let _ = folders::remove(&staging);
    }
    unpacked
}

/// Files are created under names of ours only, with lengths that are known before.
fn unpack_into(archive: &Archive, path: &Path, staging: &Path) -> Result<(), DownloadError> {
    let read = || at("read", path);
    let file = File::open(path).map_err(read())?;
    let mut entries = tar::Archive::new(GzDecoder::new(io::BufReader::new(file)).take(MOST_BYTES));
    let mut missing: Vec<_> = archive.files.iter().collect();
    for entry in entries.entries().map_err(read())? {
        let mut entry = entry.map_err(read())?;
        let inside = entry.path().map_err(read())?.into_owned();
        let bad = || DownloadError::BadEntry {
            archive: path.to_owned(),
            entry: inside.display().to_string(),
        };
        let plain = inside
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !plain {
            return Err(bad());
        }
        let wanted = missing
            .iter()
            .position(|file| inside == Path::new(&archive.folder).join(&file.name));
        let Some(wanted) = wanted else {
            continue;
        };
        let wanted = missing.swap_remove(wanted);
        if !entry.header().entry_type().is_file() || entry.size() != wanted.bytes {
            return Err(bad());
        }
        atomic::write_with(&staging.join(&wanted.name), |out| {
            let copied = io::copy(&mut entry, out)?;
            if copied == wanted.bytes {
                return Ok(());
            }
            Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the archive ends in this file",
            ))
        })?;
    }
    match missing.first() {
        None => Ok(()),
        Some(file) => Err(DownloadError::MissingEntry {
            archive: path.to_owned(),
            entry: format!("{}/{}", archive.folder, file.name),
        }),
    }
}

/// SHA-256 of each of the archive's files in `folder`.
pub(crate) fn checksums(archive: &Archive, folder: &Path) -> Result<Vec<String>, DownloadError> {
    let files = archive.files.iter();
    files
        .map(|file| Ok(sha256_file(&folder.join(&file.name))?.0))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::test_server::{Server, archive, good, listing, packed, refused};
    use flate2::Compression;
    use flate2::read::GzDecoder;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use std::fs;
    use std::io::{Read, Write};
    use tar::EntryType::{Link, Regular, Symlink};
    use tempfile::TempDir;

    /// Archives whose own checksum is right, so that only what they hold is wrong.
    #[test]
    fn archives_cannot_write_elsewhere_or_anything_else() {
        let inside = "some-binary/train.bin";
        let cases = [
            (("../train.bin", Regular, 280), "entry \"../train.bin\""),
            (("/tmp/train.bin", Regular, 280), "entry \"/tmp/train.bin\""),
            (("a\x1b[2J/../b", Regular, 1), "entry \"a\\u{1b}[2J/../b\""),
            ((inside, Symlink, 0), "entry \"some-binary/train.bin\""),
            ((inside, Link, 280), "entry \"some-binary/train.bin\""),
            ((inside, Regular, 281), "entry \"some-binary/train.bin\""),
            ((inside, Regular, 280), "does not hold some-binary/test.bin"),
        ];
        for (entry, part) in cases {
            let (dest, packed) = (TempDir::new().unwrap(), packed(&[entry]));
            refused(&archive(&packed), dest.path(), &Server::whole(&packed), &[part]);
            // The archive is the published one, so it is kept for another look.
            assert_eq!(listing(dest.path()), ["some-binary.tar.gz.partial"]);
        }
    }

    /// An archive with the right checksum whose files have others than the published ones: one of both is written down
    /// wrongly.
    #[test]
    fn files_are_checked_one_by_one_where_their_checksums_are_known() {
        let (dest, packed) = (TempDir::new().unwrap(), good());
        let mut known = archive(&packed);
        // `head -c 280 /dev/zero | tr '\0' '\1' | sha256sum`
        let train = "57d3bea9dde01b8eb44d7dee3aae6033ef33b928356fb986bed2bbe321ed79b3";
        known.files[0].sha256 = Some(train.to_owned());
        known.files[1].sha256 = Some("0".repeat(64));
        let says = ["partial: test.bin is not the published file"];
        refused(&known, dest.path(), &Server::whole(&packed), &says);
    }
    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever an archive has become: an error or its files, no panic, and nothing beside them.
        #[test]
        fn damaged_archives_are_survived(
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            cut in prop::option::of(any::<prop::sample::Index>()),
            inside in any::<bool>(),
        ) {
            let whole = good();
            // Most damage to what is packed would only fail its check sum: the archive inside is damaged, and packed again.
            let mut bytes = if inside { unpacked(&whole) } else { whole.clone() };
            for (place, value) in flips {
                let n = bytes.len();
                bytes[place.index(n)] = value;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            let bytes = if inside { repacked(&bytes) } else { bytes };
            let dest = TempDir::new().unwrap();
            let path = dest.path().join("a.tar.gz");
            fs::write(&path, &bytes).unwrap();
            let folder = dest.path().join("some-binary");
            let unpacked = super::unpack(&archive(&whole), &path, &folder);
            let mut expected = vec!["a.tar.gz"];
            expected.extend(unpacked.is_ok().then_some("some-binary"));
            prop_assert_eq!(listing(dest.path()), expected);
        }
    }

    fn unpacked(packed: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn repacked(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }
}
