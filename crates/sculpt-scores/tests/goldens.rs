//! Scores and kept sets against PyTorch's (`goldens/make_scores.py`).
#![expect(clippy::unwrap_used, reason = "tests: a panic is a failure, helpers included")]

use sculpt_models::{ModelSpec, Precision};
use sculpt_scores::{
    Density, DensitySchedule, Grasp, Layout, Mask, Mode, Network as _, Point, Probe, Scores, SynFlow,
    WoodFisher, fisher, grasp, magnitude, snip, synflow, wood_fisher,
};
use serde::Deserialize;
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

#[derive(Deserialize)]
struct Goldens {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    model: String,
    classes: u32,
    width: u32,
    size: i64,
    images: i64,
    masked: bool,
    methods: BTreeMap<String, Method>,
}

#[derive(Deserialize)]
struct Method {
    /// SynFlow's.
    iterations: Option<u32>,
    sample: Vec<f64>,
    sets: Vec<Set>,
}

#[derive(Deserialize)]
struct Set {
    density: f64,
    n_kept: usize,
    threshold: f64,
    layers: Vec<usize>,
    undecided: Vec<usize>,
    sha256: String,
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

/// θ and buffers by the script's rule: a tensor's salt is its place in the `state_dict`, from 1, where the
/// running statistics of a BatchNorm stand behind its bias.
fn fill(layout: &Layout) -> (Vec<f32>, Vec<f32>) {
    let mut theta = vec![0f32; layout.n_params()];
    let mut buffers = vec![0f32; layout.n_buffers()];
    let write = |slice: &mut [f32], salt: u64, shift: f64, scale: f64| {
        let values = value(slice.len(), salt);
        for (number, v) in slice.iter_mut().zip(values) {
            *number = (shift + v * scale) as f32;
        }
    };
    let (mut salt, mut n_buffers) = (0, 0);
    for param in layout.params() {
        salt += 1;
        let slice = &mut theta[param.range()];
        let is_norm = param.name().contains("bn") || param.name().contains("downsample.1");
        if param.is_prunable() {
            write(slice, salt, 0.0, (3.0 / param.fan_in() as f64).sqrt());
        } else if param.name().ends_with("weight") {
            write(slice, salt, 1.0, 0.25);
        } else {
            write(slice, salt, 0.0, 0.25);
        }
        if is_norm && param.name().ends_with("bias") {
            for (buffer, (shift, scale)) in layout.buffers()[n_buffers..]
                .iter()
                .zip([(0.0, 0.25), (1.0, 0.5)])
            {
                salt += 1;
                write(&mut buffers[buffer.range()], salt, shift, scale);
            }
            n_buffers += 2;
        }
    }
    (theta, buffers)
}

/// The kept set is the golden one, but for what no rounding decides.
#[track_caller]
fn check_set(what: &str, layout: &Layout, set: &Set, mask: &Mask) {
    assert_eq!(mask.n_kept(), set.n_kept, "{what}");
    let decided: Mask = mask
        .iter()
        .enumerate()
        .map(|(place, kept)| kept && !set.undecided.contains(&place))
        .collect();
    let layers: Vec<usize> = mask.layers(layout).iter().map(|layer| layer.kept).collect();
    let n_differ: usize = layers.iter().zip(&set.layers).map(|(a, b)| a.abs_diff(*b)).sum();
    assert!(
        n_differ <= set.undecided.len(),
        "{what}: {layers:?} {:?}",
        set.layers
    );
    assert_eq!(decided.sha256(), set.sha256, "{what} at {}", set.density);
}

/// The scores at the sampled places, the lowest survivor, and the kept sets.
#[track_caller]
fn check_scores(what: &str, layout: &Layout, method: &Method, scores: &Scores) {
    let n = scores.values().len();
    assert!(!method.sample.is_empty());
    for (i, theirs) in method.sample.iter().enumerate() {
        let ours = scores.values()[i * 99_991 % n];
        // Beside a score's own size, that of what cancelled in it.
        let tolerance = 1e-9 * (theirs.abs() + method.sets[0].threshold.abs());
        assert!(
            (ours - theirs).abs() <= tolerance,
            "{what}: {ours:e} for {theirs:e}"
        );
    }
    for set in &method.sets {
        let mask = scores.keep(Density::new(set.density).unwrap()).unwrap();
        let kept = scores.values().iter().zip(mask.iter()).filter(|(_, kept)| *kept);
        let lowest = kept.map(|(score, _)| *score).fold(f64::INFINITY, f64::min);
        assert!((lowest / set.threshold - 1.0).abs() < 1e-9, "{what}: {lowest:e}");
        check_set(what, layout, set, &mask);
    }
}

/// In f32 the scores are those of f64 to a thousandth, and so is the kept tenth.
#[track_caller]
fn check_single(what: &str, single: &Scores, double: &Scores) {
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let mut differences = single.values().iter().zip(double.values()).map(|(a, b)| a - b);
    let relative = norm(&mut differences) / norm(&mut double.values().iter().copied());
    assert!(relative < 1e-3, "{what}: {relative:e}");
    let tenth = Density::new(0.1).unwrap();
    let (ours, theirs) = (single.keep(tenth).unwrap(), double.keep(tenth).unwrap());
    let n_differ = theirs.n_kept() - ours.intersect(&theirs).n_kept();
    assert!(n_differ * 1000 <= theirs.n_kept(), "{what}: {n_differ} differ");
}

fn check(case: &Case, folded: bool) {
    // The tests of this file run beside each other.
    tch::set_num_threads(1);
    let spec = ModelSpec::named(&case.model, case.classes, Some(case.width), None).unwrap();
    let network = if folded {
        spec.folded_network(Precision::F32).unwrap()
    } else {
        spec.network(Precision::F32).unwrap()
    };
    let layout = network.layout();
    let (mut theta, buffers) = fill(layout);
    let two_thirds: Mask = (0..layout.n_prunable()).map(|place| place % 3 != 1).collect();
    let mask = case.masked.then_some(&two_thirds);
    if let Some(mask) = mask {
        mask.apply(layout, &mut theta);
    }
    let size = [case.images, 3, case.size, case.size];
    let pixels: Vec<f32> = value(size.iter().product::<i64>() as usize, 9999)
        .map(|v| v as f32)
        .collect();
    let images = Tensor::from_slice(&pixels).view(size);
    let labels: Vec<i64> = (0..case.images)
        .map(|i| i * 3 % i64::from(case.classes))
        .collect();
    let labels = Tensor::from_slice(&labels);
    let what = |method: &str| format!("{method} of {} (masked: {})", case.model, case.masked);

    for set in &case.methods["magnitude"].sets {
        let kept = magnitude(layout, &theta, Density::new(set.density).unwrap(), mask).unwrap();
        check_set(&what("magnitude"), layout, set, &kept);
    }

    let (theta, buffers) = (Tensor::from_slice(&theta), Tensor::from_slice(&buffers));
    let score_all = |kind: Kind| {
        let buffers = buffers.to_kind(kind);
        let point = Point::new(&network, &theta.to_kind(kind), &buffers, mask).unwrap();
        // In unequal pieces.
        let pieces = images.to_kind(kind).split(7, 0);
        let probe = Probe::new(pieces.into_iter().zip(labels.split(7, 0))).unwrap();
        [
            ("snip", snip(&point, &probe, Mode::Eval).unwrap()),
            ("grasp", grasp(&point, &probe, Grasp::default()).unwrap()),
            ("fisher", fisher(&point, &probe).unwrap()),
            (
                "wood-fisher",
                wood_fisher(&point, &probe, WoodFisher::default()).unwrap(),
            ),
        ]
    };
    let double = score_all(Kind::Double);
    for (method, scores) in &double {
        check_scores(&what(method), layout, &case.methods[*method], scores);
    }
    for ((method, single), (_, double)) in score_all(Kind::Float).iter().zip(&double) {
        check_single(&what(method), single, double);
    }

    // From θ in f32: f64 inside.
    let point = Point::new(&network, &theta, &buffers, mask).unwrap();
    for (name, schedule) in [
        ("synflow", DensitySchedule::Exponential),
        ("synflow-linear", DensitySchedule::Linear),
    ] {
        let method = &case.methods[name];
        let rule = SynFlow {
            iterations: method.iterations.unwrap().try_into().unwrap(),
            schedule,
            ..SynFlow::default()
        };
        let density = Density::new(method.sets[0].density).unwrap();
        let kept = synflow(&point, [3, case.size, case.size], density, rule).unwrap();
        check_set(&what(name), layout, &method.sets[0], &kept);
        assert!(mask.is_none_or(|mask| kept.is_subset_of(mask)));
    }
}

fn cases() -> Vec<Case> {
    let goldens: Goldens = serde_json::from_str(include_str!("../goldens/scores.json")).unwrap();
    assert_eq!(goldens.cases.len(), 3);
    goldens.cases
}

#[test]
fn resnet20_equals_pytorch() {
    check(&cases()[0], false);
}

/// From a mask of two thirds, by a network whose BatchNorm is folded into the convolutions.
#[test]
fn masked_and_folded_resnet20_equals_pytorch() {
    check(&cases()[1], true);
}

#[test]
fn resnet18_equals_pytorch() {
    check(&cases()[2], true);
}
