//! Small files in the layouts of the registry, whose checksums are known here.

use crate::layout::{RecordFile, RecordLayout};
use crate::records::{find, read};
use crate::{CIFAR10, CIFAR100, DataSpec, Origin, Shape, digest};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A folder with record files whose pixels are the record's number, and whose labels count through.
fn write(layout: &RecordLayout, dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    for file in layout.files() {
        let mut bytes = Vec::new();
        for i in 0..file.n_records {
            bytes.extend(layout.label_bytes.iter().map(|n| (i % u32::from(*n)) as u8));
            bytes.extend([(i % 251) as u8; 12]);
        }
        fs::write(dir.join(file.name), bytes).unwrap();
    }
}

/// Files in CIFAR-10's manner, of 2 × 2, of which the checksums are those of [`write`].
fn ten() -> (DataSpec, &'static RecordLayout) {
    const BATCH: &str = "43ea846b4dcaa1c86a13f23156f60da7976ba631d186069c85b285a3a73f9b7a";
    const SHORT: &str = "a62af04e120b9f63a640757a25c56bf0813161e723ec7a0e452981c4d9c940f1";
    const fn file(name: &'static str, n_records: u32, sha256: &'static str) -> RecordFile {
        RecordFile {
            name,
            n_records,
            sha256: Some(sha256),
        }
    }
    static LAYOUT: RecordLayout = RecordLayout {
        word: "cifar10",
        url: "https://host.invalid/ten.tar.gz",
        archive_sha256: "",
        archive_bytes: None,
        folder: "cifar-10-batches-bin",
        train: &[
            file("data_batch_1.bin", 12, BATCH),
            file("data_batch_2.bin", 5, SHORT),
        ],
        test: file("test_batch.bin", 12, BATCH),
        label_bytes: &[10],
    };
    let spec = DataSpec {
        shape: Shape::square(2),
        origin: Origin::Records(&LAYOUT),
        digest: None,
        ..CIFAR10
    };
    (spec, &LAYOUT)
}

#[track_caller]
fn refused(dir: &Path, name: Option<&str>, parts: &[&str]) {
    let (spec, layout) = ten();
    let titled = find(&spec, layout, dir).and_then(|found| spec.title_of(&found, name));
    let text = titled.unwrap_err().to_string();
    assert!(parts.iter().all(|part| text.contains(part)), "{text}");
}

#[test]
fn files_with_the_published_checksums_carry_the_title() {
    let ((spec, layout), dir) = (ten(), TempDir::new().unwrap());
    let folder = dir.path().join("cifar-10-batches-bin");
    write(layout, &folder);
    let (train, test, digest) = read(&spec, layout, dir.path()).unwrap();
    assert_eq!((train.len(), test.len()), (17, 12));
    assert_eq!(train.labels()[10..], [0, 1, 0, 1, 2, 3, 4]);
    assert_eq!((train.image(13), test.image(11)), (&[1; 12][..], &[11; 12][..]));
    // The folder itself serves as well, and what is only looked at has the same digest.
    for place in [dir.path(), &folder] {
        let found = find(&spec, layout, place).unwrap();
        assert_eq!((found.digest(), found.is_original()), (&digest[..], true));
        assert_eq!((found.n_train(), found.n_test()), (17, 12));
        let title = |name| spec.title_of(&found, name).unwrap();
        assert_eq!(
            (title(None), title(Some("cifar10"))),
            ("CIFAR-10".into(), "CIFAR-10".into())
        );
        assert_eq!(title(Some("mine")), "mine");
    }
    let sha256s = layout.files().filter_map(|f| f.sha256);
    assert_eq!(digest, digest::of_files(sha256s));
}

#[test]
fn other_files_need_a_name_of_their_own() {
    let ((spec, layout), dir) = (ten(), TempDir::new().unwrap());
    write(layout, dir.path());
    let path = dir.path().join("data_batch_2.bin");
    let mut bytes = fs::read(&path).unwrap();
    bytes[3] ^= 1;
    fs::write(&path, &bytes).unwrap();
    refused(dir.path(), None, &["data_batch_2.bin", "--data-name", "CIFAR-10"]);
    for name in ["CIFAR-10", "cifar_10", "CIFAR 100", "ImageNet", "Demo Gratings"] {
        refused(dir.path(), Some(name), &["cannot be their name", name]);
    }
    for name in ["", " ", "x ", "--", "x\x1b[2J", &"x".repeat(81)] {
        refused(dir.path(), Some(name), &["is no name"]);
    }
    let found = find(&spec, layout, dir.path()).unwrap();
    let jpeg = "CIFAR-10 (JPEG q75)";
    assert_eq!(spec.title_of(&found, Some(jpeg)).unwrap(), jpeg);
    let (train, _, digest) = read(&spec, layout, dir.path()).unwrap();
    assert_eq!((train.image(12)[2], found.digest()), (1, &digest[..]));
}

