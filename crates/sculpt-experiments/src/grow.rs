//! From methods to recipes: the nodes behind what a figure shows.

use crate::methods::{LastStep, MaskSource, Method, Rewind, Training, WeightSource};
use crate::show::{Length, Show, States};
use crate::{
    Combine, Criterion, Init, LabelNoise, Node, Perturb, Point, Prune, Recipe, Setup, StateRef, Train,
    Version,
};
use sculpt_masks::{Allocation, Density};
use sculpt_schedules::Kind;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Adds the nodes of one seed of one panel. Asking twice for the same training adds it once: nodes are their content.
pub(crate) struct Grower<'a> {
    recipe: &'a mut Recipe,
    setup: &'a Setup,
    seed: u64,
    /// Of all training.
    label_noise: Option<LabelNoise>,
    /// Iterative pruning, once made.
    levels: BTreeMap<Rewind, Rc<[Level]>>,
    points: Vec<Point>,
}

/// A level of iterative pruning.
#[derive(Clone, Debug)]
struct Level {
    /// What the level starts to train from; at level 0 the initialisation.
    start: StateRef,
    /// The state after its cycle.
    end: StateRef,
}

impl<'a> Grower<'a> {
    pub(crate) fn new(
        recipe: &'a mut Recipe,
        setup: &'a Setup,
        seed: u64,
        label_noise: Option<LabelNoise>,
    ) -> Self {
        Self {
            recipe,
            setup,
            seed,
            label_noise,
            levels: BTreeMap::new(),
            points: Vec::new(),
        }
    }

    /// The states shown, in the order in which they were.
    pub(crate) fn into_points(self) -> Vec<Point> {
        self.points
    }

    /// Trains a method to a density and shows what is wanted of it.
    pub(crate) fn show(&mut self, show: &Show, method: &'static Method, density: Density) {
        let states = self.train_method(method, density, show.length);
        let last = states.len() as u32;
        for (cycle, state) in (1..).zip(&states) {
            let shown = match show.states {
                States::Last => cycle == last,
                States::All => true,
                States::FirstAndLast => cycle == 1 || cycle == last,
            };
            if shown {
                self.point(method, density, cycle, state);
            }
        }
    }

    fn point(&mut self, method: &'static Method, density: Density, cycle: u32, state: &StateRef) {
        let levels = self.setup.levels.iter();
        let above = levels.filter(|level| level.get() > density.get());
        self.points.push(Point {
            method,
            density,
            level: above.count() as u32,
            cycle,
            seed: self.seed,
            state: state.clone(),
        });
    }

    /// The states after each cycle's epochs; of iterative pruning the one at the end of the level.
    fn train_method(&mut self, method: &Method, density: Density, length: Length) -> Vec<StateRef> {
        if let MaskSource::Iterative(rewind) = method.mask {
            return vec![self.level(rewind, density).end];
        }
        let Some(LastStep { start, by }) = method.last_step else {
            let start = self.start(method, density);
            return self.train_from(start, method.training, length);
        };
        let start = start
            .density(self.setup)
            .expect("a preset has the starts of its methods");
        let start = self.start(method, start);
        let mut states = self.train_from(start, method.training, length);
        let end = states.last().expect("training has at least one cycle").clone();
        let criterion = self.setup.criterion(by, self.seed);
        let pruned = self.prune(end, criterion, density);
        states.push(self.cycle(pruned));
        states
    }

    /// What a method trains from.
    fn start(&mut self, method: &Method, density: Density) -> StateRef {
        let mask = match method.mask {
            MaskSource::Dense => self.own_init(),
            MaskSource::Random(allocation) => self.random_mask(allocation, density),
            MaskSource::AtInit(by) => {
                let (own, criterion) = (self.own_init(), self.setup.criterion(by, self.seed));
                self.prune(own, criterion, density)
            }
            MaskSource::Iterative(rewind) | MaskSource::OfLevel(rewind) => self.level(rewind, density).start,
        };
        let flip = method.flipped.then_some(self.setup.flip_fraction);
        let (weights, signs) = match method.weights {
            WeightSource::OwnInit | WeightSource::OfLevel => return mask,
            WeightSource::RandomInit => (self.random_init(), None),
            WeightSource::WarmUp => (self.warm_up(), None),
            WeightSource::WarmUpSigns => {
                let warm_up = self.warm_up();
                (self.random_init(), Some(warm_up))
            }
        };
        let perturb = flip.map(|fraction| Perturb {
            fraction,
            seed: self.seed,
        });
        self.combine(mask, weights, signs, perturb)
    }

