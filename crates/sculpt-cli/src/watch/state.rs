//! What there is to see of a recipe in its store: nothing else is asked, so that it does not matter who trains.

use super::names::Names;
use crate::display::seconds_to_go;
use sculpt_experiments::{MetricsRow, Node, NodeId, Recipe, Store};
use sculpt_store::paths;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs;
use std::time::{Instant, SystemTime};

/// Curves of finished nodes that are shown, the last ones.
const FINISHED: usize = 12;

/// Curves that are shown at most.
const CURVES: usize = 60;

/// Points of a curve at most: about what a screen resolves.
const POINTS: usize = 240;

/// How far a node is, as far as the store tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Standing {
    Waiting,
    /// In training, or cut off in it: the age of its last epoch tells them apart.
    Begun,
    /// Its last training diverged.
    Failed,
    Done,
}

/// A recipe as it stands in its store, looked at again and again.
pub(super) struct Seen {
    title: String,
    recipe: Recipe,
    store: Store,
    names: Names,
    tells_of_all: bool,
    nodes: Vec<SeenNode>,
    /// Curves of begun nodes, and of the last finished ones.
    curves: BTreeMap<usize, Vec<MetricsRow>>,
    finished: VecDeque<usize>,
    /// When it was first looked at, and the epochs that were done then.
    begun: Option<(Instant, f64)>,
}

struct SeenNode {
    id: NodeId,
    parents: Vec<usize>,
    depth: usize,
    standing: Standing,
    epochs_done: u32,
}

/// A look at one node's rows: all that it has so far.
pub(super) struct Look<'a> {
    pub(super) name: &'a str,
    pub(super) id: &'a NodeId,
    pub(super) rows: &'a [MetricsRow],
    pub(super) is_done: bool,
}

#[derive(Serialize)]
struct State<'a> {
    title: &'a str,
    /// Whether the run is over; what is measured and drawn after it is not seen here.
    is_over: bool,
    nodes: Nodes,
    epochs: Epochs,
    /// Seconds since the first look.
    seconds: f64,
    seconds_to_go: Option<f64>,
    /// A letter a node, by depth: (w)aiting, (b)egun, (f)ailed, (d)one.
    depths: Vec<String>,
    curves: Vec<Curve<'a>>,
}

#[derive(Serialize)]
struct Nodes {
    done: usize,
    begun: usize,
    failed: usize,
    all: usize,
}

#[derive(Serialize)]
struct Epochs {
    done: f64,
    all: f64,
}

#[derive(Serialize)]
struct Curve<'a> {
    id: &'a str,
    name: &'a str,
    kind: &'static str,
    standing: Standing,
    density: f64,
    epochs: u32,
    /// Epochs trained before it along its chain.
    epochs_before: u64,
    /// Since its last epoch, where it is not done.
    seconds_ago: Option<f64>,
    rows: Vec<Point>,
}

/// Epoch, learning rate, loss and accuracy of training, and of the test where that was made.
type Point = (u32, f64, f64, f64, Option<f64>, Option<f64>);

impl Seen {
    /// With `tells_of_all` the first look tells of all nodes that are done already, and else it reads only those that are shown.
    pub(super) fn new(title: String, recipe: Recipe, store: Store, names: Names, tells_of_all: bool) -> Self {
        let mut places: HashMap<NodeId, usize> = HashMap::new();
        let mut nodes: Vec<SeenNode> = Vec::new();
        for (id, entry) in recipe.iter() {
            // A parent that is not there is a state that somebody else made.
            let parents = entry.node.parents().into_iter();
            let parents: Vec<usize> = parents
                .filter_map(|parent| places.get(&parent.id).copied())
                .collect();
            let depth = parents.iter().map(|&parent| nodes[parent].depth + 1).max();
            places.insert(id.clone(), nodes.len());
            nodes.push(SeenNode {
                id: id.clone(),
                parents,
                depth: depth.unwrap_or(0),
                standing: Standing::Waiting,
                epochs_done: 0,
            });
        }
        Self {
            title,
            recipe,
            store,
            names,
            tells_of_all,
            nodes,
            curves: BTreeMap::new(),
            finished: VecDeque::new(),
            begun: None,
        }
    }

