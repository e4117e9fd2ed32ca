//! Which node of a recipe runs when: a pure state machine, and the loop that drives workers with it.
//!
//! The [`Board`] knows the recipe and what happened, nothing of processes, files or clocks. A [`Worker`] does chains of nodes
//! somewhere: child processes here, jobs of a cluster elsewhere, each of which may run this same machine over a shared store.

use crate::{Entry, Event, JobNumber, NodeId, Recipe, Report, Worker};
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Which node of a recipe stands where. Every step costs what the nodes concerned have of parents and children.
#[derive(Debug)]
pub struct Board<'r> {
    recipe: &'r Recipe,
    ids: Vec<&'r NodeId>,
    places: HashMap<&'r NodeId, usize>,
    standing: Vec<Standing>,
    /// Parents, each once, that are not done.
    open_parents: Vec<usize>,
    children: Vec<Vec<usize>>,
    /// Nodes whose parents are done, in the recipe's order.
    ready: BTreeSet<usize>,
    failed: Vec<(NodeId, String)>,
    n_run: usize,
    n_open_at_start: usize,
    epochs_total: u64,
    epochs_done: f64,
    /// Of running nodes, what part is done.
    parts: HashMap<usize, f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// A parent is not done.
    Waiting,
    Ready,
    Running,
    /// At work in a process of somebody else.
    Held,
    Done,
    Failed,
    /// Behind a failed node.
    Cut,
}

/// What happened, for whoever shows it.
#[derive(Debug)]
pub enum Happening<'a> {
    /// A job began.
    Opened(JobNumber),
    /// A job said something of a node.
    Said(JobNumber, &'a Event),
    /// A job ended.
    Closed(JobNumber),
    /// All jobs were asked to stop.
    Stopping,
    /// Nothing: time passed.
    Tick,
}

/// How driving a board ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drive {
    /// Nothing can be run any more.
    Finished,
    /// Stopped from outside; what was begun is saved.
    Stopped,
}

/// Nodes that one job runs at most: between jobs a process is told of the next, a long one keeps others waiting.
const NODES_A_JOB: usize = 12;

/// How long to wait for a word of the jobs.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long to leave nodes to the processes that are at them before asking again: twice as long each time, up to the second. Many
/// workers that wait for one long node look at a shared folder rarely.
const HELD_PATIENCE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];

/// Runs whatever can be run, until nothing can or `stop` is set. `is_done` looks up whether a node that another process was
/// at is done by now; where it is not, it is tried again when nothing else is left to do.
///
/// # Errors
/// What the worker says.
pub fn drive<W: Worker>(
    board: &mut Board<'_>,
    worker: &mut W,
    stop: &AtomicBool,
    is_done: &dyn Fn(&NodeId, &Entry) -> bool,
    watch: &mut dyn FnMut(&Board<'_>, Happening<'_>),
) -> Result<Drive, W::Error> {
    let mut jobs: HashMap<JobNumber, Vec<NodeId>> = HashMap::new();
    let mut stopping = false;
    let mut held_patience = HELD_PATIENCE[0];
    loop {
        if stop.load(Ordering::Relaxed) && !stopping {
            stopping = true;
            worker.stop();
            watch(board, Happening::Stopping);
        }
        while !stopping && jobs.len() < worker.capacity() {
            let Some(chain) = board.next_chain(NODES_A_JOB) else {
                break;
            };
            let job = worker.start(&chain)?;
            jobs.insert(job, chain);
            watch(board, Happening::Opened(job));
        }
        if jobs.is_empty() && stopping {
            return Ok(Drive::Stopped);
        }
        if jobs.is_empty() && !board.look_at_held(is_done) {
            return Ok(Drive::Finished);
        }
        let mut reports = worker.poll(PATIENCE)?;
        if jobs.is_empty() {
            // All that is left is with others.
            let begun = Instant::now();
            while reports.is_empty() && begun.elapsed() < held_patience && !stop.load(Ordering::Relaxed) {
                watch(board, Happening::Tick);
                reports = worker.poll(PATIENCE)?;
            }
            held_patience = HELD_PATIENCE[1].min(2 * held_patience);
        }
        if reports.is_empty() {
            watch(board, Happening::Tick);
        }
        for (job, report) in reports {
            match report {
                Report::Event(event) => {
                    board.take(&event);
                    if matches!(event, Event::Done { .. } | Event::Found { .. }) {
                        held_patience = HELD_PATIENCE[0];
                    }
                    watch(board, Happening::Said(job, &event));
                }
                Report::Ended { died } => {
                    let chain = jobs.remove(&job).unwrap_or_default();
                    board.close(&chain, died.filter(|_| !stopping).as_deref());
                    watch(board, Happening::Closed(job));
                }
            }
        }
    }
}

