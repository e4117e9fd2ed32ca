//! A step that is asked of the device once, and then repeated by it: what CUDA graphs do.

use crate::sgd::Rate;
use crate::train::{DeviceSums, Training};
use crate::{Resident, State, TrainError};
use std::error::Error;
use tch::Tensor;

/// Why work cannot be recorded or repeated: whatever the device's own error is.
pub type RecordError = Box<dyn Error + Send + Sync>;

/// Something that launches many operations of a device as one, such as CUDA graphs. A step of a small network is hundreds of tiny
/// operations, and a GPU waits for most of them to be launched.
pub trait Recorder {
    /// Makes work ready to be done again and again. Whenever it is called, `work` gives the device the same operations on the same
    /// tensors, and waits for none of them.
    ///
    /// # Errors
    /// What the device refuses.
    fn start<'a>(&self, work: Box<dyn FnMut() + 'a>) -> Result<Box<dyn Recorded + 'a>, RecordError>;
}

/// Work that is done again and again. Until it is dropped, whatever else this thread asks of the device is done in turn with it.
pub trait Recorded {
    /// Has the work done once: by calling it, or by having the device repeat what it was asked for.
    ///
    /// # Errors
    /// What the device refuses.
    fn run(&mut self) -> Result<(), RecordError>;
}

/// The steps of a training whose examples lie on the device.
pub(crate) struct RecordedSteps<'a> {
    resident: &'a dyn Resident,
    /// What every step reads: `[]` f32.
    learning_rate: Tensor,
    full: RecordedStep<'a>,
    /// The last of an epoch, where it has fewer images.
    last: Option<RecordedStep<'a>>,
}

/// A step of so many images.
struct RecordedStep<'a> {
    /// What it reads: its rows, `[images, k]`.
    rows: Tensor,
    work: Box<dyn Recorded + 'a>,
}

impl Training<'_> {
    /// Steps to be recorded, from an epoch of the cycle on; None without a recorder, or where a step is told something new each time.
    pub(crate) fn recorded_steps(
        &self,
        state: &State,
        sums: &DeviceSums,
        epoch: u64,
    ) -> Result<Option<RecordedSteps<'_>>, TrainError> {
        let (Some(recorder), Some(resident)) = (self.recorder, self.batches.resident()) else {
            return Ok(None);
        };
        if !self.division.is_whole() {
            return Ok(None);
        }
        let learning_rate = Tensor::from(0_f32).to_device(state.theta.device());
        let rows = resident.rows(self.epochs_before + epoch);
        let per_step = rows.size()[0].min(resident.rows_per_step() as i64);
        let steps = self.batches.steps_per_epoch() as i64;
        let n_last = (rows.size()[0] - (steps - 1) * per_step).min(per_step);
        let step_of = |n: i64| {
            let of_step = rows.narrow(0, 0, n).copy();
            let (mut state, mut sums) = (state.shallow_clone(), sums.shallow_clone());
            let (step_rows, rate) = (of_step.shallow_clone(), learning_rate.shallow_clone());
            let work = move || {
                let (images, labels) = resident.at(&step_rows);
                self.whole_step(&mut state, &mut sums, &images, &labels, Rate::OnDevice(&rate));
            };
            let work = recorder.start(Box::new(work)).map_err(TrainError::record)?;
            Ok(RecordedStep { rows: of_step, work })
        };
        Ok(Some(RecordedSteps {
            resident,
            full: step_of(per_step)?,
            last: (n_last < per_step).then(|| step_of(n_last)).transpose()?,
            learning_rate,
        }))
    }
}

impl RecordedSteps<'_> {
    /// Takes a step, and tells of how many images it was. `epoch` counts from initialisation.
    pub(crate) fn run(&mut self, epoch: u64, step: u32, learning_rate: f64) -> Result<usize, TrainError> {
        let rows = self.resident.rows(epoch);
        let start = i64::from(step) * self.full.rows.size()[0];
        let left = rows.size()[0] - start;
        let step = match &mut self.last {
            Some(last) if left == last.rows.size()[0] => last,
            _ => &mut self.full,
        };
        let n = step.rows.size()[0];
        step.rows.copy_(&rows.narrow(0, start, n));
        let _ = self.learning_rate.fill_(learning_rate);
        step.work.run().map_err(TrainError::record)?;
        Ok(n as usize)
    }

    /// Draws an epoch that comes next, while the device is still at work.
    pub(crate) fn expect(&self, epoch: u64) {
        let _ = self.resident.rows(epoch);
    }
}
