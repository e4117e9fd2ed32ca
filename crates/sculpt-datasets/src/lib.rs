#![doc = include_str!("../README.md")]

mod augmentation;
mod device;
mod digest;
mod error;
mod examples;
mod gratings;
mod layout;
mod loader;
mod records;
#[cfg(test)]
mod records_tests;
mod sets;
mod spec;
mod split;
mod streamed;
mod title;

pub use augmentation::Augmentation;
pub use device::DeviceExamples;
pub use error::DatasetError;
pub use examples::Examples;
pub use gratings::{DemoClasses, DemoSpec, gratings};
pub use layout::RecordLayout;
pub use loader::{Loader, Loading};
pub use records::Found;
pub use sculpt_pictures::{PictureDigest, pictures_digest};
pub use sets::{ALL, CIFAR10, CIFAR100, DEMO_A, DEMO_B, DEMO_C, IMAGENET, data_set, data_set_in_id};
pub use spec::{DataSpec, DigestRule, Origin, Shape};
pub use split::Split;
pub use streamed::PictureBatches;

/// The seed of a loader's order and augmentation.
pub use sculpt_random::Seed;
use tch::Device;

/// Training and test examples of one kind, in memory.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The registry's entry: key, classes, shape.
    pub spec: &'static DataSpec,
    /// Mean of each channel that images are normalised by, in units of the full range.
    pub mean: [f64; 3],
    /// Standard deviation of each channel, likewise.
    pub std: [f64; 3],
    /// Training examples, in the files' order.
    pub train: Examples,
    /// Test examples, in the file's order.
    pub test: Examples,
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
    /// As [`Examples::averaged`].
    pub fn averaged(self, k: usize) -> Result<Self, DatasetError> {
        Ok(Self {
            train: self.train.averaged(k)?,
            test: self.test.averaged(k)?,
            ..self
        })
    }

    /// All training examples as seeded batches on `device`; see [`Loader::new`].
    ///
    /// # Errors
    /// As [`Loader::new`].
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
        Loader::new(&self.train, loading, device)
    }

    /// The test examples on `device`; see [`DeviceExamples::new`].
    ///
    /// # Errors
    /// As [`DeviceExamples::new`].
    pub fn test_on(&self, device: Device) -> Result<DeviceExamples, DatasetError> {
        DeviceExamples::new(&self.test, self.mean, self.std, device)
    }
}
