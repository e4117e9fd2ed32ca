//! SCULPT (§6): cyclic training of a random mask, one pruning step, one more cycle. Figures 7, 8 (b), (c), 9 (a).

use crate::grow::{Grower, for_each_seed};
use crate::{Criterion, Curve, Point, PruningStep, Recipe, Setup, StateRef};
use sculpt_masks::Density;

/// Figure 7: SCULPT from each of the preset's starts to every density below it, with LRR, cyclic random masks and the
/// dense network.
pub fn sculpting(recipe: &mut Recipe, setup: &Setup) -> Vec<Point> {
    for_each_seed(recipe, setup, |grower| {
        for &density in &setup.levels {
            let cycles = cyclic(grower, density);
            let curve = if density.get() == 1.0 {
                Curve::DenseCyclic
            } else {
                Curve::RandomCyclic
            };
            grower.show_last(curve, density, &cycles);
        }
        against_lrr(grower);
    })
}

/// Figure 8 (b), (c): SCULPT from each of the preset's starts to every density below it, with LRR.
pub fn sculpting_against_lrr(recipe: &mut Recipe, setup: &Setup) -> Vec<Point> {
    for_each_seed(recipe, setup, against_lrr)
}

fn against_lrr(grower: &mut Grower<'_>) {
    let lrr = grower.lrr();
    grower.show_levels(Curve::Lrr, &lrr);
    let setup = grower.setup;
    for (place, &start) in setup.sculpt_starts.iter().enumerate() {
        for &density in setup.levels.iter().filter(|level| level.get() < start.get()) {
            sculpt(grower, Curve::Sculpt(place), start, density, Criterion::Magnitude);
        }
    }
}

/// Figure 9 (a): SCULPT from the sparsest of the preset's starts, its pruning step decided in seven ways.
pub fn pruning_criteria(recipe: &mut Recipe, setup: &Setup) -> Vec<Point> {
    for_each_seed(recipe, setup, |grower| {
        let (place, start) = (
            setup.sculpt_starts.len() - 1,
            setup.sculpt_starts[setup.sculpt_starts.len() - 1],
        );
        for &density in &setup.criterion_targets {
            sculpt(grower, Curve::Sculpt(place), start, density, Criterion::Magnitude);
            for step in PruningStep::ALL {
                let criterion = match step {
                    PruningStep::Random => Criterion::RandomSubset { seed: grower.seed },
                    PruningStep::Snip => Criterion::Snip(grower.scoring()),
                    PruningStep::Synflow => grower.synflow(),
                    PruningStep::Grasp => Criterion::Grasp(grower.scoring()),
                    PruningStep::Fisher => Criterion::Fisher(grower.scoring()),
                    PruningStep::WoodFisher => Criterion::WoodFisher(grower.scoring()),
                };
                sculpt(grower, Curve::SculptBy(step), start, density, criterion);
            }
        }
    })
}

fn sculpt(grower: &mut Grower<'_>, curve: Curve, start: Density, density: Density, criterion: Criterion) {
    let cycles = cyclic(grower, start);
    let last = cycles.last().expect("cyclic training has a cycle").clone();
    let pruned = grower.prune(last, criterion, density);
    let end = grower.cycle(pruned);
    grower.show(curve, density, cycles.len() as u32 + 1, &end);
}

fn cyclic(grower: &mut Grower<'_>, density: Density) -> Vec<StateRef> {
    let start = grower.random_mask(density);
    grower.all_cycles(start)
}
