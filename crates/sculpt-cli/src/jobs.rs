//! Runs what is missing of a recipe, several nodes side by side, each job a child process.

use crate::commands::node::Event;
use crate::words::Global;
use crate::{printing, signals};
use anyhow::{Context, bail};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use sculpt_experiments::{DataFolder, NodeId, Recipe, Store};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, IsTerminal},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{atomic::Ordering, mpsc},
    time::{Duration, Instant},
};

/// Nodes that one child runs at most: a child costs the start of libtorch, a long one keeps others waiting.
const NODES_A_JOB: usize = 12;

/// Seconds between lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(15);

/// glibc gives large blocks back to the kernel and takes them again in every training step, which costs a tenth of
/// the time; with these it keeps them. Read when a process starts. They change no number.
const ALLOCATION: [(&str, &str); 2] = [
    ("MALLOC_MMAP_MAX_", "0"),
    ("MALLOC_TRIM_THRESHOLD_", "68719476736"),
];

/// This very program, even when a build has put another in its place: one run is one version.
const PROGRAM: &str = "/proc/self/exe";

/// What became of a recipe.
pub(crate) struct Finished {
    /// Nodes run now.
    pub(crate) n_run: usize,
    /// Failed nodes, with why.
    pub(crate) failed: Vec<(NodeId, String)>,
    /// Nodes not run because one that they need failed.
    pub(crate) n_skipped: usize,
}

/// Runs every node that is not done; a failed node fails only what depends on it.
///
/// # Errors
/// Stopped from outside (what was begun is saved), or a child that cannot be started.
pub(crate) fn run(
    recipe: &Recipe,
    store: &Store,
    data: &DataFolder,
    global: &Global,
    n_jobs: u32,
) -> anyhow::Result<Finished> {
    let stop = signals::stop_flag()?;
    let mut board = Board::new(recipe, store)?;
    if board.waiting.is_empty() {
        stop.store(true, Ordering::Relaxed);
        return Ok(Finished {
            n_run: 0,
            failed: Vec::new(),
            n_skipped: 0,
        });
    }
    let mut display = Display::new(recipe, &board);
    let (sender, receiver) = mpsc::channel();
    let mut jobs: BTreeMap<usize, Job> = BTreeMap::new();
    let mut n_started = 0;
    let mut stopping = false;
    loop {
        if stop.load(Ordering::Relaxed) && !stopping {
            stopping = true;
            display.note("stopping: saving what is being trained");
            // Closing its stdin asks a job to stop.
            jobs.values_mut().for_each(|job| job.stdin = None);
        }
        while !stopping && jobs.len() < n_jobs as usize {
            let Some(chain) = board.next_chain(recipe) else {
                break;
            };
            let job = Job::start(n_started, &chain, store, data, global, sender.clone())?;
            display.open(n_started);
            jobs.insert(n_started, job);
            n_started += 1;
        }
        if jobs.is_empty() {
            break;
        }
        match receiver.recv_timeout(Duration::from_millis(100)) {
            Ok((job, Message::Event(event))) => {
                board.take(recipe, &event);
                display.show(job, &event, recipe, &board);
            }
            Ok((number, Message::Closed)) => {
                if let Some(mut job) = jobs.remove(&number) {
                    let status = job.child.wait().context("a job cannot be waited for")?;
                    board.close(&job.chain, status.success() || stopping, &status.to_string());
                }
                display.close(number);
            }
            Err(_) => display.tick(&board),
        }
    }
    display.finish();
    if stopping {
        bail!("stopped; the same command goes on from here");
    }
    // What follows saves as it goes: the next signal ends the process at once.
    stop.store(true, Ordering::Relaxed);
    let n_skipped = board.waiting.len();
    Ok(Finished {
        n_run: board.n_run,
        failed: board.failed,
        n_skipped,
    })
}

/// Which node stands where.
struct Board {
    done: BTreeSet<NodeId>,
    /// Not begun, in the recipe's order.
    waiting: Vec<NodeId>,
    running: BTreeSet<NodeId>,
    failed: Vec<(NodeId, String)>,
    n_run: usize,
    epochs_total: u64,
    epochs_done: f64,
    /// Epochs of running nodes, by id.
    partial: BTreeMap<String, f64>,
}

