//! `sculpt mask`: a mask of an exact density.

use crate::commands::{masks, model::ModelWords, probe::Probe, weights};
use crate::places::spare_inputs;
use crate::words::{BadUsage, Global};
use crate::{device, printing};
use anyhow::{Context, bail};
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use sculpt_checkpoints::{Weights, write_mask};
use sculpt_experiments::check_one_image;
use sculpt_masks::{Allocation, Density, LayerCount, Mask, Rule, Ties, magnitude, random};
use sculpt_models::{ModelSpec, Precision};
use sculpt_random::Seed;
use sculpt_scores::{Criterion, Images, Point, SynFlow};
use serde::Serialize;
use std::{num::NonZeroU32, path::PathBuf};
use tch::Tensor;

/// The mask keeps exactly round(density * N) of all N prunable weights (a random one by rule turboprune: as chance has it; where layers are full, fewer). What the
/// weights' own mask has pruned never comes back, except under a random mask.
#[derive(Args)]
pub(crate) struct Words {
    #[command(flatten)]
    model: ModelWords,
    /// Checkpoint, state_dict, or a state's id; needed by all methods but random
    #[arg(long, value_name = "FILE|ID")]
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
    /// exact, or turboprune: as the authors' harness does it; random by independent draws, synflow in one pass with BatchNorm
    /// in training mode [default: exact]
    #[arg(long, value_name = "R")]
    rule: Option<Rule>,
    // Its help names the methods.
    #[arg(long, value_name = "FILE", help = probe_help())]
    probe: Option<PathBuf>,
    /// Iterations of synflow [default: 100]
    #[arg(long, value_name = "N")]
    iterations: Option<NonZeroU32>,
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

#[derive(Clone, Copy, Debug, PartialEq)]
enum Method {
    Random,
    Magnitude,
    Score(Criterion),
}

impl Method {
    const ALL: [Self; 2 + Criterion::ALL.len()] = {
        let mut all = [Self::Random; _];
        all[1] = Self::Magnitude;
        let mut i = 0;
        while i < Criterion::ALL.len() {
            all[2 + i] = Self::Score(Criterion::ALL[i]);
            i += 1;
        }
        all
    };

    fn word(&self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Magnitude => "magnitude",
            Self::Score(criterion) => criterion.word(),
        }
    }

    fn help(&self) -> &'static str {
        match self {
            Self::Random => "Chance, layer by layer",
            Self::Magnitude => "The largest |weight|, over all layers together",
            Self::Score(criterion) => criterion.help(),
        }
    }
}

impl ValueEnum for Method {
    fn value_variants<'a>() -> &'a [Self] {
        const { &Method::ALL }
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.word()).help(self.help()))
    }
}

