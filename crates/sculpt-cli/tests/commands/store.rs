//! A store of three nodes: a network drawn, pruned at random, and trained for two epochs on a few demo images.

use crate::verify::{kinds, violations};
use crate::*;
use sculpt_checkpoints::{read_weights, read_weights_and_form};
use sculpt_datasets::{Augmentation, DEMO_A, Split};
use sculpt_experiments::{
    AnySuite, Criterion, DataFolder, DataRef, Init, Node, NodeId, Predictions, Preset, PresetName, Prune,
    Recipe, Runner, StateRef, Store, Suite, Train, Version, publish,
};
use sculpt_masks::{Allocation, Density, Rule};
use sculpt_models::{InitRule, Precision};
use sculpt_schedules::Kind;
use sculpt_store::paths;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

pub(crate) struct Example {
    pub(crate) folder: Folder,
    pub(crate) store: Store,
    pub(crate) recipe: Recipe,
    pub(crate) pruned: StateRef,
    pub(crate) trained: StateRef,
}

impl Example {
    pub(crate) fn new() -> Self {
        let folder = Folder::new();
        let store = Store::new(folder.join("runs"));
        let model = sculpt_models::ModelSpec::named("resnet8", 10, Some(8), None).unwrap();
        let mut recipe = Recipe::default();
        let init = Init {
            v: Version,
            model,
            rule: InitRule::KaimingNormalFanIn,
            seed: 1,
            draw: 0,
        };
        let from = recipe.add(Node::Init(init), 1);
        let criterion = Criterion::Random {
            allocation: Allocation::Erk,
            rule: Rule::Exact,
            seed: 1,
        };
        let prune = Prune {
            v: Version,
            from,
            criterion,
            density: Density::new(0.5).unwrap(),
        };
        let pruned = recipe.add(Node::Prune(prune), 1);
        let train = Train {
            v: Version,
            from: pruned.clone(),
            data: DataRef {
                train_images: Some(64),
                ..DataRef::planned(&DEMO_A)
            },
            split: Split::All,
            augmentation: Augmentation::None,
            drop_last: true,
            schedule: Kind::Constant,
            lr: 0.05,
            epochs: 2,
            batch: 32,
            momentum: 0.9,
            weight_decay: 1e-4,
            precision: Precision::F32,
            batch_norm: None,
            label_noise: None,
            seed: 1,
        };
        let trained = recipe.add(Node::Train(train), 1);
        recipe
            .keep(&StateRef {
                epoch: 1,
                ..trained.clone()
            })
            .unwrap();
        Self {
            folder,
            store,
            recipe,
            pruned,
            trained,
        }
    }

    /// Describes all nodes and runs them.
    pub(crate) fn run(self) -> Self {
        let (data, stop) = (DataFolder::default(), AtomicBool::new(false));
        for (id, entry) in self.recipe.iter() {
            self.store.describe(id, entry).unwrap();
        }
        let mut report = |_| {};
        let mut runner = Runner::new(&self.store, &data, tch::Device::Cpu, &stop, &mut report);
        for (id, _) in self.recipe.iter() {
            runner.run(id).unwrap();
        }
        self
    }

    pub(crate) fn node(&self, state: &StateRef) -> PathBuf {
        self.store.node_folder(&state.id)
    }

    pub(crate) fn suite(&self) -> Suite {
        Suite {
            name: "tiny".to_owned(),
            title: "Tiny".to_owned(),
            preset: Preset::new(PresetName::Demo, Default::default(), &DataFolder::default()).unwrap(),
            artefacts: Default::default(),
            environment: None,
        }
    }

    pub(crate) fn publish(&self, name: &str) -> PathBuf {
        let states: Vec<StateRef> = self
            .recipe
            .iter()
            .map(|(id, e)| StateRef {
                id: id.clone(),
                epoch: e.node.last_epoch(),
            })
            .collect();
        let trained: Vec<StateRef> = states.into_iter().filter(|s| s.id == self.trained.id).collect();
        let folder = self.folder.join(name);
        publish(
            &AnySuite::OfPreset(self.suite()),
            &self.recipe,
            &trained,
            &Predictions::default(),
            &self.store,
            &folder,
        )
        .unwrap();
        folder
    }
}

fn short(id: &NodeId) -> &str {
    id.short()
}

