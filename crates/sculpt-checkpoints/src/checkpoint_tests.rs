//! Checkpoints written, read, and spoilt in every way.

use super::*;
use crate::hand_made::{Example, HandMade};
use crate::verify::{self, Violation};
use crate::{FaultKind, read_mask, read_published, read_tensors, read_weights, write_mask, write_published};
use proptest::prelude::*;

fn written() -> Example {
    let example = Example::new();
    write_checkpoint(&example.path(), &example.layout, &example.state, &example.meta).unwrap();
    example
}

#[test]
fn the_format_is_the_contract() {
    let example = written();
    let mut file = HandMade::read(&example.path());
    assert_eq!(
        file.names(),
        [
            "bn1.bias",
            "bn1.running_mean",
            "bn1.running_var",
            "bn1.weight",
            "conv1.weight",
            "conv1.weight.mask_bits",
            "fc.bias",
            "fc.weight",
            "fc.weight.mask_bits"
        ]
    );
    let (_, dtype, shape, _) = file.tensor("conv1.weight").clone();
    assert_eq!((dtype, shape), ("F32", vec![2, 1, 1, 3]));
    let (_, dtype, shape, bytes) = file.tensor("conv1.weight.mask_bits").clone();
    assert_eq!((dtype, shape, bytes), ("U8", vec![1], vec![45]));
    assert_eq!(file.tensor("fc.weight.mask_bits").3, [18]);
    let sha256 = sculpt_store::canonical::sha256_hex(&[173, 4]);
    let id = "0123456789abcdef".repeat(4);
    let json = format!(
        r#"{{"density":0.5,"density_target":0.5,"epochs_trained":24,"format":"sculpt-checkpoint/1","mask_sha256":"{sha256}","model":{{"name":"tiny","width":2}},"node_id":"{id}"}}"#
    );
    assert_eq!(file.metadata, [("sculpt".to_owned(), json)]);
}

#[test]
fn a_checkpoint_comes_back_bit_for_bit() {
    let example = written();
    let (state, meta) = read_checkpoint(&example.path(), &example.layout).unwrap();
    let bytes = checkpoint_bytes(&example.layout, &state, &meta).unwrap();
    assert_eq!(bytes, std::fs::read(example.path()).unwrap());
    assert_eq!(Example::theta_bits(&state), Example::theta_bits(&example.state));
    assert_eq!((&state, &meta), (&example.state, &example.meta));
    assert_eq!(read_meta(&example.path()).unwrap(), meta);
    assert_eq!((meta.density(), meta.epochs_trained), (0.5, 24));
    let weights = read_weights(&example.path(), &example.layout).unwrap();
    assert_eq!((weights.theta, weights.mask), (state.theta, Some(state.mask)));
    assert_eq!(verify::file(&example.path(), Some(&example.layout)), []);
    assert_eq!(verify::file(&example.path(), None), []);
}

#[test]
fn equal_states_make_equal_bytes() {
    let (a, b) = (written(), written());
    assert_eq!(std::fs::read(a.path()).unwrap(), std::fs::read(b.path()).unwrap());
    assert_eq!(a.left_behind(), ["file.safetensors"]);
}

/// Spoils a checkpoint and returns reading's error without the path, and all violations, with and without
/// layout.
fn spoil(how: impl FnOnce(&mut HandMade)) -> (String, Vec<Violation>, Vec<Violation>) {
    let example = written();
    let path = example.path();
    let mut file = HandMade::read(&path);
    how(&mut file);
    file.write(&path);
    let error = read_checkpoint(&path, &example.layout).unwrap_err().to_string();
    assert_eq!(
        read_weights(&path, &example.layout).unwrap_err().to_string(),
        error
    );
    let file = path.display().to_string();
    let error = error.strip_prefix(&format!("{file}: ")).unwrap().to_owned();
    let all = verify::file(&path, Some(&example.layout));
    assert!(all.iter().any(|v| v.detail == error && v.file == file), "{all:?}");
    (error, all, verify::file(&path, None))
}

/// One thing is wrong: its tensor and kind with the layout, the end of the sentence, and whether it shows
/// without layout.
#[track_caller]
fn check(
    how: impl FnOnce(&mut HandMade),
    tensor: Option<&str>,
    kind: FaultKind,
    sentence: &str,
    shows_alone: bool,
) {
    let (error, all, alone) = spoil(how);
    let found: Vec<_> = all.iter().map(|v| (v.tensor.as_deref(), v.kind)).collect();
    assert_eq!(found, [(tensor, kind)], "{all:?}");
    assert!(error.ends_with(sentence), "{error}");
    assert_eq!(alone.iter().any(|v| v.kind == kind), shows_alone, "{alone:?}");
}

