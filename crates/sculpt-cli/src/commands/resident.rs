//! Noise to measure on.

use super::bench::SEED;
use sculpt_datasets::{DatasetError, Examples};
use sculpt_models::ModelSpec;
use sculpt_random::{Purpose, Stream};
use sculpt_trainers::{BatchError, Batches, Resident};
use tch::{Device, Kind, Tensor};

/// One batch, on the training device, for every step.
pub(super) struct ResidentBatch {
    images: Tensor,
    labels: Tensor,
    /// Nothing is drawn, so that they say nothing.
    rows: Tensor,
    steps: usize,
}

impl ResidentBatch {
    /// Normal noise and uniform labels. One step more than asked for: the epoch's last also checks the mask.
    pub(super) fn new(model: &ModelSpec, side: u32, batch: u32, steps: u32, device: Device) -> Self {
        let mut stream = Stream::new(SEED, Purpose::TEST, 0);
        let (n, side) = (i64::from(batch), i64::from(side));
        let images: Vec<f32> = (0..n * 3 * side * side).map(|_| stream.normal() as f32).collect();
        let labels: Vec<i64> = (0..n)
            .map(|_| stream.below(u64::from(model.classes())) as i64)
            .collect();
        // Channels last in memory, as the loader makes them.
        let images = Tensor::from_slice(&images)
            .view([n, side, side, 3])
            .to_device(device)
            .permute([0, 3, 1, 2]);
        let steps = steps as usize + 1;
        Self {
            images,
            labels: Tensor::from_slice(&labels).to_device(device),
            rows: Tensor::zeros([steps as i64 * n, 1], (Kind::Int64, device)),
            steps,
        }
    }

    pub(super) fn n_images(&self) -> u32 {
        self.images.size()[0] as u32
    }

    pub(super) fn images(&self) -> Tensor {
        self.images.shallow_clone()
    }

    /// Images and labels.
    pub(super) fn pair(&self) -> (Tensor, Tensor) {
        (self.images.shallow_clone(), self.labels.shallow_clone())
    }
}

/// Images of which those of noise are copies.
const NOISE: u32 = 512;

/// So many images of `side` × `side` pixels, over and over some of uniform noise, with uniform labels.
pub(super) fn pictures_of_noise(n: u32, side: u32, classes: u32) -> Result<Examples, DatasetError> {
    let mut stream = Stream::new(SEED, Purpose::TEST, 1);
    let (n, side) = (n as usize, side as usize);
    let length = 3 * side * side;
    let noise: Vec<u8> = (0..n.min(NOISE as usize) * length)
        .map(|_| stream.below(256) as u8)
        .collect();
    let pixels = noise.iter().copied().cycle().take(n * length).collect();
    let labels = (0..n).map(|_| stream.below(u64::from(classes)) as u16).collect();
    Examples::new(side, side, pixels, labels)
}

impl Batches for ResidentBatch {
    fn steps_per_epoch(&self) -> usize {
        self.steps
    }

    fn batch(&self, _epoch: u64, _step: usize) -> Result<(Tensor, Tensor), BatchError> {
        Ok(self.pair())
    }

    fn resident(&self) -> Option<&dyn Resident> {
        Some(self)
    }
}

impl Resident for ResidentBatch {
    fn rows(&self, _epoch: u64) -> Tensor {
        self.rows.shallow_clone()
    }

    fn rows_per_step(&self) -> usize {
        self.n_images() as usize
    }

    fn at(&self, _rows: &Tensor) -> (Tensor, Tensor) {
        self.pair()
    }
}
