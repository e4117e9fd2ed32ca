//! Weights and masks from files of the user's own: their content is the node, and the store keeps it.

use crate::chain::model_of;
use crate::done::Done;
use crate::run::write_state;
use crate::{Entry, ExperimentError, Load, Node, NodeId, Store, Version};
use sculpt_checkpoints::{Listing, State, read_mask, read_meta, read_weights};
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
        check_unnamed(path, &model)?;
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

/// Whether a file that was read as such a network's is one, where its tensors do not tell by their names: a published checkpoint says of which
/// network it is, and as many weights in another order are other weights.
///
/// # Errors
/// One of a network with other tensors, or of none of this program's.
pub fn check_unnamed(path: &Path, model: &ModelSpec) -> Result<(), ExperimentError> {
    if Listing::read(path)?.has_names() {
        return Ok(());
    }
    let stated = model_of(path, &read_meta(path)?)?;
    if stated.layout() == model.layout() {
        return Ok(());
    }
    Err(ExperimentError::BadFile {
        path: path.to_owned(),
        detail: format!("is a published checkpoint of {stated}, not of {model}"),
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use sculpt_checkpoints::{Meta, write_published};
    use sculpt_models::InitRule;
    use sculpt_random::Seed;

    /// All its weights are one tensor, which as many of another network would fill too.
    #[test]
    fn a_published_checkpoint_is_loaded_as_the_network_that_it_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("published.safetensors");
        let model = |width| ModelSpec::named("resnet8", 3, Some(width), None).unwrap();
        let (theta, buffers) = model(2).initialise(InitRule::KaimingNormalFanIn, Seed(1));
        let mask = Mask::full(model(2).layout().n_prunable());
        let state = State { theta, buffers, mask };
        let publish = |named: serde_json::Value| {
            let meta = Meta::new(None, named, None, 0, &state.mask);
            write_published(&path, &model(2).layout(), &state, &meta).unwrap();
        };
        publish(serde_json::to_value(model(2)).unwrap());
        assert_eq!(Load::weights(&path, model(2)).unwrap().1.theta, state.theta);
        for other in [serde_json::to_value(model(4)).unwrap(), "mine".into()] {
            publish(other);
            assert!(Load::weights(&path, model(2)).is_err());
            assert!(Load::mask(&path, model(2)).is_err());
        }
    }
}
