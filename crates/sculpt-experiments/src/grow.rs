use crate::{
    Combine, Criterion, Curve, Init, LabelNoise, Node, Perturb, Point, Prune, Recipe, Scoring, Setup,
    StateRef, Train, Version,
};
use sculpt_masks::{Allocation, Density};
use sculpt_schedules::Kind;
use sculpt_signs::Fraction;

/// Adds the nodes of one seed of one panel. Asking twice for the same training adds it once: nodes are their content.
pub(crate) struct Grower<'a> {
    recipe: &'a mut Recipe,
    pub(crate) setup: &'a Setup,
    pub(crate) seed: u64,
    /// Of all training from here on.
    pub(crate) label_noise: Option<LabelNoise>,
    points: Vec<Point>,
}

/// A level of iterative pruning.
#[derive(Clone, Debug)]
pub(crate) struct Level {
    /// What the level starts to train from; at level 0 the initialisation.
    pub(crate) start: StateRef,
    /// The state after its cycle.
    pub(crate) end: StateRef,
}

/// Runs `grow` for every seed of a panel and returns the points that it showed, seed by seed.
pub(crate) fn for_each_seed(
    recipe: &mut Recipe,
    setup: &Setup,
    grow: impl Fn(&mut Grower<'_>),
) -> Vec<Point> {
    let mut points = Vec::new();
    for &seed in &setup.seeds {
        let mut grower = Grower {
            recipe: &mut *recipe,
            setup,
            seed,
            label_noise: None,
            points: Vec::new(),
        };
        grow(&mut grower);
        points.append(&mut grower.points);
    }
    points
}

impl Grower<'_> {
    /// Shows a state that was trained for `cycle` cycles at a density.
    pub(crate) fn show(&mut self, curve: Curve, density: Density, cycle: u32, state: &StateRef) {
        let above = self
            .setup
            .levels
            .iter()
            .filter(|level| level.get() > density.get());
        self.points.push(Point {
            curve,
            density,
            level: above.count() as u32,
            cycle,
            seed: self.seed,
            state: state.clone(),
        });
    }

    /// Shows the last of the states after each cycle.
    pub(crate) fn show_last(&mut self, curve: Curve, density: Density, cycles: &[StateRef]) {
        let last = cycles.last().expect("training has at least one cycle");
        self.show(curve, density, cycles.len() as u32, last);
    }

    /// Shows the states after every cycle.
    pub(crate) fn show_all(&mut self, curve: Curve, density: Density, cycles: &[StateRef]) {
        for (i, state) in cycles.iter().enumerate() {
            self.show(curve, density, i as u32 + 1, state);
        }
    }

    /// Shows the levels of iterative pruning.
    pub(crate) fn show_levels(&mut self, curve: Curve, levels: &[Level]) {
        let setup = self.setup;
        for (density, level) in setup.levels.iter().zip(levels) {
            self.show(curve, *density, 1, &level.end);
        }
    }

    /// The run's own initialisation.
    pub(crate) fn own_init(&mut self) -> StateRef {
        self.init(0)
    }

    /// An independent second one: "random init" (reference §2.6).
    pub(crate) fn random_init(&mut self) -> StateRef {
        self.init(1)
    }

    /// The state at the end of the dense network's first warm-up, which is then kept (A.4; epoch 10 of 150).
    pub(crate) fn warm_up(&mut self) -> StateRef {
        let own = self.own_init();
        let dense = self.cycle(own);
        let epoch = self
            .setup
            .warm_up_epochs()
            .expect("a preset's schedule was checked");
        self.keep(&dense, epoch)
    }

    /// Trains one cycle.
    pub(crate) fn cycle(&mut self, from: StateRef) -> StateRef {
        self.train(from, self.setup.schedule, self.setup.cycle_epochs)
    }

    /// Trains `n` cycles and returns the state after each. Standard training is the first.
    pub(crate) fn cycles(&mut self, from: StateRef, n: u32) -> Vec<StateRef> {
        self.cycles_of(from, self.setup.schedule, self.setup.cycle_epochs, n)
    }

    /// Trains all the cycles of the preset.
    pub(crate) fn all_cycles(&mut self, from: StateRef) -> Vec<StateRef> {
        self.cycles(from, self.setup.cycles)
    }

    /// Trains `n` cycles of a schedule and returns the state after each.
    pub(crate) fn cycles_of(&mut self, from: StateRef, schedule: Kind, epochs: u32, n: u32) -> Vec<StateRef> {
        let mut state = from;
        let mut states = Vec::new();
        for _ in 0..n {
            state = self.train(state, schedule, epochs);
            states.push(state.clone());
        }
        states
    }

    /// Trains once over `n · interval` epochs, up and down in one cycle, and returns the state after each interval.
    pub(crate) fn one_cycle(&mut self, from: StateRef, interval: u32, n: u32) -> Vec<StateRef> {
        let end = self.train(from, Kind::OneCycle, n * interval);
        (1..=n).map(|i| self.keep(&end, i * interval)).collect()
    }

    /// Learning-rate rewinding, level by level.
    pub(crate) fn lrr(&mut self) -> Vec<Level> {
        self.iterate(|_, pruned| pruned)
    }

    /// Weight rewinding.
    pub(crate) fn wr(&mut self) -> Vec<Level> {
        let warm_up = self.warm_up();
        self.iterate(|grower, pruned| grower.combine(pruned, warm_up.clone()))
    }

    /// Iterative magnitude pruning.
    pub(crate) fn imp(&mut self) -> Vec<Level> {
        let own = self.own_init();
        self.iterate(|grower, pruned| grower.combine(pruned, own.clone()))
    }

    fn iterate(&mut self, rewind: impl Fn(&mut Self, StateRef) -> StateRef) -> Vec<Level> {
        let start = self.own_init();
        let end = self.cycle(start.clone());
        let mut levels = vec![Level { start, end }];
        let densities = &self.setup.levels;
        for &density in &densities[1..] {
            let before = levels[levels.len() - 1].end.clone();
            let pruned = self.prune(before, Criterion::Magnitude, density);
            let start = rewind(self, pruned);
            let end = self.cycle(start.clone());
            levels.push(Level { start, end });
        }
        levels
    }

    /// A random mask over the run's own initialisation, shared among layers as the preset does.
    pub(crate) fn random_mask(&mut self, density: Density) -> StateRef {
        self.allocated_mask(self.setup.allocation, density)
    }

    /// A random mask over the run's own initialisation.
    pub(crate) fn allocated_mask(&mut self, allocation: Allocation, density: Density) -> StateRef {
        let own = self.own_init();
        if density.get() == 1.0 {
            return own;
        }
        let criterion = Criterion::Random {
            allocation,
            rule: self.setup.rule,
            seed: self.seed,
        };
        self.prune(own, criterion, density)
    }

    /// The training images that scores are computed on.
    pub(crate) fn scoring(&self) -> Scoring {
        Scoring {
            data: self.setup.data.clone(),
            split: self.setup.split,
            images: self.setup.scoring_images,
            seed: self.seed,
        }
    }

    /// SynFlow as the preset has it.
    pub(crate) fn synflow(&self) -> Criterion {
        Criterion::Synflow {
            iterations: self.setup.synflow_iterations,
            side: self.setup.side(),
        }
    }

    pub(crate) fn prune(&mut self, from: StateRef, criterion: Criterion, density: Density) -> StateRef {
        self.add(Node::Prune(Prune {
            v: Version,
            from,
            criterion,
            density,
        }))
    }

    /// One state's mask over another's weights.
    pub(crate) fn combine(&mut self, mask_from: StateRef, weights_from: StateRef) -> StateRef {
        self.combine_signs(mask_from, weights_from, None, None)
    }

    /// The same, with the signs of a third, and some of them flipped.
    pub(crate) fn combine_signs(
        &mut self,
        mask_from: StateRef,
        weights_from: StateRef,
        signs_from: Option<StateRef>,
        flip: Option<Fraction>,
    ) -> StateRef {
        let perturb = flip.map(|fraction| Perturb {
            fraction,
            seed: self.seed,
        });
        self.add(Node::Combine(Combine {
            v: Version,
            mask_from,
            weights_from,
            signs_from,
            norm_from: None,
            perturb,
        }))
    }

    fn init(&mut self, draw: u32) -> StateRef {
        let (model, rule) = (self.setup.model.clone(), self.setup.init);
        self.add(Node::Init(Init {
            v: Version,
            model,
            rule,
            seed: self.seed,
            draw,
        }))
    }

    fn train(&mut self, from: StateRef, schedule: Kind, epochs: u32) -> StateRef {
        let setup = self.setup;
        self.add(Node::Train(Train {
            v: Version,
            from,
            data: setup.data.clone(),
            split: setup.split,
            augmentation: setup.augmentation,
            drop_last: setup.drop_last,
            schedule,
            lr: setup.lr,
            epochs,
            batch: setup.batch,
            momentum: setup.momentum,
            weight_decay: setup.weight_decay,
            precision: setup.precision,
            label_noise: self.label_noise,
            seed: self.seed,
        }))
    }

    fn add(&mut self, node: Node) -> StateRef {
        self.recipe.add(node, self.setup.threads)
    }

    /// A state within a cycle, which is then kept.
    fn keep(&mut self, end: &StateRef, epoch: u32) -> StateRef {
        let state = StateRef {
            id: end.id.clone(),
            epoch,
        };
        self.recipe.keep(&state).expect("the epoch lies within the cycle");
        state
    }
}
