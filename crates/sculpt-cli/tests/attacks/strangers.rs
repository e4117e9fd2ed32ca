//! Files of strangers: suites whose lists agree with files that ended other readers, and every parser under damaged bytes.

use crate::*;
use sculpt_checkpoints as checkpoints;
use sculpt_datasets::DEMO_A;
use sculpt_experiments::{
    DataFolder, DataRef, Done, Ended, Manifest, NodeFile, PostMortem, Runner, Store, Suite, check_progress,
    read_live, read_metrics, read_user_recipe,
};
use sculpt_models::ModelSpec;
use sculpt_store::digest::Digest;
use sculpt_store::paths;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Makes a suite's lists agree with whatever a file of it is now.
fn seal(suite: &Path) {
    let path = paths::manifest(suite);
    let mut manifest: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (name, digest) in manifest["files"].as_object_mut().unwrap() {
        let found = Digest::of_file(&suite.join(name)).unwrap();
        *digest = serde_json::json!({ "sha256": found.sha256, "bytes": found.bytes });
    }
    let text = serde_json::to_string_pretty(&manifest).unwrap();
    fs::write(&path, &text).unwrap();
    let hash = Digest::of(text.as_bytes()).sha256;
    fs::write(paths::manifest_sha256(suite), format!("{hash}\n")).unwrap();
}

/// Each Parquet file that ended another reader, in a suite that vouches for it: every command says so and goes on to its end.
#[test]
fn suites_that_vouch_for_hostile_tables() {
    let hostile = checkout().join("crates/sculpt-parquet/tests/hostile");
    for entry in fs::read_dir(hostile).unwrap() {
        let table = entry.unwrap().path();
        let root = root();
        let suite = root.path().join("data/published/cifar10-first");
        copy(&checkout().join("data/published/cifar10-first"), &suite);
        fs::copy(&table, paths::metrics(&suite)).unwrap();
        seal(&suite);
        for command in [
            "figure 5 --suite cifar10-first",
            "claims --suite cifar10-first",
            "fetch --suite cifar10-first --from data/published/cifar10-first",
        ] {
            let said = clean_failure(&sculpt(root.path(), words(command)).output().unwrap());
            assert!(said.contains("metrics.parquet"), "{command}: {said}");
        }
        let output = sculpt(root.path(), words("verify data/published/cifar10-first"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stdout).contains("metrics.parquet"));
        good(&sculpt(root.path(), words("list")).output().unwrap());
        assert!(!root.path().join("data/fetched/cifar10-first").exists());
    }
}

/// How long each parser is attacked.
fn seconds() -> Duration {
    let asked = std::env::var("SCULPT_FUZZ_SECONDS")
        .ok()
        .and_then(|n| n.parse().ok());
    Duration::from_secs_f64(asked.unwrap_or(if hard() { 600.0 } else { 1.5 }))
}

/// Damages good inputs for a while, and hands them over as a file: the parser may refuse, and must come back.
pub(crate) fn attack(parser: &str, seeds: &[Vec<u8>], file: &Path, mut parse: impl FnMut(&Path)) {
    assert!(
        !seeds.is_empty() && seeds.iter().all(|seed| !seed.is_empty()),
        "{parser}"
    );
    for seed in seeds {
        fs::write(file, seed).unwrap();
        parse(file);
    }
    let mut dice = Dice(0x2545_f491_4f6c_dd1d ^ parser.len() as u64);
    let (start, mut n) = (Instant::now(), 0);
    while start.elapsed() < seconds() {
        let bytes = damaged(seeds, &mut dice);
        fs::write(file, &bytes).unwrap();
        let before = Instant::now();
        // What a panic or an abort was about is still there.
        parse(file);
        assert!(
            before.elapsed() < Duration::from_secs(20),
            "{parser} took {:?} for {} bytes",
            before.elapsed(),
            bytes.len()
        );
        n += 1;
    }
    eprintln!("{parser}: {n} damaged files");
    assert!(n > 20, "{parser}: only {n} files");
}

/// Numbers at which arithmetic breaks, as text and as eight bytes.
const EDGES: [u64; 9] = [
    0,
    1,
    127,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 53,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];

