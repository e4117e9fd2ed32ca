use crate::check::check;
use crate::{ExperimentError, Node, NodeId, StateRef};
use sculpt_masks::{Allocation, Rule};
use sculpt_models::ModelSpec;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A DAG of nodes with the epochs that somebody reads of each. Equal nodes are one node, so shared beginnings
/// are trained once.
#[derive(Clone, Debug, Default)]
pub struct Recipe {
    nodes: BTreeMap<NodeId, Entry>,
    /// Parents before children: the order of insertion.
    order: Vec<NodeId>,
}

/// A node of a recipe and what is asked of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The node.
    pub node: Node,
    /// Epochs whose state somebody reads; the last one always is.
    pub keep: BTreeSet<u32>,
    /// libtorch threads to run it with: environment, not identity.
    pub threads: u32,
    /// Epochs trained since Init along the chain, before this node.
    pub epochs_before: u64,
    /// The network at the chain's beginning.
    pub model: ModelSpec,
    /// Density that the node's mask was asked to have; 1 without one.
    pub density: f64,
    /// How chance shared the mask's weights out among layers; none where there is no mask, or a criterion chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocation: Option<(Allocation, Rule)>,
}

impl Recipe {
    /// Adds a node, whose parents must be there, and returns the state at its end.
    ///
    /// # Panics
    /// When a parent is missing or has no such epoch: recipes are written by functions, and that would be a
    /// bug of theirs. Texts of users go through [`Recipe::try_add`].
    pub fn add(&mut self, node: Node, threads: u32) -> StateRef {
        self.try_add(node, threads)
            .expect("a recipe names parents that it holds")
    }

    /// Adds a node and returns the state at its end.
    ///
    /// # Errors
    /// A parent that is not in the recipe, an epoch that it does not have, or a node that could not be run: a number out of
    /// range, or one that does not go with its data, its network or its parent.
    pub fn try_add(&mut self, node: Node, threads: u32) -> Result<StateRef, ExperimentError> {
        self.try_add_as(node.id(), node, threads)
    }

    /// The same of a node whose id is known.
    pub(crate) fn try_add_as(
        &mut self,
        id: NodeId,
        node: Node,
        threads: u32,
    ) -> Result<StateRef, ExperimentError> {
        let end = StateRef {
            id: id.clone(),
            epoch: node.last_epoch(),
        };
        if self.nodes.contains_key(&id) {
            return Ok(end);
        }
        for parent in node.parents() {
            self.keep(parent)?;
        }
        let (epochs_before, model) = match (&node, node.trunk()) {
            (Node::Init(init), _) => (0, init.model.clone()),
            (Node::LoadWeights(load) | Node::LoadMask(load), _) => (0, load.model.clone()),
            (_, Some(trunk)) => (self.epochs_trained(trunk), self.nodes[&trunk.id].model.clone()),
            (Node::Train(_) | Node::Prune(_) | Node::Combine(_), None) => {
                unreachable!("every kind but Init and those that load has a trunk")
            }
        };
        check(&node, &model, &self.nodes)?;
        let mask_of = |state: &StateRef| (self.nodes[&state.id].density, self.nodes[&state.id].allocation);
        let (density, allocation) = match &node {
            Node::Init(_) => (1.0, None),
            Node::LoadWeights(load) | Node::LoadMask(load) => (load.density(), None),
            Node::Prune(prune) => (prune.density.get(), prune.criterion.allocation()),
            Node::Train(train) => mask_of(&train.from),
            Node::Combine(combine) => mask_of(&combine.mask_from),
        };
        let keep = BTreeSet::from([node.last_epoch()]);
        self.nodes.insert(
            id.clone(),
            Entry {
                node,
                keep,
                threads,
                epochs_before,
                model,
                density,
                allocation,
            },
        );
        self.order.push(id);
        Ok(end)
    }

    /// Takes a node over from another recipe as it stands there, whether its parents are here or not: for states that are read
    /// elsewhere.
    pub fn take(&mut self, id: &NodeId, entry: Entry) {
        if self.nodes.insert(id.clone(), entry).is_none() {
            self.order.push(id.clone());
        }
    }

