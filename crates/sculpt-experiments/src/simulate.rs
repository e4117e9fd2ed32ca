//! Many machines that are not there: the scheduler's own loop over workers whose time is only counted.

use crate::{Board, Drive, Entry, Event, JobNumber, NodeId, Recipe, Report, Worker, drive};
use sculpt_random::{Purpose, Seed, Stream};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What is assumed of the machines.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Machines {
    /// Chains that can be trained side by side.
    pub n: usize,
    /// Losses of a machine an hour, of each; what its node had not saved is trained again.
    pub failures_per_hour: f64,
    /// Seconds between a machine's end, of a job or by loss, and the beginning of its next job.
    pub delay: f64,
    /// Draws the losses.
    pub seed: u64,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Simulated {
    /// Seconds until the last node was done.
    pub seconds: f64,
    /// Seconds of all nodes, each once: what one machine without losses and delays takes.
    pub work: f64,
    /// Seconds of the longest chain of nodes that wait for each other: no number of machines is faster.
    pub critical_path: f64,
    /// Machines lost.
    pub losses: u64,
    /// Jobs begun.
    pub jobs: usize,
}

/// A node saves where it is this often (design §2).
const SAVED_EVERY: f64 = 60.0;

const PURPOSE: Purpose = Purpose::new(b"machines");

/// Machines that are lost so often end no node: what is simulated is given up then.
const MOST_LOSSES: u64 = 1_000_000;

/// Runs the nodes of a recipe that `is_done` says no to, each as long as `seconds` says. None where a million machines were lost
/// before the end: they are lost faster than a node saves.
///
/// # Panics
/// When `seconds` gives what is no duration.
pub fn simulate(
    recipe: &Recipe,
    is_done: impl Fn(&NodeId, &Entry) -> bool,
    seconds: impl Fn(&Entry) -> f64,
    machines: Machines,
) -> Option<Simulated> {
    let mut left: HashMap<NodeId, f64> = HashMap::new();
    let mut ends: HashMap<&NodeId, f64> = HashMap::new();
    let (mut work, mut critical_path) = (0.0, 0.0_f64);
    for (id, entry) in recipe.iter() {
        let own = if is_done(id, entry) { 0.0 } else { seconds(entry) };
        assert!(own.is_finite() && own >= 0.0, "a node takes {own} s");
        let parents = entry.node.parents().into_iter();
        let before = parents.filter_map(|parent| ends.get(&parent.id)).copied();
        let end = own + before.fold(0.0, f64::max);
        ends.insert(id, end);
        critical_path = critical_path.max(end);
        work += own;
        left.insert(id.clone(), own);
    }
    let mut board = Board::new(recipe, is_done);
    let hopeless = AtomicBool::new(false);
    let mut fleet = Fleet {
        machines,
        now: 0.0,
        last_done: 0.0,
        free: vec![0.0; machines.n.max(1)],
        left,
        coming: BinaryHeap::new(),
        said: HashMap::new(),
        n_started: 0,
        losses: 0,
        hopeless: &hopeless,
        chance: Stream::new(Seed(machines.seed), PURPOSE, 0),
    };
    let end = drive(&mut board, &mut fleet, &hopeless, &|_, _| false, &mut |_, _| {});
    match end {
        Ok(Drive::Finished) => {}
        Ok(Drive::Stopped) => return None,
        Err(never) => match never {},
    }
    Some(Simulated {
        seconds: fleet.last_done,
        work,
        critical_path,
        losses: fleet.losses,
        jobs: fleet.n_started,
    })
}

/// Machines whose clock jumps from event to event.
struct Fleet<'a> {
    machines: Machines,
    now: f64,
    last_done: f64,
    /// When each idle machine can begin its next job.
    free: Vec<f64>,
    /// Seconds that nodes still take.
    left: HashMap<NodeId, f64>,
    /// When which job says its next word, by time in nanoseconds.
    coming: BinaryHeap<Reverse<(u128, JobNumber)>>,
    /// What jobs say, each at its time; with the last word of a job its machine is free.
    said: HashMap<JobNumber, VecDeque<Report>>,
    n_started: usize,
    losses: u64,
    /// Set once too many were lost.
    hopeless: &'a AtomicBool,
    chance: Stream,
}

impl Fleet<'_> {
    /// When a machine that begins now is lost: exponential.
    fn lifetime(&mut self) -> f64 {
        if self.machines.failures_per_hour > 0.0 {
            -libm::log(1.0 - self.chance.uniform()) * 3600.0 / self.machines.failures_per_hour
        } else {
            f64::INFINITY
        }
    }
}

