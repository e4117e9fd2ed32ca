use sculpt_datasets::Loader;
use tch::Tensor;

/// Training batches as a pure function of (epoch, step).
pub trait Batches {
    /// Batches in an epoch, at least 1.
    fn steps_per_epoch(&self) -> usize;

    /// Images `[b, c, h, w]` f32 and labels `[b]` i64 of step `step` (from 0) of epoch `epoch`, which counts all
    /// epochs trained since initialisation, so that cycles do not repeat their batches.
    fn batch(&self, epoch: u64, step: usize) -> (Tensor, Tensor);
}

impl Batches for Loader {
    fn steps_per_epoch(&self) -> usize {
        Loader::steps_per_epoch(self)
    }

    fn batch(&self, epoch: u64, step: usize) -> (Tensor, Tensor) {
        Loader::batch(self, epoch, step)
    }
}
