//! `bench eval` and `bench hessian`: what a network is evaluated with, and a product with its Hessian, on noise.

use super::bench::{Timing, of_noise, timing};
use super::hessian;
use super::resident::ResidentBatch;
use crate::commands::model::ModelWords;
use crate::words::{BadUsage, Global};
use crate::{device, printing};
use clap::{Args, value_parser};
use sculpt_experiments::{counted, limits};
use sculpt_hessian::{Hessian, MeanLoss, Product};
use sculpt_masks::{Density, Mask};
use sculpt_models::{ModelSpec, Precision};
use serde::Serialize;
use tch::{Device, Tensor};

/// A network of a density, and so many images of noise.
#[derive(Args)]
struct NetworkWords {
    #[command(flatten)]
    model: ModelWords,
    /// Side of an image in pixels [default: the model's usual one, 32 or 224]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=4096))]
    size: Option<u32>,
    /// Density of the network's random mask
    #[arg(long, value_name = "D", default_value = "0.1", allow_hyphen_values = true)]
    density: Density,
    /// Repetitions timed, after one that is not
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct EvalWords {
    #[command(flatten)]
    network: NetworkWords,
    /// Images at once; figures are measured with 500
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = |word: &str| limits::BATCH.parse(word))]
    batch: u32,
}

#[derive(Args)]
pub(super) struct HessianWords {
    #[command(flatten)]
    network: NetworkWords,
    /// Images of the loss
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = |word: &str| limits::BATCH.parse(word))]
    images: u32,
}

#[derive(Serialize)]
struct Report {
    model: String,
    /// Evaluated at once, or of the loss.
    images: u32,
    size: u32,
    density: f64,
    device: String,
    threads: u32,
    n_parameters: usize,
    /// Evaluated, or gone through for a product.
    images_per_second: f64,
    #[serde(flatten)]
    timing: Timing,
}

/// The words made into tensors.
struct Noise {
    model: ModelSpec,
    mask: Mask,
    theta: Tensor,
    buffers: Tensor,
    batch: ResidentBatch,
    size: u32,
    threads: u32,
    device: Device,
}

impl NetworkWords {
    fn noise(&self, n_images: u32, global: &Global) -> anyhow::Result<Noise> {
        let model = self.model.spec()?;
        let size = self.size.unwrap_or(model.usual_image()[1]);
        model
            .check_image([3, size, size])
            .map_err(|error| BadUsage(format!("--size: {error}")))?;
        let device = device::of(global)?;
        let threads = device::set_threads(global);
        let (mask, theta, buffers) = of_noise(&model, self.density)?;
        let place = |values: &[f32]| Tensor::from_slice(values).to_device(device);
        Ok(Noise {
            theta: place(&theta),
            buffers: place(&buffers),
            batch: ResidentBatch::new(&model, size, n_images, 1, device),
            model,
            mask,
            size,
            threads,
            device,
        })
    }

    /// Times and tells it; `what` is what one round does.
    fn tell(
        &self,
        noise: &Noise,
        global: &Global,
        what: &str,
        round: &mut dyn FnMut(),
    ) -> anyhow::Result<()> {
        let timing = timing(self.rounds, round);
        let images = noise.batch.n_images();
        let report = Report {
            model: noise.model.to_string(),
            images,
            size: noise.size,
            density: noise.mask.density(),
            device: global.device.clone(),
            threads: noise.threads,
            n_parameters: noise.model.layout().n_params(),
            images_per_second: f64::from(images) / timing.median_seconds,
            timing,
        };
        if self.json {
            return printing::json(&report);
        }
        let size = report.size;
        printing::line(&format!(
            "{} ({} parameters, density {:.4}), {images} images of {size} x {size} at once, {} on {}",
            report.model,
            report.n_parameters,
            report.density,
            counted(report.threads, "thread"),
            report.device
        ));
        printing::line(&format!(
            "{:.1} images/s: {what} in {:.4} s, the median of {}",
            report.images_per_second, report.timing.median_seconds, self.rounds
        ));
        Ok(())
    }
}

/// As figures are measured: f32, BatchNorm in evaluation mode, loss and number correct read back.
pub(super) fn eval(words: &EvalWords, global: &Global) -> anyhow::Result<()> {
    let noise = words.network.noise(words.batch, global)?;
    let network = noise.model.network(Precision::F32)?;
    let mut round = || {
        let found = sculpt_trainers::evaluate(&*network, &noise.theta, &noise.buffers, [noise.batch.pair()]);
        assert_eq!(found.n, u64::from(words.batch));
    };
    words.network.tell(&noise, global, "an evaluation", &mut round)
}

/// As `hessian` computes one: BatchNorm in evaluation mode and folded, what all products share kept where it fits.
pub(super) fn hessian(words: &HessianWords, global: &Global) -> anyhow::Result<()> {
    let noise = words.network.noise(words.images, global)?;
    let network = noise.model.folded_network(Precision::F32)?;
    let (images, labels) = noise.batch.pair();
    let (graphs, micro_batch) = hessian::graphs(
        &noise.model,
        [3, noise.size, noise.size],
        words.images.into(),
        noise.device,
    )?;
    let of = MeanLoss {
        network: &network,
        theta: &noise.theta,
        buffers: &noise.buffers,
        mask: Some(&noise.mask),
        images: &images,
        labels: &labels,
    };
    let of_loss = Hessian::new(of, Product::DoubleBackward, micro_batch, graphs)?;
    let v = of_loss.gradient();
    let mut round = || {
        // To read a number waits for a GPU.
        let _ = of_loss.product(&v).get(0).double_value(&[]);
    };
    words.network.tell(&noise, global, "a product", &mut round)
}
