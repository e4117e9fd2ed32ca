use crate::{Kind, ScheduleError};

/// The learning rate over one training cycle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    kind: Kind,
    lr: f64,
    epochs: u32,
    steps_per_epoch: u32,
}

impl Schedule {
    /// A cycle of `epochs` epochs of `steps_per_epoch` steps, with peak rate `lr`.
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
        (self.kind.shape().lr)(self, step)
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
        (self.kind.shape().n_warmup_epochs)(self)
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

    /// The rate after the drops at the epochs `first` and `second`.
    pub(crate) fn dropped(&self, epoch: u32, first: u32, second: u32) -> f64 {
        if epoch >= second {
            self.lr / 100.0
        } else if epoch >= first {
            self.lr / 10.0
        } else {
            self.lr
        }
    }

    /// From `start · lr` at step 0 up to `lr` at step `peak`, down to 0 at `T`.
    pub(crate) fn triangle(&self, step: u64, start: f64, peak: u64) -> f64 {
        if step < peak {
            self.lr * (start + (1.0 - start) * ratio(step, peak))
        } else {
            self.lr * ratio(self.n_steps() - step, self.n_steps() - peak)
        }
    }

    /// `max(1, round(10n / of))`, rounded half away from zero.
    pub(crate) fn warmup(&self, of: u64) -> u32 {
        let rounded = (20 * u64::from(self.epochs) + of) / (2 * of);
        u32::try_from(rounded).map_or(u32::MAX, |w| w.max(1))
    }

    /// `⌊epoch · n / of⌋`.
    pub(crate) fn milestone(&self, epoch: u64, of: u64) -> u32 {
        u32::try_from(epoch * u64::from(self.epochs) / of).unwrap_or(u32::MAX)
    }
}

pub(crate) fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b as f64
}
