#![doc = include_str!("../README.md")]

mod augmentation;
mod cifar;
mod demo;
mod device;
mod digest;
mod download;
mod error;
mod examples;
mod loader;
mod published;
mod split;

pub use augmentation::Augmentation;
pub use cifar::{cifar10, cifar10_digest, cifar100, cifar100_digest};
pub use demo::{DemoClasses, DemoSpec, demo};
pub use device::DeviceExamples;
pub use download::{Client, download};
pub use error::DatasetError;
pub use examples::Examples;
pub use loader::Loader;
pub use published::Archive;
pub use split::Split;

use sculpt_random::Seed;
use tch::Device;

/// Training and test examples of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Title, as figures show it.
    pub name: String,
    /// Number of classes; labels lie below it.
    pub n_classes: usize,
    /// Mean of each channel, in units of the full range.
    pub mean: [f64; 3],
    /// Standard deviation of each channel, in units of the full range.
    pub std: [f64; 3],
    /// Training examples, in the files' order.
    pub train: Examples,
    /// Test examples, in the file's order.
    pub test: Examples,
    digest: String,
}

impl Dataset {
    /// Hexadecimal SHA-256 of the data as they were made or read: of the text that has, for each record file
    /// (training files in order, then test), one line with the SHA-256 of the file.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// All training examples as seeded batches on `device`; see [`Loader::new`].
    pub fn loader(
        &self,
        augmentation: Augmentation,
        batch: usize,
        drop_last: bool,
        seed: Seed,
        device: Device,
    ) -> Result<Loader, DatasetError> {
        Loader::new(
            &self.train,
            self.mean,
            self.std,
            augmentation,
            batch,
            drop_last,
            seed,
            device,
        )
    }

    /// The test examples on `device`; see [`DeviceExamples::new`].
    pub fn test_on(&self, device: Device) -> Result<DeviceExamples, DatasetError> {
        DeviceExamples::new(&self.test, self.mean, self.std, device)
    }
}
