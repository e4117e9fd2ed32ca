use crate::{Kind, ScheduleError};
use std::f64::consts::PI;

/// Where the cosine ends: the absolute `lr_min` of TurboPrune's `CosineLRWarmup`.
const COSINE_FLOOR: f64 = 0.01;

/// The learning rate over one training cycle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    kind: Kind,
    lr: f64,
    epochs: u32,
    steps_per_epoch: u32,
}

impl Schedule {
    /// One cycle of `epochs` epochs of `steps_per_epoch` steps, with peak rate `lr`.
    ///
    /// # Errors
    /// A rate that is not finite and above 0, no epochs, no steps, or a cycle of 2³² steps or more.
    pub fn new(kind: Kind, lr: f64, epochs: u32, steps_per_epoch: u32) -> Result<Self, ScheduleError> {
        if !(lr > 0.0 && lr.is_finite()) {
            return Err(ScheduleError::LearningRate { lr });
        }
        match epochs.checked_mul(steps_per_epoch) {
            Some(0) => Err(ScheduleError::NoSteps {
                epochs,
                steps_per_epoch,
            }),
            None => Err(ScheduleError::TooLong {
                epochs,
                steps_per_epoch,
            }),
            Some(_) => Ok(Self {
                kind,
                lr,
                epochs,
                steps_per_epoch,
            }),
        }
    }

    /// The learning rate of `step`, counted from 0 within the cycle.
    ///
    /// # Panics
    /// When the cycle has no such step.
    pub fn lr(&self, step: u64) -> f64 {
        assert!(
            step < self.n_steps(),
            "step {step} lies beyond a cycle of {} steps",
            self.n_steps()
        );
        match self.kind {
            Kind::StepWarmup => self.step_warmup(self.epoch(step)),
            // Epoch 0 at the full rate, then everything one epoch late.
            Kind::StepWarmupShifted => match self.epoch(step) {
                0 => self.lr,
                epoch => self.step_warmup(epoch - 1),
            },
            Kind::ImagenetStep => self.imagenet_step(self.epoch(step)),
            Kind::OneCycle => self.triangle(step, 0.1, (self.n_steps() + 5) / 10),
            Kind::Cosine => self.cosine(step),
            Kind::Triangular => self.triangle(step, 0.2, self.n_steps() / 5),
            Kind::Trapezoidal => self.trapezoid(step),
            Kind::Constant => self.lr,
        }
    }

    /// The epoch of `step`, both counted from 0 within the cycle.
    pub fn epoch(&self, step: u64) -> u32 {
        u32::try_from(step / u64::from(self.steps_per_epoch)).expect("a cycle has fewer than 2³² steps")
    }

    /// Steps of the cycle.
    pub fn n_steps(&self) -> u64 {
        u64::from(self.epochs) * u64::from(self.steps_per_epoch)
    }

    /// Epochs of warm-up, `w`; 0 for the kinds that do not warm up by epoch. With
    /// [`Kind::StepWarmupShifted`] they are epochs 1 to `w`, after epoch 0 at the full rate.
    pub fn n_warmup_epochs(&self) -> u32 {
        match self.kind {
            Kind::StepWarmup | Kind::StepWarmupShifted | Kind::Cosine => self.warmup(150),
            Kind::ImagenetStep => self.warmup(90),
            Kind::OneCycle | Kind::Triangular | Kind::Trapezoidal | Kind::Constant => 0,
        }
    }

    /// The shape.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The peak rate.
    pub fn peak_lr(&self) -> f64 {
        self.lr
    }

    /// Epochs of the cycle, `n`.
    pub fn epochs(&self) -> u32 {
        self.epochs
    }

    /// Steps of an epoch, `S`.
    pub fn steps_per_epoch(&self) -> u32 {
        self.steps_per_epoch
    }

    fn step_warmup(&self, epoch: u32) -> f64 {
        let w = self.warmup(150);
        if epoch < w {
            self.lr * f64::from(epoch + 1) / f64::from(w)
        } else {
            self.dropped(epoch, self.milestone(70, 150), self.milestone(130, 150))
        }
    }

    fn imagenet_step(&self, epoch: u32) -> f64 {
        if epoch < self.warmup(90) {
            self.lr / 10.0
        } else {
            self.dropped(epoch, self.milestone(40, 90), self.milestone(70, 90))
        }
    }

    /// The rate after the drops at the epochs `first` and `second`.
    fn dropped(&self, epoch: u32, first: u32, second: u32) -> f64 {
        if epoch >= second {
            self.lr / 100.0
        } else if epoch >= first {
            self.lr / 10.0
        } else {
            self.lr
        }
    }

    /// From `start · lr` at step 0 up to `lr` at step `peak`, down to 0 at `T`.
    fn triangle(&self, step: u64, start: f64, peak: u64) -> f64 {
        if step < peak {
            self.lr * (start + (1.0 - start) * ratio(step, peak))
        } else {
            self.lr * ratio(self.n_steps() - step, self.n_steps() - peak)
        }
    }

