//! `run FILE.toml`: a recipe of the user's own.

use super::own;
use super::preset::DataWords;
use super::reproduce::forget;
use super::work::{ClusterWords, Training};
use crate::words::Global;
use crate::{places, printing, watch};
use anyhow::bail;
use clap::Args;
use sculpt_experiments::{AnySuite, DataRef, Evaluation, Node, Recipe, StateRef, counted, limits};
use serde::Serialize;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::thread;

#[derive(Args)]
pub(crate) struct Words {
    /// The recipe (crates/sculpt-experiments/recipes/ holds examples)
    #[arg(value_name = "FILE.toml")]
    file: PathBuf,
    #[command(flatten)]
    data: DataWords,
    /// Nodes trained side by side
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = |word: &str| limits::JOBS.parse(word))]
    jobs: u32,
    /// Where a finished node lacks a state that is asked for now, make it anew, and with it all finished nodes that follow
    #[arg(long)]
    again: bool,
    /// Name of the suite that it becomes, for `draw` and `publish` [default: the file's]
    #[arg(long, value_name = "NAME")]
    suite: Option<String>,
    /// Train what published and fetched suites hold too
    #[arg(long)]
    no_published: bool,
    #[command(flatten)]
    cluster: ClusterWords,
    #[command(flatten)]
    watch: watch::Words,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line {
    name: String,
    id: String,
    kind: &'static str,
    density: f64,
    epoch: u32,
    test: Option<Evaluation>,
}

/// Files of which the store has the content.
pub(crate) fn say_gone(files: &[PathBuf]) {
    for file in files {
        printing::note(&printing::plain(&format!(
            "{} is not there; what it was when this recipe was last run is in the store",
            file.display()
        )));
    }
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    let data = words.data.folder(global, words.jobs)?;
    let store = if words.no_published {
        places::store_alone(global)
    } else {
        places::store(global)
    };
    // For as long as the process: to take a grid of ten thousand nodes apart piece by piece costs a tenth of its submission.
    let user = Box::leak(Box::new(store.read_user_recipe(&words.file, &data)?));
    global.tell_threads(&mut user.recipe);
    say_gone(&user.gone);
    let _shared = store.share()?;
    own::keep_files(user, &store)?;
    if words.again {
        forget(&user.recipe, &store)?;
    }
    let suite = own::suite_of(user, &words.file, words.suite.as_deref(), &data, global)?;
    let suite: Option<&AnySuite> = suite.map(|suite| &*Box::leak(Box::new(AnySuite::OfRecipe(suite))));
    let prepared = suite.map(|suite| {
        let store = store.clone();
        thread::spawn(move || suite.prepared(&store))
    });
    // The end of every node, and the epochs that it keeps.
    let states = user.states.iter().map(|named| &named.state).flat_map(|end| {
        let kept = user.recipe.get(&end.id).map(|entry| entry.keep.clone());
        let epochs = kept.into_iter().flatten().chain([end.epoch]);
        epochs.map(|epoch| StateRef {
            id: end.id.clone(),
            epoch,
        })
    });
    let wanted: Vec<StateRef> = states.collect();
    let needed: &Recipe = Box::leak(Box::new(user.recipe.needed(&wanted, |state| store.has(state))));
    let mut seen: Vec<&DataRef> = Vec::new();
    let mut absent = |state: &StateRef| {
        let of = needed.get(&state.id)?.node.data()?;
        if seen.contains(&of) {
            return None;
        }
        let at_hand = data.is_at_hand(of);
        if matches!(at_hand, Ok(true)) {
            seen.push(of);
            return None;
        }
        (!store.has(state)).then_some((of, at_hand))
    };
    let mut named = user.states.iter();
    if let Some((named, (of, at_hand))) = named.find_map(|named| Some((named, absent(&named.state)?))) {
        at_hand?;
        bail!(
            "{} needs the data {:?}, which are not at hand: {}",
            named.title(),
            of.name,
            of.spec()?.how()
        );
    }
    if let Some(prepared) = prepared {
        prepared
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic))?
            .save(&store)?;
    }
    places::warn_of_unreadable(&store);
    let title = words.file.display().to_string();
    let names = || watch::Names::new(&user.states);
    let watch = words.watch.begin(title, needed, &store, names)?;
    let training = Training {
        suite: suite.map(AnySuite::name).unwrap_or_default(),
        needed,
        store: &store,
        data: &data,
        n_jobs: words.jobs,
        published: !words.no_published,
    };
    let finished = training.run(&words.cluster, global);
    watch.end();
    let Some(finished) = finished? else {
        return training.tell_detached(words.json);
    };
    if let Some((id, why)) = finished.failed.first() {
        let mut names = user.states.iter().filter(|named| named.state.id == *id);
        let name = names
            .next()
            .map_or_else(String::new, |named| format!(" ({})", named.title()));
        bail!(
            "{} failed, {} were not run; the first is {}{name}: {why} (`sculpt verify {}` tells what is damaged there)",
            counted(finished.failed.len(), "node"),
            finished.n_skipped,
            id.short(),
            store.runs().display()
        );
    }
    let mut lines = Vec::new();
    for named in &user.states {
        let end = &named.state;
        let entry = user.recipe.get(&end.id).expect("a named node is of the recipe");
        let test = match &entry.node {
            Node::Train(_) => store.metrics(&end.id)?.last().and_then(|row| row.test),
            Node::Init(_) | Node::Prune(_) | Node::Combine(_) | Node::LoadWeights(_) | Node::LoadMask(_) => {
                None
            }
        };
        lines.push(Line {
            name: named.title(),
            id: end.id.to_string(),
            kind: entry.node.kind(),
            density: entry.density,
            epoch: end.epoch,
            test,
        });
    }
    if words.json {
        let suite = suite.map(AnySuite::name);
        return printing::json(&serde_json::json!({ "suite": suite, "nodes": lines }));
    }
    let width = lines
        .iter()
        .map(|line| line.name.chars().count())
        .max()
        .unwrap_or(0);
    for line in lines {
        let test = line.test.map_or_else(String::new, |t| {
            format!(
                "  test {:.2} %  loss {:.4}",
                100.0 * t.n_correct as f64 / t.n as f64,
                t.loss
            )
        });
        let id = &line.id[..12];
        printing::line(&format!(
            "{:<width$} {id}  {:<8} density {:.4}{test}",
            line.name, line.kind, line.density
        ));
    }
    if let Some(name) = suite.map(AnySuite::name) {
        let publish = match user.recipe.has_exported_network() {
            true => String::new(),
            false => format!(", `sculpt publish --suite {name}` makes it one to commit or serve"),
        };
        printing::note(&format!(
            "suite {name}: `sculpt draw accuracy --suite {name}` draws it{publish}"
        ));
    }
    Ok(())
}
