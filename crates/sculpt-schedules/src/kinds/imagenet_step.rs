//! Constant warm-up at a tenth, then two drops by 10.

use crate::shape::{Shape, WarmUp};

pub(crate) const SHAPE: Shape = Shape {
    name: "imagenet-step",
    by_epoch: true,
    warm_up: WarmUp::Constant,
    n_warmup_epochs: |schedule| schedule.warmup(90),
    lr: |schedule, step| {
        let epoch = schedule.epoch(step);
        if epoch < schedule.warmup(90) {
            schedule.peak_lr() / 10.0
        } else {
            schedule.dropped(epoch, schedule.milestone(40, 90), schedule.milestone(70, 90))
        }
    },
};

#[cfg(test)]
mod tests {
    use crate::Kind;
    use crate::tests::check_changes;

    /// n = 90: a tenth for ten epochs, then to 40, 70 and the end.
    #[test]
    fn imagenet_step_of_the_paper() {
        let expected = [(0, 0.01), (10, 0.1), (40, 0.01), (70, 0.001)];
        check_changes(Kind::ImagenetStep, 90, &expected);
    }
}
