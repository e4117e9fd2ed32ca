//! Files of `python/export_network.py`.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

mod strangers;

use sculpt_layout::ParamKind;
use sculpt_models::{InitRule, Mode, ModelSpec, Network, Precision, Seed};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

fn golden(name: &str) -> PathBuf {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens/networks");
    goldens.join(format!("{name}.pt"))
}

fn exported(name: &str) -> ModelSpec {
    ModelSpec::exported(&golden(name)).unwrap()
}

/// 768 · 24 + 24 · 16 + 16 · 10 weights, and 24 + 16 + 10 biases.
#[test]
fn a_network_is_what_its_file_says() {
    let model = exported("mlp");
    let layout = model.layout();
    assert_eq!((layout.n_prunable(), layout.n_params()), (18_976, 19_026));
    assert_eq!((model.name(), model.classes()), ("Sequential".to_owned(), 10));
    assert_eq!(model.usual_image(), [3, 16, 16]);
    assert_eq!(
        model.multiply_accumulates([3, 16, 16]).unwrap(),
        [18_432, 384, 160]
    );
    for image in [[3, 16, 17], [1, 16, 16]] {
        let error = model.check_image(image).unwrap_err().to_string();
        assert!(error.contains("[3, 16, 16]"), "{error}");
    }
    assert_eq!(model.least_normalised([3, 16, 16]).unwrap(), None);
    // MobileNetV3-Small halves 16 pixels five times.
    let mobilenet = exported("mobilenet");
    assert_eq!(mobilenet.least_normalised([3, 16, 16]).unwrap(), Some(1));
    let error = model.network(Precision::Bf16).err().unwrap().to_string();
    assert!(error.contains("f32 alone"), "{error}");
}

/// With equality by content, and its file only where somebody read it.
#[test]
fn it_survives_its_json() {
    let model = exported("vit");
    let json = serde_json::to_value(&model).unwrap();
    assert_eq!(json["network"]["sha256"].as_str(), model.network_sha256());
    let again: ModelSpec = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(again, model);
    assert!(again.network_file().is_none());
    let error = again.network(Precision::F32).err().unwrap().to_string();
    assert!(error.contains("--network FILE"), "{error}");
    let content = fs::read(golden("vit")).unwrap();
    let whole = again.with_network_file(content.clone()).unwrap();
    assert!(whole.network(Precision::F32).is_ok());

    let other = again
        .with_network_file(fs::read(golden("mlp")).unwrap())
        .unwrap_err();
    assert!(other.to_string().contains("is recorded"), "{other}");
    let mut forged = json;
    forged["network"]["description"]["classes"] = json!(9);
    let forged: ModelSpec = serde_json::from_value(forged).unwrap();
    assert_ne!(forged, model);
    let error = forged.with_network_file(content).unwrap_err().to_string();
    assert!(error.contains("another description"), "{error}");
    for wrong in [
        json!({}),
        json!({ "width": 4, "classes": 10 }),
        json!({ "network": { "sha256": "00", "description": {} } }),
    ] {
        assert!(serde_json::from_value::<ModelSpec>(wrong).is_err());
    }
}

/// `evaluate` leaves the running statistics, `learn` moves them a tenth of the way, `calibrate` replaces them.
#[test]
fn statistics_move_in_place() {
    let model = exported("mobilenet");
    let network = model.network(Precision::F32).unwrap();
    let (theta, fresh) = model.initialise(InitRule::TorchDefault, Seed(1));
    let (theta, fresh) = (Tensor::from_slice(&theta), Tensor::from_slice(&fresh));
    let images = Tensor::linspace(-1.0, 1.0, 8 * 768, (Kind::Float, Device::Cpu)).view([8, 3, 16, 16]);
    let after = |mode| {
        let buffers = fresh.copy();
        let logits = network.forward(&theta, &buffers, &images, mode);
        assert_eq!(logits.size(), [8, 10]);
        buffers
    };
    assert_eq!(after(Mode::Eval), fresh);
    let (learnt, calibrated) = (after(Mode::Train), after(Mode::Calibrate));
    // MobileNetV3 has a momentum of 0.01.
    let expected = &fresh * 0.99 + &calibrated * 0.01;
    let apart = (learnt - expected).abs().max().double_value(&[]);
    assert!(apart < 1e-6, "{apart}");
    assert!((calibrated - &fresh).abs().max().double_value(&[]) > 0.1);
}

/// A token is 0, an embedding has the deviation of its example (0.02 in torchvision), a LayerNorm begins as 1 and 0.
#[test]
fn tensors_without_a_rule_are_drawn_like_their_example() {
    let model = exported("vit");
    let (theta, _) = model.initialise(InitRule::KaimingNormalFanIn, Seed(1));
    let layout = model.layout();
    let of = |name: &str| {
        let param = layout.param(name).unwrap();
        (param.kind(), theta[param.range()].to_vec())
    };
    let (kind, token) = of("class_token");
    assert!(kind == ParamKind::Other && token.iter().all(|&v| v == 0.0));
    let (kind, embedding) = of("encoder.pos_embedding");
    let square = embedding.iter().map(|v| v * v).sum::<f32>() / embedding.len() as f32;
    assert!(
        kind == ParamKind::Other && (square.sqrt() - 0.02).abs() < 0.003,
        "{square}"
    );
    let (kind, scale) = of("encoder.ln.weight");
    assert!(kind == ParamKind::NormScale && scale.iter().all(|&v| v == 1.0));
    let again = model.initialise(InitRule::KaimingNormalFanIn, Seed(1)).0;
    assert_eq!(again, theta);
    assert_ne!(model.initialise(InitRule::KaimingNormalFanIn, Seed(2)).0, theta);
}
