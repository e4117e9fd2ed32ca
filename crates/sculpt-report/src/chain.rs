//! The training behind a state, node by node.

use sculpt_experiments::{Node, NodeId, Recipe, Setup, StateRef, Train};

/// A Train node as far as a state takes it.
pub(crate) struct Stretch {
    pub(crate) node: NodeId,
    pub(crate) train: Train,
    /// Epochs trained since initialisation, before it and after it.
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Density that its mask was asked to have.
    pub(crate) density: f64,
}

/// Everything trained since initialisation along the weights of `state`, in the order of training.
///
/// # Panics
/// When the recipe does not hold the state: its recipe does.
pub(crate) fn trained(recipe: &Recipe, state: &StateRef) -> Vec<Stretch> {
    let (mut stretches, mut at) = (Vec::new(), Some(state.clone()));
    while let Some(state) = at {
        let entry = recipe
            .get(&state.id)
            .expect("a recipe holds what its states come from");
        if let Node::Train(train) = &entry.node {
            stretches.push(Stretch {
                node: state.id.clone(),
                train: train.clone(),
                from: entry.epochs_before,
                to: recipe.epochs_trained(&state),
                density: entry.density,
            });
        }
        at = entry.node.trunk().cloned();
    }
    stretches.reverse();
    stretches
}

/// The set-up with the first of its seeds alone: recipes of all seeds are alike.
pub(crate) fn one_seed(mut setup: Setup) -> Setup {
    setup.seeds.truncate(1);
    setup
}

#[cfg(test)]
mod tests {
    use super::*;
    use sculpt_experiments::{DataFolder, Overrides, PanelName, Point, Preset, PresetName, grow, methods};

    fn setup() -> Setup {
        let preset = Preset::new(PresetName::Paper, Overrides::default(), &DataFolder::default()).unwrap();
        one_seed(preset.panel(PanelName::A).unwrap())
    }

    /// SCULPT of the paper: eight cycles of 150 epochs at 30 % density, pruning, one cycle more at 0.8^10.
    #[test]
    fn pruning_stands_between_cycles() {
        let (setup, mut recipe) = (setup(), Recipe::default());
        let points = grow(&mut recipe, &setup, crate::shows::SCULPTING, false);
        let ends = |p: &&Point| p.method == &methods::SCULPT_70 && p.density == setup.sparse_90;
        let end = points.iter().find(ends).unwrap();
        let stretches = trained(&recipe, &end.state);
        let found: Vec<_> = stretches.iter().map(|s| (s.from, s.to, s.density)).collect();
        let mut expected: Vec<_> = (0..8)
            .map(|cycle| (150 * cycle, 150 * (cycle + 1), 0.3))
            .collect();
        expected.push((1200, 1350, setup.sparse_90.get()));
        assert_eq!(found, expected);
    }

    /// WR's level starts from epoch 10 of the dense cycle: only as much of it is in the chain.
    #[test]
    fn a_rewound_chain_ends_where_the_weights_were_taken() {
        let (setup, mut recipe) = (setup(), Recipe::default());
        let points = grow(&mut recipe, &setup, crate::shows::COUPLING, false);
        let level = points
            .iter()
            .find(|p| p.method == &methods::WR && p.level == 3)
            .unwrap();
        let found: Vec<_> = trained(&recipe, &level.state)
            .iter()
            .map(|s| (s.from, s.to))
            .collect();
        assert_eq!(found, [(0, 10), (10, 160)]);
    }
}