    fn train_from(&mut self, start: StateRef, training: Training, length: Length) -> Vec<StateRef> {
        let setup = self.setup;
        let (epochs, n) = match length {
            Length::Cycles => (setup.cycle_epochs, setup.cycles),
            Length::Levels => (setup.cycle_epochs, setup.levels.len() as u32),
            Length::Once => (setup.cycle_epochs, 1),
            Length::Long => (setup.long_interval, setup.long_intervals),
            Length::Total => (setup.cycle_epochs, setup.total_cycles()),
        };
        let total = match length {
            Length::Total => setup.total_epochs.unwrap_or(n * epochs),
            Length::Cycles | Length::Levels | Length::Once | Length::Long => n * epochs,
        };
        match training {
            Training::Cyclic => self.cycles(start, setup.schedule, epochs, n),
            Training::Cosine => self.cycles(start, Kind::Cosine, epochs, n),
            Training::OneCycle => self.one_cycle(start, epochs, n, total),
        }
    }

    /// The run's own initialisation.
    fn own_init(&mut self) -> StateRef {
        self.init(0)
    }

    /// An independent second one: "random init" (reference §2.6).
    fn random_init(&mut self) -> StateRef {
        self.init(1)
    }

    /// The state at the end of the dense network's first warm-up, which is then kept (A.4; epoch 10 of 150).
    fn warm_up(&mut self) -> StateRef {
        let own = self.own_init();
        let dense = self.cycle(own);
        let epoch = self
            .setup
            .warm_up_epochs()
            .expect("a preset's schedule was checked");
        self.keep(&dense, epoch)
    }

    /// Trains a cycle.
    fn cycle(&mut self, from: StateRef) -> StateRef {
        self.train(from, self.setup.schedule, self.setup.cycle_epochs)
    }

    /// Trains `n` cycles of a schedule and returns the state after each.
    fn cycles(&mut self, from: StateRef, schedule: Kind, epochs: u32, n: u32) -> Vec<StateRef> {
        let mut state = from;
        let mut states = Vec::new();
        for _ in 0..n {
            state = self.train(state, schedule, epochs);
            states.push(state.clone());
        }
        states
    }

    /// Trains once over `total` epochs, up and down once (one-cycle), and returns the state after each of `n` intervals; the last is as
    /// long as is left.
    fn one_cycle(&mut self, from: StateRef, interval: u32, n: u32, total: u32) -> Vec<StateRef> {
        let end = self.train(from, Kind::OneCycle, total);
        let ends = (1..n).map(|i| i * interval).chain([total]);
        ends.map(|epoch| self.keep(&end, epoch)).collect()
    }

    /// The level of iterative pruning that has this density.
    fn level(&mut self, rewind: Rewind, density: Density) -> Level {
        let place = self.setup.levels.iter().position(|level| *level == density);
        let place = place.expect("iterative pruning stands at the levels of its preset");
        if let Some(levels) = self.levels.get(&rewind) {
            return levels[place].clone();
        }
        let levels: Rc<[Level]> = self.iterate(rewind).into();
        self.levels.insert(rewind, Rc::clone(&levels));
        levels[place].clone()
    }

    fn iterate(&mut self, rewind: Rewind) -> Vec<Level> {
        let start = self.own_init();
        let end = self.cycle(start.clone());
        let mut levels = vec![Level { start, end }];
        for &density in &self.setup.levels[1..] {
            let before = levels[levels.len() - 1].end.clone();
            let pruned = self.prune(before, Criterion::Magnitude, density);
            let start = match rewind {
                Rewind::LearningRate => pruned,
                Rewind::WarmUp => {
                    let warm_up = self.warm_up();
                    self.combine(pruned, warm_up, None, None)
                }
                Rewind::Init => {
                    let own = self.own_init();
                    self.combine(pruned, own, None, None)
                }
            };
            let end = self.cycle(start.clone());
            levels.push(Level { start, end });
        }
        levels
    }

    /// A random mask over the run's own initialisation; the preset's allocation unless one is given.
    fn random_mask(&mut self, allocation: Option<Allocation>, density: Density) -> StateRef {
        let own = self.own_init();
        if density == Density::DENSE {
            return own;
        }
        let criterion = Criterion::Random {
            allocation: allocation.unwrap_or(self.setup.allocation),
            rule: self.setup.rule,
            seed: self.seed,
        };
        self.prune(own, criterion, density)
    }

    fn prune(&mut self, from: StateRef, criterion: Criterion, density: Density) -> StateRef {
        self.add(Node::Prune(Prune {
            v: Version,
            from,
            criterion,
            density,
        }))
    }

    /// One state's mask over another's weights, with the signs of a third, some of them flipped.
    fn combine(
        &mut self,
        mask_from: StateRef,
        weights_from: StateRef,
        signs_from: Option<StateRef>,
        perturb: Option<Perturb>,
    ) -> StateRef {
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
        self.add(Node::Train(Train {
            schedule,
            epochs,
            label_noise: self.label_noise,
            ..self.setup.cycle(from, self.seed)
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
