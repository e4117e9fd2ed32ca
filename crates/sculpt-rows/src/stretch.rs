use crate::row::row;

row! {
    /// A stretch of training at one density.
    pub struct StretchRow {
        /// The paper's letter of the panel.
        panel: String,
        /// Id of the method.
        method: String,
        /// Seed of the run.
        seed: u32,
        /// The stretch, in its order, from 1.
        cycle: u32 as "cycles",
        /// Epochs trained since initialisation, before it.
        epoch_start: u32 as "epochs",
        /// And after it.
        epoch_end: u32 as "epochs",
        /// Density asked for.
        density: f64 as "fraction",
        /// The node.
        node: String,
    }
}
