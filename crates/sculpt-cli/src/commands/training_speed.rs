//! `bench train` and `bench epoch`: what training takes, step by step on a resident batch, and in whole epochs.

use super::bench::{SEED, median, of_noise};
use super::clocks::{Clock, EpochClock};
use super::model::ModelWords;
use super::resident::{ResidentBatch, pictures_of_noise};
use crate::cuda::Graphs;
use crate::words::{BadUsage, Global};
use crate::{device, printing};
use anyhow::bail;
use clap::{Args, ValueEnum, value_parser};
use sculpt_datasets::{Augmentation, Loader, Loading};
use sculpt_experiments::{Limit, check_last_batch, check_memory, counted, limits};
use sculpt_layout::Layout;
use sculpt_masks::{Density, Mask};
use sculpt_models::{ModelSpec, Precision, has_bf16};
use sculpt_schedules::{Kind, Schedule};
use sculpt_trainers::{
    Batches, Division, Observer, Outcome, Position, Recorder, Sgd, State, TrainError, Training,
};
use serde::Serialize;
use std::time::{SystemTime, UNIX_EPOCH};
use tch::{Device, Tensor};

/// What is trained.
#[derive(Args)]
struct NetworkWords {
    #[command(flatten)]
    model: ModelWords,
    /// Images a step
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = |word: &str| limits::BATCH.parse(word))]
    batch: u32,
    /// In which numbers convolutions compute
    #[arg(long, value_name = "P", default_value = "f32")]
    precision: PrecisionWord,
    /// Side of an image in pixels [default: the model's usual one, 32 or 224]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=4096))]
    size: Option<u32>,
    /// Density of the network's random mask
    #[arg(long, value_name = "D", default_value = "0.1", allow_hyphen_values = true)]
    density: Density,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct TrainWords {
    #[command(flatten)]
    network: NetworkWords,
    /// Steps timed, after two that are not (on a GPU five)
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = |word: &str| STEPS.parse(word))]
    steps: u32,
}

#[derive(Args)]
pub(super) struct EpochWords {
    #[command(flatten)]
    network: NetworkWords,
    /// Images of an epoch
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = |word: &str| IMAGES.parse(word))]
    images: u32,
    /// Epochs timed, after one that is not
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = |word: &str| EPOCHS.parse(word))]
    epochs: u32,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PrecisionWord {
    /// 32-bit floating point throughout
    F32,
    /// bfloat16 convolutions and activations
    Bf16,
}

/// Steps that are timed.
const STEPS: Limit = Limit::from_1(100_000, "the median of six is steady to some percent");

/// Images of an epoch.
const IMAGES: Limit = Limit::from_1(10_000_000, "all of them lie on the device, 3 bytes a pixel");

/// Bytes of an epoch's images: they lie in memory twice for a moment.
const MOST_BYTES: u64 = 4 << 30;

/// Epochs that are timed.
const EPOCHS: Limit = Limit::from_1(100_000, "the median of three is steady to some percent");

/// Steps before the timed ones: libtorch chooses kernels and fills its caches, and on a GPU steps become a graph.
fn warm_up(device: Device) -> u32 {
    if device.is_cuda() { 5 } else { 2 }
}

/// What is trained, and how.
#[derive(Serialize)]
struct Described {
    model: String,
    batch: u32,
    size: u32,
    precision: Precision,
    density: f64,
    device: String,
    threads: u32,
    /// How the convolutions were computed, and why so.
    kernels: &'static str,
    why: String,
    n_parameters: usize,
    /// How a GPU is told of a step's operations: `graph`, or `one by one` as a CPU is.
    launched: &'static str,
    /// When the last of what was timed ended, in seconds since 1970: for who times several processes at once.
    ended: f64,
}

#[derive(Serialize)]
struct TrainReport {
    #[serde(flatten)]
    of: Described,
    images_per_second: f64,
    median_seconds: f64,
    /// Of each timed step.
    seconds: Vec<f64>,
    /// Mean loss of the batch before the first step, warm-up included, and before the last.
    loss_first: f64,
    loss_last: f64,
    /// Before each step, warm-up included.
    losses: Vec<f64>,
}

#[derive(Serialize)]
struct EpochReport {
    #[serde(flatten)]
    of: Described,
    /// Of an epoch.
    images: u32,
    steps_per_epoch: u32,
    images_per_second: f64,
    median_seconds: f64,
    /// Of each timed epoch.
    seconds: Vec<f64>,
    /// Mean loss of each epoch, each image's before its own step; of the one that is not timed too.
    losses: Vec<f64>,
}

/// A random masked network to be trained on noise.
struct Trained<'a> {
    model: &'a ModelSpec,
    /// Of an image, in pixels.
    side: u32,
    batch: u32,
    precision: Precision,
    density: Density,
    device: Device,
}

/// How it was trained.
struct How {
    /// Of the mask.
    density: f64,
    kernels: &'static str,
    why: String,
    launched: &'static str,
    /// Seconds since 1970.
    ended: f64,
}

