//! How long the masks of a ResNet-50 take: 25,502,912 prunable weights.

#![expect(clippy::unwrap_used, reason = "a benchmark has no caller to hand an error to")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sculpt_layout::Layout;
use sculpt_masks::{Allocation, Density, Mask, Rule, keep_top, random};
use sculpt_random::{Purpose, Seed, Stream};
use std::time::Duration;

const N: usize = 25_502_912;

fn masks(c: &mut Criterion) {
    let mut group = c.benchmark_group("masks");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(5));
    let mut stream = Stream::new(Seed(1), Purpose::TEST, 0);
    let scores: Vec<f32> = (0..N).map(|_| stream.normal().abs() as f32).collect();
    let scores_f64: Vec<f64> = scores.iter().copied().map(f64::from).collect();
    let within = keep_top(&scores, N / 5, None).unwrap();
    for n_kept in [N / 10, N / 2] {
        group.bench_function(BenchmarkId::new("keep_top f32", n_kept), |b| {
            b.iter(|| keep_top(&scores, n_kept, None).unwrap());
        });
        group.bench_function(BenchmarkId::new("keep_top f64", n_kept), |b| {
            b.iter(|| keep_top(&scores_f64, n_kept, None).unwrap());
        });
    }
    group.bench_function(BenchmarkId::new("keep_top f32 within a fifth", N / 10), |b| {
        b.iter(|| keep_top(&scores, N / 10, Some(&within)).unwrap());
    });
    group.bench_function(BenchmarkId::new("sha256", N), |b| b.iter(|| within.sha256()));
    let packed = within.packed();
    group.bench_function(BenchmarkId::new("from_packed", N), |b| {
        b.iter(|| Mask::from_packed(&packed, N).unwrap());
    });
    // Ten tensors of ResNet-50's largest shape: 23.6 M weights.
    let layout = (0..10).fold(Layout::builder(), |builder, i| {
        builder.conv(&format!("conv{i}"), [512, 512, 3, 3])
    });
    let layout = layout.build().unwrap();
    let density = Density::new(0.1).unwrap();
    for rule in Rule::ALL {
        group.bench_function(BenchmarkId::new("random erk", rule), |b| {
            b.iter(|| random(&layout, density, Allocation::Erk, rule, Seed(1)).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, masks);
criterion_main!(benches);