fn set_f32(file: &mut HandMade, tensor: &str, index: usize, value: f32) {
    file.tensor(tensor).3[4 * index..4 * index + 4].copy_from_slice(&value.to_le_bytes());
}

#[test]
fn wrong_numbers_are_found() {
    check(
        |f| set_f32(f, "fc.bias", 2, f32::NAN),
        Some("fc.bias"),
        FaultKind::NotFinite,
        "tensor fc.bias holds NaN at index 2 (1 such values)",
        true,
    );
    check(
        |f| set_f32(f, "bn1.running_var", 0, f32::NEG_INFINITY),
        Some("bn1.running_var"),
        FaultKind::NotFinite,
        "tensor bn1.running_var holds -inf at index 0 (1 such values)",
        true,
    );
    for (value, text) in [(0.25, "0.25"), (-0.0, "-0.0")] {
        check(
            |f| set_f32(f, "conv1.weight", 4, value),
            Some("conv1.weight"),
            FaultKind::NotZeroUnderMask,
            &format!("holds {text} at index 4, where the mask asks for +0.0 (1 such values)"),
            true,
        );
    }
}

#[test]
fn wrong_tensors_are_found() {
    check(
        |f| f.remove("fc.bias"),
        Some("fc.bias"),
        FaultKind::MissingTensor,
        "tensor fc.bias is missing",
        false,
    );
    check(
        |f| f.remove("conv1.weight.mask_bits"),
        Some("conv1.weight.mask_bits"),
        FaultKind::MissingTensor,
        "tensor conv1.weight.mask_bits is missing",
        false,
    );
    check(
        |f| f.tensors.push(("fc2.bias".into(), "F32", vec![1], vec![0; 4])),
        Some("fc2.bias"),
        FaultKind::ExtraTensor,
        "tensor fc2.bias does not belong to this model or kind of file",
        false,
    );
    check(
        |f| f.tensor("fc.bias").1 = "I32",
        Some("fc.bias"),
        FaultKind::Type,
        "tensor fc.bias has type I32, expected F32",
        true,
    );
    check(
        |f| f.tensor("conv1.weight").2 = vec![2, 3, 1, 1],
        Some("conv1.weight"),
        FaultKind::Shape,
        "tensor conv1.weight has shape [2, 3, 1, 1], expected [2, 1, 1, 3]",
        false,
    );
    check(
        |f| *f.tensor("fc.weight.mask_bits") = ("fc.weight.mask_bits".into(), "U8", vec![2], vec![18, 0]),
        Some("fc.weight.mask_bits"),
        FaultKind::Shape,
        "tensor fc.weight.mask_bits has shape [2], expected [1]",
        true,
    );
}

#[test]
fn wrong_masks_and_metadata_are_found() {
    check(
        |f| f.tensor("conv1.weight.mask_bits").3[0] |= 0x40,
        Some("conv1.weight.mask_bits"),
        FaultKind::Mask,
        "tensor conv1.weight.mask_bits has bits set behind its 6 mask bits",
        true,
    );
    check(
        |f| f.metadata.clear(),
        None,
        FaultKind::Metadata,
        "has no metadata key sculpt",
        true,
    );
    let json = |from: &'static str, to: &'static str| {
        move |f: &mut HandMade| f.metadata[0].1 = f.metadata[0].1.replace(from, to)
    };
    check(
        json("checkpoint/1", "checkpoint/2"),
        None,
        FaultKind::Metadata,
        "has format \"sculpt-checkpoint/2\", this version reads \"sculpt-checkpoint/1\"",
        true,
    );
    for (from, to, sentence) in [
        ("epochs_trained", "epochs", "unknown field `epochs`"),
        ("\"epochs_trained\":24,", "", "missing field `epochs_trained`"),
        ("{\"density\"", "{\"density\":0.5,\"density\"", "duplicate field"),
        (
            "\"density\":0.5",
            "\"density\":1.5",
            "density 1.5 is not in [0, 1]",
        ),
        ("target\":0.5", "target\":0", "density_target 0 is not in (0, 1]"),
        ("abcdef\"", "ABCDEF\"", "is no SHA-256"),
        ("\"}", "\"", "EOF"),
    ] {
        let (error, all, alone) = spoil(json(from, to));
        assert!(error.contains(sentence), "{error}");
        assert!(all.iter().chain(&alone).all(|v| v.kind == FaultKind::Metadata));
    }
    check(
        json("\"density\":0.5", "\"density\":0.25"),
        None,
        FaultKind::Density,
        "the mask has density 0.5, the metadata say 0.25",
        true,
    );
    // Weight 1 is 0 as it is, so that only the metadata show that its bit is wrong.
    let (error, all, alone) = spoil(|f| f.tensor("conv1.weight.mask_bits").3[0] |= 2);
    assert!(error.starts_with("the mask has SHA-256"), "{error}");
    let kinds: Vec<_> = all.iter().map(|v| v.kind).collect();
    assert_eq!(kinds, [FaultKind::MaskHash, FaultKind::Density]);
    assert_eq!(alone[0].kind, FaultKind::Density);
}

