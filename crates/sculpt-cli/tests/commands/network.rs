//! Networks of other people, exported from PyTorch, through all commands: what PyTorch says of the modules themselves is in
//! `crates/sculpt-models/goldens/networks/`, with the script that made it.

use crate::*;
use sculpt_checkpoints::{TensorData, read_mask, write_state_dict, write_tensors};
use sculpt_layout::{BufferKind, Layout, ParamKind};
use sculpt_models::ModelSpec;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// MobileNetV3-Small, a vision transformer, an MLP, GroupNorm with LayerNorm, and tied weights with all that is rare.
const NETWORKS: [&str; 5] = ["mobilenet", "vit", "mlp", "norms", "odd"];
pub(crate) const N: usize = 24;

#[derive(Deserialize)]
pub(crate) struct Golden {
    names: Vec<String>,
    loss: f64,
    accuracy: f64,
    /// Of the first three images.
    logits: Vec<f64>,
    masks: BTreeMap<String, Kept>,
    eigenvalues: Vec<f64>,
    curves: BTreeMap<String, Curve>,
}

#[derive(Deserialize)]
struct Kept {
    n_kept: usize,
    n_undecided: usize,
    kept: String,
    undecided: String,
}

#[derive(Deserialize)]
struct Curve {
    loss: Vec<f64>,
    error: Vec<f64>,
}

pub(crate) fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sculpt-models/goldens/networks")
}

/// `n` numbers in [-1, 1): a multiplicative hash of the index, as in `make_logits.py`.
fn value(n: usize, salt: u64) -> impl Iterator<Item = f64> {
    (0..n as u64).map(move |i| {
        let mut h = (i * 2_654_435_761 + salt * 40_503) & 0xffff_ffff;
        h = ((h ^ (h >> 15)) * 2_246_822_519) & 0xffff_ffff;
        h ^= h >> 13;
        h as f64 / 2_147_483_648.0 - 1.0
    })
}

/// As `filled` of `make_networks.py`.
fn filled(layout: &Layout, salt: u64) -> (Vec<f32>, Vec<f32>) {
    let (mut theta, mut buffers) = (Vec::new(), Vec::new());
    let mut salt = salt;
    let mut fill = |to: &mut Vec<f32>, n: usize, (scale, shift): (f64, f64)| {
        to.extend(value(n, salt).map(|v| (shift + scale * v) as f32));
        salt += 1;
    };
    for param in layout.params() {
        let law = match param.kind() {
            ParamKind::Conv | ParamKind::Linear => ((6.0 / param.fan_in() as f64).sqrt(), 0.0),
            ParamKind::NormScale => (0.25, 1.0),
            ParamKind::Bias | ParamKind::NormShift | ParamKind::Other => (0.25, 0.0),
        };
        fill(&mut theta, param.len(), law);
    }
    for buffer in layout.buffers() {
        let law = match buffer.kind() {
            BufferKind::RunningMean => (0.25, 0.0),
            BufferKind::RunningVar => (0.25, 1.0),
        };
        fill(&mut buffers, buffer.range().len(), law);
    }
    (theta, buffers)
}

/// The network `net.pt`, weights `a` and `b`, and the probe `p`, as PyTorch had them.
pub(crate) fn place(folder: &Folder, name: &str) -> (ModelSpec, Golden) {
    fs::copy(goldens().join(format!("{name}.pt")), folder.join("net.pt")).unwrap();
    let model = ModelSpec::exported(&folder.join("net.pt")).unwrap();
    for (file, salt) in [("a", 1), ("b", 2001)] {
        let (theta, buffers) = filled(&model.layout(), salt);
        write_state_dict(&folder.join(file), &model.layout(), &theta, &buffers).unwrap();
    }
    let colours: Vec<f64> = value(N * 3, 9002).collect();
    let pixels = value(N * 768, 9001).enumerate();
    let images = pixels.map(|(i, v)| (v + 2.0 * colours[i / 256]) as f32).collect();
    let labels = (0..N as i64).map(|i| i % 10).collect();
    let tensors = [
        ("images", TensorData::F32(vec![N, 3, 16, 16], images)),
        ("labels", TensorData::I64(vec![N], labels)),
    ];
    write_tensors(&folder.join("p"), &tensors, None).unwrap();
    let golden = fs::read_to_string(goldens().join(format!("{name}.json"))).unwrap();
    (model, serde_json::from_str(&golden).unwrap())
}

#[track_caller]
fn near(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        let apart = (found - expected).abs();
        assert!(
            apart <= tolerance * expected.abs().max(1.0),
            "{what}: {found} is not {expected}"
        );
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap())
        .collect()
}

/// Bits in hexadecimal, eight a byte, the first the lowest.
fn bits(text: &str, n: usize) -> Vec<bool> {
    let byte = |i: usize| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap();
    (0..n).map(|i| byte(i / 8) >> (i % 8) & 1 == 1).collect()
}

