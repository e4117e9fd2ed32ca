use serde::{Deserialize, Serialize};

/// A published data set that can be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Archive {
    /// CIFAR-10, binary version.
    Cifar10,
    /// CIFAR-100, binary version.
    Cifar100,
}

impl Archive {
    /// Title of the data, as figures show it.
    pub fn title(self) -> &'static str {
        self.published().title
    }

    /// Address of the archive.
    pub fn url(self) -> &'static str {
        self.published().url
    }

    /// SHA-256 of the archive.
    pub fn sha256(self) -> &'static str {
        self.published().archive_sha256
    }

    pub(crate) fn published(self) -> &'static Published {
        match self {
            Archive::Cifar10 => &CIFAR10,
            Archive::Cifar100 => &CIFAR100,
        }
    }
}

/// What is known of a published data set.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) title: &'static str,
    /// Word for `data get`.
    pub(crate) word: &'static str,
    pub(crate) url: &'static str,
    pub(crate) archive_sha256: &'static str,
    /// Length of the archive; `None`: nobody wrote it down.
    pub(crate) archive_bytes: Option<u64>,
    /// Folder in the archive that holds the record files.
    pub(crate) folder: &'static str,
    /// Training files in their order.
    pub(crate) train: &'static [RecordFile],
    pub(crate) test: RecordFile,
    /// Number of values of each label byte of a record; the last one is the class.
    pub(crate) label_bytes: &'static [usize],
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) mean: [f64; 3],
    pub(crate) std: [f64; 3],
}

/// A file of records: label bytes, then the red, green and blue plane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordFile {
    pub(crate) name: &'static str,
    pub(crate) n_records: u64,
    /// `None`: nobody wrote it down.
    pub(crate) sha256: Option<&'static str>,
}

impl Published {
    /// Training files in their order, then the test file.
    pub(crate) fn files(&self) -> impl Iterator<Item = &RecordFile> {
        self.train.iter().chain([&self.test])
    }

    pub(crate) fn record_bytes(&self) -> u64 {
        (self.label_bytes.len() + 3 * self.height * self.width) as u64
    }

    pub(crate) fn n_classes(&self) -> usize {
        *self.label_bytes.last().expect("records have a label")
    }

    /// Last part of the address.
    pub(crate) fn archive_name(&self) -> &'static str {
        self.url.rsplit('/').next().unwrap_or(self.url)
    }
}

/// Checksums: design §6. Mean and standard deviation of all training pixels: reference §2.10.
static CIFAR10: Published = Published {
    title: "CIFAR-10",
    word: "cifar10",
    url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    archive_sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    archive_bytes: Some(170_052_171),
    folder: "cifar-10-batches-bin",
    train: &[
        cifar10_batch(
            "data_batch_1.bin",
            "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
        ),
        cifar10_batch(
            "data_batch_2.bin",
            "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
        ),
        cifar10_batch(
            "data_batch_3.bin",
            "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
        ),
        cifar10_batch(
            "data_batch_4.bin",
            "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
        ),
        cifar10_batch(
            "data_batch_5.bin",
            "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
        ),
    ],
    test: cifar10_batch(
        "test_batch.bin",
        "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
    ),
    label_bytes: &[10],
    height: 32,
    width: 32,
    mean: [0.4914, 0.4822, 0.4465],
    std: [0.2470, 0.2435, 0.2616],
};

const fn cifar10_batch(name: &'static str, sha256: &'static str) -> RecordFile {
    RecordFile {
        name,
        n_records: 10_000,
        sha256: Some(sha256),
    }
}

/// Checksum: design §6. Mean and standard deviation of all training pixels: reference §2.10. Each record has a
/// coarse and a fine label.
static CIFAR100: Published = Published {
    title: "CIFAR-100",
    word: "cifar100",
    url: "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
    archive_sha256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    archive_bytes: None,
    folder: "cifar-100-binary",
    train: &[RecordFile {
        name: "train.bin",
        n_records: 50_000,
        sha256: None,
    }],
    test: RecordFile {
        name: "test.bin",
        n_records: 10_000,
        sha256: None,
    },
    label_bytes: &[20, 100],
    height: 32,
    width: 32,
    mean: [0.5071, 0.4867, 0.4408],
    std: [0.2675, 0.2565, 0.2761],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_hang_together() {
        for archive in [Archive::Cifar10, Archive::Cifar100] {
            let p = archive.published();
            let json = serde_json::to_string(&archive).unwrap();
            assert_eq!(json, format!("\"{}\"", p.word));
            assert_eq!(p.train.iter().map(|f| f.n_records).sum::<u64>(), 50_000);
            assert_eq!(p.test.n_records, 10_000);
            for sha256 in p.files().filter_map(|f| f.sha256).chain([archive.sha256()]) {
                assert!(sha256.len() == 64 && sha256.bytes().all(|c| c.is_ascii_hexdigit()));
            }
        }
        assert_eq!(CIFAR10.record_bytes(), 3_073);
        assert_eq!(CIFAR100.record_bytes(), 3_074);
        assert_eq!((CIFAR10.n_classes(), CIFAR100.n_classes()), (10, 100));
        assert_eq!(CIFAR10.archive_name(), "cifar-10-binary.tar.gz");
        assert_eq!(Archive::Cifar100.title(), "CIFAR-100");
        assert!(Archive::Cifar10.url().ends_with(".gz"));
    }

    /// Reference §2.10: the per-pixel values, not the widespread .2023 .1994 .2010.
    #[test]
    fn normalisation() {
        assert_eq!(CIFAR10.mean, [0.4914, 0.4822, 0.4465]);
        assert_eq!(CIFAR10.std, [0.247, 0.2435, 0.2616]);
        assert_eq!(CIFAR100.mean, [0.5071, 0.4867, 0.4408]);
        assert_eq!(CIFAR100.std, [0.2675, 0.2565, 0.2761]);
    }
}
