use crate::{Allocation, Density, Mask, MaskError, Rule, layer_counts, layer_densities};
use sculpt_layout::Layout;
use sculpt_random::{Purpose, Seed, Stream};

/// Positions of a random mask; index: place among the prunable tensors.
const RANDOM_MASK: Purpose = Purpose::new(b"mask----");

/// A random mask. Each prunable tensor draws from its own stream of `seed`, numbered by its place among the
/// prunable tensors.
///
/// # Errors
/// No survivors; under [`Rule::TurboPrune`] also when none happens to be drawn.
pub fn random(
    layout: &Layout,
    density: Density,
    allocation: Allocation,
    rule: Rule,
    seed: Seed,
) -> Result<Mask, MaskError> {
    let stream = |layer_place: usize| Stream::new(seed, RANDOM_MASK, layer_place as u64);
    let mut bits = Vec::with_capacity(layout.n_prunable());
    match rule {
        Rule::Exact => {
            let counts = layer_counts(layout, density, allocation)?;
            for (layer_place, (param, kept)) in layout.prunable().zip(counts).enumerate() {
                let start = bits.len();
                bits.resize(start + param.len(), false);
                for position in stream(layer_place).choose(kept, param.len()) {
                    bits[start + position as usize] = true;
                }
            }
        }
        Rule::TurboPrune => {
            let densities = layer_densities(layout, density, allocation, rule);
            for (layer_place, (param, p)) in layout.prunable().zip(densities).enumerate() {
                let mut stream = stream(layer_place);
                bits.extend((0..param.len()).map(|_| stream.bernoulli(p)));
            }
        }
    }
    let mask = Mask::from_bools(bits);
    if mask.n_kept() == 0 {
        let n = layout.n_prunable();
        return Err(MaskError::NothingKept { density, n });
    }
    Ok(mask)
}

/// Prunes by chance a network that has a mask already: exactly `round(d · n_prunable)` of `within`'s survivors,
/// drawn without replacement from all of them together. The baseline of SCULPT's pruning step (figure 9 a).
///
/// # Errors
/// No survivors, or more than `within` has.
///
/// # Panics
/// When `within` has more than `u32::MAX` bits.
pub fn random_subset(within: &Mask, density: Density, seed: Seed) -> Result<Mask, MaskError> {
    let n_kept = density.n_kept(within.len())?;
    let available = within.n_kept();
    if n_kept > available {
        return Err(MaskError::TooFewCandidates { n_kept, available });
    }
    // No tensor's stream: those are numbered from 0.
    let mut stream = Stream::new(seed, RANDOM_MASK, u64::MAX);
    let mut chosen = vec![false; available];
    for survivor in stream.choose(n_kept, available) {
        chosen[survivor as usize] = true;
    }
    let mut chosen = chosen.into_iter();
    Ok(within
        .iter()
        .map(|kept| kept && chosen.next() == Some(true))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_layouts::{any_density, any_layout, resnet20};
    use proptest::prelude::*;

    /// ResNet-20 at 0.8: round(0.8 · 270,896) = 216,717. TurboPrune's ERK means 0.6248 · 270,896 = 169,253
    /// survivors, with a standard deviation of at most √(270,896 / 4) = 260.
    #[test]
    fn of_resnet20() {
        let (layout, density) = (resnet20(), Density::new(0.8).unwrap());
        let erk = |rule| random(&layout, density, Allocation::Erk, rule, Seed(1)).unwrap();
        let exact = erk(Rule::Exact);
        assert_eq!(exact.n_kept(), 216_717);
        let kept: Vec<usize> = exact.layers(&layout).iter().map(|layer| layer.kept).collect();
        assert_eq!(Ok(kept), layer_counts(&layout, density, Allocation::Erk));
        let drawn = erk(Rule::TurboPrune).n_kept();
        assert!(drawn.abs_diff(169_253) < 5 * 260, "{drawn}");
    }

    /// The answers are from `crates/sculpt-masks/goldens.py`, in plain Python. A change means other masks, and
    /// other results, under every id that holds one.
    #[test]
    fn known_answers() {
        let layout = Layout::builder()
            .conv("conv1", [4, 3, 3, 3])
            .linear("fc", 10, 4)
            .build()
            .unwrap();
        let density = Density::new(0.25).unwrap();
        for (rule, n_kept, sha256) in [
            (
                Rule::Exact,
                37,
                "43021b7a44592c38008dd8fdd3eb8766af2ee0996192fd38c81340cbaab32641",
            ),
            (
                Rule::TurboPrune,
                36,
                "161db82501fbc8500a3c9eea5d9e5f797a67426c9b85afe7605cff4234659843",
            ),
        ] {
            let mask = random(&layout, density, Allocation::Erk, rule, Seed(42)).unwrap();
            assert_eq!(
                (mask.n_kept(), mask.sha256().as_str()),
                (n_kept, sha256),
                "{rule}"
            );
        }
    }

    #[test]
    fn nothing_kept() {
        let layout = Layout::builder().conv("conv1", [1, 2, 1, 1]).build().unwrap();
        let density = Density::new(1e-9).unwrap();
        for rule in Rule::ALL {
            let refused = random(&layout, density, Allocation::Uniform, rule, Seed(1));
            assert_eq!(refused, Err(MaskError::NothingKept { density, n: 2 }));
        }
    }

    proptest! {
        #[test]
        fn exact_for_any_layout(
            layout in any_layout(),
            density in any_density(),
            allocation in proptest::sample::select(&Allocation::ALL[..]),
            seed in any::<u64>(),
        ) {
            prop_assume!(density.n_kept(layout.n_prunable()).is_ok());
            let draw = |seed| random(&layout, density, allocation, Rule::Exact, Seed(seed)).unwrap();
            let mask = draw(seed);
            prop_assert_eq!(mask.len(), layout.n_prunable());
            prop_assert_eq!(Ok(mask.n_kept()), density.n_kept(layout.n_prunable()));
            prop_assert_eq!(draw(seed).sha256(), mask.sha256());
        }
    }

    proptest! {
        #[test]
        fn subsets_are_exact(
            bits in proptest::collection::vec(any::<bool>(), 1..80),
            density in any_density(),
            seed in 0u64..100,
        ) {
            let within = Mask::from_bools(bits);
            let n_kept = (density.get() * within.len() as f64).round() as usize;
            match random_subset(&within, density, Seed(seed)) {
                Ok(mask) => {
                    prop_assert_eq!(mask.n_kept(), n_kept);
                    prop_assert!(mask.is_subset_of(&within));
                    prop_assert_eq!(random_subset(&within, density, Seed(seed)).unwrap(), mask);
                }
                Err(_) => prop_assert!(n_kept == 0 || n_kept > within.n_kept()),
            }
        }
    }

    /// Of 1,000 survivors of 2,000, 500 are drawn. Under seeds 1 and 2, about 250 are drawn twice: 500² / 1,000, with a
    /// standard deviation of 500 · 500 / 1,000 · √(1 / 999) = 7.9.
    #[test]
    fn subsets_are_by_chance() {
        let within: Mask = (0..2_000).map(|i| i % 2 == 0).collect();
        let of = |seed| random_subset(&within, Density::new(0.25).unwrap(), Seed(seed)).unwrap();
        let both = of(1).intersect(&of(2)).n_kept();
        assert!((210..=290).contains(&both), "{both}");
        let (low, high) = (of(3).slice(0..1_000).to_vec(), of(3).slice(1_000..2_000).to_vec());
        let kept = |bits: Vec<bool>| bits.into_iter().filter(|kept| *kept).count();
        assert!(kept(low).abs_diff(kept(high)) < 100);
    }
}
