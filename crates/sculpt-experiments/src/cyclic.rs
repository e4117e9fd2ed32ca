//! Training longer (§3, §4): figures 2, 4, 9 (b) and 13.

use crate::grow::{Grower, for_each_seed};
use crate::{Criterion, Curve, LabelNoise, Point, Recipe, Setup, StateRef};
use sculpt_masks::{Allocation, Density};
use sculpt_schedules::Kind;

/// Figure 2 (a), (b): LRR and WR by level against as many cycles of the dense network, all of which are shown.
pub fn iterative_against_dense(recipe: &mut Recipe, setup: &Setup) -> Vec<Point> {
    for_each_seed(recipe, setup, |grower| {
        let (lrr, wr) = (grower.lrr(), grower.wr());
        grower.show_levels(Curve::Lrr, &lrr);
        grower.show_levels(Curve::Wr, &wr);
        let own = grower.own_init();
        let dense = grower.cycles(own, setup.levels.len() as u32);
        grower.show_all(Curve::DenseCyclic, Density::DENSE, &dense);
    })
}

/// Figure 2 (c): a random mask of 67 % sparsity after each cycle.
pub fn cycle_by_cycle(recipe: &mut Recipe, setup: &Setup) -> Vec<Point> {
    for_each_seed(recipe, setup, |grower| {
        let start = grower.random_mask(setup.sparse_67);
        let cycles = grower.all_cycles(start);
        grower.show_all(Curve::RandomCyclic, setup.sparse_67, &cycles);
    })
}

/// Figure 2 (d): cyclic training, one cycle and cosine cycles over equal epochs, dense and at 90 % sparsity, as far
/// as each got after every cycle's epochs.
pub fn schedules_at_equal_epochs(recipe: &mut Recipe, setup: &Setup) -> Vec<Point> {
    for_each_seed(recipe, setup, |grower| {
        let (epochs, n) = (setup.cycle_epochs, setup.cycles);
        let kinds = [
            (
                Density::DENSE,
                Curve::DenseCyclic,
                Curve::DenseOneCycle,
                Curve::DenseCosine,
            ),
            (
                setup.sparse_90,
                Curve::RandomCyclic,
                Curve::RandomOneCycle,
                Curve::RandomCosine,
            ),
        ];
        for (density, cyclic, one_cycle, cosine) in kinds {
            let start = grower.random_mask(density);
            let states = grower.all_cycles(start.clone());
            grower.show_all(cyclic, density, &states);
            let states = grower.one_cycle(start.clone(), epochs, n);
            grower.show_all(one_cycle, density, &states);
            let states = grower.cycles_of(start, Kind::Cosine, epochs, n);
            grower.show_all(cosine, density, &states);
        }
    })
}

/// Figure 4: masks found at initialisation, after the first cycle and after all of them, with LRR and the dense
/// network beside them.
pub fn pruned_at_initialisation(recipe: &mut Recipe, setup: &Setup) -> Vec<Point> {
    for_each_seed(recipe, setup, |grower| {
        let lrr = grower.lrr();
        grower.show_levels(Curve::Lrr, &lrr);
        let own = grower.own_init();
        let dense = grower.all_cycles(own.clone());
        first_and_last(grower, Curve::DenseCyclic, Density::DENSE, &dense);
        for &density in &setup.levels[1..] {
            let (snip, synflow) = (Criterion::Snip(grower.scoring()), grower.synflow());
            let starts = [
                (Curve::RandomCyclic, grower.random_mask(density)),
                (Curve::SnipCyclic, grower.prune(own.clone(), snip, density)),
                (Curve::SynflowCyclic, grower.prune(own.clone(), synflow, density)),
            ];
            for (curve, start) in starts {
                let cycles = grower.all_cycles(start);
                first_and_last(grower, curve, density, &cycles);
            }
        }
    })
}

/// Standard training, which is the first cycle, and cyclic training.
fn first_and_last(grower: &mut Grower<'_>, curve: Curve, density: Density, cycles: &[StateRef]) {
    grower.show(curve, density, 1, &cycles[0]);
    if cycles.len() > 1 {
        grower.show_last(curve, density, cycles);
    }
}

/// Figure 9 (b): LRR, random masks and the dense network, the latter two cyclic, all with noisy training labels.
pub fn noisy_labels(recipe: &mut Recipe, setup: &Setup) -> Vec<Point> {
    for_each_seed(recipe, setup, |grower| {
        grower.label_noise = Some(LabelNoise {
            rule: setup.label_noise_rule,
            rate: setup.label_noise_rate,
            seed: grower.seed,
        });
        let lrr = grower.lrr();
        grower.show_levels(Curve::Lrr, &lrr);
        for &density in &setup.levels {
            let start = grower.random_mask(density);
            let cycles = grower.all_cycles(start);
            let curve = if density.get() == 1.0 {
                Curve::DenseCyclic
            } else {
                Curve::RandomCyclic
            };
            grower.show_last(curve, density, &cycles);
        }
    })
}

/// Figure 13: random masks of two allocations, cyclic.
pub fn allocations(recipe: &mut Recipe, setup: &Setup) -> Vec<Point> {
    for_each_seed(recipe, setup, |grower| {
        for &density in &setup.levels[1..] {
            let kinds = [
                (Curve::RandomCyclic, Allocation::Balanced),
                (Curve::ErkCyclic, Allocation::Erk),
            ];
            for (curve, allocation) in kinds {
                let start = grower.allocated_mask(allocation, density);
                let cycles = grower.all_cycles(start);
                grower.show_last(curve, density, &cycles);
            }
        }
    })
}
