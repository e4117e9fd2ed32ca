//! What a supervisor and its workers say to each other.

use crate::store::Example;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

struct Worker {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Worker {
    fn of(example: &Example) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sculpt"))
            .args(["node", "--supervised", "--threads", "1"])
            .current_dir(example.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdin, stdout }
    }

    /// Hands it a chain; what it says of it, up to where it waits for another or ends: kinds of events, progress left out.
    fn run(&mut self, chain: &str) -> Vec<String> {
        writeln!(self.stdin, "{chain}").unwrap();
        let mut said = Vec::new();
        loop {
            let mut line = String::new();
            if self.stdout.read_line(&mut line).unwrap() == 0 || line.starts_with("ready") {
                said.push(line.trim().to_owned());
                return said;
            }
            let event: Value = serde_json::from_str(&line).unwrap();
            let kind = event["event"].as_str().unwrap().to_owned();
            if kind != "progress" {
                said.push(kind);
            }
        }
    }

    /// Whether it ends well when nobody can hand it a chain any more.
    fn ends(mut self) -> bool {
        drop(self.stdin);
        self.child.wait().unwrap().success()
    }
}

#[test]
fn a_worker_does_chain_after_chain() {
    let example = Example::new().run();
    let ids: Vec<_> = example
        .recipe
        .iter()
        .map(|(id, _)| id.as_str().to_owned())
        .collect();
    let [init, prune, train] = &ids[..] else {
        panic!("three nodes: {ids:?}");
    };
    example.store.forget(&[example.trained.id.clone()]).unwrap();
    let mut worker = Worker::of(&example);
    let ready = "ready for a chain";
    assert_eq!(
        worker.run(&format!("{init} {prune}")),
        ["start", "found", "start", "found", ready]
    );
    assert_eq!(worker.run(train), ["start", "done", ready]);
    assert_eq!(worker.run(train), ["start", "found", ready]);
    assert!(worker.ends());
}

/// One that failed may have left anything behind: the next chain is another process's.
#[test]
fn a_worker_whose_node_failed_ends() {
    let example = Example::new().run();
    let open = [&example.pruned, &example.trained].map(|state| state.id.clone());
    example.store.forget(&open).unwrap();
    let mut worker = Worker::of(&example);
    assert_eq!(worker.run(example.trained.id.as_str()), ["start", "failed", ""]);
    assert!(worker.ends());
}
