use crate::published::Published;
use crate::{Archive, Dataset, DatasetError, Examples, digest};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// CIFAR-10 from its six binary files, in `dir` or in `cifar-10-batches-bin/` below it.
///
/// Files with the published checksums are CIFAR-10, under this title or under `name`. Others are read only
/// under a `name` of their own, which is not that of the published data.
pub fn cifar10(dir: &Path, name: Option<&str>) -> Result<Dataset, DatasetError> {
    read(Archive::Cifar10.published(), dir, name)
}

/// CIFAR-100 with its fine labels, from `train.bin` and `test.bin`, in `dir` or in `cifar-100-binary/` below it.
///
/// Only the checksum of the archive is known. So [`download`](crate::download) leaves `SHA256SUMS` beside what
/// it unpacked from a genuine archive, and files that agree with it are CIFAR-100; others need a `name`.
pub fn cifar100(dir: &Path, name: Option<&str>) -> Result<Dataset, DatasetError> {
    read(Archive::Cifar100.published(), dir, name)
}

/// Digest of the published CIFAR-10, from the known checksums of its files, without the data.
pub fn cifar10_digest() -> String {
    digest::of_files(
        Archive::Cifar10
            .published()
            .files()
            .filter_map(|file| file.sha256),
    )
}

/// What stands for the digest of the published CIFAR-100, the checksums of whose files nobody wrote down: that of its
/// archive, which proven files come from.
pub fn cifar100_digest() -> String {
    digest::of_files([Archive::Cifar100.sha256()])
}

/// File that tells which archive the record files beside it were unpacked from.
pub(crate) const SUMS: &str = "SHA256SUMS";

/// Text of [`SUMS`], as `sha256sum` writes it: the archive, then the record files.
pub(crate) fn sums(published: &Published, sha256s: &[String]) -> String {
    let mut text = format!("{}  {}\n", published.archive_sha256, published.archive_name());
    for (file, sha256) in published.files().zip(sha256s) {
        text.push_str(&format!("{sha256}  {}\n", file.name));
    }
    text
}

/// Whether the record files in `folder`, which have these checksums, are the published ones.
pub(crate) fn prove(published: &Published, folder: &Path, sha256s: &[String]) -> Result<(), DatasetError> {
    for (file, sha256) in published.files().zip(sha256s) {
        if file.sha256.is_some_and(|known| known != sha256) {
            return Err(DatasetError::NotTheOriginal {
                path: folder.join(file.name),
                title: published.title,
                sha256: sha256.clone(),
            });
        }
    }
    if published.files().all(|file| file.sha256.is_some()) {
        return Ok(());
    }
    let path = folder.join(SUMS);
    match fs::read_to_string(&path) {
        Ok(text) if text == sums(published, sha256s) => Ok(()),
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(DatasetError::Io { path, source }),
        Ok(_) | Err(_) => Err(DatasetError::Unproven {
            path: folder.to_path_buf(),
            title: published.title,
            archive: published.word,
        }),
    }
}

/// Bytes of a record file, of which only the length is checked.
pub(crate) fn read_file(
    published: &Published,
    folder: &Path,
    name: &str,
    n_records: u64,
) -> Result<Vec<u8>, DatasetError> {
    let path = folder.join(name);
    let n_bytes = match fs::metadata(&path) {
        Ok(metadata) => metadata.len(),
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            return Err(DatasetError::MissingFile {
                path,
                archive: published.word,
                url: published.url,
            });
        }
        Err(source) => return Err(DatasetError::Io { path, source }),
    };
    let record_bytes = published.record_bytes();
    let wrong_size = |path: PathBuf, n_bytes: u64| DatasetError::FileSize {
        path,
        n_bytes,
        n_records,
        record_bytes,
    };
    if n_bytes != n_records * record_bytes {
        return Err(wrong_size(path, n_bytes));
    }
    match fs::read(&path) {
        Ok(bytes) if bytes.len() as u64 == n_bytes => Ok(bytes),
        Ok(bytes) => Err(wrong_size(path, bytes.len() as u64)),
        Err(source) => Err(DatasetError::Io { path, source }),
    }
}

