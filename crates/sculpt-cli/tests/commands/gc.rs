//! What of a store may go: nodes described, none of them run.

use crate::*;
use sculpt_experiments::{
    DataFolder, Init, Node, NodeId, Overrides, Preset, PresetName, Recipe, Store, Suite, Version,
    read_user_recipe,
};
use sculpt_models::InitRule;
use sculpt_report::{Artefact, Name};
use sculpt_store::paths;
use std::fs;

/// What a suite set aside by `verify --repair` needs is not known, and is not garbage.
#[test]
fn a_suite_that_was_set_aside_stops_all() {
    let example = example();
    let runs = example.store.runs();
    let suite = paths::suites_folder(runs).join("demo.json");
    fs::write(&suite, "{").unwrap();
    assert_eq!(
        sculpt(&example.folder, "verify runs --repair").status.code(),
        Some(1)
    );
    assert!(!suite.exists());
    refused(
        &example.folder,
        "gc --delete",
        1,
        &["\"demo\"", "run its `reproduce` again"],
    );
    assert!(example.store.node(&example.needed).is_some());
}

const RECIPE: &str = r#"
threads = 1

[[node]]
name = "init"
kind = "init"
model = { name = "resnet8", classes = 10, width = 2 }
rule = "kaiming-normal-fan-in"
seed = 7
draw = 0
"#;

/// A store with three nodes: one of figure 5 of the suite `demo`, one of a recipe of the user's, one of nobody's.
struct Example {
    folder: Folder,
    store: Store,
    needed: NodeId,
    own: NodeId,
    nobodys: NodeId,
}

fn example() -> Example {
    let folder = Folder::new();
    let store = Store::new(folder.join("runs"));
    let preset = Preset::new(PresetName::Demo, Overrides::default(), &DataFolder::default()).unwrap();
    let figure = Artefact::find(Name::Figure(5)).unwrap();
    let mut needs = figure.needs(&preset).unwrap().recipe();
    needs.set_threads(1);
    let (needed, entry) = needs.iter().next().unwrap();
    store.describe(needed, entry).unwrap();
    let suite = Suite {
        name: "demo".to_owned(),
        title: "Demo".to_owned(),
        preset,
        artefacts: ["figure 5".to_owned()].into(),
        environment: None,
    };
    suite.save(&store).unwrap();
    fs::write(folder.join("mine.toml"), RECIPE).unwrap();
    let user = read_user_recipe(&folder.join("mine.toml"), &DataFolder::default()).unwrap();
    let mut recipe = Recipe::default();
    let init = Init {
        v: Version,
        model: tiny(),
        rule: InitRule::KaimingNormalFanIn,
        seed: 8,
        draw: 0,
    };
    let nobodys = recipe.add(Node::Init(init), 1).id;
    recipe.merge(user.recipe);
    for (id, entry) in recipe.iter() {
        store.describe(id, entry).unwrap();
    }
    Example {
        own: user.states[0].state.id.clone(),
        needed: needed.clone(),
        folder,
        store,
        nobodys,
    }
}

/// Ids under `list` of what `gc` says.
#[track_caller]
fn listed(example: &Example, flags: &str, list: &str) -> Vec<String> {
    let said = json(&example.folder, &format!("gc {flags}"));
    let id = |item: &serde_json::Value| item["id"].as_str().or(item.as_str()).unwrap().to_owned();
    said[list].as_array().unwrap().iter().map(id).collect()
}

#[test]
fn only_what_nothing_needs_is_listed_and_only_that_deleted() {
    let example = example();
    let Example {
        folder,
        store,
        needed,
        own,
        nobodys,
    } = &example;
    let mut unknown = vec![own.to_string(), nobodys.to_string()];
    unknown.sort();
    assert_eq!(listed(&example, "", "nodes"), unknown);
    assert_eq!(
        listed(&example, "--keep mine.toml", "nodes"),
        [nobodys.to_string()]
    );
    let output = sculpt(folder, "gc");
    assert!(text(&output.stderr).contains("--keep names the recipes"));
    assert_eq!(text(&output.stdout).lines().count(), 2);
    assert_eq!(store.ids().unwrap().len(), 3, "nothing is deleted unasked");

    let before = json(folder, "gc --keep mine.toml");
    let after = json(folder, "gc --keep mine.toml --delete");
    assert_eq!(
        (&before["nodes"], &before["bytes"]),
        (&after["nodes"], &after["bytes"])
    );
    assert_eq!(
        (&before["deleted"], &after["deleted"]),
        (&false.into(), &true.into())
    );
    let mut left = vec![own.clone(), needed.clone()];
    left.sort();
    assert_eq!(store.ids().unwrap(), left);
    assert_eq!(listed(&example, "--keep mine.toml --delete", "nodes"), [""; 0]);
}

