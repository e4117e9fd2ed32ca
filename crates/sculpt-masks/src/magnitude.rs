use crate::{Density, Mask, MaskError, keep_top};
use sculpt_layout::Layout;

/// The mask of the largest `|θ|` over all prunable weights together (IMP, WR, LRR, SCULPT; paper, A.3).
///
/// `round(d · n_prunable)` survive, however many of them are pruned already; with `within`, nothing pruned
/// comes back.
///
/// # Errors
/// No survivors, a NaN among the prunable weights, or fewer candidates than survivors.
///
/// # Panics
/// When `theta` or `within` is not of this layout.
pub fn magnitude(
    layout: &Layout,
    theta: &[f32],
    density: Density,
    within: Option<&Mask>,
) -> Result<Mask, MaskError> {
    keep_top(
        &scores(layout, theta),
        density.n_kept(layout.n_prunable())?,
        within,
    )
}

/// The mask of the `round(d · n)` largest `|w|` of `n` weights: [`magnitude`] of a bare slice, without a layout.
///
/// With `within`, nothing pruned comes back.
///
/// # Errors
/// No survivors, a NaN among the weights, or fewer candidates than survivors.
///
/// # Panics
/// When `within` is not of the weights' length.
pub fn largest(weights: &[f32], density: Density, within: Option<&Mask>) -> Result<Mask, MaskError> {
    let scores: Vec<f32> = weights.iter().map(|weight| weight.abs()).collect();
    keep_top(&scores, density.n_kept(weights.len())?, within)
}

/// `|θ|` of all prunable weights.
pub(crate) fn scores(layout: &Layout, theta: &[f32]) -> Vec<f32> {
    assert_eq!(
        theta.len(),
        layout.n_params(),
        "theta must have one number for each parameter of the layout"
    );
    let mut scores = Vec::with_capacity(layout.n_prunable());
    for param in layout.prunable() {
        scores.extend(theta[param.range()].iter().map(|weight| weight.abs()));
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    /// θ: conv 0..2, BatchNorm 2..6, fc weight 6..10, fc bias 10..12. Prunable: conv 0..2, fc 2..6, N = 6.
    #[test]
    fn global_over_prunable_weights() {
        let layout = Layout::builder()
            .conv("conv1", [2, 1, 1, 1])
            .batch_norm("bn1", 2)
            .linear("fc", 2, 2)
            .build()
            .unwrap();
        let theta = [0.1, -5.0, 9.0, 9.0, 9.0, 9.0, 0.2, -3.0, 4.0, 0.0, 9.0, 9.0];
        let of = |density, within: Option<&Mask>| {
            magnitude(&layout, &theta, Density::new(density).unwrap(), within)
        };
        // |θ| = 0.1, 5, 0.2, 3, 4, 0: three survive.
        let half = of(0.5, None).unwrap();
        assert_eq!(half.as_slice(), [false, true, false, true, true, false]);
        // round(6 / 3) = 2 of all six, not of the three left.
        let third = of(1.0 / 3.0, Some(&half)).unwrap();
        assert_eq!(third.as_slice(), [false, true, false, false, true, false]);
        assert_eq!(
            of(1.0, Some(&half)),
            Err(MaskError::TooFewCandidates {
                n_kept: 6,
                available: 3
            })
        );
        assert!(matches!(of(0.05, None), Err(MaskError::NothingKept { n: 6, .. })));
    }

    /// The prunable weights of the test above, without their layout.
    #[test]
    fn of_a_bare_slice() {
        let weights = [0.1, -5.0, 0.2, -3.0, 4.0, 0.0];
        let of = |density, within: Option<&Mask>| largest(&weights, Density::new(density).unwrap(), within);
        let half = of(0.5, None).unwrap();
        assert_eq!(half.as_slice(), [false, true, false, true, true, false]);
        let third = of(1.0 / 3.0, Some(&half)).unwrap();
        assert_eq!(third.as_slice(), [false, true, false, false, true, false]);
        assert!(matches!(of(0.05, None), Err(MaskError::NothingKept { n: 6, .. })));
    }
}
