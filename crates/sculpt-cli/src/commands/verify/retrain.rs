//! `verify SUITE --retrain N`: whether what a suite says was trained comes out again.

use super::{Findings, PlaceKind};
use crate::commands::plan::needs;
use crate::commands::reproduce::by_names;
use crate::cuda::Graphs;
use crate::words::BadUsage;
use crate::{device, places, printing, words::Global};
use anyhow::{Context, bail};
use sculpt_experiments::{
    AnySuite, DataFolder, Ended, Environment, Node, NodeId, Progress, PublishedSuite, Recipe, Runner,
    StateRef, Store,
};
use sculpt_random::{Purpose, Seed, Stream};
use sculpt_trainers::Recorder;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// What is asked for.
pub(super) struct Asked {
    pub(super) n: u32,
    pub(super) seed: u64,
    pub(super) data: DataFolder,
}

/// How a node came out.
#[derive(Serialize)]
pub(super) struct Retrained {
    id: NodeId,
    epoch: u32,
    /// Whether the state has the same bytes.
    same: bool,
    /// Whether it was trained in the environment that the suite names.
    same_environment: bool,
    /// Test images that are classified rightly: now, and as the suite says.
    n_correct: Option<u64>,
    published_correct: Option<u64>,
    n: Option<u64>,
}

/// So often it is told how far a long node is.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// The nodes are drawn by their own stream.
const PURPOSE: Purpose = Purpose::new(b"retrain-");

/// Trains random nodes of a suite again, each from the nearest states that the suite has of its ancestors, in a store that is thrown
/// away.
pub(super) fn retrain(
    folder: &Path,
    asked: &Asked,
    global: &Global,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let not_one = || {
        BadUsage(format!(
            "--retrain trains nodes of published suites again, and {} is none",
            folder.display()
        ))
    };
    let Some(suite) = AnySuite::in_folder(folder).ok().flatten() else {
        return Err(not_one().into());
    };
    let published = PublishedSuite::open(folder)?;
    let recipe = match &suite {
        AnySuite::OfPreset(suite) => needs(&by_names(&suite.artefacts)?, &suite.preset, |needs| needs)?.0,
        AnySuite::OfRecipe(suite) => {
            suite.recipe(&places::store(global), &sculpt_store::paths::suite_json(folder))?
        }
    };
    let (chosen, needed) = choose(&published, &recipe, asked);
    if chosen.is_empty() {
        bail!(
            "{} has no trained state that its artefacts need: nothing can be trained again",
            folder.display()
        );
    }
    let device = device::of(global)?;
    let n_epochs: u32 = needed.iter().map(|(_, entry)| entry.node.last_epoch()).sum();
    let ids: Vec<_> = chosen.iter().map(|state| state.id.short()).collect();
    printing::note(&format!(
        "to be trained again: {}; with {} nodes that they come from and the suite does not have, {n_epochs} epochs",
        ids.join(", "),
        needed.len() - chosen.len(),
    ));
    let runs = tempfile::tempdir().context("no folder for the training can be made")?;
    let store = Store::new(runs.path()).with_suite(folder);
    let never = AtomicBool::new(false);
    let mut last = Instant::now();
    let mut report = |progress: Progress| {
        if let Some(epoch) = progress.epoch
            && last.elapsed() >= TELL_EVERY
        {
            last = Instant::now();
            printing::note(&format!(
                "  epoch {}: loss {:.4}, accuracy {:.2} % on training images",
                epoch.epoch,
                epoch.train_loss,
                100.0 * epoch.train_accuracy
            ));
        }
    };
    let graphs = Graphs::of(device);
    let mut runner = Runner::new(&store, &asked.data, device, &never, &mut report)
        .recorded_by(graphs.as_ref().map(|graphs| graphs as &dyn Recorder));
    let mut n_done = 0;
    for (id, entry) in needed.iter() {
        store.describe(id, entry)?;
        if let Node::Train(train) = &entry.node {
            n_done += train.epochs;
            let (id, epochs) = (id.short(), train.epochs);
            printing::note(&format!("{id}: {epochs} epochs, to epoch {n_done} of {n_epochs}"));
        }
        let ended = runner.run(id)?;
        assert!(ended == Ended::Done, "nobody stops it, and the store was empty");
        let Some(state) = chosen.iter().find(|state| state.id == *id) else {
            continue;
        };
        let here = Environment::here(device, entry.threads);
        let outcome = compare(state, &store, &published, &here)?;
        judge(folder, &outcome, findings);
        findings.retrained.push(outcome);
    }
    Ok(())
}

