//! `sculpt eval`: loss, accuracy and logits of anybody's weights on a probe, or on pictures.

use crate::commands::eval_pictures;
use crate::commands::pictures::{Decoding, PictureData};
use crate::commands::{masks, model::ModelWords, probe::Probe, weights};
use crate::places::spare_inputs;
use crate::words::{BadUsage, Global};
use crate::{device, printing};
use anyhow::{Context, bail};
use clap::Args;
use sculpt_checkpoints::{TensorData, write_tensors};
use sculpt_models::Precision;
use sculpt_network::{FromFn, Mode, Network};
use sculpt_trainers::evaluate;
use serde::Serialize;
use std::cell::RefCell;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// Of pictures, those of `val` are seen as torchvision's evaluation does: resized to a shorter side of 256, the middle 224.
/// Labels are places among the sorted folders of `train`. The loss is the mean cross-entropy over all images, BatchNorm in evaluation mode, f32. A probe goes
/// through the network in batches of at most 500 images (fewer where they have more than 64 x 64 pixels), whose
/// sums are joined in f64.
#[derive(Args)]
pub(crate) struct Words {
    #[command(flatten)]
    model: ModelWords,
    /// Checkpoint, published checkpoint, state_dict (.pth, .safetensors, ...), or a state's id (ID or ID@EPOCH)
    #[arg(long, value_name = "FILE|ID")]
    weights: PathBuf,
    /// Mask file, or a state's id: what it prunes counts as 0
    #[arg(long, value_name = "FILE|ID")]
    mask: Option<PathBuf>,
    /// safetensors or PyTorch file with images F32 [n, 3, h, w], normalised, and labels [n], integers; without --data it is needed
    #[arg(long, value_name = "FILE", required_unless_present = "data")]
    probe: Option<PathBuf>,
    /// In place of --probe, the validation pictures of imagenet:DIR: folders, tar files, or a pack
    #[arg(long, value_name = "DATA", conflicts_with = "probe")]
    data: Option<PictureData>,
    /// Only this many of the pictures, spread evenly over all
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<NonZeroU32>,
    #[command(flatten)]
    pub(super) decoding: Decoding,
    /// Write the logits: tensor `logits` F32 [n, classes]
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Print one JSON object: loss, accuracy, n, and of pictures top5
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
pub(super) struct Report {
    pub(super) loss: f64,
    pub(super) accuracy: f64,
    /// Fraction whose label is among the five largest logits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top5: Option<f64>,
    pub(super) n: u64,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    if words.limit.is_some() && words.data.is_none() {
        return Err(BadUsage("--limit is of the pictures that --data names".to_owned()).into());
    }
    if let Some(out) = &words.out {
        let probe = words.probe.as_deref().map(|probe| ("--probe", probe));
        let mask = words.mask.as_deref().map(|mask| ("--mask", mask));
        let inputs = [("--weights", words.weights.as_path())]
            .into_iter()
            .chain(probe)
            .chain(mask);
        spare_inputs(("--out", out), inputs.chain(words.model.input()))?;
    }
    let model = words.model.spec_or_of(&[&words.weights], global)?;
    let device = device::of(global)?;
    device::set_threads(global);
    let mut weights = weights::read(&words.weights, &model, global)?;
    if let Some(path) = &words.mask {
        masks::read(path, &model, global)?.apply(&model.layout(), &mut weights.theta);
    }
    if let Some(data) = &words.data {
        let report = eval_pictures::run(words, data, &model, &weights, device)?;
        return show(&report, words);
    }
    let path = words.probe.as_deref().context("clap wants one of the two")?;
    let probe = Probe::read(path, &model, device)?;
    let network = model.network(Precision::F32)?;
    let (theta, buffers) = (place(&weights.theta, device), place(&weights.buffers, device));

    let seen = RefCell::new(Vec::new());
    let recorded = FromFn::new(
        network.layout().clone(),
        |theta: &Tensor, buffers: &Tensor, images: &Tensor, mode: Mode| {
            let logits = network.forward(theta, buffers, images, mode);
            seen.borrow_mut().push(logits.to_device(Device::Cpu));
            logits
        },
    );
    let evaluation = evaluate(&recorded, &theta, &buffers, probe.batches());
    let logits = Tensor::cat(&seen.take(), 0).contiguous();
    if !evaluation.loss.is_finite() || logits.isfinite().logical_not().any().int64_value(&[]) != 0 {
        let finite = logits.isfinite().all_dim(1, false);
        let image = finite.to_kind(Kind::Int64).argmin(0, false).int64_value(&[]);
        bail!(
            "the network overflows on image {image} of {}: its logits are not finite, though the weights in {} are",
            path.display(),
            words.weights.display()
        );
    }
    if let Some(path) = &words.out {
        write_logits(path, &logits)?;
    }
    let report = Report {
        loss: evaluation.loss,
        accuracy: evaluation.accuracy(),
        top5: None,
        n: evaluation.n,
    };
    show(&report, words)
}

pub(super) fn write_logits(path: &Path, logits: &Tensor) -> anyhow::Result<()> {
    let shape: Vec<usize> = logits.size().iter().map(|&dim| dim as usize).collect();
    let mut values = vec![0f32; logits.numel()];
    logits.copy_data(&mut values, logits.numel());
    write_tensors(path, &[("logits", TensorData::F32(shape, values))], None)?;
    Ok(())
}

fn show(report: &Report, words: &Words) -> anyhow::Result<()> {
    if words.json {
        return printing::json(report);
    }
    let top5 = report
        .top5
        .map_or_else(String::new, |top5| format!(", top 5 {:.2} %", 100.0 * top5));
    printing::line(&format!(
        "loss {:.6}, accuracy {:.2} % ({:.0} of {}){top5}",
        report.loss,
        100.0 * report.accuracy,
        report.accuracy * report.n as f64,
        report.n
    ));
    Ok(())
}

pub(super) fn place(values: &[f32], device: Device) -> Tensor {
    Tensor::from_slice(values).to_device(device)
}
