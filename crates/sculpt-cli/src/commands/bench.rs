//! `sculpt bench`: this product's own speed.

use crate::commands::model::ModelWords;
use crate::commands::resident::ResidentBatch;
use crate::commands::{load, mask_speed, network_speed, packing, side_by_side};
use crate::cuda::Graphs;
use crate::words::{BadUsage, Global};
use crate::{device, printing};
use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum, value_parser};
use sculpt_experiments::{Limit, check_memory, limits};
use sculpt_masks::{Allocation, Density, Mask, Rule, random};
use sculpt_models::{InitRule, ModelSpec, Network, Precision, has_bf16, most_work};
use sculpt_random::Seed;
use sculpt_schedules::{Kind, Schedule};
use sculpt_trainers::{
    Batches, Division, Flow, Observer, Outcome, Position, Recorder, Sgd, State, Step, TrainError, Training,
};
use serde::Serialize;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tch::{Device, Tensor};

/// Every input of a benchmark follows from it.
pub(super) const SEED: Seed = Seed(1);

#[derive(Args)]
pub(crate) struct Words {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Training steps, forward to SGD, of a masked network on one resident batch of noise
    Train(Train),
    /// Evaluating a masked network on one resident batch of noise
    Eval(network_speed::EvalWords),
    /// Products with the Hessian of a masked network's loss on noise
    Hessian(network_speed::HessianWords),
    /// Choosing the largest of many scores
    Mask(mask_speed::Words),
    /// Reading pictures: the training transform, without a network
    Load(load::Words),
    /// Packing pictures, beside decoding and encoding them alone
    Pack(packing::Words),
    /// This product beside others, in one run, written to reports/benchmarks.md
    Report(side_by_side::Words),
}

#[derive(Args)]
struct Train {
    #[command(flatten)]
    model: ModelWords,
    /// Images a step
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = |word: &str| limits::BATCH.parse(word))]
    batch: u32,
    /// Steps timed, after two that are not
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = |word: &str| STEPS.parse(word))]
    steps: u32,
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

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PrecisionWord {
    /// 32-bit floating point throughout
    F32,
    /// bfloat16 convolutions and activations
    Bf16,
}

#[derive(Serialize)]
struct TrainReport {
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
    images_per_second: f64,
    median_seconds: f64,
    /// Of each timed step.
    seconds: Vec<f64>,
    /// When the last of them ended, in seconds since 1970: for who times several processes at once.
    ended: f64,
    /// How a GPU is told of a step's operations: `graph`, or `one by one` as a CPU is.
    launched: &'static str,
    /// Mean loss of the batch before the first step, warm-up included, and before the last.
    loss_first: f64,
    loss_last: f64,
    /// Before each step, warm-up included.
    losses: Vec<f64>,
}

/// Steps that are timed.
const STEPS: Limit = Limit::from_1(100_000, "the median of six is steady to some percent");

/// Steps before the timed ones: libtorch chooses kernels and fills its caches.
const WARM_UP: u32 = 2;

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    match &words.what {
        What::Train(words) => bench_train(words, global),
        What::Eval(words) => network_speed::eval(words, global),
        What::Hessian(words) => network_speed::hessian(words, global),
        What::Mask(words) => mask_speed::run(words),
        What::Load(words) => load::run(words),
        What::Pack(words) => packing::run(words),
        What::Report(words) => side_by_side::run(words, global),
    }
}

/// Images a second of training without a mask, for `plan`: one step to warm up, the faster of two. A mask makes them more.
pub(crate) fn throughput(
    model: &ModelSpec,
    side: u32,
    batch: u32,
    precision: Precision,
    threads: u32,
    device: Device,
) -> anyhow::Result<f64> {
    tch::set_num_threads(threads as i32);
    let steps = time_steps(model, side, batch, precision, Density::new(1.0)?, device, 1, 2)?;
    let best = steps.seconds.iter().copied().fold(f64::INFINITY, f64::min);
    Ok(f64::from(batch) / best)
}

