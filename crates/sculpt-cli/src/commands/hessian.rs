//! `sculpt hessian`: the sharpness of a minimum.

use crate::commands::{masks, model::ModelWords, probe::Probe, weights};
use crate::display::tell_of_products;
use crate::places::spare_inputs;
use crate::words::{BadUsage, Global};
use crate::{device, printing};
use anyhow::Context;
use clap::{Args, value_parser};
use sculpt_hessian::{
    Density, Eigen, Graphs, Hessian, HessianError, MICRO_BATCH, MeanLoss, Product, Seed, Trace, Which,
};
use sculpt_models::{ModelSpec, Precision};
use sculpt_store::atomic;
use serde::Serialize;
use std::{path::PathBuf, time::Instant};
use tch::{Device, Tensor};

/// Vectors that Lanczos holds before it restarts.
const MAX_BASIS: usize = 80;

/// Places of a density, and the variance of its Gaussians relative to the spectrum's range (PyHessian's).
const GRID: (usize, f64) = (10_000, 1e-5);

/// Products of a trace that is estimated.
const TRACE_SAMPLES: usize = 60;

/// Classes up to which an exact trace costs no more: two convolutions a layer for each class, six for a product. (ResNet-18/CIFAR, 100 classes, 32
/// images: 73 s, where 60 products take 131.)
const MOST_CLASSES: u32 = 3 * TRACE_SAMPLES as u32;

/// Bytes that products may share before they are computed anew for each.
const GRAPH_BYTES: u64 = 4 << 30;

/// Bytes kept for each number that a convolution puts out: a ResNet-20's measure 6 (sculpt-hessian's README), the rest is
/// reserve.
const BYTES_PER_ACTIVATION: u64 = 16;

/// Largest eigenvalues of the Hessian of the mean cross-entropy over the probe, with respect to all of theta, BatchNorm in
/// evaluation mode, f32; algebraically largest first, each with its residual. Pruned weights take no part.
#[derive(Args)]
pub(crate) struct Words {
    #[command(flatten)]
    model: ModelWords,
    /// Checkpoint, state_dict, or a state's id
    #[arg(long, value_name = "FILE|ID")]
    weights: PathBuf,
    /// Mask file, or a state's id: which weights survive [default: what the weights carry, or all]
    #[arg(long, value_name = "FILE|ID")]
    mask: Option<PathBuf>,
    /// safetensors or PyTorch file with images F32 [n, 3, h, w], normalised, and labels [n], integers
    #[arg(long, value_name = "FILE")]
    probe: PathBuf,
    /// How many eigenvalues
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = value_parser!(u32).range(1..=1000))]
    top: u32,
    /// Hessian-vector products at most for the eigenvalues, of which each takes one; Lanczos steps of a density's start at most [default:
    /// 300; 100]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=100_000))]
    steps: Option<u32>,
    /// Seed of the starting vectors
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Write the spectral density as CSV: eigenvalue,density
    #[arg(long, value_name = "FILE")]
    density_out: Option<PathBuf>,
    /// The search ends when the residual of each eigenvalue is at most this part of it, strictly between 0 and 1, or what the rounding of f32 hides (8e-6 of
    /// the largest). An eigenvalue's error is estimated from it, as residual^2 / gap where that is less (both are shown as absolute numbers); while residuals are
    /// large, an eigenvalue between may be missing
    #[arg(long, value_name = "T", default_value_t = 1e-3, value_parser = tolerance)]
    tolerance: f64,
    /// Stop as soon as the eigenvalues are known to the tolerance, estimated as residual^2 / gap, though their vectors are further off:
    /// as a rule a product less
    #[arg(long)]
    values_only: bool,
    /// Random starts that the spectral density is the mean over
    #[arg(long, value_name = "N", requires = "density_out", default_value_t = 3, value_parser = value_parser!(u32).range(1..=1000))]
    starts: u32,
    /// Lanczos steps, before the starts of a density, of a search for eigenvalues far out, which then weigh what they do: by chance tr H^2
    /// may be five times too small or too large. 0: none [default: those of a start]
    #[arg(long, value_name = "N", requires = "density_out", value_parser = value_parser!(u32).range(0..=100_000))]
    search: Option<u32>,
    /// The trace too: exact where the network allows, else estimated by 60 products
    #[arg(long)]
    trace: bool,
    /// Print one JSON object: eigenvalues, residuals, errors, iterations, matvecs, seconds, converged, and trace or density where asked for
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    eigenvalues: Vec<f64>,
    /// `‖Hv − λv‖` for unit `v`, absolute: the true eigenvalue is no farther away.
    residuals: Vec<f64>,
    /// Estimates of how far it is, `residual² / gap` where that is less.
    errors: Vec<f64>,
    iterations: usize,
    matvecs: usize,
    seconds: f64,
    /// Whether every residual is below `--tolerance` of its eigenvalue; with `--values-only`, that or the estimated error.
    converged: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_standard_error: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    density: Option<OfDensity>,
    loss: f64,
    n_free: usize,
}

