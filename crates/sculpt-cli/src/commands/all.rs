//! `all`: every artefact of a suite, and the page that shows them.

use super::figure::{Outcome, ShowWords, as_json, differing, is_published, open_page, outcome, page, report};
use super::suites::session;
use crate::words::{BadUsage, Global};
use crate::{places, printing};
use anyhow::bail;
use sculpt_experiments::Source;
use sculpt_report::{ALL, Artefact, ReportError, Session};
use sculpt_store::paths;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Instant;

pub(crate) fn run(words: &ShowWords, global: &Global) -> anyhow::Result<()> {
    if words.published {
        return Err(BadUsage(
            "--published shows single artefacts: `figure 5 --published`, `claims --published`".to_owned(),
        )
        .into());
    }
    let session = session(words.suite.as_deref(), words, global)?;
    let published = paths::published_report_folder(&places::reports(), &session.suite().name);
    let wanted: Vec<&Artefact> = ALL
        .iter()
        .filter(|artefact| !words.check || is_published(artefact, &session.suite().name))
        .collect();
    if wanted.is_empty() {
        bail!(
            "{} holds no frame to compare with; `sculpt publish` writes them",
            published.display()
        );
    }
    let (mut outcomes, mut left_out, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for (artefact, ended) in outcomes_of(&wanted, &session, words.check) {
        let name = artefact.name.to_string();
        match ended {
            Ok(outcome) => outcomes.push(outcome),
            // A published frame without its states is no artefact to leave out.
            Err(error) if !words.check && is_not_of(artefact, &session, &error) => left_out.push(name),
            Err(error) => failed.push(format!("{name} ({error:#})")),
        }
    }
    let page = page(&session, words)?;
    if words.json {
        let mut said = as_json(&outcomes, page.as_slice());
        said["left_out"] = serde_json::json!(left_out);
        printing::json(&said)?;
    } else {
        report(&outcomes, page.as_slice(), false)?;
        open_page(page.as_deref(), words)?;
    }
    if !failed.is_empty() {
        let n = failed.len() + outcomes.len();
        bail!("{} of {n} artefacts failed: {}", failed.len(), failed.join("; "));
    }
    differing(&outcomes)
}

/// Measures one artefact after the other, on all cores; others are drawn meanwhile. In their order.
fn outcomes_of<'a>(
    wanted: &[&'a Artefact],
    session: &Session,
    only_check: bool,
) -> Vec<(&'a Artefact, anyhow::Result<Outcome>)> {
    let (measured, to_draw) = mpsc::channel::<(usize, Instant)>();
    let (to_draw, done) = (Mutex::new(to_draw), Mutex::new(BTreeMap::new()));
    let next = || to_draw.lock().unwrap_or_else(PoisonError::into_inner).recv();
    let draw = || {
        while let Ok((place, begun)) = next() {
            let artefact = wanted[place];
            let ended = outcome(artefact, session, only_check);
            let name = artefact.name.to_string();
            printing::note(&match &ended {
                Ok(_) => format!("{name:<11} {:6.1} s", begun.elapsed().as_secs_f64()),
                Err(error) if !only_check && is_not_of(artefact, session, error) => {
                    format!("{name:<11} left out: {error:#}")
                }
                Err(error) => format!("{name:<11} failed: {error:#}"),
            });
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.insert(place, (artefact, ended));
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(draw);
        }
        for (place, artefact) in wanted.iter().enumerate() {
            let begun = Instant::now();
            // What is wrong with it is said by who draws it, for whom the session keeps the frame.
            let _ = session.frame(artefact);
            measured.send((place, begun)).expect("those who draw wait for it");
        }
        drop(measured);
    });
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.into_values().collect()
}

/// Whether the suite was never meant to show it: nothing of it is there, or only what it shares with one that was. A suite may be
/// published before it is finished; a file of its list that is gone is another error.
fn is_not_of(artefact: &Artefact, session: &Session, error: &anyhow::Error) -> bool {
    let listed = || session.suite().artefacts.contains(&artefact.name.to_string());
    match error.downcast_ref() {
        Some(ReportError::StatesMissing { missing, needed, .. }) => {
            missing == needed || !listed() || matches!(session.measures().source(), Source::Published(_))
        }
        Some(error) => error.is_absence(),
        None => false,
    }
}
