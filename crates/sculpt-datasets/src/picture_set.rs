use crate::{Augmentation, DatasetError, Loading, PictureBatches};
use sculpt_pictures::{Loader, Pictures, Relabelled, Sequence, Subset, Transform};
use std::sync::Arc;
use tch::Device;

/// Pictures on disk, and how they become images of one size.
#[derive(Clone, Debug)]
pub struct PictureSet {
    pictures: Arc<dyn Pictures>,
    side: u32,
    decoding: Decoding,
}

/// What decoding pictures may take, and what becomes of those that nobody can read. No number depends on the threads.
///
/// | name | unit | range | usual |
/// | --- | --- | --- | --- |
/// | `threads` | | ≥ 1 | the machine's, shared among the jobs on it |
/// | `most_left_out` | pictures | ≥ 0 | 0 |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoding {
    /// Threads that decode for one training.
    pub threads: usize,
    /// How many pictures that nobody can read may be left out; which they are is a matter of the pictures alone.
    pub most_left_out: usize,
}

impl PictureSet {
    /// Pictures as squares of `side` pixels.
    pub fn new(pictures: Arc<dyn Pictures>, side: u32, decoding: Decoding) -> Self {
        Self {
            pictures,
            side,
            decoding,
        }
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.pictures.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows and columns of an image as a network sees it.
    pub fn side(&self) -> usize {
        self.side as usize
    }

    /// The pictures.
    pub fn pictures(&self) -> &Arc<dyn Pictures> {
        &self.pictures
    }

    pub(crate) fn labels(&self) -> Vec<u16> {
        (0..self.len()).map(|i| self.pictures.label(i)).collect()
    }

    pub(crate) fn spread(&self, n: usize) -> Result<Self, DatasetError> {
        if n > self.len() {
            return Err(DatasetError::TooFew {
                asked: n,
                available: self.len(),
            });
        }
        Ok(self.of(Subset::spread(Arc::clone(&self.pictures), n)))
    }

    pub(crate) fn select(&self, idx: &[u32]) -> Self {
        self.of(Subset::new(Arc::clone(&self.pictures), idx.to_vec()))
    }

    pub(crate) fn of_classes(&self, n: u16) -> Self {
        self.of(Subset::of_classes(Arc::clone(&self.pictures), n))
    }

    pub(crate) fn with_labels(&self, labels: Vec<u16>) -> Result<Self, DatasetError> {
        if labels.len() != self.len() {
            return Err(DatasetError::LabelCount {
                n_labels: labels.len(),
                n_images: self.len(),
            });
        }
        Ok(self.of(Relabelled::new(Arc::clone(&self.pictures), labels)))
    }

    fn of(&self, pictures: impl Pictures + 'static) -> Self {
        Self {
            pictures: Arc::new(pictures),
            ..*self
        }
    }

    /// Seeded batches on `device`, by torchvision's recipe for training, or un-augmented.
    ///
    /// # Errors
    /// Augmentations of images of one size; a batch of 0, or of which the pictures fill none with `drop_last`.
    pub fn training(&self, loading: Loading, device: Device) -> Result<PictureBatches, DatasetError> {
        let transform = match loading.augmentation {
            Augmentation::ResizedCropFlip => Transform::ResizedCropFlip {
                side: self.side,
                seed: loading.seed,
            },
            Augmentation::None => self.centre_crop(),
            Augmentation::CropFlip | Augmentation::ShiftAlternatingFlip => {
                return Err(DatasetError::ManySizes);
            }
        };
        let loader = self.loader(transform, Sequence::Shuffled(loading.seed), loading)?;
        PictureBatches::new(loader, loading.mean, loading.std, device)
    }

    pub(crate) fn loader(
        &self,
        transform: Transform,
        sequence: Sequence,
        loading: Loading,
    ) -> Result<Loader, DatasetError> {
        let loading = sculpt_pictures::Loading {
            transform,
            sequence,
            batch: loading.batch,
            drop_last: loading.drop_last,
            workers: self.decoding.threads,
            most_left_out: self.decoding.most_left_out,
        };
        Ok(Loader::new(Arc::clone(&self.pictures), loading)?)
    }

    /// Torchvision's recipe for evaluation: the shorter side becomes 8/7 of the crop's (256 of 224), then the middle.
    pub(crate) fn centre_crop(&self) -> Transform {
        Transform::CentreCrop {
            shorter: self.side * 8 / 7,
            side: self.side,
        }
    }
}