impl Board {
    fn new(recipe: &Recipe, store: &Store) -> anyhow::Result<Self> {
        let (mut done, mut waiting, mut epochs_total) = (BTreeSet::new(), Vec::new(), 0);
        for (id, entry) in recipe.iter() {
            if store.is_done(id, entry) {
                done.insert(id.clone());
            } else {
                store.describe(id, entry)?;
                waiting.push(id.clone());
                epochs_total += u64::from(entry.node.last_epoch());
            }
        }
        Ok(Self {
            done,
            waiting,
            running: BTreeSet::new(),
            failed: Vec::new(),
            n_run: 0,
            epochs_total,
            epochs_done: 0.0,
            partial: BTreeMap::new(),
        })
    }

    /// A chain of nodes that can run one after the other now; taken from the waiting ones.
    fn next_chain(&mut self, recipe: &Recipe) -> Option<Vec<NodeId>> {
        let mut chain: Vec<NodeId> = Vec::new();
        while chain.len() < NODES_A_JOB {
            let ready = |id: &NodeId| {
                let node = &recipe.get(id).expect("waiting nodes are of the recipe").node;
                let there = |p: &NodeId| self.done.contains(p) || chain.contains(p);
                let follows = chain
                    .last()
                    .is_none_or(|last| node.parents().iter().any(|p| p.id == *last));
                follows && node.parents().iter().all(|p| there(&p.id))
            };
            let Some(place) = self.waiting.iter().position(ready) else {
                break;
            };
            let id = self.waiting.remove(place);
            self.running.insert(id.clone());
            chain.push(id);
        }
        (!chain.is_empty()).then_some(chain)
    }

    fn take(&mut self, recipe: &Recipe, event: &Event) {
        match event {
            Event::Start { .. } | Event::Stopped { .. } => {}
            Event::Progress {
                id,
                steps_done,
                n_steps,
                ..
            } => {
                let epochs = id
                    .parse()
                    .ok()
                    .and_then(|id| recipe.get(&id))
                    .map_or(0, |e| e.node.last_epoch());
                let part = *steps_done as f64 / (*n_steps).max(1) as f64;
                self.partial.insert(id.clone(), part * f64::from(epochs));
            }
            Event::Done { id } => {
                if let Ok(id) = id.parse::<NodeId>() {
                    self.partial.remove(id.as_str());
                    self.epochs_done += recipe.get(&id).map_or(0.0, |e| f64::from(e.node.last_epoch()));
                    self.running.remove(&id);
                    self.done.insert(id);
                    self.n_run += 1;
                }
            }
            Event::Failed { id, error } => {
                if let Ok(id) = id.parse::<NodeId>() {
                    self.partial.remove(id.as_str());
                    self.running.remove(&id);
                    self.failed.push((id, error.clone()));
                }
            }
        }
    }

    /// A job ended. What it did not reach waits again (and for ever, behind a failed node).
    fn close(&mut self, chain: &[NodeId], well: bool, status: &str) {
        let left: Vec<_> = chain
            .iter()
            .filter(|id| self.running.remove(*id))
            .cloned()
            .collect();
        let mut left = left.into_iter();
        if !well {
            // It ended without saying why: the node that it was at is the one that failed.
            if let Some(id) = left.next() {
                self.partial.remove(id.as_str());
                self.failed.push((id, format!("its process ended with {status}")));
            }
        }
        self.waiting.splice(0..0, left);
    }

    fn epochs_so_far(&self) -> f64 {
        self.epochs_done + self.partial.values().sum::<f64>()
    }
}

/// A child process at work on a chain.
struct Job {
    child: Child,
    chain: Vec<NodeId>,
    /// Open while the job may run.
    stdin: Option<ChildStdin>,
}

enum Message {
    Event(Event),
    Closed,
}

