use crate::row::row;
use sculpt_schedules::Kind;

row! {
    /// A learning rate at a place of a training.
    pub struct ScheduleRow {
        /// The paper's place of the panel: left, middle, right, or all.
        panel: String,
        /// Kind of the schedule.
        schedule: Kind,
        /// Node of the training, in its order, from 1.
        cycle: u32,
        /// Density asked for.
        density: f64,
        /// Epochs trained since initialisation.
        epoch: f64,
        /// The rate.
        learning_rate: f64,
        /// The node.
        node: String,
    }
}
