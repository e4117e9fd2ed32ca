use crate::tensors::{check_kept, check_slice, tensors};
use crate::{Fraction, SignsError};
use sculpt_layout::Layout;
use sculpt_masks::Mask;
use sculpt_random::{Purpose, Seed, Stream};
use std::iter::Peekable;
use std::vec::IntoIter;

/// Which surviving signs are flipped.
const SIGN_FLIPS: Purpose = Purpose::new(b"signs---");

/// Flips the signs of exactly `round(fraction · n_kept)` (half away from zero) survivors of `mask` in `theta`
/// (`[n_params]`) and returns how many. They are drawn without replacement from all survivors; every other
/// number keeps its bits. A 0 has no sign: flipped, it is `+0.0`.
///
/// # Errors
/// A mask or vector that is not of this layout, or a NaN among the prunable weights, pruned or not; `theta`
/// is then as it was.
///
/// # Panics
/// When more than `u32::MAX` weights survive.
pub fn flip(
    layout: &Layout,
    mask: &Mask,
    theta: &mut [f32],
    fraction: Fraction,
    seed: Seed,
) -> Result<usize, SignsError> {
    for tensor in tensors(layout, mask, &[("theta", theta)])? {
        tensor.check_numbers("theta", theta)?;
    }
    let mut flips = Flips::new(fraction.of(mask.n_kept()), mask.n_kept(), seed);
    for tensor in tensors(layout, mask, &[("theta", theta)])? {
        let weights = theta[tensor.range].iter_mut().zip(tensor.kept);
        weights
            .filter(|(_, kept)| **kept)
            .for_each(|(weight, _)| flips.pass(weight));
    }
    Ok(flips.n)
}

/// [`flip`] of a bare slice, without a layout: of all of `weights`, or of those that are `kept`.
///
/// # Errors
/// As many `kept` as weights there must be; a NaN, kept or not. `weights` are then as they were.
///
/// # Panics
/// When more than `u32::MAX` weights survive.
pub fn flip_slice(
    weights: &mut [f32],
    kept: Option<&[bool]>,
    fraction: Fraction,
    seed: Seed,
) -> Result<usize, SignsError> {
    check_kept(weights.len(), kept)?;
    check_slice("weights", weights)?;
    let is_kept = |i: usize| kept.is_none_or(|kept| kept[i]);
    let n_kept = (0..weights.len()).filter(|i| is_kept(*i)).count();
    let mut flips = Flips::new(fraction.of(n_kept), n_kept, seed);
    for (i, weight) in weights.iter_mut().enumerate() {
        if is_kept(i) {
            flips.pass(weight);
        }
    }
    Ok(flips.n)
}

/// Which of the survivors, as they come, are flipped.
struct Flips {
    n: usize,
    chosen: Peekable<IntoIter<u32>>,
    place: u32,
}

impl Flips {
    fn new(n: usize, n_kept: usize, seed: Seed) -> Self {
        let chosen = Stream::new(seed, SIGN_FLIPS, 0).choose(n, n_kept);
        Self {
            n,
            chosen: chosen.into_iter().peekable(),
            place: 0,
        }
    }

