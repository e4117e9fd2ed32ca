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

/// A network with every part that the dialects name: a stem, two blocks, the second with a shortcut, and a head. All weights
/// are 1 × 1.
fn resnet() -> Layout {
    let mut builder = Layout::builder().conv("conv1", [1, 1, 1, 1]).batch_norm("bn1", 1);
    for block in ["layer1.0", "layer2.0"] {
        builder = builder
            .conv(&format!("{block}.conv1"), [1, 1, 1, 1])
            .batch_norm(&format!("{block}.bn1"), 1);
    }
    builder
        .conv("layer2.0.downsample.0", [1, 1, 1, 1])
        .batch_norm("layer2.0.downsample.1", 1)
        .linear("fc", 1, 1)
        .build()
        .unwrap()
}

/// The network's tensors, 1, 2, 3, …, under names that `rename` makes of torchvision's.
fn written(rename: impl Fn(&str) -> String) -> HandMade {
    let layout = resnet();
    let mut file = HandMade::default();
    for (param, value) in layout.params().iter().zip(1..) {
        file = file.add_f32(&rename(param.name()), param.shape(), &[value as f32]);
    }
    for (buffer, value) in layout.buffers().iter().zip(1..) {
        file = file.add_f32(&rename(buffer.name()), &[1], &[value as f32]);
    }
    file
}

fn read_resnet(file: &HandMade) -> Result<(Weights, Form), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    file.write(&path);
    let read = read_weights_and_form(&path, &resnet()).map_err(|e| e.to_string());
    assert_eq!(verify::file(&path, Some(&resnet())).is_empty(), read.is_ok());
    read.map(|(weights, form)| (weights, form.unwrap()))
}

#[track_caller]
fn check_dialect(rename: impl Fn(&str) -> String, word: &str, prefix: &str) {
    let (weights, form) = read_resnet(&written(rename)).unwrap();
    let (plain, _) = read_resnet(&written(str::to_owned)).unwrap();
    assert_eq!(weights, plain);
    assert_eq!(weights.theta[..3], [1.0, 2.0, 3.0]);
    assert!(
        form.dialect.words.contains(&word) && form.prefix == prefix,
        "{form}"
    );
}

/// Averaged weights beside the trained ones; and names of a network that no program has others for.
#[test]
fn other_sets_of_weights_are_named() {
    let both = Layout::builder()
        .linear("state_dict.head", 1, 2)
        .linear("model_ema.module.head", 1, 2)
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.pth");
    let theta: Vec<f32> = (0..6).map(|i| i as f32).collect();
    write_state_dict(&path, &both, &theta, &[]).unwrap();
    let layout = Layout::builder().linear("head", 1, 2).build().unwrap();
    let (weights, form) = read_weights_and_form(&path, &layout).unwrap();
    let form = form.unwrap();
    assert_eq!(weights.theta, [0.0, 1.0, 2.0]);
    assert_eq!(form.to_string(), "the network's own names under \"state_dict\"");
    assert_eq!(form.other_sets, ["model_ema.module"]);
}

/// Second names and constants, behind the prefix of the rest; of others nothing is known.
#[test]
fn what_stands_beside_a_network_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let layout = Layout::builder()
        .linear("a", 1, 1)
        .beside("b.weight")
        .beside("order")
        .build()
        .unwrap();
    let of = |extra: &str| {
        HandMade::default()
            .add_f32("module.a.weight", &[1, 1], &[1.0])
            .add_f32("module.a.bias", &[1], &[2.0])
            .add("module.order", "I64", &[1], &[0; 8])
            .add_f32(extra, &[1, 1], &[1.0])
            .write(&path);
        read_weights(&path, &layout)
            .map(|weights| weights.theta)
            .map_err(|e| e.to_string())
    };
    assert_eq!(of("module.b.weight").unwrap(), [1.0, 2.0]);
    assert!(of("module.c.weight").unwrap_err().contains("module.c.weight"));
}

#[test]
fn dialects_are_read_behind_any_prefix() {
    let kuangliu = |name: &str| name.replace("downsample", "shortcut").replace("fc.", "linear.");
    check_dialect(kuangliu, "kuangliu", "");
    check_dialect(kuangliu, "akamaster", "");
    for prefix in [
        "module.",
        "_orig_mod.",
        "module._orig_mod.",
        "model.net.backbone.encoder.",
        "conv1.",
    ] {
        check_dialect(|name| format!("{prefix}{name}"), "timm", prefix);
        check_dialect(|name| format!("{prefix}{}", kuangliu(name)), "kuangliu", prefix);
    }
    let open_lth = |name: &str| {
        let name = name
            .replace("layer1.0", "blocks.0")
            .replace("layer2.0", "blocks.1");
        let name = name.replace("downsample", "shortcut");
        let stem = |name: &str| name.strip_prefix("conv1").map(|rest| format!("conv{rest}"));
        let norm = |name: &str| name.strip_prefix("bn1").map(|rest| format!("bn{rest}"));
        stem(&name).or_else(|| norm(&name)).unwrap_or(name)
    };
    check_dialect(open_lth, "open_lth", "");
    check_dialect(|name| format!("module.{}", open_lth(name)), "open_lth", "module.");
}

