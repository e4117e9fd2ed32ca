//! `sculpt mask`: a mask of an exact density.

use crate::commands::{model::ModelWords, weights};
use crate::printing;
use crate::words::{BadUsage, Global};
use anyhow::Context;
use clap::{Args, ValueEnum, value_parser};
use sculpt_checkpoints::write_mask;
use sculpt_masks::{Allocation, Density, LayerCount, Rule, magnitude, random};
use sculpt_random::Seed;
use serde::Serialize;
use std::path::PathBuf;

/// The mask keeps exactly round(density * N) of all N prunable weights (rule turboprune: fewer, by chance).
#[derive(Args)]
pub(crate) struct Words {
    #[command(flatten)]
    model: ModelWords,
    /// Checkpoint or state_dict; needed by magnitude, which never brings back what its mask has pruned
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// What decides which weights survive
    #[arg(long, value_name = "METHOD")]
    method: Method,
    /// Fraction of the prunable weights to keep, in (0, 1]
    #[arg(long, value_name = "D", allow_hyphen_values = true)]
    density: Density,
    /// How a random mask's survivors are shared among layers: uniform, erk or balanced [default: balanced]
    #[arg(long, value_name = "A")]
    allocation: Option<Allocation>,
    /// exact counts, or turboprune: independent draws as in the authors' harness [default: exact]
    #[arg(long, value_name = "R")]
    rule: Option<Rule>,
    /// Used by no method yet
    #[arg(long, value_name = "FILE")]
    probe: Option<PathBuf>,
    /// Used by no method yet
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    iterations: Option<u32>,
    /// Seed of a random mask [default: 1]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Mask file: `<name>.mask` U8 for every prunable tensor
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print one JSON object: density_target, density, n_prunable, n_kept, sha256, layers, collapsed
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Method {
    /// Chance, layer by layer
    Random,
    /// The largest |weight|, over all layers together
    Magnitude,
}

#[derive(Serialize)]
struct Report {
    density_target: f64,
    density: f64,
    n_prunable: usize,
    n_kept: usize,
    sha256: String,
    layers: Vec<LayerCount>,
    /// Tensors that nothing is left of.
    collapsed: Vec<String>,
}

pub(crate) fn run(words: &Words, _global: &Global) -> anyhow::Result<()> {
    let model = words.model.spec()?;
    let layout = model.layout();
    warn_of_unused_flags(words);
    let weights = match &words.weights {
        Some(path) => Some((path, weights::read(path, &model)?)),
        None => None,
    };
    let mask = match (words.method, weights) {
        (Method::Random, weights) => {
            if let Some((path, _)) =
                weights.filter(|(_, w)| w.mask.as_ref().is_some_and(|m| m.n_kept() < m.len()))
            {
                let path = path.display();
                printing::warning(&format!(
                    "a random mask takes no heed of the mask that {path} carries"
                ));
            }
            let allocation = words.allocation.unwrap_or(Allocation::Balanced);
            let rule = words.rule.unwrap_or(Rule::Exact);
            random(
                &layout,
                words.density,
                allocation,
                rule,
                Seed(words.seed.unwrap_or(1)),
            )
            .with_context(|| format!("--density {} cannot be had", words.density))?
        }
        (Method::Magnitude, None) => {
            return Err(BadUsage("--method magnitude needs --weights FILE".to_owned()).into());
        }
        (Method::Magnitude, Some((path, weights))) => {
            magnitude(&layout, &weights.theta, words.density, weights.mask.as_ref())
                .with_context(|| format!("--density {} of {} cannot be had", words.density, path.display()))?
        }
    };
    let layers = mask.layers(&layout);
    let collapsed: Vec<String> = layers
        .iter()
        .filter(|l| l.kept == 0)
        .map(|l| l.name.clone())
        .collect();
    write_mask(&words.out, &layout, &mask)?;
    if !collapsed.is_empty() {
        printing::warning(&format!("nothing is left of {}", collapsed.join(", ")));
    }
    let report = Report {
        density_target: words.density.get(),
        density: mask.density(),
        n_prunable: mask.len(),
        n_kept: mask.n_kept(),
        sha256: mask.sha256(),
        layers,
        collapsed,
    };
    if words.json {
        return printing::json(&report);
    }
    let width = report.layers.iter().map(|l| l.name.len()).max().unwrap_or(0);
    for LayerCount { name, n, kept } in &report.layers {
        let percent = 100.0 * *kept as f64 / *n as f64;
        printing::line(&format!("{name:width$} {kept:>9} of {n:>9} {percent:>6.2} %"));
    }
    printing::line(&format!(
        "{}: {} of {} weights kept, density {:.6}, SHA-256 {}",
        words.out.display(),
        report.n_kept,
        report.n_prunable,
        report.density,
        report.sha256
    ));
    Ok(())
}

fn warn_of_unused_flags(words: &Words) {
    let (name, unused): (_, &[(&str, bool)]) = match words.method {
        Method::Random => (
            "random",
            &[
                ("--probe", words.probe.is_some()),
                ("--iterations", words.iterations.is_some()),
            ],
        ),
        Method::Magnitude => (
            "magnitude",
            &[
                ("--allocation", words.allocation.is_some()),
                ("--rule", words.rule.is_some()),
                ("--probe", words.probe.is_some()),
                ("--iterations", words.iterations.is_some()),
                ("--seed", words.seed.is_some()),
            ],
        ),
    };
    for (flag, _) in unused.iter().filter(|(_, given)| *given) {
        printing::warning(&format!("--method {name} does not use {flag}"));
    }
}