#[test]
fn evaluation_is_pytorchs() {
    for name in NETWORKS {
        let folder = Folder::new();
        let (model, golden) = place(&folder, name);
        let layout = model.layout();
        let params = layout.params().iter().map(|param| param.name());
        let names: Vec<_> = params
            .chain(layout.buffers().iter().map(|buffer| buffer.name()))
            .collect();
        assert_eq!(names, golden.names, "{name}");
        let report = json(
            &folder,
            "eval --network net.pt --weights a --probe p --out logits",
        );
        let found = [&report["loss"], &report["accuracy"]].map(|v| v.as_f64().unwrap());
        near(name, &found, &[golden.loss, golden.accuracy], 1e-5);
        let mut written = sculpt_checkpoints::read_tensors(&folder.join("logits")).unwrap();
        let (shape, logits) = written.take_f32("logits").unwrap();
        assert_eq!(shape, [N, 10]);
        let logits: Vec<f64> = logits[..30].iter().map(|&v| f64::from(v)).collect();
        near(name, &logits, &golden.logits, 1e-5);
    }
}

/// Beside the threshold, in whose neighbourhood f32 may decide otherwise, every weight is kept that PyTorch keeps in f64.
#[test]
fn masks_are_pytorchs() {
    for name in NETWORKS {
        let folder = Folder::new();
        let (model, golden) = place(&folder, name);
        let layout = model.layout();
        for (method, expected) in &golden.masks {
            let line = format!(
                "mask --network net.pt --weights a --probe p --method {method} --density 0.3 --out m"
            );
            let report = json(&folder, &line);
            assert_eq!(
                report["n_kept"].as_u64(),
                Some(expected.n_kept as u64),
                "{name}: {method}"
            );
            assert!(
                expected.n_undecided * 100 <= expected.n_kept * 2,
                "{name}: {method}: {} of {} are undecided, a test of nothing",
                expected.n_undecided,
                expected.n_kept
            );
            let layers: Vec<_> = report["layers"].as_array().unwrap().iter().collect();
            let prunable: Vec<_> = layout.prunable().map(|param| param.name()).collect();
            let named: Vec<_> = layers
                .iter()
                .map(|layer| layer["name"].as_str().unwrap())
                .collect();
            assert_eq!(named, prunable, "{name}: {method}");
            let mask = read_mask(&folder.join("m"), &layout).unwrap();
            let kept = bits(&expected.kept, mask.len());
            let undecided = bits(&expected.undecided, mask.len());
            let wrong = (0..mask.len()).filter(|&i| mask.as_slice()[i] != kept[i] && !undecided[i]);
            assert_eq!(
                wrong.count(),
                0,
                "{name}: {method}: weights that PyTorch decides otherwise"
            );
        }
        // These have no reference but their counts.
        for method in ["random", "wood-fisher"] {
            let line = format!(
                "mask --network net.pt --weights a --probe p --method {method} --density 0.3 --out m"
            );
            let n_kept = (0.3 * layout.n_prunable() as f64).round() as u64;
            assert_eq!(
                json(&folder, &line)["n_kept"].as_u64(),
                Some(n_kept),
                "{name}: {method}"
            );
        }
    }
}

/// Of differences of first derivatives: nothing of the export's double backward is in the reference.
#[test]
fn eigenvalues_are_pytorchs() {
    for name in NETWORKS {
        let folder = Folder::new();
        let (_, golden) = place(&folder, name);
        let report = json(&folder, "hessian --network net.pt --weights a --probe p --top 3");
        assert_eq!(report["converged"], true, "{name}");
        let found = numbers(&report["eigenvalues"]);
        near(name, &found, &golden.eigenvalues, 1e-3);
    }
}

#[test]
fn lines_and_signs_are_pytorchs() {
    for name in NETWORKS {
        let folder = Folder::new();
        let (model, golden) = place(&folder, name);
        assert_eq!(golden.curves.len(), 3);
        for (rule, expected) in &golden.curves {
            let line = format!("connect --network net.pt --a a --b b --probe p --points 5 --bn {rule}");
            let report = json(&folder, &line);
            let what = format!("{name}: {rule}");
            near(&what, &numbers(&report["loss"]), &expected.loss, 1e-5);
            near(&what, &numbers(&report["error"]), &expected.error, 1e-5);
        }
        let layout = model.layout();
        let ((a, _), (b, _)) = (filled(&layout, 1), filled(&layout, 2001));
        let places = layout.prunable().flat_map(|param| param.range());
        let equal = places.filter(|&i| (a[i] > 0.0) == (b[i] > 0.0)).count();
        let report = json(&folder, "signs --network net.pt --a a --b b");
        let overlap = equal as f64 / layout.n_prunable() as f64;
        near(name, &[report["overlap"].as_f64().unwrap()], &[overlap], 1e-12);
    }
}

