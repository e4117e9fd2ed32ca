use crate::recorded::RecordedSteps;
use crate::sgd::Rate;
use crate::{Batches, Division, Recorder, Sgd, State, TrainError};
use sculpt_network::{Mode, Network};
use sculpt_schedules::Schedule;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Reduction, Tensor, no_grad};

/// A cycle of training: what stays fixed while it runs.
pub struct Training<'a> {
    /// The function to train.
    pub network: &'a dyn Network<Tensor>,
    /// Its data.
    pub batches: &'a dyn Batches,
    /// Learning rates of the cycle.
    pub schedule: &'a Schedule,
    /// Epochs of the cycle.
    pub epochs: u32,
    /// The optimiser.
    pub sgd: Sgd,
    /// Epochs trained since initialisation before this cycle: the first epoch that `batches` is asked for.
    pub epochs_before: u64,
    /// In which parts a batch is computed, and by whom.
    pub division: Division<'a>,
    /// Launches the operations of a step as one, where the examples lie on the device ([`Batches::resident`]) and the batch is whole.
    /// None: one by one. The numbers are the same.
    pub recorder: Option<&'a dyn Recorder>,
}

/// Where in a cycle training stands: at a boundary between two steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Finished epochs of the cycle.
    pub epoch: u32,
    /// Finished steps of the current epoch.
    pub step: u32,
    /// Sum of the losses of the epoch's images so far, nats.
    pub loss_sum: f64,
    /// Images of the epoch classified correctly so far, each before its own step.
    pub n_correct: u64,
    /// Images of the epoch so far.
    pub n_seen: u64,
}

/// What an epoch of training amounted to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochMetrics {
    /// Epoch of the cycle, from 1.
    pub epoch: u32,
    /// Rate of the epoch's last step.
    pub learning_rate: f64,
    /// Mean loss over the epoch's augmented images, each before its own step, nats.
    pub train_loss: f64,
    /// Fraction of those classified correctly.
    pub train_accuracy: f64,
}

/// A step just taken.
pub struct Step<'a> {
    /// Where training stands now.
    pub position: Position,
    /// Steps taken in the cycle.
    pub steps_done: u64,
    /// Steps of the whole cycle.
    pub n_steps: u64,
    /// The state after the step.
    pub state: &'a State,
}

/// Whether training goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It does.
    GoOn,
    /// It stops at this boundary.
    Stop,
}

/// Something that watches training: metrics, checkpoints, progress bars. It cannot change it.
pub trait Observer<E> {
    /// Called after every step but the last of an epoch; `step.position` and `step.state` are what a resume needs.
    ///
    /// Calling `step` reads the running sums, which on a GPU waits for the device: call it only when saving.
    ///
    /// # Errors
    /// Whatever the observer does may fail; training stops and hands the error on.
    fn on_step<'s>(&mut self, step: &dyn Fn() -> Step<'s>) -> Result<Flow, E> {
        let _ = step;
        Ok(Flow::GoOn)
    }

    /// Called after every epoch. `step.position` already stands at the next epoch's beginning.
    ///
    /// # Errors
    /// As [`Observer::on_step`].
    fn on_epoch(&mut self, metrics: &EpochMetrics, step: &Step<'_>) -> Result<Flow, E> {
        let _ = (metrics, step);
        Ok(Flow::GoOn)
    }
}

/// How training ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// All epochs of the cycle are done.
    Finished,
    /// An observer stopped it here.
    Stopped(Position),
}

