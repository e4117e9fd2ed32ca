//! `work`: trains what is missing of a suite, beside other workers on the same store; and what of it `reproduce` and `run` share.

use super::own;
use super::plan::needs;
use super::preset::DataWords;
use super::reproduce::{by_names, panels_at_hand};
use crate::jobs::{Finished, Jobs};
use crate::signals::Stop;
use crate::slurm::{self, Cluster, Place, Profile, Work};
use crate::words::{BadUsage, Global};
use crate::{places, printing};
use anyhow::{Context, bail};
use clap::Args;
use sculpt_experiments::{
    AnySuite, DataFolder, Drive, Entry, NodeId, Recipe, StateRef, Store, counted, limits,
};
use sculpt_store::paths;
use serde::Serialize;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Args)]
pub(crate) struct Words {
    /// A suite of the store, as `reproduce`, `run` or `plan --slurm` describe one
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present = "recipe",
        conflicts_with = "recipe"
    )]
    suite: Option<String>,
    /// Of the suite, what a submission to a cluster wrote down: nothing is expanded anew
    #[arg(long, value_name = "FILE", requires = "suite", conflicts_with = "recipe")]
    nodes: Option<PathBuf>,
    /// A recipe of your own
    #[arg(long, value_name = "FILE.toml")]
    recipe: Option<PathBuf>,
    #[command(flatten)]
    data: DataWords,
    /// Chains trained side by side
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = |word: &str| limits::JOBS.parse(word))]
    jobs: u32,
    /// Save and end after so many minutes
    #[arg(long, value_name = "N")]
    minutes: Option<u32>,
    /// As a job of Slurm that is warned of its end (SIGUSR1): save, and go back into the queue
    #[arg(long)]
    requeue: bool,
    /// Train what published and fetched suites hold too
    #[arg(long)]
    no_published: bool,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// What became of a worker.
#[derive(Serialize)]
struct Report {
    /// Nodes that it ran.
    run: usize,
    failed: Vec<Failed>,
    /// Nodes not run because one that they need failed.
    cut: usize,
    /// Whether it was stopped, and others may go on.
    stopped: bool,
    /// Whether it went back into the queue.
    requeued: bool,
}

#[derive(Serialize)]
struct Failed {
    id: String,
    why: String,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    let data = words.data.folder(global, words.jobs)?;
    let store = if words.no_published {
        places::store_alone(global)
    } else {
        places::store(global)
    };
    let mut needed = match (&words.suite, &words.recipe) {
        (Some(_), _) if let Some(file) = &words.nodes => store.read_list(file).context(
            "a submission (`--on slurm`, `plan --slurm`) writes --nodes: submit again, or leave it out",
        )?,
        (Some(name), _) => of_suite(name, &store, &data)?,
        (None, Some(file)) => {
            let mut user = store.read_user_recipe(file, &data)?;
            global.tell_threads(&mut user.recipe);
            own::keep_files(&mut user, &store)?;
            // As `run` makes one, so that `status`, `draw` and `publish` know of it.
            if let Some(suite) = own::suite_of(&user, file, None, &data, global)? {
                AnySuite::OfRecipe(suite).save(&store)?;
            }
            let wanted: Vec<StateRef> = user.states.iter().map(|named| named.state.clone()).collect();
            user.recipe.needed(&wanted, |state| store.has(state))
        }
        (None, None) => return Err(BadUsage("say --suite NAME or --recipe FILE.toml".to_owned()).into()),
    };
    global.tell_threads(&mut needed);
    let _shared = store.share()?;
    places::warn_of_unreadable(&store);
    let stop = Stop::on_signals()?;
    if let Some(minutes) = words.minutes {
        let stop = stop.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(60 * u64::from(minutes)));
            stop.ask();
        });
    }
    // Workers of one submission tell each other so what diverged.
    let since = words
        .nodes
        .as_ref()
        .and_then(|list| fs::metadata(list).ok()?.modified().ok());
    let jobs = Jobs {
        recipe: &needed,
        store: &store,
        data: &data,
        global,
        n: words.jobs,
        since,
    };
    let (end, finished) = jobs.run_until(&stop)?;
    let stopped = end == Drive::Stopped;
    // Nobody who cancels a job wants it back.
    let requeued = stopped && words.requeue && stop.is_warned() && slurm::requeue_self()?;
    let failed = finished.failed.iter().map(|(id, why)| Failed {
        id: id.to_string(),
        why: why.clone(),
    });
    let report = Report {
        run: finished.n_run,
        failed: failed.collect(),
        cut: finished.n_skipped,
        stopped,
        requeued,
    };
    if words.json {
        printing::json(&report)?;
    } else {
        printing::note(&format!(
            "{} run{}",
            counted(report.run, "node"),
            match (stopped, requeued) {
                (true, true) => "; saved, and back in the queue",
                (true, false) => "; stopped, what was begun is saved: any worker goes on from there",
                (false, _) => "; nothing is left to do here",
            }
        ));
    }
    if let Some(first) = report.failed.first() {
        bail!(
            "{} failed, {} that need them were not run; the first is {}: {}",
            counted(report.failed.len(), "node"),
            report.cut,
            &first.id[..12],
            first.why
        );
    }
    Ok(())
}

