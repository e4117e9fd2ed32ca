//! Curves between two ResNet-20 of width 8 against PyTorch's in float64 (`goldens/make_curves.py`).
#![expect(clippy::unwrap_used, reason = "tests: a panic is a failure, helpers included")]

use sculpt_connectivity::{
    BatchNormRule, BufferKind, Connectivity, End, ExampleSet, Layout, Network, ParamKind,
};
use sculpt_models::{ModelSpec, Precision};
use serde::Deserialize;
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

/// As in the script: 64 images of 16 × 16 in batches of 24, calibrated on 56.
const SIZE: i64 = 16;
const BATCH: i64 = 24;

#[derive(Deserialize)]
struct Goldens {
    names: Vec<String>,
    labels: Vec<i64>,
    curves: BTreeMap<BatchNormRule, Golden>,
}

#[derive(Deserialize)]
struct Golden {
    loss: Vec<f64>,
    error: Vec<f64>,
    barrier_loss: f64,
    barrier_error: f64,
    chord_loss: f64,
    chord_error: f64,
}

/// The formula of the script: n numbers in [-1, 1), a hash of the index.
fn value(n: usize, salt: u64) -> impl Iterator<Item = f64> {
    (0..n as u64).map(move |i| {
        let mut h = (i * 2_654_435_761 + salt * 40_503) & 0xffff_ffff;
        h = ((h ^ (h >> 15)) * 2_246_822_519) & 0xffff_ffff;
        h ^= h >> 13;
        h as f64 / 2_147_483_648.0 - 1.0
    })
}

/// The end whose first tensor has salt `salt`, in numbers of this kind.
fn end(layout: &Layout, names: &[String], salt: u64, kind: Kind) -> End {
    let salt = |name: &str| names.iter().position(|n| n == name).expect("a known name") as u64 + salt;
    let mut theta = vec![0f32; layout.n_params()];
    for param in layout.params() {
        let (shift, scale) = match param.kind() {
            ParamKind::Conv | ParamKind::Linear => (0.0, (3.0 / param.fan_in() as f64).sqrt()),
            ParamKind::NormScale => (1.0, 0.25),
            ParamKind::Bias | ParamKind::NormShift | ParamKind::Other => (0.0, 0.25),
        };
        let values = value(param.len(), salt(param.name()));
        for (t, v) in theta[param.range()].iter_mut().zip(values) {
            *t = (shift + v * scale) as f32;
        }
    }
    let mut buffers = vec![0f32; layout.n_buffers()];
    for buffer in layout.buffers() {
        let (shift, scale) = match buffer.kind() {
            BufferKind::RunningMean => (0.0, 0.25),
            BufferKind::RunningVar => (1.0, 0.5),
        };
        let values = value(buffer.range().len(), salt(buffer.name()));
        for (b, v) in buffers[buffer.range()].iter_mut().zip(values) {
            *b = (shift + v * scale) as f32;
        }
    }
    let place = |values: &[f32]| Tensor::from_slice(values).to_kind(kind);
    End::new(layout, place(&theta), place(&buffers)).unwrap()
}

/// Noise, and a colour of its own for each image.
fn images(n: usize, salt: u64, kind: Kind) -> Tensor {
    let area = (SIZE * SIZE) as usize;
    let colours: Vec<f64> = value(n * 3, salt + 1).collect();
    let noise = value(n * 3 * area, salt).enumerate();
    let pixels: Vec<f32> = noise.map(|(i, v)| (v + 2.0 * colours[i / area]) as f32).collect();
    Tensor::from_slice(&pixels)
        .view([n as i64, 3, SIZE, SIZE])
        .to_kind(kind)
}

fn batches(images: &Tensor, labels: &Tensor) -> Vec<(Tensor, Tensor)> {
    let (images, labels) = (images.split(BATCH, 0), labels.split(BATCH, 0));
    images.into_iter().zip(labels).collect()
}

#[track_caller]
fn check_close(ours: &[f64], theirs: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert!((ours - theirs).abs() < tolerance, "{ours} is not {theirs}");
    }
}

/// In f64 to rounding, in f32 to f32's; the errors exactly in both.
#[test]
fn curves_equal_pytorchs() {
    // Where other work runs beside the tests, threads of a network this small wait for each other.
    tch::set_num_threads(1);
    let text = include_str!("../goldens/curves.json");
    let goldens: Goldens = serde_json::from_str(text).unwrap();
    assert_eq!(goldens.curves.len(), 3);
    let spec = ModelSpec::named("resnet20", 10, Some(8), None).unwrap();
    let network = spec.network(Precision::F32).unwrap();
    for (kind, tolerance) in [(Kind::Double, 1e-10), (Kind::Float, 1e-5)] {
        let [a, b] = [1, 2001].map(|salt| end(network.layout(), &goldens.names, salt, kind));
        let labels = Tensor::from_slice(&goldens.labels);
        let test = batches(&images(64, 9001, kind), &labels);
        let unlabelled = Tensor::zeros([56], (Kind::Int64, tch::Device::Cpu));
        let calibration = batches(&images(56, 9003, kind), &unlabelled);
        let walk = |batches: &[(Tensor, Tensor)]| -> Vec<(Tensor, Tensor)> {
            let copied = batches
                .iter()
                .map(|(x, y)| (x.shallow_clone(), y.shallow_clone()));
            copied.collect()
        };
        let test = [ExampleSet::new(|| walk(&test))];
        let calibration = ExampleSet::new(|| walk(&calibration));
        for (&rule, golden) in &goldens.curves {
            let connectivity = Connectivity::new(&network, 11, rule, Some(&calibration)).unwrap();
            let curve = connectivity.curve(&a, &b, &test).unwrap().remove(0);
            check_close(&curve.loss, &golden.loss, tolerance);
            check_close(&curve.error, &golden.error, 1e-12);
            check_close(
                &[
                    curve.barrier_loss,
                    curve.chord_loss,
                    curve.barrier_error,
                    curve.chord_error,
                ],
                &[
                    golden.barrier_loss,
                    golden.chord_loss,
                    golden.barrier_error,
                    golden.chord_error,
                ],
                tolerance,
            );
        }
    }
}
