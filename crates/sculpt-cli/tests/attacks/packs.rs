//! Packs of pictures from strangers, whose checksums agree with whatever stands in them.

use crate::strangers::attack;
use crate::*;
use sculpt_pictures::{
    Codec, Pack, PackParameters, Packing, Part, Quality, Transform, Transformer, open, pack,
};
use sculpt_store::{paths, sealed};
use std::ops::ControlFlow;

/// A pack of three pictures for training and two for validation, of both forms of records.
fn write_pack(root: &Path, codec: Codec) -> PathBuf {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sculpt-pictures/tests/goldens");
    let source = root.join("source");
    for (place, name) in [
        ("train/a/1.jpg", "baseline-420.jpg"),
        ("train/b/2.jpg", "progressive-444.jpg"),
        ("train/b/3.jpg", "png.JPEG"),
        ("val/a/4.jpg", "grey.jpg"),
        ("val/b/5.jpg", "cmyk.jpg"),
    ] {
        let path = source.join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(goldens.join(name), path).unwrap();
    }
    let packing = Packing {
        parameters: PackParameters {
            side: "32".parse().unwrap(),
            codec,
            quality: Quality::try_from(90).unwrap(),
        },
        workers: 1,
        most_left_out: 0,
        shard_bytes: pack::SHARD_BYTES,
    };
    let out = root.join("pack");
    pack::pack(&source, &out, packing, &mut |_| ControlFlow::Continue(())).unwrap();
    out
}

/// Reads whatever can be read, as training does.
fn read_all(folder: &Path) {
    let transform = Transform::CentreCrop {
        shorter: 32,
        side: 28,
    };
    let (mut bytes, mut out) = (Vec::new(), vec![0; transform.n_bytes()]);
    let mut transformer = Transformer::default();
    let _ = Pack::open(folder).map(|pack| (pack.n_pictures(), pack.check()));
    for part in Part::ALL {
        let Ok(pictures) = open(folder, part) else {
            continue;
        };
        for i in 0..pictures.len() {
            let _ = (pictures.name(i), pictures.label(i));
            if pictures.read(i, &mut bytes).is_ok() {
                let _ = transformer.apply(&transform, &bytes, 0, i as u32, &mut out);
            }
        }
    }
}

/// Bytes that were changed are refused by the seal; this one is put anew wherever there is still an object.
#[test]
fn indexes_of_packs_are_read_with_care() {
    let root = root();
    let folder = write_pack(root.path(), Codec::Jpeg);
    let index = paths::pack_index(&folder);
    let seed = fs::read(&index).unwrap();
    attack("index of a pack", &[seed], &index, |path| {
        read_all(&folder);
        let bytes = fs::read(path).unwrap();
        if let Ok(serde_json::Value::Object(mut object)) = serde_json::from_slice(&bytes) {
            object.remove("sha256");
            // Numbers above 2^53 have no seal.
            let Ok(text) = sealed::seal(&object) else { return };
            fs::write(path, text).unwrap();
            read_all(&folder);
        }
    });
}

/// The same of shards: checksums of records, table and header are put anew where they can be, and the index vouches for them.
#[test]
fn shards_of_packs_are_read_with_care() {
    for codec in [Codec::Jpeg, Codec::Raw] {
        let root = root();
        let folder = write_pack(root.path(), codec);
        let shard = paths::pack_shard(&folder, "train", 0);
        let seed = fs::read(&shard).unwrap();
        let mut sealed = seed.clone();
        agree(&mut sealed);
        assert!(
            sealed == seed,
            "a shard in order has the checksums that are put here"
        );
        attack(&format!("{codec:?} shard of a pack"), &[seed], &shard, |path| {
            read_all(&folder);
            let mut bytes = fs::read(path).unwrap();
            agree(&mut bytes);
            vouch(&folder, &bytes);
            fs::write(path, bytes).unwrap();
            read_all(&folder);
        });
    }
}

/// Makes the checksums of a shard agree with what stands in it, as far as it has places for them.
fn agree(bytes: &mut [u8]) {
    let number = |bytes: &[u8], at: usize, n: usize| {
        let bytes = bytes.get(at..at.checked_add(n)?)?.iter().rev();
        usize::try_from(bytes.fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte))).ok()
    };
    let Some(table) = number(bytes, 16, 8).filter(|table| (32..=bytes.len()).contains(table)) else {
        return;
    };
    for row in (table..bytes.len().saturating_sub(19)).step_by(20) {
        let (start, n) = (number(bytes, row, 8), number(bytes, row + 8, 4));
        let end = start.zip(n).and_then(|(start, n)| start.checked_add(n));
        let record = start.zip(end).and_then(|(start, end)| bytes.get(start..end));
        if let Some(sum) = record.map(crc32) {
            bytes[row + 12..row + 16].copy_from_slice(&sum.to_le_bytes());
        }
    }
    let sum = crc32(&bytes[table..]);
    bytes[24..28].copy_from_slice(&sum.to_le_bytes());
    let sum = crc32(&bytes[..28]);
    bytes[28..32].copy_from_slice(&sum.to_le_bytes());
}

/// Makes the index say of the first shard for training what this one says of itself.
fn vouch(folder: &Path, shard: &[u8]) {
    let number = |at: usize| {
        let bytes = shard.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().unwrap()))
    };
    let path = paths::pack_index(folder);
    let mut index: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let entry = &mut index["train"][0];
    entry["records"] = number(12).unwrap_or_default().into();
    entry["table_crc32"] = number(24).unwrap_or_default().into();
    entry["bytes"] = shard.len().into();
    index.as_object_mut().unwrap().remove("sha256");
    fs::write(path, sealed::seal(&index).unwrap()).unwrap();
}

/// That of PNG and zip, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    })
}
