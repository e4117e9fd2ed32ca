use crate::{
    Augmentation, DatasetError, DeviceExamples, EvaluationSet, Examples, Loader, Loading, PictureBatches,
    PictureSet,
};
use sculpt_trainers::{BatchError, Batches};
use tch::{Device, Tensor};

/// Training or test examples of a data set: in memory where they fit, else pictures on disk.
#[derive(Clone, Debug)]
pub enum DataPart {
    /// Images of one size, in memory.
    Memory(Examples),
    /// Pictures of many sizes, decoded whenever they are looked at.
    Pictures(PictureSet),
}

impl DataPart {
    /// Number of examples.
    pub fn len(&self) -> usize {
        match self {
            Self::Memory(examples) => examples.len(),
            Self::Pictures(set) => set.len(),
        }
    }

    /// Whether there are no examples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows and columns of an image as a network sees it.
    pub fn size(&self) -> (usize, usize) {
        match self {
            Self::Memory(examples) => (examples.height(), examples.width()),
            Self::Pictures(set) => (set.side(), set.side()),
        }
    }

    /// The class of each example.
    pub fn labels(&self) -> Vec<u16> {
        match self {
            Self::Memory(examples) => examples.labels().to_vec(),
            Self::Pictures(set) => set.labels(),
        }
    }

    /// `n` of the examples: the first ones in memory; of pictures, which are sorted by class, as many spread evenly over all.
    ///
    /// # Errors
    /// Fewer examples than `n`.
    pub fn cut(&self, n: usize) -> Result<Self, DatasetError> {
        match self {
            Self::Memory(examples) => Ok(Self::Memory(examples.first(n)?)),
            Self::Pictures(set) => Ok(Self::Pictures(set.spread(n)?)),
        }
    }

    /// The examples at these places, in this order.
    ///
    /// # Panics
    /// When there is no example at one of them.
    pub fn select(&self, idx: &[u32]) -> Self {
        match self {
            Self::Memory(examples) => Self::Memory(examples.select(idx)),
            Self::Pictures(set) => Self::Pictures(set.select(idx)),
        }
    }

    /// The examples of the first `n` classes, which keep their labels.
    pub fn of_classes(&self, n: u16) -> Self {
        match self {
            Self::Memory(examples) => {
                let labels = (0..).zip(examples.labels());
                let idx: Vec<u32> = labels.filter(|(_, label)| **label < n).map(|(i, _)| i).collect();
                Self::Memory(examples.select(&idx))
            }
            Self::Pictures(set) => Self::Pictures(set.of_classes(n)),
        }
    }

    /// The same examples under other labels (label noise).
    ///
    /// # Errors
    /// Another number of labels than of examples.
    pub fn with_labels(&self, labels: Vec<u16>) -> Result<Self, DatasetError> {
        match self {
            Self::Memory(examples) => Ok(Self::Memory(examples.with_labels(labels)?)),
            Self::Pictures(set) => Ok(Self::Pictures(set.with_labels(labels)?)),
        }
    }

    /// The same images at a `k`-th of their rows and columns; see [`Examples::averaged`].
    ///
    /// # Errors
    /// As there; pictures, which are resized anyway.
    pub fn averaged(&self, k: usize) -> Result<Self, DatasetError> {
        match self {
            Self::Memory(examples) => Ok(Self::Memory(examples.averaged(k)?)),
            Self::Pictures(set) => Err(DatasetError::Blocks {
                k,
                height: set.side(),
                width: set.side(),
            }),
        }
    }

    /// The examples, where they are in memory.
    pub fn in_memory(&self) -> Option<&Examples> {
        match self {
            Self::Memory(examples) => Some(examples),
            Self::Pictures(_) => None,
        }
    }

    /// Seeded training batches on `device`: a [`Loader`] of examples in memory, [`PictureBatches`] of pictures.
    ///
    /// # Errors
    /// As [`Loader::new`] and [`PictureSet::training`].
    pub fn training(&self, loading: Loading, device: Device) -> Result<TrainingBatches, DatasetError> {
        Ok(match self {
            Self::Memory(examples) => TrainingBatches::Memory(Loader::new(examples, loading, device)?),
            Self::Pictures(set) => TrainingBatches::Pictures(set.training(loading, device)?),
        })
    }

    /// The examples un-augmented and in their own order, `batch` at a time, normalised by each channel's `mean` and `std`.
    ///
    /// # Errors
    /// As [`DeviceExamples::new`]; a batch of 0.
    pub fn evaluation(
        &self,
        mean: [f64; 3],
        std: [f64; 3],
        batch: usize,
        device: Device,
    ) -> Result<EvaluationSet, DatasetError> {
        Ok(match self {
            Self::Memory(examples) => EvaluationSet::Memory {
                examples: DeviceExamples::new(examples, mean, std, device)?,
                batch,
            },
            Self::Pictures(set) => {
                let loading = Loading {
                    mean,
                    std,
                    augmentation: Augmentation::None,
                    batch,
                    drop_last: false,
                    seed: crate::Seed(0),
                };
                let loader = set.loader(set.centre_crop(), sculpt_pictures::Sequence::Sorted, loading)?;
                EvaluationSet::Pictures(PictureBatches::new(loader, mean, std, device)?)
            }
        })
    }
}

/// Seeded training batches, wherever the examples are.
#[derive(Debug)]
pub enum TrainingBatches {
    /// Of examples in memory.
    Memory(Loader),
    /// Of pictures on disk.
    Pictures(PictureBatches),
}

impl TrainingBatches {
    /// Pictures that were left out until now, each with the reason.
    pub fn left_out(&self) -> Vec<String> {
        match self {
            Self::Memory(_) => Vec::new(),
            Self::Pictures(batches) => batches.loader().left_out(),
        }
    }
}

impl Batches for TrainingBatches {
    fn steps_per_epoch(&self) -> usize {
        match self {
            Self::Memory(loader) => loader.steps_per_epoch(),
            Self::Pictures(batches) => batches.steps_per_epoch(),
        }
    }

    fn batch(&self, epoch: u64, step: usize) -> Result<(Tensor, Tensor), BatchError> {
        match self {
            Self::Memory(loader) => Ok(loader.batch(epoch, step)),
            Self::Pictures(batches) => Batches::batch(batches, epoch, step),
        }
    }
}

impl From<Examples> for DataPart {
    fn from(examples: Examples) -> Self {
        Self::Memory(examples)
    }
}
