//! `all`: every artefact of a suite, and the page that shows them.

use super::figure::{ShowWords, as_json, differing, open_page, outcome, page, report, session};
use crate::words::{BadUsage, Global};
use crate::{places, printing};
use anyhow::bail;
use sculpt_report::{ALL, Artefact, ReportError, Session};
use sculpt_store::paths::{self, ReportFile};
use std::path::Path;
use std::time::Instant;

pub(crate) fn run(words: &ShowWords, global: &Global) -> anyhow::Result<()> {
    if words.published {
        return Err(BadUsage(
            "--published shows single artefacts: `figure 5 --published`, `claims --published`".to_owned(),
        )
        .into());
    }
    let session = session(words, global)?;
    let published = paths::published_report_folder(&places::reports(), &session.suite().name);
    let wanted: Vec<&Artefact> = ALL
        .iter()
        .filter(|artefact| !words.check || is_published(artefact, &published))
        .collect();
    if wanted.is_empty() {
        bail!(
            "{} holds no frame to compare with; `sculpt publish` writes them",
            published.display()
        );
    }
    let (mut outcomes, mut left_out, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for artefact in wanted {
        let (name, begun) = (artefact.name.to_string(), Instant::now());
        match outcome(artefact, &session, words.check) {
            Ok(outcome) => {
                let seconds = begun.elapsed().as_secs_f64();
                printing::note(&format!("{name:<11} {seconds:6.1} s"));
                outcomes.push(outcome);
            }
            // A published frame without its states is no artefact to leave out.
            Err(error) if !words.check && is_not_of(artefact, &session, &error) => {
                printing::note(&format!("{name:<11} left out: {error:#}"));
                left_out.push(name);
            }
            Err(error) => {
                printing::note(&format!("{name:<11} failed: {error:#}"));
                failed.push(format!("{name} ({error:#})"));
            }
        }
    }
    let page = page(&session, words)?;
    if words.json {
        let mut said = as_json(&outcomes, page.as_deref());
        said["left_out"] = serde_json::json!(left_out);
        printing::json(&said)?;
    } else {
        report(&outcomes, page.as_deref(), false)?;
        open_page(page.as_deref(), words)?;
    }
    if !failed.is_empty() {
        let n = failed.len() + outcomes.len();
        bail!("{} of {n} artefacts failed: {}", failed.len(), failed.join("; "));
    }
    differing(&outcomes)
}

fn is_published(artefact: &Artefact, folder: &Path) -> bool {
    paths::report(folder, &artefact.name.stem(), ReportFile::Parquet).is_file()
}

/// Whether the suite was never meant to show it: nothing of it is there, or only what it shares with one that was.
fn is_not_of(artefact: &Artefact, session: &Session, error: &anyhow::Error) -> bool {
    let listed = || session.suite().artefacts.contains(&artefact.name.to_string());
    match error.downcast_ref() {
        Some(ReportError::StatesMissing { missing, needed, .. }) => missing == needed || !listed(),
        Some(error) => error.is_absence(),
        None => false,
    }
}
