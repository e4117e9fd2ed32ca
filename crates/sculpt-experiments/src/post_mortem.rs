//! How nodes failed, for whoever asks why: `post-mortem.json` of training that diverged, `failure.json` of all else.

use crate::done::write_sealed;
use crate::metrics::MetricsRow;
use crate::{ExperimentError, NodeId, Store};
use sculpt_layout::Layout;
use sculpt_store::{folders, paths, sealed};
use sculpt_trainers::{EpochMetrics, State, TrainError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The end of a training that diverged. Its node is unfinished, and trains from its beginning when it is asked for again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostMortem {
    /// The node.
    pub id: NodeId,
    /// What became no number, when and at which learning rate.
    pub why: String,
    /// The epochs before.
    pub epochs: Vec<EpochMetrics>,
    /// The tensors as they were when it was noticed.
    pub tensors: Vec<TensorEnd>,
}

/// What is left of a tensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorEnd {
    /// Its name.
    pub name: String,
    /// Entries that are no finite numbers.
    pub n_not_finite: usize,
    /// The largest absolute value of the others; none where there is none.
    pub largest: Option<f32>,
    /// The same of its momentum; none of a statistic.
    pub largest_momentum: Option<f32>,
}

impl PostMortem {
    /// The one in a node's folder, where its last training diverged.
    ///
    /// # Errors
    /// A file that is damaged.
    pub fn read(folder: &Path) -> Result<Option<Self>, ExperimentError> {
        read(paths::post_mortem(folder))
    }

    /// When the one in a node's folder was written, by the clock of whoever keeps the files.
    pub fn written(folder: &Path) -> Option<SystemTime> {
        fs::metadata(paths::post_mortem(folder)).ok()?.modified().ok()
    }

    /// Removes the one of an earlier attempt.
    pub(crate) fn remove(folder: &Path) -> Result<(), ExperimentError> {
        remove_file(paths::post_mortem(folder))
    }

    /// Writes how it ended, and removes what was saved on the way: a state that leads here again.
    pub(crate) fn write(
        folder: &Path,
        id: &NodeId,
        error: &ExperimentError,
        rows: &[MetricsRow],
        layout: &Layout,
        state: &State,
    ) -> Result<(), ExperimentError> {
        let (theta, buffers, momentum) = state.to_vecs();
        let largest = |values: &[f32]| {
            let finite = values
                .iter()
                .filter(|value| value.is_finite())
                .map(|value| value.abs());
            finite.reduce(f32::max)
        };
        let end = |name: &str, range: Range<usize>, of: &[f32], momentum: Option<&[f32]>| TensorEnd {
            name: name.to_owned(),
            n_not_finite: of[range.clone()]
                .iter()
                .filter(|value| !value.is_finite())
                .count(),
            largest: largest(&of[range.clone()]),
            largest_momentum: momentum.and_then(|momentum| largest(&momentum[range])),
        };
        let params = layout.params().iter();
        let params = params.map(|param| end(param.name(), param.range(), &theta, Some(&momentum)));
        let statistics = layout.buffers().iter();
        let statistics = statistics.map(|buffer| end(buffer.name(), buffer.range(), &buffers, None));
        let post_mortem = Self {
            id: id.clone(),
            why: error.to_string(),
            epochs: rows.iter().map(|row| row.training).collect(),
            tensors: params.chain(statistics).collect(),
        };
        write_sealed(&paths::post_mortem(folder), &post_mortem)?;
        Ok(folders::remove(&paths::progress_folder(folder))?)
    }
}

/// Why the last run of an unfinished node failed, where the reason is the data's or the machine's: `failure.json`. The node goes on
/// where it stood when it is asked for again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The node.
    pub id: NodeId,
    /// The error.
    pub why: String,
}

impl Failure {
    /// The one in a node's folder; none where its last run did not fail, or nobody could write that it did.
    ///
    /// # Errors
    /// A file that is damaged.
    pub fn read(folder: &Path) -> Result<Option<Self>, ExperimentError> {
        read(paths::failure(folder))
    }

    /// Removes the one of an earlier run.
    pub(crate) fn remove(folder: &Path) -> Result<(), ExperimentError> {
        remove_file(paths::failure(folder))
    }

