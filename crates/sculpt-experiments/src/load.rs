//! Weights and masks from files of the user's own: their content is the node, and the store keeps it.

use crate::done::Done;
use crate::run::write_state;
use crate::{Entry, ExperimentError, Load, Node, NodeId, Store, Version};
use sculpt_checkpoints::{State, read_mask, read_weights};
use sculpt_masks::Mask;
use sculpt_models::ModelSpec;
use sculpt_store::canonical::sha256_hex;
use sculpt_store::{atomic, paths};
use std::collections::BTreeSet;
use std::path::Path;

impl Load {
    /// A LoadWeights node and its state: anybody's weights of the model, with the mask that they carry.
    ///
    /// # Errors
    /// A file that is not the model's weights, or of which nothing survives.
    pub fn weights(path: &Path, model: ModelSpec) -> Result<(Node, State), ExperimentError> {
        let layout = model.layout();
        let weights = read_weights(path, &layout)?;
        let mask = weights.mask.unwrap_or_else(|| Mask::full(layout.n_prunable()));
        let state = State {
            theta: weights.theta,
            buffers: weights.buffers,
            mask,
        };
        let load = Self::of(path, model, &state.mask, content_sha256(&state))?;
        Ok((Node::LoadWeights(load), state))
    }

    /// A LoadMask node and its state: the mask alone, over weights that are all 0.
    ///
    /// # Errors
    /// A file that is not a mask of the model, or one that keeps nothing.
    pub fn mask(path: &Path, model: ModelSpec) -> Result<(Node, State), ExperimentError> {
        let layout = model.layout();
        let mask = read_mask(path, &layout)?;
        let load = Self::of(path, model, &mask, mask.sha256())?;
        let state = State {
            theta: vec![0.0; layout.n_params()],
            buffers: layout.fresh_buffers(),
            mask,
        };
        Ok((Node::LoadMask(load), state))
    }

    fn of(path: &Path, model: ModelSpec, mask: &Mask, sha256: String) -> Result<Self, ExperimentError> {
        if mask.n_kept() == 0 {
            return Err(ExperimentError::BadFile {
                path: path.to_owned(),
                detail: "keeps no weight".to_owned(),
            });
        }
        Ok(Self {
            v: Version,
            model,
            n_kept: mask.n_kept() as u64,
            sha256,
        })
    }

    /// Fraction of the prunable weights that survives.
    pub(crate) fn density(&self) -> f64 {
        self.n_kept as f64 / self.model.layout().n_prunable() as f64
    }
}

/// SHA-256 of what a state is: θ and buffers as little-endian f32, then the mask's bits, each in layout order.
fn content_sha256(state: &State) -> String {
    let floats = state.theta.iter().chain(&state.buffers);
    let mut bytes: Vec<u8> = floats.flat_map(|value| value.to_le_bytes()).collect();
    bytes.extend(state.mask.packed());
    sha256_hex(&bytes)
}

impl Store {
    /// Keeps what a node loaded, so that it is done; one that is done stays.
    ///
    /// # Errors
    /// A lock held elsewhere, or what the file system refuses.
    pub fn keep_loaded(&self, id: &NodeId, entry: &Entry, state: &State) -> Result<(), ExperimentError> {
        let (Node::LoadWeights(load) | Node::LoadMask(load)) = &entry.node else {
            return Ok(());
        };
        self.describe(id, entry)?;
        let _lock = self.lock(id)?;
        if self.has_end(id) {
            return self.push(id);
        }
        let folder = self.node_folder(id);
        atomic::tidy(&folder)?;
        let path = paths::checkpoint_at(&folder, 0);
        let target = Some(load.density()).filter(|density| *density < 1.0);
        write_state(&path, id, &load.model, state, target, 0)?;
        Done::write(&folder, id, Vec::new(), BTreeSet::new())?;
        self.push(id)
    }
}
