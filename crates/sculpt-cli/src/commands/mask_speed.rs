//! `bench mask`: choosing the largest of many scores.

use super::bench::{SEED, Timing, timing};
use crate::printing;
use crate::words::BadUsage;
use clap::{Args, value_parser};
use sculpt_masks::{Density, Mask, keep_top};
use sculpt_random::{Purpose, Stream};
use serde::Serialize;

#[derive(Args)]
pub(super) struct Words {
    /// Scores
    #[arg(long, value_name = "N", default_value_t = 25_000_000, value_parser = value_parser!(u32).range(1..=1_000_000_000))]
    n: u32,
    /// Fraction kept
    #[arg(long, value_name = "D", default_value = "0.1", allow_hyphen_values = true)]
    density: Density,
    /// Repetitions
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    n: u32,
    kept: usize,
    #[serde(flatten)]
    timing: Timing,
    scores_per_second: f64,
    sha256: String,
}

pub(super) fn run(words: &Words) -> anyhow::Result<()> {
    let n = words.n as usize;
    let mut stream = Stream::new(SEED, Purpose::TEST, 0);
    let scores: Vec<f32> = (0..n).map(|_| stream.uniform() as f32).collect();
    let n_kept = words
        .density
        .n_kept(n)
        .map_err(|error| BadUsage(format!("--density: {error}")))?;
    let mut mask = Ok(Mask::full(0));
    let timing = timing(words.rounds, &mut || mask = keep_top(&scores, n_kept, None));
    let (mask, median_seconds) = (mask?, timing.median_seconds);
    let report = Report {
        n: words.n,
        kept: mask.n_kept(),
        timing,
        scores_per_second: n as f64 / median_seconds,
        sha256: mask.sha256(),
    };
    if words.json {
        return printing::json(&report);
    }
    printing::line(&format!(
        "{} of {n} scores kept in {median_seconds:.4} s (median of {})",
        report.kept, words.rounds
    ));
    Ok(())
}