#[test]
fn a_saved_position_is_stale_once_its_node_is_done() {
    let example = example();
    let node = example.store.node_folder(&example.needed);
    fs::create_dir_all(paths::progress_folder(&node)).unwrap();
    fs::write(paths::progress_state(&node), [0; 100]).unwrap();
    assert_eq!(listed(&example, "", "progress"), [""; 0]);
    let last = example.store.node_file(&example.needed).unwrap();
    for epoch in last.environment.keep {
        fs::write(paths::checkpoint_at(&node, epoch), "").unwrap();
    }
    fs::write(paths::older_checkpoint(&node), "").unwrap();
    assert_eq!(listed(&example, "", "progress"), [example.needed.to_string()]);
    json(&example.folder, "gc --delete");
    assert!(!paths::progress_folder(&node).exists() && paths::older_checkpoint(&node).exists());
}

#[test]
fn nothing_is_deleted_while_something_runs() {
    let example = example();
    let lock = example.store.lock(&example.nobodys).unwrap();
    assert_eq!(listed(&example, "", "nodes"), [example.own.to_string()]);
    assert_eq!(listed(&example, "", "running"), [example.nobodys.to_string()]);
    refused(
        &example.folder,
        "gc --delete",
        1,
        &[example.nobodys.short(), "is running"],
    );
    assert_eq!(example.store.ids().unwrap().len(), 3);
    drop(lock);
    json(&example.folder, "gc --delete");
    let left = example.store.ids().unwrap();
    assert_eq!(left.iter().collect::<Vec<_>>(), [&example.needed]);
}

#[test]
fn nothing_is_deleted_between_the_jobs_of_a_recipe() {
    let example = example();
    let recipe = example.store.share().unwrap();
    refused(
        &example.folder,
        "gc --delete",
        1,
        &["a recipe, a node or another `gc` is at work"],
    );
    assert_eq!(example.store.ids().unwrap().len(), 3);
    drop(recipe);
    let stray = example
        .store
        .node_folder(&example.needed)
        .join(".done.json.7-0.tmp");
    fs::write(&stray, "x").unwrap();
    assert_eq!(json(&example.folder, "gc --delete")["strays"][0]["bytes"], 1);
    assert!(!stray.exists() && example.store.ids().unwrap().len() == 1);
}

#[test]
fn what_cannot_be_read_stops_all() {
    let example = example();
    let suites = paths::suites_folder(example.store.runs());
    refused(&example.folder, "gc --delete --keep no.toml", 1, &["no.toml"]);
    let mut suite = Suite::in_store(&example.store, "demo").unwrap().unwrap();
    fs::write(suites.join("bad.json"), "{").unwrap();
    refused(&example.folder, "gc --delete", 1, &["bad.json"]);
    suite.name = "bad".to_owned();
    suite.artefacts = ["figure 99".to_owned()].into();
    // What cannot be read is not written over.
    let error = suite.save(&example.store).unwrap_err().to_string();
    assert!(
        error.contains("bad.json") && error.contains("move it away"),
        "{error}"
    );
    fs::remove_file(suites.join("bad.json")).unwrap();
    suite.save(&example.store).unwrap();
    refused(&example.folder, "gc --delete", 1, &["figure 99"]);
    assert_eq!(example.store.ids().unwrap().len(), 3);
    let empty = json(&Folder::new(), "gc --delete");
    assert_eq!(
        (&empty["nodes"], &empty["bytes"]),
        (&serde_json::json!([]), &0.into())
    );
}