impl Job {
    fn start(
        number: usize,
        chain: &[NodeId],
        store: &Store,
        data: &DataFolder,
        global: &Global,
        sender: mpsc::Sender<(usize, Message)>,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(PROGRAM);
        command
            .arg("node")
            .args(chain.iter().map(NodeId::as_str))
            .arg("--supervised");
        command
            .arg("--runs")
            .arg(store.runs())
            .args(["--device", &global.device]);
        command.envs(ALLOCATION);
        if let Some(folder) = &data.folder {
            command.arg("--data").arg(folder);
        }
        if let Some(name) = &data.name {
            command.args(["--data-name", name]);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("a job cannot be started")?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("a job has no stdout")?;
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Ok(event) = serde_json::from_str(&line) {
                    let _ = sender.send((number, Message::Event(event)));
                }
            }
            let _ = sender.send((number, Message::Closed));
        });
        Ok(Self {
            child,
            chain: chain.to_vec(),
            stdin,
        })
    }
}

/// Bars on a terminal, plain lines otherwise; always on stderr.
struct Display {
    bars: MultiProgress,
    total: ProgressBar,
    jobs: BTreeMap<usize, ProgressBar>,
    terminal: bool,
    begun: Instant,
    last_line: Instant,
    n_nodes: usize,
}

impl Display {
    fn new(recipe: &Recipe, board: &Board) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bars = MultiProgress::with_draw_target(target);
        let total = bars.add(ProgressBar::new(board.epochs_total));
        let style = "total {bar:30} {pos}/{len} epochs, {msg}";
        total.set_style(ProgressStyle::with_template(style).expect("a valid template"));
        let n_nodes = board.waiting.len();
        let display = Self {
            bars,
            total,
            jobs: BTreeMap::new(),
            terminal,
            begun: Instant::now(),
            last_line: Instant::now(),
            n_nodes,
        };
        let (epochs, done) = (board.epochs_total, recipe.len() - n_nodes);
        display.note(&format!(
            "{n_nodes} nodes to run ({done} are there), {epochs} epochs"
        ));
        display
    }

    fn open(&mut self, job: usize) {
        let bar = self.bars.add(ProgressBar::new(1));
        let style = "job   {bar:30} {msg}";
        bar.set_style(ProgressStyle::with_template(style).expect("a valid template"));
        self.jobs.insert(job, bar);
    }

    fn show(&mut self, job: usize, event: &Event, recipe: &Recipe, board: &Board) {
        if let Some(bar) = self.jobs.get(&job) {
            match event {
                Event::Start { id } => {
                    let entry = id.parse().ok().and_then(|id| recipe.get(&id));
                    let what = entry.map_or_else(String::new, |e| {
                        format!("{} {} at density {}", e.node.kind(), &id[..12], e.density)
                    });
                    bar.set_position(0);
                    bar.set_message(what);
                }
                Event::Progress {
                    steps_done, n_steps, ..
                } => {
                    bar.set_length(*n_steps);
                    bar.set_position(*steps_done);
                }
                Event::Done { .. } | Event::Stopped { .. } => {}
                Event::Failed { id, error } => self.note(&format!("node {} failed: {error}", &id[..12])),
            }
        }
        self.tick(board);
    }

    fn close(&mut self, job: usize) {
        if let Some(bar) = self.jobs.remove(&job) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
    }

    fn tick(&mut self, board: &Board) {
        let epochs = board.epochs_so_far();
        self.total.set_position(epochs as u64);
        let gone = self.begun.elapsed().as_secs_f64();
        let said = format!(
            "{}/{} nodes, {} gone{}",
            board.n_run,
            self.n_nodes,
            duration(gone),
            to_go(gone, epochs, board.epochs_total)
        );
        if !self.terminal && self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            printing::note(&format!("{epochs:.0}/{} epochs, {said}", board.epochs_total));
        }
        self.total.set_message(said);
    }

    fn note(&self, text: &str) {
        if self.terminal {
            let _ = self.bars.println(text);
        } else {
            printing::note(text);
        }
    }

    fn finish(&self) {
        self.total.finish_and_clear();
        let _ = self.bars.clear();
    }
}

