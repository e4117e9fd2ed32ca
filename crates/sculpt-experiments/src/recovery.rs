//! Signs (§5, A.1): figures 8 (a) and 10, and the table of sign overlap and recovery.

use crate::grow::{Grower, for_each_seed};
use crate::{Curve, Point, Recipe, Setup, StateRef};
use sculpt_masks::Density;

/// Figure 8 (a): LRR's mask from the signs of the first warm-up under new magnitudes, beside what it is compared with.
pub fn signs_suffice(recipe: &mut Recipe, setup: &Setup) -> Vec<Point> {
    for_each_seed(recipe, setup, |grower| {
        let lrr = grower.lrr();
        grower.show_levels(Curve::Lrr, &lrr);
        let (warm_up, other) = (grower.warm_up(), grower.random_init());
        for (level, &density) in setup.levels.iter().enumerate().skip(1) {
            let mask = &lrr[level].start;
            let starts = [
                (
                    Curve::LrrMaskWarmupInit,
                    grower.combine(mask.clone(), warm_up.clone()),
                ),
                (Curve::LrrMaskWarmupSigns, warm_up_signs(grower, mask, false)),
                (
                    Curve::LrrMaskRandomInit,
                    grower.combine(mask.clone(), other.clone()),
                ),
                (Curve::RandomCyclic, grower.random_mask(density)),
            ];
            for (curve, start) in starts {
                let cycles = grower.all_cycles(start);
                grower.show_last(curve, density, &cycles);
            }
        }
    })
}

/// Figure 10: the signs of the first warm-up, whole (left) and with a fifth flipped (right), trained cyclically and
/// in one cycle over as many epochs, with LRR.
pub fn sign_recovery(recipe: &mut Recipe, setup: &Setup) -> Vec<Point> {
    for_each_seed(recipe, setup, |grower| {
        let lrr = grower.lrr();
        grower.show_levels(Curve::Lrr, &lrr);
        for (level, &density) in setup.levels.iter().enumerate().skip(1) {
            let whole = warm_up_signs(grower, &lrr[level].start, false);
            both_ways(
                grower,
                Curve::LrrMaskWarmupSigns,
                Curve::LrrMaskWarmupSignsOneCycle,
                density,
                whole,
            );
            let flipped = warm_up_signs(grower, &lrr[level].start, true);
            both_ways(
                grower,
                Curve::LrrMaskFlippedSigns,
                Curve::LrrMaskFlippedSignsOneCycle,
                density,
                flipped,
            );
        }
    })
}

/// The numbers of A.1 at 93 % sparsity: LRR, its mask from the signs of the first warm-up, and from the weights of
/// the first warm-up with a fifth of the signs flipped, both ways.
pub fn sign_overlap(recipe: &mut Recipe, setup: &Setup) -> Vec<Point> {
    for_each_seed(recipe, setup, |grower| {
        let density = setup.sparse_93;
        let level = setup.levels.iter().position(|d| *d == density);
        let level = level.expect("93 % sparsity is a level of the preset");
        let lrr = grower.lrr();
        grower.show(Curve::Lrr, density, 1, &lrr[level].end);
        let mask = &lrr[level].start;
        let whole = warm_up_signs(grower, mask, false);
        both_ways(
            grower,
            Curve::LrrMaskWarmupSigns,
            Curve::LrrMaskWarmupSignsOneCycle,
            density,
            whole,
        );
        let warm_up = grower.warm_up();
        let flipped = grower.combine_signs(mask.clone(), warm_up, None, Some(setup.flip_fraction));
        let (cyclic, one_cycle) = (
            Curve::LrrMaskFlippedWarmupInit,
            Curve::LrrMaskFlippedWarmupInitOneCycle,
        );
        both_ways(grower, cyclic, one_cycle, density, flipped);
    })
}

/// `|θ_random| · sign(θ_warm-up)` under a mask.
fn warm_up_signs(grower: &mut Grower<'_>, mask: &StateRef, flipped: bool) -> StateRef {
    let (warm_up, other) = (grower.warm_up(), grower.random_init());
    let flip = flipped.then_some(grower.setup.flip_fraction);
    grower.combine_signs(mask.clone(), other, Some(warm_up), flip)
}

fn both_ways(grower: &mut Grower<'_>, cyclic: Curve, one_cycle: Curve, density: Density, start: StateRef) {
    let cycles = grower.all_cycles(start.clone());
    grower.show_last(cyclic, density, &cycles);
    let states = grower.one_cycle(start, grower.setup.cycle_epochs, grower.setup.cycles);
    grower.show_last(one_cycle, density, &states);
}
