use crate::{Mask, MaskError};
use std::cmp::Ordering;

/// A floating-point score of a weight: `f32` or `f64`.
pub trait Score: Copy + PartialOrd + private::Bin {}

impl Score for f32 {}
impl Score for f64 {}

mod private {
    /// Bins in the order of the numbers: a greater number has the same or a greater bin; −0 and +0 share one.
    pub trait Bin {
        /// The bin, below `N_BINS`.
        fn bin(self) -> usize;
    }

    impl Bin for f32 {
        fn bin(self) -> usize {
            // Adding +0 turns −0 into +0.
            bin((self + 0.0).to_bits() >> 16)
        }
    }

    impl Bin for f64 {
        fn bin(self) -> usize {
            bin(((self + 0.0).to_bits() >> 48) as u32)
        }
    }

    /// From the top 16 bits. Those of a negative number grow with its magnitude: all are inverted. Of a
    /// positive one, the sign is.
    fn bin(top_bits: u32) -> usize {
        let inverted = if top_bits >> 15 == 1 { 0xffff } else { 0x8000 };
        (top_bits ^ inverted) as usize
    }
}

/// Number of bins. The counters in use fit a core's cache, and few scores share a bin with the lowest survivor.
const N_BINS: usize = 1 << 16;

/// The mask of the `n_kept` highest scores; of equal scores, the lower index survives. 0 keeps nothing.
///
/// With `within`, only its survivors are candidates, so that nothing pruned comes back. Time is linear in
/// the number of scores: a histogram finds the bin of the lowest survivor, a selection within it the score.
///
/// # Errors
/// A NaN among the scores, pruned or not, or fewer than `n_kept` candidates.
///
/// # Panics
/// When `within` is not of the scores' length.
pub fn keep_top<S: Score>(scores: &[S], n_kept: usize, within: Option<&Mask>) -> Result<Mask, MaskError> {
    let candidates = within.map(Mask::as_slice);
    if let Some(candidates) = candidates {
        assert_eq!(
            candidates.len(),
            scores.len(),
            "a mask bounds as many scores as it has bits"
        );
    }
    if let Some(index) = scores.iter().position(|score| is_nan(*score)) {
        return Err(MaskError::NanScore { index });
    }
    let available = within.map_or(scores.len(), Mask::n_kept);
    if n_kept > available {
        return Err(MaskError::TooFewCandidates { n_kept, available });
    }
    if n_kept == 0 {
        return Ok(Mask::from_bools(vec![false; scores.len()]));
    }

    let (threshold, mut n_ties) = lowest_survivor(scores, n_kept, candidates);
    let mut bits: Vec<bool> = scores.iter().map(|&score| score > threshold).collect();
    if let Some(candidates) = candidates {
        bits.iter_mut()
            .zip(candidates)
            .for_each(|(bit, candidate)| *bit &= candidate);
    }
    for (index, &score) in scores.iter().enumerate() {
        if score == threshold && candidates.is_none_or(|bits| bits[index]) {
            bits[index] = true;
            n_ties -= 1;
            if n_ties == 0 {
                break;
            }
        }
    }
    let mask = Mask::from_bools(bits);
    assert_eq!(
        mask.n_kept(),
        n_kept,
        "a selection keeps exactly what it was asked for"
    );
    Ok(mask)
}

/// The `n_kept`-th highest score of the candidates, and how many candidates of that score survive.
fn lowest_survivor<S: Score>(scores: &[S], n_kept: usize, candidates: Option<&[bool]>) -> (S, usize) {
    let mut histogram = vec![0usize; N_BINS];
    match candidates {
        None => scores.iter().for_each(|score| histogram[score.bin()] += 1),
        Some(bits) => {
            for (score, &candidate) in scores.iter().zip(bits) {
                histogram[score.bin()] += usize::from(candidate);
            }
        }
    }
    let (mut bin, mut n_from_bin) = (N_BINS - 1, n_kept);
    while n_from_bin > histogram[bin] {
        n_from_bin -= histogram[bin];
        bin -= 1;
    }
    let mut in_bin = Vec::with_capacity(histogram[bin]);
    match candidates {
        None => in_bin.extend(scores.iter().filter(|score| score.bin() == bin)),
        Some(bits) => {
            let scores = scores.iter().zip(bits);
            in_bin.extend(scores.filter_map(|(s, &c)| (c && s.bin() == bin).then_some(s)));
        }
    }
    let descending = |a: &S, b: &S| b.partial_cmp(a).unwrap_or(Ordering::Equal);
    let (above, &mut threshold, _) = in_bin.select_nth_unstable_by(n_from_bin - 1, descending);
    let n_above = above.iter().filter(|&&score| score > threshold).count();
    (threshold, n_from_bin - n_above)
}

