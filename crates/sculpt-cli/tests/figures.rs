//! Artefacts from the command line: published checkpoints, a run from nothing, a run that is cut off.
#![expect(clippy::unwrap_used, reason = "tests: a panic is a failure, helpers included")]

use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// `sculpt` with `root` for the checkout.
fn sculpt(root: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sculpt"));
    command.args(words).env("SCULPT_ROOT", root).current_dir(root);
    command
}

#[track_caller]
fn check_failure(output: &Output, code: i32, words: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(
        !stderr.contains("panicked") && !stderr.contains("internal"),
        "{stderr}"
    );
    for word in words {
        assert!(stderr.contains(word), "{word:?} is not in {stderr:?}");
    }
}

#[track_caller]
fn json(output: &Output) -> Value {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Twice: from the checkpoints, and from the cache of the first time.
#[test]
fn the_published_artefacts_are_what_their_checkpoints_give() {
    let cache = TempDir::new().unwrap();
    let runs = cache.path().to_str().unwrap();
    for time in ["first", "again, from the cache"] {
        let output = sculpt(
            &checkout(),
            &["all", "--suite", "demo", "--check", "--json", "--runs", runs],
        )
        .output()
        .unwrap();
        let outcomes = json(&output);
        let artefacts = outcomes["artefacts"].as_array().unwrap();
        assert_eq!(artefacts.len(), 19 + 5 + 3, "{time}");
        for outcome in artefacts {
            let differences = outcome["differences"].as_array().map(Vec::len);
            assert_eq!(differences, Some(0), "{time}: {outcome}");
            assert!(outcome["rows"].as_u64() > Some(0), "{time}: {outcome}");
        }
        // (a) 3 seeds × (4 dense points + 8 curves × 6 densities), (b) and (c) a seed of 4 densities each.
        let figure_5 = artefacts.iter().find(|a| a["artefact"] == "figure 5").unwrap();
        assert_eq!(figure_5["rows"], 3 * (4 + 8 * 6) + 2 * (4 + 8 * 4), "{time}");
    }
}

/// Of the usual suites the first that has it: the real one before the demo, which has everything.
#[test]
fn an_artefact_is_of_the_first_usual_suite_that_has_it() {
    let output = sculpt(&checkout(), &["figure", "5", "18", "--published", "--json"])
        .output()
        .unwrap();
    let said = json(&output);
    let suites: Vec<_> = said["artefacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| &a["suite"])
        .collect();
    assert_eq!(suites, ["cifar10-quarter", "demo"]);
    let note = String::from_utf8_lossy(&output.stderr);
    assert!(
        note.contains("figure 18 is shown of suite demo, since cifar10-quarter"),
        "{note}"
    );
    assert!(!note.contains("figure 5 is shown"), "{note}");
}

/// With nothing but the suite's description and the committed frames: no checkpoint, no list of them, no data, no store.
#[test]
fn a_figure_is_drawn_anew_from_its_frame_alone() {
    let (root, of) = (TempDir::new().unwrap(), checkout());
    let copy = |file: &str| {
        let to = root.path().join(file);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(of.join(file), to).unwrap();
    };
    copy("data/published/demo/suite.json");
    let figures = ["1", "2", "3", "11", "16"];
    for n in figures {
        copy(&format!("reports/published/demo/figure-{n}.parquet"));
        copy(&format!("reports/published/demo/figure-{n}.json"));
    }
    let restyle = |words: &[&str]| {
        let words = [&["figure"], words, &["--restyle", "--suite", "demo", "--json"]].concat();
        sculpt(root.path(), &words).output().unwrap()
    };
    let outcome = json(&restyle(&figures));
    assert_eq!(outcome["artefacts"].as_array().unwrap().len(), figures.len());
    assert!(!root.path().join("runs").exists());
    let at =
        |folder: &Path, n: &str, file: &str| fs::read(folder.join(format!("figure-{n}.{file}"))).unwrap();
    let (drawn, published) = (
        root.path().join("reports/demo"),
        of.join("reports/published/demo"),
    );
    for n in figures {
        // The frame stays what it was, to the byte, and so does what nobody restyled.
        for file in ["parquet", "csv", "svg"] {
            assert!(
                at(&drawn, n, file) == at(&published, n, file),
                "figure {n}: {file}"
            );
        }
        let provenance: Value = serde_json::from_slice(&at(&drawn, n, "json")).unwrap();
        let command = format!(
            "sculpt figure {} --restyle --suite demo --json",
            figures.join(" ")
        );
        assert_eq!(provenance["restyled"]["command"], command);
        assert!(provenance["command"].as_str().unwrap().contains("sculpt figure"));
    }
    check_failure(&restyle(&["5"]), 1, &["figure-5.parquet"]);
    let check = ["figure", "1", "--restyle", "--check"];
    check_failure(&sculpt(root.path(), &check).output().unwrap(), 2, &["--check"]);
}

#[test]
fn what_is_not_there_is_said_in_one_sentence() {
    let root = TempDir::new().unwrap();
    let run = |words: &[&str]| sculpt(root.path(), words).output().unwrap();
    check_failure(
        &run(&["figure", "99"]),
        2,
        &["figure 99 is not available", "figure 1 to 19"],
    );
    check_failure(&run(&["figure", "five"]), 2, &["\"five\" is no artefact"]);
    check_failure(&run(&["figure", "5"]), 1, &["data/published/default", "--suite"]);
    check_failure(
        &run(&["figure", "5", "--suite", "nowhere"]),
        1,
        &["nowhere", "sculpt list"],
    );
    check_failure(&run(&["figure", "5", "--suite", "../up"]), 2, &["no plain name"]);
    let short = ["reproduce", "figure", "5", "--preset", "short", "--data"];
    check_failure(
        &run(&[&short[..], &["/no/such/folder"]].concat()),
        1,
        &["/no/such/folder"],
    );
    check_failure(
        &run(&["reproduce", "figure", "5", "--preset", "tiny"]),
        2,
        &["paper, short, quarter, demo"],
    );
    let demo = ["plan", "figure", "5", "--preset", "demo", "--no-bench"];
    for (flag, value) in [
        ("--densities", "0"),
        ("--densities", "1.5"),
        ("--densities", "NaN"),
        ("--cycles", "0"),
    ] {
        check_failure(&run(&[&demo[..], &[flag, value]].concat()), 2, &[flag]);
    }
    check_failure(
        &run(&[&demo[..], &["--densities", "0.1,0.5"]].concat()),
        2,
        &["must fall"],
    );
    check_failure(&run(&["node", "abc"]), 1, &["0 nodes", "abc"]);
    check_failure(&run(&["list", "--device", "tpu"]), 0, &[]);
    check_failure(
        &run(&["figure", "5", "--device", "tpu", "--suite", "nowhere"]),
        1,
        &["nowhere"],
    );
    assert_eq!(
        fs::read_dir(root.path()).unwrap().count(),
        0,
        "nothing was written"
    );
}

#[test]
fn the_plan_counts_what_is_shared() {
    let root = TempDir::new().unwrap();
    let words = ["plan", "figure", "5", "--preset", "demo", "--no-bench", "--json"];
    let plan = json(&sculpt(root.path(), &words).output().unwrap());
    // A seed and level: cycles of LRR, WR, IMP; 3 more of LRR's and WR's own; 4 each from random and warm-up init and of
    // the random mask; 4 dense cycles a seed. On the first level WR's mask is LRR's, and 4 warm-up cycles are shared.
    // (a) has three seeds and 6 levels, (b) and (c) one seed and 4.
    let cycles = |n_levels| 4 + n_levels * (3 + 2 * 3 + 3 * 4) - 4;
    assert_eq!(plan["epochs"], (3 * cycles(6) + 2 * cycles(4)) * 8);
    assert_eq!(plan["nodes_done"], 0);
    assert!(plan["epochs_without_sharing"].as_u64() > plan["epochs"].as_u64());
}

/// A minute of the demo: one level, one seed, two cycles of two epochs.
const SMALL: [&str; 14] = [
    "reproduce",
    "figure",
    "5",
    "--preset",
    "demo",
    "--cycle-epochs",
    "2",
    "--cycles",
    "2",
    "--densities",
    "0.2",
    "--seeds",
    "1",
    "--json",
];

#[test]
fn cut_off_and_started_again_the_numbers_are_the_same() {
    let (whole, cut) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let outcome = json(&sculpt(whole.path(), &SMALL).output().unwrap());
    assert_eq!(outcome["artefacts"][0]["rows"], 3 * 12);

    let jobs = [&SMALL[..], &["--jobs", "2"]].concat();
    let mut child = sculpt(cut.path(), &jobs)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    thread::sleep(Duration::from_secs(3));
    // Not yet waited for, so the process is there to be signalled, be it finished or not.
    Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    let status = child.wait().unwrap();
    assert!(matches!(status.code(), Some(0 | 1)), "{status}");
    let outcome = json(&sculpt(cut.path(), &jobs).output().unwrap());
    let csv = |root: &TempDir| {
        let suite = outcome["artefacts"][0]["suite"].as_str().unwrap();
        fs::read(root.path().join("reports").join(suite).join("figure-5.csv")).unwrap()
    };
    assert_eq!(csv(&whole), csv(&cut));
    let beside = ["columns.json", "summary.parquet", "summary.csv"];
    for file in ["parquet", "svg", "png", "pdf", "json"].into_iter().chain(beside) {
        let suite = outcome["artefacts"][0]["suite"].as_str().unwrap();
        let path = cut
            .path()
            .join("reports")
            .join(suite)
            .join(format!("figure-5.{file}"));
        assert!(path.metadata().unwrap().len() > 100, "{}", path.display());
    }

    // A suite that lacks a state is published when that is asked for, and goes on from what it has.
    let name = outcome["artefacts"][0]["suite"].as_str().unwrap();
    let table = csv(&whole);
    let last = String::from_utf8(table.clone()).unwrap();
    let node = last
        .lines()
        .last()
        .unwrap()
        .split(',')
        .find(|cell| cell.len() == 64)
        .unwrap();
    let runs = whole.path().join("runs");
    fs::remove_dir_all(runs.join(&node[..2]).join(node)).unwrap();
    let publish = ["publish", "--suite", name, "--json"];
    let output = sculpt(whole.path(), &publish).output().unwrap();
    check_failure(&output, 1, &["1 of the 27 checkpoints", "--unfinished"]);
    let unfinished = [&publish[..], &["--unfinished"]].concat();
    let published = json(&sculpt(whole.path(), &unfinished).output().unwrap());
    assert_eq!(
        published["artefacts"].as_array().map(Vec::len),
        Some(0),
        "{published}"
    );
    fs::remove_dir_all(&runs).unwrap();
    let output = sculpt(whole.path(), &SMALL).output().unwrap();
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("1 node run"),
        "{output:?}"
    );
    assert_eq!(csv(&whole), table);

    // Published and read back from the published suite alone.
    json(
        &sculpt(cut.path(), &["publish", "--suite", name, "--default", "--json"])
            .output()
            .unwrap(),
    );
    fs::remove_dir_all(cut.path().join("runs")).unwrap();
    let check = json(
        &sculpt(cut.path(), &["figure", "5", "--check", "--json"])
            .output()
            .unwrap(),
    );
    assert_eq!(
        check["artefacts"][0]["differences"].as_array().map(Vec::len),
        Some(0),
        "{check}"
    );

    // What was published comes out again, to the byte; what was not trained does not, whatever the lists say.
    let suite = cut.path().join("data/published").join(name);
    let retrain = format!("verify data/published/{name} --retrain 2 --json");
    let retrain = || {
        sculpt(cut.path(), &retrain.split(' ').collect::<Vec<_>>())
            .output()
            .unwrap()
    };
    let found = json(&retrain());
    let again = found["retrained"].as_array().unwrap();
    assert_eq!(again.len(), 2);
    assert!(
        again
            .iter()
            .all(|node| node["same"] == true && node["same_environment"] == true),
        "{found}"
    );
    let honest = forge(&suite, again[0]["id"].as_str().unwrap(), &again[0]["epoch"]);
    let forged = retrain();
    assert_eq!(forged.status.code(), Some(1), "{forged:?}");
    let found: Value = serde_json::from_slice(&forged.stdout).unwrap();
    let kinds: Vec<_> = found["violations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["kind"].clone())
        .collect();
    assert!(
        kinds.contains(&"retrained".into()) && !kinds.contains(&"checksum".into()),
        "{found}"
    );
    honest
        .into_iter()
        .for_each(|(path, bytes)| fs::write(path, bytes).unwrap());

    // A byte changed in a published checkpoint is found before it is shown.
    let folder = cut.path().join("data/published").join(name).join("checkpoints");
    let victim = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&victim).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&victim, bytes).unwrap();
    let output = sculpt(cut.path(), &["figure", "5", "--check"]).output().unwrap();
    check_failure(
        &output,
        1,
        &["SHA-256", victim.file_name().unwrap().to_str().unwrap()],
    );
}

