//! Rows of what each method costs until its network is trained.

use crate::{MeasureError, PanelNeeds, Session};
use sculpt_experiments::{Cost, Entry, NodeId, Recipe, StateRef};
use sculpt_rows::CostRow;
use std::collections::HashMap;

/// Numbers that SGD with momentum holds for each weight: itself, its gradient, its momentum.
const NUMBERS_PER_WEIGHT: f64 = 3.0;
const BYTES_PER_NUMBER: f64 = 4.0;

impl Session {
    /// Sums over all training that a state comes from, each node's until the last of its epochs that is read on the way; of bytes the most that any of it holds.
    ///
    /// # Errors
    /// Timings or masks that cannot be read.
    pub fn cost_rows(&self, panels: &[PanelNeeds]) -> Result<Vec<CostRow>, MeasureError> {
        let mut rows = Vec::new();
        let mut masks = HashMap::new();
        for panel in panels {
            for point in &panel.points {
                let ledger = Ledger::of(&panel.recipe, &point.state, self, &mut masks)?;
                rows.push(CostRow {
                    panel: panel.letter.to_owned(),
                    method: point.method.id.to_owned(),
                    density_target: point.density.get(),
                    seed: point.seed as u32,
                    epochs: ledger.epochs,
                    flops_dense: ledger.flops_dense,
                    flops_sparse_ideal: ledger.flops_sparse_ideal,
                    seconds: ledger.seconds,
                    peak_memory_bytes: ledger.peak_memory_bytes,
                    sparse_ideal_bytes: ledger.sparse_ideal_bytes,
                    dense_bytes: ledger.dense_bytes,
                    node: point.state.id.as_str().to_owned(),
                });
            }
        }
        Ok(rows)
    }

    /// The density of each prunable tensor under a Train node's mask: from the bits of a state of the node, or from the
    /// allocation, which gives the counts exactly; of other nodes nobody asks.
    fn layer_densities(&self, id: &NodeId, entry: &Entry) -> Result<Vec<f64>, MeasureError> {
        let epochs = entry.node.last_epoch();
        if epochs == 0 || entry.density == 1.0 || entry.allocation.is_some() {
            return Ok(entry.expected_densities());
        }
        let address = |epoch| StateRef {
            id: id.clone(),
            epoch,
        };
        let kept = entry.keep.iter().map(|&epoch| address(epoch));
        let there = kept.into_iter().find(|state| self.source().has(state));
        let state = there.ok_or_else(|| MeasureError::NoState {
            id: id.clone(),
            epoch: epochs,
        })?;
        let layout = entry.model.layout();
        let layers = self.source().state(&state, &layout)?.mask.layers(&layout);
        Ok(layers
            .iter()
            .map(|layer| layer.kept as f64 / layer.n as f64)
            .collect())
    }
}

/// What it took to get to a state.
pub(crate) struct Ledger {
    /// Epochs trained, levels and cycles together.
    pub(crate) epochs: u32,
    pub(crate) flops_dense: f64,
    pub(crate) flops_sparse_ideal: f64,
    /// Wall time of training and evaluation, where every node has it.
    pub(crate) seconds: Option<f64>,
    /// Resident memory of the training process, where every node has it.
    pub(crate) peak_memory_bytes: Option<f64>,
    /// Weights, gradients and momenta that are not pruned, and the mask's bits, at the densest stage.
    pub(crate) sparse_ideal_bytes: f64,
    /// The same of the dense network, which masked tensors take whatever the mask.
    pub(crate) dense_bytes: f64,
}

impl Ledger {
    pub(crate) fn of(
        recipe: &Recipe,
        state: &StateRef,
        session: &Session,
        masks: &mut HashMap<NodeId, Vec<f64>>,
    ) -> Result<Self, MeasureError> {
        let (model, _) = session.entry(state)?;
        let layout = model.layout();
        let unprunable = (layout.n_params() - layout.n_prunable()) as f64;
        let bytes = |density: f64| {
            // As many as a mask of this density keeps.
            let weights = (density * layout.n_prunable() as f64).round() + unprunable;
            let bits = if density < 1.0 {
                layout.n_prunable().div_ceil(8) as f64
            } else {
                0.0
            };
            NUMBERS_PER_WEIGHT * BYTES_PER_NUMBER * weights + bits
        };
        let mut ledger = Ledger {
            epochs: 0,
            flops_dense: 0.0,
            flops_sparse_ideal: 0.0,
            seconds: Some(0.0),
            peak_memory_bytes: Some(0.0),
            sparse_ideal_bytes: 0.0,
            dense_bytes: bytes(1.0),
        };
        for (id, last) in recipe.ancestors(state) {
            let entry = recipe.get(&id).expect("ancestors are of the recipe");
            if !masks.contains_key(&id) {
                masks.insert(id.clone(), session.layer_densities(&id, entry)?);
            }
            let Some(whole) = Cost::of(entry, &masks[&id])? else {
                continue;
            };
            // Of what is read on the way, not of what was trained beyond it.
            let cost = whole.until(last);
            let share = f64::from(cost.epochs) / f64::from(whole.epochs.max(1));
            ledger.epochs += cost.epochs;
            ledger.flops_dense += cost.flops_dense;
            ledger.flops_sparse_ideal += cost.flops_sparse_ideal;
            ledger.sparse_ideal_bytes = ledger.sparse_ideal_bytes.max(bytes(entry.density));
            let timing = session.source().timing(&id)?;
            let seconds = timing.as_ref().map(|t| t.seconds * share);
            ledger.seconds = ledger.seconds.zip(seconds).map(|(sum, own)| sum + own);
            let peak = timing.and_then(|t| t.peak_memory_bytes).map(|n| n as f64);
            let most = ledger.peak_memory_bytes.zip(peak);
            ledger.peak_memory_bytes = most.map(|(most, own)| most.max(own));
        }
        Ok(ledger)
    }
}
