//! What looks like pictures and would be others than their owner's.

use crate::common::{folder, golden, tars};
use crate::sources::{packed, packing};
use sculpt_pictures::{Codec, Part, PictureError, open, pictures_digest};
use std::fs;
use tempfile::tempdir;

/// The digest is of names and bytes: a class that has neither would shift labels unseen.
#[test]
fn classes_without_pictures_are_refused() {
    let dir = tempdir().unwrap();
    let (root, out) = (dir.path().join("a"), dir.path().join("b"));
    folder(&root, 6);
    let class = root.join("train/n00000001");
    fs::create_dir(&class).unwrap();
    let refused = |result: Result<String, PictureError>| result.unwrap_err().to_string();
    let opened = refused(open(&root, Part::Train).map(|set| format!("{set:?}")));
    assert!(
        opened.contains("n00000001: this class has no pictures"),
        "{opened}"
    );
    let digest = refused(pictures_digest(&root, &mut |_| ()));
    let made = refused(packed(&root, &out, packing("40", Codec::Jpeg)).map(|pack| format!("{pack:?}")));
    assert_eq!((&digest, &made), (&opened, &opened));
    // It would shift the labels of validation as well; where all were emptied, they are folders of classes.
    assert_eq!(
        refused(open(&root, Part::Val).map(|set| format!("{set:?}"))),
        opened
    );
    for entry in fs::read_dir(root.join("train")).unwrap() {
        let class = entry.unwrap().path();
        fs::remove_dir_all(&class).unwrap();
        fs::create_dir(&class).unwrap();
    }
    assert_eq!(open(&root, Part::Val).unwrap().len(), 4);
    fs::remove_dir_all(root.join("train")).unwrap();
    fs::create_dir(root.join("val/n00000001")).unwrap();
    assert!(refused(open(&root, Part::Val).map(|set| format!("{set:?}"))).contains("has no pictures"));
}

/// A packed set in which other pictures move up is another one than the files'.
#[test]
fn a_whole_pack_that_left_pictures_out_has_a_digest_of_its_own() {
    let dir = tempdir().unwrap();
    let (root, out) = (dir.path().join("a"), dir.path().join("b"));
    // Plain JPEG alone is kept byte by byte.
    let class = root.join("train/n02100735");
    fs::create_dir_all(&class).unwrap();
    fs::write(class.join("a.jpg"), golden("baseline-420.jpg")).unwrap();
    let val = root.join("val/n02100735");
    fs::create_dir_all(&val).unwrap();
    fs::write(val.join("c.jpg"), golden("baseline-444.jpg")).unwrap();
    let mut packing = packing("full", Codec::Jpeg);
    packing.most_left_out = 1;
    let all_kept = packed(&root, &dir.path().join("kept"), packing).unwrap();
    assert_eq!(all_kept.digest(), all_kept.source_digest());
    fs::write(class.join("b.jpg"), b"").unwrap();
    let made = packed(&root, &out, packing).unwrap();
    assert_eq!(made.source_digest(), pictures_digest(&root, &mut |_| ()).unwrap());
    assert_ne!(made.digest(), made.source_digest());
    made.check().unwrap();
}

/// A name that no digest can have, and a link to nothing, are said before hours of packing.
#[test]
fn what_cannot_be_packed_is_said_before_anything_is_made() {
    let dir = tempdir().unwrap();
    let (root, out) = (dir.path().join("a"), dir.path().join("b"));
    folder(&root, 6);
    let odd = root.join("train/n02100735/two\nlines.JPEG");
    let refused = || {
        packed(&root, &out, packing("40", Codec::Jpeg))
            .unwrap_err()
            .to_string()
    };
    fs::write(&odd, golden("grey.jpg")).unwrap();
    assert!(refused().contains("a line's end in its name"), "{}", refused());
    fs::remove_file(&odd).unwrap();
    let link = root.join("train/n02100735/link.JPEG");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    assert!(
        refused().ends_with("link.JPEG: it is a link to nothing: remove it, or mend what it leads to"),
        "{}",
        refused()
    );
    assert!(!out.exists());
    fs::remove_file(&link).unwrap();
    packed(&root, &out, packing("40", Codec::Jpeg)).unwrap();
}

