use crate::row::row;

row! {
    /// Training epochs to a sparsity, beside the paper's.
    pub struct EpochRow {
        /// Row of the paper's table.
        panel: String,
        /// Data of the suite.
        data: String,
        /// Network of the suite.
        model: String,
        /// Fraction of the weights that is pruned.
        sparsity: f64,
        /// Density asked for.
        density: f64,
        /// Id of the method.
        method: String,
        /// Epochs from initialisation to the state.
        epochs: u32,
        /// What the paper says of them.
        epochs_paper: u32,
        /// Node that holds the state.
        node: String,
    }
}
