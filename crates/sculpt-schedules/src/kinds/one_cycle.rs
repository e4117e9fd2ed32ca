//! Linear up over a tenth of the steps, linear down to 0.

use crate::shape::{Shape, WarmUp};

pub(crate) const SHAPE: Shape = Shape {
    name: "one-cycle",
    by_epoch: false,
    warm_up: WarmUp::Linear,
    n_warmup_epochs: |_| 0,
    lr: |schedule, step| schedule.triangle(step, 0.1, (schedule.n_steps() + 5) / 10),
};

#[cfg(test)]
mod tests {
    use crate::Kind;
    use crate::tests::check;

    /// T = 20, peak at 2: 0.1, 0.55, 1, then down by 1/18 a step.
    #[test]
    fn one_cycle() {
        let mut expected = vec![0.1, 0.55];
        expected.extend((1..=18).rev().map(|k| f64::from(k) / 18.0));
        check(Kind::OneCycle, 4, 5, &expected);
    }
}