/// The states to make again, at most one of a node, and what must run for them.
fn choose(published: &PublishedSuite, recipe: &Recipe, asked: &Asked) -> (Vec<StateRef>, Recipe) {
    let ids: BTreeSet<&NodeId> = published.ids().collect();
    let trained = |id: &&NodeId| matches!(recipe.get(id).map(|entry| &entry.node), Some(Node::Train(_)));
    let mut last: Vec<StateRef> = ids
        .into_iter()
        .filter(trained)
        .filter_map(|id| {
            let epoch = published.epochs(id).max()?;
            Some(StateRef {
                id: id.clone(),
                epoch,
            })
        })
        .collect();
    // What came from somebody's file comes from nowhere else: behind it nothing can be made again, unless the suite has it.
    let from_files = |state: &StateRef| {
        let needed = recipe.needed([state], |other| other != state && published.has(other));
        needed.iter().any(|(id, entry)| {
            let loads = matches!(entry.node, Node::LoadMask(_) | Node::LoadWeights(_));
            loads && published.epochs(id).next().is_none()
        })
    };
    last.retain(|state| !from_files(state));
    Stream::new(Seed(asked.seed), PURPOSE, 0).shuffle(&mut last);
    last.truncate(asked.n as usize);
    let is_chosen = |id: &NodeId| last.iter().any(|state| state.id == *id);
    let needed = recipe.needed(&last, |state| !is_chosen(&state.id) && published.has(state));
    // What the suite has is read there.
    let mut missing = Recipe::default();
    for (id, entry) in needed.iter() {
        let here = |epoch: &u32| {
            published.has(&StateRef {
                id: id.clone(),
                epoch: *epoch,
            })
        };
        if is_chosen(id) || !entry.keep.iter().all(here) {
            missing.take(id, entry.clone());
        }
    }
    (last, missing)
}

fn compare(
    state: &StateRef,
    store: &Store,
    published: &PublishedSuite,
    here: &Environment,
) -> anyhow::Result<Retrained> {
    let place = published
        .place(state)
        .context("the state was chosen from the suite's")?;
    let (now, then) = (store.load(state)?, place.load()?);
    let (score, before) = (store.recorded(state)?, published.recorded(state));
    Ok(Retrained {
        id: state.id.clone(),
        epoch: state.epoch,
        same: now.sha256() == then.sha256(),
        same_environment: published.environment() == Some(here),
        n_correct: score.map(|score| score.n_correct),
        published_correct: before.map(|score| score.n_correct),
        n: score.map(|score| score.n),
    })
}

/// The same environment gives the same bytes. Another rounds otherwise, and after some epochs the states have nothing in common but how
/// good they are: they may differ as two draws of as many test images do, by four standard errors, and by a point of training's own.
fn judge(folder: &Path, outcome: &Retrained, findings: &mut Findings) {
    findings.checked += 1;
    let node = format!("epoch {} of node {}", outcome.epoch, outcome.id.short());
    let right = match (outcome.n_correct, outcome.published_correct, outcome.n) {
        (Some(now), Some(then), Some(n)) => Some((now as f64, then as f64, n as f64)),
        _ => None,
    };
    if outcome.same {
        findings
            .notes
            .push(format!("{node} came out with the same bytes"));
        return;
    }
    if outcome.same_environment {
        let detail = format!("{node} comes out with other bytes in the environment that the suite names");
        return findings.say(folder, PlaceKind::Retrained, detail);
    }
    let Some((now, then, n)) = right else {
        let detail = format!(
            "{node} came out with other bytes in another environment, and no score of it is recorded"
        );
        return findings.notes.push(detail);
    };
    let p = (now + then) / (2.0 * n);
    let allowed = 4.0 * (2.0 * p * (1.0 - p) / n).sqrt() + 0.01;
    let sentence = format!(
        "{node} classifies {now} of {n} test images rightly when it is trained here, in another environment, and {then} as published"
    );
    if (now - then).abs() / n <= allowed {
        findings.notes.push(sentence);
    } else {
        let detail = format!("{sentence}: more than {:.1} points apart", 100.0 * allowed);
        findings.say(folder, PlaceKind::Retrained, detail);
    }
}
