//! `sculpt noise`: corrupts labels at an exact rate.

use crate::places::spare_inputs;
use crate::printing;
use crate::words::Global;
use anyhow::{Context, bail};
use clap::Args;
use sculpt_checkpoints::{TensorData, read_tensors, write_tensors};
use sculpt_label_noise::{Rate, Rule, Seed, corrupt};
use std::path::PathBuf;

/// Chooses exactly round(rate * n) labels. permute puts them in a random order among themselves (the paper's), derange in one
/// where each changes class, uniform draws each anew from all classes.
#[derive(Args)]
pub(crate) struct Words {
    /// safetensors or PyTorch file with labels [n], integers, such as a probe
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,
    /// Fraction of the labels to choose, in [0, 1]
    #[arg(long, value_name = "R", allow_hyphen_values = true)]
    rate: Rate,
    /// What happens to them: permute, derange or uniform
    #[arg(long, value_name = "RULE", default_value = "permute")]
    rule: Rule,
    /// Number of classes [default: the largest label + 1]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    classes: Option<u32>,
    /// Seed of the choice
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Where to write the labels: tensor `labels` I64 [n]
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print one JSON object: rate_requested, rate_realised, n_chosen, n_changed
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(words: &Words, _global: &Global) -> anyhow::Result<()> {
    let path = words.labels.display();
    spare_inputs(("--out", &words.out), [("--labels", words.labels.as_path())])?;
    let (shape, labels) = read_tensors(&words.labels)?.take_integers("labels")?;
    if shape.len() != 1 {
        bail!("{path}: tensor labels has shape {shape:?}, expected [n]");
    }
    let noise = corrupt(&labels, words.rate, words.rule, words.classes, Seed(words.seed))
        .with_context(|| format!("the labels of {path} cannot be corrupted"))?;
    let tensor = TensorData::I64(shape, noise.labels.clone());
    write_tensors(&words.out, &[("labels", tensor)], None)?;
    if words.json {
        return printing::json(&noise);
    }
    printing::line(&format!(
        "{}: {} of {} labels chosen, {} changed: {:.2} % noise, {:.2} % asked for",
        words.out.display(),
        noise.n_chosen,
        noise.labels.len(),
        noise.n_changed,
        100.0 * noise.rate_realised,
        100.0 * noise.rate_requested.get()
    ));
    Ok(())
}
