//! What must hold of any two networks and any mask.

#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use sculpt_random::{Purpose, Stream};
use sculpt_signs::{Fraction, Layout, Mask, Seed, compare, flip, overlap, signs_only};

/// Two to four small convolutions with BatchNorm, and a linear layer.
fn any_layout() -> impl Strategy<Value = Layout> {
    let conv = (1usize..5, 1usize..5, 1usize..3);
    (proptest::collection::vec(conv, 2..5), 1usize..5).prop_map(|(convs, n_in)| {
        let builder =
            convs
                .into_iter()
                .enumerate()
                .fold(Layout::builder(), |builder, (i, (n_out, n_in, k))| {
                    builder
                        .conv(&format!("conv{i}"), [n_out, n_in, k, k])
                        .batch_norm(&format!("bn{i}"), n_out)
                });
        builder.linear("fc", 3, n_in).build().unwrap()
    })
}

/// A layout, a mask, and two vectors. About a third of the numbers are ±0.
fn any_networks() -> impl Strategy<Value = (Layout, Mask, Vec<f32>, Vec<f32>)> {
    let number = || {
        prop_oneof![
            Just(0.0f32),
            Just(-0.0),
            -2.0f32..2.0,
            any::<i8>().prop_map(f32::from)
        ]
    };
    any_layout().prop_flat_map(move |layout| {
        let theta = move |n| proptest::collection::vec(number(), n);
        let bits = proptest::collection::vec(any::<bool>(), layout.n_prunable());
        let n = layout.n_params();
        (Just(layout), bits.prop_map(Mask::from_bools), theta(n), theta(n))
    })
}

/// The same vector with 1 for each 0, so that every number has a sign.
fn without_zeros(theta: &[f32]) -> Vec<f32> {
    theta.iter().map(|&x| if x == 0.0 { 1.0 } else { x }).collect()
}

fn bits(theta: &[f32]) -> Vec<u32> {
    theta.iter().map(|x| x.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn overlap_is_symmetric_and_adds_up((layout, mask, a, b) in any_networks()) {
        prop_assume!(mask.n_kept() > 0);
        let result = overlap(&layout, &mask, &a, &b).unwrap();
        prop_assert_eq!(&overlap(&layout, &mask, &b, &a).unwrap(), &result);
        prop_assert_eq!(result.n, mask.n_kept());
        prop_assert_eq!(result.layers.iter().map(|layer| layer.n).sum::<usize>(), result.n);
        prop_assert_eq!(result.overlap, result.n_equal() as f64 / result.n as f64);
        for (layer, count) in result.layers.iter().zip(mask.layers(&layout)) {
            prop_assert_eq!((&layer.name, layer.n), (&count.name, count.kept));
            prop_assert_eq!(layer.overlap, (layer.n > 0).then(|| layer.n_equal as f64 / layer.n as f64));
        }
        prop_assert_eq!(overlap(&layout, &mask, &a, &a).unwrap().overlap, 1.0);
    }

    #[test]
    fn order_does_not_matter(
        pairs in proptest::collection::vec((-1i8..2, -1i8..2, any::<bool>()), 0..99),
        seed: u64,
    ) {
        let counted = |pairs: &[(i8, i8, bool)]| {
            let a: Vec<f32> = pairs.iter().map(|pair| f32::from(pair.0)).collect();
            let b: Vec<f32> = pairs.iter().map(|pair| f32::from(pair.1)).collect();
            let kept: Vec<bool> = pairs.iter().map(|pair| pair.2).collect();
            compare(&a, &b, Some(&kept)).unwrap()
        };
        let mut shuffled = pairs.clone();
        Stream::new(Seed(seed), Purpose::TEST, 0).shuffle(&mut shuffled);
        prop_assert_eq!(counted(&shuffled), counted(&pairs));
        let n_equal = pairs.iter().filter(|(a, b, kept)| *kept && a == b).count();
        prop_assert_eq!(counted(&pairs).n_equal, n_equal);
    }

    #[test]
    fn signs_only_has_the_signs_and_the_magnitudes((layout, mask, weights, signs) in any_networks()) {
        let (weights, signs) = (without_zeros(&weights), without_zeros(&signs));
        let made = signs_only(&layout, &mask, &weights, &signs).unwrap();
        prop_assert_eq!(made.n_zero_signs, 0);
        prop_assert_eq!(mask.first_violation(&layout, &made.theta), None);
        if mask.n_kept() > 0 {
            prop_assert_eq!(overlap(&layout, &mask, &made.theta, &signs).unwrap().overlap, 1.0);
        }
        let mut expected = weights.clone();
        mask.apply(&layout, &mut expected);
        prop_assert!(made.theta.iter().zip(&expected).all(|(x, y)| x.abs() == y.abs()));
        for param in layout.params().iter().filter(|param| !param.is_prunable()) {
            prop_assert_eq!(bits(&made.theta[param.range()]), bits(&weights[param.range()]));
        }
    }

    #[test]
    fn zero_signs_are_counted((layout, mask, weights, signs) in any_networks()) {
        let weights = without_zeros(&weights);
        let made = signs_only(&layout, &mask, &weights, &signs).unwrap();
        let zeros = vec![0.0; layout.n_params()];
        if mask.n_kept() > 0 {
            // Of the survivors, those are 0 that were given no sign.
            let n_zeros = overlap(&layout, &mask, &made.theta, &zeros).unwrap().n_equal();
            prop_assert_eq!(made.n_zero_signs, n_zeros);
        }
    }

    #[test]
    fn flips_are_as_many_as_asked_for(
        (layout, mask, a, _) in any_networks(),
        fraction in 0.0..=1.0,
        seed: u64,
    ) {
        prop_assume!(mask.n_kept() > 0);
        let before = without_zeros(&a);
        let flipped = |seed| {
            let mut after = before.clone();
            let n_flips = flip(&layout, &mask, &mut after, Fraction::new(fraction).unwrap(), Seed(seed));
            (after, n_flips.unwrap())
        };
        let (after, n_flips) = flipped(seed);
        prop_assert_eq!(n_flips, (fraction * mask.n_kept() as f64).round() as usize);
        prop_assert_eq!(overlap(&layout, &mask, &before, &after).unwrap().n_flips(), n_flips);
        let n_moved = before.iter().zip(&after).filter(|(x, y)| x.to_bits() != y.to_bits()).count();
        prop_assert_eq!(n_moved, n_flips);
        prop_assert!(before.iter().zip(&after).all(|(x, y)| x.abs() == y.abs()));
        prop_assert_eq!(bits(&flipped(seed).0), bits(&after));
    }
}
