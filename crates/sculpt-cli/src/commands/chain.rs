//! What a node of the store inherits from the nodes above it.

use sculpt_experiments::{ExperimentError, Node, NodeFile, NodeId, StateRef, Store};
use sculpt_models::ModelSpec;
use std::collections::HashMap;

/// Descriptions of a store's nodes, each read once.
pub(crate) struct Chains<'a> {
    store: &'a Store,
    nodes: HashMap<NodeId, Option<Node>>,
}

impl<'a> Chains<'a> {
    pub(crate) fn new(store: &'a Store) -> Self {
        Self {
            store,
            nodes: HashMap::new(),
        }
    }

    /// The description of a node; its errors are for whoever looks at that node itself.
    pub(crate) fn file(&mut self, id: &NodeId) -> Result<NodeFile, ExperimentError> {
        let file = self.store.node_file(id)?;
        self.nodes.insert(id.clone(), Some(file.node.clone()));
        Ok(file)
    }

    /// The network at the chain's beginning; none where a description above is missing.
    pub(crate) fn model(&mut self, node: &Node) -> Option<ModelSpec> {
        let mut node = node.clone();
        loop {
            node = match &node {
                Node::Init(init) => return Some(init.model.clone()),
                Node::Train(_) | Node::Prune(_) | Node::Combine(_) => self.get(node.trunk()?)?,
            }
        }
    }

    /// The density that the node's mask was asked to have, 1 without one.
    pub(crate) fn density(&mut self, node: &Node) -> Option<f64> {
        let mut node = node.clone();
        loop {
            node = match &node {
                Node::Init(_) => return Some(1.0),
                Node::Prune(prune) => return Some(prune.density.get()),
                Node::Train(train) => self.get(&train.from)?,
                Node::Combine(combine) => self.get(&combine.mask_from)?,
            }
        }
    }

    /// Epochs trained since Init along the chain, before the node's own.
    pub(crate) fn epochs_before(&mut self, node: &Node) -> Option<u32> {
        let (mut node, mut epochs) = (node.clone(), 0u32);
        while let Some(parent) = node.trunk().cloned() {
            epochs = epochs.checked_add(parent.epoch)?;
            node = self.get(&parent)?;
        }
        Some(epochs)
    }

    fn get(&mut self, parent: &StateRef) -> Option<Node> {
        let store = self.store;
        let read = |id: &NodeId| store.node_file(id).ok().map(|file| file.node);
        self.nodes
            .entry(parent.id.clone())
            .or_insert_with_key(read)
            .clone()
    }
}
