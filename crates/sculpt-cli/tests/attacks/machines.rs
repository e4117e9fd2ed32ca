//! Two machines that share files and no locks: name spaces of processes and host names of their own, one with a clock that is an hour
//! off. They never train one node twice, and one goes on where the other died. Where the test is not root, or there is no `unshare`,
//! one line says so.

use crate::*;
use std::collections::BTreeSet;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const GRID: &str = r#"
like = "demo/a"
seeds = [1]
threads = 1
defaults = { model = { name = "resnet8", classes = 10, width = 2 }, epochs = 1, data = { train_images = 64 }, batch = 32 }
[[node]]
name = "init"
kind = "init"
[[node]]
name = "mask"
kind = "prune"
from = "init"
criterion = "random"
density = [0.5, 0.2]
[[node]]
name = "cyclic"
kind = "train"
from = "mask"
cycles = 2
"#;

const N_NODES: usize = 1 + 2 + 2 * 2;

/// What a machine is silent for until another takes its nodes over (`sculpt_store::lease`).
const SILENCE: Duration = Duration::from_secs(60);

struct Machines {
    root: TempDir,
    library: PathBuf,
}

impl Machines {
    fn can_be_had() -> bool {
        let is_root =
            fs::metadata("/proc/self").is_ok_and(|found| std::os::unix::fs::MetadataExt::uid(&found) == 0);
        let tried = Command::new("unshare")
            .args(["--pid", "--fork", "--uts", "true"])
            .output();
        is_root && tried.is_ok_and(|output| output.status.success())
    }

    fn new() -> Self {
        let root = root();
        fs::write(root.path().join("grid.toml"), GRID).unwrap();
        let library = compiled(root.path(), "machines");
        Self { root, library }
    }

    fn runs(&self) -> PathBuf {
        self.root.path().join("runs")
    }

