use crate::{Combine, Criterion, Init, Node, Parent, Prune, Recipe, Setup, Train, Version};
use sculpt_masks::Density;

/// A curve of figure 5: which mask, from which weights, trained how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CouplingCurve {
    /// Learning-rate rewinding: prune, keep the weights, train again (A.5).
    Lrr,
    /// Weight rewinding to the end of the first warm-up (A.4).
    Wr,
    /// Iterative magnitude pruning: rewinding to initialisation (A.3).
    Imp,
    /// LRR's mask from a new initialisation, cyclic (§5).
    LrrMaskRandomInit,
    /// LRR's mask from the end of the first warm-up, cyclic (§5).
    LrrMaskWarmupInit,
    /// LRR's mask from the weights that LRR itself starts the level with, cyclic (§5).
    LrrMaskLrrInit,
    /// WR's mask from the end of the first warm-up, cyclic (§5).
    WrMaskWarmupInit,
    /// A random mask from initialisation, cyclic; at density 1 the dense network, cyclic (§4).
    RandomMask,
}

/// A point of figure 5: the state whose test accuracy it shows.
#[derive(Clone, Debug, PartialEq)]
pub struct CouplingPoint {
    /// The curve.
    pub curve: CouplingCurve,
    /// The density asked for.
    pub density: Density,
    /// Place in the list of densities, 0 for dense.
    pub level: u32,
    /// Seed of the run.
    pub seed: u64,
    /// The state.
    pub state: Parent,
}

/// Adds one panel of figure 5 to a recipe and returns its points, seed by seed.
pub fn coupling(recipe: &mut Recipe, setup: &Setup) -> Vec<CouplingPoint> {
    setup
        .seeds
        .iter()
        .flat_map(|&seed| Coupling { recipe, setup, seed }.points())
        .collect()
}

/// One seed of one panel.
struct Coupling<'a> {
    recipe: &'a mut Recipe,
    setup: &'a Setup,
    seed: u64,
}

