//! Weights of others: what is read of them, and what is refused.

use super::*;
use crate::hand_made::{Example, HandMade};
use crate::{verify, write_state_dict};

/// fc: weight `[1, 2]` and bias `[1]`; bn: one channel.
fn layout() -> Layout {
    Layout::builder()
        .batch_norm("bn", 1)
        .linear("fc", 1, 2)
        .build()
        .unwrap()
}

/// Parameters 2, 3 of bn, weights 4, 5 and bias 6; statistics 0.5, 1.5.
fn state_dict() -> HandMade {
    HandMade::default()
        .add_f32("bn.weight", &[1], &[2.0])
        .add_f32("bn.bias", &[1], &[3.0])
        .add_f32("bn.running_mean", &[1], &[0.5])
        .add_f32("bn.running_var", &[1], &[1.5])
        .add("bn.num_batches_tracked", "I64", &[], &[9, 0, 0, 0, 0, 0, 0, 0])
        .add_f32("fc.weight", &[1, 2], &[4.0, 5.0])
        .add_f32("fc.bias", &[1], &[6.0])
}

fn read(file: &HandMade) -> Result<Weights, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    file.write(&path);
    let weights = read_weights(&path, &layout()).map_err(|e| e.to_string());
    assert_eq!(verify::file(&path, Some(&layout())).is_empty(), weights.is_ok());
    weights
}

#[track_caller]
fn check_error(file: &HandMade, sentence: &str) {
    let error = read(file).unwrap_err();
    assert!(error.contains(sentence), "{error}");
}

#[test]
fn a_state_dict_is_read() {
    let weights = read(&state_dict()).unwrap();
    assert_eq!(weights.theta, [2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!((weights.buffers, weights.mask), (vec![0.5, 1.5], None));
}

/// 1.5 in half is 0x3e00, in bfloat16 0x3fc0.
#[test]
fn other_types_are_converted() {
    let mut file = state_dict();
    file.tensor("fc.bias").1 = "F64";
    file.tensor("fc.bias").3 = 0.1f64.to_le_bytes().to_vec();
    file.tensor("bn.weight").1 = "F16";
    file.tensor("bn.weight").3 = vec![0x00, 0x3e];
    file.tensor("bn.bias").1 = "BF16";
    file.tensor("bn.bias").3 = vec![0xc0, 0x3f];
    assert_eq!(read(&file).unwrap().theta, [1.5, 1.5, 4.0, 5.0, 0.1]);
    file.tensor("fc.bias").3 = 1e39f64.to_le_bytes().to_vec();
    check_error(
        &file,
        "tensor fc.bias holds 1e39 at index 0, which is too large for f32",
    );
    file.tensor("fc.bias").3 = f64::NAN.to_le_bytes().to_vec();
    check_error(&file, "tensor fc.bias holds NaN at index 0");
    file.tensor("fc.bias").1 = "I64";
    check_error(&file, "tensor fc.bias has type I64, expected F32, F64, F16, BF16");
}

#[test]
fn a_half_infinity_is_found() {
    let mut file = state_dict();
    file.tensor("bn.weight").1 = "F16";
    file.tensor("bn.weight").3 = vec![0x00, 0x7c];
    check_error(&file, "tensor bn.weight holds inf at index 0");
}

#[test]
fn missing_and_extra_tensors_are_named() {
    let mut file = state_dict();
    file.remove("fc.bias");
    check_error(&file, "tensor fc.bias is missing");
    check_error(
        &state_dict().add_f32("fc2.bias", &[1], &[0.0]),
        "tensor fc2.bias does not belong",
    );
    let mut file = state_dict();
    for tensor in &mut file.tensors {
        tensor.0 = format!("module.{}", tensor.0);
    }
    assert_eq!(read(&file), read(&state_dict()));
    file.remove("module.fc.bias");
    check_error(&file, "tensor module.fc.bias is missing");
}

/// The first weight lies dormant at 4; the −0.0 of the other survives.
#[test]
fn turboprune_is_read_and_cleaned() {
    let mut file = state_dict().add_f32("fc.mask", &[1, 2, 1], &[0.0, 1.0]);
    *file.tensor("fc.weight") = HandMade::default()
        .add_f32("fc.weight", &[1, 2, 1], &[4.0, -0.0])
        .tensors
        .remove(0);
    let weights = read(&file).unwrap();
    let bits: Vec<_> = weights.theta[2..4].iter().map(|w| w.to_bits()).collect();
    assert_eq!(bits, [0, 0x8000_0000]);
    assert_eq!(weights.mask, Some(Mask::from_bools(vec![false, true])));
    for (value, text) in [(0.5f32, "0.5"), (f32::NAN, "NaN")] {
        file.tensor("fc.mask").3[..4].copy_from_slice(&value.to_le_bytes());
        check_error(
            &file,
            &format!("tensor fc.mask holds {text} at index 0, a mask is 0 or 1"),
        );
    }
    file.tensor("fc.mask").2 = vec![2];
    check_error(&file, "tensor fc.mask has shape [2], expected [1, 2]");
}

#[test]
fn only_shortcuts_may_lack_their_mask() {
    let layout = Layout::builder()
        .conv("conv1", [1, 1, 1, 1])
        .conv("downsample.0", [1, 1, 1, 1])
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let weights = HandMade::default()
        .add_f32("conv1.weight", &[1, 1, 1, 1], &[1.0])
        .add_f32("downsample.0.weight", &[1, 1, 1, 1], &[2.0]);
    let mask = |file: &HandMade, name: &str| file.clone().add_f32(name, &[1, 1, 1, 1], &[0.0]);
    mask(&weights, "conv1.mask").write(&path);
    let read = read_weights(&path, &layout).unwrap();
    assert_eq!(read.mask, Some(Mask::from_bools(vec![false, true])));
    mask(&weights, "downsample.0.mask").write(&path);
    let error = read_weights(&path, &layout).unwrap_err().to_string();
    assert!(error.ends_with("tensor conv1.mask is missing"), "{error}");
}

#[test]
fn a_written_state_dict_is_strict() {
    let example = Example::new();
    let (path, state) = (example.path(), &example.state);
    write_state_dict(&path, &example.layout, &state.theta, &state.buffers).unwrap();
    let mut file = HandMade::read(&path);
    let counter = file.tensor("bn1.num_batches_tracked").clone();
    assert_eq!((counter.1, counter.2, counter.3), ("I64", vec![], vec![0; 8]));
    assert_eq!(file.tensors.len(), 8);
    assert_eq!(file.metadata, [("format".to_owned(), "pt".to_owned())]);
    let weights = read_weights(&path, &example.layout).unwrap();
    assert_eq!((&weights.theta, weights.mask), (&state.theta, None));
    assert_eq!(weights.buffers, state.buffers);
}
