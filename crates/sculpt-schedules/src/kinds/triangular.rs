//! Linear up over a fifth of the steps, linear down to 0.

use crate::shape::{Shape, WarmUp};

pub(crate) const SHAPE: Shape = Shape {
    name: "triangular",
    by_epoch: false,
    warm_up: WarmUp::Linear,
    n_warmup_epochs: |_| 0,
    lr: |schedule, step| schedule.triangle(step, 0.2, schedule.n_steps() / 5),
};

#[cfg(test)]
mod tests {
    use crate::Kind;
    use crate::tests::check;

    /// T = 10, peak at 2: 0.2, 0.6, 1, then down by 1/8 a step.
    #[test]
    fn triangular() {
        let expected = [0.2, 0.6, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125];
        check(Kind::Triangular, 2, 5, &expected);
    }
}