fn read(published: &Published, dir: &Path, name: Option<&str>) -> Result<Dataset, DatasetError> {
    let below = dir.join(published.folder);
    let folder = if below.is_dir() { &below } else { dir };
    if !folder.is_dir() {
        return Err(DatasetError::MissingFolder {
            path: folder.to_path_buf(),
            archive: published.word,
            url: published.url,
        });
    }
    if !published.files().any(|file| folder.join(file.name).exists()) {
        return Err(DatasetError::Absent {
            path: folder.to_path_buf(),
            title: published.title,
            archive: published.word,
            url: published.url,
        });
    }
    let mut sha256s = Vec::new();
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    let mut train = None;
    for file in published.files() {
        if file.name == published.test.name {
            train = Some((std::mem::take(&mut pixels), std::mem::take(&mut labels)));
        }
        let bytes = read_file(published, folder, file.name, file.n_records)?;
        sha256s.push(digest::sha256(&bytes));
        decode(
            published,
            &folder.join(file.name),
            &bytes,
            &mut pixels,
            &mut labels,
        )?;
    }
    let (train_pixels, train_labels) = train.expect("the test file is one of the files");
    let name = named(published, folder, &sha256s, name)?;
    let digest = if name == Archive::Cifar100.title() {
        cifar100_digest()
    } else {
        digest::of_files(sha256s.iter().map(String::as_str))
    };
    let examples = |pixels, labels| Examples::new(published.height, published.width, pixels, labels);
    Ok(Dataset {
        name,
        n_classes: published.n_classes(),
        mean: published.mean,
        std: published.std,
        train: examples(train_pixels, train_labels)?,
        test: examples(pixels, labels)?,
        digest,
    })
}

/// Appends the pixels and the classes of the records in `bytes`.
fn decode(
    published: &Published,
    path: &Path,
    bytes: &[u8],
    pixels: &mut Vec<u8>,
    labels: &mut Vec<u8>,
) -> Result<(), DatasetError> {
    pixels.reserve(bytes.len());
    for (i, record) in bytes.chunks_exact(published.record_bytes() as usize).enumerate() {
        let (record_labels, image) = record.split_at(published.label_bytes.len());
        for (&label, &n_classes) in record_labels.iter().zip(published.label_bytes) {
            if usize::from(label) >= n_classes {
                return Err(DatasetError::LabelOutOfRange {
                    path: path.to_path_buf(),
                    record: i,
                    label,
                    n_classes,
                });
            }
        }
        labels.extend(record_labels.last());
        pixels.extend_from_slice(image);
    }
    Ok(())
}

/// The name under which data with these checksums may be read.
fn named(
    published: &Published,
    folder: &Path,
    sha256s: &[String],
    name: Option<&str>,
) -> Result<String, DatasetError> {
    let Some(name) = name else {
        prove(published, folder, sha256s)?;
        return Ok(published.title.to_owned());
    };
    if name.trim() != name || !name.chars().any(char::is_alphanumeric) {
        return Err(DatasetError::BadName {
            name: name.to_owned(),
        });
    }
    for taken in [Archive::Cifar10, Archive::Cifar100] {
        if letters(name) != letters(taken.title()) {
            continue;
        }
        if taken.title() != published.title || prove(published, folder, sha256s).is_err() {
            return Err(DatasetError::NameTaken {
                path: folder.to_path_buf(),
                name: name.to_owned(),
                title: taken.title(),
            });
        }
        return Ok(published.title.to_owned());
    }
    Ok(name.to_owned())
}

