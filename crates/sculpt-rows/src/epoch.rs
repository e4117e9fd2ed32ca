use crate::row::row;

row! {
    /// Training epochs to a sparsity, beside the paper's.
    pub struct EpochRow {
        /// The paper's letter of the panel; `8c` is figure 8's (c), of ResNet-50.
        panel: String,
        /// Data of the suite.
        data: String,
        /// Network of the suite.
        model: String,
        /// Fraction of the weights that is pruned.
        sparsity: f64 as "fraction",
        /// Density asked for.
        density: f64 as "fraction",
        /// Id of the method.
        method: String,
        /// Epochs from initialisation to the state, the dense network's training included.
        epochs: u32 as "epochs",
        /// The paper's, counted alike: LRR's with the dense network's training, which its table leaves out.
        epochs_paper: u32 as "epochs",
        /// Row of the paper's table.
        row_paper: String,
        /// What the paper's table says.
        epochs_paper_printed: u32 as "epochs",
        /// Node that holds the state.
        node: String,
    }
}
