//! `simulate`: how long a grid takes on machines that are not there, by the scheduler's own loop.

use super::plan::needs;
use super::preset::{PresetWords, artefacts};
use super::speed::Speeds;
use crate::display::duration;
use crate::words::{BadUsage, Global};
use crate::{device, places, printing};
use anyhow::bail;
use clap::Args;
use sculpt_experiments::{Entry, Machines, Recipe, Simulated, Store, Work, counted, limits, simulate};
use sculpt_measures::Cache;
use serde::Serialize;
use std::collections::HashMap;

#[derive(Args)]
pub(crate) struct Words {
    /// figure 5, several artefacts, or all
    #[arg(required = true, value_name = "ARTEFACT")]
    artefacts: Vec<String>,
    #[command(flatten)]
    preset: PresetWords,
    /// Machines, or places on them, that train a chain each
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1, 8, 64, 512], value_parser = |word: &str| limits::MACHINES.parse(word))]
    machines: Vec<u32>,
    /// Losses of a machine an hour; what it had not saved is trained again
    #[arg(
        long,
        value_name = "RATE",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    failures: f64,
    /// Seconds that a job waits in the queue
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    delay: f64,
    /// Images a second that a machine trains, of every network [default: as measured here by `plan --measure`]
    #[arg(long, value_name = "X")]
    images_per_second: Option<f64>,
    /// Draws the losses
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    machines: u32,
    hours: f64,
    /// Part of the machines' time that is work.
    used: f64,
    losses: u64,
    jobs: usize,
}

#[derive(Serialize)]
struct Report {
    nodes: usize,
    /// Of one machine without losses and delays.
    hours: f64,
    /// No number of machines is faster than the longest chain.
    critical_path_hours: f64,
    /// More machines than these cannot all be at work: the work over the longest chain.
    machines_that_help: u64,
    rows: Vec<Row>,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    for (flag, value) in [("--failures", words.failures), ("--delay", words.delay)] {
        if !(value.is_finite() && (0.0..=1e6).contains(&value)) {
            return Err(BadUsage(format!("{flag} {value} is not in 0..=1000000")).into());
        }
    }
    if words
        .images_per_second
        .is_some_and(|speed| !(speed.is_finite() && speed > 0.0))
    {
        return Err(BadUsage("--images-per-second is a number above 0".to_owned()).into());
    }
    let data = words.preset.data.folder(global, 1)?;
    let preset = words.preset.preset(&data)?;
    let (recipe, curves) = needs(&artefacts(&words.artefacts)?, &preset, |needs| needs)?;
    let store = places::store(global);
    let needed = recipe.needed(curves.iter().flatten(), |state| store.has(state));
    let cache = Cache::new(&places::runs(global));
    let speeds = Speeds::new(cache, device::of(global)?, false, data.pictures.as_ref());
    let speed = |work: &Work| match words.images_per_second {
        Some(speed) => Ok(Some(speed)),
        None => speeds.of(work, global.threads.unwrap_or(work.threads)),
    };
    let seconds = match seconds_of(&needed, speed)? {
        Ok(seconds) => seconds,
        Err(work) => bail!(
            "how fast {} trains on images of {} x {} is not known: `sculpt plan --measure` of the same measures it here, \
             --images-per-second X says it",
            work.model,
            work.side,
            work.side
        ),
    };
    let mut rows = Vec::new();
    let mut last = None;
    for &n in &words.machines {
        let machines = Machines {
            n: n as usize,
            failures_per_hour: words.failures,
            delay: words.delay,
            seed: words.seed,
        };
        let Some(found) = on(&needed, &store, &seconds, machines) else {
            bail!(
                "--failures {}: a million of {n} machines were lost before the end; nodes save every minute, and each machine lives {:.0} s \
                 on average",
                words.failures,
                3600.0 / words.failures
            );
        };
        rows.push(Row {
            machines: n,
            hours: found.seconds / 3600.0,
            used: if found.seconds > 0.0 {
                found.work / (found.seconds * f64::from(n))
            } else {
                1.0
            },
            losses: found.losses,
            jobs: found.jobs,
        });
        last = Some(found);
    }
    let Some(found) = last else {
        return Err(BadUsage("--machines names none".to_owned()).into());
    };
    let report = Report {
        nodes: needed
            .iter()
            .filter(|(id, entry)| !store.is_done(id, entry))
            .count(),
        hours: found.work / 3600.0,
        critical_path_hours: found.critical_path / 3600.0,
        machines_that_help: (found.work / found.critical_path.max(f64::MIN_POSITIVE)).ceil() as u64,
        rows,
    };
    if words.json {
        return printing::json(&report);
    }
    if report.nodes == 0 {
        printing::line("every node is done: nothing is left to train");
        return Ok(());
    }
    let time = |hours: f64| duration(3600.0 * hours);
    printing::line(&format!(
        "{}, {} of work; the longest chain takes {}: more than {} cannot all be at work",
        counted(report.nodes, "node"),
        time(report.hours),
        time(report.critical_path_hours),
        counted(report.machines_that_help, "machine")
    ));
    for row in &report.rows {
        printing::line(&format!(
            "{:>6} machines {:>10}, {:>5.1} % of their time is work, {} losses, {} jobs",
            row.machines,
            time(row.hours),
            100.0 * row.used,
            row.losses,
            row.jobs
        ));
    }
    Ok(())
}

fn on(
    needed: &Recipe,
    store: &Store,
    seconds: &HashMap<String, f64>,
    machines: Machines,
) -> Option<Simulated> {
    let of = |entry: &Entry| {
        let work = Work::of(entry).ok().flatten();
        work.map_or(0.0, |work| work.images as f64 * seconds[&work.kind()])
    };
    simulate(needed, |id, entry| store.is_done(id, entry), of, machines)
}

/// Seconds an image of each kind of work that there is, or a kind whose speed is not known.
fn seconds_of(
    needed: &Recipe,
    speed: impl Fn(&Work) -> anyhow::Result<Option<f64>>,
) -> anyhow::Result<Result<HashMap<String, f64>, Work>> {
    let mut found = HashMap::new();
    for (_, entry) in needed.iter() {
        let Some(work) = Work::of(entry)? else {
            continue;
        };
        let kind = work.kind();
        if found.contains_key(&kind) {
            continue;
        }
        match speed(&work)? {
            Some(speed) => found.insert(kind, 1.0 / speed),
            None => return Ok(Err(work)),
        };
    }
    Ok(Ok(found))
}

/// Hours of the longest chain of nodes that wait for each other, and of all nodes; none where a speed is not known.
pub(super) fn longest_chain(
    needed: &Recipe,
    store: &Store,
    speeds: &Speeds,
    threads: Option<u32>,
) -> anyhow::Result<Option<(f64, f64)>> {
    let speed = |work: &Work| speeds.of(work, threads.unwrap_or(work.threads));
    let Ok(seconds) = seconds_of(needed, speed)? else {
        return Ok(None);
    };
    let one = Machines {
        n: 1,
        failures_per_hour: 0.0,
        delay: 0.0,
        seed: 0,
    };
    let found = on(needed, store, &seconds, one);
    Ok(found.map(|found| (found.critical_path / 3600.0, found.work / 3600.0)))
}
