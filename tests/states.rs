use crate::runs::{Made, checkpoints, run, small};
use sculpt_checkpoints::write_checkpoint;
use sculpt_experiments::{
    DataFolder, Done, Ended, Entry, ExperimentError, Node, NodeId, Progress, Recipe, Runner, StateRef, Store,
    check_progress,
};
use sculpt_store::{paths, sealed};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use tch::Device;

/// A network drawn, trained for two epochs (`first`) and again from there (`second`).
pub(crate) struct Pair {
    pub(crate) recipe: Recipe,
    pub(crate) first: StateRef,
    pub(crate) second: StateRef,
}

pub(crate) fn pair() -> Pair {
    let all = small();
    let is_train = |entry: &Entry| matches!(entry.node, Node::Train(_));
    let (first, _) = all.iter().find(|(_, entry)| is_train(entry)).unwrap();
    let child = |entry: &Entry| entry.node.parents().iter().any(|parent| parent.id == *first);
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
        if all.ancestors(&second).contains_key(id) {
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

pub(crate) fn run_node(store: &Store, id: &NodeId) -> (Result<Ended, ExperimentError>, Vec<String>) {
    let (data, stop) = (DataFolder::default(), AtomicBool::new(false));
    let mut report = |_| {};
    let mut runner = Runner::new(store, &data, Device::Cpu, &stop, &mut report);
    let ended = runner.run(id);
    (ended, runner.take_warnings())
}

/// Describes the first node of a pair with one more epoch to keep.
pub(crate) fn ask_for_epoch_1(pair: &mut Pair, store: &Store, threads: u32) {
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
fn consistent(pair: &Pair, store: &Store, before: &[Made]) {
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
    write_checkpoint(&paths::checkpoint_at(&node, 2), &layout, &state, &meta).unwrap();
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

    let again = pair.recipe.to_be_made_again(&store).unwrap();
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
    write_checkpoint(&paths::checkpoint_at(&node, 2), &layout, &state, &meta).unwrap();
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

/// A finished node whose marker is gone is made again, to the bits that its children read, or not at all.
#[test]
fn a_lost_parent_comes_back_with_the_bits_that_were_read() {
    let folder = tempfile::tempdir().unwrap();
    let pair = pair();
    let store = Store::new(folder.path());
    run(&pair.recipe, store.runs(), None);
    let before = checkpoints(&pair.recipe, store.runs());
    let node = store.node_folder(&pair.first.id);
    fs::remove_file(paths::done(&node)).unwrap();
    assert!(matches!(run_node(&store, &pair.first.id).0, Ok(Ended::Done)));
    consistent(&pair, &store, &before);

    // The child read what no machine here makes.
    let child = paths::done(&store.node_folder(&pair.second.id));
    let mut done = Done::read(child.parent().unwrap()).unwrap().unwrap();
    done.parents[0].sha256 = "0".repeat(64);
    fs::write(&child, sealed::seal(&done).unwrap()).unwrap();
    fs::remove_file(paths::done(&node)).unwrap();
    let refused = run_node(&store, &pair.first.id).0.unwrap_err().to_string();
    for word in [
        pair.first.id.as_str(),
        pair.second.id.as_str(),
        "epoch 2",
        "--again",
    ] {
        assert!(refused.contains(word), "{refused}");
    }
    assert!(!store.has(&pair.first));
    let again = pair.recipe.to_be_made_again(&store).unwrap();
    assert_eq!(again, [pair.first.id.clone()].into());
    let followers = store.followers(&again).unwrap();
    assert_eq!(followers, std::slice::from_ref(&pair.second.id));
    store.forget(&followers).unwrap();
    for state in [&pair.first, &pair.second] {
        assert!(matches!(run_node(&store, &state.id).0, Ok(Ended::Done)));
    }
    consistent(&pair, &store, &before);
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
        let mut report = |progress: Progress| {
            stop.store(progress.steps_done >= 2, Ordering::Relaxed);
        };
        let ended = Runner::new(&store, &data, Device::Cpu, &stop, &mut report).run(&pair.first.id);
        assert!(matches!(ended, Ok(Ended::Stopped)), "{ended:?}");
        let mut bytes = fs::read(&progress).unwrap();
        let place = place.min(bytes.len() - 1);
        bytes[place] ^= 4;
        fs::write(&progress, bytes).unwrap();
        assert!(check_progress(&progress).is_err(), "byte {place}");
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
