//! Linear up over a tenth of the steps, constant, linear down to 0 over a fifth.

use crate::Schedule;
use crate::schedule::ratio;
use crate::shape::{Shape, WarmUp};

pub(crate) const SHAPE: Shape = Shape {
    name: "trapezoidal",
    by_epoch: false,
    warm_up: WarmUp::Linear,
    n_warmup_epochs: |_| 0,
    lr,
};

fn lr(schedule: &Schedule, step: u64) -> f64 {
    let n_steps = schedule.n_steps();
    let (n_up, n_down) = ((n_steps + 5) / 10, (2 * n_steps + 5) / 10);
    if step < n_up {
        schedule.peak_lr() * ratio(step + 1, n_up)
    } else if step < n_steps - n_down {
        schedule.peak_lr()
    } else {
        schedule.peak_lr() * ratio(n_steps - step, n_down)
    }
}

#[cfg(test)]
mod tests {
    use crate::Kind;
    use crate::tests::check;

    /// T = 20: up over 2 steps (0.5, 1), constant over 14, down over 4 (1, 0.75, 0.5, 0.25).
    #[test]
    fn trapezoidal() {
        let mut expected = vec![0.5];
        expected.extend([1.0; 16]);
        expected.extend([0.75, 0.5, 0.25]);
        check(Kind::Trapezoidal, 4, 5, &expected);
    }
}
