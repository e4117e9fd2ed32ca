use crate::accuracy::images;
use crate::row::row;

row! {
    /// Cyclic training stopped where it was best: the cycle is chosen on one half of the test images, the same for all seeds, and
    /// reported on the other half.
    pub struct PeakRow {
        /// The paper's letter of the panel.
        panel: String,
        /// Id of the method.
        method: String,
        /// Density asked for.
        density_target: f64 as "fraction",
        /// Seed of the run.
        seed: u32,
        /// Cycles of the run.
        cycles: u32 as "cycles",
        /// The first cycle after which the mean over seeds of what is right of the images at even places, from 0, is largest.
        peak_cycle: u32 as "cycles",
        /// Epochs trained until then.
        peak_epochs: u32 as "epochs",
        /// Images at even places, on which it was chosen, that the state of the peak gets right.
        n_correct_chosen_on: u32 as "images" [within |_, published| images(published.n_images)],
        /// Of the images at odd places, those that the state of the peak gets right.
        peak_n_correct: u32 as "images" [within |_, published| images(published.n_images)],
        /// The same of the state after the last cycle.
        last_n_correct: u32 as "images" [within |_, published| images(published.n_images)],
        /// Images at odd places.
        n_images: u32 as "images",
        /// Fraction of them that the state of the peak gets right.
        peak_accuracy: f64 as "fraction" [within |_, published| images(published.n_images) / f64::from(published.n_images) + f64::EPSILON],
        /// The same of the state after the last cycle.
        last_accuracy: f64 as "fraction" [within |_, published| images(published.n_images) / f64::from(published.n_images) + f64::EPSILON],
        /// Node that holds the state of the peak.
        node: String,
        /// Epoch of the node, from its start.
        epoch: u32 as "epochs",
    }
}
