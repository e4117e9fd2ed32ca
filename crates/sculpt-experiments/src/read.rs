//! The one way to read a state: where it lies, what is recorded of it, and what it says of itself.

use crate::chain::{Expected, model_of};
use crate::{ExperimentError, StateRef};
use sculpt_checkpoints::{
    CheckpointError, Meta, State, checkpoint_bytes, read_checkpoint, read_meta, read_published,
};
use sculpt_layout::Layout;
use sculpt_models::ModelSpec;
use sculpt_store::canonical::sha256_hex;
use sculpt_store::digest::Digest;
use std::path::PathBuf;

/// What helps against a damaged file of a node.
pub(crate) const MADE_AGAIN: &str =
    "`sculpt verify --repair` on the store sets the node aside, and it is made again";

/// Where a state lies, and what is recorded of its file.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The state.
    pub address: StateRef,
    /// Its file.
    pub path: PathBuf,
    /// In which form.
    pub form: Form,
    /// SHA-256 and length; none where an older version made it.
    pub recorded: Option<Digest>,
    /// What descriptions say of it.
    pub expected: Expected,
    /// What is wrong with its node's own description, where that is there.
    pub fault: Option<String>,
    /// Why its file could not be brought from where the store is.
    pub absent: Option<String>,
}

/// How a state is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As a node leaves it in a store.
    Checkpoint,
    /// As a published suite has it.
    Published,
}

/// A state that was read, all checks passed.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Its numbers.
    pub state: State,
    /// What its file says of it.
    pub meta: Meta,
    /// Its network.
    pub model: ModelSpec,
    /// SHA-256 of the file that was read.
    pub file_sha256: String,
    form: Form,
}

impl Loaded {
    /// SHA-256 of the state's checkpoint, whatever form it was read in: what children record.
    ///
    /// # Panics
    /// Never: a state that passed its checks can be written.
    pub fn sha256(&self) -> String {
        match self.form {
            Form::Checkpoint => self.file_sha256.clone(),
            Form::Published => {
                let bytes = checkpoint_bytes(&self.model.layout(), &self.state, &self.meta);
                sha256_hex(&bytes.expect("a state that passed its checks can be written"))
            }
        }
    }
}

impl Place {
    /// A state of a remote store that could not be brought.
    pub(crate) fn absent(address: &StateRef, path: PathBuf, why: String) -> Self {
        Self {
            address: address.clone(),
            path,
            form: Form::Checkpoint,
            recorded: None,
            expected: Expected::default(),
            fault: None,
            absent: Some(why),
        }
    }
    /// SHA-256 of the file, which must be the recorded one.
    ///
    /// # Errors
    /// A damaged file, or one that cannot be read.
    pub fn sha256(&self) -> Result<String, ExperimentError> {
        if let Some(why) = &self.absent {
            return Err(ExperimentError::NotBrought {
                id: self.address.id.clone(),
                epoch: self.address.epoch,
                why: why.clone(),
            });
        }
        if let Some(fault) = &self.fault {
            return Err(self.damaged(format!(
                "is of a node whose description cannot be trusted ({fault})"
            )));
        }
        let found = Digest::of_file(&self.path)?;
        match &self.recorded {
            Some(recorded) if *recorded != found => Err(self.damaged(if recorded.bytes == found.bytes {
                format!(
                    "has SHA-256 {}, and {} is recorded",
                    found.sha256, recorded.sha256
                )
            } else {
                format!("has {} bytes, and {} are recorded", found.bytes, recorded.bytes)
            })),
            Some(_) | None => Ok(found.sha256),
        }
    }

    /// Reads the state and checks file and metadata against all that is known of it.
    ///
    /// # Errors
    /// Whatever differs, with file, node and what to do.
    pub fn load(&self) -> Result<Loaded, ExperimentError> {
        let file_sha256 = self.sha256()?;
        let meta = read_meta(&self.path).map_err(|e| self.broken(&e))?;
        let model = model_of(&self.path, &meta)?;
        let layout = model.layout();
        let read = match self.form {
            Form::Checkpoint => read_checkpoint(&self.path, &layout),
            Form::Published => read_published(&self.path, &layout),
        };
        let (state, meta) = read.map_err(|e| self.broken(&e))?;
        self.check(&meta, &model)?;
        Ok(Loaded {
            state,
            meta,
            model,
            file_sha256,
            form: self.form,
        })
    }

    /// As [`Place::load`], of a state whose network is known.
    ///
    /// # Errors
    /// As there, and a state of another network.
    pub fn load_as(&self, layout: &Layout) -> Result<Loaded, ExperimentError> {
        let loaded = self.load()?;
        if *loaded.model.layout() == *layout {
            Ok(loaded)
        } else {
            Err(self.damaged(format!("is of {}, another network than asked for", loaded.model)))
        }
    }

    /// What a checkpoint says of itself against its address and its chain.
    ///
    /// # Errors
    /// The first thing that differs.
    fn check(&self, meta: &Meta, model: &ModelSpec) -> Result<(), ExperimentError> {
        if meta.node_id.as_deref() != Some(self.address.id.as_str()) {
            let stated = meta.node_id.as_deref().unwrap_or("none");
            return Err(self.damaged(format!("says that it is of node {stated}")));
        }
        let differences = self.expected.differences(meta, model, self.address.epoch);
        match differences.into_iter().next() {
            Some(difference) => Err(self.damaged(difference)),
            None => Ok(()),
        }
    }

    fn broken(&self, error: &CheckpointError) -> ExperimentError {
        let text = error.to_string();
        let path = format!("{}: ", self.path.display());
        self.damaged(text.strip_prefix(&path).unwrap_or(&text).to_owned())
    }

    fn damaged(&self, detail: String) -> ExperimentError {
        ExperimentError::DamagedState {
            path: self.path.clone(),
            id: self.address.id.clone(),
            epoch: self.address.epoch,
            detail,
            remedy: match self.form {
                Form::Checkpoint => MADE_AGAIN,
                Form::Published => {
                    "bring the suite again: `sculpt fetch`, or `git checkout` where it is committed"
                }
            },
        }
    }
}
