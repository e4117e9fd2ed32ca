use crate::*;
use sculpt_checkpoints::{TensorData, write_state_dict, write_tensors};
use sculpt_models::{InitRule, ModelSpec, initialise};
use sculpt_random::Seed;
use sculpt_scores::Criterion;

const VGG: &str = "--model vgg16 --width 2 --classes 3";

/// Weights `w` of VGG-16 of width 2, and a probe `p` of nine images of 32 × `columns` pixels by formula.
fn write(folder: &Folder, columns: usize) -> ModelSpec {
    let spec = ModelSpec::named("vgg16", 3, Some(2), None).unwrap();
    let (theta, buffers) = initialise(&spec.layout(), InitRule::KaimingNormalFanIn, Seed(1));
    write_state_dict(&folder.join("w"), &spec.layout(), &theta, &buffers).unwrap();
    let pixel = |i: usize| ((i * 37 % 101) as f32 - 50.0) / 25.0;
    let images = (0..9 * 3 * 32 * columns).map(pixel).collect();
    let tensors = [
        ("images", TensorData::F32(vec![9, 3, 32, columns], images)),
        (
            "labels",
            TensorData::I64(vec![9], (0..9).map(|i| i % 3).collect()),
        ),
    ];
    write_tensors(&folder.join("p"), &tensors, None).unwrap();
    spec
}

/// A network that is one module and one arm of its crate goes through all that looks at weights.
#[test]
fn every_command_takes_it() {
    let folder = Folder::new();
    let n = write(&folder, 40).layout().n_prunable();
    let n_kept = (0.5 * n as f64).round();
    let scores = Criterion::ALL.map(|criterion| criterion.word());
    for method in ["random", "magnitude"].into_iter().chain(scores) {
        let line = format!("mask {VGG} --weights w --probe p --method {method} --density 0.5 --out {method}");
        let report = json(&folder, &line);
        assert_eq!(report["n_kept"].as_f64(), Some(n_kept), "{method}");
        assert_eq!(report["layers"].as_array().unwrap().len(), 14);
    }
    let eval = json(&folder, &format!("eval {VGG} --weights w --probe p"));
    let line = json(
        &folder,
        &format!("connect {VGG} --a w --b w --probe p --points 3"),
    );
    let loss = |value: &serde_json::Value| value.as_f64().unwrap();
    assert!((loss(&line["loss"][1]) - loss(&eval["loss"])).abs() < 1e-6);
    let signs = json(&folder, &format!("signs {VGG} --a w --b w --mask snip"));
    assert_eq!(
        (signs["n"].as_f64(), signs["overlap"].as_f64()),
        (Some(n_kept), Some(1.0))
    );
    let hessian = json(
        &folder,
        &format!("hessian {VGG} --weights w --mask snip --probe p"),
    );
    assert_eq!(hessian["converged"], true);
    for precision in ["f32", "bf16"] {
        let line = format!("bench train {VGG} --batch 4 --steps 1 --precision {precision}");
        let bench = json(&folder, &line);
        assert_eq!(
            (&bench["model"], &bench["size"]),
            (&"VGG-16 of width 2".into(), &32.into())
        );
    }
}

#[test]
fn images_that_do_not_survive_five_halvings_are_refused() {
    let folder = Folder::new();
    write(&folder, 31);
    for line in [
        format!("eval {VGG} --weights w --probe p"),
        format!("mask {VGG} --weights w --probe p --method synflow --density 0.5 --out m"),
        format!("hessian {VGG} --weights w --probe p"),
    ] {
        refused(&folder, &line, 1, &["vgg16", "nothing is left of 32 x 31 pixels"]);
    }
    let line = format!("bench train {VGG} --size 16 --batch 4");
    refused(
        &folder,
        &line,
        2,
        &["--size", "nothing is left of 16 x 16 pixels"],
    );
}