    /// Writes it for whoever looks at the store. Training that diverged has a post-mortem instead, and a node that was lost to
    /// another machine has not failed.
    pub(crate) fn note(folder: &Path, id: &NodeId, error: &ExperimentError) {
        if is_divergence(error) || matches!(error, ExperimentError::TakenOver { .. }) {
            return;
        }
        let failure = Self {
            id: id.clone(),
            why: error.to_string(),
        };
        // The error itself is handed on: where the disk is full, this file is the least that is missing.
        let _ = write_sealed(&paths::failure(folder), &failure);
    }
}

impl Store {
    /// Why a node that is not done and that nobody is at was given up: its training diverged, or its last run failed. None of others.
    pub fn why_given_up(&self, id: &NodeId) -> Option<String> {
        let folder = self.node_folder(id);
        // A file that cannot be read now is `verify`'s to name.
        let diverged = PostMortem::read(&folder).ok().flatten().map(|found| found.why);
        let why = diverged.or_else(|| Some(Failure::read(&folder).ok()??.why))?;
        // Who begins again removes the reason a moment later.
        let is_held = self.holding(id).is_ok_and(|held| held.is_some());
        (!is_held).then_some(why)
    }

    /// Notes for whoever looks at the store why a node's process failed, where the process could not say it itself: it was killed, or never
    /// came to the node. A node that somebody is at is left alone, and so is one that is done all the same or says why already.
    pub fn note_failure(&self, id: &NodeId, why: &str) {
        let folder = self.node_folder(id);
        let says = !matches!(
            (PostMortem::read(&folder), Failure::read(&folder)),
            (Ok(None), Ok(None))
        );
        let is_held = || self.holding(id).is_ok_and(|held| held.is_some());
        if says || !folder.is_dir() || self.has_end(id) || is_held() {
            return;
        }
        // Held while it is written: a node that another finishes meanwhile has not failed.
        let Ok(_lease) = self.lock(id) else { return };
        if self.has_end(id) {
            return;
        }
        let failure = Failure {
            id: id.clone(),
            why: why.to_owned(),
        };
        // As in a node's own process.
        let _ = write_sealed(&paths::failure(&folder), &failure);
    }
}

fn read<T: DeserializeOwned>(path: PathBuf) -> Result<Option<T>, ExperimentError> {
    let text = match sculpt_store::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(ExperimentError::Io { path, source }),
    };
    match sealed::open(&text) {
        Ok((read, _)) => Ok(Some(read)),
        Err(error) => Err(ExperimentError::BadFile {
            path,
            detail: error.to_string(),
        }),
    }
}

fn remove_file(path: PathBuf) -> Result<(), ExperimentError> {
    match fs::remove_file(&path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(ExperimentError::Io { path, source })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Whether an error is that of a training that diverged, and not one of the machine or the data.
pub(crate) fn is_divergence(error: &ExperimentError) -> bool {
    matches!(
        error,
        ExperimentError::TestDiverged { .. }
            | ExperimentError::Train(TrainError::Diverged { .. } | TrainError::Overflowed { .. })
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Init, Node, Version};
    use sculpt_models::{InitRule, ModelSpec};

    /// A process may be killed when it has finished its node and has not said so, and another may be at the node again.
    #[test]
    fn only_a_node_that_is_neither_done_nor_held_has_failed() {
        let id = Node::Init(Init {
            v: Version,
            model: ModelSpec::named("resnet8", 3, Some(2), None).unwrap(),
            rule: InitRule::KaimingNormalFanIn,
            seed: 1,
            draw: 0,
        })
        .id();
        let runs = tempfile::tempdir().unwrap();
        let store = Store::new(runs.path());
        let folder = store.node_folder(&id);
        let failed = || Failure::read(&folder).unwrap().map(|failure| failure.why);
        store.note_failure(&id, "killed");
        assert!(!folder.exists(), "nobody came to it");
        let lease = store.lock(&id).unwrap();
        store.note_failure(&id, "killed");
        assert_eq!(failed(), None);
        drop(lease);
        let done = paths::done(&folder);
        fs::write(&done, "{}").unwrap();
        store.note_failure(&id, "killed");
        assert_eq!(failed(), None);
        fs::remove_file(&done).unwrap();
        store.note_failure(&id, "killed");
        store.note_failure(&id, "killed again");
        assert_eq!(failed().as_deref(), Some("killed"));
        assert_eq!(store.why_given_up(&id).as_deref(), Some("killed"));
        let _lease = store.lock(&id).unwrap();
        assert_eq!(store.why_given_up(&id), None, "somebody tries it again");
    }
}
