use crate::{
    Augmentation, DatasetError, DeviceExamples, EvaluationSet, Examples, Loader, Loading, PictureBatches,
    PictureSet,
};
use sculpt_trainers::{BatchError, Batches, Part, Resident};
use std::ops::Range;
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
            Self::Memory(examples) if batch == 0 => {
                return Err(DatasetError::NoBatch {
                    batch,
                    n_examples: examples.len(),
                    drop_last: false,
                });
            }
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

    fn part(&self, epoch: u64, step: usize, parts: Range<usize>, of: usize) -> Result<Part, BatchError> {
        match self {
            Self::Memory(loader) => Ok(loader.part(epoch, step, parts, of)),
            Self::Pictures(batches) => batches.part(epoch, step, parts, of),
        }
    }

    fn resident(&self) -> Option<&dyn Resident> {
        match self {
            Self::Memory(loader) => loader.resident(),
            Self::Pictures(_) => None,
        }
    }
}

impl From<Examples> for DataPart {
    fn from(examples: Examples) -> Self {
        Self::Memory(examples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decoding, Seed};
    use sculpt_pictures::{Part, open};
    use std::fs;

    /// Two pictures of one colour in each of three classes: 40 i of red.
    fn pictures(folder: &std::path::Path) -> DataPart {
        for i in 0..6u8 {
            let class = folder.join(format!("train/{}", i / 2));
            fs::create_dir_all(&class).unwrap();
            let mut bytes = b"SCULPT3B\x05\x00\x00\x00\x04\x00\x00\x00".to_vec();
            bytes.extend([40 * i, 0, 0].repeat(5 * 4));
            fs::write(class.join(format!("{i}.jpg")), bytes).unwrap();
        }
        let decoding = Decoding {
            threads: 2,
            most_left_out: 0,
        };
        let train = open(folder, Part::Train).unwrap();
        DataPart::Pictures(PictureSet::new(train, 7, decoding))
    }

    /// The red of each image, as it was, and its label.
    fn reds(part: &DataPart) -> Vec<(f64, i64)> {
        let none = part.evaluation([0.0; 3], [1.0; 3], 0, Device::Cpu);
        assert!(none.is_err(), "batches of 0");
        let set = part.evaluation([0.0; 3], [1.0; 3], 4, Device::Cpu).unwrap();
        let of_batch = |(images, labels): (Tensor, Tensor)| {
            let red = |i: i64| (images.double_value(&[i, 0, 3, 3]) * 255.0).round();
            (0..labels.size()[0])
                .map(|i| (red(i), labels.int64_value(&[i])))
                .collect::<Vec<_>>()
        };
        set.batches().flat_map(|batch| of_batch(batch.unwrap())).collect()
    }

    #[test]
    fn pictures_are_cut_as_images_in_memory_are() {
        let folder = tempfile::tempdir().unwrap();
        let part = pictures(folder.path());
        let all = [(0.0, 0), (40.0, 0), (80.0, 1), (120.0, 1), (160.0, 2), (200.0, 2)];
        assert_eq!((part.len(), part.size()), (6, (7, 7)));
        assert_eq!(reds(&part), all);
        // Of every class: places ⌊6 i / 3⌋.
        assert_eq!(reds(&part.cut(3).unwrap()), [all[0], all[2], all[4]]);
        assert!(part.cut(7).is_err());
        assert_eq!(reds(&part.select(&[5, 0])), [all[5], all[0]]);
        assert_eq!(reds(&part.of_classes(2)), all[..4]);
        let relabelled = part.select(&[1, 2]).with_labels(vec![2, 0]).unwrap();
        assert_eq!(
            (reds(&relabelled), relabelled.labels()),
            (vec![(40.0, 2), (80.0, 0)], vec![2, 0])
        );
        assert!(part.with_labels(vec![0]).is_err() && part.averaged(7).is_err());
        let in_memory = Examples::new(1, 1, (0..18).collect(), vec![0, 1, 0, 2, 1, 0]).unwrap();
        let in_memory = DataPart::from(in_memory);
        assert_eq!(in_memory.of_classes(2).labels(), [0, 1, 0, 1, 0]);
        assert_eq!(in_memory.cut(2).unwrap().labels(), [0, 1]);
    }

    /// The first five of batches of four are one and a part of the next.
    #[test]
    fn the_first_are_one_batch() {
        let folder = tempfile::tempdir().unwrap();
        let part = pictures(folder.path());
        let set = part.evaluation([0.0; 3], [1.0; 3], 4, Device::Cpu).unwrap();
        let (images, labels) = set.first(5).unwrap();
        assert_eq!(images.size(), [5, 3, 7, 7]);
        assert_eq!(Vec::<i64>::try_from(&labels).unwrap(), [0, 0, 1, 1, 2]);
        assert_eq!(set.first(9).unwrap().1.size(), [6]);
        assert_eq!((set.len(), set.left_out()), (6, vec![]));
    }

    #[test]
    fn shifts_are_for_images_of_one_size() {
        let folder = tempfile::tempdir().unwrap();
        let part = pictures(folder.path());
        let training = |augmentation, batch| {
            let loading = Loading {
                mean: [0.5; 3],
                std: [0.25; 3],
                augmentation,
                batch,
                drop_last: true,
                seed: Seed(1),
            };
            part.training(loading, Device::Cpu)
        };
        for augmentation in [Augmentation::CropFlip, Augmentation::ShiftAlternatingFlip] {
            assert!(matches!(training(augmentation, 2), Err(DatasetError::ManySizes)));
        }
        for augmentation in [Augmentation::None, Augmentation::ResizedCropFlip] {
            let batches = training(augmentation, 4).unwrap();
            assert_eq!((batches.steps_per_epoch(), batches.left_out().len()), (1, 0));
            assert_eq!(batches.batch(3, 0).unwrap().0.size(), [4, 3, 7, 7]);
        }
        assert!(
            training(Augmentation::None, 7).is_err(),
            "six fill no batch of seven"
        );
    }
}