/// What a density says of all eigenvalues.
#[derive(Serialize)]
struct OfDensity {
    n_starts: u32,
    /// Eigenvalues far out that are known one by one.
    n_known: usize,
    /// `tr H² / n`, over the free coordinates.
    second_moment: f64,
    /// Of the mean over the starts; none of one.
    second_moment_standard_error: Option<f64>,
}

/// Whether what products share fits into memory, and how many images go through the network at once.
pub(super) fn graphs(
    model: &ModelSpec,
    image: [u32; 3],
    n_images: u64,
    device: Device,
) -> anyhow::Result<(Graphs, usize)> {
    let bytes = BYTES_PER_ACTIVATION * model.activations(image)?;
    let at_once = (GRAPH_BYTES / bytes).max(1);
    let graphs = if n_images <= at_once {
        Graphs::Keep
    } else {
        Graphs::Rebuild
    };
    let at_once = if device.is_cuda() {
        at_once
    } else {
        at_once.min(MICRO_BATCH as u64)
    };
    Ok((graphs, at_once.min(n_images) as usize))
}

/// Lanczos steps of a density: of a start, and of the search before them.
fn density_steps(words: &Words) -> [usize; 2] {
    let steps = words.steps.unwrap_or(100);
    [steps, words.search.unwrap_or(steps)].map(|n| n as usize)
}

/// How a trace was found.
enum OfTrace {
    Exact(f64),
    Estimated(Trace),
}

impl OfTrace {
    /// Exact, without products, where the network's own derivatives allow and its classes are not too many for it.
    fn of(hessian: &Hessian<'_>, model: &ModelSpec, seed: Seed) -> Result<Self, HessianError> {
        let few = model.classes() <= MOST_CLASSES;
        match few.then(|| hessian.exact_trace()).flatten() {
            Some(trace) => Ok(Self::Exact(trace)),
            None => Ok(Self::Estimated(
                hessian.trace_by_hutch_plus_plus(TRACE_SAMPLES, seed)?,
            )),
        }
    }

    fn estimate(&self) -> f64 {
        match self {
            Self::Exact(trace) => *trace,
            Self::Estimated(trace) => trace.estimate,
        }
    }

    fn standard_error(&self) -> Option<f64> {
        match self {
            Self::Exact(_) => Some(0.0),
            Self::Estimated(trace) => trace.standard_error,
        }
    }

    fn products(&self) -> usize {
        match self {
            Self::Exact(_) => 0,
            Self::Estimated(trace) => trace.products,
        }
    }
}

fn tolerance(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if value > 0.0 && value < 1.0 {
        Ok(value)
    } else {
        Err("not between 0 and 1".to_owned())
    }
}

