//! What watches a training that is timed.

use crate::printing;
use sculpt_trainers::{EpochMetrics, Flow, Observer, Step, TrainError};
use std::time::Instant;

/// Notes the time after each step, and stops after the last one to time.
pub(super) struct Clock {
    last: Instant,
    pub(super) seconds: Vec<f64>,
    /// Sums over a batch.
    pub(super) losses: Vec<f64>,
    loss_sum: f64,
    left: u32,
}

impl Clock {
    pub(super) fn new(steps: u32) -> Self {
        Self {
            last: Instant::now(),
            seconds: Vec::new(),
            losses: Vec::new(),
            loss_sum: 0.0,
            left: steps,
        }
    }
}

impl Observer<TrainError> for Clock {
    fn on_step<'s>(&mut self, step: &dyn Fn() -> Step<'s>) -> Result<Flow, TrainError> {
        // Reading the sums waits for a GPU: for all that it was asked for before.
        let now = step();
        self.seconds.push(self.last.elapsed().as_secs_f64());
        self.losses.push(now.position.loss_sum - self.loss_sum);
        self.loss_sum = now.position.loss_sum;
        self.left -= 1;
        self.last = Instant::now();
        Ok(if self.left == 0 { Flow::Stop } else { Flow::GoOn })
    }
}

/// Notes the time after each epoch, and between two asks for nothing.
pub(super) struct EpochClock {
    last: Instant,
    pub(super) seconds: Vec<f64>,
    pub(super) losses: Vec<f64>,
    epochs: u32,
}

impl EpochClock {
    pub(super) fn new(epochs: u32) -> Self {
        Self {
            last: Instant::now(),
            seconds: Vec::new(),
            losses: Vec::new(),
            epochs,
        }
    }
}

/// Seconds above which an epoch is told of.
const LONG: f64 = 2.0;

impl Observer<TrainError> for EpochClock {
    fn on_epoch(&mut self, metrics: &EpochMetrics, _step: &Step<'_>) -> Result<Flow, TrainError> {
        // A GPU was waited for, for the metrics.
        let seconds = self.last.elapsed().as_secs_f64();
        self.seconds.push(seconds);
        self.losses.push(metrics.train_loss);
        if seconds > LONG {
            let untimed = if metrics.epoch == 1 { ", to warm up" } else { "" };
            printing::note(&format!(
                "epoch {} of {}{untimed}: {seconds:.1} s",
                metrics.epoch, self.epochs
            ));
        }
        self.last = Instant::now();
        Ok(Flow::GoOn)
    }
}