fn bench_train(words: &Train, global: &Global) -> anyhow::Result<()> {
    let model = words.model.spec()?;
    let size = words.size.unwrap_or(model.usual_image()[1]);
    model
        .check_image([3, size, size])
        .map_err(|error| BadUsage(format!("--size: {error}")))?;
    let precision = match words.precision {
        PrecisionWord::F32 => Precision::F32,
        PrecisionWord::Bf16 => Precision::Bf16,
    };
    let device = device::of(global)?;
    let threads = device::set_threads(global);
    check_memory(&model, [3, size, size], words.batch, precision, device)?;
    let timed = time_steps(
        &model,
        size,
        words.batch,
        precision,
        words.density,
        device,
        WARM_UP,
        words.steps,
    )?;
    let median_seconds = median(&timed.seconds);
    let report = TrainReport {
        model: model.to_string(),
        batch: words.batch,
        size,
        precision,
        density: timed.density,
        device: global.device.clone(),
        threads,
        kernels: timed.kernels,
        why: timed.why,
        n_parameters: model.layout().n_params(),
        images_per_second: f64::from(words.batch) / median_seconds,
        median_seconds,
        loss_first: timed.losses[0],
        loss_last: timed.losses[timed.losses.len() - 1],
        losses: timed.losses,
        seconds: timed.seconds,
        ended: timed.ended,
        launched: timed.launched,
    };
    if words.json {
        return printing::json(&report);
    }
    printing::line(&format!(
        "{} ({} parameters, density {:.4}), {} images of {size} x {size} a step, {:?}, {} threads on {}",
        report.model, report.n_parameters, report.density, report.batch, precision, threads, report.device
    ));
    printing::line(&format!("{}: {}", report.kernels, report.why));
    printing::line(&format!(
        "{:.1} images/s: median of {} steps {:.4} s; loss {:.4} to {:.4}",
        report.images_per_second, words.steps, median_seconds, report.loss_first, report.loss_last
    ));
    Ok(())
}

/// What the steps took.
struct Timed {
    /// Of each timed step.
    seconds: Vec<f64>,
    /// Before each step, warm-up included.
    losses: Vec<f64>,
    /// Seconds since 1970.
    ended: f64,
    launched: &'static str,
    /// Of the mask.
    density: f64,
    kernels: &'static str,
    why: String,
}

/// The product's own training step, on a random masked network and a resident batch of noise.
#[expect(
    clippy::too_many_arguments,
    reason = "they are the benchmark's description; its two callers are here"
)]
fn time_steps(
    model: &ModelSpec,
    side: u32,
    batch: u32,
    precision: Precision,
    density: Density,
    device: Device,
    warm_up: u32,
    steps: u32,
) -> anyhow::Result<Timed> {
    let layout = model.layout();
    let (mask, theta, buffers) = of_noise(model, density)?;
    let mut state = State::new(&layout, &theta, &buffers, &mask, device)?;
    let resident = ResidentBatch::new(model, side, batch, warm_up + steps, device);
    let network = model.network(precision)?;
    let (kernels, why) = kernels_of(&*network, &state, &resident, model, &mask, precision);
    let mut clock = Clock {
        last: Instant::now(),
        seconds: Vec::new(),
        losses: Vec::new(),
        loss_sum: 0.0,
        left: warm_up + steps,
    };
    let graphs = Graphs::of(device);
    let outcome = Training {
        network: &*network,
        batches: &resident,
        schedule: &Schedule::new(Kind::Constant, 0.1, 1, resident.steps_per_epoch() as u32)?,
        epochs: 1,
        sgd: Sgd::new(0.9, 1e-4)?,
        epochs_before: 0,
        division: Division::WHOLE,
        recorder: graphs.as_ref().map(|graphs| graphs as &dyn Recorder),
    }
    .run::<TrainError>(&mut state, Position::default(), &mut [&mut clock])?;
    assert!(
        matches!(outcome, Outcome::Stopped(_)),
        "the clock stops training before the epoch ends"
    );
    let ended = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let has_replayed = graphs.as_ref().is_some_and(Graphs::has_replayed);
    let n = f64::from(batch);
    let losses: Vec<f64> = clock.losses.iter().map(|loss| loss / n).collect();
    if let Some(loss) = losses.iter().find(|loss| !loss.is_finite()) {
        bail!("the loss of {model} became {loss} while its steps were timed");
    }
    Ok(Timed {
        seconds: clock.seconds.split_off(warm_up as usize),
        ended: ended.as_secs_f64(),
        launched: if has_replayed { "graph" } else { "one by one" },
        losses,
        density: mask.density(),
        kernels,
        why,
    })
}

