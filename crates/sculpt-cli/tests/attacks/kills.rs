//! Signals at random moments, to the process that is asked, to the one that trains, and to both.

use crate::*;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
enum Whom {
    Supervisor,
    Worker,
    Group,
}

/// The processes whose parent is `of`, whichever of its threads started them.
fn children(of: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{of}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let of_task = |task: fs::DirEntry| fs::read_to_string(task.path().join("children")).unwrap_or_default();
    let all: Vec<String> = tasks.map(of_task).collect();
    all.iter()
        .flat_map(|children| children.split_whitespace())
        .filter_map(|id| id.parse().ok())
        .collect()
}

fn kill(signal: &str, whom: &str) {
    // It may have ended before.
    let _ = Command::new("kill")
        .args([signal, "--", whom])
        .stderr(Stdio::null())
        .status();
}

fn attack(whom: Whom, seed: u64) {
    let start = Instant::now();
    let (_reference, expected) = reference();
    let whole = start.elapsed();
    let mut dice = Dice(seed);
    let rounds = if hard() { 60 } else { 20 };
    let mut n_cut = 0;
    for round in 0..rounds {
        let root = root();
        let signal = ["-KILL", "-TERM", "-INT"][dice.below(3) as usize];
        let wait = Duration::from_micros(dice.below(whole.as_micros() as u64));
        let mut child = sculpt(root.path(), words("run r.toml --jobs 2"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        if let Whom::Worker = whom {
            while children(child.id()).is_empty() && child.try_wait().unwrap().is_none() {
                thread::sleep(Duration::from_millis(5));
            }
            // Most of the time is the supervisor's, before and after.
            thread::sleep(wait / 3);
        } else {
            thread::sleep(wait);
        }
        match whom {
            Whom::Supervisor => kill(signal, &child.id().to_string()),
            Whom::Group => kill(signal, &format!("-{}", child.id())),
            Whom::Worker => children(child.id())
                .iter()
                .for_each(|id| kill(signal, &id.to_string())),
        }
        n_cut += usize::from(!child.wait().unwrap().success());
        // A worker whose supervisor was killed saves and ends by itself; what it holds is waited for.
        let after = format!("round {round}: {signal} to {whom:?} after {wait:?}");
        comes_out_the_same(root.path(), &expected, &after);
    }
    eprintln!("{rounds} signals to {whom:?}, {n_cut} of them in time");
    assert!(
        n_cut > rounds / 4,
        "only {n_cut} of {rounds} signals came in time"
    );
}

#[test]
fn signals_to_the_supervisor_cost_nothing() {
    attack(Whom::Supervisor, 0x9e37_79b9_7f4a_7c15);
}

#[test]
fn signals_to_the_worker_cost_nothing() {
    attack(Whom::Worker, 0xbf58_476d_1ce4_e5b9);
}

#[test]
fn signals_to_both_cost_nothing() {
    attack(Whom::Group, 0x94d0_49bb_1331_11eb);
}
