use crate::share;
use std::ops::Range;
use tch::Tensor;

/// Why a source of batches has none to give: whatever its own error is.
pub type BatchError = Box<dyn std::error::Error + Send + Sync>;

/// Training batches as a pure function of (epoch, step), wherever they come from: examples in memory, or pictures that
/// are decoded while the step before is computed.
///
/// Training asks for the steps of an epoch in order, each once; a resumed one begins anywhere. A source may use that to
/// read ahead, and must not rely on it.
pub trait Batches {
    /// Batches in an epoch, at least 1.
    fn steps_per_epoch(&self) -> usize;

    /// Images `[b, c, h, w]` f32 and labels `[b]` i64 of step `step` (from 0) of epoch `epoch`, which counts all
    /// epochs trained since initialisation, so that cycles do not repeat their batches.
    ///
    /// # Errors
    /// Examples that cannot be read; training stops there and hands the error on.
    fn batch(&self, epoch: u64, step: usize) -> Result<(Tensor, Tensor), BatchError>;

    /// Of the same batch the images that parts `parts` have of `of` equal ones, as [`share`](crate::share()) tells: each is what it is in
    /// the whole, whoever computes it. By default the whole batch is made, and the rest dropped.
    ///
    /// # Errors
    /// As [`Batches::batch`].
    fn part(&self, epoch: u64, step: usize, parts: Range<usize>, of: usize) -> Result<Part, BatchError> {
        let (images, labels) = self.batch(epoch, step)?;
        Ok(Part::of_whole(&images, &labels, parts, of))
    }

    /// The same batches as operations of the training device alone, of a source whose examples all lie there. None, as by default:
    /// batches come from elsewhere.
    fn resident(&self) -> Option<&dyn Resident> {
        None
    }
}

/// Batches of examples that all lie on the training device: what of an epoch is drawn goes there at once.
pub trait Resident {
    /// What makes an epoch's images: i64 `[n, k]` on the device, a row an image, in the epoch's order, and as many in every epoch. It is asked
    /// for at each step of the epoch: what was drawn and brought there once is given again.
    fn rows(&self, epoch: u64) -> Tensor;

    /// Rows of a step, at least 1: an epoch's steps have so many each, one behind the other, but for a last one that may have fewer.
    fn rows_per_step(&self) -> usize;

    /// The images and labels of some rows, as [`Batches::batch`] gives them: operations of the device, none of which is waited for.
    fn at(&self, rows: &Tensor) -> (Tensor, Tensor);
}

/// Some of a batch's images, in their order.
#[derive(Debug)]
pub struct Part {
    /// `[b, c, h, w]` f32; `b` may be 0.
    pub images: Tensor,
    /// `[b]` i64.
    pub labels: Tensor,
    /// Images of the whole batch.
    pub n: usize,
}

impl Part {
    /// What parts `parts` of `of` equal ones have of a batch that was made whole.
    pub fn of_whole(images: &Tensor, labels: &Tensor, parts: Range<usize>, of: usize) -> Self {
        let n = labels.size()[0] as usize;
        let places = share(n, parts, of);
        let (start, length) = (places.start as i64, places.len() as i64);
        Self {
            images: images.narrow(0, start, length),
            labels: labels.narrow(0, start, length),
            n,
        }
    }
}
