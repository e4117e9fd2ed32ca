//! Each pass over a block by itself, and a masked convolution: of f32, and of what is kept as bfloat16.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sculpt_random::{Purpose, Seed, Stream};
use sculpt_sparse::{
    Affine, Beside, Convolution, HalfLanes, Input, InputGradient, LANES, Lanes, OutputGradient, Pixel,
    Planes, Scratch, Slope, Weight, before_relu, before_relu_of_norm, join, moments,
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

fn block<P: Pixel>(planes: Planes, stream: &mut Stream) -> Vec<P> {
    let lanes = |_| P::narrow(&Lanes(std::array::from_fn(|_| stream.normal() as f32)));
    (0..planes.len()).map(lanes).collect()
}

fn bench(criterion: &mut Criterion) {
    for (channels, side) in STAGES {
        let planes = Planes {
            channels,
            height: side,
            width: side,
        };
        bench_stage::<Lanes>(criterion, planes);
        bench_stage::<HalfLanes>(criterion, planes);
    }
}

fn bench_stage<P: Pixel>(criterion: &mut Criterion, planes: Planes) {
    let mut stream = Stream::new(Seed(1), Purpose::TEST, 0);
    let Planes {
        channels,
        height: side,
        ..
    } = planes;
    let stage = format!("{channels}x{side}x{side}/{:?}", P::STORAGE);
    let [x, y] = [0, 1].map(|_| block::<P>(planes, &mut stream));
    let (mut g, mut out) = (block::<P>(planes, &mut stream), x.clone());
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

    let mut group = criterion.benchmark_group(format!("passes/{stage}"));
    group.throughput(Throughput::Bytes((planes.len() * size_of::<P>()) as u64));
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

    // On both sides of what `Convolution::fastest` takes for the limit of kept weights alone.
    for density in [0.02, 0.1, 0.25, 0.4, 0.6, 1.0] {
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
        let weight = Weight::<P>::new(convolution, planes, &values, &kept);
        let (mut scratch, mut at_weight) = (Scratch::default(), Vec::new());
        let mut group = criterion.benchmark_group(format!("convolution/{stage}/{density}"));
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

criterion_group!(benches, bench);
criterion_main!(benches);
