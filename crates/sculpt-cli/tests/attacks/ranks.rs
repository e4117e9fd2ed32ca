//! A node that several processes train: started by `--ranks` and by torchrun, stopped, killed and started again.

use crate::*;
use sculpt_experiments::{DataFolder, Store, read_user_recipe};
use sculpt_store::paths;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long the others may take to notice that a process is gone.
const NOTICED: Duration = Duration::from_secs(10);

/// A network drawn, and trained for so many epochs; the ids of both.
fn begun(epochs: u32) -> (TempDir, Vec<String>) {
    let root = TempDir::new().unwrap();
    let recipe = RECIPE.replace("epochs = 2", &format!("epochs = {epochs}"));
    // As far as the first training, at a rate that stays small for long cycles.
    let recipe = recipe
        .split("[[node]]\nname = \"second\"")
        .next()
        .unwrap()
        .replace("batch = 32", "batch = 32, lr = 0.01");
    fs::write(root.path().join("r.toml"), recipe).unwrap();
    let recipe = read_user_recipe(&root.path().join("r.toml"), &DataFolder::default())
        .unwrap()
        .recipe;
    let store = Store::new(root.path().join("runs"));
    let mut ids = Vec::new();
    for (id, entry) in recipe.iter() {
        store.describe(id, entry).unwrap();
        ids.push(id.to_string());
    }
    (root, ids)
}

fn node(root: &Path, ids: &[String], more: &str) -> Command {
    let mut command = sculpt(root, ["node"]);
    command.args(ids).args(more.split_whitespace());
    command
}

/// Starts a training of two ranks that is not finished, and waits until it has trained an epoch more.
#[track_caller]
fn start(root: &Path, ids: &[String]) -> Child {
    let id = ids.last().unwrap();
    let epochs = paths::live_epochs(&root.join("runs").join(&id[..2]).join(id));
    let length = || fs::metadata(&epochs).map_or(0, |file| file.len());
    let before = length();
    let mut child = node(root, ids, "--ranks 2")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(120);
    while length() <= before {
        assert!(Instant::now() < end, "no epoch in time");
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before it was stopped"
        );
        thread::sleep(Duration::from_millis(20));
    }
    child
}

