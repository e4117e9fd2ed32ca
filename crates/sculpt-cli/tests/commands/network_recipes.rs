//! Networks of other people, trained by recipes, cut off, and kept by the store.

use crate::network::{N, goldens, place};
use crate::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// Two rounds of learning-rate rewinding, and SNIP's mask trained for two cycles.
const RECIPE: &str = r#"
like = "demo/a"
defaults = { model = { network = "net.pt" }, epochs = 2, data = { train_images = 256 } }

[[node]]
name = "init"
kind = "init"
[[node]]
name = "dense"
kind = "train"
from = "init"
[[node]]
name = "lrr"
kind = "repeat"
from = "dense"
density = [0.5, 0.2]
steps = [{ kind = "prune", criterion = "magnitude" }, { kind = "train" }]
[[node]]
name = "mask"
kind = "prune"
from = "init"
criterion = "snip"
density = 0.2
[[node]]
name = "cyclic"
kind = "train"
from = "mask"
cycles = 2
"#;

/// Every state of a store, by its place in it.
fn states(runs: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let folders = |path: &Path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let nodes = folders(runs)
        .filter(|path| path.is_dir() && path.file_name().unwrap().len() == 2)
        .flat_map(|path| folders(&path).collect::<Vec<_>>());
    let files = nodes.flat_map(|node| folders(&node).collect::<Vec<_>>());
    files
        .filter(|path| path.extension().is_some_and(|e| e == "safetensors"))
        .map(|path| {
            (
                path.strip_prefix(runs).unwrap().to_owned(),
                fs::read(&path).unwrap(),
            )
        })
        .collect()
}

#[test]
fn recipes_train_a_mobilenet() {
    recipe_trains("mobilenet");
}

#[test]
fn recipes_train_a_transformer() {
    recipe_trains("vit");
}

#[test]
fn recipes_train_an_mlp() {
    recipe_trains("mlp");
}

#[test]
fn recipes_train_other_norms() {
    recipe_trains("norms");
}

/// And know the network once its file has gone: the store has it. A run that is cut off ends in the same bytes.
fn recipe_trains(name: &str) {
    let folder = Folder::new();
    place(&folder, name);
    fs::write(folder.join("r.toml"), RECIPE).unwrap();
    let run = |runs: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sculpt"));
        command
            .args(["run", "r.toml", "--runs", runs, "--jobs", "1"])
            .current_dir(folder.path());
        command
    };
    let output = run("whole").output().unwrap();
    assert!(output.status.success(), "{name}: {}", text(&output.stderr));
    let whole = states(&folder.join("whole"));
    assert_eq!(whole.len(), 9, "{name}: init, dense, twice two, mask, two cycles");

    let mut child = run("cut")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Until it trains: initialised, and something under way.
    while states_of(&folder.join("cut")) < 1 {
        thread::sleep(Duration::from_millis(20));
    }
    Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{name}: it was cut off");
    assert!(states_of(&folder.join("cut")) < whole.len(), "{name}");
    let output = run("cut").output().unwrap();
    assert!(output.status.success(), "{name}: {}", text(&output.stderr));
    assert!(whole == states(&folder.join("cut")), "{name}: other bytes");

    fs::remove_file(folder.join("net.pt")).unwrap();
    runs_without_its_file(&folder);
    let mut trained = whole
        .keys()
        .filter(|path| path.ends_with("checkpoint-2.safetensors"));
    let id = trained
        .next_back()
        .unwrap()
        .parent()
        .unwrap()
        .file_name()
        .unwrap();
    let line = format!("eval --weights {} --probe p --runs whole", id.to_str().unwrap());
    assert_eq!(json(&folder, &line)["n"], N, "{name}");
    let verified = json(&folder, "verify whole");
    assert_eq!(verified["violations"].as_array().unwrap().len(), 0, "{verified}");
    kept_and_gone(&folder, id.to_str().unwrap());
}

/// The recipe as it stands, in whatever folder; another one does not know what its file was.
fn runs_without_its_file(folder: &Folder) {
    let again = sculpt(folder, "run r.toml --runs whole --json");
    assert!(again.status.success(), "{}", text(&again.stderr));
    assert!(
        text(&again.stderr).contains("net.pt is not there"),
        "{}",
        text(&again.stderr)
    );
    fs::create_dir(folder.join("elsewhere")).unwrap();
    fs::copy(folder.join("r.toml"), folder.join("elsewhere/r.toml")).unwrap();
    let shown = json(folder, "recipe show elsewhere/r.toml --runs whole");
    assert_eq!(shown["nodes"].as_array().unwrap().len(), 7);
    assert_eq!(
        json(folder, "gc --runs whole --keep r.toml")["nodes"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
    fs::write(folder.join("other.toml"), RECIPE.replace("0.5, 0.2", "0.5, 0.1")).unwrap();
    let says = ["net.pt", "cannot be read", "keeps 1 networks"];
    refused(folder, "run other.toml --runs whole", 1, &says);
    refused(
        folder,
        "recipe show r.toml --runs nowhere",
        1,
        &["net.pt", "cannot be read"],
    );
}

fn states_of(runs: &Path) -> usize {
    if runs.is_dir() { states(runs).len() } else { 0 }
}

/// The network stays as long as a node is of it; a damaged one is noticed, by whoever would compute with it too.
fn kept_and_gone(folder: &Folder, id: &str) {
    let networks = folder.join("whole/networks");
    let network = fs::read_dir(&networks).unwrap().next().unwrap().unwrap().path();
    let strays = |line: &str| json(folder, line)["strays"].as_array().unwrap().len();
    fs::copy(goldens().join("mlp.pt"), folder.join("net.pt")).unwrap();
    let content = fs::read(&network).unwrap();
    // Nobody needs the suite that the recipe became.
    fs::remove_file(folder.join("whole/suites/r.json")).unwrap();
    if content != fs::read(folder.join("net.pt")).unwrap() {
        // The recipe with another network needs none of these nodes.
        assert_eq!(strays("gc --runs whole --keep r.toml"), 1);
    }
    fs::write(folder.join("net.pt"), &content).unwrap();
    assert_eq!(strays("gc --runs whole --keep r.toml"), 0);

    let mut damaged = content;
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&network, &damaged).unwrap();
    let verified = sculpt(folder, "verify whole --json");
    assert_eq!(verified.status.code(), Some(1));
    assert!(
        text(&verified.stdout).contains("networks"),
        "{}",
        text(&verified.stdout)
    );
    let line = format!("eval --weights {id} --probe p --runs whole");
    refused(folder, &line, 1, &["network"]);
    fs::remove_file(&network).unwrap();
    refused(folder, &line, 1, &["--network FILE"]);
    let by_file = format!("{line} --network net.pt");
    assert_eq!(json(folder, &by_file)["n"], N);

    // What is missing is noticed too, and whoever runs a recipe with the file at hand puts a good copy in a damaged one's place.
    let verified = sculpt(folder, "verify whole --json");
    assert_eq!(verified.status.code(), Some(1));
    assert!(
        text(&verified.stdout).contains("it is not there"),
        "{}",
        text(&verified.stdout)
    );
    fs::write(&network, &damaged).unwrap();
    fs::remove_dir_all(folder.join("whole").join(&id[..2]).join(id)).unwrap();
    ok(folder, "run r.toml --runs whole");
    assert_eq!(
        fs::read(&network).unwrap(),
        fs::read(folder.join("net.pt")).unwrap()
    );
    assert_eq!(
        json(folder, "verify whole")["violations"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
}
