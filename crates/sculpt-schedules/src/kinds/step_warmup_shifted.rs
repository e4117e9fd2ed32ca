//! `step-warmup` one epoch late, after an epoch at full rate, as TurboPrune trains.

use super::step_warmup::at_epoch;
use crate::shape::{Shape, WarmUp};

pub(crate) const SHAPE: Shape = Shape {
    name: "step-warmup-shifted",
    by_epoch: true,
    warm_up: WarmUp::Linear,
    n_warmup_epochs: |schedule| schedule.warmup(150),
    lr: |schedule, step| match schedule.epoch(step) {
        0 => schedule.peak_lr(),
        epoch => at_epoch(schedule, epoch - 1),
    },
};

#[cfg(test)]
mod tests {
    use crate::Kind;
    use crate::tests::check_changes;

    /// n = 150: 0.1, then 0.01 to 0.1 in epochs 1 to 10, 0.01 from 71, 0.001 from 131.
    #[test]
    fn step_warmup_of_the_harness() {
        let mut expected = vec![(0, 0.1)];
        expected.extend((1..11).map(|e| (e, 0.01 * f64::from(e))));
        expected.extend([(71, 0.01), (131, 0.001)]);
        check_changes(Kind::StepWarmupShifted, 150, &expected);
    }
}