impl Worker for Fleet<'_> {
    type Error = Infallible;

    fn start(&mut self, chain: &[NodeId]) -> Result<JobNumber, Infallible> {
        self.n_started += 1;
        // The machine that is free first.
        let first = (0..self.free.len()).min_by(|&a, &b| self.free[a].total_cmp(&self.free[b]));
        let machine = first.expect("the loop starts no more than there is capacity for");
        let begun = self.free.swap_remove(machine).max(self.now);
        let dies = begun + self.lifetime();
        let (mut at, mut said, mut times) = (begun, VecDeque::new(), Vec::new());
        for id in chain {
            let needed = self.left[id];
            if at + needed > dies {
                let saved = ((dies - at) / SAVED_EVERY).floor() * SAVED_EVERY;
                self.left.insert(id.clone(), needed - saved.max(0.0));
                self.losses += 1;
                self.hopeless
                    .fetch_or(self.losses >= MOST_LOSSES, Ordering::Relaxed);
                at = dies;
                break;
            }
            at += needed;
            said.push_back(Report::Event(Event::Done { id: id.clone() }));
            times.push(at);
        }
        said.push_back(Report::Ended { died: None });
        times.push(at);
        let coming = times
            .into_iter()
            .map(|at| Reverse(((at * 1e9) as u128, self.n_started)));
        self.coming.extend(coming);
        self.said.insert(self.n_started, said);
        Ok(self.n_started)
    }

    /// The next word of a job, whose time it is then.
    fn poll(&mut self, _: Duration) -> Result<Vec<(JobNumber, Report)>, Infallible> {
        let Some(Reverse((at, job))) = self.coming.pop() else {
            return Ok(Vec::new());
        };
        self.now = at as f64 / 1e9;
        let report = self.said.get_mut(&job).and_then(VecDeque::pop_front);
        match &report {
            Some(Report::Event(_)) => self.last_done = self.now,
            Some(Report::Ended { .. }) => {
                self.said.remove(&job);
                self.free.push(self.now + self.machines.delay);
            }
            None => {}
        }
        Ok(report.map(|report| (job, report)).into_iter().collect())
    }

    fn stop(&mut self) {}

    fn capacity(&self) -> usize {
        self.machines.n.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        At, DataFolder, Labels, Node, Overrides, PanelName, Preset, PresetName, Show, grow, methods,
    };

    const QUIET: Machines = Machines {
        n: 1,
        failures_per_hour: 0.0,
        delay: 0.0,
        seed: 1,
    };

    /// The demo's LRR, three seeds of a dense cycle and six levels: chains of seven cycles.
    fn lrr() -> Recipe {
        let preset = Preset::new(PresetName::Demo, Overrides::default(), &DataFolder::default()).unwrap();
        let (setup, mut recipe) = (preset.panel(PanelName::A).unwrap(), Recipe::default());
        let show = [Show::last(&[&methods::LRR], At::Levels)];
        grow(&mut recipe, &setup, &show, Labels::Clean);
        recipe
    }

    fn of(machines: Machines) -> Simulated {
        let seconds = |entry: &Entry| f64::from(u8::from(matches!(entry.node, Node::Train(_)))) * 100.0;
        simulate(&lrr(), |_, _| false, seconds, machines).unwrap()
    }

    /// Lost every second on average, and saved every minute: no node of 100 s ends before a million are lost.
    #[test]
    fn what_never_ends_is_given_up() {
        let machines = Machines {
            failures_per_hour: 3600.0,
            ..QUIET
        };
        assert_eq!(simulate(&lrr(), |_, _| false, |_| 100.0, machines), None);
    }

    /// Seven cycles of 100 s a seed: no more machines than seeds help.
    #[test]
    fn chains_bound_what_machines_can_do() {
        let on = |n| of(Machines { n, ..QUIET }).seconds;
        assert_eq!([1, 2, 3, 64].map(on), [2100.0, 1400.0, 700.0, 700.0]);
        let found = of(Machines { n: 3, ..QUIET });
        assert_eq!(
            (found.work, found.critical_path, found.losses),
            (2100.0, 700.0, 0)
        );
    }

    /// Jobs of at most 12 nodes: LRR's chain, of an initialisation, seven cycles and six prunings, is two of them, one delay apart.
    #[test]
    fn delays_stand_between_jobs_and_losses_cost_what_was_not_saved() {
        let found = of(Machines {
            n: 3,
            delay: 50.0,
            ..QUIET
        });
        assert_eq!((found.seconds, found.jobs), (750.0, 6));
        // A loss every quarter of an hour: some of 2,100 s are done twice, at most a minute a loss.
        let lossy = of(Machines {
            failures_per_hour: 4.0,
            ..QUIET
        });
        assert!(lossy.losses > 0);
        let most = 2100.0 + SAVED_EVERY * lossy.losses as f64;
        assert!(2100.0 < lossy.seconds && lossy.seconds <= most, "{lossy:?}");
        assert_eq!(
            of(Machines {
                failures_per_hour: 4.0,
                ..QUIET
            }),
            lossy
        );
    }

    #[test]
    fn what_is_done_takes_no_time() {
        let found = simulate(&lrr(), |_, _| true, |_| 100.0, QUIET).unwrap();
        assert_eq!((found.seconds, found.work, found.jobs), (0.0, 0.0, 0));
    }
}