/// NaN alone has no order with itself.
fn is_nan<S: Score>(score: S) -> bool {
    score.partial_cmp(&score).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(scores: &[f32], n_kept: usize, expected: &[usize]) {
        let scores_f64: Vec<f64> = scores.iter().copied().map(f64::from).collect();
        for mask in [
            keep_top(scores, n_kept, None),
            keep_top(&scores_f64, n_kept, None),
        ] {
            assert_eq!(kept(&mask.unwrap()), expected);
        }
    }

    fn kept(mask: &Mask) -> Vec<usize> {
        (0..mask.len()).filter(|&index| mask.get(index)).collect()
    }

    /// By definition: sorted by (score descending, index), the first `n_kept`.
    fn by_sorting(scores: &[f32], n_kept: usize, within: &Mask) -> Vec<usize> {
        let mut order = kept(within);
        order.sort_by(|&a, &b| scores[b].partial_cmp(&scores[a]).unwrap());
        order.truncate(n_kept);
        order.sort();
        order
    }

    #[test]
    fn higher_scores_then_lower_indices() {
        check(&[1.0, 3.0, 2.0], 2, &[1, 2]);
        check(&[1.0, 2.0, 1.0, 2.0, 1.0], 3, &[0, 1, 3]);
        check(&[5.0; 4], 2, &[0, 1]);
        check(&[0.0; 4], 3, &[0, 1, 2]);
        // −0 and +0 tie.
        check(&[-0.0, 0.0, -0.0, 0.0], 2, &[0, 1]);
        check(&[-2.0, -1.0, -3.0], 1, &[1]);
        check(
            &[f32::NEG_INFINITY, f32::INFINITY, f32::MAX, 1e-45],
            3,
            &[1, 2, 3],
        );
        check(&[f32::NEG_INFINITY, f32::MIN], 2, &[0, 1]);
        check(&[1.0, 2.0], 0, &[]);
        check(&[1.0, 2.0], 2, &[0, 1]);
        check(&[], 0, &[]);
    }

    /// Scores that differ in the last bit only share a bin.
    #[test]
    fn neighbours_are_told_apart() {
        let low = 1.0f64;
        let high = low.next_up();
        assert_eq!(
            kept(&keep_top(&[low, high, low, high], 3, None).unwrap()),
            [0, 1, 3]
        );
        assert_eq!(
            kept(&keep_top(&[-low, -high, -low, -high], 1, None).unwrap()),
            [0]
        );
    }

    #[test]
    fn within_a_mask() {
        let within = Mask::from_bools(vec![false, true, true, false, true]);
        let scores = [9.0f32, 1.0, 1.0, 9.0, f32::NEG_INFINITY];
        let keep = |n_kept| keep_top(&scores, n_kept, Some(&within));
        assert_eq!(kept(&keep(1).unwrap()), [1]);
        assert_eq!(kept(&keep(2).unwrap()), [1, 2]);
        assert_eq!(keep(3), Ok(within.clone()));
        assert_eq!(
            keep(4).unwrap_err().to_string(),
            "4 weights cannot be kept: only 3 are not pruned already"
        );
    }

    #[test]
    fn nan_has_no_rank() {
        for n_kept in 0..3 {
            assert_eq!(
                keep_top(&[1.0, f32::NAN], n_kept.min(2), None),
                Err(MaskError::NanScore { index: 1 })
            );
        }
        let too_many = keep_top(&[1.0f64], 2, None);
        assert_eq!(
            too_many,
            Err(MaskError::TooFewCandidates {
                n_kept: 2,
                available: 1
            })
        );
    }

    proptest! {
        /// Few distinct scores, so that ties are many.
        #[test]
        fn as_by_sorting(
            scored in proptest::collection::vec((-4i8..4, any::<bool>()), 1..60),
            fraction in 0.0..=1.0,
        ) {
            let scores: Vec<f32> = scored.iter().map(|(score, _)| 0.5 * f32::from(*score)).collect();
            let within: Mask = scored.iter().map(|(_, kept)| *kept).collect();
            let n_kept = (fraction * within.n_kept() as f64) as usize;
            let mask = keep_top(&scores, n_kept, Some(&within)).unwrap();
            prop_assert_eq!(kept(&mask), by_sorting(&scores, n_kept, &within));
            prop_assert!(mask.is_subset_of(&within));
        }

        /// Any finite or infinite scores, both signs.
        #[test]
        fn of_any_numbers(scores in proptest::collection::vec(any::<f32>(), 1..60), n_kept in 0usize..60) {
            prop_assume!(scores.iter().all(|score| !score.is_nan()) && n_kept <= scores.len());
            let mask = keep_top(&scores, n_kept, None).unwrap();
            prop_assert_eq!(kept(&mask), by_sorting(&scores, n_kept, &Mask::full(scores.len())));
        }

        /// Of the same scores, fewer survivors are among more.
        #[test]
        fn nested(scores in proptest::collection::vec(-2.0f32..2.0, 1..60), a in 0usize..60, b in 0usize..60) {
            let (fewer, more) = (a.min(b).min(scores.len()), a.max(b).min(scores.len()));
            let of = |n_kept| keep_top(&scores, n_kept, None).unwrap();
            prop_assert!(of(fewer).is_subset_of(&of(more)));
        }
    }
}