/// Images a second of training without a mask, for `plan`: the faster of two steps, after one to warm up. A mask makes them more.
pub(super) fn throughput(
    model: &ModelSpec,
    side: u32,
    batch: u32,
    precision: Precision,
    threads: u32,
    device: Device,
) -> anyhow::Result<f64> {
    tch::set_num_threads(threads as i32);
    let trained = Trained {
        model,
        side,
        batch,
        precision,
        density: Density::new(1.0)?,
        device,
    };
    let warm_up = if device.is_cuda() { warm_up(device) } else { 1 };
    let (clock, _) = trained.time_steps(warm_up, 2)?;
    let best = clock.seconds.iter().copied().fold(f64::INFINITY, f64::min);
    Ok(f64::from(batch) / best)
}

pub(super) fn train(words: &TrainWords, global: &Global) -> anyhow::Result<()> {
    let model = words.network.model.spec()?;
    let trained = words.network.trained(&model, words.network.batch, global)?;
    let threads = device::set_threads(global);
    let (clock, how) = trained.time_steps(warm_up(trained.device), words.steps)?;
    let median_seconds = median(&clock.seconds);
    let report = TrainReport {
        of: trained.described(how, global, threads),
        images_per_second: f64::from(trained.batch) / median_seconds,
        median_seconds,
        loss_first: clock.losses[0],
        loss_last: clock.losses[clock.losses.len() - 1],
        losses: clock.losses,
        seconds: clock.seconds,
    };
    if words.network.json {
        return printing::json(&report);
    }
    report.of.print();
    printing::line(&format!(
        "{:.1} images/s: median of {} {:.4} s; loss {:.4} to {:.4}",
        report.images_per_second,
        counted(words.steps, "step"),
        median_seconds,
        report.loss_first,
        report.loss_last
    ));
    Ok(())
}

pub(super) fn epoch(words: &EpochWords, global: &Global) -> anyhow::Result<()> {
    let model = words.network.model.spec()?;
    let trained = words.network.trained(&model, words.images, global)?;
    let bytes = 3 * u64::from(words.images) * u64::from(trained.side).pow(2);
    if bytes > MOST_BYTES {
        return Err(BadUsage(format!(
            "--images: {} images of {} x {} pixels take {:.2} GB, and at most {:.2} GB are made here",
            words.images,
            trained.side,
            trained.side,
            bytes as f64 / 1e9,
            MOST_BYTES as f64 / 1e9
        ))
        .into());
    }
    let threads = device::set_threads(global);
    let loading = Loading {
        mean: [0.5; 3],
        std: [0.25; 3],
        augmentation: Augmentation::CropFlip,
        batch: trained.batch as usize,
        drop_last: false,
        seed: SEED,
    };
    let pictures = pictures_of_noise(words.images, trained.side, model.classes())?;
    let loader = Loader::new(&pictures, loading, trained.device)?;
    let mut clock = EpochClock::new(words.epochs + 1);
    let (outcome, how) = trained.train(&loader, words.epochs + 1, &loader.batch(0, 0).0, &mut clock)?;
    assert_eq!(outcome, Outcome::Finished, "nobody stops it");
    let seconds = clock.seconds.split_off(1);
    let median_seconds = median(&seconds);
    let report = EpochReport {
        of: trained.described(how, global, threads),
        images: words.images,
        steps_per_epoch: loader.steps_per_epoch() as u32,
        images_per_second: f64::from(words.images) / median_seconds,
        median_seconds,
        seconds,
        losses: clock.losses,
    };
    if words.network.json {
        return printing::json(&report);
    }
    report.of.print();
    printing::line(&format!(
        "{:.1} images/s: {} of {} images in {} each, {:.4} s by median; mean loss {:.4} in the first, untimed, {:.4} in the last",
        report.images_per_second,
        counted(words.epochs, "epoch"),
        report.images,
        counted(report.steps_per_epoch, "step"),
        median_seconds,
        report.losses[0],
        report.losses[report.losses.len() - 1]
    ));
    Ok(())
}

impl NetworkWords {
    /// Of so many images in an epoch.
    fn trained<'a>(&self, model: &'a ModelSpec, images: u32, global: &Global) -> anyhow::Result<Trained<'a>> {
        let batch = self.batch.min(images);
        let side = self.size.unwrap_or(model.usual_image()[1]);
        model
            .check_image([3, side, side])
            .map_err(|error| BadUsage(format!("--size: {error}")))?;
        let precision = match self.precision {
            PrecisionWord::F32 => Precision::F32,
            PrecisionWord::Bf16 => Precision::Bf16,
        };
        let device = device::of(global)?;
        check_last_batch(images.into(), batch.into(), model, [3, side, side])
            .map_err(|error| BadUsage(error.to_string()))?;
        check_memory(model, [3, side, side], batch, device)?;
        Ok(Trained {
            model,
            side,
            batch,
            precision,
            density: self.density,
            device,
        })
    }
}

