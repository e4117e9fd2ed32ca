//! `sculpt connect`: loss and error along the line between two networks.

use crate::commands::{model::ModelWords, probe::Probe, weights};
use crate::words::Global;
use crate::{device, printing};
use anyhow::Context;
use clap::Args;
use sculpt_connectivity::{BatchNormRule, Connectivity, End, ExampleSet};
use sculpt_experiments::Limit;
use sculpt_models::{ModelSpec, Precision};
use std::path::{Path, PathBuf};
use tch::{Device, Tensor};

/// Places on a line.
const POINTS: Limit = Limit {
    least: 2,
    most: 10_001,
    why: "each is the whole probe once more, and the figures have 11",
};

/// Loss (mean cross-entropy) and error at (1 - alpha) a + alpha b, BatchNorm in evaluation mode, f32. barrier: the largest
/// value minus the mean of the ends; chord: the largest value above the straight line between them.
#[derive(Args)]
pub(crate) struct Words {
    #[command(flatten)]
    model: ModelWords,
    /// Weights at alpha = 0: checkpoint, state_dict, or a state's id
    #[arg(long, value_name = "FILE|ID")]
    a: PathBuf,
    /// Weights at alpha = 1
    #[arg(long, value_name = "FILE|ID")]
    b: PathBuf,
    /// safetensors or PyTorch file with images F32 [n, 3, h, w], normalised, and labels [n], integers
    #[arg(long, value_name = "FILE")]
    probe: PathBuf,
    /// Places on the line, both ends among them
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = |word: &str| POINTS.parse(word))]
    points: u32,
    /// BatchNorm statistics in between: interpolate, recalibrate (estimated anew on the probe as one batch; of a probe for
    /// which layers put out more than 4 GiB, 5,300 images of CIFAR-10 through a ResNet-20, the mean over equal batches), endpoint
    /// (the nearer end's)
    #[arg(long, value_name = "RULE", default_value = "interpolate")]
    bn: BatchNormRule,
    /// Print one JSON object: alpha, loss, error, barrier_loss, barrier_error, chord_loss, chord_error
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    let model = words.model.spec_or_of(&[&words.a, &words.b], global)?;
    let device = device::of(global)?;
    device::set_threads(global);
    let network = model.folded_network(Precision::F32)?;
    let (a, b) = (
        end(&words.a, &model, device, global)?,
        end(&words.b, &model, device, global)?,
    );
    let probe = Probe::read(&words.probe, &model, device)?;
    let set = ExampleSet::new(|| probe.batches());
    let n_batches = probe.n_of_statistics(&model)?;
    let of_statistics = ExampleSet::new(|| probe.in_equal(n_batches));
    let line = Connectivity::new(&network, words.points as usize, words.bn, Some(&of_statistics))?;
    let mut curves = line
        .curve(&a, &b, std::slice::from_ref(&set))
        .with_context(|| format!("{} and {} cannot be joined", words.a.display(), words.b.display()))?;
    let curve = curves.swap_remove(0);
    if words.json {
        return printing::json(&curve);
    }
    printing::line("   alpha        loss     error");
    for ((alpha, loss), error) in curve.alpha.iter().zip(&curve.loss).zip(&curve.error) {
        printing::line(&format!("{alpha:>8.4} {loss:>11.6} {:>7.2} %", 100.0 * error));
    }
    printing::line(&format!(
        "barrier {:.6} in loss, {:.2} points in error above the mean of the ends; above the straight line between them {:.6}, {:.2} points",
        curve.barrier_loss,
        100.0 * curve.barrier_error,
        curve.chord_loss,
        100.0 * curve.chord_error
    ));
    Ok(())
}

fn end(path: &Path, model: &ModelSpec, device: Device, global: &Global) -> anyhow::Result<End> {
    let weights = weights::read(path, model, global)?;
    let place = |values: &[f32]| Tensor::from_slice(values).to_device(device);
    Ok(End::new(
        &model.layout(),
        place(&weights.theta),
        place(&weights.buffers),
    )?)
}
