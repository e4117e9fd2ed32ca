//! What the recipes of all artefacts have in common, and what they cost.

use crate::{programme, shows};
use sculpt_experiments::{
    DataFolder, Labels, Manifest, Method, Node, NodeId, Overrides, PanelName, Point, Preset, PresetName,
    Recipe, Setup, Show, StateRef, Suite, grow, methods,
};
use std::collections::BTreeSet;
use std::path::Path;

/// What panel (a) is asked for, and on which labels.
fn of_panel_a() -> Vec<(&'static [Show], Labels)> {
    let clean = [
        shows::ALLOCATIONS,
        shows::BASINS,
        shows::COUPLING,
        shows::CYCLE_BY_CYCLE,
        shows::ITERATIVE_AGAINST_DENSE,
        shows::JUMPS,
        shows::LEVELS,
        shows::LONG_RUNS,
        shows::PEAKS,
        shows::PRUNED_AT_INITIALISATION,
        shows::PRUNING_CRITERIA,
        shows::RANDOM_MASKS,
        shows::SCHEDULES_AT_EQUAL_EPOCHS,
        shows::SCULPTING,
        shows::SIGN_OVERLAP,
        shows::SIGNS_SUFFICE,
        shows::SIGN_RECOVERY,
    ];
    let clean = clean.into_iter().map(|shows| (shows, Labels::Clean));
    clean.chain([(shows::NOISY_LABELS, Labels::Noisy)]).collect()
}

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
    for (shows, labels) in of_panel_a() {
        let mut recipe = Recipe::default();
        let points = grow(&mut recipe, &setup, shows, labels);
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
/// masks 24: 385, where artefact by artefact would be 732.
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
    for (shows, labels) in of_panel_a() {
        let mut own = Recipe::default();
        grow(&mut own, &setup, shows, labels);
        apart += cycles(&own);
        grow(&mut all, &setup, shows, labels);
    }
    let mut figure_5 = Recipe::default();
    grow(&mut figure_5, &setup, shows::COUPLING, Labels::Clean);
    assert_eq!(cycles(&figure_5), 126);
    assert_eq!((cycles(&all), apart), (385, 732));
    let preset = Preset::new(PresetName::Demo, Overrides::default(), &DataFolder::default()).unwrap();
    assert_eq!(cycles(&programme(&preset).unwrap()), 1083 + 243 + 138 + 22);
}

/// A.1: 13 cycles of 150 epochs, of which the first 8 are those of figure 8, and one-cycle over 2,000, with the one over 1,200 as it was.
#[test]
fn signs_are_compared_over_2000_epochs_too() {
    let overrides = Overrides {
        seeds: Some(1),
        ..Overrides::default()
    };
    let setup = setup(PresetName::Paper, overrides);
    let mut recipe = Recipe::default();
    let points = grow(&mut recipe, &setup, shows::SIGN_OVERLAP, Labels::Clean);
    let of = |method: &Method| -> Vec<_> {
        let shown = points.iter().filter(|point| point.method == method);
        shown
            .map(|point| {
                (
                    point.cycle,
                    point.state.epoch,
                    recipe.epochs_trained(&point.state),
                )
            })
            .collect()
    };
    let from = 13 * 150;
    assert_eq!(of(&methods::LRR), [(1, 150, from)]);
    // The weights are a second initialisation's.
    assert_eq!(
        of(&methods::LRR_MASK_WARMUP_SIGNS),
        [(8, 150, 1200), (13, 150, 1950)]
    );
    assert_eq!(
        of(&methods::LRR_MASK_WARMUP_SIGNS_ONE_CYCLE),
        [(8, 1200, 1200), (13, 2000, 2000)]
    );
    let eight = shows::SIGNS_SUFFICE;
    let n = recipe.len();
    grow(&mut recipe, &setup, &eight[1..], Labels::Clean);
    let further = recipe.iter().skip(n);
    let at_93 = further.filter(|(_, entry)| entry.density == setup.sparse_93.get());
    let signs =
        at_93.filter(|(_, entry)| matches!(&entry.node, Node::Combine(node) if node.signs_from.is_some()));
    assert_eq!(signs.count(), 0);
}

/// Labels are noisy in figure 9 (b) alone, and there in every cycle with the same seed.
#[test]
fn noise_is_in_all_cycles_or_none() {
    let setup = setup(PresetName::Demo, Overrides::default());
    let noises = |shows, labels| {
        let mut recipe = Recipe::default();
        grow(&mut recipe, &setup, shows, labels);
        let trained = recipe.iter().filter_map(|(_, entry)| match &entry.node {
            Node::Train(train) => Some((train.seed, train.label_noise.map(|noise| noise.seed))),
            _ => None,
        });
        trained.collect::<BTreeSet<_>>()
    };
    assert_eq!(
        noises(shows::NOISY_LABELS, Labels::Noisy),
        BTreeSet::from([1, 2, 3].map(|seed| (seed, Some(seed))))
    );
    assert_eq!(
        noises(shows::SCULPTING, Labels::Clean),
        BTreeSet::from([1, 2, 3].map(|seed| (seed, None)))
    );
}