impl Coupling<'_> {
    fn points(mut self) -> Vec<CouplingPoint> {
        use CouplingCurve::*;
        let setup = self.setup;
        let (own, other) = (self.init(0), self.init(1));
        let dense = self.cycle(own.clone());
        let warm_up = self.warm_up(&dense);
        let (mut lrr, mut wr, mut imp) = (dense.clone(), dense.clone(), dense.clone());
        let dense_cyclic = self.cycles(own.clone());
        let seed = self.seed;
        let mut points = Vec::new();
        let mut point = |curve, level: usize, state: Parent| {
            let density = setup.levels[level];
            points.push(CouplingPoint {
                curve,
                density,
                level: level as u32,
                seed,
                state,
            });
        };
        for (curve, state) in [
            (Lrr, &dense),
            (Wr, &dense),
            (Imp, &dense),
            (RandomMask, &dense_cyclic),
        ] {
            point(curve, 0, state.clone());
        }
        for (level, &density) in setup.levels.iter().enumerate().skip(1) {
            let lrr_start = self.prune(lrr, Criterion::Magnitude, density);
            lrr = self.cycle(lrr_start.clone());
            let wr_mask = self.prune(wr, Criterion::Magnitude, density);
            let wr_start = self.combine(wr_mask, warm_up.clone());
            wr = self.cycle(wr_start.clone());
            let imp_mask = self.prune(imp, Criterion::Magnitude, density);
            let imp_start = self.combine(imp_mask, own.clone());
            imp = self.cycle(imp_start);
            let random = Criterion::Random {
                allocation: setup.allocation,
                rule: setup.rule,
                seed: self.seed,
            };
            let random_start = self.prune(own.clone(), random, density);
            let with_other = self.combine(lrr_start.clone(), other.clone());
            let with_warm_up = self.combine(lrr_start.clone(), warm_up.clone());
            let states = [
                (Lrr, lrr.clone()),
                (Wr, wr.clone()),
                (Imp, imp.clone()),
                (LrrMaskRandomInit, self.cycles(with_other)),
                (LrrMaskWarmupInit, self.cycles(with_warm_up)),
                (LrrMaskLrrInit, self.cycles(lrr_start)),
                (WrMaskWarmupInit, self.cycles(wr_start)),
                (RandomMask, self.cycles(random_start)),
            ];
            for (curve, state) in states {
                point(curve, level, state);
            }
        }
        points
    }

    fn add(&mut self, node: Node) -> Parent {
        self.recipe.add(node, self.setup.threads)
    }

    fn init(&mut self, draw: u32) -> Parent {
        let (model, rule) = (self.setup.model.clone(), self.setup.init);
        self.add(Node::Init(Init {
            v: Version,
            model,
            rule,
            seed: self.seed,
            draw,
        }))
    }

    /// Trains one cycle.
    fn cycle(&mut self, from: Parent) -> Parent {
        let setup = self.setup;
        self.add(Node::Train(Train {
            v: Version,
            from,
            data: setup.data.clone(),
            split: setup.split,
            augmentation: setup.augmentation,
            drop_last: setup.drop_last,
            schedule: setup.schedule,
            lr: setup.lr,
            epochs: setup.cycle_epochs,
            batch: setup.batch,
            momentum: setup.momentum,
            weight_decay: setup.weight_decay,
            precision: setup.precision,
            seed: self.seed,
        }))
    }

    /// Trains all cycles; standard training is the first of them.
    fn cycles(&mut self, from: Parent) -> Parent {
        (0..self.setup.cycles).fold(from, |state, _| self.cycle(state))
    }

    /// The state at the end of a dense cycle's warm-up, which is then kept (A.4; epoch 10 of 150).
    fn warm_up(&mut self, dense: &Parent) -> Parent {
        let epoch = self
            .setup
            .warm_up_epochs()
            .expect("a preset's schedule was checked");
        let state = Parent {
            id: dense.id.clone(),
            epoch,
        };
        self.recipe.keep(&state).expect("a warm-up ends within its cycle");
        state
    }

    fn prune(&mut self, from: Parent, criterion: Criterion, density: Density) -> Parent {
        self.add(Node::Prune(Prune {
            v: Version,
            from,
            criterion,
            density,
        }))
    }

    fn combine(&mut self, mask_from: Parent, weights_from: Parent) -> Parent {
        self.add(Node::Combine(Combine {
            v: Version,
            mask_from,
            weights_from,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DataFolder, NodeId, Overrides, Preset, PresetName};

    fn demo() -> (Recipe, Vec<CouplingPoint>) {
        let preset = Preset::new(PresetName::Demo, Overrides::default(), &DataFolder::default()).unwrap();
        let mut recipe = Recipe::default();
        let points = coupling(&mut recipe, &preset.panel_a().unwrap());
        (recipe, points)
    }

    fn at(points: &[CouplingPoint], curve: CouplingCurve, level: u32) -> &Parent {
        &points
            .iter()
            .find(|p| p.seed == 1 && p.curve == curve && p.level == level)
            .unwrap()
            .state
    }

    /// What a node trains from, cycle by cycle, down to the first node that is no Train node.
    fn cycles_back(recipe: &Recipe, state: &Parent) -> (usize, NodeId) {
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
            (CouplingCurve::Lrr, CouplingCurve::LrrMaskLrrInit),
            (CouplingCurve::Wr, CouplingCurve::WrMaskWarmupInit),
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
        assert_eq!(epochs(CouplingCurve::Imp, 3), 8);
        assert_eq!(epochs(CouplingCurve::LrrMaskWarmupInit, 3), 1 + 4 * 8);
        assert_eq!(epochs(CouplingCurve::LrrMaskRandomInit, 3), 4 * 8);
        assert_eq!(epochs(CouplingCurve::Lrr, 3), 4 * 8);
        assert_eq!(epochs(CouplingCurve::RandomMask, 0), 4 * 8);
    }

    /// The dense level's warm-up is kept, and the masks of a level have its density.
    #[test]
    fn states_asked_for_are_kept() {
        let (recipe, points) = demo();
        let dense = recipe.get(&at(&points, CouplingCurve::Lrr, 0).id).unwrap();
        assert_eq!(dense.keep.iter().copied().collect::<Vec<_>>(), [1, 8]);
        for point in &points {
            assert_eq!(recipe.get(&point.state.id).unwrap().density, point.density.get());
        }
    }

    /// Random init is another draw than the run's own.
    #[test]
    fn random_init_is_its_own_draw() {
        let (recipe, points) = demo();
        let (_, start) = cycles_back(&recipe, at(&points, CouplingCurve::LrrMaskRandomInit, 1));
        let Node::Combine(combine) = &recipe.get(&start).unwrap().node else {
            panic!("a Combine node")
        };
        let Node::Init(init) = &recipe.get(&combine.weights_from.id).unwrap().node else {
            panic!("an Init node")
        };
        assert_eq!((init.seed, init.draw), (1, 1));
    }
}
