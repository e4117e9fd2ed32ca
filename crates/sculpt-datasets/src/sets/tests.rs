use super::*;
use crate::{DigestRule, Origin, digest};

/// What ids rest on: key, digest, counts, shape, classes and normalisation of every entry. A line may be added; one that
/// changes makes every stored result on that data somebody else's.
#[test]
fn entries_are_frozen() {
    let line = |spec: &DataSpec| {
        format!(
            "{} | {} | {} + {} of {} x {} x {} in {} | {:?} {:?}",
            spec.key,
            spec.planned_digest(),
            spec.n_train,
            spec.n_test,
            spec.shape.channels,
            spec.shape.height,
            spec.shape.width,
            spec.n_classes,
            spec.mean,
            spec.std
        )
    };
    assert_eq!(ALL.map(line), FROZEN);
}

const FROZEN: [&str; 6] = [
    "CIFAR-10 | e91465c8f1e6b994a09687b2da2e09b546410a789bd6b9d8da8f29602a7370cc | 50000 + 10000 of 3 x 32 x 32 in 10 \
     | [0.4914, 0.4822, 0.4465] [0.247, 0.2435, 0.2616]",
    "CIFAR-100 | 4e8bd5df1c242c7794970842819a7090168bb7ce7af64a24c22f1089bd0f9417 | 50000 + 10000 of 3 x 32 x 32 in 100 \
     | [0.5071, 0.4867, 0.4408] [0.2675, 0.2565, 0.2761]",
    "ImageNet | placeholder until the pictures of ImageNet are at hand | 1281167 + 50000 of 3 x 224 x 224 in 1000 \
     | [0.485, 0.456, 0.406] [0.229, 0.224, 0.225]",
    "demo gratings | 2110caef22132c44afb88f89e9d0500fbee8193b2738e2f7ea94b8e81b6ea375 | 1280 + 1000 of 3 x 16 x 16 in 10 \
     | [0.5, 0.5, 0.5] [0.167, 0.167, 0.167]",
    "demo gratings, 20 classes | 9b2a81aeccb4a47b5589d341c0634f685f5a5f216293ef05dc511096aa17c10a \
     | 1280 + 1000 of 3 x 16 x 16 in 20 | [0.5, 0.5, 0.5] [0.167, 0.167, 0.167]",
    "demo gratings, 20 other classes | 5c03f4a85dab1c37fc6a056373475319dcb554de173d4ac830a1da76069bf1c3 \
     | 1280 + 1000 of 3 x 32 x 32 in 20 | [0.5, 0.5, 0.5] [0.167, 0.167, 0.167]",
];

/// A digest that is written down is the one that its rule gives; so is every fact that can be counted.
#[test]
fn entries_hang_together() {
    for spec in ALL {
        assert_eq!(data_set(spec.key).unwrap().key, spec.key);
        let by_rule = match (spec.origin, spec.digest_rule) {
            (Origin::Memory(_), DigestRule::RecordFiles) => {
                let data = spec.open(None).unwrap();
                assert_eq!(
                    (data.train.len(), data.test.len()),
                    (spec.n_train as usize, spec.n_test as usize)
                );
                assert_eq!(data.train.size().0, spec.shape.height as usize);
                assert!(data.train.labels().contains(&(spec.n_classes - 1)));
                Some(data.digest().to_owned())
            }
            (Origin::Records(layout), rule) => {
                let count =
                    |files: &[crate::layout::RecordFile]| files.iter().map(|f| f.n_records).sum::<u32>();
                assert_eq!(
                    (count(layout.train), layout.test.n_records),
                    (spec.n_train, spec.n_test)
                );
                assert_eq!(layout.label_bytes.last(), Some(&spec.n_classes));
                assert_eq!(layout.record_bytes(spec), 3072 + layout.label_bytes.len() as u64);
                match rule {
                    DigestRule::RecordFiles => {
                        Some(digest::of_files(layout.files().filter_map(|f| f.sha256)))
                    }
                    DigestRule::Archive => Some(digest::of_files([layout.archive_sha256])),
                    DigestRule::Pictures => None,
                }
            }
            (Origin::Pictures { .. }, DigestRule::Pictures) => None,
            (Origin::Memory(_) | Origin::Pictures { .. }, rule) => panic!("{}: {rule:?}", spec.key),
        };
        assert_eq!(by_rule.as_deref(), spec.digest, "{}", spec.key);
        assert!(spec.shape.channels == 3 && spec.shape.height == spec.shape.width);
        assert!(spec.std.iter().all(|std| *std > 0.0));
    }
}

#[test]
fn unknown_names_are_answered_with_the_known_ones() {
    let error = data_set("CIFAR10").unwrap_err().to_string();
    for part in [
        "\"CIFAR10\"",
        "\"CIFAR-10\" (`data get cifar10 --data DIR`",
        "\"ImageNet\"",
        "image-net.org",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let error = IMAGENET.open(None).unwrap_err().to_string();
    assert!(
        error.starts_with("\"ImageNet\" is not at hand: pictures of your own"),
        "{error}"
    );
}

/// Ids of the published suite `cifar10-first` hold a title; the digest tells what it stands for, the title never.
#[test]
fn titles_in_older_ids_are_known_by_their_digest() {
    let published = "b0e5019c1b486ede0290ee5533b213498a1b8123c1f46eec98a650049070ed1f";
    let key = |name: &str, digest: &str| data_set_in_id(name, digest).map(|spec| spec.key);
    assert_eq!(key("CIFAR-10 (JPEG q75)", published).unwrap(), "CIFAR-10");
    assert_eq!(key("anything", CIFAR100.digest.unwrap()).unwrap(), "CIFAR-100");
    assert!(key("CIFAR-10 (JPEG q75)", &"0".repeat(64)).is_err());
    assert_eq!(key("CIFAR-100", published).unwrap(), "CIFAR-100");
}
