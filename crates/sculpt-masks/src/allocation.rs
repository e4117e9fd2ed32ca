use crate::{Density, MaskError};
use sculpt_layout::{Layout, Param};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How a random mask's survivors are shared out among the layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Allocation {
    /// Each layer gets the same density.
    Uniform,
    /// Erdős-Rényi kernel: survivors in proportion to the sum of the tensor's dimensions (Evci et al. 2020).
    Erk,
    /// Each layer gets the same number of survivors (Gadhikar et al. 2023).
    Balanced,
}

/// What happens to a share that is larger than its layer, and how positions are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// The excess goes to the other layers; counts are exact.
    Exact,
    /// As the authors' public harness does: the excess is lost, or passed on forwards only; bits are
    /// independent draws.
    TurboPrune,
}

/// The density of each prunable tensor, in layout order; under [`Rule::TurboPrune`] the probability of its
/// bits, whose mean over the network may lie below `density`.
pub fn layer_densities(layout: &Layout, density: Density, allocation: Allocation, rule: Rule) -> Vec<f64> {
    let sizes: Vec<f64> = layout.prunable().map(|param| param.len() as f64).collect();
    let n_kept = density.get() * layout.n_prunable() as f64;
    match (allocation, rule) {
        (Allocation::Uniform, Rule::Exact | Rule::TurboPrune) => vec![density.get(); sizes.len()],
        (Allocation::Erk, Rule::Exact) => {
            let shares: Vec<f64> = layout.prunable().map(sum_of_dims).collect();
            capped_densities(&sizes, &shares, n_kept)
        }
        (Allocation::Balanced, Rule::Exact) => capped_densities(&sizes, &vec![1.0; sizes.len()], n_kept),
        (Allocation::Erk, Rule::TurboPrune) => {
            let shares: Vec<f64> = layout.prunable().map(sum_of_dims_turboprune).collect();
            clamped_densities(&sizes, &shares, n_kept)
        }
        (Allocation::Balanced, Rule::TurboPrune) => forward_only_densities(&sizes, n_kept),
    }
}

/// The exact number of survivors of each prunable tensor, in layout order: [`layer_densities`] under
/// [`Rule::Exact`], made integers of sum `round(d · n_prunable)` by largest remainder, ties to the earlier
/// layer.
///
/// # Errors
/// No survivors.
pub fn layer_counts(
    layout: &Layout,
    density: Density,
    allocation: Allocation,
) -> Result<Vec<usize>, MaskError> {
    let n_kept = density.n_kept(layout.n_prunable())?;
    let sizes: Vec<usize> = layout.prunable().map(Param::len).collect();
    let ideal: Vec<f64> = layer_densities(layout, density, allocation, Rule::Exact)
        .into_iter()
        .zip(&sizes)
        .map(|(density, &n)| density * n as f64)
        .collect();
    let mut counts: Vec<usize> = ideal.iter().map(|x| x.floor() as usize).collect();
    let mut by_remainder: Vec<usize> = (0..counts.len()).collect();
    // Stable, so ties stay in layer order.
    by_remainder.sort_by(|&a, &b| ideal[b].fract().total_cmp(&ideal[a].fract()));
    let mut n_left = n_kept
        .checked_sub(counts.iter().sum())
        .expect("numbers rounded down have at most the sum of the numbers");
    // Once round is enough but for the rounding of the ideal numbers themselves.
    while n_left > 0 {
        for &layer_idx in &by_remainder {
            if n_left > 0 && counts[layer_idx] < sizes[layer_idx] {
                counts[layer_idx] += 1;
                n_left -= 1;
            }
        }
    }
    Ok(counts)
}

/// `min(1, C · share / size)` with the `C` at which the counts sum to `n_kept`. Layers whose share does not
/// fit are full; the others share what is left, until all fit. (RigL's loop, which fills one layer at a time,
/// ends at the same `C`: a layer that overflows once overflows ever after, since `C` only grows.)
fn capped_densities(sizes: &[f64], shares: &[f64], n_kept: f64) -> Vec<f64> {
    let mut densities = vec![0.0; sizes.len()];
    let mut open: Vec<usize> = (0..sizes.len()).collect();
    let mut n_left = n_kept;
    loop {
        let c = n_left / open.iter().map(|&l| shares[l]).sum::<f64>();
        let (full, fitting): (Vec<usize>, Vec<usize>) = open.iter().partition(|&&l| c * shares[l] > sizes[l]);
        for &l in &full {
            densities[l] = 1.0;
            n_left -= sizes[l];
        }
        open = fitting;
        if full.is_empty() {
            for l in open {
                densities[l] = c * shares[l] / sizes[l];
            }
            return densities;
        }
    }
}

/// TurboPrune's ERK: `min(1, C · share / size)` with the `C` that would be right if no layer were too small.
fn clamped_densities(sizes: &[f64], shares: &[f64], n_kept: f64) -> Vec<f64> {
    let c = n_kept / shares.iter().sum::<f64>();
    let density = |(n, share): (&f64, &f64)| (c * share / n).min(1.0);
    sizes.iter().zip(shares).map(density).collect()
}