/// An index whose seal is right and that says something else than its records do.
#[test]
fn indexes_are_held_against_their_records() {
    let dir = tempdir().unwrap();
    let (root, out) = (dir.path().join("a"), dir.path().join("b"));
    folder(&root, 6);
    packed(&root, &out, packing("40", Codec::Jpeg))
        .unwrap()
        .check()
        .unwrap();
    let index = out.join("pack.json");
    let whole: serde_json::Value = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
    let other = "ab".repeat(32);
    let first = &whole["classes"][0];
    for (field, value, says) in [
        (
            "source",
            serde_json::json!(other),
            "its records are of files with digest",
        ),
        ("digest", serde_json::json!(other), "its records have digest"),
        (
            "left_out",
            serde_json::json!([{ "name": "train/x", "because": "y" }]),
            "left out others",
        ),
        (
            "classes",
            serde_json::json!([first, "o", "p"]),
            "has the label of",
        ),
    ] {
        let mut index_of = whole.clone();
        index_of[field] = value;
        index_of.as_object_mut().unwrap().remove("sha256");
        fs::write(&index, sculpt_store::sealed::seal(&index_of).unwrap()).unwrap();
        let found = sculpt_pictures::Pack::open(&out)
            .unwrap()
            .check()
            .unwrap_err()
            .to_string();
        assert!(found.contains(says), "{found}");
    }
}

#[test]
fn a_pack_among_its_own_pictures_is_refused() {
    let dir = tempdir().unwrap();
    let root = dir.path().join("a");
    folder(&root, 6);
    for out in [
        root.clone(),
        root.join("train/n02100735"),
        root.join("new/pack"),
        root.join("../a/x"),
    ] {
        let refused = packed(&root, &out, packing("40", Codec::Jpeg))
            .unwrap_err()
            .to_string();
        assert!(refused.contains("whose pictures are packed"), "{refused}");
    }
    let names = fs::read_dir(&root).unwrap().count();
    assert_eq!(names, 2, "nothing was made there");
}

/// The index says how long each shard is; whoever opens one reads no more than that, and waits for nobody.
#[test]
fn shards_of_other_packs_and_pipes_are_refused() {
    let dir = tempdir().unwrap();
    let (root, out, other) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("c"));
    folder(&root, 7);
    let mut parameters = packing("24", Codec::Jpeg);
    packed(&root, &out, parameters).unwrap();
    parameters.parameters.quality = 1.try_into().unwrap();
    packed(&root, &other, parameters).unwrap();
    let shard = out.join("train-00000.shard");
    let whole = dir.path().join("whole");
    fs::rename(&shard, &whole).unwrap();
    fs::copy(other.join("train-00000.shard"), &shard).unwrap();
    let refused = || open(&out, Part::Train).unwrap_err().to_string();
    assert!(
        refused().contains("bytes, and the index records"),
        "{}",
        refused()
    );
    // One of the same length: a record of it stands for others.
    let mut same_length = fs::read(&whole).unwrap();
    let table = u64::from_le_bytes(same_length[16..24].try_into().unwrap()) as usize;
    same_length[table + 12] ^= 1;
    let crc = crc32fast::hash(&same_length[table..]).to_le_bytes();
    same_length[24..28].copy_from_slice(&crc);
    let crc = crc32fast::hash(&same_length[..28]).to_le_bytes();
    same_length[28..32].copy_from_slice(&crc);
    fs::write(&shard, same_length).unwrap();
    assert!(
        refused().contains("another shard than the index records"),
        "{}",
        refused()
    );
    fs::remove_file(&shard).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &shard, rustix::fs::Mode::RUSR).unwrap();
    assert!(refused().contains("train-00000.shard"), "{}", refused());
    tars(&dir.path().join("t"), 5);
    let kit = dir.path().join("t/ILSVRC2012_devkit_t12.tar.gz");
    fs::remove_file(&kit).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &kit, rustix::fs::Mode::RUSR).unwrap();
    let val = open(&dir.path().join("t"), Part::Val).unwrap_err().to_string();
    assert!(val.ends_with("it is no regular file"), "{val}");
}

