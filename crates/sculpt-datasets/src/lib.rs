#![doc = include_str!("../README.md")]

mod augmentation;
mod device;
mod digest;
mod error;
mod evaluation_set;
mod examples;
mod gratings;
mod layout;
mod loader;
mod part;
mod picture_set;
mod records;
#[cfg(test)]
mod records_tests;
mod sets;
mod spec;
mod split;
mod staging;
mod streamed;
mod title;

pub use augmentation::Augmentation;
pub use device::DeviceExamples;
pub use error::DatasetError;
pub use evaluation_set::EvaluationSet;
pub use examples::Examples;
pub use gratings::{DemoClasses, DemoSpec, gratings};
pub use layout::RecordLayout;
pub use loader::{Loader, Loading};
pub use part::{DataPart, TrainingBatches};
pub use picture_set::{Decoding, PictureSet};
pub use records::Found;
pub use sculpt_pictures::{PictureDigest, Pictures, pictures_digest};
pub use sets::{ALL, CIFAR10, CIFAR100, DEMO_A, DEMO_B, DEMO_C, IMAGENET, data_set, data_set_in_id};
pub use spec::{DataSpec, DigestRule, Origin, Shape};
pub use split::Split;
pub use streamed::PictureBatches;

/// The seed of a loader's order and augmentation.
pub use sculpt_random::Seed;
use tch::Device;

/// Training and test examples of one kind.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The registry's entry: key, classes, shape.
    pub spec: &'static DataSpec,
    /// Mean of each channel that images are normalised by, in units of the full range.
    pub mean: [f64; 3],
    /// Standard deviation of each channel, likewise.
    pub std: [f64; 3],
    /// Classes that labels are of.
    pub n_classes: u16,
    /// Training examples, in the files' order.
    pub train: DataPart,
    /// Test examples, in the file's order.
    pub test: DataPart,
    digest: String,
}

impl Dataset {
    /// Hexadecimal SHA-256 of the data as they were made or read, by the [`DigestRule`] of their entry.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Training and test images at a `k`-th of their rows and columns; the digest stays that of what they were made of.
    ///
    /// # Errors
    /// As [`DataPart::averaged`].
    pub fn averaged(self, k: usize) -> Result<Self, DatasetError> {
        Ok(Self {
            train: self.train.averaged(k)?,
            test: self.test.averaged(k)?,
            ..self
        })
    }

    /// Training and test examples of the first `n` classes, which keep their labels; the digest stays.
    pub fn of_classes(self, n: u16) -> Self {
        Self {
            train: self.train.of_classes(n),
            test: self.test.of_classes(n),
            n_classes: self.n_classes.min(n),
            ..self
        }
    }

    /// All training examples as seeded batches on `device`; see [`Loader::new`]. Of pictures on disk:
    /// [`DataPart::training`].
    ///
    /// # Errors
    /// As [`Loader::new`]; pictures on disk.
    pub fn loader(
        &self,
        augmentation: Augmentation,
        batch: usize,
        drop_last: bool,
        seed: Seed,
        device: Device,
    ) -> Result<Loader, DatasetError> {
        let loading = Loading {
            mean: self.mean,
            std: self.std,
            augmentation,
            batch,
            drop_last,
            seed,
        };
        Loader::new(self.in_memory(&self.train)?, loading, device)
    }

    /// The test examples on `device`; see [`DeviceExamples::new`]. Of pictures on disk: [`DataPart::evaluation`].
    ///
    /// # Errors
    /// As [`DeviceExamples::new`]; pictures on disk.
    pub fn test_on(&self, device: Device) -> Result<DeviceExamples, DatasetError> {
        DeviceExamples::new(self.in_memory(&self.test)?, self.mean, self.std, device)
    }

    fn in_memory<'a>(&self, part: &'a DataPart) -> Result<&'a Examples, DatasetError> {
        let on_disk = || DatasetError::OnDisk { key: self.spec.key };
        part.in_memory().ok_or_else(on_disk)
    }
}
