//! How long SynFlow takes on a ResNet-50 of 224 × 224: 25,502,912 prunable weights.
//!
//! Five iterations instead of a hundred, from density 1 to 0.1 all the same. An iteration costs the more, the
//! more weights are left: 49 % on average in five, 40 % in a hundred. `tests/peers/synflow.py` runs the same in
//! PyTorch.

#![expect(clippy::unwrap_used, reason = "a benchmark has no caller to hand an error to")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sculpt_models::{InitRule, ModelSpec, Precision, initialise};
use sculpt_scores::{
    Density, Grasp, Mode, Network as _, Point, Probe, Seed, SynFlow, WoodFisher, fisher, grasp, snip,
    synflow, wood_fisher,
};
use std::num::NonZeroU32;
use std::time::Duration;
use tch::{Device, Kind, Tensor};

const N_ITERATIONS: u32 = 5;

fn scores(c: &mut Criterion) {
    let mut group = c.benchmark_group("scores");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(1));

    let spec = ModelSpec::named("resnet50", 1000, None, None).unwrap();
    let network = spec.network(Precision::F32).unwrap();
    let (theta, buffers) = initialise(network.layout(), InitRule::KaimingNormalFanOut, Seed(1));
    let (theta, buffers) = (Tensor::from_slice(&theta), Tensor::from_slice(&buffers));
    let point = Point::new(&network, &theta, &buffers, None).unwrap();
    let rule = SynFlow {
        iterations: NonZeroU32::new(N_ITERATIONS).unwrap(),
        ..SynFlow::default()
    };
    let density = Density::new(0.1).unwrap();
    let id = BenchmarkId::new("synflow resnet50 224 cpu", format!("{N_ITERATIONS} iterations"));
    group.bench_function(id, |b| {
        b.iter(|| synflow(&point, [3, 224, 224], density, rule).unwrap());
    });

    let spec = ModelSpec::named("resnet20", 10, None, None).unwrap();
    let network = spec.folded_network(Precision::F32).unwrap();
    let (theta, buffers) = initialise(network.layout(), InitRule::KaimingNormalFanIn, Seed(1));
    let (theta, buffers) = (Tensor::from_slice(&theta), Tensor::from_slice(&buffers));
    let point = Point::new(&network, &theta, &buffers, None).unwrap();
    let images = Tensor::arange(16 * 3 * 32 * 32, (Kind::Float, Device::Cpu)).sin();
    let labels = Tensor::arange(16, (Kind::Int64, Device::Cpu)).remainder(10);
    let probe = Probe::new([(images.view([16, 3, 32, 32]), labels)]).unwrap();
    let id = |criterion| BenchmarkId::new(criterion, "resnet20 cpu, 16 images");
    group.bench_function(id("snip"), |b| {
        b.iter(|| snip(&point, &probe, Mode::Eval).unwrap())
    });
    group.bench_function(id("grasp"), |b| {
        b.iter(|| grasp(&point, &probe, Grasp::default()).unwrap());
    });
    group.bench_function(id("fisher"), |b| b.iter(|| fisher(&point, &probe).unwrap()));
    group.bench_function(id("wood-fisher"), |b| {
        b.iter(|| wood_fisher(&point, &probe, WoodFisher::default()).unwrap());
    });
    group.finish();
}

criterion_group!(benches, scores);
criterion_main!(benches);
