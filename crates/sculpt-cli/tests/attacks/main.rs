//! Attacks on stores and suites: processes that are killed, file systems that fail, many commands at once, files of strangers. The
//! short forms are part of every test run; `cargo xtask test --hard` (RUN_SLOW_TESTS) runs the long ones.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]
#![expect(
    clippy::print_stderr,
    reason = "how many attacks there were is part of the result"
)]

mod divergence;
mod faults;
mod kills;
mod machines;
mod packs;
mod places;
mod races;
mod ranks;
mod slurm;
mod strangers;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A network drawn, pruned, trained for two epochs of which both are kept, and trained on: some seconds of every kind of file.
const RECIPE: &str = r#"
like = "demo/a"
seeds = [1]
defaults = { model = { name = "resnet8", classes = 10, width = 2 }, data = { train_images = 64 }, batch = 32, epochs = 2 }
[[node]]
name = "dense"
kind = "init"
[[node]]
name = "pruned"
kind = "prune"
from = "dense"
criterion = "random"
density = 0.5
[[node]]
name = "first"
kind = "train"
from = "pruned"
keep = [1]
[[node]]
name = "second"
kind = "train"
from = "first"
keep = [1]
"#;

/// Whether the long forms are asked for.
fn hard() -> bool {
    std::env::var_os("RUN_SLOW_TESTS").is_some()
}

/// A folder that is a checkout, with the recipe in it.
fn root() -> TempDir {
    let root = TempDir::new().unwrap();
    fs::write(root.path().join("r.toml"), RECIPE).unwrap();
    root
}

fn sculpt<W: AsRef<OsStr>>(root: &Path, words: impl IntoIterator<Item = W>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sculpt"));
    command.args(words).env("SCULPT_ROOT", root).current_dir(root);
    command
}

/// The library that `name`.c is, to be loaded before others.
fn compiled(folder: &Path, name: &str) -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attacks");
    let library = folder.join(format!("{name}.so"));
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let output = Command::new(compiler)
        .args(["-shared", "-fPIC", "-O1", "-w", "-o"])
        .arg(&library)
        .arg(sources.join(format!("{name}.c")))
        .args(["-ldl"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    library
}

fn words(words: &str) -> impl Iterator<Item = &str> {
    words.split(' ')
}

/// A command that must end well.
#[track_caller]
fn good(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Neither a panic nor a signal that nobody sent: a sentence, and exit 1 or 2.
#[track_caller]
fn clean_failure(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        matches!(output.status.code(), Some(1 | 2)),
        "{}: {stderr}",
        output.status
    );
    assert!(
        !stderr.contains("panicked") && !stderr.contains("internal"),
        "{stderr}"
    );
    assert!(stderr.contains("error: "), "{stderr}");
    stderr
}

/// A folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}

/// Every file below a store but what differs from run to run: timings, and locks, which are empty.
fn content(runs: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn collect(folder: &Path, root: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                collect(&path, root, found);
            } else if !name.starts_with("timing.") {
                found.insert(
                    path.strip_prefix(root).unwrap().to_owned(),
                    fs::read(&path).unwrap(),
                );
            }
        }
    }
    let mut found = BTreeMap::new();
    collect(runs, runs, &mut found);
    found
}

/// The store that nothing happened to.
fn reference() -> (TempDir, BTreeMap<PathBuf, Vec<u8>>) {
    let root = root();
    good(&sculpt(root.path(), words("run r.toml")).output().unwrap());
    let content = content(&root.path().join("runs"));
    assert!(content.len() > 4 * 3, "{:?}", content.keys());
    (root, content)
}

/// Whatever happened to a store, the same command makes it what it should be: the same bytes, and nothing besides.
#[track_caller]
fn comes_out_the_same(root: &Path, expected: &BTreeMap<PathBuf, Vec<u8>>, after: &str) {
    let output = sculpt(root, words("run r.toml")).output().unwrap();
    assert!(
        output.status.success(),
        "after {after}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let found = content(&root.join("runs"));
    let names = |content: &BTreeMap<PathBuf, Vec<u8>>| content.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(expected), "after {after}");
    for (name, bytes) in &found {
        assert!(bytes == &expected[name], "after {after}: {}", name.display());
    }
    let output = sculpt(root, words("verify runs")).output().unwrap();
    assert!(
        output.status.success(),
        "after {after}: {}",
        String::from_utf8_lossy(&output.stdout)
    );
}

/// A generator for moments and places: what fails is said with them.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        // Marsaglia's xorshift, good enough to pick moments.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}
