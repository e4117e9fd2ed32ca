//! Files to hand to the binary, and ways to ask it.

use sculpt_checkpoints::{Meta, State, TensorData, write_checkpoint, write_tensors};
use sculpt_masks::{Density, Mask, magnitude};
use sculpt_models::{InitRule, ModelSpec, initialise};
use sculpt_random::Seed;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A folder of the test's own.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// Runs the binary in `folder` with the words of `line`, which are separated by blanks.
pub(crate) fn sculpt(folder: &Folder, line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sculpt"))
        .args(line.split_whitespace())
        .args(["--threads", "1"])
        .current_dir(folder.path())
        .output()
        .unwrap()
}

/// Standard output of a command that succeeds.
#[track_caller]
pub(crate) fn ok(folder: &Folder, line: &str) -> String {
    let output = sculpt(folder, line);
    assert!(output.status.success(), "{line}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// The JSON object, and nothing else, that a command prints.
#[track_caller]
pub(crate) fn json(folder: &Folder, line: &str) -> Value {
    serde_json::from_str(&ok(folder, &format!("{line} --json"))).unwrap()
}

/// A command that fails with this code, and says all of these things in its error, which comes last.
#[track_caller]
pub(crate) fn refused(folder: &Folder, line: &str, code: i32, says: &[&str]) {
    let output = sculpt(folder, line);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{line}: {said}");
    let error: Vec<&str> = said
        .lines()
        .skip_while(|line| !line.starts_with("error: "))
        .collect();
    // Ours are one line; clap's have usage below.
    assert!(
        error.len() == 1 || (code == 2 && error.len() > 1),
        "{line}: {said}"
    );
    let error = error.join("\n");
    assert!(!error.contains("internal"), "{line}: {said}");
    for part in says {
        assert!(error.contains(part), "{line}: {said}: no {part:?}");
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// ResNet-8 of width 2 with 3 classes, `--model resnet8 --width 2 --classes 3`.
pub(crate) fn tiny() -> ModelSpec {
    ModelSpec::named("resnet8", 3, Some(2), None).unwrap()
}

pub(crate) const TINY: &str = "--model resnet8 --width 2 --classes 3";

/// A checkpoint of the tiny network, half of it pruned by magnitude.
pub(crate) fn write_tiny(path: &Path) -> (State, Meta) {
    let layout = tiny().layout();
    let (mut theta, buffers) = initialise(&layout, InitRule::KaimingNormalFanIn, Seed(1));
    let mask = magnitude(&layout, &theta, Density::new(0.5).unwrap(), None).unwrap();
    mask.apply(&layout, &mut theta);
    let state = State { theta, buffers, mask };
    let meta = Meta::new(
        None,
        serde_json::to_value(tiny()).unwrap(),
        Some(0.5),
        0,
        &state.mask,
    );
    write_checkpoint(path, &layout, &state, &meta).unwrap();
    (state, meta)
}

/// `n` images of 6 × 5 pixels by formula, and labels 0, 1, 2, 0, ….
pub(crate) fn write_probe(path: &Path, n: usize) {
    let images = (0..n * 90)
        .map(|i| ((i * 37 % 101) as f32 - 50.0) / 25.0)
        .collect();
    let labels = (0..n as i64).map(|i| i % 3).collect();
    let tensors = [
        ("images", TensorData::F32(vec![n, 3, 6, 5], images)),
        ("labels", TensorData::I64(vec![n], labels)),
    ];
    write_tensors(path, &tensors, None).unwrap();
}

/// SHA-256 as the contract words it: bits of all prunable tensors joined, eight a byte, the first the lowest.
pub(crate) fn sha256_by_hand(mask: &Mask) -> String {
    let bits: Vec<bool> = mask.iter().collect();
    let byte = |bits: &[bool]| bits.iter().enumerate().map(|(i, &bit)| u8::from(bit) << i).sum();
    let bytes: Vec<u8> = bits.chunks(8).map(byte).collect();
    sculpt_store::canonical::sha256_hex(&bytes)
}
