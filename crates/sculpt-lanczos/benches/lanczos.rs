//! How long the arithmetic of Lanczos takes beside its products.

#![expect(clippy::unwrap_used, reason = "a benchmark has no caller to hand an error to")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ndarray::{Array2, ArrayView1};
use sculpt_lanczos::{Density, Eigen, Seed, Space, VecSpace, Which, density, eigenpairs};
use sculpt_random::{Purpose, Stream};
use std::{hint::black_box, time::Duration};

fn lanczos(c: &mut Criterion) {
    let mut group = c.benchmark_group("lanczos");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2));

    // A random matrix, symmetric: eigenvalues on a semicircle, the largest at small distances.
    let n = 2_000;
    let mut stream = Stream::new(Seed(1), Purpose::TEST, 0);
    let half = Array2::from_shape_simple_fn((n, n), || stream.normal());
    let dense = &half + &half.t();
    let space = VecSpace::new(n);
    for top in [1, 5] {
        let params = Eigen::new(top, Which::LargestAlgebraic, 1e-3, 1_000, 60, Seed(1)).unwrap();
        group.bench_function(BenchmarkId::new("dense 2,000, to 1e-3, top", top), |b| {
            b.iter(|| eigenpairs(&space, |x| dense.dot(&ArrayView1::from(x)).to_vec(), &params).unwrap());
        });
    }

    // A diagonal one, whose product costs nothing, as large as a ResNet-20: a step is its
    // reorthogonalisation.
    let n = 272_474;
    let diagonal: Vec<f64> = (0..n).map(|_| stream.uniform()).collect();
    let space = VecSpace::new(n);
    let params = Density::new(30, 1, Seed(1)).unwrap();
    group.bench_function("30 steps in 272,474 dimensions", |b| {
        let product = |x: &Vec<f64>| diagonal.iter().zip(x).map(|(d, x)| d * x).collect();
        b.iter(|| density(&space, product, &params).unwrap());
    });
    let mut vector = || space.vector(&(0..n).map(|_| stream.normal()).collect::<Vec<f64>>());
    let basis: Vec<Vec<f64>> = (0..30)
        .map(|_| {
            let mut v = vector();
            space.scale(1.0 / space.dot(&v, &v).sqrt(), &mut v);
            v
        })
        .collect();
    let mut x = vector();
    group.bench_function("orthogonalise to 30 in 272,474 dimensions", |b| {
        b.iter(|| space.orthogonalise(black_box(&basis), &mut x));
    });
    group.finish();
}

criterion_group!(benches, lanczos);
criterion_main!(benches);
