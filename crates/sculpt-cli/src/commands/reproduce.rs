//! `reproduce`: trains what an artefact needs, then measures and draws it.

use super::figure::{command_line, measure_and_draw, report};
use super::plan::needs;
use super::preset::{PresetWords, artefacts, check_suite_name};
use super::work::{ClusterWords, Training};
use crate::display::tell_of_measuring;
use crate::words::Global;
use crate::{device, places, printing, watch};
use anyhow::bail;
use clap::Args;
use sculpt_experiments::{DataFolder, PanelName, Preset, Recipe, Source, Store, Suite, counted, limits};
use sculpt_report::{Artefact, Name, Session, write_page};
use sculpt_store::paths;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Args)]
pub(crate) struct Words {
    /// figure 5, several artefacts, or all
    #[arg(required = true, value_name = "ARTEFACT")]
    artefacts: Vec<String>,
    #[command(flatten)]
    preset: PresetWords,
    /// Nodes trained side by side
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = |word: &str| limits::JOBS.parse(word))]
    jobs: u32,
    /// Where a finished node lacks a state that is asked for now, make it anew, and with it all finished nodes that follow:
    /// without this it is made again beside itself, and must come out the same
    #[arg(long)]
    again: bool,
    /// Train what published and fetched suites hold too
    #[arg(long)]
    no_published: bool,
    /// Name of the suite [default: the preset with its overrides]
    #[arg(long, value_name = "NAME")]
    suite: Option<String>,
    #[command(flatten)]
    cluster: ClusterWords,
    #[command(flatten)]
    watch: watch::Words,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    let wanted = artefacts(&words.artefacts)?;
    let data = words.preset.data.folder(global, words.jobs)?;
    let preset = words.preset.preset(&data)?;
    let name = words.suite.clone().unwrap_or_else(|| preset.suite_name());
    check_suite_name(&name)?;
    let device = device::of(global)?;
    let store = if words.no_published {
        places::store_alone(global)
    } else {
        places::store(global)
    };
    let at_hand = panels_at_hand(&wanted, &preset, &data)?;
    let (wanted, dropped): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|artefact| {
        let panels = artefact.panels();
        panels.is_empty() || panels.iter().any(|panel| at_hand.contains(panel))
    });
    if wanted.is_empty() {
        bail!(
            "nothing can be trained: {} need data that are not at hand",
            names(&dropped)
        );
    }
    if !dropped.is_empty() {
        printing::note(&format!("left out whole: {}", names(&dropped)));
    }
    let (mut recipe, curves) = needs(&wanted, &preset, |needs| {
        needs.only(|panel| at_hand.contains(&panel))
    })?;
    global.tell_threads(&mut recipe);
    let _shared = store.share()?;
    let suite = suite_to_train(name, &preset, &wanted, &store)?;
    suite.save(&store)?;
    if words.again {
        forget(&recipe, &store)?;
    }
    let needed = recipe.needed(curves.iter().flatten(), |state| store.has(state));
    places::warn_of_unreadable(&store);
    let watch = words
        .watch
        .begin(suite.title.clone(), &needed, &store, watch::Names::default)?;
    let training = Training {
        suite: &suite.name,
        needed: &needed,
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
    if !finished.failed.is_empty() {
        let names: Vec<_> = finished
            .failed
            .iter()
            .map(|(id, why)| format!("{} ({why})", id.short()))
            .collect();
        bail!(
            "{} failed, {} that need them were not run: {}",
            counted(finished.failed.len(), "node"),
            finished.n_skipped,
            names.join("; ")
        );
    }
    printing::note(&format!(
        "{} run, {} were there",
        counted(finished.n_run, "node"),
        recipe.len() - finished.n_run
    ));
    let session = Session::open(suite, Source::Runs(store), &data, device, &places::runs(global))?;
    tell_of_measuring(session.measures());
    let folder = paths::report_folder(&places::reports(), &session.suite().name);
    let mut outcomes = Vec::new();
    for artefact in wanted {
        outcomes.push(measure_and_draw(artefact, &session, &folder, &command_line())?);
    }
    let page = write_page(session.suite(), &folder)?;
    report(&outcomes, &[page], words.json)
}

