use crate::SignsError;
use crate::tensors::{check_kept, check_length, check_slice, tensors};
use sculpt_layout::Layout;
use sculpt_masks::Mask;

/// A signs-only initialisation.
#[derive(Clone, Debug, PartialEq)]
pub struct SignsOnly {
    /// `θ`, `[n_params]`.
    pub theta: Vec<f32>,
    /// Number of survivors to which `signs` gave a 0 for a sign, and which are therefore 0.
    pub n_zero_signs: usize,
}

/// `|weights| · sign(signs)` on the survivors of `mask`, `+0.0` on the pruned weights, and `weights` on all
/// that is not prunable. Both vectors are `θ`, `[n_params]`.
///
/// A survivor with sign 0 becomes `+0.0`, and is counted in [`SignsOnly::n_zero_signs`].
///
/// # Errors
/// A mask or vector that is not of this layout, or a NaN among the prunable weights, pruned or not.
pub fn signs_only(
    layout: &Layout,
    mask: &Mask,
    weights: &[f32],
    signs: &[f32],
) -> Result<SignsOnly, SignsError> {
    let mut theta = weights.to_vec();
    let mut n_zero_signs = 0;
    for tensor in tensors(layout, mask, &[("weights", weights), ("signs", signs)])? {
        tensor.check_numbers("weights", weights)?;
        tensor.check_numbers("signs", signs)?;
        let of_tensor = theta[tensor.range.clone()].iter_mut();
        for ((weight, &sign), &kept) in of_tensor.zip(&signs[tensor.range]).zip(tensor.kept) {
            n_zero_signs += usize::from(kept & (sign == 0.0));
            *weight = if kept { signed(*weight, sign) } else { 0.0 };
        }
    }
    Ok(SignsOnly { theta, n_zero_signs })
}

/// [`signs_only`] of bare slices, without a layout: `|weights| · sign(signs)`, on all or on those that are `kept`, and `+0.0`
/// on the others.
///
/// # Errors
/// Different lengths, or a NaN, kept or not.
pub fn signs_only_slice(
    weights: &[f32],
    signs: &[f32],
    kept: Option<&[bool]>,
) -> Result<SignsOnly, SignsError> {
    check_length("signs", weights.len(), signs.len())?;
    check_kept(weights.len(), kept)?;
    check_slice("weights", weights)?;
    check_slice("signs", signs)?;
    let is_kept = |i: usize| kept.is_none_or(|kept| kept[i]);
    let pairs = || weights.iter().zip(signs).enumerate();
    Ok(SignsOnly {
        theta: pairs()
            .map(|(i, (&weight, &sign))| if is_kept(i) { signed(weight, sign) } else { 0.0 })
            .collect(),
        n_zero_signs: pairs()
            .filter(|&(i, (_, &sign))| is_kept(i) && sign == 0.0)
            .count(),
    })
}

/// `|weight| · sign(sign)`. Chosen rather than multiplied: ∞ · 0 would be NaN, and 0 · −1 be −0.
fn signed(weight: f32, sign: f32) -> f32 {
    let magnitude = weight.abs();
    if sign < 0.0 {
        0.0 - magnitude
    } else if sign > 0.0 {
        magnitude
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// θ: conv1 0..3, bn1 3..5, fc weight 5..9, fc bias 9. Prunable: 0..3, 3..7.
    fn layout() -> Layout {
        Layout::builder()
            .conv("conv1", [1, 3, 1, 1])
            .batch_norm("bn1", 1)
            .linear("fc", 1, 4)
            .build()
            .unwrap()
    }

    /// All but prunable weights 1 and 3 survive. Of the survivors, 2 (−0) and 6 have no sign.
    #[test]
    fn by_hand() {
        let mask: Mask = (0..7).map(|i| i != 1 && i != 3).collect();
        let weights = [1.0, -2.0, -3.0, -4.0, 5.0, 6.0, -7.0, 0.0, f32::INFINITY, -10.0];
        let signs = [-0.1, 9.0, -0.0, 9.0, -9.0, -9.0, 9.0, -9.0, 0.0, 9.0];
        let result = signs_only(&layout(), &mask, &weights, &signs).unwrap();
        assert_eq!(
            result.theta.iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
            [-1.0f32, 0.0, 0.0, -4.0, 5.0, 0.0, 7.0, 0.0, 0.0, -10.0].map(f32::to_bits)
        );
        assert_eq!(result.n_zero_signs, 2);

        // The same numbers without the layout, and without BatchNorm and bias.
        let prunable = |v: &[f32; 10]| [&v[..3], &v[5..9]].concat();
        let bare = signs_only_slice(&prunable(&weights), &prunable(&signs), Some(mask.as_slice())).unwrap();
        assert_eq!(
            bare.theta.iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
            [-1.0f32, 0.0, 0.0, 0.0, 7.0, 0.0, 0.0].map(f32::to_bits)
        );
        assert_eq!(bare.n_zero_signs, 2);
        let all = signs_only_slice(&[1.0, -2.0], &[-1.0, 0.0], None).unwrap();
        assert_eq!((all.theta, all.n_zero_signs), (vec![-1.0, 0.0], 1));
    }

    #[test]
    fn refusals_of_bare_slices() {
        let refused = |weights: &[f32], signs: &[f32], kept| {
            signs_only_slice(weights, signs, kept).unwrap_err().to_string()
        };
        assert_eq!(refused(&[1.0], &[1.0, 2.0], None), "signs has 2 numbers, not 1");
        assert_eq!(refused(&[1.0], &[1.0], Some(&[])), "the mask has 0 bits, not 1");
        assert_eq!(
            refused(&[f32::NAN], &[1.0], Some(&[false])),
            "number 0 of weights is NaN"
        );
        assert_eq!(refused(&[1.0], &[f32::NAN], None), "number 0 of signs is NaN");
    }

    #[test]
    fn refusals() {
        let (layout, full) = (layout(), Mask::full(7));
        let ones = [1.0; 10];
        let refused = |mask: &Mask, weights: &[f32], signs: &[f32]| {
            signs_only(&layout, mask, weights, signs).unwrap_err().to_string()
        };
        assert_eq!(
            refused(&Mask::full(8), &ones, &ones),
            "the mask has 8 bits, not 7"
        );
        assert_eq!(refused(&full, &ones[1..], &ones), "weights has 9 numbers, not 10");
        assert_eq!(refused(&full, &ones, &ones[1..]), "signs has 9 numbers, not 10");
        let mut nan = ones;
        nan[6] = f32::NAN;
        assert_eq!(
            refused(&full, &nan, &ones),
            "weight 1 of fc.weight in weights is NaN"
        );
        assert_eq!(
            refused(&full, &ones, &nan),
            "weight 1 of fc.weight in signs is NaN"
        );
    }
}