/// At the speed so far, once there is one.
fn to_go(seconds: f64, epochs: f64, epochs_total: u64) -> String {
    if epochs > 0.0 {
        let left = seconds / epochs * (epochs_total as f64 - epochs);
        format!(", about {} to go", duration(left.max(0.0)))
    } else {
        String::new()
    }
}

/// To about one part in a hundred.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sculpt_experiments::{Criterion, Init, Node, Prune, StateRef, Version};
    use sculpt_masks::{Allocation, Density, Rule};
    use sculpt_models::{InitRule, ModelSpec};

    /// Two networks, each pruned twice: two chains of three nodes.
    fn recipe() -> (Recipe, [[NodeId; 3]; 2]) {
        let mut recipe = Recipe::default();
        let chains = [1, 2].map(|seed| {
            let init = Init {
                v: Version,
                model: ModelSpec::named("resnet8", 3, Some(2), None).unwrap(),
                rule: InitRule::KaimingNormalFanIn,
                seed,
                draw: 0,
            };
            let first = recipe.add(Node::Init(init), 1);
            let mut prune = |from: &StateRef, density| {
                let prune = Prune {
                    v: Version,
                    from: from.clone(),
                    criterion: Criterion::Random {
                        allocation: Allocation::Erk,
                        rule: Rule::Exact,
                        seed,
                    },
                    density: Density::new(density).unwrap(),
                };
                recipe.add(Node::Prune(prune), 1)
            };
            let second = prune(&first, 0.5);
            let third = prune(&second, 0.25);
            [first.id, second.id, third.id]
        });
        (recipe, chains)
    }

    fn board(recipe: &Recipe) -> (Board, tempfile::TempDir) {
        let runs = tempfile::tempdir().unwrap();
        (Board::new(recipe, &Store::new(runs.path())).unwrap(), runs)
    }

    #[test]
    fn a_failed_node_fails_only_what_depends_on_it() {
        let (recipe, [first, second]) = recipe();
        let (mut board, _runs) = board(&recipe);
        assert_eq!(board.next_chain(&recipe), Some(first.to_vec()));
        assert_eq!(board.next_chain(&recipe), Some(second.to_vec()));
        assert_eq!(board.next_chain(&recipe), None);
        let id = |id: &NodeId| id.as_str().to_owned();
        board.take(&recipe, &Event::Done { id: id(&first[0]) });
        let error = "no".to_owned();
        board.take(
            &recipe,
            &Event::Failed {
                id: id(&first[1]),
                error,
            },
        );
        board.close(&first, true, "");
        for node in &second {
            board.take(&recipe, &Event::Done { id: id(node) });
        }
        board.close(&second, true, "");
        assert_eq!(board.next_chain(&recipe), None);
        assert_eq!((board.n_run, &board.waiting), (4, &vec![first[2].clone()]));
        assert_eq!(board.failed, [(first[1].clone(), "no".to_owned())]);
    }

    #[test]
    fn a_job_that_dies_fails_the_node_that_it_was_at() {
        let (recipe, [first, _]) = recipe();
        let (mut board, _runs) = board(&recipe);
        board.next_chain(&recipe);
        let id = first[0].as_str().to_owned();
        board.take(&recipe, &Event::Done { id });
        board.close(&first, false, "signal: 9");
        let why = "its process ended with signal: 9".to_owned();
        assert_eq!(board.failed, [(first[1].clone(), why)]);
        assert!(board.waiting.contains(&first[2]));
    }

    /// 30 of 120 epochs in 60 s: 90 more take 180 s. Nothing done yet: nothing known.
    #[test]
    fn the_time_to_go_is_that_of_the_speed_so_far() {
        assert_eq!(to_go(60.0, 30.0, 120), ", about 3 min to go");
        assert_eq!(to_go(60.0, 0.0, 120), "");
        assert_eq!(to_go(60.0, 120.0, 120), ", about 0 s to go");
        assert_eq!([99.0, 100.0, 7200.0].map(duration), ["99 s", "2 min", "2.0 h"]);
    }
}
