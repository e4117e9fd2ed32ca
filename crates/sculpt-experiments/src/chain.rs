//! What a node inherits from the nodes above it.

use crate::{ExperimentError, Node, NodeId};
use sculpt_checkpoints::Meta;
use sculpt_models::ModelSpec;
use std::path::Path;

/// What descriptions say of a state; nothing where one above is missing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expected {
    /// The network at the chain's beginning.
    pub model: Option<ModelSpec>,
    /// The density that the mask was asked to have, 1 without one.
    pub density: Option<f64>,
    /// Epochs trained along the chain, before the node's own.
    pub epochs_before: Option<u32>,
}

impl Expected {
    /// Of a node's states; `describe` finds the nodes above it.
    pub fn of(node: &Node, describe: &dyn Fn(&NodeId) -> Option<Node>) -> Self {
        Self {
            model: model(node, describe),
            density: density(node, describe),
            epochs_before: epochs_before(node, describe),
        }
    }

    /// What of a checkpoint's metadata is not as expected of the node's state after `epoch`.
    pub fn differences(&self, meta: &Meta, model: &ModelSpec, epoch: u32) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(due) = self.model.as_ref().filter(|due| *due != model) {
            found.push(format!(
                "is of {model} ({} classes), the chain begins with {due}",
                model.classes()
            ));
        }
        let due = self.epochs_before.and_then(|before| before.checked_add(epoch));
        if let Some(due) = due.filter(|due| *due != meta.epochs_trained) {
            found.push(format!(
                "says {} epochs trained, the chain has {due}",
                meta.epochs_trained
            ));
        }
        if let (Some(due), Some(stated)) = (self.density, meta.density_target)
            && due != stated
        {
            found.push(format!("says target density {stated}, the chain {due}"));
        }
        found
    }
}

/// The model that a checkpoint's metadata describes.
///
/// # Errors
/// A description that is none of ours.
pub fn model_of(path: &Path, meta: &Meta) -> Result<ModelSpec, ExperimentError> {
    serde_json::from_value(meta.model.clone()).map_err(|e| ExperimentError::BadFile {
        path: path.to_owned(),
        detail: format!("model: {e}"),
    })
}

fn model(node: &Node, describe: &dyn Fn(&NodeId) -> Option<Node>) -> Option<ModelSpec> {
    let mut node = node.clone();
    loop {
        node = match &node {
            Node::Init(init) => return Some(init.model.clone()),
            Node::LoadWeights(load) | Node::LoadMask(load) => return Some(load.model.clone()),
            Node::Train(_) | Node::Prune(_) | Node::Combine(_) => describe(&node.trunk()?.id)?,
        }
    }
}

fn density(node: &Node, describe: &dyn Fn(&NodeId) -> Option<Node>) -> Option<f64> {
    let mut node = node.clone();
    loop {
        node = match &node {
            Node::Init(_) => return Some(1.0),
            Node::LoadWeights(load) | Node::LoadMask(load) => return Some(load.density()),
            Node::Prune(prune) => return Some(prune.density.get()),
            Node::Train(train) => describe(&train.from.id)?,
            Node::Combine(combine) => describe(&combine.mask_from.id)?,
        }
    }
}

fn epochs_before(node: &Node, describe: &dyn Fn(&NodeId) -> Option<Node>) -> Option<u32> {
    let (mut node, mut epochs) = (node.clone(), 0u32);
    while let Some(parent) = node.trunk().cloned() {
        epochs = epochs.checked_add(parent.epoch)?;
        node = describe(&parent.id)?;
    }
    Some(epochs)
}
