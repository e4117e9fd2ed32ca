//! Files, links, pipes and folders where others belong: every command ends, `verify` says so, and its advice heals.

use crate::*;
use std::os::unix::fs::symlink;

/// The folders of the node that nothing follows, and of another one.
fn nodes(content: &BTreeMap<PathBuf, Vec<u8>>) -> (PathBuf, PathBuf) {
    let trained = content.keys().filter(|path| path.ends_with("metrics.parquet"));
    let mut folders: Vec<PathBuf> = trained.map(|path| path.parent().unwrap().to_owned()).collect();
    assert_eq!(folders.len(), 2);
    let reads_init = |folder: &PathBuf| {
        let node: serde_json::Value = serde_json::from_slice(&content[&folder.join("node.json")]).unwrap();
        node["node"]["from"]["epoch"] == 0
    };
    folders.sort_by_key(reads_init);
    (folders.swap_remove(0), folders.swap_remove(0))
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[track_caller]
fn heals(what: &str, spoil: impl Fn(&Path, &Path, &Path)) {
    let (root, expected) = reference();
    let runs = root.path().join("runs");
    let (last, first) = nodes(&expected);
    spoil(&runs, &runs.join(&last), &runs.join(&first));
    // Whatever it says, it ends, and tells no number of another node.
    let output = Command::new("timeout")
        .args(["-k", "5", "60", env!("CARGO_BIN_EXE_sculpt"), "run", "r.toml"])
        .env("SCULPT_ROOT", root.path())
        .current_dir(root.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        matches!(output.status.code(), Some(0 | 1)),
        "{what}: {}: {said}",
        output.status
    );
    if !output.status.success() {
        clean_failure(&output);
    }
    if sculpt(root.path(), words("verify runs"))
        .output()
        .unwrap()
        .status
        .success()
    {
        // The run itself has made it good.
        assert!(output.status.success(), "{what}: {said}");
    }
    let _ = sculpt(root.path(), words("verify runs --repair"))
        .output()
        .unwrap();
    let _ = fs::remove_dir_all(runs.join("damaged"));
    comes_out_the_same(root.path(), &expected, what);
}

#[test]
fn what_stands_where_a_node_belongs() {
    heals("a file", |_, last, _| {
        fs::remove_dir_all(last).unwrap();
        fs::write(last, "x").unwrap();
    });
    heals("a link to nowhere", |_, last, _| {
        fs::remove_dir_all(last).unwrap();
        symlink("nowhere", last).unwrap();
    });
    heals("a file for all nodes that begin so", |_, last, _| {
        let all = last.parent().unwrap();
        fs::remove_dir_all(all).unwrap();
        fs::write(all, "x").unwrap();
    });
    heals("another node", |_, last, first| {
        fs::remove_dir_all(last).unwrap();
        let copied = Command::new("cp").arg("-r").args([first, last]).status().unwrap();
        assert!(copied.success());
    });
}

#[test]
fn what_stands_where_a_file_belongs() {
    heals("a folder for the store's lock", |runs, _, _| {
        let lock = runs.join("lock");
        let _ = fs::remove_file(&lock);
        fs::create_dir(lock).unwrap();
    });
    heals("a pipe for the marker", |_, last, _| {
        fs::remove_file(last.join("done.json")).unwrap();
        pipe(&last.join("done.json"));
    });
    heals("a folder for the marker", |_, last, _| {
        fs::remove_file(last.join("done.json")).unwrap();
        fs::create_dir(last.join("done.json")).unwrap();
    });
    heals("a pipe for a state", |_, last, _| {
        fs::remove_file(last.join("checkpoint-2.safetensors")).unwrap();
        pipe(&last.join("checkpoint-2.safetensors"));
    });
    heals("a file for the saved position's folder", |_, last, _| {
        fs::remove_file(last.join("done.json")).unwrap();
        fs::write(last.join("progress"), "x").unwrap();
    });
}
