//! `sculpt signs`: how many signs two networks share.

use crate::commands::{masks, model::ModelWords, weights};
use crate::printing;
use crate::words::Global;
use anyhow::Context;
use clap::Args;
use sculpt_checkpoints::Weights;
use sculpt_layout::Layout;
use sculpt_masks::Mask;
use sculpt_signs::overlap;
use std::path::{Path, PathBuf};

/// The overlap is the fraction of surviving prunable weights with equal sign; 0 equals only 0. Without --mask, what
/// survives in either file is compared: all weights, where the files carry no masks.
#[derive(Args)]
pub(crate) struct Words {
    #[command(flatten)]
    model: ModelWords,
    /// Checkpoint, state_dict, or a state's id
    #[arg(long, value_name = "FILE|ID")]
    a: PathBuf,
    /// Checkpoint, state_dict, or a state's id
    #[arg(long, value_name = "FILE|ID")]
    b: PathBuf,
    /// Mask file, or a state's id: which weights are compared
    #[arg(long, value_name = "FILE|ID")]
    mask: Option<PathBuf>,
    /// Print one JSON object: overlap, n, layers
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    let model = words.model.spec_or_of(&[&words.a, &words.b], global)?;
    let layout = model.layout();
    let a = weights::read(&words.a, &model, global)?;
    let b = weights::read(&words.b, &model, global)?;
    let mask = match &words.mask {
        Some(path) => masks::read(path, &model, global)?,
        None => masks::of(&a, &layout).union(&masks::of(&b, &layout)),
    };
    let both = [(words.a.as_path(), &a), (words.b.as_path(), &b)];
    say_pruned(both, &mask, &layout, words.mask.is_some());
    let report = overlap(&layout, &mask, &a.theta, &b.theta).with_context(|| {
        format!(
            "{} and {} cannot be compared",
            words.a.display(),
            words.b.display()
        )
    })?;
    if words.json {
        return printing::json(&report);
    }
    let width = report
        .layers
        .iter()
        .map(|layer| layer.name.len())
        .max()
        .unwrap_or(0);
    for layer in &report.layers {
        let (name, n) = (&layer.name, layer.n);
        let percent = match layer.overlap {
            Some(overlap) => format!("{:>6.2} %", 100.0 * overlap),
            None => "nothing left".to_owned(),
        };
        printing::line(&format!("{name:width$} {:>9} of {n:>9} {percent}", layer.n_equal));
    }
    printing::line(&format!(
        "{:.2} % of {} signs are equal, {} differ",
        100.0 * report.overlap,
        report.n,
        report.n_flips()
    ));
    Ok(())
}

/// Says which of the weights that are compared are pruned all the same.
fn say_pruned(both: [(&Path, &Weights); 2], mask: &Mask, layout: &Layout, is_given: bool) {
    let pruned = both.map(|(path, weights)| {
        let n = mask.n_kept() - mask.intersect(&masks::of(weights, layout)).n_kept();
        (path.display(), n)
    });
    let pruned: Vec<_> = pruned.iter().filter(|(_, n)| *n > 0).collect();
    let Some((path, _)) = pruned.first() else {
        return;
    };
    let in_each: Vec<_> = pruned.iter().map(|(path, n)| format!("{n} in {path}")).collect();
    // What one of them keeps, the other has.
    let advice = match pruned.len() == 1 && !is_given {
        true => format!(": --mask {path} compares those that it keeps"),
        false => String::new(),
    };
    printing::note(&format!(
        "of the {} weights that are compared some are pruned, {}, and count as 0 there{advice}",
        mask.n_kept(),
        in_each.join(" and ")
    ));
}