/// A random mask, and initial weights under it with their buffers.
pub(super) fn of_noise(model: &ModelSpec, density: Density) -> anyhow::Result<(Mask, Vec<f32>, Vec<f32>)> {
    let layout = model.layout();
    let mask = random(&layout, density, Allocation::Balanced, Rule::Exact, SEED)
        .map_err(|error| BadUsage(format!("--density: {error}")))?;
    let (mut theta, buffers) = model.initialise(InitRule::KaimingNormalFanIn, SEED);
    mask.apply(&layout, &mut theta);
    Ok((mask, theta, buffers))
}

/// What rounds took.
#[derive(Serialize)]
pub(super) struct Timing {
    pub(super) median_seconds: f64,
    /// Of each.
    seconds: Vec<f64>,
}

/// Times so many rounds, after one that is not timed.
pub(super) fn timing(rounds: u32, round: &mut dyn FnMut()) -> Timing {
    round();
    let timed = (0..rounds).map(|_| {
        let start = Instant::now();
        round();
        start.elapsed().as_secs_f64()
    });
    let seconds: Vec<f64> = timed.collect();
    Timing {
        median_seconds: median(&seconds),
        seconds,
    }
}

/// With what a network's convolutions are computed in training, and why.
fn kernels_of(
    network: &dyn Network<Tensor>,
    state: &State,
    resident: &ResidentBatch,
    model: &ModelSpec,
    mask: &Mask,
    precision: Precision,
) -> (&'static str, String) {
    let theta = state.theta();
    if theta.device().is_cuda() {
        return ("libtorch's", "on a GPU".to_owned());
    }
    let kept = mask.expand(network.layout());
    let images = &resident.pair().0;
    let is_own = network
        .differentiate(theta, &Tensor::from_slice(&kept), &state.buffers().copy(), images)
        .is_some();
    let side = resident.side();
    let Some(work) = model.convolution_work(&kept, [3, side, side]) else {
        return ("libtorch's", "of a network that was exported".to_owned());
    };
    let [share, taken, limit] = [work.share_kept, work.work, most_work(precision)].map(|share| 100.0 * share);
    let all =
        format!("{share:.0} % of the multiplications are by kept weights, the work {taken:.0} % of all");
    if is_own {
        let layers = format!(
            "of {} layers {} by Winograd's algorithm, {} in fours of channels",
            work.n_layers, work.n_by_winograd, work.n_in_fours
        );
        let kernels = match work.n_by_winograd + work.n_in_fours {
            0 => "kept weights alone",
            n if n == work.n_layers => "all weights",
            _ => "kept weights alone, or all",
        };
        return (kernels, format!("{all}, at most {limit:.0} %; {layers}"));
    }
    let mut why = format!("{all}; up to {limit:.0} %, in batches of 32 and more, they are our own");
    if precision == Precision::Bf16 && !has_bf16() {
        why.push_str("; in f32 on rounded numbers, for want of bfloat16 units in this processor");
    }
    ("libtorch's, dense", why)
}

/// Notes the time after each step, and stops after the last one to time.
struct Clock {
    last: Instant,
    seconds: Vec<f64>,
    losses: Vec<f64>,
    loss_sum: f64,
    left: u32,
}

impl Observer<TrainError> for Clock {
    fn on_step<'s>(&mut self, step: &dyn Fn() -> Step<'s>) -> Result<Flow, TrainError> {
        // Reading the sum waits for a GPU, and a read of the state for its last update.
        let now = step();
        let _ = now.state.theta().get(0).double_value(&[]);
        self.seconds.push(self.last.elapsed().as_secs_f64());
        self.losses.push(now.position.loss_sum - self.loss_sum);
        self.loss_sum = now.position.loss_sum;
        self.left -= 1;
        self.last = Instant::now();
        Ok(if self.left == 0 { Flow::Stop } else { Flow::GoOn })
    }
}

pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        (sorted[middle - 1] + sorted[middle]) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
    }
}
