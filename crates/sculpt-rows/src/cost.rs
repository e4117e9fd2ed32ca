use crate::row::row;

row! {
    /// What it took to get to a state: sums over all training that it comes from; of bytes the most that any of it holds.
    pub struct CostRow {
        /// The paper's letter of the panel.
        panel: String,
        /// Id of the method.
        method: String,
        /// Density asked for.
        density_target: f64 as "fraction",
        /// Seed of the run.
        seed: u32,
        /// Epochs, levels and cycles together.
        epochs: u32 as "epochs",
        /// Operations of training as executed, on dense tensors.
        flops_dense: f64 as "floating-point operations",
        /// Operations if pruned weights cost nothing.
        flops_sparse_ideal: f64 as "floating-point operations",
        /// Wall time of training and evaluation, in seconds, where every node has it.
        seconds: Option<f64> as "seconds",
        /// Memory of the training process, where every node has it.
        peak_memory_bytes: Option<f64> as "bytes",
        /// Weights, gradients and momenta that are not pruned, and the mask's bits, at the densest stage.
        sparse_ideal_bytes: f64 as "bytes",
        /// The same of the dense network, which masked tensors take whatever the mask.
        dense_bytes: f64 as "bytes",
        /// Node that holds the state.
        node: String,
    }
}
