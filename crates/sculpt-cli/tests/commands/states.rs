//! States by their address, from stores and published suites, and every byte of both.

use crate::store::Example;
use crate::verify::violations;
use crate::*;
use sculpt_experiments::{DataFolder, Store, read_user_recipe};
use sculpt_store::paths;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A network drawn and trained for three epochs; a line may follow.
pub(crate) const RECIPE: &str = r#"
threads = 1

[[node]]
name = "init"
kind = "init"
model = { name = "resnet8", classes = 10, width = 2 }
rule = "kaiming-normal-fan-in"
seed = 7
draw = 0

[[node]]
name = "trained"
kind = "train"
from = "init"
data = { name = "demo", train_images = 64 }
split = "all"
augmentation = "none"
drop_last = false
schedule = "step-warmup"
lr = 0.1
epochs = 3
batch = 64
momentum = 0.9
weight_decay = 1e-4
precision = "f32"
seed = 1
"#;

/// All files below a folder that hold something.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found.retain(|_, bytes| !bytes.is_empty());
    found
}

/// Changes bytes of every file of `folder`, one at a time, at places and by differences that a counter draws; `verify`
/// must notice each.
#[track_caller]
fn every_byte_counts(example: &Example, folder: &str, n_each: usize) {
    let mut draw = 0x9E37_79B9_7F4A_7C15u64;
    let mut random = |n: usize| {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (draw >> 33) as usize % n
    };
    assert_eq!(violations(&example.folder, folder).len(), 0);
    let all = files(&example.folder.join(folder));
    assert!(all.len() >= 5, "{:?}", all.keys());
    for (path, bytes) in all {
        for _ in 0..n_each {
            let mut spoilt = bytes.clone();
            let (place, change) = (random(bytes.len()), 1 + random(255));
            spoilt[place] ^= change as u8;
            fs::write(&path, spoilt).unwrap();
            let found = violations(&example.folder, folder);
            assert!(!found.is_empty(), "{} byte {place} ^ {change}", path.display());
        }
        fs::write(&path, bytes).unwrap();
    }
    assert_eq!(violations(&example.folder, folder).len(), 0);
}

#[test]
fn no_byte_of_a_store_changes_unnoticed() {
    let example = Example::new().run();
    example.suite().save(&example.store).unwrap();
    every_byte_counts(&example, "runs", 2);
}

#[test]
fn no_byte_of_a_published_suite_changes_unnoticed() {
    let example = Example::new().run();
    example.publish("suite");
    every_byte_counts(&example, "suite", 4);
}

#[test]
fn damaged_nodes_are_set_aside_and_made_again() {
    let example = Example::new().run();
    let folder = &example.folder;
    let path = paths::checkpoint_at(&example.node(&example.trained), 2);
    let bytes = fs::read(&path).unwrap();
    let mut spoilt = bytes.clone();
    *spoilt.last_mut().unwrap() ^= 1;
    fs::write(&path, &spoilt).unwrap();
    let id = example.trained.id.short();
    refused(
        folder,
        &format!("export {id} --torch out"),
        1,
        &["SHA-256", example.trained.id.as_str(), "verify --repair"],
    );
    fs::write(example.node(&example.pruned).join(".node.json.1-0.tmp"), "x").unwrap();
    assert_eq!(sculpt(folder, "verify runs --repair").status.code(), Some(1));
    assert!(violations(folder, "runs").is_empty());
    assert!(!example.node(&example.trained).exists() && example.node(&example.pruned).exists());
    let example = example.run();
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert!(violations(&example.folder, "runs").is_empty());
}

