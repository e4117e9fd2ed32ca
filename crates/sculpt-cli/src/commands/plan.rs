//! `plan`: what an artefact costs, without training.

use super::bench;
use super::preset::{PresetWords, artefacts};
use crate::words::Global;
use crate::{device, places, printing};
use clap::Args;
use sculpt_experiments::{PanelName, Plan, Preset, Recipe, StateRef, plan};
use sculpt_report::{Artefact, Needs};
use serde::Serialize;

#[derive(Args)]
pub(crate) struct Words {
    /// figure 5, several artefacts, or all
    #[arg(required = true, value_name = "ARTEFACT")]
    artefacts: Vec<String>,
    #[command(flatten)]
    preset: PresetWords,
    /// Do not measure this machine's throughput, and give no hours
    #[arg(long)]
    no_bench: bool,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Costs {
    preset: String,
    suite: String,
    data: String,
    #[serde(flatten)]
    plan: Plan,
    /// Training only, one job; evaluation adds some percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    hours: Option<f64>,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    let wanted = artefacts(&words.artefacts)?;
    let preset = words.preset.preset()?;
    let store = places::store(global);
    let (recipe, curves) = needs(&wanted, &preset, |needs| needs)?;
    let plan = plan(&recipe, &curves, &store)?;
    let mut hours = (!words.no_bench).then_some(0.0);
    if let Some(hours) = &mut hours {
        let device = device::of(global)?;
        for work in &plan.work {
            let threads = global.threads.unwrap_or(work.threads);
            let speed = bench::throughput(
                &work.model,
                work.side,
                work.batch,
                work.precision,
                threads,
                device,
            )?;
            *hours += work.images as f64 / speed / 3600.0;
        }
    }
    let costs = Costs {
        preset: preset.name.to_string(),
        suite: preset.suite_name(),
        data: preset.title_of(PanelName::A).to_owned(),
        plan,
        hours,
    };
    if words.json {
        return printing::json(&costs);
    }
    let p = &costs.plan;
    let gain = p.epochs_without_sharing as f64 / p.epochs.max(1) as f64;
    printing::line(&format!("suite     {} on {}", costs.suite, costs.data));
    printing::line(&format!(
        "nodes     {}: {} done, {} to do",
        p.nodes, p.nodes_done, p.nodes_to_do
    ));
    printing::line(&format!(
        "epochs    {}: {} to do; {} if every curve were trained on its own ({gain:.1} x)",
        p.epochs, p.epochs_to_do, p.epochs_without_sharing
    ));
    printing::line(&format!(
        "training  {:.3e} FLOPs as executed (dense), {:.3e} if pruned weights cost nothing",
        p.flops_dense, p.flops_sparse_ideal
    ));
    printing::line(&format!("store     {:.1} MB", p.bytes as f64 / 1e6));
    if let Some(hours) = costs.hours {
        printing::line(&format!(
            "time      {} with one job, at the throughput measured here",
            duration(hours)
        ));
    }
    Ok(())
}

/// The nodes of several artefacts, and the states of each of their curves; `of` picks their panels.
pub(crate) fn needs(
    artefacts: &[&Artefact],
    preset: &Preset,
    of: impl Fn(Needs) -> Needs,
) -> anyhow::Result<(Recipe, Vec<Vec<StateRef>>)> {
    let (mut recipe, mut curves) = (Recipe::default(), Vec::new());
    for artefact in artefacts {
        let needs = of(artefact.needs(preset)?);
        recipe.merge(needs.recipe());
        curves.extend(needs.curves());
    }
    Ok((recipe, curves))
}

fn duration(hours: f64) -> String {
    if hours < 1.0 {
        format!("{:.0} minutes", (60.0 * hours).max(1.0))
    } else {
        format!("{hours:.1} hours")
    }
}
