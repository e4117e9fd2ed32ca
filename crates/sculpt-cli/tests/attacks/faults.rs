//! A fault at each call with which a node changes its folder.

use crate::*;

/// A store in which every node is described and none has run.
fn described() -> (TempDir, Vec<String>) {
    let (root, content) = reference();
    let mut ids: Vec<(u8, String)> = Vec::new();
    for (path, bytes) in &content {
        let name = path.file_name().unwrap();
        if name == "node.json" {
            let node: serde_json::Value = serde_json::from_slice(bytes).unwrap();
            let kind = node["node"]["kind"].as_str().unwrap();
            let from_init = |v: &serde_json::Value| v["node"]["from"]["epoch"] == 0;
            let order = match kind {
                "init" => 0,
                "prune" => 1,
                _ if from_init(&node) => 2,
                _ => 3,
            };
            ids.push((order, node["id"].as_str().unwrap().to_owned()));
        } else {
            fs::remove_file(root.path().join("runs").join(path)).unwrap();
        }
    }
    for folder in ["timing.json", "timing.sha256"] {
        for (_, id) in &ids {
            let _ = fs::remove_file(root.path().join("runs").join(&id[..2]).join(id).join(folder));
        }
    }
    ids.sort();
    (root, ids.into_iter().map(|(_, id)| id).collect())
}

/// Whoever reads a state looks at its node's description too.
#[test]
fn an_empty_description_is_noticed_by_whoever_reads() {
    let (root, content) = reference();
    let node = content
        .iter()
        .find(|(path, bytes)| path.ends_with("node.json") && bytes.windows(6).any(|w| w == b"\"init\""))
        .unwrap()
        .0;
    let id = node.parent().unwrap().file_name().unwrap().to_str().unwrap();
    fs::write(root.path().join("runs").join(node), "").unwrap();
    for command in [
        format!("export {id} --torch x.safetensors"),
        format!("eval --weights {id} --probe p"),
    ] {
        let said = clean_failure(&sculpt(root.path(), words(&command)).output().unwrap());
        assert!(
            said.contains("description") && said.contains("verify"),
            "{command}: {said}"
        );
    }
    let output = sculpt(root.path(), words("verify runs --repair"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    good(&sculpt(root.path(), words("run r.toml")).output().unwrap());
    good(&sculpt(root.path(), words("verify runs")).output().unwrap());
}

#[test]
fn a_fault_at_any_call_costs_nothing() {
    let tools = TempDir::new().unwrap();
    let library = compiled(tools.path(), "faults");
    let log = tools.path().join("log");
    let (_reference, expected) = reference();
    let (start, ids) = described();
    let node = |root: &Path, at: usize, fault: &str| {
        let runs = root.canonicalize().unwrap().join("runs/");
        let mut command = sculpt(root, ["node".to_owned()].into_iter().chain(ids.iter().cloned()));
        command
            .env("LD_PRELOAD", &library)
            .env("FAULT_UNDER", runs)
            .env("FAULT_AT", at.to_string())
            .env("FAULT_AS", fault)
            .env("FAULT_LOG", &log);
        command.output().unwrap()
    };
    let fresh = || {
        let root = root();
        copy(&start.path().join("runs"), &root.path().join("runs"));
        root
    };
    let whole = fresh();
    good(&node(whole.path(), 0, "5"));
    comes_out_the_same(whole.path(), &expected, "no fault");
    let calls: Vec<String> = fs::read_to_string(&log)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    assert!(calls.len() > 100, "{} calls", calls.len());
    // EIO, ENOSPC, death; in the short form another one at each of some calls.
    let faults = ["5", "28", "kill"];
    let step = if hard() { 1 } else { 17 };
    let mut n = 0;
    for (at, call) in calls.iter().enumerate().step_by(step) {
        let all = if hard() {
            &faults[..]
        } else {
            &faults[(at / step) % 3..][..1]
        };
        for fault in all {
            let root = fresh();
            let output = node(root.path(), at + 1, fault);
            let after = format!("{fault} at {call}");
            if *fault == "kill" {
                assert_eq!(output.status.code(), None, "{after}");
            } else if !output.status.success() {
                clean_failure(&output);
            }
            comes_out_the_same(root.path(), &expected, &after);
            n += 1;
        }
    }
    eprintln!("{n} faults at {} calls", calls.len());
}