impl<'r> Board<'r> {
    /// A board of the nodes of a recipe; `is_done` says of which every state asked for is there.
    pub fn new(recipe: &'r Recipe, is_done: impl Fn(&NodeId, &Entry) -> bool) -> Self {
        let ids: Vec<_> = recipe.iter().map(|(id, _)| id).collect();
        let places: HashMap<_, _> = ids.iter().enumerate().map(|(place, id)| (*id, place)).collect();
        let mut board = Self {
            recipe,
            standing: vec![Standing::Waiting; ids.len()],
            open_parents: vec![0; ids.len()],
            children: vec![Vec::new(); ids.len()],
            ready: BTreeSet::new(),
            failed: Vec::new(),
            n_run: 0,
            n_open_at_start: 0,
            epochs_total: 0,
            epochs_done: 0.0,
            parts: HashMap::new(),
            ids,
            places,
        };
        for (place, (id, entry)) in recipe.iter().enumerate() {
            if is_done(id, entry) {
                board.standing[place] = Standing::Done;
            } else {
                board.n_open_at_start += 1;
                board.epochs_total += u64::from(entry.node.last_epoch());
            }
            for parent in board.parents(place) {
                board.children[parent].push(place);
                let open = board.standing[parent] != Standing::Done;
                board.open_parents[place] += usize::from(open);
            }
            if board.standing[place] == Standing::Waiting && board.open_parents[place] == 0 {
                board.make_ready(place);
            }
        }
        board
    }

    /// A chain of nodes, at most `n`, that can run one after the other now; they count as running.
    pub fn next_chain(&mut self, n: usize) -> Option<Vec<NodeId>> {
        let first = *self.ready.first()?;
        let mut chain = vec![first];
        while chain.len() < n {
            let last = chain[chain.len() - 1];
            let follows = |&&child: &&usize| {
                let there = |&p: &usize| self.standing[p] == Standing::Done || chain.contains(&p);
                matches!(self.standing[child], Standing::Waiting | Standing::Ready)
                    && self.parents(child).iter().all(there)
            };
            match self.children[last].iter().find(follows) {
                Some(&next) => chain.push(next),
                None => break,
            }
        }
        for &place in &chain {
            self.ready.remove(&place);
            self.standing[place] = Standing::Running;
        }
        Some(chain.into_iter().map(|place| self.ids[place].clone()).collect())
    }

