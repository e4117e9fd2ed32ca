use sculpt_masks::keep_top;
use tch::{Device, Tensor};

/// Every so many-th score is in the sample. A prime: what repeats in a layer, by channel or by kernel, is met
/// at all of its places.
const STEP: i64 = 251;

/// The highest of many scores.
pub(crate) struct Selection {
    /// All that were kept, as flags `[n]`.
    pub(crate) flags: Tensor,
    /// Every candidate above this score was kept; infinite without such a bound.
    pub(crate) high: f64,
    /// Places of the other ones that were kept, in order.
    pub(crate) others: Tensor,
}

/// `sculpt_masks::keep_top` of f64 `scores` `[n]` on their device: the `n_kept` highest among those that
/// `within` `[n]` flags; of equal scores, the first survive. What `within` does not flag may be any number,
/// NaN too.
///
/// A sample brackets the lowest survivor. What is above is counted on the device, the few scores inside are
/// decided on the host.
///
/// # Panics
/// With fewer than `n_kept` candidates that are numbers.
pub(crate) fn select(scores: &Tensor, n_kept: usize, within: &Tensor) -> Selection {
    let sample = descending_sample(scores, within);
    let rank = n_kept as f64 / STEP as f64;
    // Three standard deviations of the rank or more, were the sample drawn by chance.
    let mut margin = 3.0 * (sample.len() as f64).sqrt() + 1.0;
    loop {
        // The cast of a negative number is 0.
        let high = match (rank - margin) as usize {
            0 => f64::INFINITY,
            i => sample.get(i).copied().unwrap_or(f64::NEG_INFINITY),
        };
        let low = sample.get((rank + margin) as usize);
        let low = low.copied().unwrap_or(f64::NEG_INFINITY);
        let mut flags = scores.gt(high).bitwise_and_tensor_(within);
        let n_above = flags.count_nonzero(None).int64_value(&[]) as usize;
        if n_above <= n_kept {
            let mut from_low = scores.ge(low).bitwise_and_tensor_(within);
            let places = from_low.bitwise_xor_tensor_(&flags).nonzero().flatten(0, -1);
            if n_kept - n_above <= places.numel() {
                let others = top_places(scores, n_kept - n_above, &places);
                let _ = flags.index_fill_(0, &others, 1);
                return Selection { flags, high, others };
            }
        }
        let bounded = high < f64::INFINITY || low > f64::NEG_INFINITY;
        assert!(bounded, "fewer than {n_kept} scores are numbers");
        margin *= 8.0;
    }
}

/// The `n_kept` of `places`, in order, whose scores are highest.
fn top_places(scores: &Tensor, n_kept: usize, places: &Tensor) -> Tensor {
    let kept = keep_top(&to_vec(&scores.index_select(0, places)), n_kept, None);
    let kept = kept.expect("a bracket holds as many, and no NaN");
    places.masked_select(&Tensor::from_slice(kept.as_slice()).to_device(places.device()))
}

/// One candidate in `STEP`, highest first.
fn descending_sample(scores: &Tensor, within: &Tensor) -> Vec<f64> {
    let [scores, within] = [scores, within].map(|all| all.slice(0, None, None, STEP));
    let mut sample = to_vec(&scores.masked_select(&within));
    sample.sort_unstable_by(|a, b| b.total_cmp(a));
    sample
}

fn to_vec(scores: &Tensor) -> Vec<f64> {
    Vec::try_from(scores.to_device(Device::Cpu)).expect("a vector of f64")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sculpt_masks::Mask;

    fn by_slices(scores: &[f64], n_kept: usize, within: &Mask) -> Mask {
        keep_top(scores, n_kept, Some(within)).unwrap()
    }

    fn by_tensors(scores: &[f64], n_kept: usize, within: &Mask) -> Mask {
        let within = Tensor::from_slice(within.as_slice());
        let scores = Tensor::from_slice(scores);
        let kept = select(&scores, n_kept, &within);
        // The flags in other words.
        let above = scores.gt(kept.high).logical_and(&within);
        assert_eq!(above.index_fill(0, &kept.others, 1), kept.flags);
        Mask::from_bools(Vec::try_from(kept.flags).unwrap())
    }

    /// What is not a candidate has no say, be it the highest or no number.
    #[test]
    fn higher_scores_then_lower_places() {
        let within = Mask::from_bools(vec![true, true, false, true, false, true]);
        let scores = [0.0, 2.0, f64::INFINITY, -0.0, f64::NAN, 0.0];
        let kept = |n_kept| by_tensors(&scores, n_kept, &within).as_slice().to_vec();
        assert_eq!(kept(0), [false; 6]);
        assert_eq!(kept(1), [false, true, false, false, false, false]);
        assert_eq!(kept(3), [true, true, false, true, false, false]);
        assert_eq!(kept(4), within.as_slice());
    }

    /// The sample, places 0, 251, 502 and so on, is high and the rest low, or the other way round: the first
    /// brackets miss. 100,000 scores, 399 of them in the sample, margin 61: of 50,000 kept, the first bracket
    /// is about rank 199 of a sample that says nothing.
    #[test]
    fn a_misleading_sample_costs_time_only() {
        let n = 100_000;
        for sign in [1.0, -1.0] {
            let scores: Vec<f64> = (0..n)
                .map(|place| sign * f64::from(u8::from(place % STEP == 0)) * 1e9 + (place % 1009) as f64)
                .collect();
            for n_kept in [1, 399, 50_000, 99_601, 99_999, 100_000] {
                let all = Mask::full(scores.len());
                assert!(
                    by_tensors(&scores, n_kept, &all) == by_slices(&scores, n_kept, &all),
                    "{sign} {n_kept}"
                );
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Long enough for brackets that leave most out, of few distinct scores (ties are many) or of many.
        #[test]
        fn as_by_slices(
            seed in any::<u32>(),
            n in 1usize..60_000,
            levels in prop_oneof![1u32..5, 1u32..100_000],
            fraction in 0.0..=1.0,
        ) {
            let hash = |place: usize| (place as u32 ^ seed).wrapping_mul(2_654_435_761).rotate_left(13);
            let scores: Vec<f64> = (0..n).map(|place| f64::from(hash(place) % levels).sqrt()).collect();
            let within: Mask = (0..n).map(|place| hash(place + n) % 3 != 0).collect();
            let n_kept = (fraction * within.n_kept() as f64) as usize;
            prop_assert!(by_tensors(&scores, n_kept, &within) == by_slices(&scores, n_kept, &within));
        }
    }
}
