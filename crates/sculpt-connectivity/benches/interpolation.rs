//! How long a curve of 11 points takes, all points together and one by one: the demo's network on 1,000 of its
//! images, and the paper's on fewer. One thread, as a node of a run has. Images are u8 and normalised whenever
//! they are walked, as sculpt-datasets does.

#![expect(clippy::unwrap_used, reason = "a benchmark has no caller to hand an error to")]

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use sculpt_connectivity::{BatchNormRule, Connectivity, End, ExampleSet, Network};
use sculpt_models::{InitRule, ModelSpec, Precision, initialise};
use sculpt_random::{Purpose, Seed, Stream};
use std::time::Duration;
use tch::{Kind, Tensor};

const POINTS: usize = 11;

fn interpolation(c: &mut Criterion) {
    tch::set_num_threads(1);
    let mut group = c.benchmark_group("interpolation");
    group
        .sample_size(10)
        .sampling_mode(SamplingMode::Flat)
        .warm_up_time(Duration::from_millis(1))
        .measurement_time(Duration::from_secs(2));
    for (name, width, side, n_images, batch) in
        [("resnet8", 8, 16, 1_000, 500), ("resnet20", 16, 32, 100, 50)]
    {
        let spec = ModelSpec::named(name, 10, Some(width), None).unwrap();
        let network = spec.network(Precision::F32).unwrap();
        let [a, b] = [1, 2].map(|seed| {
            let (theta, buffers) = initialise(network.layout(), InitRule::KaimingNormalFanIn, Seed(seed));
            let (theta, buffers) = (Tensor::from_slice(&theta), Tensor::from_slice(&buffers));
            End::new(network.layout(), theta, buffers).unwrap()
        });
        let size = [n_images, 3, side, side];
        let mut stream = Stream::new(Seed(1), Purpose::TEST, 0);
        let pixels: Vec<u8> = (0..size.iter().product())
            .map(|_: i64| stream.below(256) as u8)
            .collect();
        let pixels = Tensor::from_slice(&pixels).view(size);
        let labels = Tensor::arange(n_images, (Kind::Int64, tch::Device::Cpu)).remainder(10);
        let sets = [ExampleSet::new(|| {
            let images = pixels.split(batch, 0).into_iter();
            let images = images.map(|pixels| (pixels.to_kind(Kind::Float) / 255.0 - 0.5) / 0.25);
            images.zip(labels.split(batch, 0))
        })];
        group.throughput(Throughput::Elements(POINTS as u64 * n_images as u64));
        for (grouping, bytes) in [("together", usize::MAX), ("one by one", 0)] {
            let connectivity = Connectivity::new(&network, POINTS, BatchNormRule::Interpolate, None)
                .unwrap()
                .with_memory(bytes);
            let id = format!("{name} width {width}, {n_images} images of {side}x{side}, CPU");
            group.bench_function(BenchmarkId::new(id, grouping), |bench| {
                bench.iter(|| connectivity.curve(&a, &b, &sets).unwrap());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, interpolation);
criterion_main!(benches);