    /// Takes note of what a worker said of a node; of a node that is not on the board, nothing.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::Start { .. } | Event::Stopped { .. } => {}
            Event::Progress {
                id,
                steps_done,
                n_steps,
                ..
            } => {
                if let Some(&place) = self.places.get(id) {
                    let part = *steps_done as f64 / (*n_steps).max(1) as f64;
                    self.parts.insert(place, part * self.epochs(place));
                }
            }
            Event::Done { id } => {
                if let Some(&place) = self.places.get(id) {
                    self.n_run += 1;
                    self.finish(place);
                }
            }
            Event::Found { id } => {
                if let Some(&place) = self.places.get(id) {
                    self.finish(place);
                }
            }
            Event::Held { id } => {
                if let Some(&place) = self.places.get(id) {
                    self.parts.remove(&place);
                    self.standing[place] = Standing::Held;
                }
            }
            Event::Failed { id, error } => {
                if let Some(&place) = self.places.get(id) {
                    self.fail(place, error.clone());
                }
            }
        }
    }

    /// A job ended. What it did not reach waits again; where it died without a word, the node that it was at failed.
    pub fn close(&mut self, chain: &[NodeId], died: Option<&str>) {
        let places = chain.iter().filter_map(|id| self.places.get(id).copied());
        let left: Vec<_> = places
            .filter(|&place| self.standing[place] == Standing::Running)
            .collect();
        let mut left = left.into_iter();
        if let Some(how) = died
            && let Some(place) = left.next()
        {
            self.fail(place, how.to_owned());
        }
        for place in left {
            self.parts.remove(&place);
            // Behind the one that failed it was cut.
            if self.standing[place] != Standing::Running {
                continue;
            }
            self.standing[place] = Standing::Waiting;
            if self.open_parents[place] == 0 {
                self.make_ready(place);
            }
        }
    }

    /// Looks again at the nodes that others were at: done by now, or to be tried again. Whether there was any.
    pub fn look_at_held(&mut self, is_done: &dyn Fn(&NodeId, &Entry) -> bool) -> bool {
        let held = (0..self.ids.len()).filter(|&place| self.standing[place] == Standing::Held);
        let held: Vec<_> = held.collect();
        for &place in &held {
            if is_done(self.ids[place], self.entry(place)) {
                self.finish(place);
            } else {
                self.standing[place] = Standing::Waiting;
                self.make_ready(place);
            }
        }
        !held.is_empty()
    }

    /// Nodes that were not done at the start.
    pub fn n_open_at_start(&self) -> usize {
        self.n_open_at_start
    }

    /// Nodes run since.
    pub fn n_run(&self) -> usize {
        self.n_run
    }

    /// Nodes done since, by this process or by others.
    pub fn n_done(&self) -> usize {
        let done = self.standing.iter().filter(|s| **s == Standing::Done).count();
        done - (self.ids.len() - self.n_open_at_start)
    }

    /// Nodes that others are at.
    pub fn n_held(&self) -> usize {
        self.standing.iter().filter(|s| **s == Standing::Held).count()
    }

    /// Nodes that failed, with why.
    pub fn failed(&self) -> &[(NodeId, String)] {
        &self.failed
    }

    /// Nodes that are not run because one that they need failed.
    pub fn n_cut(&self) -> usize {
        self.standing.iter().filter(|s| **s == Standing::Cut).count()
    }

    /// Epochs of all nodes that were not done at the start.
    pub fn epochs_total(&self) -> u64 {
        self.epochs_total
    }

    /// Of those, how many are trained, parts of running nodes among them.
    pub fn epochs_so_far(&self) -> f64 {
        self.epochs_done + self.parts.values().sum::<f64>()
    }

    /// The recipe.
    pub fn recipe(&self) -> &'r Recipe {
        self.recipe
    }

    fn entry(&self, place: usize) -> &'r Entry {
        self.recipe
            .get(self.ids[place])
            .expect("the board is of the recipe")
    }

    fn epochs(&self, place: usize) -> f64 {
        f64::from(self.entry(place).node.last_epoch())
    }

    /// Those on the board, each once: a Combine node may name one twice. One that is not there is a state that somebody else
    /// made, and is done.
    fn parents(&self, place: usize) -> BTreeSet<usize> {
        let parents = self.entry(place).node.parents().into_iter();
        parents
            .filter_map(|parent| self.places.get(&parent.id).copied())
            .collect()
    }

    fn make_ready(&mut self, place: usize) {
        self.standing[place] = Standing::Ready;
        self.ready.insert(place);
    }

    fn finish(&mut self, place: usize) {
        self.parts.remove(&place);
        self.ready.remove(&place);
        if self.standing[place] == Standing::Done {
            return;
        }
        self.epochs_done += self.epochs(place);
        self.standing[place] = Standing::Done;
        for child in self.children[place].clone() {
            self.open_parents[child] -= 1;
            if self.open_parents[child] == 0 && self.standing[child] == Standing::Waiting {
                self.make_ready(child);
            }
        }
    }

    fn fail(&mut self, place: usize, why: String) {
        self.parts.remove(&place);
        self.standing[place] = Standing::Failed;
        self.failed.push((self.ids[place].clone(), why));
        let mut open = self.children[place].clone();
        while let Some(child) = open.pop() {
            match self.standing[child] {
                Standing::Done | Standing::Failed | Standing::Cut => {}
                Standing::Waiting | Standing::Ready | Standing::Running | Standing::Held => {
                    self.standing[child] = Standing::Cut;
                    self.ready.remove(&child);
                    open.extend(&self.children[child]);
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;
