//! Warm-up by epoch, then half a cosine down to 0.01.

use super::step_warmup::at_epoch;
use crate::Schedule;
use crate::schedule::ratio;
use crate::shape::{Shape, WarmUp};
use std::f64::consts::PI;

/// Where the cosine ends: the absolute `lr_min` of TurboPrune's `CosineLRWarmup`.
const FLOOR: f64 = 0.01;

pub(crate) const SHAPE: Shape = Shape {
    name: "cosine",
    by_epoch: false,
    warm_up: WarmUp::Linear,
    n_warmup_epochs: |schedule| schedule.warmup(150),
    lr,
};

fn lr(schedule: &Schedule, step: u64) -> f64 {
    let (epoch, w) = (schedule.epoch(step), schedule.warmup(150));
    if epoch < w {
        return at_epoch(schedule, epoch);
    }
    let n_warmup_steps = u64::from(w) * u64::from(schedule.steps_per_epoch());
    let u = ratio(step - n_warmup_steps, schedule.n_steps() - n_warmup_steps);
    let floor = FLOOR.min(schedule.peak_lr());
    floor + 0.5 * (1.0 + libm::cos(PI * u)) * (schedule.peak_lr() - floor)
}

#[cfg(test)]
mod tests {
    use crate::tests::check;
    use crate::{Kind, Schedule};

    /// n = 4 of 2 steps: w = 1, so 2 steps at lr, then u = 0, 1/6, …, 5/6 from 1 towards 0.01.
    /// (1 + cos πu)/2 = 1, 0.9330127018922193, 0.75, 0.5, 0.25, 0.0669872981077807; times 0.99, plus 0.01.
    #[test]
    fn cosine() {
        let halves = [1.0, 0.9330127018922193, 0.75, 0.5, 0.25, 0.0669872981077807];
        let mut expected = vec![1.0, 1.0];
        expected.extend(halves.map(|half| 0.01 + 0.99 * half));
        check(Kind::Cosine, 4, 2, &expected);
    }

    /// n = 150: the warm-up of `step-warmup`, half way at epoch 10 + 70: (0.1 + 0.01) / 2.
    #[test]
    fn cosine_of_the_paper() {
        let lr = |step| Schedule::new(Kind::Cosine, 0.1, 150, 10).unwrap().lr(step);
        for (step, expected) in [(0, 0.01), (95, 0.1), (100, 0.1), (800, 0.055)] {
            assert!((lr(step) - expected).abs() < 1e-15, "{step}: {}", lr(step));
        }
        assert!(lr(1499) > 0.01 && lr(1499) < 0.010_001);
    }

    /// A peak below 0.01 must not rise to it.
    #[test]
    fn cosine_below_its_floor_is_constant() {
        let schedule = Schedule::new(Kind::Cosine, 0.004, 4, 3).unwrap();
        assert!(schedule.rows(1).all(|row| row.lr == 0.004));
    }
}