/// TurboPrune's `prune_er_balanced`: a full layer passes its excess on to those after it, divided by one layer
/// too many.
fn forward_only_densities(sizes: &[f64], n_kept: f64) -> Vec<f64> {
    let n_layers = sizes.len() as f64;
    let mut share = n_kept / n_layers;
    let mut densities = Vec::with_capacity(sizes.len());
    for (layer_idx, &n) in sizes.iter().enumerate() {
        if share < n {
            densities.push(share / n);
        } else {
            densities.push(1.0);
            share += (share - n) / (n_layers - layer_idx as f64);
        }
    }
    densities
}

fn sum_of_dims(param: &Param) -> f64 {
    param.shape().iter().sum::<usize>() as f64
}

/// TurboPrune makes a linear layer a one-dimensional convolution, (out, in, 1).
fn sum_of_dims_turboprune(param: &Param) -> f64 {
    match param.shape() {
        [_, _] => sum_of_dims(param) + 1.0,
        _ => sum_of_dims(param),
    }
}

impl Allocation {
    /// Every allocation.
    pub const ALL: [Allocation; 3] = [Allocation::Uniform, Allocation::Erk, Allocation::Balanced];

    /// The name on the command line and in descriptions.
    pub fn name(self) -> &'static str {
        match self {
            Allocation::Uniform => "uniform",
            Allocation::Erk => "erk",
            Allocation::Balanced => "balanced",
        }
    }
}

impl Rule {
    /// Every rule.
    pub const ALL: [Rule; 2] = [Rule::Exact, Rule::TurboPrune];

    /// The name on the command line and in descriptions.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Exact => "exact",
            Rule::TurboPrune => "turboprune",
        }
    }
}

impl fmt::Display for Allocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Allocation {
    type Err = MaskError;

    fn from_str(given: &str) -> Result<Self, MaskError> {
        let mut all = Self::ALL.into_iter();
        all.find(|allocation| allocation.name() == given)
            .ok_or_else(|| MaskError::UnknownAllocation {
                given: given.to_owned(),
            })
    }
}

impl FromStr for Rule {
    type Err = MaskError;