/// Changes a weight of a published state, and makes all lists agree with it. Returns the files as they were.
fn forge(suite: &Path, id: &str, epoch: &Value) -> Vec<(PathBuf, Vec<u8>)> {
    let checkpoint = suite.join(format!("checkpoints/{id}-{epoch}.safetensors"));
    let (manifest, hash) = (suite.join("manifest.json"), suite.join("manifest.sha256"));
    let honest = [&checkpoint, &manifest, &hash].map(|path| (path.clone(), fs::read(path).unwrap()));
    let mut bytes = honest[0].1.clone();
    // The lowest bit of the first surviving weight.
    let n_header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + n_header]).unwrap();
    let place = header["values"]["data_offsets"][0].as_u64().unwrap() as usize;
    bytes[8 + n_header + place] ^= 1;
    fs::write(&checkpoint, &bytes).unwrap();
    let sha256 = |bytes: &[u8]| sculpt_store::digest::Digest::of(bytes).sha256;
    let text = String::from_utf8(honest[1].1.clone()).unwrap();
    let text = text.replace(&sha256(&honest[0].1), &sha256(&bytes));
    fs::write(&manifest, &text).unwrap();
    fs::write(&hash, format!("{}\n", sha256(text.as_bytes()))).unwrap();
    honest.into()
}

#[test]
fn a_recipe_of_the_users_runs_and_its_mistakes_are_named() {
    let root = TempDir::new().unwrap();
    let recipes = checkout().join("crates/sculpt-experiments/recipes");
    let text = fs::read_to_string(recipes.join("lrr.toml"))
        .unwrap()
        .replace("epochs = 8", "epochs = 1");
    let file = root.path().join("mine.toml");
    let with = |old: &str, new: &str| {
        fs::write(&file, text.replacen(old, new, 1)).unwrap();
        sculpt(root.path(), &["run", "mine.toml", "--json"])
            .output()
            .unwrap()
    };
    let nodes = json(&with("", ""));
    assert_eq!(nodes["nodes"][3]["name"], "lrr");
    assert_eq!(nodes["nodes"][3]["test"]["n"], 1000);
    check_failure(&with("density = 0.2", "density = 1.5"), 1, &["\"pruned\"", "1.5"]);
    check_failure(
        &with("from = \"dense\"", "from = \"dens\""),
        1,
        &["\"dens\"", "dense, init"],
    );
    check_failure(&with("dense@1", "dense@9"), 1, &["\"coupled\"", "epoch 9"]);
    check_failure(&with("seed = 1", "sed = 1"), 1, &["\"init\""]);
}
