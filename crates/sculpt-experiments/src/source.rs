//! Where a suite's states and metrics are read from.

use crate::published::PublishedSuite;
use crate::{Environment, ExperimentError, NodeId, Place, StateRef, Store, Timing};
use sculpt_checkpoints::State;
use sculpt_layout::Layout;
use sculpt_trainers::Evaluation;
use std::collections::BTreeSet;
use std::path::Path;

/// A store or a published suite.
#[derive(Debug)]
pub enum Source {
    /// A store, as training left it, and the published suites that it reads on to.
    Runs(Store),
    /// A published or fetched suite alone.
    Published(Box<PublishedSuite>),
}

impl Source {
    /// Opens a published suite and reads its lists.
    ///
    /// # Errors
    /// A list that is missing, damaged or not ours.
    pub fn published(folder: &Path) -> Result<Self, ExperimentError> {
        Ok(Source::Published(Box::new(PublishedSuite::open(folder)?)))
    }

    /// Whether the state is there, without reading it.
    pub fn has(&self, state: &StateRef) -> bool {
        match self {
            Source::Runs(store) => store.has(state),
            Source::Published(suite) => suite.has(state),
        }
    }

    /// Where the state lies.
    pub fn place(&self, state: &StateRef) -> Option<Place> {
        match self {
            Source::Runs(store) => store.place(state),
            Source::Published(suite) => suite.place(state),
        }
    }

    /// SHA-256 of the state's file; `None` when the state is not there.
    ///
    /// # Errors
    /// A file that cannot be read, or that differs from its recorded hash.
    pub fn sha256(&self, state: &StateRef) -> Result<Option<String>, ExperimentError> {
        self.place(state).map(|place| place.sha256()).transpose()
    }

    /// Reads a state that is there, all that is known of it checked.
    ///
    /// # Errors
    /// A missing or damaged file.
    pub fn state(&self, state: &StateRef, layout: &Layout) -> Result<State, ExperimentError> {
        let place = match self {
            Source::Runs(store) => store.place_or_missing(state)?,
            Source::Published(suite) => suite.place(state).ok_or_else(|| ExperimentError::NoState {
                id: state.id.clone(),
                epoch: state.epoch,
                store: suite.folder().to_owned(),
            })?,
        };
        Ok(place.load_as(layout)?.state)
    }

    /// What training a node took, where it is known.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn timing(&self, id: &NodeId) -> Result<Option<Timing>, ExperimentError> {
        match self {
            Source::Runs(store) => store.timing(id),
            Source::Published(suite) => Ok(suite.timings.get(id).cloned()),
        }
    }

    /// Pictures that nobody can read, and that a node and the states that it rests on were made without, each with the reason.
    ///
    /// # Errors
    /// A marker that cannot be read.
    pub fn left_out(&self, id: &NodeId) -> Result<BTreeSet<String>, ExperimentError> {
        match self {
            Source::Runs(store) => store.left_out(id),
            Source::Published(suite) => Ok(suite.left_out(id)),
        }
    }

    /// The test score that training recorded for a state.
    ///
    /// # Errors
    /// Metrics that cannot be read.
    pub fn recorded(&self, state: &StateRef) -> Result<Option<Evaluation>, ExperimentError> {
        match self {
            Source::Runs(store) => store.recorded(state),
            Source::Published(suite) => Ok(suite.recorded(state)),
        }
    }

    /// The machine that made a state, where it is known.
    ///
    /// # Errors
    /// A description that cannot be read.
    pub fn machine(&self, state: &StateRef) -> Result<Option<Environment>, ExperimentError> {
        match self {
            Source::Runs(store) => store.machine(state),
            Source::Published(suite) => Ok(suite.environment.clone()),
        }
    }
}
