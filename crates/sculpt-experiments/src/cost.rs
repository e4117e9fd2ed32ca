//! What training costs, from descriptions alone: images, and operations layer by layer.

use crate::{Entry, ExperimentError, Node, Train};
use sculpt_masks::{Allocation, Density, Rule, layer_counts, layer_densities};
use sculpt_models::training_flops;

/// What training one node costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Epochs.
    pub epochs: u32,
    /// Images passed forward and back.
    pub images: u64,
    /// Floating-point operations of all weights: as if masked tensors were dense.
    pub flops_dense: f64,
    /// The same if pruned weights cost nothing: Σ over layers of density × multiply-accumulates.
    pub flops_sparse_ideal: f64,
}

impl Cost {
    /// Of a Train node under a mask that has these densities, tensor by prunable tensor in layout order; other nodes cost
    /// next to nothing.
    ///
    /// # Errors
    /// Data that the registry does not know; images that the network is too deep for.
    ///
    /// # Panics
    /// When there is not one density a prunable tensor.
    pub fn of(entry: &Entry, densities: &[f64]) -> Result<Option<Self>, ExperimentError> {
        let Node::Train(train) = &entry.node else {
            return Ok(None);
        };
        let images = Self::images(train)?;
        let (_, side) = train.data.shape()?;
        let macs = entry.model.multiply_accumulates([3, side, side])?;
        assert_eq!(macs.len(), densities.len(), "one density a prunable tensor");
        let flops = |densities: &[f64]| {
            let layers = macs.iter().copied().zip(densities.iter().copied());
            training_flops(layers) * images as f64
        };
        Ok(Some(Self {
            epochs: train.epochs,
            images,
            flops_dense: flops(&vec![1.0; macs.len()]),
            flops_sparse_ideal: flops(densities),
        }))
    }

    /// Of its first epochs alone, at most all; each takes the same.
    #[must_use]
    pub fn until(self, epoch: u32) -> Self {
        let epochs = epoch.min(self.epochs);
        let share = f64::from(epochs) / f64::from(self.epochs.max(1));
        Self {
            epochs,
            images: self.images / u64::from(self.epochs.max(1)) * u64::from(epochs),
            flops_dense: self.flops_dense * share,
            flops_sparse_ideal: self.flops_sparse_ideal * share,
        }
    }

    /// Images that a Train node is trained on, each epoch's anew.
    ///
    /// # Errors
    /// Data that the registry does not know.
    pub fn images(train: &Train) -> Result<u64, ExperimentError> {
        let (n_train, _) = train.data.shape()?;
        let n_train = train.split.n_training(n_train);
        let batch = u64::from(train.batch);
        let per_epoch = if train.drop_last {
            n_train / batch * batch
        } else {
            n_train
        };
        Ok(per_epoch * u64::from(train.epochs))
    }
}

