//! Checks that the kinds' own tests share, and what holds of all kinds.

use crate::{Kind, Schedule, ScheduleError};
use proptest::prelude::*;

#[track_caller]
pub(crate) fn check(kind: Kind, epochs: u32, steps_per_epoch: u32, expected: &[f64]) {
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
pub(crate) fn check_changes(kind: Kind, epochs: u32, expected: &[(u32, f64)]) {
    let changes = changes(kind, epochs);
    assert_eq!(changes.len(), expected.len(), "{changes:?}");
    for ((epoch, lr), (expected_epoch, expected_lr)) in changes.iter().zip(expected) {
        assert!(
            epoch == expected_epoch && (lr - expected_lr).abs() < 1e-15,
            "{changes:?}"
        );
    }
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
