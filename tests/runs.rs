use sculpt_experiments::{
    DataFolder, Ended, Node, NodeId, Overrides, PanelName, Preset, PresetName, Recipe, Runner, StateRef,
    Store, read_user_recipe,
};
use sculpt_masks::Density;
use sculpt_report::{Artefact, Name};
use sculpt_store::paths;
use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};
use tch::Device;

/// The demo's figure 5 with one level, two cycles of two epochs, one seed, 192 images: 9 cycles.
pub(crate) fn small() -> Recipe {
    let overrides = Overrides {
        cycle_epochs: Some(2),
        cycles: Some(2),
        densities: Some(vec![Density::new(0.2).unwrap()]),
        seeds: Some(1),
        train_images: Some(192),
        ..Overrides::default()
    };
    let preset = Preset::new(PresetName::Demo, overrides, &DataFolder::default()).unwrap();
    let needs = Artefact::find(Name::Figure(5)).unwrap().needs(&preset).unwrap();
    let needs = needs.only(|panel| panel == PanelName::A);
    let n_points = needs.panels[0].points.len();
    assert_eq!(n_points, 12, "8 curves at density 0.2, 4 of them dense too");
    needs.recipe()
}

/// Runs a recipe in order; `interrupt` stops each Train node after so many steps, once.
pub(crate) fn run(recipe: &Recipe, runs: &Path, interrupt: Option<u64>) {
    run_on(recipe, runs, &DataFolder::default(), interrupt);
}

/// The same on data of the user's.
pub(crate) fn run_on(recipe: &Recipe, runs: &Path, data: &DataFolder, interrupt: Option<u64>) {
    let store = Store::new(runs);
    for (id, entry) in recipe.iter() {
        store.describe(id, entry).unwrap();
        let mut left = interrupt;
        loop {
            let stop = AtomicBool::new(false);
            let steps = AtomicU64::new(0);
            let mut report = |_| {
                if left.is_some_and(|n| steps.fetch_add(1, Ordering::Relaxed) + 1 >= n) {
                    stop.store(true, Ordering::Relaxed);
                }
            };
            let ended = Runner::new(&store, data, Device::Cpu, &stop, &mut report)
                .run(id)
                .unwrap();
            match ended {
                Ended::Done => break,
                Ended::Stopped => left = None,
                Ended::WasDone => panic!("the store was empty"),
            }
        }
    }
}

/// A node, its last state and its metrics.
pub(crate) type Made = (NodeId, Vec<u8>, Option<Vec<u8>>);

pub(crate) fn checkpoints(recipe: &Recipe, runs: &Path) -> Vec<Made> {
    let store = Store::new(runs);
    let read = |(id, entry): (&NodeId, &sculpt_experiments::Entry)| {
        let end = StateRef {
            id: id.clone(),
            epoch: entry.node.last_epoch(),
        };
        let state = fs::read(store.place(&end).unwrap().path).unwrap();
        (
            id.clone(),
            state,
            fs::read(paths::metrics(&store.node_folder(id))).ok(),
        )
    };
    recipe.iter().map(read).collect()
}

#[test]
fn nodes_are_shared_resumed_and_equal_to_the_bit() {
    let recipe = small();
    let n_train = recipe
        .iter()
        .filter(|(_, e)| matches!(e.node, Node::Train(_)))
        .count();
    // Dense: 2 cycles. LRR, WR, IMP: one each. Second cycles of LRR's and WR's masks from their own weights; two
    // cycles each from the random initialisation and of the random mask. On the first level WR's mask is LRR's, so
    // "LRR mask + warm-up init" is the same nodes as "WR mask + warm-up init".
    assert_eq!(n_train, 2 + 3 + 2 + 2 * 2);
    let folder = tempfile::tempdir().unwrap();
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    run(&recipe, &whole, None);
    run(&recipe, &cut, Some(4));
    assert_eq!(checkpoints(&recipe, &whole), checkpoints(&recipe, &cut));
    // A second run finds everything there, and progress is gone.
    let store = Store::new(&whole);
    for (id, entry) in recipe.iter() {
        assert!(store.is_done(id, entry));
        assert!(!paths::progress_folder(&store.node_folder(id)).exists());
    }
}