/// An epoch that a finished node is asked for later is a wish that may never come true: nothing is damaged, and nothing set aside.
#[test]
fn a_wish_for_an_epoch_more_is_no_damage() {
    let folder = Folder::new();
    let file = folder.join("r.toml");
    fs::write(&file, RECIPE).unwrap();
    ok(&folder, "run r.toml --runs runs");
    fs::write(&file, format!("{RECIPE}keep = [1]\n")).unwrap();
    let user = read_user_recipe(&file, &DataFolder::default()).unwrap();
    let trained = &user.states.last().unwrap().state;
    let store = Store::new(folder.join("runs"));
    store
        .describe(&trained.id, user.recipe.get(&trained.id).unwrap())
        .unwrap();
    assert!(violations(&folder, "runs").is_empty());
    let output = sculpt(&folder, "verify runs --repair");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = [text(&output.stdout), text(&output.stderr)].concat();
    assert!(said.contains("the node keeps epoch 1"), "{said}");
    assert!(store.has(trained));
}

/// The state is looked at by its id, once in the store and once in a published suite that has nothing else.
#[test]
fn an_id_is_a_name_of_its_state_everywhere() {
    let example = Example::new().run();
    let folder = &example.folder;
    write_probe(&folder.join("probe"), 4);
    let id = example.trained.id.short().to_owned();
    let lines = [
        format!("eval --weights {id} --probe probe"),
        format!("eval --weights {id}@2 --probe probe --model resnet8 --width 8"),
        format!("hessian --weights {id} --probe probe"),
        format!("connect --a {id} --b {id} --probe probe --points 3"),
        format!("signs --a {id} --b {id} --mask {id}"),
        format!("mask --weights {id} --method magnitude --density 0.1 --out mask"),
        format!("show {id}"),
    ];
    let said = |line: &String| {
        let mut said = json(folder, line);
        for changes in [
            "seconds",
            "environment",
            "suite",
            "read",
            "states",
            "epochs_before",
            "model",
        ] {
            said.as_object_mut().unwrap().remove(changes);
        }
        said
    };
    let here: Vec<_> = lines.iter().map(said).collect();
    ok(folder, &format!("eval --weights {id}@1 --probe probe"));
    example.publish("data/published/tiny");
    fs::rename(folder.join("runs"), folder.join("elsewhere")).unwrap();
    let mut published: Vec<_> = lines.iter().map(said).collect();
    let (mut shown, mut due) = (published.pop().unwrap(), here.last().unwrap().clone());
    assert_eq!(json(folder, &format!("show {id}"))["suite"], "tiny");
    for said in [&mut shown, &mut due] {
        said.as_object_mut().unwrap().remove("density");
    }
    assert_eq!(published, here[..here.len() - 1]);
    assert_eq!(shown, due);
    ok(folder, &format!("export {id}@2 --torch out"));
    refused(
        folder,
        &format!("eval --weights {id}@1 --probe probe"),
        2,
        &["there is", "@2"],
    );
    refused(
        folder,
        &format!("eval --weights {id}@x --probe probe"),
        2,
        &["must be a number"],
    );
    refused(
        folder,
        &format!("eval --weights {id} --probe probe --model resnet8"),
        1,
        &["is a state of", "--width 8"],
    );
    refused(
        folder,
        "eval --weights 0123 --probe probe",
        1,
        &["0 nodes", "\"0123\""],
    );
    // Damaged, it cannot say what network it is of, and it is that which is said.
    let checkpoint = format!(
        "data/published/tiny/checkpoints/{}-2.safetensors",
        example.trained.id
    );
    fs::write(folder.join(&checkpoint), [0; 100]).unwrap();
    refused(
        folder,
        &format!("eval --weights {id} --probe probe"),
        1,
        &["has 100 bytes", "are recorded"],
    );
    // A file of that name wins.
    fs::write(folder.join(&id), "x").unwrap();
    refused(
        folder,
        &format!("eval --weights {id} --probe probe"),
        2,
        &["--model"],
    );
}

