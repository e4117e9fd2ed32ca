//! `plan`: what an artefact costs, without training.

use super::preset::{PresetWords, artefacts, check_suite_name};
use super::reproduce::suite_to_train;
use super::speed::Speeds;
use super::work::Training;
use crate::words::Global;
use crate::{device, places, printing, slurm};
use clap::Args;
use sculpt_experiments::{DataFolder, PanelName, Plan, Preset, Recipe, StateRef, Store, limits, plan};
use sculpt_measures::Cache;
use sculpt_report::{Artefact, Needs};
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(crate) struct Words {
    /// figure 5, several artefacts, or all
    #[arg(required = true, value_name = "ARTEFACT")]
    artefacts: Vec<String>,
    #[command(flatten)]
    preset: PresetWords,
    /// Measure what is not known of this machine's speed, and keep it: minutes for large networks
    #[arg(long, conflicts_with = "no_bench")]
    measure: bool,
    /// Also write the scripts of workers for Slurm into this folder, and the suite that they train into the store
    #[arg(long, value_name = "DIR")]
    slurm: Option<PathBuf>,
    /// Of the scripts: how many workers
    #[arg(long, value_name = "N", default_value_t = 1, requires = "slurm", value_parser = |word: &str| limits::JOBS.parse(word))]
    workers: u32,
    /// Of the scripts: a table of slurm.toml, or the name of such a file
    #[arg(long, value_name = "PROFILE", requires = "slurm")]
    profile: Option<String>,
    /// Name of the suite [default: the preset with its overrides]
    #[arg(long, value_name = "NAME")]
    suite: Option<String>,
    /// Give no hours
    #[arg(long)]
    no_bench: bool,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

impl Words {
    fn suite_name(&self, preset: &Preset) -> anyhow::Result<String> {
        let name = self.suite.clone().unwrap_or_else(|| preset.suite_name());
        check_suite_name(&name)?;
        Ok(name)
    }
}

#[derive(Serialize)]
struct Costs {
    preset: String,
    suite: String,
    data: String,
    #[serde(flatten)]
    plan: Plan,
    /// Training only, one job; evaluation adds some percent. None where the speed of a part is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    hours: Option<f64>,
    /// Of the longest chain of nodes that wait for each other: no number of machines is faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    longest_chain_hours: Option<f64>,
    /// More machines than these cannot all be at work.
    #[serde(skip_serializing_if = "Option::is_none")]
    machines_that_help: Option<u64>,
    /// What of it each data set and network takes: panels of figures that share them are one row.
    panels: Vec<Row>,
}

#[derive(Serialize)]
struct Planned {
    #[serde(flatten)]
    costs: Costs,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scripts: Vec<PathBuf>,
}

/// Tasks of an array where no Slurm is here to be asked: its default.
const USUAL_ARRAY: u32 = 1001;

/// Writes what starts workers, for whoever submits it.
fn scripts(
    words: &Words,
    folder: &Path,
    wanted: &[&Artefact],
    preset: &Preset,
    data: &DataFolder,
    global: &Global,
) -> anyhow::Result<Vec<PathBuf>> {
    let store = places::store(global);
    let suite = suite_to_train(words.suite_name(preset)?, preset, wanted, &store)?;
    suite.save(&store)?;
    let mut needed = super::work::of_suite(&suite.name, &store, data)?;
    global.tell_threads(&mut needed);
    let training = Training {
        suite: &suite.name,
        needed: &needed,
        store: &store,
        data,
        n_jobs: words.workers,
        published: true,
    };
    let work = training.work(1, global);
    let profile = slurm::Profile::find(words.profile.as_deref())?;
    let largest = slurm::max_array_size().unwrap_or(USUAL_ARRAY);
    slurm::write_scripts(folder, &work, &profile, words.workers, largest)
}

#[derive(Serialize)]
struct Row {
    data: String,
    model: String,
    /// Artefacts that show it.
    shown_in: Vec<String>,
    /// Why it cannot be trained here; none where it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked: Option<String>,
    #[serde(flatten)]
    plan: Plan,
    #[serde(skip_serializing_if = "Option::is_none")]
    hours: Option<f64>,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    let wanted = artefacts(&words.artefacts)?;
    let data = words.preset.data.folder(global, 1)?;
    let preset = words.preset.preset(&data)?;
    let suite = words.suite_name(&preset)?;
    let store = places::store(global);
    let mut all = Vec::new();
    for artefact in &wanted {
        all.push(artefact.needs(&preset)?);
    }
    let (recipe, curves) = joined(&all);
    let whole = plan(&recipe, &curves, &store)?;
    let speeds = if words.no_bench {
        None
    } else {
        let cache = Cache::new(&places::runs(global));
        Some(Speeds::new(
            cache,
            device::of(global)?,
            words.measure,
            data.pictures.as_ref(),
        ))
    };
    let asked = Asked {
        wanted: &wanted,
        needs: &all,
        preset: &preset,
        data: &data,
        store: &store,
        threads: global.threads,
        speeds,
    };
    let needed = recipe.needed(curves.iter().flatten(), |state| store.has(state));
    let chain = match &asked.speeds {
        Some(speeds) => super::simulate::longest_chain(&needed, &store, speeds, global.threads)?,
        None => None,
    };
    let mut panels = Vec::new();
    for panel in PanelName::ALL {
        panels.extend(asked.row(panel)?);
    }
    let hours: Option<Vec<f64>> = panels.iter().map(|row| row.hours).collect();
    let costs = Costs {
        preset: preset.name.to_string(),
        suite,
        data: preset.title_of(PanelName::A).to_owned(),
        plan: whole,
        hours: hours.filter(|_| !words.no_bench).map(|hours| hours.iter().sum()),
        longest_chain_hours: chain.map(|(longest, _)| longest),
        machines_that_help: chain
            .filter(|(longest, _)| *longest > 0.0)
            .map(|(longest, all)| (all / longest).ceil() as u64),
        panels,
    };
    let scripts = match &words.slurm {
        Some(folder) => scripts(words, folder, &wanted, &preset, &data, global)?,
        None => Vec::new(),
    };
    if words.json {
        return printing::json(&serde_json::json!(Planned { costs, scripts }));
    }
    print(&costs, !words.no_bench);
    for script in scripts {
        printing::line(&format!("script    sbatch {}", script.display()));
    }
    Ok(())
}

/// What a plan is asked of.
struct Asked<'a> {
    wanted: &'a [&'a Artefact],
    /// Of each of them.
    needs: &'a [Needs],
    preset: &'a Preset,
    data: &'a DataFolder,
    store: &'a Store,
    threads: Option<u32>,
    /// None where no hours are given.
    speeds: Option<Speeds>,
}