/// What is missing of a suite of the store.
pub(crate) fn of_suite(name: &str, store: &Store, data: &DataFolder) -> anyhow::Result<Recipe> {
    super::preset::check_suite_name(name)?;
    let (recipe, wanted) = match AnySuite::in_store(store, name)? {
        Some(AnySuite::OfPreset(suite)) => {
            let artefacts = by_names(&suite.artefacts)?;
            let at_hand = panels_at_hand(&artefacts, &suite.preset, data)?;
            let (recipe, curves) = needs(&artefacts, &suite.preset, |needs| {
                needs.only(|panel| at_hand.contains(&panel))
            })?;
            (recipe, curves.into_iter().flatten().collect())
        }
        Some(AnySuite::OfRecipe(suite)) => {
            let path = paths::suite(store.runs(), name);
            let states = suite.states().iter().map(|named| named.state.clone());
            (suite.recipe(store, &path)?, states.collect::<Vec<StateRef>>())
        }
        None => bail!(
            "suite {name:?} is not in {}; `sculpt reproduce` and `sculpt run` make suites",
            paths::suites_folder(store.runs()).display()
        ),
    };
    Ok(recipe.needed(&wanted, |state| store.has(state)))
}

/// Where nodes are trained, if not by this process.
#[derive(Args)]
pub(crate) struct ClusterWords {
    /// Train on a cluster: slurm, or slurm:PROFILE, a table of slurm.toml or the name of such a file; --jobs is the number of workers
    #[arg(long, value_name = "PLACE")]
    on: Option<Place>,
    /// Chains that a worker of the cluster trains side by side
    #[arg(long, value_name = "N", default_value_t = 1, requires = "on", value_parser = |word: &str| limits::JOBS.parse(word))]
    pack: u32,
    /// Return once the workers are submitted
    #[arg(long, requires = "on")]
    detach: bool,
}

/// Nodes that are to be trained.
pub(crate) struct Training<'a> {
    /// The suite that they are of; empty where there is none.
    pub(crate) suite: &'a str,
    pub(crate) needed: &'a Recipe,
    pub(crate) store: &'a Store,
    pub(crate) data: &'a DataFolder,
    pub(crate) n_jobs: u32,
    pub(crate) published: bool,
}

impl Training<'_> {
    /// What a command that does not wait says on standard output: for programs, that it did not, and how many nodes are still to be done.
    pub(crate) fn tell_detached(&self, json: bool) -> anyhow::Result<()> {
        if !json {
            return Ok(());
        }
        let is_open = |(id, entry): &(&NodeId, &Entry)| !self.store.is_done(id, entry);
        let open = self.needed.iter().filter(is_open).count();
        let suite = Some(self.suite).filter(|suite| !suite.is_empty());
        printing::json(&serde_json::json!({ "suite": suite, "detached": true, "open": open }))
    }

    /// Here, or by workers of a cluster; none where those work on alone.
    pub(crate) fn run(&self, words: &ClusterWords, global: &Global) -> anyhow::Result<Option<Finished>> {
        let Some(Place::Slurm(profile)) = &words.on else {
            let jobs = Jobs {
                recipe: self.needed,
                store: self.store,
                data: self.data,
                global,
                n: self.n_jobs,
                since: None,
            };
            return jobs.run().map(Some);
        };
        if self.suite.is_empty() {
            return Err(BadUsage("--on: workers train a suite; name it with --suite".to_owned()).into());
        }
        let cluster = Cluster {
            store: self.store,
            work: self.work(words.pack, global),
            profile: Profile::find(profile.as_deref())?,
            n_workers: self.n_jobs,
            detach: words.detach,
        };
        cluster.train(self.needed)
    }

    /// What a worker is started with.
    pub(crate) fn work<'b>(&'b self, pack: u32, global: &'b Global) -> Work<'b> {
        let threads = self.needed.iter().map(|(_, entry)| entry.threads).max();
        Work {
            suite: self.suite,
            needed: self.needed,
            store: self.store,
            data: self.data,
            device: &global.device,
            ranks: global.ranks,
            threads_of_all: global.threads,
            pack,
            threads: threads.unwrap_or(1),
            published: self.published,
        }
    }
}
