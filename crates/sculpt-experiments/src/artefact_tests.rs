//! What the recipes of all artefacts have in common, and what they cost.

use crate::{
    Curve, DataFolder, Node, Overrides, PanelName, Point, Preset, PresetName, Recipe, Setup, allocations,
    basins, coupling, cycle_by_cycle, iterative_against_dense, jumps, levels, long_runs, noisy_labels,
    programme, pruned_at_initialisation, pruning_criteria, random_masks, schedules_at_equal_epochs,
    sculpting, sign_overlap, sign_recovery, signs_suffice,
};
use std::collections::BTreeSet;

type Grow = fn(&mut Recipe, &Setup) -> Vec<Point>;

const OF_PANEL_A: [Grow; 16] = [
    allocations,
    basins,
    coupling,
    cycle_by_cycle,
    iterative_against_dense,
    jumps,
    levels,
    long_runs,
    noisy_labels,
    pruned_at_initialisation,
    pruning_criteria,
    random_masks,
    schedules_at_equal_epochs,
    sculpting,
    sign_overlap,
    signs_suffice,
];

fn setup(name: PresetName, overrides: Overrides) -> Setup {
    let preset = Preset::new(name, overrides, &DataFolder::default()).unwrap();
    preset.panel(PanelName::A).unwrap()
}

/// Every state shown is kept, has the density that it is shown at, and has its curve's data noise or none.
#[test]
fn what_is_shown_is_kept() {
    let overrides = Overrides {
        seeds: Some(1),
        ..Overrides::default()
    };
    let setup = setup(PresetName::Demo, overrides);
    for grow in OF_PANEL_A.into_iter().chain([sign_recovery as Grow]) {
        let mut recipe = Recipe::default();
        let points = grow(&mut recipe, &setup);
        assert!(!points.is_empty());
        for point in points {
            let entry = recipe.get(&point.state.id).unwrap();
            assert!(entry.keep.contains(&point.state.epoch), "{point:?}");
            assert_eq!(entry.density, point.density.get(), "{point:?}");
            assert!((1..=7).contains(&point.cycle) && point.level <= 6, "{point:?}");
        }
    }
}

/// Cycles' worth of epochs of panel (a) of the demo, per seed. Figure 5: 126 (126 · 8 · 3 = 3,024 epochs). Those further
/// ones of figure 2 (a) 3 and (d) 16, figure 4 48, 7 12, 8 (a) 24, 9 (a) 18 and (b) 34, 10 72, the table of A.1 8, and ERK
/// masks 24: 385, where figure by figure would be 717.
///
/// All panels: (a) 3 · (385 − 24) = 1,083, (b) 3 · (4 + 4 + 48 + 5) + 60 for coupling = 243, (c) 61 + 60 + 1 dense + 16 ERK =
/// 138, ResNet-50 2 · 11 (LRR 5, the mask of 50 % 4, two densities below it).
#[test]
fn artefacts_share_their_beginnings() {
    let overrides = Overrides {
        seeds: Some(1),
        ..Overrides::default()
    };
    let setup = setup(PresetName::Demo, overrides);
    let cycles = |recipe: &Recipe| {
        recipe
            .iter()
            .map(|(_, entry)| entry.node.last_epoch())
            .sum::<u32>()
            / 8
    };
    let (mut all, mut apart) = (Recipe::default(), 0);
    for grow in OF_PANEL_A.into_iter().chain([sign_recovery as Grow]) {
        let mut own = Recipe::default();
        grow(&mut own, &setup);
        apart += cycles(&own);
        grow(&mut all, &setup);
    }
    let mut figure_5 = Recipe::default();
    coupling(&mut figure_5, &setup);
    assert_eq!(cycles(&figure_5), 126);
    assert_eq!((cycles(&all), apart), (385, 717));
    let preset = Preset::new(PresetName::Demo, Overrides::default(), &DataFolder::default()).unwrap();
    assert_eq!(cycles(&programme(&preset).unwrap()), 1083 + 243 + 138 + 22);
}

/// Labels are noisy in figure 9 (b) alone, and there in every cycle with the same seed.
#[test]
fn noise_is_in_all_cycles_or_none() {
    let setup = setup(PresetName::Demo, Overrides::default());
    let noises = |grow: Grow| {
        let mut recipe = Recipe::default();
        grow(&mut recipe, &setup);
        let trained = recipe.iter().filter_map(|(_, entry)| match &entry.node {
            Node::Train(train) => Some((train.seed, train.label_noise.map(|noise| noise.seed))),
            Node::Init(_) | Node::Prune(_) | Node::Combine(_) => None,
        });
        trained.collect::<BTreeSet<_>>()
    };
    assert_eq!(
        noises(noisy_labels),
        BTreeSet::from([1, 2, 3].map(|seed| (seed, Some(seed))))
    );
    assert_eq!(
        noises(sculpting),
        BTreeSet::from([1, 2, 3].map(|seed| (seed, None)))
    );
}

/// SCULPT ends after one cycle more than its mask was trained for, at every density below its start: below 0.8 there are
/// 5 levels, below 0.5 4, below 0.3 3.
#[test]
fn sculpt_prunes_once() {
    let overrides = Overrides {
        seeds: Some(1),
        ..Overrides::default()
    };
    let setup = setup(PresetName::Demo, overrides);
    let points = sculpting(&mut Recipe::default(), &setup);
    for (place, n) in [(0, 5), (1, 4), (2, 3)] {
        let of: Vec<_> = points
            .iter()
            .filter(|p| p.curve == Curve::Sculpt(place))
            .collect();
        assert_eq!(of.len(), n);
        assert!(
            of.iter()
                .all(|p| p.cycle == setup.cycles + 1 && p.density < setup.sculpt_starts[place])
        );
    }
}

/// Other densities keep every artefact possible: the named sparsities are the nearest levels.
#[test]
fn few_densities_are_enough() {
    let densities = Some(
        [0.2, 0.05]
            .map(|d| sculpt_masks::Density::new(d).unwrap())
            .to_vec(),
    );
    let setup = setup(
        PresetName::Short,
        Overrides {
            densities,
            seeds: Some(1),
            ..Overrides::default()
        },
    );
    let named = [setup.sparse_67, setup.sparse_90, setup.sparse_93].map(|d| d.get());
    // 0.33 / 0.2 = 1.6; 0.2 / 0.107 = 1.9 against 0.107 / 0.05 = 2.1; 0.069 / 0.05 = 1.4.
    assert_eq!(named, [0.2, 0.2, 0.05]);
    for grow in OF_PANEL_A.into_iter().chain([sign_recovery as Grow]) {
        assert!(!grow(&mut Recipe::default(), &setup).is_empty());
    }
}