/// A recipe of a user's with every criterion as the pruning step of a trained sparse network, and every field of
/// Combine: the committed example, with two epochs and 192 images.
#[test]
fn every_kind_of_node_runs() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/sculpt-experiments/recipes");
    let text = fs::read_to_string(examples.join("criteria.toml")).unwrap();
    let short = text
        .replace("epochs = 8", "epochs = 2")
        .replace("{ name = \"demo\" }", "{ name = \"demo\", train_images = 192 }");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recipe.toml");
    fs::write(&file, short).unwrap();
    let read = read_user_recipe(&file, &DataFolder::default()).unwrap();
    run(&read.recipe, &folder.path().join("runs"), None);
    let store = Store::new(folder.path().join("runs"));
    let state = |name: &str| {
        let named = read.states.iter().find(|named| named.title() == name).unwrap();
        let end = &named.state;
        let entry = read.recipe.get(&end.id).unwrap();
        let (state, _) = store.read_state(end, &entry.model.layout()).unwrap();
        state
    };
    let trained = state("sparse");
    let layout = read.recipe.iter().next().unwrap().1.model.layout();
    let n_kept = Density::new(0.1).unwrap().n_kept(layout.n_prunable()).unwrap();
    let mut masks = std::collections::BTreeSet::new();
    for step in [
        "magnitude",
        "random",
        "snip",
        "synflow",
        "grasp",
        "fisher",
        "wood-fisher",
    ] {
        let pruned = state(step);
        assert_eq!(pruned.mask.n_kept(), n_kept, "{step}");
        assert!(
            pruned.mask.is_subset_of(&trained.mask),
            "{step}: nothing comes back"
        );
        masks.insert(pruned.mask.sha256());
    }
    assert_eq!(masks.len(), 7);
    // Magnitudes of the other initialisation, signs of the trained weights, a fifth of them flipped.
    let (signs, other) = (state("signs"), state("other"));
    let weights = |theta: &[f32]| -> Vec<f32> {
        let mut joined = Vec::new();
        for param in layout.prunable() {
            joined.extend_from_slice(&theta[param.range()]);
        }
        joined
    };
    let (made, from, magnitudes) = (
        weights(&signs.theta),
        weights(&trained.theta),
        weights(&other.theta),
    );
    let kept: Vec<usize> = (0..made.len()).filter(|&i| signs.mask.get(i)).collect();
    let flipped = kept.iter().filter(|&&i| made[i] * from[i] < 0.0).count();
    assert_eq!(flipped, (kept.len() as f64 / 5.0).round() as usize);
    assert!(kept.iter().all(|&i| made[i].abs() == magnitudes[i].abs()));
    // γ, β, biases and buffers are the trained ones: norm_from.
    let norm = layout.params().iter().filter(|p| !p.is_prunable());
    assert!(
        norm.clone()
            .all(|p| signs.theta[p.range()] == trained.theta[p.range()])
    );
    assert_eq!(signs.buffers, trained.buffers);
    assert_ne!(state("noisy").theta, state("clean").theta);
}

#[test]
fn a_lock_keeps_a_second_process_off() {
    let recipe = small();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    let (id, entry) = recipe.iter().next().unwrap();
    store.describe(id, entry).unwrap();
    let _held = store.lock(id).unwrap();
    let (data, stop) = (DataFolder::default(), AtomicBool::new(false));
    let error = Runner::new(&store, &data, Device::Cpu, &stop, &mut |_| {})
        .run(id)
        .unwrap_err();
    let holder = format!("is being run by process {} on ", std::process::id());
    assert!(error.to_string().contains(&holder), "{error}");
}

#[test]
fn a_missing_parent_and_a_broken_one_are_named() {
    let recipe = small();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    let (data, stop) = (DataFolder::default(), AtomicBool::new(false));
    let mut nodes = recipe.iter();
    let (init, init_entry) = nodes.next().unwrap();
    let (train, train_entry) = nodes.find(|(_, e)| matches!(e.node, Node::Train(_))).unwrap();
    store.describe(train, train_entry).unwrap();
    let mut report = |_| {};
    let error = Runner::new(&store, &data, Device::Cpu, &stop, &mut report)
        .run(train)
        .unwrap_err();
    assert!(error.to_string().contains(init.as_str()), "{error}");
    store.describe(init, init_entry).unwrap();
    Runner::new(&store, &data, Device::Cpu, &stop, &mut report)
        .run(init)
        .unwrap();
    let path = paths::checkpoint_at(&store.node_folder(init), 0);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let error = Runner::new(&store, &data, Device::Cpu, &stop, &mut report)
        .run(train)
        .unwrap_err();
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
}

/// The committed list: ids of all nodes of all presets. When a change of meaning is meant, raise the kind's version and
/// write the list anew with `UPDATE_IDS=1 cargo test --release -p sculpt-tests`.
#[test]
fn ids_of_all_presets_are_the_committed_ones() {
    let mut ids = Vec::new();
    for name in [
        PresetName::Paper,
        PresetName::Short,
        PresetName::Quarter,
        PresetName::Demo,
    ] {
        let preset = Preset::new(name, Overrides::default(), &DataFolder::default()).unwrap();
        // The first 16 digits are enough to tell a change.
        ids.extend(
            sculpt_report::programme(&preset)
                .unwrap()
                .iter()
                .map(|(id, _)| id.as_str()[..16].to_owned()),
        );
    }
    ids.sort();
    ids.dedup();
    let text = ids.join("\n") + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/sculpt-experiments/ids.txt");
    if std::env::var_os("UPDATE_IDS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap();
    assert!(
        committed == text,
        "ids changed: {} now, {} committed",
        ids.len(),
        committed.lines().count()
    );
}
