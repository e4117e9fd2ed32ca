//! Eigenpairs of dense matrices whose spectra are known.

#![expect(clippy::unwrap_used, reason = "tests")]

use ndarray::{Array1, Array2};
use proptest::prelude::*;
use sculpt_lanczos::{
    Eigen, Eigenpairs, LanczosError, NdarraySpace, Seed, Space, Which, eigenpairs, eigenpairs_from,
};
use sculpt_random::{Purpose, Stream};

/// `QΛQᵀ`, `Q` a product of Householder reflections at random vectors.
fn symmetric(values: &[f64], seed: u64) -> Array2<f64> {
    let n = values.len();
    let mut a = Array2::from_diag(&Array1::from(values.to_vec()));
    for index in 0..n.min(12) {
        let mut stream = Stream::new(Seed(seed), Purpose::Test, index as u64);
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

#[test]
fn largest_and_farthest() {
    let mut values = evenly(-1.0, 1.0, 80);
    values.extend([-10.0, -4.0, 5.0, 3.0]);
    check(&values, &params(2, Which::LargestAlgebraic), &[5.0, 3.0]);
    check(&values, &params(3, Which::LargestMagnitude), &[-10.0, 5.0, -4.0]);
}

#[test]
fn all_negative() {
    let expected = [-1.0, -1.5];
    let mut values = evenly(-9.0, -3.0, 50);
    values.extend(expected);
    check(&values, &params(2, Which::LargestAlgebraic), &expected);
}

#[test]
fn clustered() {
    let expected = [2.0, 2.0 - 1e-5, 2.0 - 2e-5];
    let mut values = evenly(0.0, 1.0, 100);
    values.extend(expected);
    check(&values, &params(3, Which::LargestAlgebraic), &expected);
}

/// More pairs than the rank: zeros are found too, to the rounding of the product.
#[test]
fn rank_deficient() {
    let mut values = vec![0.0; 60];
    values.extend([3.0, 1.0]);
    check(
        &values,
        &params(4, Which::LargestAlgebraic),
        &[3.0, 1.0, 0.0, 0.0],
    );
    values.push(-2.0);
    check(
        &values,
        &params(4, Which::LargestMagnitude),
        &[3.0, -2.0, 1.0, 0.0],
    );
}

/// Few different eigenvalues: each start's basis is soon invariant, and further starts bring the copies.
#[test]
fn repeated_with_few_others() {
    let mut values = vec![0.0; 40];
    values.extend([1.0; 5]);
    check(&values, &params(3, Which::LargestAlgebraic), &[1.0; 3]);
    values.extend([4.0; 2]);
    let expected = [4.0, 4.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0];
    check(&values, &params(8, Which::LargestAlgebraic), &expected);
}

/// Among many others, one start converges to one copy before it knows of a second; the confirmation finds it.
#[test]
fn repeated_among_many() {
    let mut values = evenly(0.0, 1.0, 120);
    values.extend([2.0, 2.0, 1.8]);
    let unconfirmed = params(2, Which::LargestAlgebraic);
    check(&values, &unconfirmed, &[2.0, 1.8]);
    let confirmed = unconfirmed.confirmed_by(20).unwrap();
    let pairs = check(&values, &confirmed, &[2.0, 2.0]);
    assert!(pairs.products < 100, "{}", pairs.products);
    // The negative of it, at the other end.
    let values: Vec<f64> = values.iter().map(|value| -value).collect();
    let confirmed = params(3, Which::LargestMagnitude).confirmed_by(20).unwrap();
    check(&values, &confirmed, &[-2.0, -2.0, -1.8]);
}

/// A confirmation with nothing to find costs its steps, and changes no bit of the answer but the margin that
/// bounds then keep.
#[test]
fn confirmation_costs_its_steps() {
    let values: Vec<f64> = evenly(0.0, 1.0, 100).into_iter().chain([3.0, 2.0]).collect();
    let plain = params(2, Which::LargestAlgebraic);
    let without = check(&values, &plain, &[3.0, 2.0]);
    let with = check(&values, &plain.confirmed_by(25).unwrap(), &[3.0, 2.0]);
    let more = with.products - without.products;
    assert!((25..35).contains(&more), "{more}");
}

#[test]
fn trivial_operators() {
    check(&[-3.0], &params(1, Which::LargestAlgebraic), &[-3.0]);
    check(&[0.0], &params(1, Which::LargestMagnitude), &[0.0]);
    check(&[1.0, 2.0], &params(2, Which::LargestAlgebraic), &[2.0, 1.0]);
    for top in [1, 3] {
        let (eye, zero) = (Array2::eye(30), Array2::zeros((30, 30)));
        let identity = solve(&eye, &params(top, Which::LargestAlgebraic));
        let nothing = solve(&zero, &params(top, Which::LargestMagnitude));
        assert!(identity.converged && nothing.converged);
        assert!(identity.values.iter().all(|value| (value - 1.0).abs() < 1e-15));
        assert!(nothing.values.iter().all(|value| *value == 0.0));
        assert!(nothing.residuals.iter().all(|residual| *residual == 0.0));
    }
}

/// The start vector is an eigenvector, and its one product says so.
#[test]
fn identity_takes_one_product() {
    let pairs = solve(&Array2::eye(30), &params(1, Which::LargestAlgebraic));
    assert_eq!((pairs.iterations, pairs.products), (1, 1));
}

/// Axes are eigenvectors; all of them, for a basis that fills the space.
#[test]
fn diagonal_in_full() {
    let diagonal = Array1::from(vec![5.0, -7.0, 1.0, 2.0]);
    let pairs = solve(&Array2::from_diag(&diagonal), &params(4, Which::LargestMagnitude));
    assert!(pairs.converged);
    for (i, (value, axis)) in [(-7.0, 1), (5.0, 0), (2.0, 3), (1.0, 2)].into_iter().enumerate() {
        assert!((pairs.values[i] - value).abs() < 1e-13, "{:?}", pairs.values);
        assert!((pairs.vectors[i][axis].abs() - 1.0).abs() < 1e-13);
    }
}

/// The smallest basis, a few, and one that never restarts.
#[test]
fn restarts_change_nothing_but_the_count() {
    let mut values = evenly(-1.0, 1.0, 120);
    values.extend([1.5, 1.4, 1.3]);
    for max_basis in [5, 8, 20, 400] {
        let params = Eigen::new(3, Which::LargestAlgebraic, 1e-8, 5_000, max_basis, Seed(1)).unwrap();
        let pairs = check(&values, &params, &[1.5, 1.4, 1.3]);
        assert_eq!(pairs.iterations, pairs.products);
    }
}

#[test]
fn same_seed_same_bits() {
    let a = symmetric(&evenly(-1.0, 1.0, 60), 3);
    let run = |seed| {
        let params = Eigen::new(2, Which::LargestAlgebraic, 1e-6, 500, 20, Seed(seed)).unwrap();
        solve(&a, &params)
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5).vectors, run(6).vectors);
}

/// The budget is kept, and what was found by then is returned with residuals that say how good it is.
#[test]
fn spent_budget_is_no_error() {
    let a = symmetric(&evenly(-1.0, 1.0, 90), 3);
    for max_products in [2, 3, 4, 5, 6, 7, 12, 20, 29] {
        let params = Eigen::new(2, Which::LargestAlgebraic, 1e-8, max_products, 10, Seed(1)).unwrap();
        let pairs = solve(&a, &params);
        assert!(!pairs.converged && pairs.products == max_products);
        assert!(pairs.residuals.iter().all(|residual| *residual > 1e-8));
    }
}

/// So it is while a confirmation runs, which is then not complete.
#[test]
fn spent_budget_in_a_confirmation() {
    let values: Vec<f64> = evenly(0.0, 1.0, 60).into_iter().chain([30.0, 20.0]).collect();
    let a = symmetric(&values, 3);
    let run = |max_products| {
        let params = Eigen::new(2, Which::LargestAlgebraic, 1e-6, max_products, 60, Seed(1)).unwrap();
        solve(&a, &params.confirmed_by(40).unwrap())
    };
    let needed = run(1_000);
    assert!(needed.converged);
    for max_products in (2..needed.products).step_by(5) {
        let pairs = run(max_products);
        assert!(
            !pairs.converged && pairs.products <= max_products,
            "{max_products}"
        );
    }
    assert_eq!(run(needed.products), needed);
}

/// Products rounded to `f32` know an eigenvalue to 1e-7 or so: 1e-5 is reached, 1e-12 is not, and the run
/// says so without spending its budget.
#[test]
fn noisy_products() {
    let values: Vec<f64> = evenly(-1.0, 1.0, 80).into_iter().chain([3.0]).collect();
    let a = symmetric(&values, 3);
    let run = |tolerance| {
        let params = Eigen::new(1, Which::LargestAlgebraic, tolerance, 1_000, 50, Seed(1)).unwrap();
        let product = |x: &Array1<f64>| a.dot(x).mapv(|y| f64::from(y as f32));
        eigenpairs(&NdarraySpace::new(81), product, &params).unwrap()
    };
    let reached = run(1e-5);
    assert!(reached.converged && (reached.values[0] - 3.0).abs() < 1e-6);
    let refused = run(1e-12);
    assert!(
        !refused.converged && refused.products < 60,
        "{}",
        refused.products
    );
    assert!((refused.values[0] - 3.0).abs() < 1e-6 && refused.residuals[0] > 1e-9);
}

/// A matrix whose entries are off by a millionth, each by its own, is not symmetric. What the residuals claim is
/// no less than what a fresh product measures, and of the same size, whether the basis or that error is what
/// limits them, with restarts or without.
#[test]
fn residuals_know_the_errors_of_the_products() {
    let values: Vec<f64> = evenly(-1.0, 1.0, 97)
        .into_iter()
        .chain([3.0, 2.5, -2.0])
        .collect();
    let mut a = symmetric(&values, 3);
    let mut stream = Stream::new(Seed(4), Purpose::Test, 0);
    a.mapv_inplace(|entry| entry * (1.0 + 1e-6 * stream.normal()));
    for (tolerance, max_basis, converges) in [
        (1e-3, 60, true),
        (1e-3, 6, true),
        (1e-9, 60, false),
        (1e-9, 6, false),
    ] {
        for seed in 0..5 {
            let params =
                Eigen::new(2, Which::LargestAlgebraic, tolerance, 300, max_basis, Seed(seed)).unwrap();
            let pairs = solve(&a, &params);
            assert_eq!(pairs.converged, converges);
            assert!(pairs.products < 300);
            for (i, v) in pairs.vectors.iter().enumerate() {
                let r = a.dot(v) - pairs.values[i] * v;
                let (measured, claimed) = (r.dot(&r).sqrt(), pairs.residuals[i]);
                assert!(measured <= claimed + 1e-14, "{measured} {claimed}");
                assert!(claimed <= 3.0 * measured, "{measured} {claimed}");
                // The symmetric part has its eigenvalues within the size of the errors, 10⁻⁶ of an entry of at
                // most 3.
                assert!((pairs.values[i] - [3.0, 2.5][i]).abs() <= pairs.errors[i] + 3e-6);
            }
        }
    }
}

/// A diagonal like the spectrum of a network's Hessian: these eigenvalues, and the bulk of them in [−2, 5].
/// (To Lanczos from a uniform start, the basis of eigenvectors is as good as any other.)
fn network(outliers: &[f64]) -> Array1<f64> {
    let bulk = evenly(-2.0, 5.0, 1_000 - outliers.len());
    outliers.iter().copied().chain(bulk).collect()
}

const OUTLIERS: [f64; 9] = [347.0, 268.0, 199.0, 149.0, 95.0, 70.0, 50.0, 35.0, 20.0];

/// ℝⁿ in single precision.
struct Single(usize);

impl Space for Single {
    type Vector = Array1<f32>;

    fn dimension(&self) -> usize {
        self.0
    }

    fn vector(&self, coordinates: &[f64]) -> Array1<f32> {
        coordinates.iter().map(|c| *c as f32).collect()
    }

    fn copy(&self, x: &Array1<f32>) -> Array1<f32> {
        x.clone()
    }

    fn dot(&self, x: &Array1<f32>, y: &Array1<f32>) -> f64 {
        x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
    }

    fn axpy(&self, a: f64, x: &Array1<f32>, y: &mut Array1<f32>) {
        y.scaled_add(a as f32, x);
    }

    fn scale(&self, a: f64, x: &mut Array1<f32>) {
        *x *= a as f32;
    }
}

/// In single precision, products and vectors are rounded by 6·10⁻⁸: what is claimed holds to a few of those of
/// the norm 500, and what is less than them is refused, not claimed.
#[test]
fn single_precision() {
    let outliers: Vec<f64> = [500.0].into_iter().chain(OUTLIERS).collect();
    let wide = network(&outliers);
    let diagonal = wide.mapv(|value| value as f32);
    for (tolerance, max_basis, converges) in [
        (1e-3, 40, true),
        (1e-5, 5, true),
        (1e-9, 40, false),
        (1e-9, 6, false),
    ] {
        let params = Eigen::new(2, Which::LargestAlgebraic, tolerance, 300, max_basis, Seed(1)).unwrap();
        let pairs = eigenpairs(&Single(1_000), |x| &diagonal * x, &params).unwrap();
        assert_eq!(pairs.converged, converges);
        assert!(pairs.products < 30, "{}", pairs.products);
        for (i, v) in pairs.vectors.iter().enumerate() {
            let v = v.mapv(f64::from);
            let r = &wide * &v - pairs.values[i] * &v;
            let (measured, claimed) = (r.dot(&r).sqrt(), pairs.residuals[i]);
            assert!(measured <= claimed + 2e-7 * 500.0, "{measured} {claimed}");
            assert!((pairs.values[i] - outliers[i]).abs() <= pairs.errors[i] + 2e-7 * 500.0);
        }
    }
}

/// The largest eigenvalue to a thousandth.
fn to_a_thousandth(seed: u64) -> Eigen {
    Eigen::new(1, Which::LargestAlgebraic, 1e-3, 300, 40, Seed(seed)).unwrap()
}

/// Of 60 seeds, how many answers are off from 500 by more than a thousandth, and how many products they take.
fn misses_and_products(diagonal: &Array1<f64>, of: impl Fn(Eigen) -> Eigen) -> (usize, usize) {
    let (mut misses, mut products) = (0, 0);
    for seed in 0..60 {
        let product = |x: &Array1<f64>| diagonal * x;
        let pairs = eigenpairs(
            &NdarraySpace::new(diagonal.len()),
            product,
            &of(to_a_thousandth(seed)),
        )
        .unwrap();
        assert!(pairs.converged && pairs.errors[0] <= 1e-3 * pairs.values[0]);
        misses += usize::from((pairs.values[0] - 500.0).abs() > 0.5);
        assert!(pairs.values[0] < 500.0 + 1e-9 && pairs.values[0] > diagonal[1] - 0.5);
        products += pairs.products;
    }
    (misses, products)
}

#[test]
fn values_alone_take_fewer_products() {
    let outliers: Vec<f64> = [500.0].into_iter().chain(OUTLIERS).collect();
    let diagonal = network(&outliers);
    let (misses, products) = misses_and_products(&diagonal, |params| params);
    assert!(misses == 0 && products < 60 * 8, "{misses} {products}");
    let (misses, fewer) = misses_and_products(&diagonal, Eigen::values_only);
    assert!(misses == 0 && fewer < 60 * 7, "{misses} {fewer}");
    // Two seeds of three save one.
    assert!(fewer + 40 <= products, "{fewer} {products}");
}

/// Two eigenvalues that are close are told apart late, and some starts hold too little of the larger one to see
/// it by then, whatever the criterion. Values alone err in no more than a tenth of the seeds beside, and find the
/// smaller one, or what is between the two.
#[test]
fn values_alone_of_close_pairs() {
    for gap in [0.01, 0.03, 0.05] {
        let second = 500.0 * (1.0 - gap);
        let outliers: Vec<f64> = [500.0, second].into_iter().chain(OUTLIERS).collect();
        let diagonal = network(&outliers);
        let (unavoidable, products) = misses_and_products(&diagonal, |params| params);
        let (misses, fewer) = misses_and_products(&diagonal, Eigen::values_only);
        assert!(misses <= unavoidable + 6, "{gap} {misses} {unavoidable}");
        // One seed of two saves one.
        assert!(fewer + 30 <= products, "{gap} {fewer} {products}");
    }
}

/// More than one value, and restarts in between.
#[test]
fn several_values_alone() {
    let exact = [2.0, 1.7, 1.4];
    let values: Vec<f64> = evenly(0.0, 1.0, 120).into_iter().chain(exact).collect();
    let a = symmetric(&values, 3);
    for max_basis in [6, 60] {
        let (mut products, mut fewer) = (0, 0);
        for seed in 0..10 {
            let all = Eigen::new(3, Which::LargestAlgebraic, 1e-4, 500, max_basis, Seed(seed)).unwrap();
            products += solve(&a, &all).products;
            let pairs = solve(&a, &all.values_only());
            fewer += pairs.products;
            assert!(pairs.converged);
            for (value, exact) in pairs.values.iter().zip(exact) {
                assert!((value - exact).abs() <= 1e-4 * exact, "{:?}", pairs.values);
            }
        }
        assert!(fewer < products, "{max_basis} {fewer} {products}");
    }
}

/// A confirmation is of vectors: they converge as without.
#[test]
fn confirmation_outweighs_values_only() {
    let outliers: Vec<f64> = [500.0].into_iter().chain(OUTLIERS).collect();
    let diagonal = network(&outliers);
    let params = to_a_thousandth(1).confirmed_by(10).unwrap();
    let solve = |params| eigenpairs(&NdarraySpace::new(1_000), |x| &diagonal * x, &params).unwrap();
    assert_eq!(solve(params.values_only()), solve(params));
}

/// A unit vector with this coordinate `along` an axis, and the others uniform.
fn beside(along: usize, cosine: f64, seed: u64) -> Array1<f64> {
    let mut stream = Stream::new(Seed(seed), Purpose::Test, 0);
    let mut v: Array1<f64> = (0..1_000).map(|_| stream.normal()).collect();
    v[along] = 0.0;
    v *= ((1.0 - cosine * cosine) / v.dot(&v)).sqrt();
    v[along] = cosine;
    v
}

#[test]
fn good_starts_save_products() {
    let outliers: Vec<f64> = [500.0].into_iter().chain(OUTLIERS).collect();
    let (diagonal, space) = (network(&outliers), NdarraySpace::new(1_000));
    let product = |x: &Array1<f64>| &diagonal * x;
    for seed in 0..20 {
        let params = to_a_thousandth(seed);
        let start = 1e3 * beside(0, 0.95, seed);
        for (params, most) in [(params, 5), (params.values_only(), 4)] {
            let without = eigenpairs(&space, product, &params).unwrap();
            let with = eigenpairs_from(&space, product, &params, &start).unwrap();
            assert!(with.converged && (with.values[0] - 500.0).abs() <= 0.5);
            assert!(
                with.products <= most && with.products + 2 <= without.products,
                "{}",
                with.products
            );
        }
    }
}

/// A start that holds nothing of the largest: the tenth of a uniform vector finds it all the same.
#[test]
fn bad_starts_find_the_largest() {
    let outliers: Vec<f64> = [500.0].into_iter().chain(OUTLIERS).collect();
    let (diagonal, space) = (network(&outliers), NdarraySpace::new(1_000));
    let mut start = Array1::zeros(1_000);
    start[1] = 1.0;
    for seed in 0..20 {
        let params = Eigen::new(1, Which::LargestAlgebraic, 1e-8, 300, 40, Seed(seed)).unwrap();
        let pairs = eigenpairs_from(&space, |x| &diagonal * x, &params, &start).unwrap();
        assert!(pairs.converged && (pairs.values[0] - 500.0).abs() < 1e-8);
    }
}

/// At a loose tolerance, a start at the second of a close pair passes for the first, before the tenth of a
/// uniform vector is heard. The confirmation, which starts anew, finds the first.
#[test]
fn confirmation_corrects_bad_starts() {
    let outliers: Vec<f64> = [500.0, 490.0].into_iter().chain(OUTLIERS).collect();
    let (diagonal, space) = (network(&outliers), NdarraySpace::new(1_000));
    let product = |x: &Array1<f64>| &diagonal * x;
    for seed in 0..10 {
        let (params, start) = (to_a_thousandth(seed), beside(1, 0.95, seed));
        let misled = eigenpairs_from(&space, product, &params, &start).unwrap();
        assert!(misled.converged && (misled.values[0] - 490.0).abs() < 0.5);
        let params = params.confirmed_by(20).unwrap();
        let corrected = eigenpairs_from(&space, product, &params, &start).unwrap();
        assert!(corrected.converged && (corrected.values[0] - 500.0).abs() < 0.5);
    }
}

/// A whole basis of copies, each found by another start: what deflation leaves does not add up to a failure.
#[test]
fn many_copies_among_many() {
    let values: Vec<f64> = evenly(0.0, 1.0, 120).into_iter().chain([2.0; 6]).collect();
    let a = symmetric(&values, 3);
    for tolerance in [1e-3, 1e-8] {
        let params = Eigen::new(6, Which::LargestAlgebraic, tolerance, 2_000, 60, Seed(1)).unwrap();
        let pairs = solve(&a, &params.confirmed_by(20).unwrap());
        assert!(pairs.converged, "{:?}", pairs.residuals);
        assert!(
            pairs
                .values
                .iter()
                .all(|value| (value - 2.0).abs() <= 2.0 * tolerance)
        );
    }
}

#[test]
fn refuses_starts_without_direction() {
    let params = params(1, Which::LargestAlgebraic);
    for (c, text) in [
        (0.0, "a start vector of norm 0 has no direction"),
        (f64::NAN, "a start vector of norm NaN has no direction"),
        (f64::INFINITY, "a start vector of norm inf has no direction"),
    ] {
        let start = Array1::from_elem(4, c);
        let error = eigenpairs_from(&NdarraySpace::new(4), Array1::clone, &params, &start);
        assert_eq!(error.unwrap_err().to_string(), text);
    }
}

#[test]
fn refuses_what_is_not_finite() {
    let a = symmetric(&evenly(1.0, 9.0, 9), 3);
    let mut product = 0;
    let broken = |x: &Array1<f64>| {
        product += 1;
        let factor = if product == 3 { f64::NAN } else { 1.0 };
        factor * a.dot(x)
    };
    let error = eigenpairs(&NdarraySpace::new(9), broken, &params(1, Which::LargestAlgebraic));
    assert_eq!(error.unwrap_err(), LanczosError::NotFinite { product: 3 });
}

#[test]
fn refuses_more_pairs_than_dimensions() {
    let error = eigenpairs(
        &NdarraySpace::new(2),
        |x| x.clone(),
        &params(3, Which::LargestAlgebraic),
    );
    assert_eq!(
        error.unwrap_err(),
        LanczosError::Dimension { dimension: 2, top: 3 }
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Weyl: within the residual of each value lies an eigenvalue; and at a tolerance of 1e-9, on spectra of
    /// any shape, it is the one of the same rank.
    #[test]
    fn residuals_bound_the_errors(
        mut values in prop::collection::vec(-10.0..10.0_f64, 3..25),
        seed in 0..1_000_u64,
        loose in any::<bool>(),
    ) {
        let tolerance = if loose { 0.05 } else { 1e-9 };
        let params = Eigen::new(3, Which::LargestAlgebraic, tolerance, 4_000, 8, Seed(seed)).unwrap();
        let pairs = solve(&symmetric(&values, seed), &params);
        values.sort_by(|a, b| b.total_cmp(a));
        for (i, (value, residual)) in pairs.values.iter().zip(&pairs.residuals).enumerate() {
            let nearest = values.iter().map(|exact| (value - exact).abs()).fold(f64::INFINITY, f64::min);
            prop_assert!(nearest <= residual + 1e-12, "{nearest} {residual}");
            // A Ritz value of rank i never exceeds the eigenvalue of that rank (Cauchy).
            prop_assert!(*value <= values[i] + 1e-12);
            if !loose && pairs.converged {
                prop_assert!((value - values[i]).abs() <= residual + 1e-12, "{value} {}", values[i]);
            }
        }
    }
}
