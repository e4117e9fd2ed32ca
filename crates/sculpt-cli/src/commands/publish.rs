//! `publish`: a suite of the runs as committed files.

use super::draw;
use super::figure::{measure_and_draw, report};
use super::further::Further;
use super::own;
use super::plan::needs;
use super::preset::{DataWords, check_suite_name};
use super::reproduce::by_names;
use super::suites::make_usual;
use crate::display::tell_of_measuring;
use crate::words::{BadUsage, Global};
use crate::{device, places, printing};
use anyhow::bail;
use clap::Args;
use sculpt_experiments::{
    AnySuite, Environment, Node, Place, Predictions, PublishedSuite, Recipe, RecipeSuite, Source, StateRef,
    Store, counted, publish,
};
use sculpt_measures::Session as Measures;
use sculpt_report::{Session, clear_own_files, write_own_page, write_page};
use sculpt_store::paths;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(crate) struct Words {
    /// A suite that `reproduce` or `run` made
    #[arg(long, value_name = "NAME")]
    suite: String,
    #[command(flatten)]
    data: DataWords,
    /// Publish what there is of a suite that is not trained to its end, with the states that its training goes on from; what
    /// cannot be drawn yet is named
    #[arg(long)]
    unfinished: bool,
    /// Upload it too, to s3://bucket/prefix: what is there is not sent again, and cut off, the same command goes on
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Make a folder of it too, as the Hugging Face hub shows one: `hf upload owner/name DIR` uploads it
    #[arg(long, value_name = "DIR")]
    hub: Option<PathBuf>,
    /// Make it the suite that `figure` shows when none is named
    #[arg(long)]
    default: bool,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    check_suite_name(&words.suite)?;
    let further = Further::of(words.to.as_deref(), words.hub.as_deref(), global)?;
    let store = places::store(global);
    let mut suite = match AnySuite::in_store(&store, &words.suite)? {
        Some(AnySuite::OfPreset(suite)) => suite,
        Some(AnySuite::OfRecipe(suite)) => return of_recipe(suite, &store, words, global, &further),
        None => bail!(
            "suite {:?} is not in {}; `sculpt reproduce` and `sculpt run` make some",
            words.suite,
            paths::suites_folder(store.runs()).display()
        ),
    };
    let wanted = by_names(&suite.artefacts)?;
    let runs = Source::Runs(store.clone());
    // Training may be on its way to panels of which nothing is there yet.
    let (recipe, curves) = needs(&wanted, &suite.preset, |needs| match words.unfinished {
        true => needs,
        false => needs.in_source(&runs),
    })?;
    let mut states: Vec<StateRef> = curves.into_iter().flatten().collect();
    if words.unfinished {
        states = there_of(&recipe, &states, &store);
        if states.is_empty() {
            bail!(
                "no node of suite {:?} is trained yet: nothing is published",
                suite.name
            );
        }
    }
    suite.environment = machine_of(&states, &store);
    let folder = paths::published_suite(&places::data(), &suite.name);
    if let Ok(Some(AnySuite::OfRecipe(_))) = AnySuite::in_folder(&folder) {
        bail!(
            "{} holds a suite of a recipe, which is not replaced by a preset's: give another --suite to `reproduce`",
            folder.display()
        );
    }
    let data = words.data.folder(global, 1)?;
    let device = device::of(global)?;
    let session = Session::open(suite.clone(), runs, &data, device, store.runs())?;
    let predictions = predictions(session.measures(), &states, &folder)?;
    say_writing(&states);
    let bytes = publish(
        &AnySuite::OfPreset(suite.clone()),
        &recipe,
        &states,
        &predictions,
        &store,
        &folder,
    )?;
    printing::note(&format!(
        "{}: {:.1} MB of checkpoints",
        folder.display(),
        bytes as f64 / 1e6
    ));
    if words.default {
        make_usual(&suite.name)?;
    }
    let reports = paths::published_report_folder(&places::reports(), &suite.name);
    let source = Source::published(&folder)?;
    let session = Session::open(suite, source, &data, device, store.runs())?;
    tell_of_measuring(session.measures());
    let command = |artefact: &str| format!("sculpt {artefact} --suite {}", words.suite);
    let mut outcomes = Vec::new();
    for artefact in wanted {
        let whole = artefact.needs(&session.suite().preset)?;
        let n_whole = whole.states().len();
        let states = whole.in_source(session.measures().source()).states();
        let missing = states.iter().filter(|state| !store.has(state)).count();
        let (missing, n) = match states.is_empty() {
            true => (n_whole, n_whole),
            false => (missing, states.len()),
        };
        if words.unfinished && missing > 0 {
            printing::note(&format!(
                "{} is not drawn: {missing} of its {n} states are not trained yet",
                artefact.name
            ));
            continue;
        }
        let command = command(&artefact.name.command());
        outcomes.push(measure_and_draw(artefact, &session, &reports, &command)?);
    }
    let page = write_page(session.suite(), &reports)?;
    further.bring(&folder)?;
    report(&outcomes, &[page], words.json)
}

/// What takes longest where there are many.
fn say_writing(states: &[StateRef]) {
    printing::note(&format!("writing {}", counted(states.len(), "state")));
}

