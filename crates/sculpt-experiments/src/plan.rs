use crate::data::{DEMO_A, DEMO_B, DEMO_C, IMAGENET};
use crate::{DataRef, Entry, Node, NodeId, Recipe, StateRef, Store};
use sculpt_datasets::{DemoSpec, Split};
use sculpt_models::{ModelSpec, Precision};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

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
    /// Training floating-point operations of all Train nodes as executed: masked tensors are dense.
    pub flops_dense: f64,
    /// The same if pruned weights cost nothing, each layer at the mask's overall density.
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
}

/// What training one node costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Epochs.
    pub epochs: u32,
    /// Images passed forward and back.
    pub images: u64,
    /// Floating-point operations as executed: masked tensors are dense.
    pub flops_dense: f64,
    /// The same if pruned weights cost nothing, each layer at the mask's overall density.
    pub flops_sparse_ideal: f64,
}

impl Cost {
    /// Of a Train node; other nodes cost next to nothing.
    pub fn of(entry: &Entry) -> Option<Self> {
        let Node::Train(train) = &entry.node else {
            return None;
        };
        let (n_train, side) = data_shape(&train.data);
        let n_train = match train.split {
            Split::All => n_train,
            Split::HeldOut { n_validation } => n_train.saturating_sub(u64::from(n_validation)),
        };
        let batch = u64::from(train.batch);
        let per_epoch = if train.drop_last {
            n_train / batch * batch
        } else {
            n_train
        };
        let images = per_epoch * u64::from(train.epochs);
        // None of a network that these images are too small for: the run says so.
        let macs: u64 = entry.model.multiply_accumulates(side, side).ok()?.iter().sum();
        let flops_dense = FLOPS_PER_MAC * macs as f64 * images as f64;
        Some(Self {
            epochs: train.epochs,
            images,
            flops_dense,
            flops_sparse_ideal: flops_dense * entry.density,
        })
    }
}

/// A backward pass costs two forward passes; a multiply-accumulate is two operations.
const FLOPS_PER_MAC: f64 = 2.0 * 3.0;

/// Plans a recipe over a store; `curves` are the states of each curve of each seed.
pub fn plan(recipe: &Recipe, curves: &[Vec<StateRef>], store: &Store) -> Plan {
    let mut plan = Plan {
        nodes: recipe.len(),
        ..Plan::default()
    };
    let mut work: BTreeMap<String, Work> = BTreeMap::new();
    let epochs_of = |entry: &Entry| u64::from(entry.node.last_epoch());
    for (id, entry) in recipe.iter() {
        let done = store.is_done(id, entry);
        plan.nodes_done += usize::from(done);
        plan.epochs += epochs_of(entry);
        let layout = entry.model.layout();
        let floats = layout.n_params() + layout.n_buffers();
        plan.bytes += entry.keep.len() as u64 * (4 * floats + layout.n_prunable().div_ceil(8)) as u64;
        let (Node::Train(train), Some(cost)) = (&entry.node, Cost::of(entry)) else {
            continue;
        };
        plan.flops_dense += cost.flops_dense;
        plan.flops_sparse_ideal += cost.flops_sparse_ideal;
        if !done {
            plan.epochs_to_do += epochs_of(entry);
            let (side, batch) = (data_shape(&train.data).1, train.batch);
            let (precision, threads) = (train.precision, entry.threads);
            let key = format!("{:?} {side} {batch} {precision:?} {threads}", entry.model);
            let item = work.entry(key).or_insert_with(|| Work {
                model: entry.model.clone(),
                side,
                batch: train.batch,
                precision,
                threads,
                images: 0,
            });
            item.images += cost.images;
        }
    }
    plan.nodes_to_do = plan.nodes - plan.nodes_done;
    plan.work = work.into_values().collect();
    for states in curves {
        let ids: BTreeSet<NodeId> = states.iter().flat_map(|state| recipe.ancestors(state)).collect();
        plan.epochs_without_sharing += ids
            .iter()
            .filter_map(|id| recipe.get(id))
            .map(epochs_of)
            .sum::<u64>();
    }
    plan
}

/// (training images, side) of data that need not be at hand: the demo's, CIFAR's or ImageNet's.
pub(crate) fn data_shape(data: &DataRef) -> (u64, u32) {
    let (n_train, side) = match data.name.as_str() {
        DEMO_A => of_demo(DemoSpec::panel_a()),
        DEMO_B => of_demo(DemoSpec::panel_b()),
        DEMO_C => of_demo(DemoSpec::panel_c()),
        IMAGENET => (1_281_167, 224),
        _ => (50_000, 32),
    };
    (data.train_images.map_or(n_train, u64::from), side)
}

fn of_demo(spec: DemoSpec) -> (u64, u32) {
    (spec.n_train as u64, spec.side as u32)
}