    /// The next survivor.
    fn pass(&mut self, weight: &mut f32) {
        if self.chosen.next_if_eq(&self.place).is_some() {
            *weight = 0.0 - *weight;
        }
        self.place += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// θ: conv1 0..6, fc weight 6..10, fc bias 10. Prunable: 0..6, 6..10. All but prunable weight 1 survive.
    fn layout_and_mask() -> (Layout, Mask) {
        let layout = Layout::builder()
            .conv("conv1", [1, 6, 1, 1])
            .linear("fc", 1, 4)
            .build()
            .unwrap();
        (layout, (0..10).map(|i| i != 1).collect())
    }

    fn flipped(fraction: f64, seed: u64) -> Vec<usize> {
        let (layout, mask) = layout_and_mask();
        let mut theta = [1.0; 11];
        flip(
            &layout,
            &mask,
            &mut theta,
            Fraction::new(fraction).unwrap(),
            Seed(seed),
        )
        .unwrap();
        (0..11).filter(|&i| theta[i] == -1.0).collect()
    }

    /// 9 survivors: round(0.2 · 9) = round(1.8) = 2, round(0.5 · 9) = 5. The places are from
    /// `crates/sculpt-signs/goldens/flips.py`, in plain Python. A change means other signs under every id
    /// that holds them.
    #[test]
    fn known_answers() {
        assert_eq!(flipped(0.2, 42), GOLDEN_FIFTH);
        assert_eq!(flipped(0.5, 42), GOLDEN_HALF);
        assert_ne!(flipped(0.5, 43), GOLDEN_HALF);
    }

    const GOLDEN_FIFTH: [usize; 2] = [0, 4];
    const GOLDEN_HALF: [usize; 5] = [0, 4, 5, 8, 9];

    /// The weights of the test above without their layout, and without the one that is pruned.
    #[test]
    fn bare_slices_are_flipped_alike() {
        let (_, mask) = layout_and_mask();
        let fifth = Fraction::new(0.2).unwrap();
        let mut weights = [1.0; 10];
        assert_eq!(
            flip_slice(&mut weights, Some(mask.as_slice()), fifth, Seed(42)),
            Ok(2)
        );
        let flipped: Vec<usize> = (0..10).filter(|&i| weights[i] == -1.0).collect();
        assert_eq!(flipped, GOLDEN_FIFTH);
        // Place 3 of the survivors is weight 4.
        let mut survivors = [1.0; 9];
        assert_eq!(flip_slice(&mut survivors, None, fifth, Seed(42)), Ok(2));
        assert_eq!(survivors, [-1.0, 1.0, 1.0, -1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);

        let error = flip_slice(&mut survivors, Some(&[true]), fifth, Seed(1)).unwrap_err();
        assert_eq!(error.to_string(), "the mask has 1 bits, not 9");
        let mut nan = [1.0, f32::NAN];
        let error = flip_slice(&mut nan, Some(&[true, false]), fifth, Seed(1)).unwrap_err();
        assert_eq!(error.to_string(), "number 1 of weights is NaN");
    }

    #[test]
    fn none_and_all() {
        assert!(flipped(0.0, 1).is_empty());
        assert_eq!(flipped(1.0, 1), [0, 2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn zeros_become_plus_zero_and_the_rest_keeps_its_bits() {
        let (layout, mask) = layout_and_mask();
        let mut theta = [
            0.0,
            -0.0,
            -0.0,
            3.0,
            -4.0,
            5.0,
            f32::INFINITY,
            1e-45,
            1.0,
            1.0,
            -0.0,
        ];
        let n_flips = flip(&layout, &mask, &mut theta, Fraction::new(1.0).unwrap(), Seed(1)).unwrap();
        assert_eq!(n_flips, 9);
        assert_eq!(
            theta.map(f32::to_bits),
            [
                0.0,
                -0.0,
                0.0,
                -3.0,
                4.0,
                -5.0,
                f32::NEG_INFINITY,
                -1e-45,
                -1.0,
                -1.0,
                -0.0
            ]
            .map(f32::to_bits)
        );
    }

    #[test]
    fn refusals() {
        let (layout, mask) = layout_and_mask();
        let all = Fraction::new(1.0).unwrap();
        let refused = |mask: &Mask, theta: &mut [f32]| {
            flip(&layout, mask, theta, all, Seed(1)).unwrap_err().to_string()
        };
        assert_eq!(
            refused(&Mask::full(3), &mut [1.0; 11]),
            "the mask has 3 bits, not 10"
        );
        assert_eq!(refused(&mask, &mut [1.0; 10]), "theta has 10 numbers, not 11");
        let mut theta = [1.0; 11];
        theta[9] = f32::NAN;
        assert_eq!(
            refused(&mask, &mut theta),
            "weight 3 of fc.weight in theta is NaN"
        );
        assert_eq!(theta[..9], [1.0; 9]);
    }
}
