use crate::layout::{RecordFile, RecordLayout};
use crate::{DataSpec, DigestRule, Origin, Shape};

/// CIFAR-10 (Krizhevsky 2009). Checksums: design §6. Mean and standard deviation of all training pixels, not the
/// widespread .2023 .1994 .2010: reference §2.10.
pub static CIFAR10: DataSpec = DataSpec {
    key: "CIFAR-10",
    title: "CIFAR-10",
    shape: Shape::square(32),
    n_classes: 10,
    n_train: 50_000,
    n_test: 10_000,
    mean: [0.4914, 0.4822, 0.4465],
    std: [0.2470, 0.2435, 0.2616],
    origin: Origin::Records(&RecordLayout {
        word: "cifar10",
        url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        archive_sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        archive_bytes: Some(170_052_171),
        folder: "cifar-10-batches-bin",
        train: &[
            batch(
                "data_batch_1.bin",
                "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
            ),
            batch(
                "data_batch_2.bin",
                "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
            ),
            batch(
                "data_batch_3.bin",
                "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
            ),
            batch(
                "data_batch_4.bin",
                "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
            ),
            batch(
                "data_batch_5.bin",
                "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
            ),
        ],
        test: batch(
            "test_batch.bin",
            "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
        ),
        label_bytes: &[10],
    }),
    digest_rule: DigestRule::RecordFiles,
    digest: Some("e91465c8f1e6b994a09687b2da2e09b546410a789bd6b9d8da8f29602a7370cc"),
    // Of `data/published/cifar10-first`, whose ids hold the title "CIFAR-10 (JPEG q75)".
    titled: &["b0e5019c1b486ede0290ee5533b213498a1b8123c1f46eec98a650049070ed1f"],
};

const fn batch(name: &'static str, sha256: &'static str) -> RecordFile {
    RecordFile {
        name,
        n_records: 10_000,
        sha256: Some(sha256),
    }
}