/// A few records in the layout are enough to try everything with; they are not the original.
#[test]
fn fewer_records_are_read_under_a_name() {
    let ((spec, layout), dir) = (ten(), TempDir::new().unwrap());
    write(layout, dir.path());
    let cut = |name: &str, n_bytes: usize| {
        let path = dir.path().join(name);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..n_bytes]).unwrap();
    };
    cut("data_batch_1.bin", 3 * 13);
    cut("test_batch.bin", 13);
    refused(dir.path(), None, &["data_batch_1.bin", "--data-name"]);
    let found = find(&spec, layout, dir.path()).unwrap();
    assert_eq!(
        (found.n_train(), found.n_test(), found.is_original()),
        (8, 1, false)
    );
    let (train, test, digest) = read(&spec, layout, dir.path()).unwrap();
    assert_eq!(
        (train.labels(), test.labels()),
        (&[0, 1, 2, 0, 1, 2, 3, 4][..], &[0][..])
    );
    assert_eq!(found.digest(), digest);
    for n_bytes in [12, 0] {
        cut("test_batch.bin", n_bytes);
        let says = [
            &*format!("test_batch.bin has {n_bytes} bytes"),
            "not 1 to 12 whole records of 13",
        ];
        refused(dir.path(), Some("x"), &says);
    }
    fs::write(dir.path().join("test_batch.bin"), [0; 13 * 13]).unwrap();
    refused(dir.path(), Some("x"), &["has 169 bytes", "not 1 to 12"]);
}

/// A file that changes is hashed anew, even where its length and, on a coarse clock, its time stay.
#[test]
fn what_changed_is_seen() {
    let ((spec, layout), dir) = (ten(), TempDir::new().unwrap());
    write(layout, dir.path());
    let path = dir.path().join("test_batch.bin");
    for byte in 0..20 {
        fs::write(&path, [byte % 10; 13]).unwrap();
        let expected = read(&spec, layout, dir.path()).unwrap().2;
        assert_eq!(find(&spec, layout, dir.path()).unwrap().digest(), expected);
        assert_eq!(find(&spec, layout, dir.path()).unwrap().digest(), expected);
    }
    // Long ago, it is remembered; and changed again, it is not.
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    let set_old = |time| {
        fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(time)
            .unwrap()
    };
    set_old(old);
    let before = find(&spec, layout, dir.path()).unwrap();
    fs::write(&path, [7; 13]).unwrap();
    set_old(old);
    assert_eq!(find(&spec, layout, dir.path()).unwrap().digest(), before.digest());
    set_old(old + std::time::Duration::from_secs(1));
    assert_ne!(find(&spec, layout, dir.path()).unwrap().digest(), before.digest());
}

#[test]
fn broken_folders_are_named() {
    let ((spec, layout), dir) = (ten(), TempDir::new().unwrap());
    let missing = dir.path().join("none");
    refused(
        &missing,
        None,
        &["none is no folder", "`data get cifar10 --data DIR`"],
    );
    refused(
        dir.path(),
        None,
        &["holds none of the files of \"CIFAR-10\"", "data get cifar10"],
    );
    write(layout, dir.path());
    let path = dir.path().join("test_batch.bin");
    let mut wrong = fs::read(&path).unwrap();
    wrong[13] = 10;
    fs::write(&path, wrong).unwrap();
    let error = read(&spec, layout, dir.path()).unwrap_err().to_string();
    assert!(error.contains("test_batch.bin: record 1 has label 10"), "{error}");
    assert!(error.ends_with("end at 9"), "{error}");
    fs::remove_file(&path).unwrap();
    refused(dir.path(), Some("x"), &["test_batch.bin is missing", "data get"]);
}

/// Two label bytes a record, of which the second one counts; the title only with the file of sums. Both sets are found
/// in one folder.
#[test]
fn cifar100_is_proven_by_its_sums() {
    const fn file(name: &'static str, n_records: u32) -> RecordFile {
        RecordFile {
            name,
            n_records,
            sha256: None,
        }
    }
    static LAYOUT: RecordLayout = RecordLayout {
        word: "cifar100",
        url: "https://host.invalid/hundred.tar.gz",
        archive_sha256: "",
        archive_bytes: None,
        folder: "cifar-100-binary",
        train: &[file("train.bin", 30)],
        test: file("test.bin", 3),
        label_bytes: &[20, 100],
    };
    let spec = DataSpec {
        shape: Shape::square(2),
        origin: Origin::Records(&LAYOUT),
        ..CIFAR100
    };
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join(LAYOUT.folder);
    write(&LAYOUT, &folder);
    let (other, other_layout) = ten();
    write(other_layout, &dir.path().join(other_layout.folder));
    assert!(find(&other, other_layout, dir.path()).unwrap().is_original());

    let found = || find(&spec, &LAYOUT, dir.path()).unwrap();
    let refused = |name| spec.title_of(&found(), name).unwrap_err().to_string();
    assert!(refused(None).contains("only the checksum of the archive"));
    assert!(refused(Some("CIFAR-100")).contains("cannot be their name"));
    assert_eq!(spec.title_of(&found(), Some("mine")).unwrap(), "mine");
    let (train, _, own) = read(&spec, &LAYOUT, dir.path()).unwrap();
    assert_eq!(train.labels()[25], 25);
    let sha256s: Vec<String> = ["train.bin", "test.bin"]
        .map(|name| sculpt_store::canonical::sha256_hex(&fs::read(folder.join(name)).unwrap()))
        .into();
    let sums = folder.join("SHA256SUMS");
    fs::write(&sums, LAYOUT.archive(&spec).sums(&sha256s)).unwrap();
    // Proven, they have the digest that plans know without the files; else their files'.
    assert_eq!(spec.title_of(&found(), None).unwrap(), "CIFAR-100");
    assert_eq!(Some(found().digest()), CIFAR100.digest);
    assert_eq!(
        Some(&*read(&spec, &LAYOUT, dir.path()).unwrap().2),
        CIFAR100.digest
    );
    assert_eq!(own, digest::of_files(sha256s.iter().map(String::as_str)));
    fs::write(&sums, b"other\xff").unwrap();
    assert!(refused(None).contains("only the checksum of the archive"));
    assert_eq!(found().digest(), own);
}
