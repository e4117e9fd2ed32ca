//! `publish`: a suite of the runs as committed files.

use super::figure::{measure_and_draw, report};
use super::plan::needs;
use super::preset::{DataWords, check_suite_name};
use super::reproduce::by_names;
use crate::words::Global;
use crate::{device, places, printing};
use anyhow::bail;
use clap::Args;
use sculpt_experiments::{Recipe, Source, StateRef, Store, Suite, publish};
use sculpt_report::{Session, write_page};
use sculpt_store::{atomic, paths};

#[derive(Args)]
pub(crate) struct Words {
    /// A suite that `reproduce` made
    #[arg(long, value_name = "NAME")]
    suite: String,
    #[command(flatten)]
    data: DataWords,
    /// Publish what there is of a suite that is not trained to its end, with the states that its training goes on from; what
    /// cannot be drawn yet is named
    #[arg(long)]
    unfinished: bool,
    /// Make it the suite that `figure` shows when none is named
    #[arg(long)]
    default: bool,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    check_suite_name(&words.suite)?;
    let store = places::store(global);
    let Some(mut suite) = Suite::in_store(&store, &words.suite)? else {
        bail!(
            "suite {:?} is not in {}; `sculpt reproduce` makes one",
            words.suite,
            paths::suites_folder(store.runs()).display()
        );
    };
    let wanted = by_names(&suite.artefacts)?;
    let runs = Source::Runs(store.clone());
    let (recipe, curves) = needs(&wanted, &suite.preset, |needs| needs.in_source(&runs))?;
    let mut states: Vec<StateRef> = curves.into_iter().flatten().collect();
    if words.unfinished {
        states = there_of(&recipe, &states, &store);
    }
    // All nodes of a suite are trained by one machine, or the suite names none.
    let machine = |state: &StateRef| store.machine(state).ok().flatten();
    let mut machines: Vec<_> = states.iter().map(machine).collect();
    machines.dedup();
    suite.environment = if let [machine] = machines.as_slice() {
        machine.clone()
    } else {
        None
    };
    let folder = paths::published_suite(&places::data(), &suite.name);
    let bytes = publish(&suite, &recipe, &states, &store, &folder)?;
    printing::note(&format!(
        "{}: {:.1} MB of checkpoints",
        folder.display(),
        bytes as f64 / 1e6
    ));
    if words.default {
        let text = format!("{}\n", suite.name);
        atomic::write(&paths::published_default(&places::data()), text.as_bytes())?;
    }
    let reports = paths::published_report_folder(&places::reports(), &suite.name);
    let source = Source::published(&folder)?;
    let device = device::of(global)?;
    let session = Session::open(suite, source, &words.data.folder(), device, store.runs())?;
    let command = |artefact: &str| format!("sculpt {artefact} --suite {}", words.suite);
    let mut outcomes = Vec::new();
    for artefact in wanted {
        let needs = artefact
            .needs(&session.suite().preset)?
            .in_source(session.measures().source());
        let missing = needs.states().iter().filter(|state| !store.has(state)).count();
        if words.unfinished && missing > 0 {
            printing::note(&format!(
                "{} is not drawn: {missing} of its {} states are not trained yet",
                artefact.name,
                needs.states().len()
            ));
            continue;
        }
        let command = command(&artefact.name.command());
        outcomes.push(measure_and_draw(artefact, &session, &reports, &command)?);
    }
    let page = write_page(session.suite(), &reports)?;
    report(&outcomes, Some(&page), words.json)
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
