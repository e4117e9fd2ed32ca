//! Who does the nodes of a recipe, and what it says of them.

use crate::NodeId;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a worker says of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// It begins.
    Start {
        /// The node.
        id: NodeId,
    },
    /// So far.
    Progress {
        /// The node.
        id: NodeId,
        /// Steps done.
        steps_done: u64,
        /// Steps of the cycle.
        n_steps: u64,
        /// Mean training loss of the last finished epoch, nats.
        train_loss: Option<f64>,
    },
    /// Its result is there.
    Done {
        /// The node.
        id: NodeId,
    },
    /// Its result was there already: another process made it.
    Found {
        /// The node.
        id: NodeId,
    },
    /// Another process is at work on it.
    Held {
        /// The node.
        id: NodeId,
    },
    /// Stopped from outside; saved.
    Stopped {
        /// The node.
        id: NodeId,
    },
    /// It failed, and with it the job.
    Failed {
        /// The node.
        id: NodeId,
        /// Why, in a sentence.
        error: String,
    },
}

/// Number of a job, given by its worker.
pub type JobNumber = usize;

/// What a worker says of a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// Of a node of its chain.
    Event(Event),
    /// It ended. What it did not reach waits again.
    Ended {
        /// None when it said all that there is to say; else how it died at the node that it was at.
        died: Option<String>,
    },
}

/// Does chains of nodes, one after the other, several chains side by side.
pub trait Worker {
    /// Why a job cannot be started or asked.
    type Error;

    /// Begins a chain, whose first node has all its parents.
    ///
    /// # Errors
    /// It cannot be started; then nothing was.
    fn start(&mut self, chain: &[NodeId]) -> Result<JobNumber, Self::Error>;

    /// What its jobs said since the last call; waits for `patience` where they said nothing.
    ///
    /// # Errors
    /// A job that cannot be asked.
    fn poll(&mut self, patience: Duration) -> Result<Vec<(JobNumber, Report)>, Self::Error>;

    /// Asks every job to save what it is at and to end.
    fn stop(&mut self);

    /// Chains that it can do side by side.
    fn capacity(&self) -> usize;
}