    /// Looks at every node that may have come further: those whose parents are done, and at first all. `tell` is told of all
    /// rows of nodes that are begun, and once of those that are done.
    pub(super) fn look(&mut self, tell: &mut dyn FnMut(Look<'_>)) {
        let is_first = self.begun.is_none();
        for place in 0..self.nodes.len() {
            let node = &self.nodes[place];
            let is_done = |parent: &usize| self.nodes[*parent].standing == Standing::Done;
            if node.standing == Standing::Done || !(is_first || node.parents.iter().all(is_done)) {
                continue;
            }
            self.look_at(place, tell);
        }
        if is_first {
            for &place in &self.finished {
                let rows = || self.store.live_metrics(&self.nodes[place].id).unwrap_or_default();
                self.curves.entry(place).or_insert_with(rows);
            }
            self.begun = Some((Instant::now(), self.epochs_done()));
        }
    }

    fn look_at(&mut self, place: usize, tell: &mut dyn FnMut(Look<'_>)) {
        let node = &mut self.nodes[place];
        let Some(entry) = self.recipe.get(&node.id) else {
            return;
        };
        let is_train = matches!(entry.node, Node::Train(_));
        let folder = self.store.node_folder(&node.id);
        let is_done = self.store.is_done(&node.id, entry);
        node.standing = if is_done {
            Standing::Done
        } else if self.store.why_given_up(&node.id).is_some() {
            Standing::Failed
        } else if is_train && paths::live_epochs(&folder).is_file() {
            Standing::Begun
        } else {
            Standing::Waiting
        };
        let is_shown = matches!(node.standing, Standing::Done | Standing::Begun);
        // Of thousands of finished nodes a dozen are shown.
        let was_done = is_done && self.begun.is_none() && !self.tells_of_all;
        // A file that cannot be read now may be whole at the next look.
        let rows = if is_train && is_shown && !was_done {
            self.store.live_metrics(&node.id).unwrap_or_default()
        } else {
            Vec::new()
        };
        node.epochs_done = if is_done {
            entry.node.last_epoch()
        } else {
            rows.len() as u32
        };
        if !is_train || !is_shown {
            self.curves.remove(&place);
            return;
        }
        if !was_done {
            tell(Look {
                name: self.names.of(&node.id, entry),
                id: &node.id,
                rows: &rows,
                is_done,
            });
            self.curves.insert(place, rows);
        }
        if is_done {
            self.finished.push_front(place);
            if self.finished.len() > FINISHED
                && let Some(old) = self.finished.pop_back()
            {
                self.curves.remove(&old);
            }
        }
    }

    fn epochs_done(&self) -> f64 {
        self.nodes.iter().map(|node| f64::from(node.epochs_done)).sum()
    }

    /// As JSON, for the page.
    pub(super) fn to_json(&self, is_over: bool) -> String {
        let all = self.recipe.iter();
        let all = all.map(|(_, entry)| f64::from(entry.node.last_epoch())).sum();
        let done = self.epochs_done();
        let (since, at_first) = self.begun.unwrap_or((Instant::now(), done));
        let seconds = since.elapsed().as_secs_f64();
        let count = |standing| self.nodes.iter().filter(|node| node.standing == standing).count();
        let mut depths: Vec<String> = Vec::new();
        for node in &self.nodes {
            depths.resize(depths.len().max(node.depth + 1), String::new());
            depths[node.depth].push(match node.standing {
                Standing::Waiting => 'w',
                Standing::Begun => 'b',
                Standing::Failed => 'f',
                Standing::Done => 'd',
            });
        }
        let state = State {
            title: &self.title,
            is_over,
            nodes: Nodes {
                done: count(Standing::Done),
                begun: count(Standing::Begun),
                failed: count(Standing::Failed),
                all: self.nodes.len(),
            },
            epochs: Epochs { done, all },
            seconds,
            seconds_to_go: seconds_to_go(seconds, done - at_first, all - at_first).filter(|_| !is_over),
            depths,
            curves: self.shown().filter_map(|place| self.curve(place)).collect(),
        };
        serde_json::to_string(&state).unwrap_or_default()
    }

    /// Begun nodes in the recipe's order, then finished ones, the last first.
    fn shown(&self) -> impl Iterator<Item = usize> {
        let begun = |place: &&usize| self.nodes[**place].standing == Standing::Begun;
        let begun = self.curves.keys().filter(begun);
        begun.take(CURVES - FINISHED).chain(&self.finished).copied()
    }

    fn curve(&self, place: usize) -> Option<Curve<'_>> {
        let node = &self.nodes[place];
        let entry = self.recipe.get(&node.id)?;
        let live = paths::live_epochs(&self.store.node_folder(&node.id));
        let changed = fs::metadata(live).and_then(|found| found.modified()).ok();
        let age = changed.and_then(|at| SystemTime::now().duration_since(at).ok());
        Some(Curve {
            id: node.id.short(),
            name: self.names.of(&node.id, entry),
            kind: entry.node.kind(),
            standing: node.standing,
            density: entry.density,
            epochs: entry.node.last_epoch(),
            epochs_before: entry.epochs_before,
            seconds_ago: age.map(|age| age.as_secs_f64()),
            rows: points(self.curves.get(&place)?),
        })
    }
}

/// Rows of which as many are left out as a screen does not show; never the last.
fn points(rows: &[MetricsRow]) -> Vec<Point> {
    let step = rows.len().div_ceil(POINTS).max(1);
    let last = rows.len().saturating_sub(1);
    let kept = rows
        .iter()
        .enumerate()
        .filter(|(i, _)| (last - i).is_multiple_of(step));
    let point = |(_, row): (usize, &MetricsRow)| {
        let (training, test) = (&row.training, row.test);
        (
            training.epoch,
            training.learning_rate,
            training.train_loss,
            training.train_accuracy,
            test.map(|test| test.loss),
            test.map(|test| test.n_correct as f64 / test.n as f64),
        )
    };
    kept.map(point).collect()
}
