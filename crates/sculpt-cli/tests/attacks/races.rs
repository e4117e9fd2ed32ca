//! Many commands at once on one store.

use crate::*;
use std::process::{Child, Stdio};

/// ERK against balanced masks on 64 images: a suite of some nodes, in seconds.
const REPRODUCE: &str = "reproduce figure 13 --preset demo --cycle-epochs 1 --cycles 2 --densities 0.2 --seeds 1 --train-images 64 --suite s";

fn begin(root: &Path, command: &str) -> (String, Child) {
    let child = sculpt(root, words(command))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    (command.to_owned(), child)
}

/// Starts all of them and waits for their ends.
fn at_once(root: &Path, commands: &[&str]) -> Vec<(String, Output)> {
    let children: Vec<_> = commands.iter().map(|command| begin(root, command)).collect();
    let ended = |(command, child): (String, Child)| (command, child.wait_with_output().unwrap());
    children.into_iter().map(ended).collect()
}

#[track_caller]
fn all_good(outputs: &[(String, Output)]) {
    for (command, output) in outputs {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {}: {said}", output.status);
    }
}

#[track_caller]
fn sound(root: &Path) {
    let verified = sculpt(root, words("verify runs")).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stdout);
    assert!(verified.status.success(), "{said}");
    if root.join("data/published/s").exists() {
        good(&sculpt(root, words("verify data/published/s")).output().unwrap());
    }
    for folder in ["data/published", "data/fetched"] {
        let entries = fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
        let strays: Vec<_> = entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .filter(|name| name.starts_with('.') && !name.ends_with(".lock"))
            .collect();
        assert!(strays.is_empty(), "{folder}: {strays:?}");
    }
}

#[test]
fn four_that_train_one_store_share_its_nodes() {
    let (root, alone) = (root(), root());
    let outputs = at_once(root.path(), &[REPRODUCE; 4]);
    all_good(&outputs);
    sound(root.path());
    good(&sculpt(alone.path(), words(REPRODUCE)).output().unwrap());
    let frame = |root: &TempDir| fs::read(root.path().join("reports/s/figure-13.csv")).unwrap();
    assert_eq!(frame(&root), frame(&alone));
    let names = |root: &TempDir| {
        content(&root.path().join("runs"))
            .into_keys()
            .filter(|path| !path.starts_with("measures"))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&root), names(&alone));
}

/// Every pair of what reads, writes and deletes, on one store whose suite is trained.
#[test]
fn commands_in_every_pair() {
    let root = root();
    good(&sculpt(root.path(), words(REPRODUCE)).output().unwrap());
    good(&sculpt(root.path(), words("publish --suite s")).output().unwrap());
    let served = root.path().join("served");
    let copied = Command::new("cp")
        .args(["-r", "data/published/s"])
        .arg(&served)
        .current_dir(root.path())
        .status()
        .unwrap();
    assert!(copied.success());
    // `run` of a recipe that no suite needs: what `gc` deletes.
    let commands = [
        REPRODUCE,
        "publish --suite s",
        "fetch --suite s --from served",
        "gc --delete",
        "run r.toml",
        "verify runs",
        "figure 13 --suite s",
    ];
    let rounds = if hard() { 10 } else { 1 };
    let mut n = 0;
    for _ in 0..rounds {
        for (i, one) in commands.iter().enumerate() {
            for other in &commands[i..] {
                for (command, output) in at_once(root.path(), &[one, other]) {
                    if output.status.success() {
                        continue;
                    }
                    // Whoever would delete under others says that it does not; who looks may see what is being made.
                    let pair = format!("{one} | {other}");
                    match command.split(' ').next().unwrap() {
                        "gc" => assert!(
                            clean_failure(&output).contains("nothing is deleted meanwhile"),
                            "{pair}: {output:?}"
                        ),
                        "verify" => assert_eq!(output.status.code(), Some(1), "{pair}: {output:?}"),
                        _ => panic!("{pair}: {command}: {}", String::from_utf8_lossy(&output.stderr)),
                    }
                }
                n += 1;
            }
        }
        sound(root.path());
    }
    eprintln!("{n} pairs");
}

/// A folder whose name begins with a dash is a folder for the jobs too.
#[test]
fn stores_of_any_name() {
    let root = root();
    good(
        &sculpt(root.path(), words("run r.toml --runs=-x"))
            .output()
            .unwrap(),
    );
    good(&sculpt(root.path(), words("verify ./-x")).output().unwrap());
}

#[test]
fn three_that_publish_and_two_that_fetch_one_suite() {
    let root = root();
    good(&sculpt(root.path(), words(REPRODUCE)).output().unwrap());
    for _ in 0..if hard() { 11 } else { 2 } {
        all_good(&at_once(root.path(), &["publish --suite s"; 3]));
        sound(root.path());
        all_good(&at_once(
            root.path(),
            &["fetch --suite s --from data/published/s"; 2],
        ));
        sound(root.path());
        good(
            &sculpt(root.path(), words("verify data/fetched/s"))
                .output()
                .unwrap(),
        );
    }
}
