use crate::accuracy::images;
use crate::row::row;

row! {
    /// How many signs a network shares with LRR's, and what it gets right (A.1). Signs are of checkpoints and do not
    /// move; counts of images may.
    pub struct SignRow {
        /// The paper's letter of the panel that the runs are of.
        panel: String,
        /// Id of the method.
        method: String,
        /// Seed of the run.
        seed: u32,
        /// Cycle that the state ends, from 1; of a longer run the interval of as many epochs.
        cycle: u32 as "cycles",
        /// Epochs trained since the initialisation of its weights.
        epochs: u32 as "epochs",
        /// Density asked for.
        density_target: f64 as "fraction",
        /// Fraction of the masked-in weights with the sign that LRR's have.
        overlap: f64 as "fraction",
        /// What the paper says of it.
        overlap_paper: Option<f64> as "fraction",
        /// Weights compared.
        n_signs: u32 as "weights",
        /// Those of another sign.
        n_flips: u32 as "weights",
        /// Fraction of the test images that it gets right.
        accuracy: f64 as "fraction" [within |_, published| images(published.n_images) / f64::from(published.n_images) + f64::EPSILON],
        /// What the paper says of it.
        accuracy_paper: Option<f64> as "fraction",
        /// Test images that it gets right.
        n_correct: u32 as "images" [within |_, published| images(published.n_images)],
        /// Test images.
        n_images: u32 as "images",
        /// Node that holds the state.
        node: String,
        /// Epoch of the node.
        epoch: u32 as "epochs",
    }
}