fn damaged(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let pick = |dice: &mut Dice| &seeds[dice.below(seeds.len() as u64) as usize];
    let mut bytes = pick(dice).clone();
    for _ in 0..1 + dice.below(4) {
        let n = bytes.len() as u64;
        if n == 0 {
            break;
        }
        // Headers stand at the beginning, directories of archives at the end.
        let near = n.min(400);
        let place = match dice.below(3) {
            0 => dice.below(near),
            1 => n - 1 - dice.below(near),
            _ => dice.below(n),
        } as usize;
        match dice.below(7) {
            0 => bytes[place] ^= 1 << dice.below(8),
            1 => bytes[place] = dice.below(256) as u8,
            2 => bytes.truncate(place),
            3 => {
                let end = (place + 1 + dice.below(64) as usize).min(bytes.len());
                let piece = bytes[place..end].to_vec();
                let at = dice.below(n) as usize;
                bytes.splice(at..at, piece);
            }
            4 => {
                let end = (place + 1 + dice.below(64) as usize).min(bytes.len());
                bytes.drain(place..end);
            }
            5 => number(&mut bytes, place, EDGES[dice.below(9) as usize]),
            _ => {
                let other = pick(dice);
                let from = dice.below(other.len() as u64) as usize;
                let to = (from + 1 + dice.below(256) as usize).min(other.len());
                bytes.splice(place..place, other[from..to].iter().copied());
            }
        }
    }
    bytes
}

/// The number that is written at or after a place becomes another; else eight bytes do.
fn number(bytes: &mut Vec<u8>, place: usize, value: u64) {
    let digits = |bytes: &[u8], from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let from = (place..bytes.len().min(place + 40)).find(|&i| bytes[i].is_ascii_digit());
    match from {
        Some(from) => {
            let n = digits(bytes, from);
            bytes.splice(from..from + n, value.to_string().into_bytes());
        }
        None => {
            let end = bytes.len().min(place + 8);
            let n = end - place;
            bytes[place..end].copy_from_slice(&value.to_le_bytes()[..n]);
        }
    }
}

/// The one file below a folder whose name ends so.
fn found(runs: &Path, end: &str) -> Vec<u8> {
    let content = content(runs);
    let mut found = content
        .iter()
        .filter(|(path, _)| path.to_str().unwrap().ends_with(end));
    found.next().unwrap().1.clone()
}

fn model() -> ModelSpec {
    ModelSpec::named("resnet8", 10, Some(2), None).unwrap()
}

#[test]
fn files_of_tensors() {
    let (root, _) = reference();
    let runs = root.path().join("runs");
    let layout = model().layout();
    let checkpoint = found(&runs, "checkpoint-2.safetensors");
    let at = |name: &str| root.path().join(name);
    fs::write(at("c.safetensors"), &checkpoint).unwrap();
    let (state, meta) = checkpoints::read_checkpoint(&at("c.safetensors"), &layout).unwrap();
    checkpoints::write_published(&at("p"), &layout, &state, &meta).unwrap();
    checkpoints::write_mask(&at("m"), &layout, &state.mask).unwrap();
    checkpoints::write_state_dict(&at("s.pth"), &layout, &state.theta, &state.buffers).unwrap();
    let read = |name: &str| fs::read(at(name)).unwrap();
    let seeds = [checkpoint, read("p"), read("m"), read("s.pth")];
    attack("tensors", &seeds, &at("x"), |path| {
        let _ = checkpoints::read_checkpoint(path, &layout);
        let _ = checkpoints::read_published(path, &layout);
        let _ = checkpoints::read_mask(path, &layout);
        let _ = checkpoints::read_weights_and_form(path, &layout);
        let _ = checkpoints::read_any_weights(path);
        let _ = checkpoints::read_tensors(path);
        checkpoints::verify::file(path, None);
    });
}