    /// A worker on a machine of this name, whose clock is off by so many seconds.
    fn worker(&self, name: &str, off: i64) -> Child {
        let work = format!(
            "hostname {name} && exec {} work --recipe grid.toml",
            env!("CARGO_BIN_EXE_sculpt")
        );
        Command::new("unshare")
            .args(["--pid", "--fork", "--kill-child", "--uts", "sh", "-c", &work])
            .env("SCULPT_ROOT", self.root.path())
            .env("LD_PRELOAD", &self.library)
            .env("MACHINE_CLOCK", off.to_string())
            .env("MACHINE_LOG", self.root.path().join("finished"))
            .current_dir(self.root.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Whether a node's lock names somebody.
    fn is_held(&self) -> bool {
        let nodes = fs::read_dir(self.runs()).into_iter().flatten().flatten();
        let nodes = nodes.flat_map(|two| fs::read_dir(two.path()).into_iter().flatten().flatten());
        let mut locks = nodes.map(|node| node.path().join("lock"));
        locks.any(|lock| fs::metadata(lock).is_ok_and(|found| found.len() > 0))
    }

    /// The markers that were written, in order.
    fn finished(&self) -> Vec<String> {
        let text = fs::read_to_string(self.root.path().join("finished")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// One long training.
const LONG: &str = r#"
like = "demo/a"
seeds = [1]
threads = 1
defaults = { model = { name = "resnet8", classes = 10, width = 2 }, data = { train_images = 64 }, batch = 32 }
[[node]]
name = "init"
kind = "init"
[[node]]
name = "long"
kind = "train"
from = "init"
epochs = 100000
"#;

/// A process and those that it started.
fn family(parent: u32) -> Vec<u32> {
    let mut all = vec![parent];
    let mut next = 0;
    while next < all.len() {
        let path = format!("/proc/{0}/task/{0}/children", all[next]);
        let children = fs::read_to_string(path).unwrap_or_default();
        all.extend(children.split_whitespace().map(|pid| pid.parse::<u32>().unwrap()));
        next += 1;
    }
    all
}

/// What all of them are sent.
fn signal(parent: u32, name: &str) {
    let pids = family(parent).into_iter().map(|pid| pid.to_string());
    let sent = Command::new("kill").arg(format!("-{name}")).args(pids).status();
    assert!(sent.unwrap().success());
}

/// A machine that sleeps for longer than others wait, and wakes, leaves the node to whoever took it over and writes nothing more.
#[test]
fn a_machine_that_slept_leaves_its_node_to_others() {
    if !Machines::can_be_had() {
        eprintln!("skipped: no name spaces for this user");
        return;
    }
    let machines = Machines::new();
    fs::write(machines.root.path().join("grid.toml"), LONG).unwrap();
    let near = machines.worker("near", 0);
    let epochs = || -> Vec<u64> {
        let live = content_of(&machines.runs(), "progress/epochs.jsonl");
        let text = String::from_utf8_lossy(&live).into_owned();
        let row = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok();
        let rows = text.lines().filter_map(row);
        rows.filter_map(|row| {
            row["epoch"]
                .as_u64()
                .or_else(|| row["training"]["epoch"].as_u64())
        })
        .collect()
    };
    let until = |what: &str, is_so: &dyn Fn() -> bool| {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < Duration::from_secs(240), "{what} does not come");
            sleep(Duration::from_millis(50));
        }
    };
    until("training", &|| epochs().len() > 3);
    signal(near.id(), "STOP");
    let before = epochs().len();
    let far = machines.worker("far", 0);
    sleep(SILENCE);
    until("the other", &|| {
        let lock = content_of(&machines.runs(), "lock");
        String::from_utf8_lossy(&lock).contains("far") && epochs().len() != before
    });
    signal(near.id(), "CONT");
    // It hears of it with its next beat, and waits for the other as for anybody who is at work.
    sleep(Duration::from_secs(15));
    let seen = epochs();
    assert!(
        seen.windows(2).all(|pair| pair[0] < pair[1]),
        "two wrote: {seen:?}"
    );
    for worker in [near, far] {
        signal(worker.id(), "TERM");
        worker.wait_with_output().unwrap();
    }
    let verify = sculpt(machines.root.path(), words("verify runs"))
        .output()
        .unwrap();
    good(&verify);
}

/// What the first file of this name in a node's folder holds, of the node that trains.
fn content_of(runs: &Path, name: &str) -> Vec<u8> {
    let nodes = fs::read_dir(runs).into_iter().flatten().flatten();
    let nodes = nodes.flat_map(|two| fs::read_dir(two.path()).into_iter().flatten().flatten());
    let trains = |path: &PathBuf| {
        fs::read_to_string(path.join("node.json")).is_ok_and(|text| text.contains("\"train\""))
    };
    let node = nodes.map(|node| node.path()).find(trains);
    node.and_then(|node| fs::read(node.join(name)).ok())
        .unwrap_or_default()
}

/// Everything of a store but what keeps those apart who change it.
fn trained(runs: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = content(runs);
    found.retain(|path, _| !path.ends_with("lock"));
    found
}

#[test]
fn two_machines_without_locks_never_train_a_node_twice() {
    if !Machines::can_be_had() {
        eprintln!("skipped: no name spaces for this user");
        return;
    }
    let alone = root();
    fs::write(alone.path().join("grid.toml"), GRID).unwrap();
    let run = sculpt(alone.path(), words("run grid.toml")).output().unwrap();
    good(&run);
    // Its suite too: workers of a recipe describe it, so that `status` knows of them.
    let expected = trained(&alone.path().join("runs"));
    assert!(expected.contains_key(Path::new("suites/grid.json")));

    let machines = Machines::new();
    let workers = [machines.worker("near", 0), machines.worker("far", 3600)];
    for worker in workers {
        good(&worker.wait_with_output().unwrap());
    }
    let finished = machines.finished();
    let distinct: BTreeSet<_> = finished.iter().collect();
    assert_eq!(
        (finished.len(), distinct.len()),
        (N_NODES, N_NODES),
        "{finished:?}"
    );
    assert_same(&trained(&machines.runs()), &expected);

    // One dies at work; nothing tells the other but its silence.
    let machines = Machines::new();
    let mut dying = machines.worker("near", 0);
    let begun = Instant::now();
    while machines.finished().len() < 2 || !machines.is_held() {
        assert!(begun.elapsed() < Duration::from_secs(120), "it does not begin");
        sleep(Duration::from_millis(5));
    }
    let all = family(dying.id());
    dying.kill().unwrap();
    dying.wait().unwrap();
    // Its processes die after it, and until then they may finish a node and let it go.
    while all.iter().any(|pid| Path::new(&format!("/proc/{pid}")).exists()) {
        assert!(begun.elapsed() < Duration::from_secs(150), "it does not die");
        sleep(Duration::from_millis(5));
    }
    let held = machines.is_held();
    let begun = Instant::now();
    good(&machines.worker("far", -3600).wait_with_output().unwrap());
    let took = begun.elapsed();
    assert!(!held || took >= SILENCE, "taken over after {took:?}");
    assert_same(&trained(&machines.runs()), &expected);
    eprintln!(
        "machines: {N_NODES} nodes, none twice; {} taken over after {:.0} s",
        usize::from(held),
        took.as_secs_f64()
    );
}

/// The same bytes, but for what says which machine made them.
#[track_caller]
fn assert_same(found: &BTreeMap<PathBuf, Vec<u8>>, expected: &BTreeMap<PathBuf, Vec<u8>>) {
    let names = |content: &BTreeMap<PathBuf, Vec<u8>>| content.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(expected));
    for (path, bytes) in expected {
        assert!(found[path] == *bytes, "{} differs", path.display());
    }
}
