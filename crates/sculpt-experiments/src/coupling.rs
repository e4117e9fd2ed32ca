use crate::grow::for_each_seed;
use crate::{Curve, Point, Recipe, Setup};

/// Figure 5: iterative pruning against cyclic training of its masks from other initialisations (§5).
pub fn coupling(recipe: &mut Recipe, setup: &Setup) -> Vec<Point> {
    for_each_seed(recipe, setup, |grower| {
        let (lrr, wr, imp) = (grower.lrr(), grower.wr(), grower.imp());
        let (warm_up, other) = (grower.warm_up(), grower.random_init());
        for (level, &density) in setup.levels.iter().enumerate() {
            for (curve, levels) in [(Curve::Lrr, &lrr), (Curve::Wr, &wr), (Curve::Imp, &imp)] {
                grower.show(curve, density, 1, &levels[level].end);
            }
            let mut starts = Vec::new();
            if level > 0 {
                let mask = &lrr[level].start;
                let with_other = grower.combine(mask.clone(), other.clone());
                let with_warm_up = grower.combine(mask.clone(), warm_up.clone());
                starts.extend([
                    (Curve::LrrMaskRandomInit, with_other),
                    (Curve::LrrMaskWarmupInit, with_warm_up),
                    (Curve::LrrMaskLrrInit, mask.clone()),
                    (Curve::WrMaskWarmupInit, wr[level].start.clone()),
                ]);
            }
            // At density 1 the dense network.
            starts.push((Curve::RandomCyclic, grower.random_mask(density)));
            for (curve, start) in starts {
                let cycles = grower.all_cycles(start);
                grower.show_last(curve, density, &cycles);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DataFolder, Node, NodeId, Overrides, PanelName, Preset, PresetName, StateRef};

    fn demo() -> (Recipe, Vec<Point>) {
        let preset = Preset::new(PresetName::Demo, Overrides::default(), &DataFolder::default()).unwrap();
        let mut recipe = Recipe::default();
        let points = coupling(&mut recipe, &preset.panel(PanelName::A).unwrap());
        (recipe, points)
    }

    fn at(points: &[Point], curve: Curve, level: u32) -> &StateRef {
        &points
            .iter()
            .find(|p| p.seed == 1 && p.curve == curve && p.level == level)
            .unwrap()
            .state
    }

    /// What a node trains from, cycle by cycle, down to the first node that is no Train node.
    fn cycles_back(recipe: &Recipe, state: &StateRef) -> (usize, NodeId) {
        let mut id = state.id.clone();
        let mut n = 0;
        while let Node::Train(train) = &recipe.get(&id).unwrap().node {
            (id, n) = (train.from.id.clone(), n + 1);
        }
        (n, id)
    }

    /// LRR's level starts from its own Prune node; the curve "LRR mask + LRR init" has it as the first of its cycles, and
    /// WR's level is the first cycle of "WR mask + warm-up init".
    #[test]
    fn first_cycles_are_shared() {
        let (recipe, points) = demo();
        let pairs = [
            (Curve::Lrr, Curve::LrrMaskLrrInit),
            (Curve::Wr, Curve::WrMaskWarmupInit),
        ];
        for (one, all) in pairs {
            let (first, whole) = (at(&points, one, 3), at(&points, all, 3));
            assert!(recipe.ancestors(whole).contains(&first.id));
            assert_eq!(cycles_back(&recipe, first), (1, cycles_back(&recipe, whole).1));
            assert_eq!(cycles_back(&recipe, whole).0, 4);
        }
    }

    /// IMP's and the warm-up's chains count their epochs from the weights they go on from: IMP from 0 at every level, the
    /// warm-up's from 1; LRR's level 3 is its fourth cycle of 8 epochs.
    #[test]
    fn epochs_are_counted_along_the_weights() {
        let (recipe, points) = demo();
        let epochs = |curve, level| recipe.epochs_trained(at(&points, curve, level));
        assert_eq!(epochs(Curve::Imp, 3), 8);
        assert_eq!(epochs(Curve::LrrMaskWarmupInit, 3), 1 + 4 * 8);
        assert_eq!(epochs(Curve::LrrMaskRandomInit, 3), 4 * 8);
        assert_eq!(epochs(Curve::Lrr, 3), 4 * 8);
        assert_eq!(epochs(Curve::RandomCyclic, 0), 4 * 8);
    }

    /// The dense level's warm-up is kept, and the masks of a level have its density.
    #[test]
    fn states_asked_for_are_kept() {
        let (recipe, points) = demo();
        let dense = recipe.get(&at(&points, Curve::Lrr, 0).id).unwrap();
        assert_eq!(dense.keep.iter().copied().collect::<Vec<_>>(), [1, 8]);
        for point in &points {
            assert_eq!(recipe.get(&point.state.id).unwrap().density, point.density.get());
        }
    }

    /// Random init is another draw than the run's own.
    #[test]
    fn random_init_is_its_own_draw() {
        let (recipe, points) = demo();
        let (_, start) = cycles_back(&recipe, at(&points, Curve::LrrMaskRandomInit, 1));
        let Node::Combine(combine) = &recipe.get(&start).unwrap().node else {
            panic!("a Combine node")
        };
        let Node::Init(init) = &recipe.get(&combine.weights_from.id).unwrap().node else {
            panic!("an Init node")
        };
        assert_eq!((init.seed, init.draw), (1, 1));
    }
}
