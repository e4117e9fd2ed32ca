//! A node on several processes: rank 0 locks, reads, writes and reports, as a runner does that is alone; the others train with it.
//!
//! What they say to each other of a node, in this order: rank 0, whether it is to be trained at all; each, whether it has all that it
//! takes; rank 0, where training begins. From there on the training loop speaks for itself.

use crate::run::Work;
use crate::{Ended, ExperimentError, Node, NodeId, Runner};
use sculpt_collective::{CollectiveError, Group};
use sculpt_models::JointNorm;
use sculpt_trainers::{EpochMetrics, Flow, Observer, Position, Ranks, RanksError, State, Step, TrainError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tch::Tensor;

/// The processes, and how far they are with a node.
pub(crate) struct Together {
    processes: Processes,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The others do not know yet what is to be done.
    Quiet,
    /// They know that it is to be trained, and wait for this one's word that it can.
    Announced,
    /// All said so.
    Begun,
}

/// What rank 0 says of a node.
#[derive(Serialize, Deserialize)]
enum Word {
    /// It is to be trained.
    Train,
    /// It needs no training.
    Done { was_done: bool },
    /// It cannot be run.
    Failed { reason: String },
}

/// A group of processes as networks and trainers want to have it: what gradients and BatchNorm's sums are added up over.
#[derive(Clone, Debug)]
pub struct Processes(Arc<Group>);

impl Processes {
    /// Of a group, which all its processes use in the same order.
    pub fn new(group: Arc<Group>) -> Self {
        Self(group)
    }
}

impl Ranks for Processes {
    fn rank(&self) -> usize {
        self.0.rank()
    }

    fn world(&self) -> usize {
        self.0.world()
    }

    fn sum(&self, tensor: &mut Tensor) -> Result<(), RanksError> {
        Ok(self.0.sum(tensor)?)
    }

    fn sum_numbers(&self, numbers: &mut [f64]) -> Result<(), RanksError> {
        Ok(self.0.sum_numbers(numbers)?)
    }

    fn broadcast(&self, tensor: &mut Tensor) -> Result<(), RanksError> {
        Ok(self.0.broadcast(tensor, 0)?)
    }

    fn wait(&self) -> Result<(), RanksError> {
        Ok(self.0.wait()?)
    }
}

impl JointNorm for Processes {
    fn batch_norm(
        &self,
        images: &Tensor,
        scale: &Tensor,
        shift: &Tensor,
        running_mean: &Tensor,
        running_variance: &Tensor,
        momentum: f64,
        epsilon: f64,
    ) -> Tensor {
        let running = (running_mean, running_variance);
        self.0
            .batch_norm(images, scale, shift, running.0, running.1, momentum, epsilon)
    }
}

/// Watches a training that another process records.
pub(crate) struct Follower<'a> {
    pub(crate) stop: &'a AtomicBool,
}

impl Follower<'_> {
    fn flow(&self) -> Flow {
        match self.stop.load(Ordering::Relaxed) {
            true => Flow::Stop,
            false => Flow::GoOn,
        }
    }
}

impl Observer<ExperimentError> for Follower<'_> {
    fn on_step<'s>(&mut self, _: &dyn Fn() -> Step<'s>) -> Result<Flow, ExperimentError> {
        Ok(self.flow())
    }

    fn on_epoch(&mut self, _: &EpochMetrics, _: &Step<'_>) -> Result<Flow, ExperimentError> {
        Ok(self.flow())
    }
}

/// An error of training, where it was another process's.
pub(crate) fn lost(id: &NodeId, error: ExperimentError) -> ExperimentError {
    match error {
        ExperimentError::Train(TrainError::Ranks { source }) => ExperimentError::RankLost {
            id: id.clone(),
            reason: source.to_string(),
        },
        other => other,
    }
}

