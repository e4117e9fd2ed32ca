//! Folders, tar files and packs: the same pictures, and what is refused.

use crate::common::{CLASSES, folder, golden, pictures, tars};
use sculpt_pictures::{
    ClassList, Codec, Decoder, Lying, Pack, PackParameters, Packing, Part, PictureError, Pictures, Quality,
    Region, Subset, open, pack, pictures_digest,
};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use tempfile::tempdir;

pub(crate) fn packing(side: &str, codec: Codec) -> Packing {
    Packing {
        parameters: PackParameters {
            side: side.parse().unwrap(),
            codec,
            quality: Quality::try_from(90).unwrap(),
        },
        workers: 2,
        most_left_out: 0,
        shard_bytes: pack::SHARD_BYTES,
    }
}

pub(crate) fn packed(source: &Path, out: &Path, packing: Packing) -> Result<Pack, PictureError> {
    pack::pack(source, out, packing, &mut |_| ControlFlow::Continue(()))
}

/// Every shard is the recorded one.
fn verify(pack: &Pack) {
    let checked = pack
        .shards()
        .map(|(path, digest)| digest.check(&path).unwrap())
        .count();
    assert!(checked > 1, "both halves have shards");
}

/// Name, label and bytes of all.
fn all(pictures: &dyn Pictures) -> Vec<(String, u16, Vec<u8>)> {
    let one = |i| {
        let mut bytes = Vec::new();
        pictures.read(i, &mut bytes).unwrap();
        (pictures.name(i).unwrap(), pictures.label(i), bytes)
    };
    (0..pictures.len()).map(one).collect()
}

/// The golden development kit says that validation pictures 1 to 4 are of numbers 3, 1, 2, 1, which are not the classes of the
/// folder: there the labels are checked apart.
#[test]
fn folder_tars_and_a_whole_pack_hold_the_same() {
    let dir = tempdir().unwrap();
    let (in_folder, in_tars, whole) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("c"));
    folder(&in_folder, 20);
    tars(&in_tars, 20);
    let made = packed(&in_folder, &whole, packing("full", Codec::Jpeg)).unwrap();
    for (place, lying) in [
        (&in_folder, Lying::Folders),
        (&in_tars, Lying::Tars),
        (&whole, Lying::Packed),
    ] {
        assert_eq!(Lying::of(place).unwrap(), lying);
    }
    let expected: Vec<_> = pictures("train", 20)
        .into_iter()
        .map(|(class, name, bytes)| {
            let label = CLASSES.iter().position(|other| *other == class).unwrap();
            (format!("train/{class}/{name}"), label as u16, bytes)
        })
        .collect();
    let train = |place: &Path| open(place, Part::Train).unwrap();
    for place in [&in_folder, &in_tars] {
        assert!(all(&*train(place)) == expected, "{}", place.display());
        assert_eq!(train(place).classes().names(), CLASSES);
        assert_eq!(train(place).classes().list(), ClassList::WordNet);
    }
    // CMYK and PNG are encoded anew, everything else is kept.
    let packed = all(&*train(&whole));
    for ((name, label, bytes), (expected_name, expected_label, source)) in packed.iter().zip(&expected) {
        assert_eq!((name, label), (expected_name, expected_label));
        let is_kept = ![golden("cmyk.jpg"), golden("png.JPEG")].contains(source);
        assert_eq!(bytes == source, is_kept, "{name}");
    }
    assert_eq!(
        made.source_digest(),
        pictures_digest(&in_folder, &mut |_| ()).unwrap()
    );
    assert_ne!(made.digest(), made.source_digest(), "not all are kept");
    assert_eq!(pictures_digest(&whole, &mut |_| ()).unwrap(), made.digest());

    let labels: Vec<_> = all(&*open(&in_tars, Part::Val).unwrap())
        .into_iter()
        .map(|(name, label, _)| (name, label))
        .collect();
    let val = |class: &str, i: u32| format!("val/{class}/ILSVRC2012_val_{i:08}.JPEG");
    let of_kit = [
        (val("n02100735", 3), 0),
        (val("n02110185", 1), 1),
        (val("n02119789", 2), 2),
        (val("n02119789", 4), 2),
    ];
    assert_eq!(labels, of_kit);
}

/// A set whose files are all kept byte by byte is the same data, so training on it has the same ids.
#[test]
fn a_pack_of_whole_files_has_the_digest_of_the_files() {
    let dir = tempdir().unwrap();
    let root = dir.path().join("a");
    for (part, class) in [("train", "x"), ("train", "y"), ("val", "y")] {
        let path = root.join(part).join(class).join("1.jpg");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, golden("grey.jpg")).unwrap();
    }
    let digest = pictures_digest(&root, &mut |_| ()).unwrap();
    let full = packed(&root, &dir.path().join("full"), packing("full", Codec::Jpeg)).unwrap();
    let raw = packed(&root, &dir.path().join("raw"), packing("full", Codec::Raw)).unwrap();
    let small = packed(&root, &dir.path().join("small"), packing("32", Codec::Jpeg)).unwrap();
    let mut other = packing("full", Codec::Raw);
    other.parameters.quality = Quality::try_from(12).unwrap();
    let other = packed(&root, &dir.path().join("other"), other).unwrap();
    assert_eq!(other.digest(), raw.digest(), "pixels have no quality");
    assert_eq!(full.digest(), digest);
    assert_eq!([raw.source_digest(), small.source_digest()], [&*digest; 2]);
    assert!(![&*digest, small.digest()].contains(&raw.digest()) && small.digest() != digest);
    let val = open(&dir.path().join("full"), Part::Val).unwrap();
    assert_eq!((val.len(), val.label(0)), (1, 1));
}