fn probe_help() -> String {
    let (needing, others): (Vec<_>, Vec<_>) = Criterion::ALL.iter().partition(|known| known.needs_probe());
    let words = |known: &[&Criterion]| {
        known
            .iter()
            .map(|known| known.word())
            .collect::<Vec<_>>()
            .join(", ")
    };
    format!(
        "safetensors or PyTorch file with images f32 [n, 3, h, w], normalised, and integer labels [n]; needed by {}; for the images' size \
         alone of use to {}",
        words(&needing),
        words(&others)
    )
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

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    let weights = words.weights.iter().map(|path| ("--weights", path.as_path()));
    let probe = words.probe.iter().map(|path| ("--probe", path.as_path()));
    spare_inputs(
        ("--out", &words.out),
        weights.chain(probe).chain(words.model.input()),
    )?;
    let weights: Vec<_> = words.weights.iter().map(PathBuf::as_path).collect();
    let model = words.model.spec_or_of(&weights, global)?;
    let layout = model.layout();
    if layout.n_prunable() == 0 {
        bail!(
            "{model} has no weight that a mask may remove: no convolution or linear layer has a weight of its own"
        );
    }
    warn_of_unused_flags(words);
    let mask = match words.method {
        Method::Random => random_mask(words, &model, global)?,
        Method::Magnitude => {
            let (path, weights) = needed_weights(words, &model, global)?;
            let own = weights.mask.as_ref();
            let mask = magnitude(&layout, &weights.theta, words.density, own)
                .with_context(|| cannot(words, path))?;
            masks::say_ties(Ties::of_magnitudes(&layout, &weights.theta, &mask, own));
            mask
        }
        Method::Score(usual) => scored_mask(words, &model, global, &asked(usual, words))?,
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

/// Weights are not needed, but must fit.
fn random_mask(words: &Words, model: &ModelSpec, global: &Global) -> anyhow::Result<Mask> {
    let layout = model.layout();
    if let Some(path) = &words.weights {
        let weights = weights::read(path, model, global)?;
        let own = masks::of(&weights, &layout);
        if own.n_kept() < own.len() {
            let path = path.display();
            printing::warning(&format!(
                "a random mask takes no heed of the mask that {path} carries"
            ));
        }
    }
    let allocation = words.allocation.unwrap_or(Allocation::Balanced);
    let rule = words.rule.unwrap_or(Rule::Exact);
    let seed = Seed(words.seed.unwrap_or(1));
    random(&layout, words.density, allocation, rule, seed)
        .with_context(|| format!("--density {} cannot be had", words.density))
}

/// A criterion with the numbers of the command line.
fn asked(usual: Criterion, words: &Words) -> Criterion {
    let Criterion::SynFlow(usual) = usual else {
        return usual;
    };
    Criterion::SynFlow(match words.rule.unwrap_or(Rule::Exact) {
        Rule::Exact => SynFlow {
            iterations: words.iterations.unwrap_or(usual.iterations),
            ..usual
        },
        Rule::TurboPrune => SynFlow::TURBO_PRUNE,
    })
}

/// A mask by scores that need derivatives.
fn scored_mask(
    words: &Words,
    model: &ModelSpec,
    global: &Global,
    criterion: &Criterion,
) -> anyhow::Result<Mask> {
    let device = device::of(global)?;
    device::set_threads(global);
    let (path, weights) = needed_weights(words, model, global)?;
    let probe = match &words.probe {
        Some(path) => Some(Probe::read(path, model, device)?),
        None => None,
    };
    let pieces;
    let images = match (&probe, criterion.needs_probe()) {
        (None, true) => {
            return Err(BadUsage(format!("--method {} needs --probe FILE", criterion.word())).into());
        }
        (Some(probe), true) => {
            pieces = sculpt_scores::Probe::new(probe.batches())?;
            Images::Probe(&pieces)
        }
        (_, false) => {
            let image = probe.as_ref().map_or_else(|| model.usual_image(), Probe::image);
            check_one_image(criterion, model, image)?;
            Images::Size(image.map(i64::from))
        }
    };
    let network = if criterion.prefers_folded() {
        model.folded_network(Precision::F32)?
    } else {
        model.network(Precision::F32)?
    };
    let place = |values: &[f32]| Tensor::from_slice(values).to_device(device);
    let (theta, buffers) = (place(&weights.theta), place(&weights.buffers));
    let point = Point::new(&network, &theta, &buffers, weights.mask.as_ref())?;
    let choice = criterion
        .choose(&point, images, words.density)
        .with_context(|| cannot(words, path))?;
    masks::say_ties(choice.ties);
    Ok(choice.mask)
}

fn needed_weights<'a>(
    words: &'a Words,
    model: &ModelSpec,
    global: &Global,
) -> anyhow::Result<(&'a PathBuf, Weights)> {
    match &words.weights {
        Some(path) => Ok((path, weights::read(path, model, global)?)),
        None => Err(BadUsage(format!("--method {} needs --weights FILE", words.method.word())).into()),
    }
}

fn cannot(words: &Words, path: &std::path::Path) -> String {
    format!("--density {} of {} cannot be had", words.density, path.display())
}

fn warn_of_unused_flags(words: &Words) {
    let is_random = words.method == Method::Random;
    let is_synflow = matches!(words.method, Method::Score(Criterion::SynFlow(_)));
    let uses_probe = matches!(words.method, Method::Score(_));
    let is_iterated = is_synflow && words.rule != Some(Rule::TurboPrune);
    let flags = [
        ("--allocation", words.allocation.is_some(), is_random),
        ("--rule", words.rule.is_some(), is_random || is_synflow),
        ("--probe", words.probe.is_some(), uses_probe),
        ("--iterations", words.iterations.is_some(), is_iterated),
        ("--seed", words.seed.is_some(), is_random),
    ];
    for (flag, _, _) in flags.iter().filter(|(_, given, used)| *given && !used) {
        printing::warning(&format!("--method {} does not use {flag}", words.method.word()));
    }
}