/// A state_dict of it has a second name and a constant; its names are nobody else's; an averaged set beside it is named.
#[test]
fn state_dicts_of_ones_own() {
    let folder = Folder::new();
    let (model, golden) = place(&folder, "odd");
    let layout = model.layout();
    let (theta, buffers) = filled(&layout, 1);
    let mut tensors = Vec::new();
    for prefix in ["model.", "ema."] {
        for param in layout.params() {
            let values = theta[param.range()].to_vec();
            let name = format!("{prefix}{}", param.name());
            tensors.push((name, TensorData::F32(param.shape().to_vec(), values)));
        }
        for buffer in layout.buffers() {
            let values = buffers[buffer.range()].to_vec();
            let name = format!("{prefix}{}", buffer.name());
            tensors.push((name, TensorData::F32(vec![values.len()], values)));
        }
        let up = layout.param("up.weight").unwrap();
        let twin = TensorData::F32(up.shape().to_vec(), theta[up.range()].to_vec());
        tensors.push((format!("{prefix}down.weight"), twin));
        tensors.push((
            format!("{prefix}order"),
            TensorData::I64(vec![8], (0..8).rev().collect()),
        ));
    }
    let one: Vec<_> = tensors
        .iter()
        .filter(|(name, _)| name.starts_with("model."))
        .cloned()
        .collect();
    let written = |file: &str, tensors: &[(String, TensorData)]| {
        let tensors: Vec<_> = tensors
            .iter()
            .map(|(name, data)| (name.as_str(), data.clone()))
            .collect();
        write_tensors(&folder.join(file), &tensors, None).unwrap();
    };
    written("one", &one);
    let line = "eval --network net.pt --weights one --probe p --json";
    let output = sculpt(&folder, line);
    let said = text(&output.stderr);
    assert_eq!(said, "one: read as the network's own names under \"model\"\n");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    near("odd", &[report["loss"].as_f64().unwrap()], &[golden.loss], 1e-5);
    // What nobody described is no part of it.
    let mut strange = one;
    strange.push(("model.other".to_owned(), TensorData::I64(vec![1], vec![1])));
    written("strange", &strange);
    refused(
        &folder,
        "eval --network net.pt --weights strange --probe p",
        1,
        &["model.other"],
    );
    written("both", &tensors);
    refused(
        &folder,
        "eval --network net.pt --weights both --probe p",
        1,
        &["left over"],
    );
}

/// Probes are no weights: what is said of one that is not is advice about probes.
#[test]
fn probes_have_their_own_advice() {
    let folder = Folder::new();
    place(&folder, "mlp");
    refused(
        &folder,
        "eval --network net.pt --weights a --probe a",
        1,
        &["a: ", "a probe is what torch.save", "\"labels\": labels"],
    );
    let verified = sculpt(&folder, "verify p");
    assert!(verified.status.success(), "{}", text(&verified.stderr));
    assert_eq!(
        text(&verified.stderr),
        "note: p is a probe: 24 images of 3 x 16 x 16, labels 0 to 9\n1 file checked, 0 violations\n"
    );
    for (label, says) in [(10, "they count from 0"), (11, "the network was exported so")] {
        let tensors = [
            ("images", TensorData::F32(vec![1, 3, 16, 16], vec![0.0; 768])),
            ("labels", TensorData::I64(vec![1], vec![label])),
        ];
        write_tensors(&folder.join("q"), &tensors, None).unwrap();
        refused(
            &folder,
            "eval --network net.pt --weights a --probe q",
            1,
            &["classes are 0 to 9", says],
        );
    }
}

#[test]
fn words_that_do_not_go_together() {
    let folder = Folder::new();
    let (model, _) = place(&folder, "norms");
    let line = "eval --network net.pt --model resnet20 --weights a --probe p";
    refused(&folder, line, 2, &["--network", "--model"]);
    refused(&folder, "eval --weights a --probe p", 2, &["--network FILE"]);
    refused(
        &folder,
        "eval --network a --weights a --probe p",
        1,
        &["a is no network of python/export_network.py"],
    );
    // One image leaves one value a channel behind MobileNet's last BatchNorm.
    place(&folder, "mobilenet");
    let line = "mask --network net.pt --weights a --method synflow --rule turboprune --density 0.3 --out m";
    refused(&folder, line, 1, &["batch_norm", "one value a channel"]);
    place(&folder, "norms");
    // A probe of another size, and weights of another network.
    write_probe(&folder.join("q"), 6);
    refused(
        &folder,
        "eval --network net.pt --weights a --probe q",
        1,
        &["q: tensor images has shape [6, 3, 6, 5]", "[3, 16, 16]"],
    );
    fs::copy(goldens().join("vit.pt"), folder.join("vit.pt")).unwrap();
    refused(&folder, "signs --network vit.pt --a a --b b", 1, &["class_token"]);
    // bf16 is the preset's.
    let recipe = r#"
        like = "short/a"
        defaults = { model = { network = "net.pt" }, data = { name = "demo" } }
        [[node]]
        name = "init"
        kind = "init"
        [[node]]
        name = "dense"
        kind = "train"
        from = "init"
    "#;
    fs::write(folder.join("r.toml"), recipe).unwrap();
    refused(&folder, "recipe show r.toml", 1, &["f32 alone"]);
    fs::write(
        folder.join("r.toml"),
        recipe.replace("\"net.pt\"", "\"net.pt\", classes = 10"),
    )
    .unwrap();
    refused(&folder, "recipe show r.toml", 1, &["`network` stands alone"]);
    assert_eq!(model.classes(), 10);
}