#[test]
fn nodes_are_listed_shown_and_exported() {
    let example = Example::new();
    let folder = &example.folder;
    let empty = sculpt(folder, "ls");
    assert!(empty.status.success() && empty.stdout.is_empty());
    assert!(text(&empty.stderr).starts_with("runs holds no nodes"));
    assert_eq!(json(folder, "ls")["nodes"], serde_json::json!([]));

    for (id, entry) in example.recipe.iter() {
        example.store.describe(id, entry).unwrap();
    }
    let id = short(&example.trained.id).to_owned();
    assert_eq!(json(folder, &format!("show {id}"))["status"], "described");
    refused(
        folder,
        &format!("export {id} --torch out"),
        2,
        &["has not been run"],
    );

    let example = example.run();
    let folder = &example.folder;
    let listed = json(folder, "ls");
    let nodes = listed["nodes"].as_array().unwrap();
    let ids: Vec<&str> = nodes.iter().map(|n| n["id"].as_str().unwrap()).collect();
    assert_eq!((ids.len(), ids.is_sorted()), (3, true));
    let trained = nodes.iter().find(|n| n["kind"] == "train").unwrap();
    assert_eq!(
        (&trained["density"], &trained["epochs"], &trained["status"]),
        (&0.5.into(), &2.into(), &"done".into())
    );
    assert_eq!(trained["model"], "ResNet-8 of width 8");
    assert!(trained["bytes"].as_u64().unwrap() > 1000);
    assert_eq!(ok(folder, "ls").lines().count(), 3);

    let shown = json(folder, &format!("show {id}"));
    assert_eq!(shown["id"], example.trained.id.as_str());
    assert_eq!(
        (&shown["states"], &shown["epochs_before"]),
        (&serde_json::json!([1, 2]), &0.into())
    );
    assert_eq!(shown["metrics"].as_array().unwrap().len(), 2);
    assert!(shown["metrics"][1]["test_accuracy"].as_f64().is_some());
    assert_eq!(shown["parents"][0]["id"], example.pruned.id.as_str());
    assert_eq!(shown["node"]["batch"], 32);
    assert!(ok(folder, &format!("show {id}")).contains("train loss"));
    refused(folder, "show zz", 1, &["\"zz\"", "sculpt ls"]);

    ok(folder, &format!("export {id} --torch out"));
    ok(folder, &format!("export {id} --torch first --epoch 1"));
    let layout = example.recipe.get(&example.trained.id).unwrap().model.layout();
    let (exported, _) = example.store.read_state(&example.trained, &layout).unwrap();
    assert_eq!(
        read_weights(&folder.join("out"), &layout).unwrap().theta,
        exported.theta
    );
    assert_ne!(
        fs::read(folder.join("out")).unwrap(),
        fs::read(folder.join("first")).unwrap()
    );
    ok(folder, &format!("export {id} --torch out.pth --as akamaster"));
    let (again, form) = read_weights_and_form(&folder.join("out.pth"), &layout).unwrap();
    assert_eq!(
        (&again.theta, &again.buffers),
        (&exported.theta, &exported.buffers)
    );
    assert_eq!(form.unwrap().to_string(), "kuangliu's and akamaster's names");
    refused(
        folder,
        &format!("export {id} --torch x --as nobody"),
        2,
        &["nobody", "open_lth"],
    );
    refused(
        folder,
        &format!("export {id} --torch x --epoch 3"),
        2,
        &["after epoch 3; there is ", "@1, ", "@2"],
    );
}

#[test]
fn good_stores_and_suites() {
    let example = Example::new().run();
    let folder = &example.folder;
    let suite = example.publish("suite");
    assert!(kinds(folder, "runs suite").is_empty());
    assert!(kinds(folder, &example.node(&example.trained).display().to_string()).is_empty());
    assert!(kinds(folder, &paths::metrics(&suite).display().to_string()).is_empty());
    assert!(
        kinds(
            folder,
            &paths::node_json(&example.node(&example.trained))
                .display()
                .to_string()
        )
        .is_empty()
    );
}