/// Letters and digits only, in lower case: "cifar_10" claims to be "CIFAR-10" too.
fn letters(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::published::RecordFile;
    use tempfile::TempDir;

    /// A folder with record files whose pixels are the record's number, and whose labels count through.
    fn write(published: &Published, dir: &Path) {
        fs::create_dir_all(dir).unwrap();
        for file in published.files() {
            let mut bytes = Vec::new();
            for i in 0..file.n_records as usize {
                bytes.extend(published.label_bytes.iter().map(|n| (i % n) as u8));
                bytes.extend(vec![(i % 251) as u8; 3 * published.height * published.width]);
            }
            fs::write(dir.join(file.name), bytes).unwrap();
        }
    }

    /// Small files in CIFAR-10's manner, of which the checksums are those of [`write`].
    fn small() -> Published {
        static TRAIN: [RecordFile; 2] = [
            RecordFile {
                name: "data_batch_1.bin",
                n_records: 12,
                sha256: Some("43ea846b4dcaa1c86a13f23156f60da7976ba631d186069c85b285a3a73f9b7a"),
            },
            RecordFile {
                name: "data_batch_2.bin",
                n_records: 5,
                sha256: Some("a62af04e120b9f63a640757a25c56bf0813161e723ec7a0e452981c4d9c940f1"),
            },
        ];
        Published {
            train: &TRAIN,
            test: RecordFile {
                name: "test_batch.bin",
                n_records: 12,
                sha256: Some("43ea846b4dcaa1c86a13f23156f60da7976ba631d186069c85b285a3a73f9b7a"),
            },
            height: 2,
            width: 2,
            ..Archive::Cifar10.published().clone()
        }
    }

    #[track_caller]
    fn refused(published: &Published, dir: &Path, name: Option<&str>, parts: &[&str]) {
        let text = read(published, dir, name).unwrap_err().to_string();
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }

    #[test]
    fn files_with_the_published_checksums_carry_the_title() {
        let dir = TempDir::new().unwrap();
        write(&small(), &dir.path().join("cifar-10-batches-bin"));
        let data = read(&small(), dir.path(), None).unwrap();
        assert_eq!((data.name.as_str(), data.n_classes), ("CIFAR-10", 10));
        assert_eq!((data.train.len(), data.test.len()), (17, 12));
        assert_eq!(data.train.labels()[10..], [0, 1, 0, 1, 2, 3, 4]);
        assert_eq!(data.train.image(13), [1; 12]);
        assert_eq!((data.mean, data.std), (small().mean, small().std));
        let sha256s: Vec<&str> = small().files().filter_map(|f| f.sha256).collect();
        assert_eq!(data.digest(), digest::of_files(sha256s));
        // The folder itself serves as well, and so does a name.
        let folder = dir.path().join("cifar-10-batches-bin");
        assert_eq!(read(&small(), &folder, Some("cifar10")).unwrap(), data);
        assert_eq!(read(&small(), &folder, Some("mine")).unwrap().name, "mine");
    }

    #[test]
    fn other_files_need_a_name_of_their_own() {
        let dir = TempDir::new().unwrap();
        write(&small(), dir.path());
        let path = dir.path().join("data_batch_2.bin");
        let mut bytes = fs::read(&path).unwrap();
        bytes[3] ^= 1;
        fs::write(&path, &bytes).unwrap();
        refused(
            &small(),
            dir.path(),
            None,
            &["data_batch_2.bin", "--data-name", "CIFAR-10"],
        );
        for name in ["CIFAR-10", "cifar_10", "CIFAR 100"] {
            refused(&small(), dir.path(), Some(name), &["cannot be their name", name]);
        }
        for name in ["", " ", "x ", "--"] {
            refused(&small(), dir.path(), Some(name), &["is no name"]);
        }
        let data = read(&small(), dir.path(), Some("CIFAR-10 (JPEG q75)")).unwrap();
        assert_eq!(data.name, "CIFAR-10 (JPEG q75)");
        assert_eq!(data.train.image(12)[2], 1);
    }

    #[test]
    fn broken_folders_are_named() {
        let dir = TempDir::new().unwrap();
        let missing = dir.path().join("none");
        refused(
            &small(),
            &missing,
            None,
            &["none is no folder", "data get cifar10", "https://"],
        );
        refused(
            &small(),
            dir.path(),
            None,
            &["data_batch_1.bin is missing", "https://"],
        );
        write(&small(), dir.path());
        let path = dir.path().join("test_batch.bin");
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[1..]).unwrap();
        refused(
            &small(),
            dir.path(),
            Some("x"),
            &["test_batch.bin has 155 bytes", "12 records of 13 need 156"],
        );
        let mut wrong = bytes.clone();
        wrong[13] = 10;
        fs::write(&path, wrong).unwrap();
        refused(
            &small(),
            dir.path(),
            Some("x"),
            &["test_batch.bin: record 1 has label 10", "end at 9"],
        );
        fs::remove_file(&path).unwrap();
        refused(&small(), dir.path(), Some("x"), &["test_batch.bin is missing"]);
    }

    /// Two label bytes a record, of which the second one counts; the title only with the file of sums.
    #[test]
    fn cifar100_is_proven_by_its_sums() {
        static TRAIN: [RecordFile; 1] = [RecordFile {
            name: "train.bin",
            n_records: 30,
            sha256: None,
        }];
        let published = Published {
            train: &TRAIN,
            test: RecordFile {
                name: "test.bin",
                n_records: 3,
                sha256: None,
            },
            height: 2,
            width: 2,
            ..Archive::Cifar100.published().clone()
        };
        let dir = TempDir::new().unwrap();
        write(&published, dir.path());
        refused(
            &published,
            dir.path(),
            None,
            &["data get cifar100", "--data-name"],
        );
        refused(
            &published,
            dir.path(),
            Some("CIFAR-100"),
            &["cannot be their name"],
        );
        let data = read(&published, dir.path(), Some("mine")).unwrap();
        assert_eq!((data.n_classes, data.train.labels()[25]), (100, 25));
        let sha256s: Vec<String> = ["train.bin", "test.bin"]
            .map(|name| digest::sha256(&fs::read(dir.path().join(name)).unwrap()))
            .into();
        fs::write(dir.path().join(SUMS), sums(&published, &sha256s)).unwrap();
        // Proven, they have the digest that plans know without the files; under a name of their own, their files'.
        for name in [None, Some("CIFAR-100")] {
            let proven = read(&published, dir.path(), name).unwrap();
            assert_eq!(
                (proven.name.as_str(), proven.digest()),
                ("CIFAR-100", &cifar100_digest()[..])
            );
        }
        assert_ne!(data.digest(), cifar100_digest());
        fs::write(dir.path().join(SUMS), "other").unwrap();
        refused(
            &published,
            dir.path(),
            None,
            &["only the checksum of the archive"],
        );
    }

    /// `printf '%s\n' cee9… a591… bbe8… 014e… 7553… 8e2e… | sha256sum`
    #[test]
    fn digest_of_cifar10() {
        assert_eq!(
            cifar10_digest(),
            "e91465c8f1e6b994a09687b2da2e09b546410a789bd6b9d8da8f29602a7370cc"
        );
    }
}
