use crate::accuracy::images;
use crate::row::row;

row! {
    /// How many signs a network shares with LRR's, and what it gets right (A.1). Signs are of checkpoints and do not
    /// move; counts of images may.
    pub struct SignRow {
        /// Id of the method.
        method: String,
        /// Seed of the run.
        seed: u32,
        /// Density asked for.
        density_target: f64,
        /// Fraction of the masked-in weights with the sign that LRR's have.
        overlap: f64,
        /// What the paper says of it.
        overlap_paper: Option<f64>,
        /// Weights compared.
        n_signs: u32,
        /// Those of another sign.
        n_flips: u32,
        /// Fraction of the test images that it gets right.
        accuracy: f64 [within |_, published| images(published.n_images) / f64::from(published.n_images) + f64::EPSILON],
        /// What the paper says of it.
        accuracy_paper: Option<f64>,
        /// Test images that it gets right.
        n_correct: u32 [within |_, published| images(published.n_images)],
        /// Test images.
        n_images: u32,
        /// Node that holds the state.
        node: String,
        /// Epoch of the node.
        epoch: u32,
    }
}