/// Shorter sides are those asked for, larger pictures alone are resized, and raw pixels are the resized ones exactly.
#[test]
fn packed_pictures_have_the_side_that_was_asked_for() {
    let dir = tempdir().unwrap();
    let (root, out) = (dir.path().join("a"), dir.path().join("b"));
    folder(&root, 14);
    for codec in [Codec::Jpeg, Codec::Raw] {
        let out = out.join(format!("{codec:?}"));
        verify(&packed(&root, &out, packing("60", codec)).unwrap());
        for (name, _, bytes) in all(&*open(&out, Part::Train).unwrap()) {
            let whole = |size: sculpt_pictures::Size| Region::whole(size.width, size.height);
            let region = Decoder::default().decode(&bytes, whole, &mut Vec::new()).unwrap();
            let size = (region.width, region.height);
            // 331 x 247 becomes 331 · 60 / 247 = 80.4 by 60.
            assert!([(75, 51), (80, 60)].contains(&size), "{name}: {size:?}");
        }
    }
}

/// Of seven, three: places 0, 2 and 4 (0, 7/3, 14/3, rounded down).
#[test]
fn a_subset_has_its_own_places() {
    let dir = tempdir().unwrap();
    folder(dir.path(), 7);
    let train = open(dir.path(), Part::Train).unwrap();
    let whole = all(&*train);
    let some = all(&Subset::spread(train, 3));
    assert!(some == [0, 2, 4].map(|i: usize| whole[i].clone()));
}