impl Training<'_> {
    /// Trains `state` from `from` to the end of the cycle, or to where an observer stops it.
    ///
    /// # Errors
    /// A schedule, a position or a number of processes that does not fit, a batch that cannot be had, a loss that is no number, a process that was
    /// lost or has other numbers, or an observer's own error.
    ///
    /// # Panics
    /// When a pruned weight moved, or libtorch refuses an operation.
    pub fn run<E: From<TrainError>>(
        &self,
        state: &mut State,
        from: Position,
        observers: &mut [&mut dyn Observer<E>],
    ) -> Result<Outcome, E> {
        let steps_per_epoch = self.batches.steps_per_epoch() as u32;
        let n_steps = u64::from(self.epochs) * u64::from(steps_per_epoch);
        self.check(from, steps_per_epoch)?;
        self.division.check()?;
        let mut sums = Sums::from(&from, state);
        let mut recorded = self.recorded_steps(state, &sums.on_device, u64::from(from.epoch))?;
        for epoch in from.epoch..self.epochs {
            let first = if epoch == from.epoch { from.step } else { 0 };
            let mut learning_rate = 0.0;
            for step in first..steps_per_epoch {
                let steps_before = u64::from(epoch) * u64::from(steps_per_epoch) + u64::from(step);
                learning_rate = self.schedule.lr(steps_before);
                self.step(
                    state,
                    &mut sums,
                    recorded.as_mut(),
                    u64::from(epoch),
                    step,
                    learning_rate,
                )?;
                if step + 1 < steps_per_epoch {
                    let state = &*state;
                    let now = || Step {
                        position: sums.position(epoch, step + 1),
                        steps_done: steps_before + 1,
                        n_steps,
                        state,
                    };
                    let flow = notify(observers, |o| o.on_step(&now))?;
                    if self.division.any(flow == Flow::Stop)? {
                        self.division.settle()?;
                        return Ok(Outcome::Stopped(sums.position(epoch, step + 1)));
                    }
                }
            }
            self.division.settle()?;
            if let Some(recorded) = recorded.as_ref().filter(|_| epoch + 1 < self.epochs) {
                recorded.expect(self.epochs_before + u64::from(epoch) + 1);
            }
            let metrics = sums.finish(epoch, learning_rate)?;
            self.division.unite(state, epoch + 1)?;
            // The last gradients of an epoch can overflow after losses that did not.
            if let Some(what) = state.first_not_finite(self.network.layout()) {
                return Err(TrainError::Overflowed {
                    epoch: epoch + 1,
                    what,
                    learning_rate,
                }
                .into());
            }
            state.assert_pruned_stay_zero(self.network.layout());
            sums.restart();
            let position = Position {
                epoch: epoch + 1,
                ..Position::default()
            };
            let steps_done = u64::from(epoch + 1) * u64::from(steps_per_epoch);
            let step = Step {
                position,
                steps_done,
                n_steps,
                state,
            };
            let flow = notify(observers, |o| o.on_epoch(&metrics, &step))?;
            if epoch + 1 < self.epochs && self.division.any(flow == Flow::Stop)? {
                return Ok(Outcome::Stopped(position));
            }
        }
        Ok(Outcome::Finished)
    }

    /// Whether the schedule is of these epochs, and a step of them is next there, or none is.
    fn check(&self, from: Position, steps_per_epoch: u32) -> Result<(), TrainError> {
        let training = [self.epochs, steps_per_epoch];
        let schedule = [self.schedule.epochs(), self.schedule.steps_per_epoch()];
        if schedule != training {
            return Err(TrainError::StepsDiffer { schedule, training });
        }
        let is_next = from.epoch < self.epochs && from.step < steps_per_epoch;
        let is_end = from.epoch == self.epochs && from.step == 0;
        // The epoch's sums are of the images of its steps, of which a part may have none.
        let has_steps = from.step > 0 || (from.n_seen == 0 && from.loss_sum == 0.0);
        if !((is_next || is_end) && has_steps && from.n_correct <= from.n_seen) {
            let position = from;
            return Err(TrainError::Position { position, training });
        }
        Ok(())
    }

    fn step(
        &self,
        state: &mut State,
        sums: &mut Sums,
        recorded: Option<&mut RecordedSteps<'_>>,
        epoch: u64,
        step: u32,
        learning_rate: f64,
    ) -> Result<(), TrainError> {
        let epoch = self.epochs_before + epoch;
        if let Some(recorded) = recorded {
            sums.n_seen += recorded.run(epoch, step, learning_rate)? as u64;
            return Ok(());
        }
        let rate = Rate::Number(learning_rate);
        if let Some(gradient) = self.gradient_of_parts(state, sums, epoch, step)? {
            no_grad(|| self.sgd.step(state, gradient, rate));
            return Ok(());
        }
        let batch = self.batches.batch(epoch, step as usize);
        let (images, labels) = batch.map_err(|source| TrainError::NoBatch { epoch, step, source })?;
        self.whole_step(state, &mut sums.on_device, &images, &labels, rate);
        sums.n_seen += labels.size()[0] as u64;
        Ok(())
    }

    /// A step of a whole batch: operations of the device, none of which is waited for.
    pub(crate) fn whole_step(
        &self,
        state: &mut State,
        sums: &mut DeviceSums,
        images: &Tensor,
        labels: &Tensor,
        rate: Rate<'_>,
    ) {
        let (logits, loss, gradient) = self.differentiate(state, &state.buffers, images, |logits| {
            logits.cross_entropy_loss(labels, None::<Tensor>, Reduction::Mean, -100, 0.0)
        });
        no_grad(|| {
            sums.add_batch(&loss, &logits, labels);
            self.sgd.step(state, gradient, rate);
        });
    }

    /// The logits of images, `loss` of them, and its gradient, by the network's own means where it has some. `buffers` are updated.
    pub(crate) fn differentiate(
        &self,
        state: &State,
        buffers: &Tensor,
        images: &Tensor,
        loss: impl FnOnce(&Tensor) -> Tensor,
    ) -> (Tensor, Tensor, Tensor) {
        let of = |y: &Tensor, x: &Tensor| Tensor::run_backward(&[y], &[x], false, false).swap_remove(0);
        if let Some(mut network) = self
            .network
            .differentiate(&state.theta, &state.keep, buffers, images)
        {
            let logits = network.logits().detach().set_requires_grad(true);
            let loss = loss(&logits);
            let gradient = network.pull_back(&of(&loss, &logits));
            return (logits, loss, gradient);
        }
        let theta = state.theta.detach().set_requires_grad(true);
        let logits = self.network.forward(&theta, buffers, images, Mode::Train);
        let loss = loss(&logits);
        let gradient = of(&loss, &theta);
        (logits, loss, gradient)
    }
}