/// What the states say of their test images: where these are not at hand, as an earlier publication of the same states says it.
fn predictions(measures: &Measures, states: &[StateRef], folder: &Path) -> anyhow::Result<Predictions> {
    tell_of_measuring(measures);
    let mut predictions = measures.predictions(states)?;
    // One that cannot be read is about to be replaced.
    let before = PublishedSuite::open(folder).ok();
    let before = before
        .as_ref()
        .and_then(|suite| Some((suite, suite.predictions().ok()?)));
    if let Some((suite, known)) = before {
        let mut n_kept = 0;
        for state in states.iter().filter(|state| known.classes.contains_key(*state)) {
            if predictions.classes.contains_key(state) || !is_same(state, suite, measures.source()) {
                continue;
            }
            predictions
                .classes
                .insert(state.clone(), known.classes[state].clone());
            n_kept += 1;
            if let Some(Node::Train(train)) = suite.node(&state.id)
                && let Some(labels) = known.labels.get(&train.data.loaded_as())
            {
                let of_data = predictions.labels.entry(train.data.loaded_as());
                of_data.or_insert_with(|| labels.clone());
            }
        }
        if n_kept > 0 {
            printing::note(&format!(
                "the predictions of {} are kept as they were published: their data are not at hand (--data)",
                counted(n_kept, "state")
            ));
        }
    }
    if predictions.classes.is_empty() {
        printing::note("the suite keeps no predictions: its data are not at hand (--data)");
    }
    Ok(predictions)
}

/// Whether a state is, byte for byte, the one that was published before.
fn is_same(state: &StateRef, before: &PublishedSuite, now: &Source) -> bool {
    let sha256 = |place: Option<Place>| Some(place?.load().ok()?.sha256());
    let before = sha256(before.place(state));
    before.is_some() && before == sha256(now.place(state))
}

/// The machine that trained all nodes of a suite; none where there are several.
fn machine_of(states: &[StateRef], store: &Store) -> Option<Environment> {
    let machine = |state: &StateRef| store.machine(state).ok().flatten();
    let mut machines: Vec<_> = states.iter().map(machine).collect();
    machines.dedup();
    match machines.as_slice() {
        [machine] => machine.clone(),
        _ => None,
    }
}

/// A recipe's suite: every trained state that the recipe names, and what was drawn of it.
fn of_recipe(
    mut suite: RecipeSuite,
    store: &Store,
    words: &Words,
    global: &Global,
    further: &Further,
) -> anyhow::Result<()> {
    if words.default {
        return Err(BadUsage(format!(
            "--default: suite {:?} is a recipe's, and `figure` shows suites of presets",
            suite.name
        ))
        .into());
    }
    let recipe = suite.recipe(store, &paths::suite(store.runs(), &suite.name))?;
    if recipe.has_exported_network() {
        bail!(
            "suite {:?} trains an exported network, whose file no published suite holds: pass on the store {} itself, or single states by `sculpt export`",
            suite.name,
            store.runs().display()
        );
    }
    let mut states = suite.shown();
    if words.unfinished {
        states = there_of(&recipe, &states, store);
    }
    suite.environment = machine_of(&states, store);
    let folder = paths::published_suite(&places::data(), &suite.name);
    if let Some(AnySuite::OfPreset(_)) = AnySuite::in_folder(&folder)? {
        bail!(
            "{} holds a suite of a preset, which is not replaced by a recipe's: `sculpt run --suite NAME` gives the recipe another name",
            folder.display()
        );
    }
    let runs = Source::Runs(store.clone());
    let before = own::open(
        suite.clone(),
        recipe.clone(),
        runs,
        &words.data.folder(global, 1)?,
        global,
    )?;
    for (stem, drawing) in draw::drawings(&before) {
        let can = before.can_draw(&drawing);
        if let (Err(error), false) = (can, words.unfinished) {
            bail!(
                "nothing is published, since drawing {stem:?} cannot be drawn: {error} (`sculpt draw --forget {stem}` drops it)"
            );
        }
    }
    say_writing(&states);
    let bytes = publish(
        &AnySuite::OfRecipe(suite.clone()),
        &recipe,
        &states,
        &predictions(before.measures(), &states, &folder)?,
        store,
        &folder,
    )?;
    printing::note(&format!(
        "{}: {:.1} MB of checkpoints",
        folder.display(),
        bytes as f64 / 1e6
    ));
    let reports = paths::published_report_folder(&places::reports(), &suite.name);
    // Pictures of an earlier publication are of other states.
    clear_own_files(&reports)?;
    let source = Source::published(&folder)?;
    let session = own::open(suite, recipe, source, &words.data.folder(global, 1)?, global)?;
    let mut files = Vec::new();
    for (stem, drawing) in draw::drawings(&session) {
        let command = format!("sculpt draw {} --suite {}", drawing.view, words.suite);
        match session.draw(&drawing, &draw::output(&stem, &reports, &command)) {
            Ok(written) if words.json => files.extend(written.files),
            Ok(written) => draw::tell(&stem, &written),
            Err(error) if words.unfinished => printing::note(&format!("{stem} is not drawn: {error}")),
            Err(error) => return Err(error.into()),
        }
    }
    let page = write_own_page(session.suite(), &reports)?;
    further.bring(&folder)?;
    if words.json {
        let said = serde_json::json!({ "suite": words.suite, "files": files, "page": page });
        return printing::json(&said);
    }
    printing::line(&page.display().to_string());
    Ok(())
}

/// Of what artefacts read, the states that are there, and those that the missing ones are trained from.
fn there_of(recipe: &Recipe, wanted: &[StateRef], store: &Store) -> Vec<StateRef> {
    let needed = recipe.needed(wanted, |state| store.has(state));
    let all = needed.iter().flat_map(|(id, entry)| {
        entry.keep.iter().map(|&epoch| StateRef {
            id: id.clone(),
            epoch,
        })
    });
    all.filter(|state| store.has(state)).collect()
}
