//! Each pass over a block by itself, and a masked convolution.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sculpt_random::{Purpose, Seed, Stream};
use sculpt_sparse::{
    Affine, Beside, Convolution, Input, InputGradient, LANES, Lanes, OutputGradient, Planes, Scratch, Slope,
    Storage, Weight, before_relu, before_relu_of_norm, join, moments,
};

/// Channels and side of the demo's first stage, of the stages of a ResNet-20, and of those of a ResNet-18/CIFAR that it does not have.
const STAGES: [(usize, usize); 7] = [
    (8, 16),
    (16, 32),
    (32, 16),
    (64, 8),
    (128, 16),
    (256, 8),
    (512, 4),
];

fn block(planes: Planes, stream: &mut Stream) -> Vec<Lanes> {
    let lanes = |_| Lanes(std::array::from_fn(|_| stream.normal() as f32));
    (0..planes.len()).map(lanes).collect()
}

fn bench(criterion: &mut Criterion) {
    let mut stream = Stream::new(Seed(1), Purpose::TEST, 0);
    for (channels, side) in STAGES {
        let planes = Planes {
            channels,
            height: side,
            width: side,
        };
        let [x, y] = [0, 1].map(|_| block(planes, &mut stream));
        let (mut g, mut out) = (block(planes, &mut stream), x.clone());
        let affine = vec![
            Affine {
                scale: 0.9,
                shift: 0.1
            };
            channels
        ];
        let slope = Slope {
            scale: 0.9,
            mean: 0.1,
            mean_g: 0.01,
            slope: 0.02,
        };
        let (slopes, means) = (vec![slope; channels], vec![0.1; channels]);

        let mut group = criterion.benchmark_group(format!("passes/{channels}x{side}x{side}"));
        group.throughput(Throughput::Bytes((planes.len() * LANES * 4) as u64));
        group.bench_function("moments", |b| b.iter(|| moments(&y, planes, LANES)));
        group.bench_function("join", |b| {
            b.iter(|| join(&y, &affine, Beside::Images(&x), planes, &mut out));
        });
        group.bench_function("before_relu_of_norm", |b| {
            b.iter(|| before_relu_of_norm(&mut g, &y, &affine, &means, planes.area()));
        });
        group.bench_function("before_relu", |b| {
            b.iter(|| before_relu(&mut g, &x, &y, &means, planes.area()));
        });
        group.finish();

        // On both sides of what `Convolution::work` takes for the limit of kept weights alone.
        let storages = [Storage::F32, Storage::Bf16];
        for (density, storage) in [0.02, 0.1, 0.25, 0.4, 0.6, 1.0]
            .into_iter()
            .flat_map(|d| storages.map(|s| (d, s)))
        {
            let convolution = Convolution {
                n_out: channels,
                kernel: 3,
                stride: 1,
                padding: 1,
            };
            let n = channels * channels * 9;
            let values: Vec<f32> = (0..n).map(|_| stream.normal() as f32).collect();
            let kept: Vec<f32> = (0..n)
                .map(|_| f32::from(u8::from(stream.uniform() < density)))
                .collect();
            let weight = Weight::new(convolution, planes, &values, &kept, storage);
            let (mut scratch, mut at_weight) = (Scratch::default(), Vec::new());
            let mut group = criterion.benchmark_group(format!(
                "convolution/{channels}x{side}x{side}/{density}/{storage:?}"
            ));
            // Operations, as if they were elements: a multiplication and an addition for each weight, pixel and image.
            let operations = 2 * weight.places().len() * planes.area() * LANES;
            group.throughput(Throughput::Elements(operations as u64));
            group.bench_function("convolve", |b| {
                b.iter(|| weight.convolve(Input::Rectified(&x, &affine), &mut scratch, &mut out));
            });
            group.throughput(Throughput::Elements(2 * operations as u64));
            group.bench_function("pull_back", |b| {
                b.iter(|| {
                    let gradient = OutputGradient {
                        g: &g,
                        y: &y,
                        slopes: &slopes,
                        n: LANES,
                    };
                    weight.pull_back(
                        Input::Rectified(&x, &affine),
                        gradient,
                        &mut scratch,
                        InputGradient::Write(&mut out),
                        &mut at_weight,
                    );
                });
            });
            group.finish();
        }
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