fn notify<E>(
    observers: &mut [&mut dyn Observer<E>],
    mut call: impl FnMut(&mut dyn Observer<E>) -> Result<Flow, E>,
) -> Result<Flow, E> {
    let mut flow = Flow::GoOn;
    // All are told, also after one asked to stop: the checkpoint must be written before the bar is closed.
    for observer in observers {
        if call(&mut **observer)? == Flow::Stop {
            flow = Flow::Stop;
        }
    }
    Ok(flow)
}

/// Running sums of an epoch.
pub(crate) struct Sums {
    pub(crate) on_device: DeviceSums,
    n_seen: u64,
}

/// Those of them that are on the device: reading them waits for it.
pub(crate) struct DeviceSums {
    loss: Tensor,
    /// Steps after which the loss was still a number.
    n_finite: Tensor,
    n_correct: Tensor,
}

impl DeviceSums {
    /// The same tensors.
    pub(crate) fn shallow_clone(&self) -> Self {
        Self {
            loss: self.loss.shallow_clone(),
            n_finite: self.n_finite.shallow_clone(),
            n_correct: self.n_correct.shallow_clone(),
        }
    }

    fn add_batch(&mut self, loss: &Tensor, logits: &Tensor, labels: &Tensor) {
        let correct = logits
            .detach()
            .argmax(1, false)
            .eq_tensor(labels)
            .sum(Kind::Int64);
        let loss = loss.detach().to_kind(Kind::Double) * labels.size()[0] as f64;
        self.add(&loss, &correct);
    }

    fn add(&mut self, loss: &Tensor, correct: &Tensor) {
        let _ = self.loss.g_add_(loss);
        let _ = self.n_finite.g_add_(&self.loss.isfinite().to_kind(Kind::Int64));
        let _ = self.n_correct.g_add_(&correct.to_kind(Kind::Int64));
    }
}

impl Sums {
    fn from(position: &Position, state: &State) -> Self {
        let device = state.theta.device();
        let on_device = DeviceSums {
            loss: Tensor::from(position.loss_sum).to_device(device),
            n_finite: Tensor::from(i64::from(position.step)).to_device(device),
            n_correct: Tensor::from(position.n_correct as i64).to_device(device),
        };
        Self {
            on_device,
            n_seen: position.n_seen,
        }
    }

    /// An epoch's beginning, in the same tensors: a recorded step adds to them.
    fn restart(&mut self) {
        let DeviceSums {
            loss,
            n_finite,
            n_correct,
        } = &mut self.on_device;
        for sum in [loss, n_finite, n_correct] {
            let _ = sum.zero_();
        }
        self.n_seen = 0;
    }

    /// The sum of losses and the number of correct ones among `n` images.
    pub(crate) fn add_counts(&mut self, loss: &Tensor, correct: &Tensor, n: usize) {
        self.on_device.add(loss, correct);
        self.n_seen += n as u64;
    }

    fn position(&self, epoch: u32, step: u32) -> Position {
        let DeviceSums { loss, n_correct, .. } = &self.on_device;
        // A device is waited for once; counts are far below 2^53.
        let both = Tensor::stack(&[loss, &n_correct.to_kind(Kind::Double)], 0).to_device(Device::Cpu);
        Position {
            epoch,
            step,
            loss_sum: both.double_value(&[0]),
            n_correct: both.double_value(&[1]) as u64,
            n_seen: self.n_seen,
        }
    }

    /// The step, from 1, whose loss was the first that is no number.
    fn first_bad_step(&self) -> u32 {
        self.on_device.n_finite.int64_value(&[]) as u32 + 1
    }

    fn finish(&self, epoch: u32, learning_rate: f64) -> Result<EpochMetrics, TrainError> {
        let total = self.position(epoch, 0);
        let n = total.n_seen as f64;
        let loss = total.loss_sum / n;
        if !loss.is_finite() {
            return Err(TrainError::Diverged {
                epoch: epoch + 1,
                step: self.first_bad_step(),
                loss,
                learning_rate,
            });
        }
        let train_accuracy = total.n_correct as f64 / n;
        Ok(EpochMetrics {
            epoch: epoch + 1,
            learning_rate,
            train_loss: loss,
            train_accuracy,
        })
    }
}