#[test]
fn a_pack_is_the_same_whatever_interrupted_it() {
    let dir = tempdir().unwrap();
    let (root, once, again) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("c"));
    folder(&root, 300);
    let mut steps = 0;
    let mut packing = packing("40", Codec::Raw);
    packing.shard_bytes = 300_000;
    pack::pack(&root, &once, packing, &mut |_| {
        steps += 1;
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(steps > 3, "{steps}");
    packing.workers = 1;
    for stop_after in 0..steps {
        let mut left = stop_after;
        let made = pack::pack(&root, &again, packing, &mut |progress| {
            assert!(progress.done <= progress.n && progress.n == 304);
            left -= 1;
            if left < 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        match made {
            Err(PictureError::Stopped) => {
                let refused = open(&again, Part::Train).unwrap_err().to_string();
                assert!(refused.contains("half made"), "{refused}");
            }
            other => drop(other.unwrap()),
        }
    }
    packed(&root, &again, packing).unwrap();
    let files = |folder: &Path| {
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.file_name().unwrap().to_owned(), fs::read(path).unwrap()))
            .collect();
        files.sort();
        files
    };
    assert!(files(&once) == files(&again));
    let sizes: Vec<u64> = fs::read_dir(&once)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .collect();
    assert!(
        sizes.len() > 5 && sizes.iter().all(|n| *n <= 300_000),
        "{sizes:?}"
    );
    verify(&Pack::open(&once).unwrap());
}

#[test]
fn another_pack_is_not_written_over() {
    let dir = tempdir().unwrap();
    let (root, out) = (dir.path().join("a"), dir.path().join("b"));
    folder(&root, 6);
    packed(&root, &out, packing("40", Codec::Jpeg)).unwrap();
    packed(&root, &out, packing("40", Codec::Jpeg)).unwrap();
    let other = packed(&root, &out, packing("41", Codec::Jpeg))
        .unwrap_err()
        .to_string();
    assert!(other.contains("it holds a pack of other pictures"), "{other}");
    // One that was replaced, one more, and what it was before: names and lengths tell.
    let class = root.join("train/n02100735");
    let first = fs::read_dir(&class).unwrap().next().unwrap().unwrap().path();
    let before = fs::read(&first).unwrap();
    fs::write(&first, [&*before, b"more"].concat()).unwrap();
    assert!(packed(&root, &out, packing("40", Codec::Jpeg)).is_err());
    fs::write(&first, before).unwrap();
    packed(&root, &out, packing("40", Codec::Jpeg)).unwrap();
    fs::write(class.join("more.JPEG"), golden("grey.jpg")).unwrap();
    assert!(packed(&root, &out, packing("40", Codec::Jpeg)).is_err());
    let again = packed(&out, &dir.path().join("c"), packing("40", Codec::Jpeg))
        .unwrap_err()
        .to_string();
    assert!(again.contains("it is a pack already"), "{again}");
}

#[test]
fn what_nobody_can_read_is_named_and_left_out_up_to_a_number() {
    let dir = tempdir().unwrap();
    let (root, out) = (dir.path().join("a"), dir.path().join("b"));
    folder(&root, 6);
    let class = root.join("train/n02100735");
    fs::write(class.join("cut.JPEG"), &golden("large.jpg")[..9000]).unwrap();
    fs::write(class.join("empty.JPEG"), b"").unwrap();
    let mut packing = packing("40", Codec::Jpeg);
    packing.most_left_out = 1;
    let refused = packed(&root, &out, packing).unwrap_err().to_string();
    assert_eq!(
        refused,
        "pictures that cannot be read: 2; 1 may be left out (--leave-out): \
         train/n02100735/cut.JPEG: it ends before the picture does; train/n02100735/empty.JPEG: it is empty"
    );
    packing.most_left_out = 2;
    let made = packed(&root, &out, packing).unwrap();
    assert_eq!(made.left_out().len(), 2);
    assert_eq!(made.left_out()[1].because, "it is empty");
    let train = open(&out, Part::Train).unwrap();
    assert_eq!(train.len(), 6);
    assert!(
        all(&*train)
            .iter()
            .all(|(name, label, _)| !name.contains("cut") && *label < 3)
    );
}

#[test]
fn folders_that_are_none_are_named() {
    let dir = tempdir().unwrap();
    let root = dir.path();
    let refused = |part| open(root, part).unwrap_err().to_string();
    assert!(refused(Part::Train).contains("no pictures are here"));
    assert!(
        open(&root.join("no"), Part::Train)
            .unwrap_err()
            .to_string()
            .contains("no such folder")
    );
    folder(root, 3);
    fs::create_dir(root.join("val/n99999999")).unwrap();
    assert!(refused(Part::Val).contains("n99999999: it is no class"));
    fs::remove_dir(root.join("val/n99999999")).unwrap();
    fs::write(root.join("val/n02100735/notes.txt"), "not read").unwrap();
    assert_eq!(open(root, Part::Val).unwrap().len(), 4);
    fs::write(root.join("val/n02100735/x.webp"), "").unwrap();
    assert!(refused(Part::Val).contains("x.webp: pictures of this form are not read"));
    fs::remove_file(root.join("val/n02100735/x.webp")).unwrap();
    fs::create_dir(root.join("val/n02100735/deep")).unwrap();
    assert!(refused(Part::Val).contains("deep: it is a folder in a class's folder"));
}

#[test]
fn tars_that_were_cut_or_lack_their_labels_are_named() {
    let dir = tempdir().unwrap();
    let root = dir.path();
    tars(root, 5);
    let train = root.join("ILSVRC2012_img_train.tar");
    let bytes = fs::read(&train).unwrap();
    for n in [700, 5000, bytes.len() / 2] {
        fs::write(&train, &bytes[..n]).unwrap();
        let refused = open(root, Part::Train).unwrap_err().to_string();
        assert!(refused.contains("ILSVRC2012_img_train.tar: "), "{refused}");
    }
    fs::write(&train, &bytes).unwrap();
    let kit = root.join("ILSVRC2012_devkit_t12.tar.gz");
    let genuine = fs::read(&kit).unwrap();
    fs::write(&kit, &genuine[..genuine.len() / 2]).unwrap();
    assert!(open(root, Part::Val).unwrap_err().to_string().contains("devkit"));
    fs::remove_file(&kit).unwrap();
    assert!(open(root, Part::Val).unwrap_err().to_string().contains("devkit"));
}

/// Every byte of index and shard matters: whichever is changed, it is noticed when the pack is opened, read or verified; and
/// no change makes a reader panic.
#[test]
fn a_changed_byte_of_a_pack_is_noticed() {
    let dir = tempdir().unwrap();
    let (root, out) = (dir.path().join("a"), dir.path().join("b"));
    folder(&root, 7);
    packed(&root, &out, packing("24", Codec::Jpeg)).unwrap();
    let read_all = || -> Result<(), PictureError> {
        let train = open(&out, Part::Train)?;
        let mut bytes = Vec::new();
        (0..train.len()).try_for_each(|i| train.read(i, &mut bytes))
    };
    read_all().unwrap();
    for name in ["train-00000.shard", "pack.json"] {
        let path = out.join(name);
        let genuine = fs::read(&path).unwrap();
        for place in (0..genuine.len()).step_by(1 + genuine.len() / 1500) {
            let mut changed = genuine.clone();
            changed[place] ^= 1 << (place % 8);
            fs::write(&path, &changed).unwrap();
            assert!(read_all().is_err(), "{name}, byte {place} of {}", genuine.len());
        }
        for n in (0..genuine.len()).step_by(1 + genuine.len() / 100) {
            fs::write(&path, &genuine[..n]).unwrap();
            assert!(read_all().is_err(), "{name}, cut to {n} bytes");
        }
        fs::write(&path, &genuine).unwrap();
    }
    read_all().unwrap();
}