    /// Asks for a state to be kept.
    ///
    /// # Errors
    /// As [`Recipe::try_add`].
    pub fn keep(&mut self, state: &StateRef) -> Result<(), ExperimentError> {
        let unknown = || ExperimentError::UnknownParent {
            id: state.id.clone(),
            epoch: state.epoch,
        };
        let entry = self.nodes.get_mut(&state.id).ok_or_else(unknown)?;
        let first = u32::from(entry.node.last_epoch() > 0);
        if !(first..=entry.node.last_epoch()).contains(&state.epoch) {
            return Err(unknown());
        }
        entry.keep.insert(state.epoch);
        Ok(())
    }

    /// Joins another recipe to this one, uniting the epochs asked of each node.
    pub fn merge(&mut self, other: Recipe) {
        for id in other.order {
            let entry = &other.nodes[&id];
            match self.nodes.get_mut(&id) {
                Some(mine) => mine.keep.extend(&entry.keep),
                None => {
                    self.nodes.insert(id.clone(), entry.clone());
                    self.order.push(id);
                }
            }
        }
    }

    /// Epochs trained since Init along the chain that ends in `state`.
    ///
    /// # Panics
    /// When the state's node is not in the recipe.
    pub fn epochs_trained(&self, state: &StateRef) -> u64 {
        self.nodes[&state.id].epochs_before + u64::from(state.epoch)
    }

    /// The seed of the weights that a state comes from; of weights that were loaded that of the first training.
    ///
    /// # Panics
    /// When the state's node, or one that it comes from, is not in the recipe.
    pub fn seed_of(&self, state: &StateRef) -> u64 {
        let (mut at, mut trained) = (Some(state), None);
        while let Some(state) = at {
            let entry = &self.nodes[&state.id];
            match &entry.node {
                Node::Init(init) => return init.seed,
                Node::Train(train) => trained = Some(train.seed),
                Node::Prune(_) | Node::Combine(_) | Node::LoadWeights(_) | Node::LoadMask(_) => {}
            }
            at = entry.node.trunk();
        }
        trained.unwrap_or_default()
    }

    /// Runs every node with so many libtorch threads.
    pub fn set_threads(&mut self, threads: u32) {
        self.nodes.values_mut().for_each(|entry| entry.threads = threads);
    }

    /// The nodes, parents first.
    pub fn iter(&self) -> impl Iterator<Item = (&NodeId, &Entry)> {
        self.order.iter().map(|id| (id, &self.nodes[id]))
    }

    /// Whether a node of it is of an exported network, whose file no published suite holds.
    pub fn has_exported_network(&self) -> bool {
        self.iter()
            .any(|(_, entry)| entry.model.network_sha256().is_some())
    }

    /// One node.
    pub fn get(&self, id: &NodeId) -> Option<&Entry> {
        self.nodes.get(id)
    }

    /// The node of `state` and everything that it comes from, each with the last epoch of it that is read on the way.
    ///
    /// # Panics
    /// When the state's node is not in the recipe.
    pub fn ancestors(&self, state: &StateRef) -> BTreeMap<NodeId, u32> {
        let mut found = BTreeMap::new();
        let mut open = vec![state];
        while let Some(state) = open.pop() {
            match found.get_mut(&state.id) {
                Some(last) => *last = state.epoch.max(*last),
                None => {
                    found.insert(state.id.clone(), state.epoch);
                    open.extend(self.nodes[&state.id].node.parents());
                }
            }
        }
        found
    }

    /// What must be run so that the `wanted` states are there: the nodes to run, and the finished ones that they read.
    /// What stands behind a state that is there is not needed, whoever made it.
    ///
    /// # Panics
    /// When a wanted state's node is not in the recipe.
    pub fn needed<'a>(
        &self,
        wanted: impl IntoIterator<Item = &'a StateRef>,
        has: impl Fn(&StateRef) -> bool,
    ) -> Recipe {
        let mut keep: BTreeMap<NodeId, BTreeSet<u32>> = BTreeMap::new();
        let mut open: Vec<StateRef> = wanted.into_iter().cloned().collect();
        while let Some(state) = open.pop() {
            if keep.entry(state.id.clone()).or_default().insert(state.epoch) && !has(&state) {
                open.extend(self.nodes[&state.id].node.parents().into_iter().cloned());
            }
        }
        let mut needed = Recipe::default();
        for (id, entry) in self.iter() {
            if let Some(keep) = keep.remove(id) {
                let entry = Entry {
                    keep,
                    ..entry.clone()
                };
                needed.take(id, entry);
            }
        }
        needed
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}
