//! `status`: how far suites are, and who is at it. The store tells all but who is queued.

use super::ls::Named;
use super::plan::needs;
use super::reproduce::by_names;
use crate::slurm::{self, Queued};
use crate::words::Global;
use crate::{places, printing};
use clap::Args;
use sculpt_experiments::{AnySuite, MetricsRow, NodeId, Recipe, StateRef, Store, counted};
use sculpt_store::{Holder, paths};
use serde::Serialize;
use std::cell::Cell;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, SystemTime};
use std::{fs, thread};

#[derive(Args)]
pub(crate) struct Words {
    /// One suite [default: all of the store]
    #[arg(long, value_name = "NAME")]
    suite: Option<String>,
    /// Without what published and fetched suites hold, as for runs with the same word
    #[arg(long)]
    no_published: bool,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Suite {
    suite: String,
    done: usize,
    running: Vec<Running>,
    /// Whose training diverged, or whose last run ended with an error.
    failed: Vec<Failed>,
    /// Begun by somebody who is no longer at it.
    begun: usize,
    /// Not begun.
    waiting: usize,
    /// Workers that Slurm has queued or runs; none where there is no Slurm here.
    workers: Option<Vec<Queued>>,
    /// What the last worker said, where none is left and something is not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_words: Option<String>,
}

#[derive(Serialize)]
struct Failed {
    id: NodeId,
    names: Vec<String>,
    why: String,
}

#[derive(Serialize)]
struct Running {
    id: NodeId,
    names: Vec<String>,
    /// The machine and the process that are at it.
    by: Option<Holder>,
    /// Epochs behind it, and in all.
    epoch: u32,
    epochs: u32,
    /// Of the last epoch, nats.
    train_loss: Option<f64>,
    /// Since its last epoch.
    seconds: Option<f64>,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    let store = if words.no_published {
        places::store_alone(global)
    } else {
        places::store(global)
    };
    let named = Named::of(&store);
    let (mut suites, slurm) = (Vec::new(), Cell::new(Slurm::Unasked));
    for suite in all(&store, words.suite.as_deref())? {
        suites.push(of(&suite, &store, &named, &slurm)?);
    }
    if words.json {
        return printing::json(&serde_json::json!({ "suites": suites }));
    }
    if suites.is_empty() {
        printing::note(&format!("{} holds no suite", store.runs().display()));
    }
    for suite in &suites {
        print(suite);
    }
    Ok(())
}

fn all(store: &Store, name: Option<&str>) -> anyhow::Result<Vec<AnySuite>> {
    if let Some(name) = name {
        super::preset::check_suite_name(name)?;
        let Some(suite) = AnySuite::in_store(store, name)? else {
            anyhow::bail!(
                "suite {name:?} is not in {}",
                paths::suites_folder(store.runs()).display()
            );
        };
        return Ok(vec![suite]);
    }
    store.bring_suites()?;
    let files = fs::read_dir(paths::suites_folder(store.runs()))
        .into_iter()
        .flatten()
        .flatten();
    let mut names: Vec<_> = files
        .filter_map(|file| file.file_name().into_string().ok())
        .collect();
    names.sort();
    let mut found = Vec::new();
    for name in names.iter().filter_map(|name| paths::suite_of(name)) {
        match AnySuite::in_store(store, name) {
            Ok(suite) => found.extend(suite),
            Err(error) => printing::warning(&format!("{error}; `sculpt verify` says more")),
        }
    }
    Ok(found)
}

/// What is known of the controller.
#[derive(Clone, Copy, PartialEq)]
enum Slurm {
    Unasked,
    Answers,
    /// Asked for one suite, it is not asked for the others: it is waited for ten seconds and longer.
    Silent,
}

fn of(suite: &AnySuite, store: &Store, named: &Named, slurm: &Cell<Slurm>) -> anyhow::Result<Suite> {
    let (recipe, wanted): (Recipe, Vec<StateRef>) = match suite {
        AnySuite::OfPreset(suite) => {
            let (recipe, curves) = needs(&by_names(&suite.artefacts)?, &suite.preset, |needs| needs)?;
            (recipe, curves.into_iter().flatten().collect())
        }
        AnySuite::OfRecipe(suite) => {
            let path = paths::suite(store.runs(), &suite.name);
            let states = suite.states().iter().map(|named| named.state.clone());
            (suite.recipe(store, &path)?, states.collect())
        }
    };
    let needed = recipe.needed(&wanted, |state| store.has(state));
    let (mut done, mut begun, mut waiting) = (recipe.len() - needed.len(), 0, 0);
    let (mut running, mut failed) = (Vec::new(), Vec::new());
    for (id, entry) in needed.iter() {
        let folder = store.node_folder(id);
        let live = paths::live_epochs(&folder);
        if store.is_done(id, entry) {
            done += 1;
        } else if let Some(why) = store.why_given_up(id) {
            failed.push(Failed {
                id: id.clone(),
                names: named.names(id),
                why,
            });
        } else if !live.is_file() && !paths::progress_state(&folder).is_file() {
            waiting += 1;
        } else if let Some(holding) = store.holding(id)? {
            let rows = store.live_metrics(id).unwrap_or_default();
            let written = fs::metadata(&live).and_then(|found| found.modified()).ok();
            let since = written.and_then(|at| SystemTime::now().duration_since(at).ok());
            // Before the first epoch is over the file is as old as the node's beginning.
            let since = since.filter(|_| !rows.is_empty());
            running.push(Running {
                id: id.clone(),
                names: named.names(id),
                by: holding.by,
                epoch: rows.len() as u32,
                epochs: entry.node.last_epoch(),
                train_loss: rows.last().map(|row: &MetricsRow| row.training.train_loss),
                seconds: since.map(|since| since.as_secs_f64()),
            });
        } else {
            begun += 1;
        }
    }
    let name = slurm::job_name(suite.name(), store.runs());
    let submitted = slurm::was_submitted(&name, store.runs());
    // Without Slurm the store alone says it.
    let workers = match slurm.get() {
        Slurm::Unasked | Slurm::Answers if submitted => queued(&name, slurm),
        _ => None,
    };
    let is_left = begun + waiting > 0 && running.is_empty();
    let nobody = workers.as_ref().is_some_and(Vec::is_empty);
    let has_logs = paths::slurm_folder(store.runs()).is_dir();
    Ok(Suite {
        suite: suite.name().to_owned(),
        done,
        running,
        failed,
        begun,
        waiting,
        last_words: (is_left && nobody && has_logs).then(|| slurm::last_words(store.runs(), &name)),
        workers,
    })
}

/// Whether anybody is queued, by a controller that may be away: that it is waited for is said.
fn queued(name: &str, slurm: &Cell<Slurm>) -> Option<Vec<Queued>> {
    const SAID_AFTER: Duration = Duration::from_secs(2);
    // The store says all the rest.
    const WAITED_FOR: Duration = Duration::from_secs(10);
    let (answered, waits) = mpsc::channel::<()>();
    let teller = thread::spawn(move || {
        if waits.recv_timeout(SAID_AFTER) == Err(RecvTimeoutError::Timeout) {
            printing::note("Slurm is asked who is queued ...");
        }
    });
    let found = slurm::queued_within(name, WAITED_FOR);
    drop(answered);
    let _ = teller.join();
    slurm.set(if found.is_ok() {
        Slurm::Answers
    } else {
        Slurm::Silent
    });
    if let Err(error) = &found {
        printing::warning(&format!("{error}: who is queued is not known"));
    }
    found.ok()
}

fn print(suite: &Suite) {
    printing::line(&format!(
        "{}: {} done, {} running, {} failed, {} begun, {} waiting",
        suite.suite,
        counted(suite.done, "node"),
        suite.running.len(),
        suite.failed.len(),
        suite.begun,
        suite.waiting
    ));
    for node in &suite.running {
        let loss = node
            .train_loss
            .map_or_else(String::new, |loss| format!(", loss {loss:.4}"));
        let since = node
            .seconds
            .map_or_else(String::new, |s| format!(", last epoch {s:.0} s ago"));
        let name = node
            .names
            .first()
            .map_or_else(String::new, |name| format!(" {name}"));
        let by = node.by.as_ref().map_or_else(String::new, |by| format!(", {by}"));
        printing::line(&format!(
            "  {}{name}: epoch {} of {}{loss}{since}{by}",
            node.id.short(),
            node.epoch,
            node.epochs
        ));
    }
    for node in &suite.failed {
        let name = node
            .names
            .first()
            .map_or_else(String::new, |name| format!(" {name}"));
        printing::line(&format!("  {}{name}: {}", node.id.short(), node.why));
    }
    for worker in suite.workers.iter().flatten() {
        printing::line(&format!(
            "  worker {}: {} {}, {}",
            worker.job, worker.state, worker.place, worker.time
        ));
    }
    if let Some(words) = &suite.last_words {
        printing::line(&format!("  no worker is left: {words}"));
    }
}
