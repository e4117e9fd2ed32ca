//! How fast signs are counted, made and flipped for a ResNet-50: 25 million weights.

#![expect(clippy::unwrap_used, reason = "a benchmark has no caller to hand an error to")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sculpt_random::{Purpose, Stream};
use sculpt_signs::{Fraction, Layout, Mask, Seed, compare, flip, overlap, signs_only};
use std::hint::black_box;
use std::time::Duration;

const N: usize = 25_000_000;

fn signs(c: &mut Criterion) {
    let mut group = c.benchmark_group("signs");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2))
        .throughput(Throughput::Elements(N as u64));
    // Ten tensors, and a mask of a tenth.
    let layout = (0..10).fold(Layout::builder(), |builder, i| {
        builder.conv(&format!("conv{i}"), [500, 500, 2, 5])
    });
    let layout = layout.build().unwrap();
    let mut stream = Stream::new(Seed(1), Purpose::TEST, 0);
    let a: Vec<f32> = (0..N).map(|_| stream.uniform() as f32 - 0.5).collect();
    let b: Vec<f32> = a.iter().rev().copied().collect();
    let mask: Mask = (0..N).map(|_| stream.bernoulli(0.1)).collect();

    // What memory allows: two vectors read, an exclusive or and a sum.
    group.bench_function("read both", |bench| {
        bench.iter(|| {
            let words = black_box(&a).iter().zip(&b);
            words.fold(0u32, |sum, (a, b)| sum.wrapping_add(a.to_bits() ^ b.to_bits()))
        });
    });
    group.bench_function("compare", |bench| bench.iter(|| compare(&a, &b, None).unwrap()));
    group.bench_function("overlap under a mask", |bench| {
        bench.iter(|| overlap(&layout, &mask, &a, &b).unwrap());
    });
    group.bench_function("signs_only", |bench| {
        bench.iter(|| signs_only(&layout, &mask, &a, &b).unwrap());
    });
    let (fraction, mut theta) = (Fraction::new(0.2).unwrap(), a.clone());
    group.bench_function("flip a fifth", |bench| {
        bench.iter(|| flip(&layout, &mask, &mut theta, fraction, Seed(1)).unwrap());
    });
    group.finish();
}

criterion_group!(benches, signs);
criterion_main!(benches);