/// Archives that are read to the end and are not what they were: each would be another set of pictures, with other labels.
#[test]
fn tars_that_lost_something_are_named() {
    let dir = tempdir().unwrap();
    let root = dir.path();
    tars(root, 5);
    let train = root.join("ILSVRC2012_img_train.tar");
    let genuine = fs::read(&train).unwrap();
    let refused = |bytes: &[u8]| {
        fs::write(&train, bytes).unwrap();
        open(root, Part::Train).unwrap_err().to_string()
    };
    // The second header of the outer archive stands behind the first class.
    let mut archive = tar::Archive::new(&genuine[..]);
    let entries = archive.entries().unwrap();
    let places: Vec<u64> = entries
        .map(|entry| entry.unwrap().raw_header_position())
        .collect();
    let second = places[1] as usize;
    let cut = refused(&genuine[..second]);
    assert!(cut.ends_with("has no end: it was cut"), "{cut}");
    let mut lost = genuine.clone();
    lost[second..second + 512].fill(0);
    let lost = refused(&lost);
    assert!(lost.contains("is neither a file's header nor its end"), "{lost}");
    let twice = [&genuine[..second], &genuine].concat();
    let twice = refused(&twice);
    assert!(twice.ends_with(".tar is in it twice"), "{twice}");
    // A sparse file, as `tar -S` writes it, a link, a pipe.
    for kind in [b'S', b'2', b'6'] {
        let mut other = genuine.clone();
        let header = &mut other[second..second + 512];
        header[156] = kind;
        if kind == b'S' {
            // One piece, which is all of it: where it begins, its length; the length of the whole.
            header[386..398].copy_from_slice(b"00000000000\0");
            header.copy_within(124..136, 398);
            header.copy_within(124..136, 483);
        }
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let other = refused(&other);
        let says = format!(
            "is neither a plain file nor a folder (type {:?})",
            char::from(kind)
        );
        assert!(other.ends_with(&says), "{other}");
    }
    fs::write(&train, &genuine).unwrap();
    assert_eq!(open(root, Part::Train).unwrap().len(), 5);
}

/// A pack that lost a shard, or has another one, is made whole by the command that made it; a picture that was mended in a half-made
/// pack is packed as it is now.
#[test]
fn damaged_packs_are_mended() {
    let dir = tempdir().unwrap();
    let (root, out, again) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("c"));
    folder(&root, 6);
    let packing = packing("40", Codec::Jpeg);
    let digest = packed(&root, &out, packing).unwrap().digest().to_owned();
    let shard = out.join("val-00000.shard");
    let whole = fs::read(&shard).unwrap();
    for damage in [None, Some(&whole[..whole.len() - 1])] {
        fs::remove_file(&shard).unwrap();
        if let Some(bytes) = damage {
            fs::write(&shard, bytes).unwrap();
        }
        assert_eq!(packed(&root, &out, packing).unwrap().digest(), digest);
        assert_eq!(fs::read(&shard).unwrap(), whole);
    }

    // A flipped bit of a record, which opening does not see; and a whole shard of pictures packed in another way.
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let other = dir.path().join("other");
    packed(&root, &other, crate::sources::packing("40", Codec::Raw)).unwrap();
    let foreign = fs::read(other.join("val-00000.shard")).unwrap();
    for damage in [flipped, foreign] {
        fs::write(&shard, damage).unwrap();
        let mended = packed(&root, &out, packing).unwrap();
        mended.check().unwrap();
        assert_eq!(mended.digest(), digest);
        assert_eq!(fs::read(&shard).unwrap(), whole);
    }

    // A picture for validation is cut when its turn comes, and is put back; the shard for training is kept.
    let class = root.join("val/n02119789");
    let picture = fs::read_dir(&class).unwrap().next().unwrap().unwrap().path();
    let bytes = fs::read(&picture).unwrap();
    fs::write(&picture, b"").unwrap();
    assert!(matches!(
        packed(&root, &again, packing),
        Err(PictureError::TooManyUnreadable { .. })
    ));
    assert!(again.join("train-00000.shard").is_file());
    fs::write(&picture, bytes).unwrap();
    let mended = packed(&root, &again, packing).unwrap();
    mended.check().unwrap();
    assert_eq!(mended.digest(), digest);
}
