//! Linear warm-up by epoch, then two drops by 10 (paper, Table 1).

use crate::Schedule;
use crate::shape::{Shape, WarmUp};

pub(crate) const SHAPE: Shape = Shape {
    name: "step-warmup",
    by_epoch: true,
    warm_up: WarmUp::Linear,
    n_warmup_epochs: |schedule| schedule.warmup(150),
    lr: |schedule, step| at_epoch(schedule, schedule.epoch(step)),
};

pub(super) fn at_epoch(schedule: &Schedule, epoch: u32) -> f64 {
    let w = schedule.warmup(150);
    if epoch < w {
        schedule.peak_lr() * f64::from(epoch + 1) / f64::from(w)
    } else {
        schedule.dropped(epoch, schedule.milestone(70, 150), schedule.milestone(130, 150))
    }
}

#[cfg(test)]
mod tests {
    use crate::tests::check_changes;
    use crate::{Kind, Schedule};

    /// n = 150: 0.01 to 0.1 in ten epochs (the tenth stays), 0.01 from 70, 0.001 from 130.
    #[test]
    fn step_warmup_of_the_paper() {
        let mut expected: Vec<(u32, f64)> = (0..10).map(|e| (e, 0.01 * f64::from(e + 1))).collect();
        expected.extend([(70, 0.01), (130, 0.001)]);
        check_changes(Kind::StepWarmup, 150, &expected);
    }

    /// n = 15, the `short` preset: w = 1, drops at 7 and 13. n = 23: w = round(1.53) = 2.
    #[test]
    fn milestones_scale() {
        check_changes(Kind::StepWarmup, 15, &[(0, 0.1), (7, 0.01), (13, 0.001)]);
        let w = |epochs| {
            Schedule::new(Kind::StepWarmup, 0.1, epochs, 1)
                .unwrap()
                .n_warmup_epochs()
        };
        assert_eq!(
            [1, 7, 22, 23, 37, 38, 150, 300].map(w),
            [1, 1, 1, 2, 2, 3, 10, 20]
        );
    }
}