#[test]
fn all_violations_are_listed() {
    let (_, all, _) = spoil(|f| {
        f.remove("fc.bias");
        f.tensors.push(("other".into(), "U8", vec![1], vec![0]));
        set_f32(f, "fc.weight", 1, f32::NAN);
        set_f32(f, "fc.weight", 0, 1.0);
        f.metadata.clear();
    });
    let kinds: Vec<_> = all.iter().map(|v| v.kind).collect();
    assert_eq!(
        kinds,
        [
            FaultKind::Metadata,
            FaultKind::NotFinite,
            FaultKind::MissingTensor,
            FaultKind::ExtraTensor,
            FaultKind::NotZeroUnderMask
        ]
    );
    let json = serde_json::to_value(&all[4]).unwrap();
    assert_eq!(json["kind"], "not-zero-under-mask");
    assert_eq!(json["tensor"], "fc.weight");
}

#[test]
fn a_file_cut_off_anywhere_is_an_error() {
    let example = written();
    let bytes = std::fs::read(example.path()).unwrap();
    for n in 0..bytes.len() {
        std::fs::write(example.path(), &bytes[..n]).unwrap();
        assert!(read_checkpoint(&example.path(), &example.layout).is_err(), "{n}");
        assert!(read_meta(&example.path()).is_err(), "{n}");
    }
    std::fs::write(example.path(), [&bytes[..], &[0]].concat()).unwrap();
    let error = read_meta(&example.path()).unwrap_err().to_string();
    assert!(error.ends_with("has 1 bytes behind its last tensor"), "{error}");
}

#[test]
fn what_is_not_clean_is_not_written() {
    let example = Example::new();
    let write = |state: &State, meta: &Meta| {
        let error = write_checkpoint(&example.path(), &example.layout, state, meta).unwrap_err();
        let published = write_published(&example.path(), &example.layout, state, meta).unwrap_err();
        assert_eq!(error.to_string(), published.to_string());
        error.to_string()
    };
    let mut state = example.state.clone();
    state.theta[1] = -0.0;
    let error = write(&state, &example.meta);
    assert!(
        error.contains("file.safetensors was not written: tensor conv1.weight"),
        "{error}"
    );
    let other = Meta::new(None, "m".into(), None, 0, &Mask::full(12));
    assert!(write(&example.state, &other).contains("SHA-256"));
    let mut meta = example.meta.clone();
    meta.node_id = Some("../../etc".into());
    assert!(write(&example.state, &meta).contains("is no SHA-256"));
    assert!(example.left_behind().is_empty());
}

#[test]
fn an_impossible_place_leaves_nothing() {
    let example = written();
    let below_a_file = example.path().join("checkpoint.safetensors");
    let error = write_checkpoint(&below_a_file, &example.layout, &example.state, &example.meta);
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("file.safetensors/checkpoint.safetensors"),
        "{error}"
    );
    assert_eq!(example.left_behind(), ["file.safetensors"]);
}

proptest! {
    /// Any bytes changed in any kind of file: an error or a value, and one that is clean.
    #[test]
    fn changed_bytes_never_panic(
        kind in 0..3,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        to_header in any::<bool>(),
    ) {
        let example = Example::new();
        let (path, layout) = (example.path(), &example.layout);
        match kind {
            0 => write_checkpoint(&path, layout, &example.state, &example.meta).unwrap(),
            1 => write_published(&path, layout, &example.state, &example.meta).unwrap(),
            _ => write_mask(&path, layout, &example.state.mask).unwrap(),
        }
        let mut bytes = std::fs::read(&path).unwrap();
        for (place, value) in changes {
            let n = if to_header { 64 } else { bytes.len() };
            bytes[place.index(n)] = value;
        }
        std::fs::write(&path, bytes).unwrap();
        for state in [read_checkpoint(&path, layout), read_published(&path, layout)].into_iter().flatten() {
            prop_assert!(state.0.check(layout).is_ok());
        }
        let clean = verify::file(&path, Some(layout)).is_empty();
        match kind {
            0 => prop_assert_eq!(clean, read_checkpoint(&path, layout).is_ok()),
            1 => prop_assert_eq!(clean, read_published(&path, layout).is_ok()),
            _ => prop_assert_eq!(clean, read_mask(&path, layout).is_ok()),
        }
        verify::file(&path, None);
        let _ = (read_meta(&path), read_weights(&path, layout), read_tensors(&path));
    }
}
