use crate::{DatasetError, DeviceExamples, PictureBatches};
use tch::Tensor;

/// Examples to be looked at as they are, in their own order: on the device where they fit into memory, else decoded batch by
/// batch each time.
#[derive(Debug)]
pub enum EvaluationSet {
    /// On the device.
    Memory {
        /// All of them.
        examples: DeviceExamples,
        /// So many at a time.
        batch: usize,
    },
    /// On disk.
    Pictures(PictureBatches),
}

impl EvaluationSet {
    /// Number of examples, those that cannot be read among them.
    pub fn len(&self) -> usize {
        match self {
            Self::Memory { examples, .. } => examples.len(),
            Self::Pictures(batches) => batches.loader().pictures().len(),
        }
    }

    /// Whether there are no examples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Images f32 `[b, 3, h, w]`, normalised, channels last in memory, and labels i64 `[b]`, from the first on; no batch is
    /// empty. After an error there is nothing more.
    pub fn batches(&self) -> Box<dyn Iterator<Item = Result<(Tensor, Tensor), DatasetError>> + '_> {
        match self {
            Self::Memory { examples, batch } => Box::new(examples.batches(*batch).map(Ok)),
            Self::Pictures(batches) => match batches.epoch(0) {
                Ok(epoch) => Box::new(epoch),
                Err(error) => Box::new(std::iter::once(Err(error))),
            },
        }
    }

    /// Pictures that were left out until now, each with the reason.
    pub fn left_out(&self) -> Vec<String> {
        match self {
            Self::Memory { .. } => Vec::new(),
            Self::Pictures(batches) => batches.loader().left_out(),
        }
    }

    /// The first `n` of them, or all where there are fewer, as one batch.
    ///
    /// # Errors
    /// Pictures that cannot be read, or no picture at all.
    pub fn first(&self, n: usize) -> Result<(Tensor, Tensor), DatasetError> {
        if let Self::Memory { examples, .. } = self {
            let (images, labels) = examples.whole();
            let n = labels.size()[0].min(n as i64);
            return Ok((images.narrow(0, 0, n), labels.narrow(0, 0, n)));
        }
        let (mut images, mut labels, mut left) = (Vec::new(), Vec::new(), n as i64);
        for batch in self.batches() {
            let (some, of_some) = batch?;
            let count = left.min(of_some.size()[0]);
            images.push(some.narrow(0, 0, count));
            labels.push(of_some.narrow(0, 0, count));
            left -= count;
            if left == 0 {
                break;
            }
        }
        if images.is_empty() {
            return Err(DatasetError::NothingReadable);
        }
        if images.len() == 1 {
            return Ok((images.swap_remove(0), labels.swap_remove(0)));
        }
        Ok((Tensor::f_cat(&images, 0)?, Tensor::f_cat(&labels, 0)?))
    }
}