/// The suite of these artefacts, and of those that it had in the store before.
///
/// # Errors
/// One of that name in the store that is another.
pub(crate) fn suite_to_train(
    name: String,
    preset: &Preset,
    wanted: &[&Artefact],
    store: &Store,
) -> anyhow::Result<Suite> {
    let mut suite = Suite {
        name,
        title: title(preset),
        preset: preset.clone(),
        artefacts: wanted.iter().map(|a| a.name.to_string()).collect(),
        environment: None,
    };
    if let Some(old) = Suite::in_store(store, &suite.name)? {
        if old.preset != suite.preset {
            bail!(
                "suite {:?} in {} has {}; give another --suite",
                suite.name,
                paths::suites_folder(store.runs()).display(),
                differences(&old.preset, &suite.preset)
            );
        }
        suite.artefacts.extend(old.artefacts);
    }
    Ok(suite)
}

/// What a suite of the same name has that is not what is asked for.
fn differences(old: &Preset, new: &Preset) -> String {
    let mut said = Vec::new();
    if old.name != new.name {
        said.push(format!("preset {}, not {}", old.name, new.name));
    }
    if old.overrides != new.overrides {
        let words = |preset: &Preset| {
            let words = preset.overrides.words().into_iter();
            let words: Vec<_> = words.map(|(word, value)| format!("--{word} {value}")).collect();
            if words.is_empty() {
                "no overrides".to_owned()
            } else {
                words.join(" ")
            }
        };
        said.push(format!("{}, not {}", words(old), words(new)));
    }
    for (panel, letter) in [(PanelName::A, "(a)"), (PanelName::C, "(c)")] {
        let data = |preset: &Preset| {
            let digest = preset.data_of(panel).digest;
            let short = digest.get(..12).unwrap_or(&digest);
            format!("{} (digest {short})", preset.title_of(panel))
        };
        if old.data_of(panel) != new.data_of(panel) && old.overrides.classes == new.overrides.classes {
            said.push(format!(
                "other data in panel {letter}: {}, not {}",
                data(old),
                data(new)
            ));
        }
    }
    if said.is_empty() {
        "other titles of its data".to_owned()
    } else {
        said.join("; ")
    }
}

/// Takes back that nodes are finished which lack a state now, with all that follows from them.
pub(crate) fn forget(recipe: &Recipe, store: &Store) -> anyhow::Result<()> {
    let again = recipe.to_be_made_again(store)?;
    let followers = store.followers(&again)?;
    let of_recipe = recipe.iter().map(|(id, _)| id).filter(|id| again.contains(*id));
    let all: Vec<_> = of_recipe.cloned().chain(followers).collect();
    if !all.is_empty() {
        printing::note(&format!("made anew: {}", counted(all.len(), "finished node")));
        store.forget(&all)?;
    }
    Ok(())
}

/// The panels of these artefacts whose data can be trained on; the others are named, with what shows them.
pub(crate) fn panels_at_hand(
    wanted: &[&Artefact],
    preset: &Preset,
    data: &DataFolder,
) -> anyhow::Result<BTreeSet<PanelName>> {
    let mut at_hand = BTreeSet::new();
    let mut absent: BTreeMap<String, BTreeSet<Name>> = BTreeMap::new();
    for artefact in wanted {
        for panel in artefact.panels() {
            let data_ref = preset.data_of(panel);
            if data.is_at_hand(&data_ref)? {
                at_hand.insert(panel);
            } else {
                let how = data_ref.spec()?.how();
                let what = format!("{} is not at hand ({how})", preset.title_of(panel));
                absent.entry(what).or_default().insert(artefact.name);
            }
        }
    }
    for (what, shown_in) in absent {
        let shown_in: Vec<_> = shown_in.into_iter().map(|name| name.to_string()).collect();
        printing::note(&format!(
            "{what}: its panels of {} are left out",
            shown_in.join(", ")
        ));
    }
    Ok(at_hand)
}

fn names(artefacts: &[&Artefact]) -> String {
    let names: Vec<_> = artefacts.iter().map(|a| a.name.to_string()).collect();
    names.join(", ")
}

fn title(preset: &Preset) -> String {
    let cut = preset.overrides.title();
    let cut = if cut.is_empty() {
        String::new()
    } else {
        format!(", cut to {cut}")
    };
    let pictures = preset
        .pictures
        .as_ref()
        .map_or_else(String::new, |_| format!(" and {}", preset.title_of(PanelName::C)));
    let data = preset.title_of(PanelName::A);
    format!("{data}{pictures}, preset {}{cut}", preset.name)
}

/// Names of artefacts, as a suite lists them.
pub(crate) fn by_names<'a>(
    names: impl IntoIterator<Item = &'a String>,
) -> anyhow::Result<Vec<&'static Artefact>> {
    let words: Vec<String> = names
        .into_iter()
        .flat_map(|name| name.split(' ').map(str::to_owned))
        .collect();
    artefacts(&words)
}