/// Six decimals, or so many digits of a number that they would hide.
fn number(x: f64) -> String {
    if x != 0.0 && x.abs() < 1e-3 {
        format!("{x:.5e}")
    } else {
        format!("{x:.6}")
    }
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    if let Some(out) = &words.density_out {
        if density_steps(words)[0] < 2 {
            let problem = "--steps 1: one Lanczos step of a start says nothing of a density's width; at least 2 are needed";
            return Err(BadUsage(problem.to_owned()).into());
        }
        let inputs = [("--weights", words.weights.as_path()), ("--probe", &words.probe)];
        let mask = words.mask.iter().map(|path| ("--mask", path.as_path()));
        let inputs = inputs.into_iter().chain(mask).chain(words.model.input());
        spare_inputs(("--density-out", out), inputs)?;
    }
    let model = words.model.spec_or_of(&[&words.weights], global)?;
    let device = device::of(global)?;
    device::set_threads(global);
    let weights = weights::read(&words.weights, &model, global)?;
    let mask = match &words.mask {
        Some(path) => Some(masks::read(path, &model, global)?),
        None => weights.mask.clone(),
    };
    let probe = Probe::read(&words.probe, &model, device)?;
    let place = |values: &[f32]| Tensor::from_slice(values).to_device(device);
    let (theta, buffers) = (place(&weights.theta), place(&weights.buffers));
    let network = model.folded_network(Precision::F32)?;

    let started = Instant::now();
    let (images, labels) = probe.whole();
    let n = probe.len() as u64;
    let (graphs, micro_batch) = graphs(&model, probe.image(), n, device)?;
    let of = MeanLoss {
        network: &network,
        theta: &theta,
        buffers: &buffers,
        mask: mask.as_ref(),
        images,
        labels,
    };
    let cannot = || {
        format!(
            "no Hessian of {} on {}",
            words.weights.display(),
            words.probe.display()
        )
    };
    let hessian = Hessian::new(of, Product::DoubleBackward, micro_batch, graphs).with_context(cannot)?;
    let top = words.top as usize;
    let max_products = words.steps.unwrap_or(300).max(words.top) as usize;
    let basis = MAX_BASIS.max(3 * top);
    let seed = Seed(words.seed);
    let of_trace = if words.trace { TRACE_SAMPLES } else { 0 };
    let of_density = words.density_out.as_ref().map_or(0, |_| {
        let [steps, search] = density_steps(words);
        steps * words.starts as usize + search
    });
    tell_of_products(hessian.products_done(), max_products + of_trace + of_density);
    let mut params = Eigen::new(
        top,
        Which::LargestAlgebraic,
        words.tolerance,
        max_products,
        basis,
        seed,
    )?;
    if words.values_only {
        params = params.values_only();
    }
    let found = hessian.eigenpairs(&params).with_context(cannot)?;
    let trace = words.trace.then(|| OfTrace::of(&hessian, &model, seed));
    let trace = trace.transpose().with_context(cannot)?;
    let mut matvecs = found.products + trace.as_ref().map_or(0, OfTrace::products);
    let mut of_density = None;
    if let Some(path) = &words.density_out {
        let [steps, search] = density_steps(words);
        let params = Density::new(steps, words.starts as usize, seed)?.after_search(search);
        let density = hessian.density(&params).with_context(cannot)?;
        matvecs += density.products;
        let (places, values) = density.smooth(GRID.0, GRID.1)?;
        let mut csv = String::from("eigenvalue,density\n");
        for (place, value) in places.iter().zip(&values) {
            csv.push_str(&format!("{place},{value}\n"));
        }
        atomic::write(path, csv.as_bytes())?;
        let (second_moment, second_moment_standard_error) = density.moment(2);
        of_density = Some(OfDensity {
            n_starts: words.starts,
            n_known: density.n_known,
            second_moment,
            second_moment_standard_error,
        });
    }
    let tolerance = words.tolerance;
    let (what, sizes) = if words.values_only {
        ("errors", &found.errors)
    } else {
        ("residuals", &found.residuals)
    };
    let pairs = sizes.iter().zip(&found.values);
    let parts = pairs
        .filter(|(_, value)| **value != 0.0)
        .map(|(size, value)| size / value.abs());
    let reached = parts.fold(0.0, f64::max);
    let report = Report {
        converged: found.converged && reached <= tolerance,
        eigenvalues: found.values,
        residuals: found.residuals,
        errors: found.errors,
        iterations: found.iterations,
        matvecs,
        seconds: started.elapsed().as_secs_f64(),
        trace: trace.as_ref().map(OfTrace::estimate),
        trace_standard_error: trace.as_ref().and_then(OfTrace::standard_error),
        density: of_density,
        loss: hessian.loss(),
        n_free: sculpt_hessian::Space::dimension(hessian.space()),
    };
    if !report.converged && found.products >= max_products {
        printing::warning(&format!(
            "{} products were not enough for {what} below {tolerance} of the eigenvalues; --steps allows more",
            found.products
        ));
    } else if !report.converged {
        // Residuals hold what rounding hides: a search ends where further products would make them hardly smaller.
        printing::warning(&format!(
            "{what} are up to {reached:.1e} of the eigenvalues, above {tolerance:e}: less is hidden by the rounding of products in f32, and more products would hardly help"
        ));
    }
    if words.json {
        return printing::json(&report);
    }
    // Absolute numbers, all three.
    printing::line("  eigenvalue    |Hv - λv|      ± about");
    let bounds = report.residuals.iter().zip(&report.errors);
    for (value, (residual, error)) in report.eigenvalues.iter().zip(bounds) {
        printing::line(&format!(
            "{:>12} {residual:>12.2e} {error:>12.2e}",
            number(*value)
        ));
    }
    match &trace {
        None => {}
        Some(OfTrace::Exact(trace)) => printing::line(&format!("trace {}, exact", number(*trace))),
        Some(OfTrace::Estimated(trace)) => {
            let error = trace.standard_error.unwrap_or(f64::NAN);
            let estimate = number(trace.estimate);
            printing::line(&format!("trace {estimate}, standard error {}", number(error)));
        }
    }
    if let Some(density) = &report.density {
        let error = density.second_moment_standard_error;
        printing::line(&format!(
            "density of {} starts, {} eigenvalues known; tr H^2 / n {:.4e}{}",
            density.n_starts,
            density.n_known,
            density.second_moment,
            error.map_or_else(String::new, |error| format!(", standard error {error:.1e}"))
        ));
    }
    printing::line(&format!(
        "loss {} over {n} images, {} free coordinates, {matvecs} products in {:.1} s",
        number(report.loss),
        report.n_free,
        report.seconds
    ));
    Ok(())
}
