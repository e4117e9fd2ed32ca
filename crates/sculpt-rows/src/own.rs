//! Rows of what is measured of a recipe of a user's own.

use crate::accuracy::images;
use crate::contrast::{Tested, log_tolerance};
use crate::landscape::{ERROR, ROUNDING, SEARCH, loss};
use crate::row::row;
use crate::{BatchNorm, ImageSet, LineRow, Test, Verdict};

row! {
    /// A state on the test set.
    pub struct OwnAccuracyRow {
        /// Name of the curve.
        curve: String,
        /// Name of the state, as the recipe has it.
        state: String,
        /// Seed of the run.
        seed: u32,
        /// Place along the curve: the density asked for, cycles, epochs, or a value on an axis of the grid.
        x: f64,
        /// Density asked for, in (0, 1].
        density_target: f64 as "fraction",
        /// Density of its mask.
        density: f64 as "fraction",
        /// Cycle that the state ends, from 1.
        cycle: u32 as "cycles",
        /// Epochs trained since the initialisation of its weights.
        epochs: u32 as "epochs",
        /// Node that holds the state.
        node: String,
        /// Epoch of the node, from its start.
        epoch: u32 as "epochs",
        /// Fraction of the test images that it gets right.
        accuracy: f64 as "fraction" [within |_, published| images(published.n_images) / f64::from(published.n_images) + f64::EPSILON],
        /// Test images that it gets right.
        n_correct: u32 as "images" [within |_, published| images(published.n_images)],
        /// Test images.
        n_images: u32 as "images",
        /// Mean cross-entropy over them, in nats. Sums in f32 move in their last digits.
        test_loss: f64 as "nats" [within |_, _| 1e-3],
        /// What training recorded as right.
        recorded_n_correct: Option<u32> as "images",
        /// Whether accuracy and loss were measured, or are what training recorded.
        measured: bool [any],
    }
}

row! {
    /// A point of the line between two states that follow each other on a curve.
    pub struct OwnLineRow {
        /// Name of the curve.
        curve: String,
        /// Name of the earlier state, as the recipe has it.
        state_from: String,
        /// Name of the later one.
        state: String,
        /// Seed of the run.
        seed: u32,
        /// Density asked for, of the later state.
        density_target: f64 as "fraction",
        /// Cycle that the earlier one ends; along densities its place among them, from 1.
        from: u32,
        /// Cycle or place of the later one.
        to: u32,
        /// Images of the loss.
        set: ImageSet,
        /// What BatchNorm's statistics are.
        batch_norm: BatchNorm,
        /// Place on the line, from 0, the earlier one, to 1.
        alpha: f64 as "fraction",
        /// Mean cross-entropy in nats. Sums in f32 move in their last digits.
        loss: f64 as "nats" [within |_, published| loss(published.loss)],
        /// Fraction of the images that are wrong.
        error: f64 as "fraction" [within |_, _| ERROR],
        /// Node of the earlier one.
        node_from: String,
        /// Its epoch.
        epoch_from: u32 as "epochs",
        /// Node of the later one.
        node: String,
        /// Its epoch.
        epoch: u32 as "epochs",
    }
}

impl OwnLineRow {
    /// The same as a line of the paper's figures, whose method is the curve.
    pub fn line(&self) -> LineRow {
        LineRow {
            panel: String::new(),
            method: self.curve.clone(),
            seed: self.seed,
            density_target: self.density_target,
            from: self.from,
            to: self.to,
            set: self.set,
            batch_norm: self.batch_norm,
            alpha: self.alpha,
            loss: self.loss,
            error: self.error,
            node_from: self.node_from.clone(),
            epoch_from: self.epoch_from,
            node: self.node.clone(),
            epoch: self.epoch,
        }
    }
}

row! {
    /// The largest eigenvalue of the Hessian of the training loss at a state.
    pub struct OwnEigenvalueRow {
        /// Name of the curve.
        curve: String,
        /// Name of the state, as the recipe has it.
        state: String,
        /// Seed of the run.
        seed: u32,
        /// Place along the curve: the density asked for, cycles, epochs, or a value on an axis of the grid.
        x: f64,
        /// Density asked for, in (0, 1].
        density_target: f64 as "fraction",
        /// Cycle that the state ends, from 1.
        cycle: u32 as "cycles",
        /// Epochs trained since the initialisation of its weights.
        epochs: u32 as "epochs",
        /// Node that holds the state.
        node: String,
        /// Epoch of the node, from its start.
        epoch: u32 as "epochs",
        /// Largest eigenvalue, in nats, of the first 512 training images, or of pictures as many spread over all, without augmentation.
        eigenvalue: f64 as "nats" [within eigenvalues],
        /// `‖Hv − λv‖`: an eigenvalue is no farther away.
        residual: f64 as "nats" [within |_, published| SEARCH * published.eigenvalue.abs()],
        /// Whether the residual is below a thousandth of the eigenvalue; else the search spent all its products.
        converged: bool,
    }
}