impl Described {
    fn print(&self) {
        printing::line(&format!(
            "{} ({} parameters, density {:.4}), {} images of {} x {} a step, {}, {} on {}",
            self.model,
            self.n_parameters,
            self.density,
            self.batch,
            self.size,
            self.size,
            format!("{:?}", self.precision).to_lowercase(),
            counted(self.threads, "thread"),
            self.device
        ));
        printing::line(&format!("{}: {}", self.kernels, self.why));
    }
}

impl Trained<'_> {
    fn described(&self, how: How, global: &Global, threads: u32) -> Described {
        let How {
            density,
            kernels,
            why,
            launched,
            ended,
        } = how;
        Described {
            model: self.model.to_string(),
            batch: self.batch,
            size: self.side,
            precision: self.precision,
            density,
            device: global.device.clone(),
            threads,
            kernels,
            why,
            n_parameters: self.model.layout().n_params(),
            launched,
            ended,
        }
    }

    /// Some steps of one batch, of which the last so many are timed.
    fn time_steps(&self, warm_up: u32, steps: u32) -> anyhow::Result<(Clock, How)> {
        let resident = ResidentBatch::new(self.model, self.side, self.batch, warm_up + steps, self.device);
        let mut clock = Clock::new(warm_up + steps);
        let (outcome, how) = self.train(&resident, 1, &resident.images(), &mut clock)?;
        assert!(
            matches!(outcome, Outcome::Stopped(_)),
            "the clock stops training before the epoch ends"
        );
        clock.seconds.drain(..warm_up as usize);
        for loss in &mut clock.losses {
            *loss /= f64::from(self.batch);
        }
        if let Some(loss) = clock.losses.iter().find(|loss| !loss.is_finite()) {
            bail!(
                "the loss of {} became {loss} while its steps were timed",
                self.model
            );
        }
        Ok((clock, how))
    }

    /// The product's own training; `images` are some of what it is of.
    fn train(
        &self,
        batches: &dyn Batches,
        epochs: u32,
        images: &Tensor,
        observer: &mut dyn Observer<TrainError>,
    ) -> anyhow::Result<(Outcome, How)> {
        let layout = self.model.layout();
        let (mask, theta, buffers) = of_noise(self.model, self.density)?;
        let mut state = State::new(&layout, &theta, &buffers, &mask, self.device)?;
        let network = self.model.network(self.precision)?;
        let (kernels, why) = self.kernels(&layout, images.size()[0] as usize, &mask);
        let graphs = Graphs::of(self.device);
        let outcome = Training {
            network: &*network,
            batches,
            schedule: &Schedule::new(Kind::Constant, 0.1, epochs, batches.steps_per_epoch() as u32)?,
            epochs,
            sgd: Sgd::new(0.9, 1e-4)?,
            epochs_before: 0,
            division: Division::WHOLE,
            recorder: graphs.as_ref().map(|graphs| graphs as &dyn Recorder),
        }
        .run::<TrainError>(&mut state, Position::default(), &mut [observer])?;
        let ended = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let has_replayed = graphs.as_ref().is_some_and(Graphs::has_replayed);
        let how = How {
            density: mask.density(),
            kernels,
            why,
            launched: if has_replayed { "graph" } else { "one by one" },
            ended: ended.as_secs_f64(),
        };
        Ok((outcome, how))
    }

    /// With what a network's convolutions are computed in training, and why.
    fn kernels(&self, layout: &Layout, n_images: usize, mask: &Mask) -> (&'static str, String) {
        if self.device.is_cuda() {
            return ("libtorch's", "on a GPU".to_owned());
        }
        let kept = mask.expand(layout);
        let sides = [3, self.side, self.side];
        let Some(work) = self.model.convolution_work(&kept, sides, self.precision) else {
            return ("libtorch's", "of a network that was exported".to_owned());
        };
        let limit = work.most();
        let [share, taken, limit] = [work.share_kept, work.work, limit].map(|share| 100.0 * share);
        let all = format!(
            "kept weights make {share:.0} % of all multiplications, our convolutions take {taken:.1} % of the work of all one by one"
        );
        if work.is_ours(n_images) {
            let layers = format!(
                "of {} layers {} by Winograd's algorithm, {} in fours of channels",
                work.n_layers, work.n_by_winograd, work.n_in_fours
            );
            let kernels = match work.n_by_winograd + work.n_in_fours {
                0 => "kept weights alone",
                n if n == work.n_layers => "all weights",
                _ => "kept weights alone, or all",
            };
            return (
                kernels,
                format!("{all}, and are used up to {limit:.1} %; {layers}"),
            );
        }
        let mut why = format!("{all}, and are used up to {limit:.1} %, in batches of 32 and more");
        if self.precision == Precision::Bf16 && !has_bf16() {
            why.push_str("; in f32 on rounded numbers, for want of bfloat16 units in this processor");
        } else if self.precision == Precision::Bf16 {
            why.push_str("; libtorch's use this processor's units for bfloat16");
        }
        ("libtorch's, dense", why)
    }
}
