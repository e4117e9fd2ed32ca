use crate::row::row;

row! {
    /// A checkpoint on the test set.
    pub struct AccuracyRow {
        /// The paper's letter of the panel.
        panel: String,
        /// Id of the method.
        method: String,
        /// Seed of the run.
        seed: u32,
        /// Densities of the preset above its own: of iterative pruning the level, from 0.
        level: u32 as "levels",
        /// Cycle that the state ends, from 1; of a longer run the interval of as many epochs.
        cycle: u32 as "cycles",
        /// Epochs trained since the initialisation of its weights.
        epochs: u32 as "epochs",
        /// Density asked for, in (0, 1].
        density_target: f64 as "fraction",
        /// Density of its mask.
        density: f64 as "fraction",
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

/// Which of a method's states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Those after the first cycle: standard training.
    First,
    /// Those after the last cycle.
    Last,
    /// All.
    All,
}

impl AccuracyRow {
    /// Accuracy in percent.
    pub fn percent(&self) -> f64 {
        100.0 * self.accuracy
    }
}

/// A method's rows after its first cycle, after its last one, which is told for each density asked for, or all.
pub fn of_method<'a>(rows: &[&'a AccuracyRow], method: &str, part: Part) -> Vec<&'a AccuracyRow> {
    let own: Vec<&AccuracyRow> = rows.iter().copied().filter(|row| row.method == method).collect();
    let last = |density: f64| {
        let cycles = own.iter().filter(|row| row.density_target == density);
        cycles.map(|row| row.cycle).max()
    };
    let keep = |row: &&&AccuracyRow| match part {
        Part::First => row.cycle == 1,
        Part::Last => Some(row.cycle) == last(row.density_target),
        Part::All => true,
    };
    own.iter().filter(keep).copied().collect()
}

/// Images by which counts may differ between machines (design §5): max(1, 0.1 %).
pub(crate) fn images(n: u32) -> f64 {
    (f64::from(n) / 1000.0).floor().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0.1 % of 500 is less than an image; of 2,999 it is two.
    #[test]
    fn counts_may_differ_by_an_image_or_a_thousandth() {
        assert_eq!([500, 1000, 2999, 10_000].map(images), [1.0, 1.0, 2.0, 10.0]);
    }
}