/// Half of one dialect and half of another is none; nor is a prefix before half of the names.
#[test]
fn a_dialect_fits_whole_or_not_at_all() {
    let half = |name: &str| name.replace("downsample", "shortcut");
    let error = read_resnet(&written(half)).unwrap_err();
    assert!(
        error.ends_with(
"its tensors fit no dialect; nearest are kuangliu's and akamaster's names, of which linear.bias and \
             linear.weight are missing, while fc.bias and fc.weight are left over"
        ),
        "{error}"
    );
    let some = |name: &str| match name.starts_with("layer") {
        true => format!("module.{name}"),
        false => name.to_owned(),
    };
    assert!(
        read_resnet(&written(some))
            .unwrap_err()
            .contains("fit no dialect")
    );
    let error = read_resnet(&HandMade::default().add_f32("x", &[1], &[0.0])).unwrap_err();
    assert!(
        error.contains("holds x, and no tensor of this network"),
        "{error}"
    );
    // Of two dictionaries' worth of weights none is chosen where nothing says which.
    let twice = written(|name| format!("a.{name}"));
    let mut both = written(|name| format!("b.{name}"));
    both.tensors.extend(twice.tensors);
    assert!(read_resnet(&both).unwrap_err().contains("fit no dialect"));
}

#[test]
fn counters_belong_to_nothing() {
    let (plain, _) = read_resnet(&written(str::to_owned)).unwrap();
    let mut file = written(|name| format!("module.{name}"));
    for name in [
        "n_averaged",
        "module.total_ops",
        "module.fc.total_params",
        "module.normalize.mean",
    ] {
        file = file.add_f32(name, &[1], &[7.0]);
    }
    let (weights, form) = read_resnet(&file).unwrap();
    assert_eq!(weights, plain);
    assert_eq!(form.ignored.len(), 4);
    let error = read_resnet(&file.add_f32("module.scale", &[1], &[7.0])).unwrap_err();
    assert!(
        error.ends_with("tensor module.scale does not belong to this model or kind of file"),
        "{error}"
    );
}

/// Masks of every convolution and of the linear layer, the first 0, beside the weights.
#[track_caller]
fn check_masks(name_of: impl Fn(&str) -> String, form: MaskForm) {
    let layout = resnet();
    let mut file = written(|name| match form {
        MaskForm::TorchPrune if layout.param(name).is_some_and(|p| p.is_prunable()) => format!("{name}_orig"),
        _ => name.to_owned(),
    });
    for (i, param) in layout.prunable().enumerate() {
        file = file.add(&name_of(param.name()), "BOOL", param.shape(), &[u8::from(i > 0)]);
    }
    let (weights, read) = read_resnet(&file).unwrap();
    let kept = [false, true, true, true, true];
    assert_eq!(weights.mask, Some(Mask::from_bools(kept.to_vec())));
    assert_eq!((weights.theta[0].to_bits(), weights.theta[1]), (0, 2.0));
    assert_eq!(read.masks, Some(form));
    // Without the first mask.
    file.remove(&name_of("conv1.weight"));
    match form {
        MaskForm::TorchPrune => assert!(read_resnet(&file).unwrap_err().contains("fit no dialect")),
        _ => assert!(read_resnet(&file).unwrap_err().ends_with("is missing")),
    }
}

#[test]
fn masks_beside_weights() {
    let before = |name: &str| name.strip_suffix(".weight").unwrap().to_owned();
    check_masks(|name| format!("{name}_mask"), MaskForm::TorchPrune);
    check_masks(|name| format!("{}.mask", before(name)), MaskForm::TurboPrune);
    check_masks(|name| format!("{name}.mask"), MaskForm::Dotted);
    check_masks(|name| format!("{name}_mask"), MaskForm::Underscored);
}

/// What `torch.nn.utils.prune` left alone is dense, and a pruned bias is its product.
#[test]
fn layers_pruned_in_part() {
    let mut file = written(|name| match name {
        "fc.weight" | "fc.bias" => format!("{name}_orig"),
        _ => name.to_owned(),
    });
    file = file.add_f32("fc.weight_mask", &[1, 1], &[0.0]);
    file = file.add_f32("fc.bias_mask", &[1], &[0.0]);
    let (weights, _) = read_resnet(&file).unwrap();
    let kept = [true, true, true, true, false];
    assert_eq!(weights.mask, Some(Mask::from_bools(kept.to_vec())));
    let n = weights.theta.len();
    assert_eq!(weights.theta[n - 3..], [n as f32 - 2.0, 0.0, 0.0]);
}

#[test]
fn a_variance_is_not_negative() {
    let mut file = state_dict();
    file.tensor("bn.running_var").3 = (-5e-6f32).to_le_bytes().to_vec();
    check_error(
        &file,
        "tensor bn.running_var holds -5e-6 at index 0, a variance is not negative (1 such values)",
    );
    file.tensor("bn.running_var").3 = (-0.0f32).to_le_bytes().to_vec();
    assert!(read(&file).is_ok());
}