#[test]
fn descriptions() {
    let (root, _) = reference();
    let runs = root.path().join("runs");
    let node = root.path().join("node");
    fs::create_dir(&node).unwrap();
    attack(
        "node",
        &[found(&runs, "node.json")],
        &paths::node_json(&node),
        |_| {
            if let Ok(file) = NodeFile::read(&node) {
                file.node.id();
                file.node.last_epoch();
            }
        },
    );
    attack("done", &[found(&runs, "done.json")], &paths::done(&node), |_| {
        let _ = Done::read(&node);
    });
    attack(
        "post-mortem",
        &[br#"{"id":"a","why":"b","epochs":[],"tensors":[]}"#.to_vec()],
        &paths::post_mortem(&node),
        |_| {
            let _ = PostMortem::read(&node);
        },
    );
    let row = |epoch| {
        format!(
            "{{\"training\":{{\"epoch\":{epoch},\"learning_rate\":0.1,\"train_loss\":2.5,\"train_accuracy\":0.5}},\"test\":null}}\n"
        )
    };
    fs::create_dir(paths::progress_folder(&node)).unwrap();
    let seed = (row(1) + &row(2)).into_bytes();
    fs::write(paths::live_epochs(&node), &seed).unwrap();
    assert_eq!(read_live(&node).unwrap().len(), 2);
    attack("live epochs", &[seed], &paths::live_epochs(&node), |_| {
        let _ = read_live(&node);
    });
    let published = checkout().join("data/published/cifar10-first");
    let seed = fs::read(paths::suite_json(&published)).unwrap();
    attack("suite", &[seed], &paths::suite_json(&node), |_| {
        let _ = Suite::in_folder(&node);
    });
    let seed = fs::read(paths::manifest(&published)).unwrap();
    attack("manifest", &[seed], &root.path().join("manifest"), |path| {
        if let Ok(manifest) = Manifest::parse(&fs::read(path).unwrap()) {
            manifest.faults();
        }
    });
}

#[test]
fn tables() {
    let (root, _) = reference();
    let published = checkout().join("data/published/demo");
    let mut seeds = vec![found(&root.path().join("runs"), "metrics.parquet")];
    seeds.push(fs::read(checkout().join("data/published/cifar10-first/metrics.parquet")).unwrap());
    seeds.push(fs::read(paths::timings(&published)).unwrap());
    attack("tables", &seeds, &root.path().join("t.parquet"), |path| {
        let _ = read_metrics(path);
        let _ = sculpt_experiments::check_timings(path);
    });
}

#[test]
fn recipes() {
    let root = root();
    let recipes = checkout().join("crates/sculpt-experiments/recipes");
    let mut seeds = vec![RECIPE.as_bytes().to_vec()];
    for entry in fs::read_dir(recipes).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "toml") {
            seeds.push(fs::read(path).unwrap());
        }
    }
    let data = DataFolder::default();
    attack("recipes", &seeds, &root.path().join("x.toml"), |path| {
        let _ = read_user_recipe(path, &data);
    });
}

#[test]
fn saved_positions() {
    let root = root();
    let runs = root.path().join("runs");
    let (data, store) = (DataFolder::default(), Store::new(&runs));
    let recipe = read_user_recipe(&root.path().join("r.toml"), &data)
        .unwrap()
        .recipe;
    for (id, entry) in recipe.iter() {
        store.describe(id, entry).unwrap();
        let stop = AtomicBool::new(false);
        // The first that trains stops after its first step.
        let mut report = |_| stop.store(true, Ordering::Relaxed);
        let ended = Runner::new(&store, &data, tch::Device::Cpu, &stop, &mut report)
            .run(id)
            .unwrap();
        if ended == Ended::Stopped {
            break;
        }
    }
    let saved = found(&runs, "progress/state.safetensors");
    attack("saved positions", &[saved], &root.path().join("x"), |path| {
        let _ = check_progress(path);
    });
}

/// A CIFAR-10 of 20 images: lengths are no multiple of a record, labels are no class.
#[test]
fn records_of_images() {
    let root = root();
    let folder = root.path().join("cifar");
    fs::create_dir(&folder).unwrap();
    let record: Vec<u8> = (0..3073).map(|i| (i % 10) as u8).collect();
    let good = record.repeat(4);
    for batch in [
        "data_batch_2",
        "data_batch_3",
        "data_batch_4",
        "data_batch_5",
        "test_batch",
    ] {
        fs::write(folder.join(format!("{batch}.bin")), &good).unwrap();
    }
    let data = DataFolder {
        folder: Some(folder.clone()),
        name: Some("small".to_owned()),
        pictures: None,
    };
    let planned = DataRef::planned(&sculpt_datasets::CIFAR10);
    assert_ne!(planned, DataRef::planned(&DEMO_A));
    attack("records", &[good], &folder.join("data_batch_1.bin"), |_| {
        let _ = data.is_at_hand(&planned);
        let _ = data.load(&planned);
    });
}
