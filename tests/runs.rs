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
fn small() -> Recipe {
    let overrides = Overrides {
        cycle_epochs: Some(2),
        cycles: Some(2),
        densities: Some(vec![Density::new(0.2).unwrap()]),
        seeds: Some(1),
        train_images: Some(192),
    };
    let preset = Preset::new(PresetName::Demo, overrides, &DataFolder::default()).unwrap();
    let needs = Artefact::find(Name::Figure(5)).unwrap().needs(&preset).unwrap();
    let needs = needs.only(|panel| panel == PanelName::A);
    let n_points = needs.panels[0].points.len();
    assert_eq!(n_points, 12, "8 curves at density 0.2, 4 of them dense too");
    needs.recipe()
}

/// Runs a recipe in order; `interrupt` stops each Train node after so many steps, once.
fn run(recipe: &Recipe, runs: &Path, interrupt: Option<u64>) {
    let store = Store::new(runs);
    let data = DataFolder::default();
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
            let ended = Runner::new(&store, &data, Device::Cpu, &stop, &mut report)
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

/// A node, the bytes of its last state, and those of its metrics.
type Files = (NodeId, Vec<u8>, Option<Vec<u8>>);

fn checkpoints(recipe: &Recipe, runs: &Path) -> Vec<Files> {
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
        let (_, end) = read.names.iter().find(|(n, _)| n == name).unwrap();
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
    assert!(error.to_string().contains("another process"), "{error}");
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
    for name in [PresetName::Paper, PresetName::Short, PresetName::Demo] {
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

/// A network drawn, trained for two epochs (`first`) and again from there (`second`).
struct Pair {
    recipe: Recipe,
    first: StateRef,
    second: StateRef,
}

fn pair() -> Pair {
    let all = small();
    let is_train = |entry: &sculpt_experiments::Entry| matches!(entry.node, Node::Train(_));
    let (first, _) = all.iter().find(|(_, entry)| is_train(entry)).unwrap();
    let child =
        |entry: &sculpt_experiments::Entry| entry.node.parents().iter().any(|parent| parent.id == *first);
    let (second, _) = all
        .iter()
        .find(|(_, entry)| is_train(entry) && child(entry))
        .unwrap();
    let end = |id: &NodeId| StateRef {
        id: id.clone(),
        epoch: 2,
    };
    let (first, second) = (end(first), end(second));
    let mut recipe = Recipe::default();
    for (id, entry) in all.iter() {
        if all.ancestors(&second).contains(id) {
            recipe.add(entry.node.clone(), 1);
        }
    }
    assert_eq!(recipe.len(), 3);
    Pair {
        recipe,
        first,
        second,
    }
}

fn run_node(store: &Store, id: &NodeId) -> (Result<Ended, sculpt_experiments::ExperimentError>, Vec<String>) {
    let (data, stop) = (DataFolder::default(), AtomicBool::new(false));
    let mut report = |_| {};
    let mut runner = Runner::new(store, &data, Device::Cpu, &stop, &mut report);
    let ended = runner.run(id);
    (ended, runner.take_warnings())
}

/// Describes the first node of a pair with one more epoch to keep.
fn ask_for_epoch_1(pair: &mut Pair, store: &Store, threads: u32) {
    let asked = StateRef {
        epoch: 1,
        ..pair.first.clone()
    };
    pair.recipe.keep(&asked).unwrap();
    pair.recipe.set_threads(threads);
    store
        .describe(&pair.first.id, pair.recipe.get(&pair.first.id).unwrap())
        .unwrap();
}

/// As older versions left a node: the last state under a name of its own, no marker, no hash of anything.
fn make_older(store: &Store, state: &StateRef) {
    let node = store.node_folder(&state.id);
    fs::rename(
        paths::checkpoint_at(&node, state.epoch),
        paths::older_checkpoint(&node),
    )
    .unwrap();
    fs::remove_file(paths::done(&node)).unwrap();
    let _ = fs::remove_file(paths::timing_sha256(&node));
    unseal(&paths::node_json(&node), |text| text);
}

fn unseal(path: &Path, change: impl FnOnce(String) -> String) {
    let text = fs::read_to_string(path).unwrap();
    let (before, _) = text.split_once(",\n  \"sha256\"").unwrap();
    fs::write(path, change(format!("{before}\n}}\n"))).unwrap();
}

/// Parent and child as they were, and the child made from the parent that is there.
#[track_caller]
fn consistent(pair: &Pair, store: &Store, before: &[Files]) {
    for ((id, state, _), (_, old, _)) in checkpoints(&pair.recipe, store.runs()).iter().zip(before) {
        assert!(state == old, "the state of {id} changed");
    }
    assert!(store.changed_parents(&pair.second.id).unwrap().is_empty());
    assert!(!paths::again_folder(&store.node_folder(&pair.first.id)).exists());
}

#[test]
fn one_more_epoch_of_a_finished_node_leaves_its_children_a_parent() {
    let folder = tempfile::tempdir().unwrap();
    for older in [false, true] {
        let mut pair = pair();
        let store = Store::new(folder.path().join(older.to_string()));
        run(&pair.recipe, store.runs(), None);
        let before = checkpoints(&pair.recipe, store.runs());
        if older {
            make_older(&store, &pair.first);
            assert!(store.is_done(&pair.first.id, pair.recipe.get(&pair.first.id).unwrap()));
        }
        // Made with one thread, asked for with two: it is made again with one.
        ask_for_epoch_1(&mut pair, &store, 2);
        let entry = pair.recipe.get(&pair.first.id).unwrap().clone();
        assert!(!store.is_done(&pair.first.id, &entry) && store.has(&pair.first));
        assert!(matches!(run_node(&store, &pair.first.id).0, Ok(Ended::Done)));
        assert!(store.is_done(&pair.first.id, &entry));
        let rows = store.metrics(&pair.first.id).unwrap();
        assert!(rows.iter().all(|row| row.test.is_some()));
        consistent(&pair, &store, &before);
        assert!(matches!(run_node(&store, &pair.second.id).0, Ok(Ended::WasDone)));
    }
}

/// The old state is that of a machine whose bits nobody here can make again.
#[test]
fn other_bits_are_refused_and_made_anew_only_with_all_that_follows() {
    let folder = tempfile::tempdir().unwrap();
    let mut pair = pair();
    let store = Store::new(folder.path());
    run(&pair.recipe, store.runs(), None);
    let node = store.node_folder(&pair.first.id);
    let layout = pair.recipe.iter().next().unwrap().1.model.layout();
    let (mut state, meta) = store.read_state(&pair.first, &layout).unwrap();
    state.buffers[0] += 1.0;
    sculpt_checkpoints::write_checkpoint(&paths::checkpoint_at(&node, 2), &layout, &state, &meta).unwrap();
    let damaged = store.load(&pair.first).unwrap_err().to_string();
    assert!(
        damaged.contains("SHA-256") && damaged.contains("--repair"),
        "{damaged}"
    );
    make_older(&store, &pair.first);
    store.forget(std::slice::from_ref(&pair.second.id)).unwrap();
    assert!(matches!(run_node(&store, &pair.second.id).0, Ok(Ended::Done)));
    let before = checkpoints(&pair.recipe, store.runs());

    ask_for_epoch_1(&mut pair, &store, 1);
    let refused = run_node(&store, &pair.first.id).0.unwrap_err().to_string();
    for word in [pair.first.id.as_str(), "epoch 2", "--again"] {
        assert!(refused.contains(word), "{refused}");
    }
    consistent(&pair, &store, &before);

    let again = pair.recipe.to_be_made_again(&store);
    assert_eq!(again, [pair.first.id.clone()].into());
    assert_eq!(store.followers(&again).unwrap(), [pair.second.id.clone()]);
    store
        .forget(&[pair.first.id.clone(), pair.second.id.clone()])
        .unwrap();
    for state in [&pair.first, &pair.second] {
        assert!(!store.has(state));
        assert!(matches!(run_node(&store, &state.id).0, Ok(Ended::Done)));
    }
    let now = checkpoints(&pair.recipe, store.runs());
    assert!(now[1].1 != before[1].1 && now[2].1 != before[2].1);
    consistent(&pair, &store, &now);
}

/// A child that was made from a parent which is another one now is told, and not remade from that in silence.
#[test]
fn a_changed_parent_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let pair = pair();
    let store = Store::new(folder.path());
    run(&pair.recipe, store.runs(), None);
    let node = store.node_folder(&pair.first.id);
    let layout = pair.recipe.iter().next().unwrap().1.model.layout();
    let (mut state, meta) = store.read_state(&pair.first, &layout).unwrap();
    state.buffers[0] += 1.0;
    sculpt_checkpoints::write_checkpoint(&paths::checkpoint_at(&node, 2), &layout, &state, &meta).unwrap();
    make_older(&store, &pair.first);
    let changed = store.changed_parents(&pair.second.id).unwrap();
    assert_eq!(changed[0].address(), pair.first);
    fs::remove_file(paths::checkpoint_at(&store.node_folder(&pair.second.id), 2)).unwrap();
    let error = run_node(&store, &pair.second.id).0.unwrap_err().to_string();
    assert!(
        error.contains(pair.first.id.as_str()) && error.contains("--again"),
        "{error}"
    );
}

#[test]
fn a_store_of_the_older_form_stays_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let pair = pair();
    let store = Store::new(folder.path());
    run(&pair.recipe, store.runs(), None);
    let before = checkpoints(&pair.recipe, store.runs());
    for (id, entry) in pair.recipe.iter() {
        let epoch = entry.node.last_epoch();
        make_older(
            &store,
            &StateRef {
                id: id.clone(),
                epoch,
            },
        );
    }
    for (id, entry) in pair.recipe.iter() {
        assert!(store.is_done(id, entry));
        assert!(matches!(run_node(&store, id).0, Ok(Ended::WasDone)));
    }
    store.forget(std::slice::from_ref(&pair.second.id)).unwrap();
    assert!(matches!(run_node(&store, &pair.second.id).0, Ok(Ended::Done)));
    consistent(&pair, &store, &before);
}

/// Stopped, a byte of what was saved changed, started again: the same bits, and a word about it.
#[test]
fn damaged_progress_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let pair = pair();
    let (whole, store) = (folder.path().join("whole"), Store::new(folder.path().join("cut")));
    run(&pair.recipe, &whole, None);
    for (id, entry) in pair.recipe.iter() {
        store.describe(id, entry).unwrap();
    }
    let init = pair.recipe.iter().next().unwrap().0;
    assert!(matches!(run_node(&store, init).0, Ok(Ended::Done)));
    let progress = paths::progress_state(&store.node_folder(&pair.first.id));
    for place in [12, 700, 3000, usize::MAX] {
        let stop = AtomicBool::new(false);
        let data = DataFolder::default();
        let mut report = |progress: sculpt_experiments::Progress| {
            stop.store(progress.steps_done >= 2, Ordering::Relaxed);
        };
        let ended = Runner::new(&store, &data, Device::Cpu, &stop, &mut report).run(&pair.first.id);
        assert!(matches!(ended, Ok(Ended::Stopped)), "{ended:?}");
        let mut bytes = fs::read(&progress).unwrap();
        let place = place.min(bytes.len() - 1);
        bytes[place] ^= 4;
        fs::write(&progress, bytes).unwrap();
        assert!(
            sculpt_experiments::check_progress(&progress).is_err(),
            "byte {place}"
        );
    }
    let (ended, warnings) = run_node(&store, &pair.first.id);
    assert!(matches!(ended, Ok(Ended::Done)));
    assert!(warnings[0].contains("starts afresh"), "{warnings:?}");
    assert!(matches!(run_node(&store, &pair.second.id).0, Ok(Ended::Done)));
    assert_eq!(
        checkpoints(&pair.recipe, &whole),
        checkpoints(&pair.recipe, store.runs())
    );
    assert!(!paths::damaged_progress(&store.node_folder(&pair.first.id)).exists());
}