/// A store that has only what nobody published: the child of a published state is trained from it.
#[test]
fn what_is_published_is_not_trained_again() {
    let example = Example::new().run();
    let folder = &example.folder;
    example.publish("data/published/tiny");
    let whole = fs::read(paths::checkpoint_at(&example.node(&example.trained), 2)).unwrap();
    let store = sculpt_experiments::Store::new(folder.join("other")).with_published(&folder.join("data"));
    assert!(store.has(&example.trained) && !store.has(&example.pruned));
    let needed = example
        .recipe
        .needed([&example.trained], |state| store.has(state));
    assert_eq!(needed.len(), 1);
    let loaded = store.load(&example.trained).unwrap();
    assert_eq!(loaded.sha256(), sculpt_store::canonical::sha256_hex(&whole));
    assert_eq!(store.metrics(&example.trained.id).unwrap().len(), 2);
    assert!(store.timing(&example.trained.id).unwrap().is_some());
    let first = sculpt_experiments::StateRef {
        epoch: 1,
        ..example.trained.clone()
    };
    let needed = example.recipe.needed([&first], |state| store.has(state));
    assert_eq!(needed.len(), 3);

    // The ancestors are not described there: the state itself says what it is of.
    let shown = ok(folder, &format!("show {} --runs other", example.trained.id));
    assert!(
        shown.contains("at density 50.00 %, 0 epochs before it"),
        "{shown}"
    );
    assert!(!shown.contains("unknown"), "{shown}");
}

/// Every epoch that a recipe of the user's keeps is a state in the end, also of nodes that were finished without it.
#[test]
fn epochs_that_a_recipe_keeps_are_kept() {
    let folder = Folder::new();
    let mut states = Vec::new();
    for keep in ["", "keep = [1, 2]\n"] {
        fs::write(folder.join("own.toml"), format!("{RECIPE}{keep}")).unwrap();
        let nodes = json(&folder, "run own.toml");
        let id = nodes["nodes"][1]["id"].as_str().unwrap().to_owned();
        let shown = json(&folder, &format!("show {id}"));
        states.push(shown["states"].clone());
    }
    assert_eq!(states, [serde_json::json!([3]), serde_json::json!([1, 2, 3])]);
}

/// Damage to a store is not made by what is to be written out of it.
#[test]
fn nothing_is_written_over_states() {
    let example = Example::new().run();
    let folder = &example.folder;
    let state = paths::checkpoint_at(&example.node(&example.trained), 2);
    let before = fs::read(&state).unwrap();
    let (id, state) = (&example.trained.id, state.display());
    std::os::unix::fs::symlink(state.to_string(), folder.join("link")).unwrap();
    for line in [
        format!("export {id} --torch {state}"),
        format!("export {id} --torch link"),
        format!("mask --method magnitude --density 0.1 --weights {id} --out {state}"),
        format!("mask --method magnitude --density 0.1 --weights {id} --out link"),
    ] {
        refused(folder, &line, 2, &["holds results", "give another"]);
    }
    assert_eq!(fs::read(folder.join("link")).unwrap(), before);
}

/// Before anything of a figure is trained, what its training goes on from is published; before even that, nothing is.
#[test]
fn an_unfinished_suite_is_published_from_its_first_state_on() {
    let folder = Folder::new();
    let figure =
        "figure 10 --preset demo --suite early --cycles 1 --cycle-epochs 1 --densities 0.1 --seeds 1";
    ok(&folder, &format!("reproduce {figure} --train-images 256"));
    let nodes = json(&folder, "ls");
    let forget = |is_one: &dyn Fn(&str) -> bool| {
        for node in nodes["nodes"].as_array().unwrap() {
            let (kind, id) = (node["kind"].as_str().unwrap(), node["id"].as_str().unwrap());
            let place = paths::node_folder(&folder.join("runs"), id);
            if is_one(kind) && place.exists() {
                fs::remove_dir_all(place).unwrap();
            }
        }
    };
    forget(&|kind| kind != "init");
    ok(&folder, "publish --suite early --unfinished");
    let published = json(&folder, "ls early");
    let published = published["nodes"].as_array().unwrap();
    assert!(
        !published.is_empty() && published.iter().all(|node| node["kind"] == "init"),
        "{published:?}"
    );

    forget(&|_| true);
    fs::remove_dir_all(folder.join("data/published/early")).unwrap();
    refused(
        &folder,
        "publish --suite early --unfinished",
        1,
        &["nothing is published"],
    );
    assert!(!folder.join("data/published/early").exists());
}