impl Entry {
    /// The densities of the node's mask, tensor by prunable tensor, before it is drawn: those of its allocation where chance
    /// shares weights out among layers, to the last weight where counts are exact; else an estimate, ERK's, since what a
    /// criterion will choose is not known. Of the demo's operations LRR's levels keep 0.60, 0.42, 0.19 and 0.10 at densities of
    /// 0.5, 0.3, 0.1 and 0.05, and ERK 0.76, 0.52, 0.16 and 0.08 (published table 4): too many at first, and a little few then.
    pub fn expected_densities(&self) -> Vec<f64> {
        let layout = self.model.layout();
        // Also where there is nothing to prune.
        if self.density == 1.0 {
            return vec![1.0; layout.prunable().count()];
        }
        let density = Density::new(self.density).expect("an entry's density is a density");
        match self.allocation.unwrap_or((Allocation::Erk, Rule::Exact)) {
            (allocation, Rule::Exact) => {
                let counts =
                    layer_counts(&layout, density, allocation).expect("a recipe's densities keep weights");
                let tensors = layout.prunable().zip(counts);
                tensors.map(|(param, n)| n as f64 / param.len() as f64).collect()
            }
            (allocation, Rule::TurboPrune) => layer_densities(&layout, density, allocation, Rule::TurboPrune),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Criterion, DataFolder, Init, Overrides, PanelName, Preset, PresetName, Prune, Recipe, Setup,
        StateRef, Version,
    };

    #[test]
    fn some_of_the_epochs_cost_their_share() {
        let whole = Cost {
            epochs: 8,
            images: 800,
            flops_dense: 64.0,
            flops_sparse_ideal: 16.0,
        };
        let quarter = Cost {
            epochs: 2,
            images: 200,
            flops_dense: 16.0,
            flops_sparse_ideal: 4.0,
        };
        assert_eq!(whole.until(2), quarter);
        assert_eq!((whole.until(8), whole.until(9)), (whole, whole));
        assert_eq!(whole.until(0).images, 0);
    }

    const BALANCED: Criterion = Criterion::Random {
        allocation: Allocation::Balanced,
        rule: Rule::Exact,
        seed: 1,
    };

    /// The numbers of a panel, and a recipe that initialises its network.
    fn begun(panel: PanelName) -> (Setup, Recipe, StateRef) {
        let preset = Preset::new(PresetName::Paper, Overrides::default(), &DataFolder::default()).unwrap();
        let setup = preset.panel(panel).unwrap();
        let mut recipe = Recipe::default();
        let init = Init {
            v: Version,
            model: setup.model.clone(),
            rule: setup.init,
            seed: 1,
            draw: 0,
        };
        let init = recipe.add(Node::Init(init), 1);
        (setup, recipe, init)
    }

    /// Of a node that is trained for 150 epochs, and pruned after the first, one is on the way.
    #[test]
    fn what_is_read_on_the_way_counts() {
        let (setup, mut recipe, init) = begun(PanelName::A);
        let dense = recipe.add(Node::Train(setup.cycle(init, 1)), 1);
        assert_eq!(dense.epoch, 150);
        let prune = Prune {
            v: Version,
            from: StateRef {
                epoch: 1,
                ..dense.clone()
            },
            criterion: BALANCED,
            density: Density::new(0.1).unwrap(),
        };
        let from = recipe.add(Node::Prune(prune), 1);
        let end = recipe.add(Node::Train(setup.cycle(from, 2)), 1);
        let found = recipe.ancestors(&end);
        assert_eq!((found.len(), found[&dense.id], found[&end.id]), (4, 1, 150));
        assert_eq!(recipe.ancestors(&dense)[&dense.id], 150);
    }

    /// Sparse-ideal over dense operations of a Train node under such a mask.
    fn ratio(panel: PanelName, criterion: Criterion, density: f64) -> f64 {
        let (setup, mut recipe, init) = begun(panel);
        let prune = Prune {
            v: Version,
            from: init,
            criterion,
            density: Density::new(density).unwrap(),
        };
        let from = recipe.add(Node::Prune(prune), 1);
        let end = recipe.add(Node::Train(setup.cycle(from, 1)), 1);
        let entry = recipe.get(&end.id).unwrap();
        let cost = Cost::of(entry, &entry.expected_densities()).unwrap().unwrap();
        cost.flops_sparse_ideal / cost.flops_dense
    }

    /// A balanced mask keeps narrow early layers, which are used at many positions, nearly whole: worked out by hand for
    /// ResNet-20 at 32 × 32 and ResNet-18 at 224 × 224.
    #[test]
    fn balanced_masks_cost_more_than_their_density() {
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 5e-4, "{found}");
        near(ratio(PanelName::A, BALANCED, 0.1), 0.281);
        near(ratio(PanelName::C, BALANCED, 0.1), 0.486);
        near(ratio(PanelName::C, BALANCED, 0.02), 0.175);
    }

    /// A network of a user's own may have nothing that can be pruned, and every one is whole before it is pruned.
    #[test]
    fn a_whole_network_is_whole_in_every_layer() {
        assert_eq!(ratio(PanelName::A, Criterion::Magnitude, 1.0), 1.0);
    }

    /// ERK's by hand for ResNet-20 at 32 × 32: sums of dimensions over products of them, none above 1.
    #[test]
    fn masks_that_nobody_has_drawn_are_reckoned_as_erks() {
        let found = ratio(PanelName::A, Criterion::Magnitude, 0.1);
        assert!((found - 0.177).abs() < 5e-4, "{found}");
    }
}