/// SCULPT ends after a cycle more than its mask was trained for, at every density below its start: below 0.8 there are
/// 5 levels, below 0.5 4, below 0.3 3.
#[test]
fn sculpt_prunes_once() {
    let overrides = Overrides {
        seeds: Some(1),
        ..Overrides::default()
    };
    let setup = setup(PresetName::Demo, overrides);
    let points = grow(&mut Recipe::default(), &setup, shows::SCULPTING, Labels::Clean);
    let sculpts = [&methods::SCULPT_20, &methods::SCULPT_50, &methods::SCULPT_70];
    for (place, n) in [(0, 5), (1, 4), (2, 3)] {
        let of: Vec<_> = points.iter().filter(|p| p.method == sculpts[place]).collect();
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
    for (shows, labels) in of_panel_a() {
        assert!(!grow(&mut Recipe::default(), &setup, shows, labels).is_empty());
    }
}

fn demo() -> (Recipe, Vec<Point>) {
    let preset = Preset::new(PresetName::Demo, Overrides::default(), &DataFolder::default()).unwrap();
    let mut recipe = Recipe::default();
    let points = grow(
        &mut recipe,
        &preset.panel(PanelName::A).unwrap(),
        shows::COUPLING,
        Labels::Clean,
    );
    (recipe, points)
}

fn at<'a>(points: &'a [Point], method: &Method, level: u32) -> &'a StateRef {
    &points
        .iter()
        .find(|p| p.seed == 1 && p.method == method && p.level == level)
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
        (&methods::LRR, &methods::LRR_MASK_LRR_INIT),
        (&methods::WR, &methods::WR_MASK_WARMUP_INIT),
    ];
    for (one, all) in pairs {
        let (first, whole) = (at(&points, one, 3), at(&points, all, 3));
        assert!(recipe.ancestors(whole).contains_key(&first.id));
        assert_eq!(cycles_back(&recipe, first), (1, cycles_back(&recipe, whole).1));
        assert_eq!(cycles_back(&recipe, whole).0, 4);
    }
}

/// IMP's and the warm-up's chains count their epochs from the weights they go on from: IMP from 0 at every level, the
/// warm-up's from 1; LRR's level 3 is its fourth cycle of 8 epochs.
#[test]
fn epochs_are_counted_along_the_weights() {
    let (recipe, points) = demo();
    let epochs = |method, level| recipe.epochs_trained(at(&points, method, level));
    assert_eq!(epochs(&methods::IMP, 3), 8);
    assert_eq!(epochs(&methods::LRR_MASK_WARMUP_INIT, 3), 1 + 4 * 8);
    assert_eq!(epochs(&methods::LRR_MASK_RANDOM_INIT, 3), 4 * 8);
    assert_eq!(epochs(&methods::LRR, 3), 4 * 8);
    assert_eq!(epochs(&methods::RANDOM_CYCLIC, 0), 4 * 8);
}

/// The dense level's warm-up is kept, and the masks of a level have its density.
#[test]
fn states_asked_for_are_kept() {
    let (recipe, points) = demo();
    let dense = recipe.get(&at(&points, &methods::LRR, 0).id).unwrap();
    assert_eq!(dense.keep.iter().copied().collect::<Vec<_>>(), [1, 8]);
    for point in &points {
        assert_eq!(recipe.get(&point.state.id).unwrap().density, point.density.get());
    }
}

/// Random init is another draw than the run's own.
#[test]
fn random_init_is_its_own_draw() {
    let (recipe, points) = demo();
    let (_, start) = cycles_back(&recipe, at(&points, &methods::LRR_MASK_RANDOM_INIT, 1));
    let Node::Combine(combine) = &recipe.get(&start).unwrap().node else {
        panic!("a Combine node")
    };
    let Node::Init(init) = &recipe.get(&combine.weights_from.id).unwrap().node else {
        panic!("an Init node")
    };
    assert_eq!((init.seed, init.draw), (1, 1));
}

/// The suite `cifar10-first` was published under a title that is no registry's key: its preset still makes the ids of its
/// manifest.
#[test]
fn a_suite_that_was_hashed_under_a_title_has_its_recipe() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/published/cifar10-first");
    let suite = Suite::in_folder(&folder).unwrap().unwrap();
    let recipe = programme(&suite.preset).unwrap();
    let manifest = Manifest::read(&folder).unwrap();
    assert!(!manifest.checkpoints().is_empty());
    for entry in manifest.checkpoints() {
        assert!(recipe.get(&entry.id).is_some(), "{}", entry.id);
    }
}
