//! What a supervisor and its workers say to each other.

use crate::store::Example;
use crate::{Folder, text};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

struct Worker {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Worker {
    fn of(example: &Example) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sculpt"))
            .args(["node", "--supervised"])
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
            let is_over = self.stdout.read_line(&mut line).unwrap() == 0;
            let line = line.trim();
            // What a library printed ends before what is said to a supervisor.
            if line.is_empty() && !is_over {
                continue;
            }
            if is_over || line.starts_with("ready") {
                said.push(line.to_owned());
                return said;
            }
            let event: Value = serde_json::from_str(line).unwrap();
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
    example
        .store
        .forget(std::slice::from_ref(&example.trained.id))
        .unwrap();
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

/// Four short chains, one at a time: who reads them is one process, which ends before the command does.
#[test]
#[cfg(target_os = "linux")]
fn chains_are_done_by_one_process() {
    let folder = crate::Folder::new();
    let recipe = r#"
like = "demo/a"
seeds = [1, 2, 3, 4]
defaults = { model = { name = "resnet8", classes = 10, width = 2 }, data = { train_images = 64 }, batch = 32, epochs = 1 }
[[node]]
name = "dense"
kind = "init"
[[node]]
name = "trained"
kind = "train"
from = "dense"
"#;
    std::fs::write(folder.join("r.toml"), recipe).unwrap();
    let mut run = Command::new(env!("CARGO_BIN_EXE_sculpt"))
        .args(["run", "r.toml", "--threads", "1", "--runs", "runs"])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let children = format!("/proc/{0}/task/{0}/children", run.id());
    let mut seen = std::collections::BTreeSet::new();
    let ended = loop {
        let now = std::fs::read_to_string(&children).unwrap_or_default();
        seen.extend(now.split_whitespace().map(str::to_owned));
        if let Some(ended) = run.try_wait().unwrap() {
            break ended;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    };
    assert!(ended.success());
    assert_eq!(seen.len(), 1, "{seen:?}");
    let left = seen
        .iter()
        .filter(|pid| std::path::Path::new("/proc").join(pid).exists());
    assert_eq!(left.count(), 0, "it ended first");
}

/// A wide network's training, then a small one's in the same process: freed memory that the process kept would be the second's peak too.
#[test]
#[cfg(target_os = "linux")]
fn a_nodes_peak_is_its_own() {
    let folder = crate::Folder::new();
    let recipe = r#"
like = "demo/a"
seeds = [1]
defaults = { epochs = 1 }
[[node]]
name = "wide"
kind = "init"
model = { name = "resnet20", classes = 10, width = 32 }
[[node]]
name = "first"
kind = "train"
from = "wide"
batch = 512
data = { train_images = 512 }
[[node]]
name = "narrow"
kind = "init"
model = { name = "resnet8", classes = 10, width = 2 }
[[node]]
name = "second"
kind = "train"
from = "narrow"
batch = 16
data = { train_images = 64 }
"#;
    std::fs::write(folder.join("r.toml"), recipe).unwrap();
    crate::ok(&folder, "run r.toml --runs runs");
    let nodes = std::fs::read_dir(folder.join("runs"))
        .unwrap()
        .flat_map(|shard| std::fs::read_dir(shard.unwrap().path()).into_iter().flatten());
    let timings = nodes.filter_map(|node| std::fs::read(node.unwrap().path().join("timing.json")).ok());
    let peaks: Vec<u64> = timings
        .filter_map(|text| serde_json::from_slice::<Value>(&text).unwrap()["peak_memory_bytes"].as_u64())
        .collect();
    let (least, most) = (peaks.iter().min().unwrap(), peaks.iter().max().unwrap());
    assert_eq!(peaks.len(), 2);
    assert!(2 * least < *most, "{peaks:?}");
}

/// What stands for NVIDIA's control program: notes its words, where its pipes are, which cards it is shown, and what it is told.
const MPS_CONTROL: &str = "#!/bin/sh\necho \"$*|$CUDA_MPS_PIPE_DIRECTORY|${CUDA_VISIBLE_DEVICES-all}|$(cat)\" >> \"$NOTES\"\nexit $STATUS\n";

/// What stands for libtorch's CUDA half, which a job loads first: notes the same of the job.
const CUDA_HALF: &str = r#"
    #include <stdio.h>
    #include <stdlib.h>
    __attribute__((constructor)) static void loaded(void) {
        const char *pipes = getenv("CUDA_MPS_PIPE_DIRECTORY"), *shown = getenv("CUDA_VISIBLE_DEVICES");
        FILE *notes = fopen(getenv("NOTES"), "a");
        fprintf(notes, "job|%s|%s|\n", pipes ? pipes : "none", shown ? shown : "all");
        fclose(notes);
    }
"#;

/// No card is here, so that the jobs fail; the service that they share is started before them, and told to quit after them.
#[test]
fn jobs_on_a_card_have_a_service_where_one_is_asked_for() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let programs = folder.join("programs");
    std::fs::create_dir(&programs).unwrap();
    let control = programs.join("nvidia-cuda-mps-control");
    std::fs::write(&control, MPS_CONTROL).unwrap();
    std::fs::set_permissions(&control, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(folder.join("cuda.c"), CUDA_HALF).unwrap();
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o", "programs/libtorch_cuda.so", "cuda.c"])
        .current_dir(folder.path())
        .status();
    assert!(compiled.unwrap().success());
    let recipe = "like = \"demo/a\"\nseeds = [1, 2]\n[[node]]\nname = \"dense\"\nkind = \"init\"\n";
    std::fs::write(folder.join("two.toml"), recipe).unwrap();
    let path = std::env::var("PATH").unwrap();
    let with_control = format!("{}:{path}", programs.display());
    let run = |jobs: &str, environment: &[(&str, &str)]| {
        let notes = folder.join("notes");
        let _ = std::fs::remove_file(&notes);
        let ran = Command::new(env!("CARGO_BIN_EXE_sculpt"))
            .args([
                "run", "two.toml", "--runs", "runs", "--device", "cuda:0", "--jobs", jobs,
            ])
            .current_dir(folder.path())
            .env("PATH", &with_control)
            .env("LD_LIBRARY_PATH", &programs)
            .env("NOTES", &notes)
            .env("STATUS", "0")
            .env("SCULPT_CUDA_MPS", "1")
            .env("CUDA_VISIBLE_DEVICES", "3")
            .env_remove("CUDA_MPS_PIPE_DIRECTORY")
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        let notes = std::fs::read_to_string(&notes).unwrap_or_default();
        let calls: Vec<Vec<String>> = notes
            .lines()
            .map(|line| line.split('|').map(str::to_owned).collect())
            .collect();
        (calls, text(&ran.stderr))
    };
    let (calls, said) = run("2", &[]);
    let [first, jobs @ .., last] = &calls[..] else {
        panic!("{calls:?} {said}");
    };
    let pipes = first[1].as_str();
    assert!(
        pipes.contains("sculpt-mps-") && !Path::new(pipes).exists(),
        "{calls:?}"
    );
    assert_eq!(first[..], ["-d", pipes, "3", ""]);
    assert_eq!(last[..], ["", pipes, "3", "quit"]);
    assert!(!jobs.is_empty(), "{said}");
    for job in jobs {
        assert_eq!(job[..], ["job", pipes, "0", ""]);
    }
    assert!(!said.contains("multi-process"), "{said}");

    for (jobs, environment, pipes) in [
        ("1", [("A", "1")], "none"),
        ("2", [("SCULPT_CUDA_MPS", "")], "none"),
        ("2", [("CUDA_MPS_PIPE_DIRECTORY", "theirs")], "theirs"),
    ] {
        let (calls, said) = run(jobs, &environment);
        assert!(!calls.is_empty(), "{said}");
        for call in calls {
            assert_eq!(call[..], ["job", pipes, "3", ""], "{environment:?}");
        }
    }
    let slow = folder.join("slow");
    std::fs::create_dir(&slow).unwrap();
    let control = slow.join("nvidia-cuda-mps-control");
    std::fs::write(&control, "#!/bin/sh\nexec sleep 600\n").unwrap();
    std::fs::set_permissions(&control, std::fs::Permissions::from_mode(0o755)).unwrap();
    let slow = format!("{}:{path}", slow.display());
    for (environment, why) in [
        (("STATUS", "1"), "ended with"),
        (("PATH", path.as_str()), "cannot be run"),
        (("PATH", slow.as_str()), "did not end within 10 s"),
    ] {
        let (calls, said) = run("2", &[environment]);
        assert!(
            said.contains("take turns on cuda:0") && said.contains(why),
            "{said}"
        );
        assert!(!said.contains("quit"), "{said}");
        assert!(
            calls
                .iter()
                .filter(|call| call[0] == "job")
                .all(|call| call[1] == "none")
        );
        assert!(calls.iter().all(|call| call[3] != "quit"), "{calls:?}");
    }
}
