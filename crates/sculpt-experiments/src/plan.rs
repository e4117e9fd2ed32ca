use crate::{Cost, Entry, ExperimentError, Node, NodeId, Recipe, StateRef, Store};
use sculpt_datasets::Origin;
use sculpt_models::{ModelSpec, Precision};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What running a recipe costs, before anything is run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Plan {
    /// Nodes of all kinds.
    pub nodes: usize,
    /// Nodes whose results are in the store.
    pub nodes_done: usize,
    /// Nodes to run.
    pub nodes_to_do: usize,
    /// Epochs of all Train nodes, each trained once.
    pub epochs: u64,
    /// Epochs of the Train nodes to run.
    pub epochs_to_do: u64,
    /// Epochs if each curve of each seed were trained on its own, from its own initialisation.
    pub epochs_without_sharing: u64,
    /// Training floating-point operations of all Train nodes of all weights: as if masked tensors were dense.
    pub flops_dense: f64,
    /// The same if pruned weights cost nothing, layer by layer; under masks that no allocation draws an estimate
    /// ([`Entry::expected_densities`]).
    pub flops_sparse_ideal: f64,
    /// Bytes of the states that somebody reads.
    pub bytes: u64,
    /// The work still to do, by what its speed depends on.
    pub work: Vec<Work>,
}

/// Images still to train on with one kind of network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Work {
    /// The network.
    pub model: ModelSpec,
    /// Side of an image in pixels.
    pub side: u32,
    /// Images a step.
    pub batch: u32,
    /// In which numbers.
    pub precision: Precision,
    /// libtorch threads.
    pub threads: u32,
    /// Images, each forward and back.
    pub images: u64,
    /// Whether they are pictures, decoded whenever they are looked at.
    pub decodes: bool,
}

impl Work {
    /// What its speed depends on, as a key.
    pub fn kind(&self) -> String {
        let (side, batch, threads) = (self.side, self.batch, self.threads);
        let decodes = if self.decodes { " decoded" } else { "" };
        format!(
            "{:?} {side} {batch} {:?} {threads}{decodes}",
            self.model, self.precision
        )
    }

    /// Of one node; none of a node that does not train.
    ///
    /// # Errors
    /// Data that the registry does not know.
    pub fn of(entry: &Entry) -> Result<Option<Self>, ExperimentError> {
        let Node::Train(train) = &entry.node else {
            return Ok(None);
        };
        Ok(Some(Self {
            model: entry.model.clone(),
            side: train.data.shape()?.1,
            batch: train.batch,
            precision: train.precision,
            threads: entry.threads,
            images: Cost::images(train)?,
            decodes: matches!(train.data.spec()?.origin, Origin::Pictures { .. }),
        }))
    }
}

/// Plans a recipe over a store; `curves` are the states of each curve of each seed.
///
/// # Errors
/// Data that the registry does not know.
pub fn plan(recipe: &Recipe, curves: &[Vec<StateRef>], store: &Store) -> Result<Plan, ExperimentError> {
    let mut plan = Plan {
        nodes: recipe.len(),
        ..Plan::default()
    };
    let mut work: BTreeMap<String, Work> = BTreeMap::new();
    // Few masks are many nodes'.
    let mut densities: HashMap<_, Vec<f64>> = HashMap::new();
    let epochs_of = |entry: &Entry| u64::from(entry.node.last_epoch());
    let needed = recipe.needed(curves.iter().flatten(), |state| store.has(state));
    for (id, entry) in recipe.iter() {
        // What stands behind states that are there need not be run.
        let done = needed.get(id).is_none_or(|entry| store.is_done(id, entry));
        plan.nodes_done += usize::from(done);
        plan.epochs += epochs_of(entry);
        let layout = entry.model.layout();
        let floats = layout.n_params() + layout.n_buffers();
        plan.bytes += entry.keep.len() as u64 * (4 * floats + layout.n_prunable().div_ceil(8)) as u64;
        if !matches!(entry.node, Node::Train(_)) {
            continue;
        }
        let mask = (entry.model.clone(), entry.density.to_bits(), entry.allocation);
        let densities = densities
            .entry(mask)
            .or_insert_with(|| entry.expected_densities());
        let cost = Cost::of(entry, densities)?.expect("a Train node costs something");
        plan.flops_dense += cost.flops_dense;
        plan.flops_sparse_ideal += cost.flops_sparse_ideal;
        if !done {
            plan.epochs_to_do += epochs_of(entry);
            let own = Work::of(entry)?.expect("a Train node is work");
            let item = work.entry(own.kind()).or_insert(Work { images: 0, ..own });
            item.images += cost.images;
        }
    }
    plan.nodes_to_do = plan.nodes - plan.nodes_done;
    plan.work = work.into_values().collect();
    for states in curves {
        let ids: BTreeSet<NodeId> = states
            .iter()
            .flat_map(|state| recipe.ancestors(state).into_keys())
            .collect();
        plan.epochs_without_sharing += ids
            .iter()
            .filter_map(|id| recipe.get(id))
            .map(epochs_of)
            .sum::<u64>();
    }
    Ok(plan)
}
