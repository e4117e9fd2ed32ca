use crate::layout::{RecordFile, RecordLayout};
use crate::{DataSpec, DigestRule, Origin, Shape};

/// CIFAR-100 with its fine labels (Krizhevsky 2009); each record has a coarse one too. Checksum of the archive: design
/// §6. Mean and standard deviation of all training pixels: reference §2.10.
pub static CIFAR100: DataSpec = DataSpec {
    key: "CIFAR-100",
    title: "CIFAR-100",
    shape: Shape::square(32),
    n_classes: 100,
    n_train: 50_000,
    n_test: 10_000,
    mean: [0.5071, 0.4867, 0.4408],
    std: [0.2675, 0.2565, 0.2761],
    origin: Origin::Records(&RecordLayout {
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
    }),
    digest_rule: DigestRule::Archive,
    digest: Some("4e8bd5df1c242c7794970842819a7090168bb7ce7af64a24c22f1089bd0f9417"),
    titled: &[],
};
