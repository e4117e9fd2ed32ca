use crate::Schedule;
use serde::Serialize;

/// One step of a run, in the column order of `sculpt schedule`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Step from 0 over the run.
    pub step: u64,
    /// Epoch from 0 in its cycle.
    pub epoch: u32,
    /// Cycle from 0.
    pub cycle: u32,
    /// Learning rate of the step.
    pub lr: f64,
}

impl Schedule {
    /// The rows of a run of `cycles` cycles, each with the schedule from its beginning: cycles × epochs × steps.
    pub fn rows(&self, cycles: u32) -> impl Iterator<Item = Row> + use<> {
        let schedule = *self;
        let n_steps = schedule.n_steps();
        (0..cycles).flat_map(move |cycle| {
            (0..n_steps).map(move |step| Row {
                step: u64::from(cycle) * n_steps + step,
                epoch: schedule.epoch(step),
                cycle,
                lr: schedule.lr(step),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::{Kind, Schedule};

    /// Two cycles of 2 epochs of 3 steps. The step schedule of 2 epochs: w = 1, so epoch 0 at lr; drops at
    /// ⌊140/150⌋ = 0 and ⌊260/150⌋ = 1, so epoch 1 at lr / 100.
    #[test]
    fn a_run_of_two_cycles() {
        let schedule = Schedule::new(Kind::StepWarmup, 0.1, 2, 3).unwrap();
        let rows: Vec<_> = schedule
            .rows(2)
            .map(|row| (row.step, row.epoch, row.cycle, row.lr))
            .collect();
        let expected = [
            (0, 0, 0, 0.1),
            (1, 0, 0, 0.1),
            (2, 0, 0, 0.1),
            (3, 1, 0, 0.001),
            (4, 1, 0, 0.001),
            (5, 1, 0, 0.001),
            (6, 0, 1, 0.1),
            (7, 0, 1, 0.1),
            (8, 0, 1, 0.1),
            (9, 1, 1, 0.001),
            (10, 1, 1, 0.001),
            (11, 1, 1, 0.001),
        ];
        assert_eq!(rows, expected);
        assert_eq!(schedule.rows(0).count(), 0);
    }

    /// Columns step, epoch, cycle, lr, and the shortest number that reads back to the same.
    #[test]
    fn serialised_in_column_order() {
        let schedule = Schedule::new(Kind::Constant, 0.1, 1, 1).unwrap();
        let row = schedule.rows(1).next().unwrap();
        assert_eq!(
            serde_json::to_string(&row).unwrap(),
            r#"{"step":0,"epoch":0,"cycle":0,"lr":0.1}"#
        );
    }
}