#[test]
fn spoilt_run_folders() {
    let example = Example::new().run();
    let folder = &example.folder;
    let node = example.node(&example.trained);
    let check = |path: PathBuf, new: Option<Vec<u8>>, expected: &[&str]| {
        let old = fs::read(&path).ok();
        match new {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        assert_eq!(kinds(folder, "runs"), expected, "{}", path.display());
        match old {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
    };
    let description = fs::read_to_string(paths::node_json(&node)).unwrap();
    let edited = |from: &str, to: &str| Some(description.replace(from, to).into_bytes());
    let seed = edited("\"seed\": 1", "\"seed\": 2");
    check(paths::node_json(&node), seed, &["description"]);
    check(
        paths::node_json(&node),
        edited("\"v\": 1", "\"v\": 2"),
        &["description"],
    );
    check(paths::node_json(&node), None, &["missing-file"]);
    check(paths::checkpoint_at(&node, 1), None, &["missing-file"]);
    let last = fs::read(paths::checkpoint_at(&node, 2)).unwrap();
    check(
        paths::checkpoint_at(&node, 1),
        Some(last.clone()),
        &["checksum", "chain"],
    );
    check(
        paths::checkpoint_at(&node, 7),
        Some(last.clone()),
        &["extra-file", "extra-file", "chain"],
    );
    check(
        paths::checkpoint_at(&node, 2),
        Some(last[..100].to_vec()),
        &["size", "cut-off"],
    );
    let parent = fs::read(paths::checkpoint_at(&example.node(&example.pruned), 0)).unwrap();
    check(
        paths::checkpoint_at(&node, 2),
        Some(parent),
        &["checksum", "node-id", "chain"],
    );
    check(paths::done(&node), Some(b"{}".to_vec()), &["checksum"]);
    check(paths::lock(&node), Some(b"x".to_vec()), &["extra-file"]);
    check(node.join(".metrics.parquet.1-0.tmp"), Some(vec![0]), &["stray"]);
    check(paths::metrics(&node), None, &["missing-file"]);
    check(
        paths::metrics(&node),
        Some(b"PAR1 no".to_vec()),
        &["size", "metrics"],
    );
    check(paths::timing(&node), Some(b"{}".to_vec()), &["description"]);
    fs::create_dir(paths::progress_folder(&node)).unwrap();
    check(paths::progress_state(&node), Some(vec![]), &["not-safetensors"]);
    check(paths::progress_state(&node), Some(last), &["description"]);
    assert!(kinds(folder, "runs").is_empty());
}

#[test]
fn spoilt_suites() {
    let example = Example::new().run();
    let folder = &example.folder;
    let suite = example.publish("suite");
    let manifest = fs::read_to_string(paths::manifest(&suite)).unwrap();
    let entry: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let file = suite.join(entry["checkpoints"][0]["file"].as_str().unwrap());
    let bytes = fs::read(&file).unwrap();

    fs::write(suite.join("notes.txt"), "x").unwrap();
    assert_eq!(kinds(folder, "suite"), ["extra-file"]);
    fs::remove_file(suite.join("notes.txt")).unwrap();
    // Links that lead round in it, or out of it, are files of nobody, and not followed.
    for (name, to) in [("round", "."), ("again", "."), ("out", "/usr")] {
        std::os::unix::fs::symlink(to, suite.join(name)).unwrap();
    }
    assert_eq!(kinds(folder, "suite"), ["extra-file"; 3]);
    for name in ["round", "again", "out"] {
        fs::remove_file(suite.join(name)).unwrap();
    }

    let mut flipped = bytes.clone();
    let end = flipped.len() - 9;
    flipped[end] ^= 1;
    fs::write(&file, &flipped).unwrap();
    let found = violations(folder, "suite");
    assert_eq!(found[0]["kind"], "checksum");
    assert_eq!(
        found[0]["file"],
        format!("suite/{}", entry["checkpoints"][0]["file"].as_str().unwrap())
    );
    fs::write(&file, [&bytes[..], &[0]].concat()).unwrap();
    assert_eq!(kinds(folder, "suite"), ["size", "offsets"]);
    fs::remove_file(&file).unwrap();
    assert_eq!(kinds(folder, "suite"), ["missing-file"]);
    fs::write(&file, bytes).unwrap();

    fs::write(
        paths::manifest(&suite),
        manifest.replace("\"lr\": 0.05", "\"lr\": 0.1"),
    )
    .unwrap();
    assert_eq!(kinds(folder, "suite"), ["checksum", "node-id"]);
    fs::write(paths::manifest(&suite), "[]").unwrap();
    assert_eq!(kinds(folder, "suite"), ["checksum", "extra-file"]);
    fs::write(paths::manifest(&suite), "{").unwrap();
    assert_eq!(kinds(folder, "suite"), ["checksum", "description"]);
    fs::write(paths::manifest(&suite), manifest).unwrap();

    let json = fs::read_to_string(paths::suite_json(&suite)).unwrap();
    fs::write(paths::suite_json(&suite), json.replace("\"title\"", "\"titel\"")).unwrap();
    assert_eq!(kinds(folder, "suite"), ["description", "checksum"]);
    fs::remove_file(paths::suite_json(&suite)).unwrap();
    fs::remove_file(paths::metrics(&suite)).unwrap();
    assert_eq!(kinds(folder, "suite"), ["missing-file", "missing-file"]);
}
