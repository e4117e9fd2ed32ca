//! Eigenpairs of dense matrices whose spectra are known.

#![expect(clippy::unwrap_used, reason = "tests")]

mod dense;
mod like_a_hessian;
// Compiled here too, so that all this runs without the feature `ndarray`.
#[path = "../../src/ndarray_space.rs"]
#[expect(unreachable_pub, reason = "it is public in the library")]
mod ndarray_space;

use ndarray::{Array1, Array2, ArrayView1};
use ndarray_space::NdarraySpace;
use sculpt_lanczos::{Eigen, Eigenpairs, Seed, Space, VecSpace, Which, eigenpairs};
use sculpt_random::{Purpose, Stream};

/// `QΛQᵀ`, `Q` a product of Householder reflections at random vectors.
fn symmetric(values: &[f64], seed: u64) -> Array2<f64> {
    let n = values.len();
    let mut a = Array2::from_diag(&Array1::from(values.to_vec()));
    for index in 0..n.min(12) {
        let mut stream = Stream::new(Seed(seed), Purpose::TEST, index as u64);
        let u: Array1<f64> = (0..n).map(|_| stream.normal()).collect();
        // (I − t uuᵀ) A (I − t uuᵀ) with t = 2/‖u‖².
        let t = 2.0 / u.dot(&u);
        let au = a.dot(&u);
        let w = t * &au - (0.5 * t * t * u.dot(&au)) * &u;
        for i in 0..n {
            for j in 0..n {
                a[[i, j]] -= u[i] * w[j] + w[i] * u[j];
            }
        }
    }
    a
}

/// `n` values from `from` to `to` at equal distances.
fn evenly(from: f64, to: f64, n: usize) -> Vec<f64> {
    (0..n)
        .map(|i| from + (to - from) * i as f64 / (n - 1) as f64)
        .collect()
}

fn params(top: usize, which: Which) -> Eigen {
    Eigen::new(top, which, 1e-8, 2_000, 60, Seed(1)).unwrap()
}

fn solve(a: &Array2<f64>, params: &Eigen) -> Eigenpairs<Array1<f64>> {
    let mut calls = 0;
    let product = |x: &Array1<f64>| {
        calls += 1;
        a.dot(x)
    };
    let pairs = eigenpairs(&NdarraySpace::new(a.nrows()), product, params).unwrap();
    assert_eq!(pairs.products, calls);
    assert_honest(a, &pairs);
    pairs
}

/// The vectors are orthonormal, and the residuals no larger than claimed.
#[track_caller]
fn assert_honest(a: &Array2<f64>, pairs: &Eigenpairs<Array1<f64>>) {
    for (i, v) in pairs.vectors.iter().enumerate() {
        for (j, w) in pairs.vectors.iter().enumerate() {
            let expected = if i == j { 1.0 } else { 0.0 };
            assert!((v.dot(w) - expected).abs() < 1e-12, "{i} {j} {}", v.dot(w));
        }
        let r = a.dot(v) - pairs.values[i] * v;
        let (measured, claimed) = (r.dot(&r).sqrt(), pairs.residuals[i]);
        assert!(
            measured <= claimed + 1e-13 * a.nrows() as f64,
            "{measured} {claimed}"
        );
        assert!(pairs.errors[i] <= claimed);
    }
}

/// The spectrum `values`, hidden in a dense matrix, gives `expected`.
#[track_caller]
fn check(values: &[f64], params: &Eigen, expected: &[f64]) -> Eigenpairs<Array1<f64>> {
    let pairs = solve(&symmetric(values, 7), params);
    assert!(pairs.converged, "{:?} {:?}", pairs.values, pairs.residuals);
    assert_eq!(pairs.values.len(), expected.len());
    for (found, expected) in pairs.values.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-8, "{:?}", pairs.values);
    }
    pairs
}

/// Bare vectors find what ndarray's find, in as many products.
#[test]
fn vectors_without_ndarray() {
    let values: Vec<f64> = evenly(-1.0, 1.0, 80).into_iter().chain([3.0, 2.5]).collect();
    let (a, params) = (symmetric(&values, 3), params(2, Which::LargestAlgebraic));
    let product = |x: &Vec<f64>| a.dot(&ArrayView1::from(x)).to_vec();
    let pairs = eigenpairs(&VecSpace::new(82), product, &params).unwrap();
    let with_ndarray = solve(&a, &params);
    assert!(pairs.converged && pairs.products == with_ndarray.products);
    for (value, exact) in pairs.values.iter().zip([3.0, 2.5]) {
        assert!((value - exact).abs() < 1e-12, "{:?}", pairs.values);
    }
}
