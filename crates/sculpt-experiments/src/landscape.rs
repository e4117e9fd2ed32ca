//! States whose interpolation or curvature is looked at (§4, §5, A.8): figures 3, 6 and 14 to 18.

use crate::grow::for_each_seed;
use crate::{Curve, Point, Recipe, Setup};
use sculpt_masks::Density;
use sculpt_schedules::Kind;

/// Figure 3: cyclic training and one cycle over equal epochs, at 90 % sparsity and dense, after every cycle's epochs.
pub fn jumps(recipe: &mut Recipe, setup: &Setup) -> Vec<Point> {
    for_each_seed(recipe, setup, |grower| {
        let kinds = [
            (setup.sparse_90, Curve::RandomCyclic, Curve::RandomOneCycle),
            (Density::DENSE, Curve::DenseCyclic, Curve::DenseOneCycle),
        ];
        for (density, cyclic, one_cycle) in kinds {
            let start = grower.random_mask(density);
            let states = grower.all_cycles(start.clone());
            grower.show_all(cyclic, density, &states);
            let states = grower.one_cycle(start, setup.cycle_epochs, setup.cycles);
            grower.show_all(one_cycle, density, &states);
        }
    })
}

/// Figures 6 and 18: LRR's mask of 90 % sparsity after every cycle, from warm-up and from random init.
pub fn basins(recipe: &mut Recipe, setup: &Setup) -> Vec<Point> {
    for_each_seed(recipe, setup, |grower| {
        let density = setup.sparse_90;
        let level = setup.levels.iter().position(|d| *d == density);
        let lrr = grower.lrr();
        let mask = lrr[level.expect("90 % sparsity is a level of the preset")]
            .start
            .clone();
        let (warm_up, other) = (grower.warm_up(), grower.random_init());
        for (curve, weights) in [
            (Curve::LrrMaskWarmupInit, warm_up),
            (Curve::LrrMaskRandomInit, other),
        ] {
            let start = grower.combine(mask.clone(), weights);
            let states = grower.all_cycles(start);
            grower.show_all(curve, density, &states);
        }
    })
}

/// Figures 14 and 15: random masks after every cycle, by sparsity.
pub fn random_masks(recipe: &mut Recipe, setup: &Setup) -> Vec<Point> {
    for_each_seed(recipe, setup, |grower| {
        for &density in &setup.landscape_densities {
            let start = grower.random_mask(density);
            let states = grower.all_cycles(start);
            grower.show_all(Curve::RandomCyclic, density, &states);
        }
    })
}

/// Figure 16: the levels of iterative pruning, and LRR's masks from random init after one cycle.
pub fn levels(recipe: &mut Recipe, setup: &Setup) -> Vec<Point> {
    for_each_seed(recipe, setup, |grower| {
        let (lrr, wr, imp) = (grower.lrr(), grower.wr(), grower.imp());
        grower.show_levels(Curve::Lrr, &lrr);
        grower.show_levels(Curve::Wr, &wr);
        grower.show_levels(Curve::Imp, &imp);
        let other = grower.random_init();
        for (level, &density) in lrr.iter().zip(&setup.levels).skip(1) {
            let start = grower.combine(level.start.clone(), other.clone());
            let end = grower.cycle(start);
            grower.show(Curve::LrrMaskRandomInit, density, 1, &end);
        }
    })
}

/// Figure 17: a random mask of 90 % sparsity under one long cycle and under cosine cycles, interval by interval.
pub fn long_runs(recipe: &mut Recipe, setup: &Setup) -> Vec<Point> {
    for_each_seed(recipe, setup, |grower| {
        let (density, interval, n) = (setup.sparse_90, setup.long_interval, setup.long_intervals);
        let start = grower.random_mask(density);
        let states = grower.one_cycle(start.clone(), interval, n);
        grower.show_all(Curve::RandomOneCycle, density, &states);
        let states = grower.cycles_of(start, Kind::Cosine, interval, n);
        grower.show_all(Curve::RandomCosine, density, &states);
    })
}