    fn trapezoid(&self, step: u64) -> f64 {
        let n_steps = self.n_steps();
        let (n_up, n_down) = ((n_steps + 5) / 10, (2 * n_steps + 5) / 10);
        if step < n_up {
            self.lr * ratio(step + 1, n_up)
        } else if step < n_steps - n_down {
            self.lr
        } else {
            self.lr * ratio(n_steps - step, n_down)
        }
    }

    fn cosine(&self, step: u64) -> f64 {
        let epoch = self.epoch(step);
        if epoch < self.warmup(150) {
            return self.step_warmup(epoch);
        }
        let n_warmup_steps = u64::from(self.warmup(150)) * u64::from(self.steps_per_epoch);
        let u = ratio(step - n_warmup_steps, self.n_steps() - n_warmup_steps);
        let floor = COSINE_FLOOR.min(self.lr);
        floor + 0.5 * (1.0 + libm::cos(PI * u)) * (self.lr - floor)
    }

    /// `max(1, round(10n / of))`, rounded half away from zero.
    fn warmup(&self, of: u64) -> u32 {
        let rounded = (20 * u64::from(self.epochs) + of) / (2 * of);
        u32::try_from(rounded).map_or(u32::MAX, |w| w.max(1))
    }

    /// `⌊epoch · n / of⌋`.
    fn milestone(&self, epoch: u64, of: u64) -> u32 {
        u32::try_from(epoch * u64::from(self.epochs) / of).unwrap_or(u32::MAX)
    }
}

fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(kind: Kind, epochs: u32, steps_per_epoch: u32, expected: &[f64]) {
        let schedule = Schedule::new(kind, 1.0, epochs, steps_per_epoch).unwrap();
        let lrs: Vec<f64> = (0..schedule.n_steps()).map(|step| schedule.lr(step)).collect();
        assert_eq!(lrs.len(), expected.len());
        for (step, (lr, expected)) in lrs.iter().zip(expected).enumerate() {
            assert!(
                (lr - expected).abs() < 1e-12,
                "step {step} of {lrs:?}: {expected}"
            );
        }
    }

    /// The epochs at which the rate of a 1-step-an-epoch schedule changes, with the new rates.
    fn changes(kind: Kind, epochs: u32) -> Vec<(u32, f64)> {
        let schedule = Schedule::new(kind, 0.1, epochs, 1).unwrap();
        let mut changes: Vec<(u32, f64)> = Vec::new();
        for row in schedule.rows(1) {
            if changes.last().is_none_or(|(_, lr)| *lr != row.lr) {
                changes.push((row.epoch, row.lr));
            }
        }
        changes
    }

    #[track_caller]
    fn check_changes(kind: Kind, epochs: u32, expected: &[(u32, f64)]) {
        let changes = changes(kind, epochs);
        assert_eq!(changes.len(), expected.len(), "{changes:?}");
        for ((epoch, lr), (expected_epoch, expected_lr)) in changes.iter().zip(expected) {
            assert!(
                epoch == expected_epoch && (lr - expected_lr).abs() < 1e-15,
                "{changes:?}"
            );
        }
    }

    /// n = 150: 0.01 to 0.1 in ten epochs (the tenth stays), 0.01 from 70, 0.001 from 130.
    #[test]
    fn step_warmup_of_the_paper() {
        let mut expected: Vec<(u32, f64)> = (0..10).map(|e| (e, 0.01 * f64::from(e + 1))).collect();
        expected.extend([(70, 0.01), (130, 0.001)]);
        check_changes(Kind::StepWarmup, 150, &expected);
    }

    /// n = 150: 0.1, then 0.01 to 0.1 in epochs 1 to 10, 0.01 from 71, 0.001 from 131.
    #[test]
    fn step_warmup_of_the_harness() {
        let mut expected = vec![(0, 0.1)];
        expected.extend((1..11).map(|e| (e, 0.01 * f64::from(e))));
        expected.extend([(71, 0.01), (131, 0.001)]);
        check_changes(Kind::StepWarmupShifted, 150, &expected);
    }

    /// n = 90: a tenth for ten epochs, then to 40, 70 and the end.
    #[test]
    fn imagenet_step_of_the_paper() {
        let expected = [(0, 0.01), (10, 0.1), (40, 0.01), (70, 0.001)];
        check_changes(Kind::ImagenetStep, 90, &expected);
    }

    /// n = 8. Step warm-up: w = round(80/150) = round(0.53) = 1, drops at ⌊560/150⌋ = 3, ⌊1040/150⌋ = 6.
    /// ImageNet: w = round(80/90) = 1, drops at ⌊320/90⌋ = 3, ⌊560/90⌋ = 6. Two steps an epoch.
    #[test]
    fn eight_epochs() {
        let per_epoch = |rates: [f64; 8]| -> Vec<f64> { rates.iter().flat_map(|&lr| [lr; 2]).collect() };
        let rates = [1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.01, 0.01];
        check(Kind::StepWarmup, 8, 2, &per_epoch(rates));
        let shifted = [1.0, 1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.01];
        check(Kind::StepWarmupShifted, 8, 2, &per_epoch(shifted));
        let imagenet = [0.1, 1.0, 1.0, 0.1, 0.1, 0.1, 0.01, 0.01];
        check(Kind::ImagenetStep, 8, 2, &per_epoch(imagenet));
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

    /// Coinciding milestones. n = 1: w = 1 covers the one epoch. n = 2: drops at 0 and 1 (step), 0 and 1
    /// (ImageNet: ⌊80/90⌋, ⌊140/90⌋); the warm-up wins in epoch 0, the later drop in epoch 1.
    #[test]
    fn one_and_two_epochs() {
        for kind in [Kind::StepWarmup, Kind::StepWarmupShifted, Kind::Cosine] {
            check(kind, 1, 2, &[1.0, 1.0]);
        }
        check(Kind::ImagenetStep, 1, 2, &[0.1, 0.1]);
        check(Kind::StepWarmup, 2, 1, &[1.0, 0.01]);
        check(Kind::StepWarmupShifted, 2, 1, &[1.0, 1.0]);
        check(Kind::ImagenetStep, 2, 1, &[0.1, 0.01]);
        // Cosine: w = 1, and u = 0 at the first step after it.
        check(Kind::Cosine, 2, 1, &[1.0, 1.0]);
        // T = 1: peaks at round(0.1) = 0 and ⌊0.2⌋ = 0; up over round(0.1) = 0, down over round(0.2) = 0.
        for kind in [
            Kind::OneCycle,
            Kind::Triangular,
            Kind::Trapezoidal,
            Kind::Constant,
        ] {
            check(kind, 1, 1, &[1.0]);
        }
    }

    /// T = 20, peak at 2: 0.1, 0.55, 1, then down by 1/18 a step.
    #[test]
    fn one_cycle() {
        let mut expected = vec![0.1, 0.55];
        expected.extend((1..=18).rev().map(|k| f64::from(k) / 18.0));
        check(Kind::OneCycle, 4, 5, &expected);
    }

    /// T = 10, peak at 2: 0.2, 0.6, 1, then down by 1/8 a step.
    #[test]
    fn triangular() {
        let expected = [0.2, 0.6, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125];
        check(Kind::Triangular, 2, 5, &expected);
    }

    /// T = 20: up over 2 steps (0.5, 1), constant over 14, down over 4 (1, 0.75, 0.5, 0.25).
    #[test]
    fn trapezoidal() {
        let mut expected = vec![0.5];
        expected.extend([1.0; 16]);
        expected.extend([0.75, 0.5, 0.25]);
        check(Kind::Trapezoidal, 4, 5, &expected);
    }

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

    #[test]
    fn refusals() {
        for lr in [0.0, -0.1, f64::NAN, f64::INFINITY] {
            let refused = Schedule::new(Kind::Constant, lr, 1, 1);
            assert!(
                matches!(refused, Err(ScheduleError::LearningRate { .. })),
                "{refused:?}"
            );
        }
        for (epochs, steps_per_epoch) in [(0, 1), (1, 0)] {
            let refused = Schedule::new(Kind::Constant, 0.1, epochs, steps_per_epoch);
            assert_eq!(
                refused,
                Err(ScheduleError::NoSteps {
                    epochs,
                    steps_per_epoch
                })
            );
        }
        let long = Schedule::new(Kind::Constant, 0.1, 65_536, 65_536).unwrap_err();
        assert_eq!(
            long.to_string(),
            "a cycle of 65536 epochs of 65536 steps has more than 4294967295 steps"
        );
    }

    proptest! {
        /// No cycle, however short, leaves (0, lr] or panics.
        #[test]
        fn every_rate_is_positive_and_at_most_the_peak(
            kind in proptest::sample::select(&Kind::ALL[..]),
            epochs in 1u32..40,
            steps_per_epoch in 1u32..12,
            lr in 1e-4..10.0,
        ) {
            let schedule = Schedule::new(kind, lr, epochs, steps_per_epoch).unwrap();
            for row in schedule.rows(1) {
                prop_assert!(row.lr > 0.0 && row.lr <= lr * (1.0 + 1e-15), "{row:?}");
            }
        }
    }

    /// The longest cycle: no overflow at either end.
    #[test]
    fn longest_cycle() {
        for kind in Kind::ALL {
            for (epochs, steps_per_epoch) in [(u32::MAX, 1), (1, u32::MAX)] {
                let schedule = Schedule::new(kind, 0.1, epochs, steps_per_epoch).unwrap();
                for step in [0, 1, u64::from(u32::MAX) / 2, u64::from(u32::MAX) - 1] {
                    assert!(schedule.lr(step) > 0.0, "{kind} {step}");
                }
            }
        }
    }
}