impl Asked<'_> {
    /// What a panel's data and network take; none where no artefact shows them.
    fn row(&self, panel: PanelName) -> anyhow::Result<Option<Row>> {
        let shows = |artefact: &&&Artefact| artefact.panels().contains(&panel);
        let shown_in: Vec<_> = self.wanted.iter().filter(shows).collect();
        if shown_in.is_empty() {
            return Ok(None);
        }
        let own = |needs: &Needs| needs.clone().only(|own| own == panel);
        let (recipe, curves) = joined(&self.needs.iter().map(own).collect::<Vec<_>>());
        let plan = plan(&recipe, &curves, self.store)?;
        let mut hours = self.speeds.is_some().then_some(0.0);
        for work in &plan.work {
            let Some(speeds) = &self.speeds else { break };
            let speed = speeds.of(work, self.threads.unwrap_or(work.threads))?;
            hours = hours
                .zip(speed)
                .map(|(sum, speed)| sum + work.images as f64 / speed / 3600.0);
        }
        let blocked = match self.data.is_at_hand(&self.preset.data_of(panel)) {
            Ok(true) => None,
            Ok(false) => Some("data not at hand".to_owned()),
            Err(error) => Some(error.to_string()),
        };
        Ok(Some(Row {
            data: self.preset.title_of(panel).to_owned(),
            model: self.preset.panel(panel)?.model.to_string(),
            shown_in: shown_in
                .iter()
                .map(|artefact| artefact.name.to_string())
                .collect(),
            blocked,
            plan,
            hours,
        }))
    }
}

