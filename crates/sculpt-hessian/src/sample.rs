//! Which images a search for eigenpairs begins with.

use crate::MeanLoss;
use crate::loss::MicroBatch;
use tch::Tensor;

/// Of so many images one is taken, if those are at least so many, and no more than so many.
const SAMPLED: i64 = 8;
const SMALLEST_SAMPLE: i64 = 8;
const LARGEST_SAMPLE: i64 = 256;

/// Some of the images, in `order`: where most are told with confidence, the Gauss-Newton part of `H` is a sum over few of them. How probable each is goes
/// by the cube of the trace of its loss's curvature in the logits, since fewer products followed than by the first power or the second
/// (45, 51 and 56 of ten probes of one trained ResNet-20; 68 from every eighth image); where a network is in doubt of all images, all powers are much the same.
/// They are taken at equal distances in the sum of the probabilities (Madow 1949), so that every class has its share.
pub(crate) fn sample<'a>(
    of: &MeanLoss<'a>,
    kept: &Tensor,
    order: &Tensor,
    curvatures: &Tensor,
) -> Option<MicroBatch<'a>> {
    let n_sampled = (of.n_images() / SAMPLED).min(LARGEST_SAMPLE);
    if n_sampled < SMALLEST_SAMPLE {
        return None;
    }
    let curvatures = Vec::<f64>::try_from(curvatures).expect("numbers in one dimension");
    let sizes: Vec<f64> = curvatures.iter().map(|curvature| curvature.powi(3)).collect();
    let mut sum = 0.0;
    let taken = |(number, probability): (i64, f64)| {
        let before = f64::round(sum);
        sum += probability;
        (sum.round() > before).then_some(number)
    };
    let which: Vec<i64> = (0..)
        .zip(probabilities(&sizes, n_sampled as usize))
        .filter_map(taken)
        .collect();
    let which = Tensor::from_slice(&which).to_device(order.device());
    (which.numel() > 0).then(|| MicroBatch::new(of, kept, &order.index_select(0, &which)))
}

/// In proportion to `sizes`, but at most 1, and of the sum `n`, as far as so many sizes are not 0.
fn probabilities(sizes: &[f64], n: usize) -> Vec<f64> {
    let mut descending = sizes.to_vec();
    descending.sort_by(|a, b| b.total_cmp(a));
    // Of each and all smaller ones, from the smallest up: what is left of a difference would be the rounding of the largest.
    let mut sums = descending.clone();
    for i in (1..sums.len()).rev() {
        sums[i - 1] += sums[i];
    }
    let mut unit = 0.0;
    // The largest are certain, as long as their proportion is more than that.
    for (n_certain, (size, sum)) in descending.iter().zip(sums).take(n).enumerate() {
        unit = sum / (n - n_certain) as f64;
        if *size <= unit {
            break;
        }
    }
    let probability = |&size: &f64| match size {
        0.0 => 0.0,
        _ if size > unit => 1.0,
        _ => size / unit,
    };
    sizes.iter().map(probability).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 5 chances 2: none is more than certain, and what is 0 has none.
    #[test]
    fn probabilities_by_hand() {
        assert_eq!(
            probabilities(&[4.0, 1.0, 1.0, 2.0, 0.0], 2),
            [1.0, 0.25, 0.25, 0.5, 0.0]
        );
        assert_eq!(
            probabilities(&[1.0, 1.0, 10.0, 1.0, 1.0], 2),
            [0.25, 0.25, 1.0, 0.25, 0.25]
        );
        assert_eq!(probabilities(&[0.0, 0.1, 0.0, 0.2], 3), [0.0, 1.0, 0.0, 1.0]);
        assert_eq!(probabilities(&[0.0, 0.0], 1), [0.0, 0.0]);
        assert_eq!(probabilities(&[3.0; 8], 4), [0.5; 8]);
    }

    /// Cubes of curvatures differ by more than f64 has digits: few are in doubt, and of the others only as many are taken as are left.
    #[test]
    fn probabilities_of_sizes_far_apart() {
        for turned in 0..64 {
            let mut sizes = [1e-25; 64];
            sizes[..3].copy_from_slice(&[0.1, 0.2, 0.3]);
            sizes.rotate_left(turned);
            let found = probabilities(&sizes, 8);
            assert!((found.iter().sum::<f64>() - 8.0).abs() < 1e-12, "{found:?}");
            assert_eq!(found.iter().filter(|&&p| p == 1.0).count(), 3);
        }
    }
}
