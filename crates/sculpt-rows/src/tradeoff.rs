use crate::accuracy::images;
use crate::row::row;

row! {
    /// What a trained network gets right, and what it cost to get there.
    pub struct TradeoffRow {
        /// The paper's letter of the panel.
        panel: String,
        /// Id of the method.
        method: String,
        /// Density asked for.
        density_target: f64 as "fraction",
        /// Seed of the run.
        seed: u32,
        /// Fraction of the test images that it gets right.
        accuracy: f64 as "fraction" [within |_, published| images(published.n_images) / f64::from(published.n_images) + f64::EPSILON],
        /// Test images that it gets right.
        n_correct: u32 as "images" [within |_, published| images(published.n_images)],
        /// Test images.
        n_images: u32 as "images",
        /// Whether accuracy was measured, or is what training recorded.
        measured: bool [any],
        /// Epochs of all training that it comes from.
        epochs: u32 as "epochs",
        /// Operations of that training if pruned weights cost nothing, layer by layer.
        flops_sparse_ideal: f64 as "floating-point operations",
        /// Wall time of that training and its evaluation, in seconds, where every node has it.
        seconds: Option<f64> as "seconds",
        /// Whether, in the mean over seeds, nothing of the panel took no more epochs and got at least as much right, one of the
        /// two strictly.
        pareto_epochs: bool,
        /// The same of the operations.
        pareto_flops: bool,
        /// The same of the wall time, among those that have it.
        pareto_seconds: Option<bool>,
        /// Node that holds the state.
        node: String,
    }
}

/// What training costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Price {
    /// Epochs.
    Epochs,
    /// Operations if pruned weights cost nothing.
    Flops,
    /// Wall time.
    Seconds,
}

impl Price {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Epochs, Self::Flops, Self::Seconds];
}

impl TradeoffRow {
    /// What it cost, where that is known.
    pub fn price(&self, price: Price) -> Option<f64> {
        match price {
            Price::Epochs => Some(f64::from(self.epochs)),
            Price::Flops => Some(self.flops_sparse_ideal),
            Price::Seconds => self.seconds,
        }
    }

    /// Whether it stands on the front at this price.
    pub fn is_on_front(&self, price: Price) -> bool {
        match price {
            Price::Epochs => self.pareto_epochs,
            Price::Flops => self.pareto_flops,
            Price::Seconds => self.pareto_seconds == Some(true),
        }
    }
}
