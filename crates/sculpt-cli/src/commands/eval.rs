//! `sculpt eval`: loss, accuracy and logits of anybody's weights on a probe.

use crate::commands::{model::ModelWords, probe::Probe, weights};
use crate::places::spare_inputs;
use crate::words::Global;
use crate::{device, printing};
use anyhow::bail;
use clap::Args;
use sculpt_checkpoints::{TensorData, write_tensors};
use sculpt_models::Precision;
use sculpt_network::{FromFn, Mode, Network};
use sculpt_trainers::evaluate;
use serde::Serialize;
use std::{cell::RefCell, path::PathBuf};
use tch::{Device, Kind, Tensor};

/// The loss is the mean cross-entropy over the whole probe, BatchNorm in evaluation mode, f32. The probe goes
/// through the network in batches of at most 500 images (fewer where they have more than 64 x 64 pixels), whose
/// sums are joined in f64.
#[derive(Args)]
pub(crate) struct Words {
    #[command(flatten)]
    model: ModelWords,
    /// Checkpoint, published checkpoint, state_dict (.pth, .safetensors, ...), or a state's id (ID or ID@EPOCH)
    #[arg(long, value_name = "FILE|ID")]
    weights: PathBuf,
    /// safetensors or PyTorch file with images F32 [n, 3, h, w], normalised, and labels [n], integers
    #[arg(long, value_name = "FILE")]
    probe: PathBuf,
    /// Write the logits: tensor `logits` F32 [n, classes]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object: loss, accuracy, n
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    loss: f64,
    accuracy: f64,
    n: u64,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    if let Some(out) = &words.out {
        let inputs = [("--weights", words.weights.as_path()), ("--probe", &words.probe)];
        spare_inputs(("--out", out), inputs.into_iter().chain(words.model.input()))?;
    }
    let model = words.model.spec_or_of(&[&words.weights], global)?;
    let device = device::of(global)?;
    device::set_threads(global);
    let weights = weights::read(&words.weights, &model, global)?;
    let probe = Probe::read(&words.probe, &model, device)?;
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
            words.probe.display(),
            words.weights.display()
        );
    }
    if let Some(path) = &words.out {
        let shape: Vec<usize> = logits.size().iter().map(|&dim| dim as usize).collect();
        let mut values = vec![0f32; logits.numel()];
        logits.copy_data(&mut values, logits.numel());
        write_tensors(path, &[("logits", TensorData::F32(shape, values))], None)?;
    }
    let report = Report {
        loss: evaluation.loss,
        accuracy: evaluation.accuracy(),
        n: evaluation.n,
    };
    if words.json {
        return printing::json(&report);
    }
    printing::line(&format!(
        "loss {:.6}, accuracy {:.2} % ({} of {})",
        report.loss,
        100.0 * report.accuracy,
        evaluation.n_correct,
        report.n
    ));
    Ok(())
}

fn place(values: &[f32], device: Device) -> Tensor {
    Tensor::from_slice(values).to_device(device)
}