row! {
    /// How many signs a state shares with another one, over the weights that both have.
    pub struct OwnSignRow {
        /// Name of the curve.
        curve: String,
        /// Name of the state, as the recipe has it.
        state: String,
        /// Name of the state that it is compared with.
        against: String,
        /// Seed of the run.
        seed: u32,
        /// Place along the curve: the density asked for, cycles, epochs, or a value on an axis of the grid.
        x: f64,
        /// Density asked for, in (0, 1].
        density_target: f64 as "fraction",
        /// Cycle that the state ends, from 1.
        cycle: u32 as "cycles",
        /// Node that holds the state.
        node: String,
        /// Epoch of the node, from its start.
        epoch: u32 as "epochs",
        /// Node that holds the other state.
        node_against: String,
        /// Its epoch.
        epoch_against: u32 as "epochs",
        /// Fraction of the compared weights that have the same sign; 0 is equal to 0 alone.
        overlap: f64 as "fraction",
        /// Weights compared.
        n_signs: u32 as "weights",
        /// Those of another sign.
        n_flips: u32 as "weights",
    }
}

row! {
    /// What it took to train a state, and what it gets right.
    pub struct OwnCostRow {
        /// Name of the curve.
        curve: String,
        /// Name of the state, as the recipe has it.
        state: String,
        /// Seed of the run.
        seed: u32,
        /// Place along the curve: the density asked for, cycles, epochs, or a value on an axis of the grid.
        x: f64,
        /// Density asked for, in (0, 1].
        density_target: f64 as "fraction",
        /// Node that holds the state.
        node: String,
        /// Epoch of the node, from its start.
        epoch: u32 as "epochs",
        /// Epochs of everything that the state comes from, what others share with it included.
        epochs_total: u32 as "epochs",
        /// Training FLOPs as executed, whatever the mask: 2 × MACs forward, twice that backward.
        flops_dense: f64 as "FLOPs",
        /// Those of the weights that are not pruned, by layer.
        flops_sparse_ideal: f64 as "FLOPs",
        /// Wall time of training and evaluation, where every node has it.
        seconds: Option<f64> as "s",
        /// Resident memory of the training process, where every node has it.
        peak_memory_bytes: Option<f64> as "bytes",
        /// Weights, gradients and momenta that are not pruned, and the mask's bits, at the densest stage.
        sparse_ideal_bytes: f64 as "bytes",
        /// Fraction of the test images that it gets right.
        accuracy: f64 as "fraction" [within |_, published| images(published.n_images) / f64::from(published.n_images) + f64::EPSILON],
        /// Test images that it gets right.
        n_correct: u32 as "images" [within |_, published| images(published.n_images)],
        /// Test images.
        n_images: u32 as "images",
        /// Whether accuracy was measured, or is what training recorded.
        measured: bool [any],
    }
}

row! {
    /// A comparison of two curves at one place, paired by seed.
    pub struct OwnContrastRow {
        /// What is compared.
        contrast: String,
        /// What the test says at 5 %.
        verdict: Verdict,
        /// Mean over seeds.
        effect: f64 as "points of accuracy" [within |_, _| POINTS],
        /// Lower end of the 90 % interval of the mean: Student's t over the paired differences.
        low: Option<f64> as "points of accuracy" [within |_, _| 5.0 * POINTS],
        /// Upper end.
        high: Option<f64> as "points of accuracy" [within |_, _| 5.0 * POINTS],
        /// Probability of the test; none without spread, where the sign decides.
        p: Option<f64> [log_within log_p],
        /// The same, adjusted for the number of places after Holm. It follows from the p of all places.
        p_holm: Option<f64> [within |_, _| f64::INFINITY],
        /// Seeds.
        n: u32 as "seeds",
        /// Place along both; none of the mean over all places that both have.
        x: Option<f64>,
        /// What the curves run along.
        along: String,
        /// The curve that the difference is of.
        a: String,
        /// The curve that is taken away.
        b: String,
        /// What is tested.
        test: Test,
        /// What the mean is tested against; of `within` at both sides of 0.
        bound: f64 as "points of accuracy",
        /// The null hypothesis.
        null: String,
        /// Sample standard deviation over seeds.
        deviation: Option<f64> as "points of accuracy" [within |_, _| 5.0 * POINTS],
        /// With so many seeds and this deviation, the distance from the bound that is found with 80 % power.
        smallest_effect: Option<f64> as "points of accuracy" [within |_, _| 5.0 * POINTS],
        /// Seeds with which an undecided comparison would be decided with 80 % power, were mean and deviation the true ones; none
        /// above 10,000.
        n_to_decide: Option<u32> as "seeds" [within |_, _| f64::INFINITY],
        /// Seeds that both have, apart by blanks.
        seeds: String,
        /// `a − b` of each seed, apart by blanks.
        values: String as "points of accuracy" [list_within |_, _| POINTS],
    }
}

/// What a difference of accuracies may move by on another machine.
const POINTS: f64 = 0.2;

fn log_p(computed: &OwnContrastRow, published: &OwnContrastRow) -> f64 {
    let tested = |row: &OwnContrastRow| Tested {
        effect: Some(row.effect),
        interval: row.low.zip(row.high),
        bound: row.bound,
        n: row.n,
    };
    log_tolerance(&tested(computed), &tested(published))
}

/// Each lies within its residual of the eigenvalue.
fn eigenvalues(computed: &OwnEigenvalueRow, published: &OwnEigenvalueRow) -> f64 {
    let bound = |row: &OwnEigenvalueRow| row.residual + ROUNDING * row.eigenvalue.abs();
    bound(computed) + bound(published)
}
