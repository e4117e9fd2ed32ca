use crate::*;
use sculpt_checkpoints::{read_mask, write_mask, write_published, write_state_dict};
use serde_json::Value;

/// The violations that `verify` prints as JSON, and exit code 1 if there are any.
#[track_caller]
pub(crate) fn violations(folder: &Folder, words: &str) -> Vec<Value> {
    let output = sculpt(folder, &format!("verify {words} --json"));
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    let violations = report["violations"].as_array().unwrap().clone();
    assert_eq!(output.status.code(), Some(i32::from(!violations.is_empty())));
    assert!(report["checked"].as_u64().unwrap() > 0);
    violations
}

/// (kind, tensor) of each.
#[track_caller]
pub(crate) fn kinds(folder: &Folder, words: &str) -> Vec<String> {
    let name = |v: &Value| match v["tensor"].as_str() {
        Some(tensor) => format!("{} {tensor}", v["kind"].as_str().unwrap()),
        None => v["kind"].as_str().unwrap().to_owned(),
    };
    violations(folder, words).iter().map(name).collect()
}

#[test]
fn good_files_of_every_kind() {
    let folder = Folder::new();
    let layout = tiny().layout();
    let (state, meta) = write_tiny(&folder.join("checkpoint"));
    write_published(&folder.join("published"), &layout, &state, &meta).unwrap();
    write_mask(&folder.join("mask"), &layout, &state.mask).unwrap();
    write_state_dict(&folder.join("foreign"), &layout, &state.theta, &state.buffers).unwrap();
    write_probe(&folder.join("probe"), 2);
    assert!(kinds(&folder, "checkpoint published mask foreign probe").is_empty());
    assert!(kinds(&folder, &format!("checkpoint published mask foreign {TINY}")).is_empty());
    let output = sculpt(&folder, "verify checkpoint mask");
    assert_eq!(
        (text(&output.stdout), text(&output.stderr)),
        (String::new(), "2 files checked, 0 violations\n".into())
    );
}

#[test]
fn corrupted_files() {
    let folder = Folder::new();
    write_tiny(&folder.join("w"));
    let whole = std::fs::read(folder.join("w")).unwrap();
    let check = |bytes: &[u8], words: &str, expected: &[&str]| {
        std::fs::write(folder.join("bad"), bytes).unwrap();
        assert_eq!(kinds(&folder, &format!("bad {words}")), expected);
    };
    check(&[], "", &["not-safetensors"]);
    check(&whole[..whole.len() - 1], "", &["cut-off fc.weight.mask_bits"]);
    check(&[&whole[..], &[0]].concat(), "", &["offsets"]);
    check(b"no tensors at all, but text", "", &["not-safetensors"]);
    let mut nan = whole.clone();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    // Tensors follow each other by type and name: a running mean is F32 and first.
    nan[header..header + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(folder.join("bad"), nan).unwrap();
    let found = violations(&folder, "bad");
    assert!(
        found[0]["kind"] == "not-finite" && found[0]["file"] == "bad",
        "{found:?}"
    );
    let tensor = found[0]["tensor"].as_str().unwrap();
    let output = sculpt(&folder, "verify bad w");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).starts_with(&format!("bad: tensor {tensor} holds NaN at index 0")));
    // Another model than the metadata say, by flag.
    assert_eq!(kinds(&folder, "w --model resnet8"), ["model"]);
}

#[test]
fn masks_and_foreign_weights_against_a_model() {
    let folder = Folder::new();
    let layout = tiny().layout();
    let (state, _) = write_tiny(&folder.join("w"));
    write_mask(&folder.join("m"), &layout, &state.mask).unwrap();
    assert_eq!(read_mask(&folder.join("m"), &layout).unwrap(), state.mask);
    let fc = kinds(&folder, "m --model resnet8 --width 2");
    assert_eq!(fc, ["shape fc.weight.mask"]);
    let mut bytes = std::fs::read(folder.join("m")).unwrap();
    *bytes.last_mut().unwrap() = 2;
    std::fs::write(folder.join("m"), bytes).unwrap();
    assert!(kinds(&folder, "m")[0].starts_with("mask "));
    write_state_dict(&folder.join("s"), &layout, &state.theta, &state.buffers).unwrap();
    let other = kinds(&folder, "s --model resnet8 --width 2");
    assert_eq!(other, ["shape fc.weight", "shape fc.bias"]);
}

#[test]
fn what_is_not_there() {
    let folder = Folder::new();
    refused(&folder, "verify nowhere", 1, &["nowhere cannot be verified"]);
    std::fs::create_dir(folder.join("d")).unwrap();
    refused(&folder, "verify d", 1, &["d is no run folder", "store", "suite"]);
}