    fn from_str(given: &str) -> Result<Self, MaskError> {
        let mut all = Self::ALL.into_iter();
        all.find(|rule| rule.name() == given)
            .ok_or_else(|| MaskError::UnknownRule {
                given: given.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_layouts::{any_density, any_layout, resnet18, resnet20};
    use proptest::prelude::*;

    const DENSITIES: [f64; 4] = [0.8, 0.5, 0.3, 0.1];

    /// Density over the whole network that the layers' densities amount to.
    fn realised(layout: &Layout, density: f64, allocation: Allocation, rule: Rule) -> f64 {
        let densities = layer_densities(layout, Density::new(density).unwrap(), allocation, rule);
        let n_kept: f64 = layout
            .prunable()
            .zip(densities)
            .map(|(p, d)| d * p.len() as f64)
            .sum();
        n_kept / layout.n_prunable() as f64
    }

    /// A column of the table, whose digits are three, and three significant ones in the last row.
    #[track_caller]
    fn check_turboprune(layout: &Layout, allocation: Allocation, printed: [&str; 4]) {
        let realised = DENSITIES.map(|density| realised(layout, density, allocation, Rule::TurboPrune));
        let texts = [
            format!("{:.3}", realised[0]),
            format!("{:.3}", realised[1]),
            format!("{:.3}", realised[2]),
            format!("{:.4}", realised[3]),
        ];
        assert_eq!(texts, printed);
    }

    /// Reference §1.2: what TurboPrune's rules amount to at 0.8, 0.5, 0.3 and 0.1.
    #[test]
    fn turboprune_is_less_dense_than_asked() {
        let r20 = resnet20();
        check_turboprune(&r20, Allocation::Erk, ["0.625", "0.420", "0.268", "0.0967"]);
        check_turboprune(&r20, Allocation::Balanced, ["0.687", "0.452", "0.278", "0.0971"]);
        let r18_cifar100 = resnet18(3, 100);
        check_turboprune(
            &r18_cifar100,
            Allocation::Erk,
            ["0.568", "0.389", "0.251", "0.0949"],
        );
        check_turboprune(
            &r18_cifar100,
            Allocation::Balanced,
            ["0.637", "0.425", "0.267", "0.0973"],
        );
        let r18_imagenet = resnet18(7, 1000);
        check_turboprune(
            &r18_imagenet,
            Allocation::Erk,
            ["0.563", "0.399", "0.270", "0.0979"],
        );
        check_turboprune(
            &r18_imagenet,
            Allocation::Balanced,
            ["0.673", "0.463", "0.288", "0.0987"],
        );
    }

    #[test]
    fn exact_is_as_dense_as_asked() {
        for layout in [resnet20(), resnet18(3, 100), resnet18(7, 1000)] {
            for allocation in Allocation::ALL {
                for density in DENSITIES {
                    let realised = realised(&layout, density, allocation, Rule::Exact);
                    assert!(
                        (realised - density).abs() < 1e-12,
                        "{allocation} {density}: {realised}"
                    );
                    let n_kept = Density::new(density)
                        .unwrap()
                        .n_kept(layout.n_prunable())
                        .unwrap();
                    let counts = layer_counts(&layout, Density::new(density).unwrap(), allocation).unwrap();
                    assert_eq!(counts.iter().sum::<usize>(), n_kept);
                }
            }
        }
    }

    /// Sizes 4, 18, 50 and d·N = 36. Balanced: 12 each; the first takes 4, so 16 each of the other two.
    /// ERK: sums of dims 6 (2, 2, 1, 1), 11 (3, 6, 1, 1) and 15 (10, 5 of a linear layer), together 32.
    /// C = 36/32, and 6·C = 6.75 > 4: full. Then C = 32/26: 11·C = 13.538, 15·C = 18.462.
    #[test]
    fn excess_goes_to_the_others() {
        let layout = Layout::builder()
            .conv("a", [2, 2, 1, 1])
            .conv("b", [3, 6, 1, 1])
            .linear("c", 10, 5)
            .build()
            .unwrap();
        let half = Density::new(0.5).unwrap();
        let balanced = layer_densities(&layout, half, Allocation::Balanced, Rule::Exact);
        assert_eq!(balanced, [1.0, 16.0 / 18.0, 16.0 / 50.0]);
        assert_eq!(
            layer_counts(&layout, half, Allocation::Balanced),
            Ok(vec![4, 16, 16])
        );
        // 13.538 and 18.462: the larger remainder gets the one left.
        assert_eq!(layer_counts(&layout, half, Allocation::Erk), Ok(vec![4, 14, 18]));
        assert_eq!(
            layer_counts(&layout, half, Allocation::Uniform),
            Ok(vec![2, 9, 25])
        );
        // TurboPrune: c is a one-dimensional convolution of sum 16, C = 36/33, and the excess is lost.
        let erk = layer_densities(&layout, half, Allocation::Erk, Rule::TurboPrune);
        let expected = [1.0, 36.0 / 33.0 * 11.0 / 18.0, 36.0 / 33.0 * 16.0 / 50.0];
        assert!(
            erk.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15),
            "{erk:?}"
        );
        // TurboPrune balanced: X = 12, full at 4, X = 12 + 8/3.
        let balanced = layer_densities(&layout, half, Allocation::Balanced, Rule::TurboPrune);
        let x = 12.0 + 8.0 / 3.0;
        assert_eq!(balanced, [1.0, x / 18.0, x / 50.0]);
    }

    /// Four layers of 3 at d·N = 0.4 · 12 = 4.8, so round 5: 1.2 each, the one left to the first.
    #[test]
    fn ties_go_to_the_earlier_layer() {
        let layout = (0..4).fold(Layout::builder(), |b, i| b.conv(&format!("{i}"), [1, 3, 1, 1]));
        let layout = layout.build().unwrap();
        let counts = layer_counts(&layout, Density::new(0.4).unwrap(), Allocation::Uniform);
        assert_eq!(counts, Ok(vec![2, 1, 1, 1]));
    }

    #[test]
    fn names() {
        for allocation in Allocation::ALL {
            assert_eq!(allocation.to_string().parse(), Ok(allocation));
            assert_eq!(
                serde_json::to_string(&allocation).unwrap(),
                format!("\"{allocation}\"")
            );
        }
        for rule in Rule::ALL {
            assert_eq!(rule.to_string().parse(), Ok(rule));
            assert_eq!(serde_json::to_string(&rule).unwrap(), format!("\"{rule}\""));
        }
        assert_eq!(
            "ERK".parse::<Allocation>().unwrap_err().to_string(),
            "allocation \"ERK\" is not one of uniform, erk, balanced"
        );
        assert_eq!(
            "compat".parse::<Rule>().unwrap_err().to_string(),
            "rule \"compat\" is not one of exact, turboprune"
        );
    }

    proptest! {
        #[test]
        fn counts_are_exact_and_fit(
            layout in any_layout(),
            density in any_density(),
            allocation in proptest::sample::select(&Allocation::ALL[..]),
        ) {
            prop_assume!(density.n_kept(layout.n_prunable()).is_ok());
            let counts = layer_counts(&layout, density, allocation).unwrap();
            prop_assert_eq!(counts.iter().sum::<usize>(), density.n_kept(layout.n_prunable()).unwrap());
            prop_assert!(layout.prunable().zip(&counts).all(|(param, &kept)| kept <= param.len()));
            for rule in Rule::ALL {
                let densities = layer_densities(&layout, density, allocation, rule);
                prop_assert!(densities.iter().all(|d| (0.0..=1.0).contains(d)), "{densities:?}");
            }
        }
    }
}