impl Runner<'_> {
    /// The same on one of several processes, each of which has a runner on the same store and runs the same nodes in the same order.
    #[must_use]
    pub fn on_ranks(self, group: Arc<Group>) -> Self {
        let together = Together {
            processes: Processes::new(group),
            stage: Stage::Quiet,
        };
        Self {
            together: Some(together),
            ..self
        }
    }

    /// How many processes there are.
    pub(crate) fn n_ranks(&self) -> u32 {
        let world = self.together.as_ref().map(|together| together.processes.world());
        world.map_or(1, |world| u32::try_from(world).expect("ranks are below 65536"))
    }

    /// The processes, where there are others.
    pub(crate) fn processes(&self) -> Option<Processes> {
        self.together.as_ref().map(|together| together.processes.clone())
    }

    /// Whether another process locks, writes and reports.
    pub(crate) fn follows(&self) -> bool {
        self.together
            .as_ref()
            .is_some_and(|together| together.processes.rank() > 0)
    }

    pub(crate) fn run_together(&mut self, id: &NodeId) -> Result<Ended, ExperimentError> {
        self.set(Stage::Quiet);
        let result = match self.follows() {
            false => self.run_alone(id),
            true => match self.hear()? {
                Word::Train => {
                    self.set(Stage::Announced);
                    self.follow(id)
                }
                Word::Done { was_done: true } => Ok(Ended::WasDone),
                Word::Done { was_done: false } => Ok(Ended::Done),
                Word::Failed { reason } => {
                    let id = id.clone();
                    return Err(ExperimentError::Rank { id, rank: 0, reason });
                }
            },
        };
        // Nobody waits for a word that does not come.
        match (self.stage(), &result) {
            (Stage::Begun, _) | (Stage::Announced, Ok(_)) => {}
            (Stage::Quiet, Ok(_)) if self.follows() => {}
            (Stage::Quiet, Ok(ended)) => self.say(&Word::Done {
                was_done: *ended == Ended::WasDone,
            })?,
            (Stage::Quiet, Err(error)) => {
                let reason = error.to_string();
                self.say(&Word::Failed { reason })?;
            }
            (Stage::Announced, Err(error)) => self.ready(id, Some(error))?,
        }
        result
    }

    /// Trains with rank 0, from what it reads by itself; nothing is written.
    fn follow(&mut self, id: &NodeId) -> Result<Ended, ExperimentError> {
        let file = self.store.node_file(id)?;
        let Node::Train(train) = &file.node else {
            unreachable!("rank 0 trains nodes that train");
        };
        tch::set_num_threads(file.environment.threads as i32);
        let mut work = Work {
            id,
            folder: self.store.node_folder(id),
            keep: BTreeSet::new(),
            lease: None,
            parents: BTreeSet::new(),
            left_out: BTreeSet::new(),
        };
        self.train(&mut work, train)
    }

    /// Tells the others that a node is to be trained.
    pub(crate) fn announce(&mut self) -> Result<(), ExperimentError> {
        if self.together.is_some() && !self.follows() {
            self.say(&Word::Train)?;
            self.set(Stage::Announced);
        }
        Ok(())
    }

    /// Waits until all can begin, and takes over from rank 0 where.
    pub(crate) fn begin_together(
        &mut self,
        id: &NodeId,
        position: Position,
        state: &mut State,
    ) -> Result<Position, ExperimentError> {
        let Some(processes) = self.processes() else {
            return Ok(position);
        };
        self.ready(id, None)?;
        let text = serde_json::to_vec(&position).expect("a position is plain JSON");
        let text = processes.0.broadcast_bytes(&text, 0)?;
        state.unite(&processes).map_err(|error| lost(id, error.into()))?;
        Ok(serde_json::from_slice(&text).expect("rank 0 is the same program"))
    }

    /// Tells the others whether this process can begin, and hears it of them: the first that cannot is everybody's error.
    fn ready(&mut self, id: &NodeId, problem: Option<&ExperimentError>) -> Result<(), ExperimentError> {
        let Some(Processes(group)) = self.processes() else {
            return Ok(());
        };
        self.set(Stage::Begun);
        let mut cannot = vec![0.0; group.world()];
        cannot[group.rank()] = f64::from(u8::from(problem.is_some()));
        group.sum_numbers(&mut cannot)?;
        let Some(rank) = cannot.iter().position(|&cannot| cannot > 0.0) else {
            return Ok(());
        };
        let own = problem.map(ToString::to_string).unwrap_or_default();
        let reason = group.broadcast_bytes(own.as_bytes(), rank)?;
        if problem.is_some() {
            // It has its own to tell.
            return Ok(());
        }
        Err(ExperimentError::Rank {
            id: id.clone(),
            rank,
            reason: String::from_utf8_lossy(&reason).into_owned(),
        })
    }

    fn say(&self, word: &Word) -> Result<(), CollectiveError> {
        let text = serde_json::to_vec(word).expect("a word is plain JSON");
        match &self.together {
            None => Ok(()),
            Some(together) => together.processes.0.broadcast_bytes(&text, 0).map(drop),
        }
    }

    fn hear(&self) -> Result<Word, CollectiveError> {
        let Some(together) = &self.together else {
            unreachable!("only one of several processes listens");
        };
        let text = together.processes.0.broadcast_bytes(&[], 0)?;
        Ok(serde_json::from_slice(&text).expect("rank 0 is the same program"))
    }

    fn stage(&self) -> Stage {
        self.together
            .as_ref()
            .map_or(Stage::Quiet, |together| together.stage)
    }

    fn set(&mut self, stage: Stage) {
        if let Some(together) = &mut self.together {
            together.stage = stage;
        }
    }
}
