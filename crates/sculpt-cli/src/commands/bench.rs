//! `sculpt bench`: this product's own speed.

use crate::commands::{load, mask_speed, network_speed, packing, side_by_side, training_speed};
use crate::words::{BadUsage, Global};
use clap::{Args, Subcommand};
use sculpt_masks::{Allocation, Density, Mask, Rule, random};
use sculpt_models::{InitRule, ModelSpec};
use sculpt_random::Seed;
use serde::Serialize;
use std::time::Instant;

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
    Train(training_speed::TrainWords),
    /// Training epochs of a masked network on noise, crops and mirrorings included, with nothing read between steps
    Epoch(training_speed::EpochWords),
    /// Evaluating a masked network, in f32 as figures do, on one resident batch of noise
    Eval(network_speed::EvalWords),
    /// Products with the Hessian of a masked network's loss on noise
    Hessian(network_speed::HessianWords),
    /// Choosing the largest of many scores
    Mask(mask_speed::Words),
    /// Reading pictures: the training transform, without a network
    Load(load::Words),
    /// Packing pictures, beside decoding and encoding them alone
    Pack(packing::Words),
    /// This product beside others, taking turns: tables of reports/benchmarks.md
    Report(side_by_side::Words),
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    match &words.what {
        What::Train(words) => training_speed::train(words, global),
        What::Epoch(words) => training_speed::epoch(words, global),
        What::Eval(words) => network_speed::eval(words, global),
        What::Hessian(words) => network_speed::hessian(words, global),
        What::Mask(words) => mask_speed::run(words),
        What::Load(words) => load::run(words),
        What::Pack(words) => packing::run(words),
        What::Report(words) => side_by_side::run(words, global),
    }
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
