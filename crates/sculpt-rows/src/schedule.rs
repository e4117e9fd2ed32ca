use crate::row::row;
use sculpt_schedules::Kind;

row! {
    /// A learning rate at a place of a training.
    pub struct ScheduleRow {
        /// The paper's place of the panel: left, middle, right, or all; in the paper's numbers after the word `paper`.
        panel: String,
        /// Kind of the schedule.
        schedule: Kind,
        /// Node of the training, in its order, from 1.
        cycle: u32 as "cycles",
        /// Density asked for.
        density: f64 as "fraction",
        /// Epochs trained since initialisation.
        epoch: f64 as "epochs",
        /// The rate.
        learning_rate: f64,
        /// The node.
        node: String,
    }
}