fn signal(signal: &str, process: u32) {
    let sent = Command::new("kill")
        .args([signal, &process.to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

fn is_there(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // A zombie has ended.
    !status.is_empty() && !status.contains(") Z ")
}

#[track_caller]
fn wait_until_gone(process: u32) {
    let end = Instant::now() + NOTICED;
    while is_there(process) {
        assert!(Instant::now() < end, "process {process} is still there");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The other rank of a command with `--ranks 2`.
fn other_rank(child: &Child) -> u32 {
    let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
    let of_task = |task: fs::DirEntry| fs::read_to_string(task.path().join("children")).unwrap_or_default();
    let children: String = tasks.flatten().map(of_task).collect::<Vec<_>>().join(" ");
    let children: Vec<u32> = children
        .split_whitespace()
        .map(|id| id.parse().unwrap())
        .collect();
    assert_eq!(children.len(), 1, "{children:?}");
    children[0]
}

fn end_of(child: Child) -> (bool, String) {
    let output = child.wait_with_output().unwrap();
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// Stopped by a signal, its other rank killed, itself killed, and each time started again, it leaves what it leaves when nothing
/// happens, to the byte.
#[test]
fn two_ranks_go_on_to_the_same_bytes() {
    const EPOCHS: u32 = 60;
    let (whole, ids) = begun(EPOCHS);
    let said = good(&node(whole.path(), &ids, "--ranks 2").output().unwrap());
    assert_eq!(said.matches(" done\n").count(), ids.len(), "{said}");
    let expected = content(&whole.path().join("runs"));

    let (cut, ids) = begun(EPOCHS);
    let child = start(cut.path(), &ids);
    signal("-TERM", child.id());
    let (success, said) = end_of(child);
    assert!(!success && said.contains("goes on from here"), "{said}");
    let position = paths::progress_state(&cut.path().join("runs").join(&ids[2][..2]).join(&ids[2]));
    assert!(position.is_file(), "rank 0 saved");

    let child = start(cut.path(), &ids);
    signal("-KILL", other_rank(&child));
    let killed = Instant::now();
    let (success, said) = end_of(child);
    assert!(killed.elapsed() < NOTICED, "{:?}", killed.elapsed());
    eprintln!(
        "rank 0 ended {:?} after rank 1 was killed: {said}",
        killed.elapsed()
    );
    assert!(!success, "{said}");
    let says = [
        "rank 0 of 2 lost another one, which ended or did not answer for 1800 s",
        "goes on from what was saved last",
    ];
    assert!(says.iter().all(|says| said.contains(says)), "{said}");

    let mut child = start(cut.path(), &ids);
    let other = other_rank(&child);
    signal("-KILL", child.id());
    child.wait().unwrap();
    wait_until_gone(other);

    good(&node(cut.path(), &ids, "--ranks 2").output().unwrap());
    let found = content(&cut.path().join("runs"));
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>()
    );
    for (name, bytes) in &found {
        assert!(bytes == &expected[name], "{}", name.display());
    }
    good(&sculpt(cut.path(), words("verify runs")).output().unwrap());
    // What is done is done on any number of ranks.
    let again = good(&node(cut.path(), &ids, "").output().unwrap());
    assert_eq!(again.matches("was done already").count(), ids.len(), "{again}");
}

/// Node by node as `reproduce` and `run` do, and in jobs of theirs: the same bytes as of `node`.
#[test]
fn a_recipe_runs_on_two_ranks() {
    let (by_node, ids) = begun(2);
    good(&node(by_node.path(), &ids, "--ranks 2").output().unwrap());
    let (by_run, _) = begun(2);
    good(
        &sculpt(by_run.path(), words("run r.toml --ranks 2"))
            .output()
            .unwrap(),
    );
    let nodes = |root: &TempDir| {
        let mut all = content(&root.path().join("runs"));
        // The run's suite is beside the nodes.
        all.retain(|name, _| !name.starts_with("suites"));
        all
    };
    assert!(nodes(&by_node) == nodes(&by_run));
}

#[test]
fn torchrun_starts_the_ranks() {
    let is_there = Command::new("torchrun").arg("--help").output();
    if !is_there.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: there is no torchrun on the PATH (pip install torch==2.11.0)");
        return;
    }
    let (by_us, ids) = begun(2);
    good(&node(by_us.path(), &ids, "--ranks 2").output().unwrap());
    let (by_torchrun, ids) = begun(2);
    let launched = Command::new("torchrun")
        .args(["--no-python", "--standalone", "--nproc-per-node", "2"])
        .args([env!("CARGO_BIN_EXE_sculpt"), "node"])
        .args(&ids)
        .env("SCULPT_ROOT", by_torchrun.path())
        .current_dir(by_torchrun.path())
        .output()
        .unwrap();
    let said = good(&launched);
    // Rank 0 alone reports.
    assert_eq!(said.matches(" done\n").count(), ids.len(), "{said}");
    assert!(content(&by_torchrun.path().join("runs")) == content(&by_us.path().join("runs")));
}

#[test]
fn what_cannot_be_is_said_before_anybody_waits() {
    let (root, ids) = begun(2);
    let refused = |command: &mut Command, says: &str| {
        let begun = Instant::now();
        let said = clean_failure(&command.output().unwrap());
        assert!(said.contains(says), "{said}");
        assert!(begun.elapsed() < NOTICED, "{:?}", begun.elapsed());
    };
    let with = |set: &[(&str, &str)]| {
        let mut command = node(root.path(), &ids, "");
        command.envs(set.iter().copied());
        command
    };
    refused(
        &mut with(&[("WORLD_SIZE", "2")]),
        "RANK is not set, but WORLD_SIZE is",
    );
    refused(
        &mut with(&[("WORLD_SIZE", "2"), ("RANK", "5")]),
        "RANK is \"5\", not below the number of ranks",
    );
    refused(
        &mut sculpt(root.path(), words("ls --ranks 2")),
        "--ranks is for what trains",
    );
    refused(
        &mut node(root.path(), &ids, "--threads 2"),
        "--threads: a node has those that it was described with",
    );
    // Each says what it finds, and which it is.
    refused(
        &mut node(root.path(), &ids[2..], "--ranks 2"),
        "error: rank 1: node ",
    );
    // What rank 0 alone finds is the others' end too.
    let held = Store::new(root.path().join("runs"))
        .lock(&ids[0].parse().unwrap())
        .unwrap();
    let mut command = node(root.path(), &ids, "--ranks 2");
    refused(&mut command, "rank 0 cannot train node");
    drop(held);
    let sequential = fs::read_to_string(root.path().join("r.toml")).unwrap().replace(
        "name = \"first\"",
        "name = \"first\"\nbatch_norm = { groups = 2, statistics = \"sequential\" }",
    );
    fs::write(root.path().join("r.toml"), sequential).unwrap();
    refused(
        &mut sculpt(root.path(), words("run r.toml --ranks 2")),
        "2 processes cannot share them; start one",
    );
    good(&sculpt(root.path(), words("run r.toml")).output().unwrap());
}
