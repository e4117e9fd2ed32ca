//! Dense matrices of known eigenvalues, and what is refused.

use crate::*;
use proptest::prelude::*;
use sculpt_lanczos::{LanczosError, eigenpairs_from};

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
    let mut stream = Stream::new(Seed(4), Purpose::TEST, 0);
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

/// Products of another symmetric matrix, which repeats its errors: no basis sees them. Told how large they may be, the residuals hold
/// them, the tolerance is kept where it can be, and where it cannot the search ends when little else is left.
#[test]
fn residuals_hold_what_products_hide() {
    let values: Vec<f64> = evenly(-1.0, 1.0, 98).into_iter().chain([3.0, 2.5]).collect();
    let a = symmetric(&values, 3);
    let products = &a + 1e-4 * symmetric(&evenly(-1.0, 1.0, 100), 5);
    let run = |tolerance, share| {
        let params = Eigen::new(2, Which::LargestAlgebraic, tolerance, 300, 60, Seed(1)).unwrap();
        let product = |x: &Array1<f64>| products.dot(x);
        let pairs = eigenpairs(&NdarraySpace::new(100), product, &params.hiding(share)).unwrap();
        assert!(pairs.converged);
        pairs
    };
    let claims_too_little = |pairs: &Eigenpairs<Array1<f64>>| {
        (0..2).any(|i| {
            let v = &pairs.vectors[i];
            let r = a.dot(v) - pairs.values[i] * v;
            r.dot(&r).sqrt() > pairs.residuals[i] || (pairs.values[i] - [3.0, 2.5][i]).abs() > pairs.errors[i]
        })
    };
    let unaware = run(1e-8, 0.0);
    assert!(claims_too_little(&unaware));
    let share = 1e-4 / 3.0;
    for tolerance in [1e-3, 5e-5, 1e-8] {
        let pairs = run(tolerance, share);
        assert!(!claims_too_little(&pairs));
        for (value, residual) in pairs.values.iter().zip(&pairs.residuals) {
            let most = (tolerance * value).max(1.1 * share * pairs.values[0] + 1e-12);
            assert!(*residual <= most, "{residual} {most}");
        }
    }
    let aware = run(1e-8, share);
    assert!(aware.products < unaware.products, "{}", aware.products);
}

/// A fresh start finds the second copy of 3: what is hidden is in each pair's residual once, found before or after.
#[test]
fn what_is_hidden_counts_once_after_a_confirmation() {
    let values: Vec<f64> = evenly(-1.0, 1.0, 98).into_iter().chain([3.0, 3.0]).collect();
    let a = symmetric(&values, 3);
    let share = 1e-4;
    for tolerance in [1.5e-4, 1e-8] {
        let params = Eigen::new(2, Which::LargestAlgebraic, tolerance, 500, 60, Seed(1)).unwrap();
        let pairs = solve(&a, &params.hiding(share).confirmed_by(20).unwrap());
        assert!(pairs.converged, "{pairs:?}");
        for (value, residual) in pairs.values.iter().zip(&pairs.residuals) {
            assert!((value - 3.0).abs() < 1e-6, "{value}");
            assert!(
                (share * 3.0..1.51 * share * 3.0).contains(&(residual + 1e-9)),
                "{residual}"
            );
        }
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