fn print(costs: &Costs, with_hours: bool) {
    let p = &costs.plan;
    let gain = p.epochs_without_sharing as f64 / p.epochs.max(1) as f64;
    printing::line(&format!("suite     {}", costs.suite));
    printing::line(&format!(
        "nodes     {}: {} done, {} to do",
        p.nodes, p.nodes_done, p.nodes_to_do
    ));
    printing::line(&format!(
        "epochs    {}: {} to do; {} if every curve were trained on its own ({gain:.1} x)",
        p.epochs, p.epochs_to_do, p.epochs_without_sharing
    ));
    printing::line(&format!(
        "training  {:.3e} FLOPs as executed (dense), {:.3e} if pruned weights cost nothing (of masks by a criterion: in layers as ERK's)",
        p.flops_dense, p.flops_sparse_ideal
    ));
    printing::line(&format!("store     {:.2} GB", p.bytes as f64 / 1e9));
    for row in &costs.panels {
        let time = match row.hours {
            _ if !with_hours => String::new(),
            Some(hours) => format!(", {}", duration(hours)),
            None => ", time not known".to_owned(),
        };
        let blocked = row
            .blocked
            .as_deref()
            .map_or(String::new(), |why| format!("; {why}"));
        printing::line(&format!(
            "{}, {}: {} of {} epochs to do, {:.2e} FLOPs (sparse {:.2e}), {:.2} GB{time}{blocked}",
            row.data,
            row.model,
            row.plan.epochs_to_do,
            row.plan.epochs,
            row.plan.flops_dense,
            row.plan.flops_sparse_ideal,
            row.plan.bytes as f64 / 1e9,
        ));
    }
    let blocked = costs.panels.iter().filter(|row| row.blocked.is_some());
    let blocked: u64 = blocked.map(|row| row.plan.epochs_to_do).sum();
    if blocked > 0 {
        printing::line(&format!(
            "of these {blocked} epochs cannot be trained here: their data are not at hand"
        ));
    }
    match costs.hours {
        Some(hours) => printing::line(&format!(
            "time      {} with one job, at this machine's speed{}",
            duration(hours),
            costs.longest_chain_hours.zip(costs.machines_that_help).map_or_else(String::new, |(longest, machines)| {
                format!(
                    "; the longest chain is {}: more than {machines} machines cannot all be at work (`simulate` says more)",
                    duration(longest)
                )
            })
        )),
        None if with_hours => {
            printing::note("where the time is not known, --measure measures it and remembers it");
        }
        None => {}
    }
    if with_hours {
        printing::note(
            "times rest on this machine's speed without masks (which make training faster): as --measure found it, else as a step of 16 images lets expect; decoding of \
             pictures is in them where these are at hand",
        );
    }
}

/// The nodes of several artefacts, and the states of each of their curves; `of` picks their panels.
pub(crate) fn needs(
    artefacts: &[&Artefact],
    preset: &Preset,
    of: impl Fn(Needs) -> Needs,
) -> anyhow::Result<(Recipe, Vec<Vec<StateRef>>)> {
    let mut all = Vec::new();
    for artefact in artefacts {
        all.push(of(artefact.needs(preset)?));
    }
    Ok(joined(&all))
}

fn joined(all: &[Needs]) -> (Recipe, Vec<Vec<StateRef>>) {
    let (mut recipe, mut curves) = (Recipe::default(), Vec::new());
    for needs in all {
        recipe.merge(needs.recipe());
        curves.extend(needs.curves());
    }
    (recipe, curves)
}

fn duration(hours: f64) -> String {
    match hours {
        0.0..1.0 => format!("{:.0} minutes", (60.0 * hours).max(1.0)),
        1.0..72.0 => format!("{hours:.1} hours"),
        72.0..17_520.0 => format!("{:.0} days", hours / 24.0),
        _ => format!("{:.0} years", hours / 8_766.0),
    }
}
