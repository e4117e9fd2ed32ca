//! `figure N…`, and what it shares with `table`, `claims`, `differences` and `all`: from checkpoints to frames and
//! pictures.

use super::preset::{DataWords, artefacts};
use super::suites::{find, open, session, shown_by};
use super::table;
use crate::commands::pictures::PREFIX;
use crate::words::Global;
use crate::{places, printing};
use anyhow::{Context, bail};
use clap::Args;
use sculpt_experiments::{PanelName, Suite, counted};
use sculpt_report::{
    Artefact, Difference, Frame, Name, Session, SummaryRow, Written, is_shown_by, write, write_page,
};
use sculpt_store::paths::{self, ReportFile};
use serde::Serialize;
use std::{
    fs,
    io::IsTerminal,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

#[derive(Args)]
pub(crate) struct Words {
    /// Numbers of the figures
    #[arg(required = true, value_name = "N")]
    numbers: Vec<String>,
    /// Only draw anew, from the published frame: reads neither checkpoints nor data
    #[arg(long, conflicts_with_all = ["check", "data", "data_name", "published"])]
    restyle: bool,
    #[command(flatten)]
    show: ShowWords,
}

/// What every command takes that shows artefacts of a suite.
#[derive(Args)]
pub(crate) struct ShowWords {
    /// The suite to read [default: of those that data/published/default names, the first that has all of it]
    #[arg(long, value_name = "NAME")]
    pub(crate) suite: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataWords,
    /// Open the page of the suite in a browser
    #[arg(long, conflicts_with_all = ["check", "json"])]
    pub(crate) open: bool,
    /// Show the published numbers as they stand: at once, without checkpoints and data, and nothing is written
    #[arg(long, conflicts_with_all = ["check", "data", "data_name", "open"])]
    pub(crate) published: bool,
    /// Compare with the published frames instead of writing
    #[arg(long)]
    pub(crate) check: bool,
    /// One JSON object on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

/// What came of one artefact.
#[derive(Serialize)]
pub(crate) struct Outcome {
    pub(crate) artefact: String,
    pub(crate) suite: String,
    pub(crate) rows: usize,
    pub(crate) files: Vec<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) differences: Option<Vec<Difference>>,
    /// The rows of what is no picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<Vec<serde_json::Map<String, serde_json::Value>>>,
    #[serde(skip)]
    name: Name,
    #[serde(skip)]
    frame: Frame,
    /// What the picture shows, for a terminal.
    #[serde(skip)]
    summary: Vec<SummaryRow>,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    if words.restyle {
        return restyle(&words.numbers, &words.show, global);
    }
    show("figure", &words.numbers, &words.show, global)
}

/// Draws figures from the frames that are published, or else from those last measured.
fn restyle(numbers: &[String], words: &ShowWords, global: &Global) -> anyhow::Result<()> {
    let wanted = artefacts(&named("figure", numbers))?;
    let reports = places::reports();
    let (mut outcomes, mut pages) = (Vec::new(), Vec::new());
    for (name, wanted) in shown_by(wanted, words.suite.as_deref(), is_published)? {
        let (suite, _) = find(Some(&name), global)?;
        let folder = paths::report_folder(&reports, &suite.name);
        let published = paths::published_report_folder(&reports, &suite.name);
        for artefact in wanted {
            let is_there = is_published(artefact, &suite.name);
            let from = if is_there { &published } else { &folder };
            let (frame, written) =
                sculpt_report::restyle(artefact, &suite, from, &folder, &command_line(), git_revision())?;
            outcomes.push(Outcome::new(artefact, &suite, frame, Some(written), None));
        }
        pages.push(write_page(&suite, &folder)?);
    }
    report(&outcomes, &pages, words.json)?;
    open_page(pages.first().map(PathBuf::as_path), words)
}

/// Whether the frame of an artefact of a suite is published.
pub(crate) fn is_published(artefact: &Artefact, suite: &str) -> bool {
    let folder = paths::published_report_folder(&places::reports(), suite);
    paths::report(&folder, &artefact.name.stem(), ReportFile::Parquet).is_file()
}

/// `figure 5 7` from `figure` and the numbers.
fn named(kind: &str, numbers: &[String]) -> Vec<String> {
    let kind = [kind.to_owned()];
    kind.iter().chain(numbers).cloned().collect()
}

/// Shows the artefacts of one kind, by number where they have one.
pub(crate) fn show(kind: &str, numbers: &[String], words: &ShowWords, global: &Global) -> anyhow::Result<()> {
    let wanted = artefacts(&named(kind, numbers))?;
    if words.published {
        return show_published(kind, &wanted, words, global);
    }
    let (mut outcomes, mut pages) = (Vec::new(), Vec::new());
    let has = |artefact: &Artefact, suite: &str| {
        if words.check {
            return is_published(artefact, suite);
        }
        // What cannot be read is said where it is opened, as the first.
        open(Some(suite), global).is_ok_and(|(suite, source)| is_shown_by(artefact, &suite, &source))
    };
    for (suite, wanted) in shown_by(wanted, words.suite.as_deref(), has)? {
        let session = session(Some(&suite), words, global)?;
        for artefact in wanted {
            outcomes.push(outcome(artefact, &session, words.check)?);
        }
        pages.extend(page(&session, words)?);
    }
    if !words.json && !words.check {
        for outcome in &outcomes {
            tell_table(kind, outcome)?;
        }
    }
    report(&outcomes, &pages, words.json)?;
    open_page(pages.first().map(PathBuf::as_path), words)?;
    differing(&outcomes)
}

/// The rows of what is no picture, on the terminal; contrasts, which are many, where they are asked for.
fn tell_table(kind: &str, outcome: &Outcome) -> anyhow::Result<()> {
    match outcome.name {
        Name::Figure(_) => {}
        Name::Contrasts if kind != "contrasts" => {}
        Name::Table(_) | Name::Claims | Name::Contrasts | Name::Differences => {
            printing::line(&table::text(outcome.name, &outcome.frame)?);
        }
    }
    Ok(())
}

/// Shows frames as they were published.
fn show_published(
    kind: &str,
    wanted: &[&Artefact],
    words: &ShowWords,
    global: &Global,
) -> anyhow::Result<()> {
    let (mut outcomes, mut folders) = (Vec::new(), Vec::new());
    for (name, wanted) in shown_by(wanted.to_vec(), words.suite.as_deref(), is_published)? {
        let (suite, _) = find(Some(&name), global)?;
        let folder = paths::published_report_folder(&places::reports(), &suite.name);
        for artefact in wanted {
            let frame = artefact.read(&folder)?;
            let summary = artefact.read_summary(&folder)?;
            outcomes.push(Outcome {
                summary,
                ..Outcome::new(artefact, &suite, frame, None, None)
            });
        }
        folders.push(folder);
    }
    if words.json {
        return printing::json(&as_json(&outcomes, &[]));
    }
    for outcome in &outcomes {
        tell_table(kind, outcome)?;
        if !outcome.summary.is_empty() {
            let table = table::of_picture(&outcome.summary);
            printing::line(&format!("{}\n{table}", outcome.artefact));
        }
    }
    for folder in folders {
        printing::note(&format!(
            "as published in {}",
            paths::report_page(&folder).display()
        ));
    }
    Ok(())
}

/// Shows the page in the browser that the user has, where that is asked for.
pub(crate) fn open_page(page: Option<&Path>, words: &ShowWords) -> anyhow::Result<()> {
    match page.filter(|_| words.open) {
        Some(page) => open_in_browser(page),
        None => Ok(()),
    }
}

/// Shows a page in the browser that the user has.
pub(crate) fn open_in_browser(page: &Path) -> anyhow::Result<()> {
    let usual = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let program = std::env::var_os("BROWSER").unwrap_or_else(|| usual.into());
    let page = fs::canonicalize(page).with_context(|| page.display().to_string())?;
    // A browser may run as long as its user likes.
    Command::new(&program)
        .arg(&page)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map(drop)
        .with_context(|| {
            format!(
                "{} cannot be started to show {}; BROWSER names another program",
                program.display(),
                page.display()
            )
        })
}

/// Measures an artefact, and writes it or compares it with what is published.
pub(crate) fn outcome(artefact: &Artefact, session: &Session, only_check: bool) -> anyhow::Result<Outcome> {
    if only_check {
        return check(artefact, session);
    }
    let folder = paths::report_folder(&places::reports(), &session.suite().name);
    measure_and_draw(artefact, session, &folder, &command_line())
}

/// Writes the page of all that the suite's report folder holds; none when only comparing.
pub(crate) fn page(session: &Session, words: &ShowWords) -> anyhow::Result<Option<PathBuf>> {
    if words.check {
        return Ok(None);
    }
    let folder = paths::report_folder(&places::reports(), &session.suite().name);
    Ok(Some(write_page(session.suite(), &folder)?))
}

/// Fails where a frame is not the published one.
pub(crate) fn differing(outcomes: &[Outcome]) -> anyhow::Result<()> {
    let differ = |o: &&Outcome| o.differences.as_ref().is_some_and(|d| !d.is_empty());
    match outcomes.iter().filter(differ).count() {
        0 => Ok(()),
        n => bail!("{n} of {} frames differ from the published ones", outcomes.len()),
    }
}

/// Measures, draws and writes one artefact.
pub(crate) fn measure_and_draw(
    artefact: &Artefact,
    session: &Session,
    folder: &Path,
    command: &str,
) -> anyhow::Result<Outcome> {
    let frame = session.frame(artefact)?;
    let written = write(artefact, &frame, session, folder, command, git_revision())?;
    if written.left_out > 0 {
        printing::warning(&format!(
            "{}: its states were made without {} that nobody can read; the JSON beside it names them",
            artefact.name,
            counted(written.left_out, "picture")
        ));
    }
    Ok(Outcome::new(
        artefact,
        session.suite(),
        frame,
        Some(written),
        None,
    ))
}

fn check(artefact: &Artefact, session: &Session) -> anyhow::Result<Outcome> {
    let preset = &session.suite().preset;
    // Verdicts rest on frames that rest on checkpoints.
    let missing = match artefact.name {
        Name::Claims | Name::Contrasts => {
            let has = session.measures().has_data(&preset.panel(PanelName::A)?.data)?;
            (!has).then_some(PanelName::A)
        }
        _ => session.panels_without_data(artefact)?.first().copied(),
    };
    if let Some(panel) = missing {
        let data = preset.title_of(panel);
        let how = preset.panel(panel)?.data.how()?;
        bail!(
            "nothing can be recomputed without the data {data:?}: {how}; `--suite demo --check` needs no data"
        );
    }
    let frame = session.frame(artefact)?;
    let folder = paths::published_report_folder(&places::reports(), &session.suite().name);
    let differences = artefact.check(&frame, &folder)?;
    Ok(Outcome::new(
        artefact,
        session.suite(),
        frame,
        None,
        Some(differences),
    ))
}

impl Outcome {
    fn new(
        artefact: &Artefact,
        suite: &Suite,
        frame: Frame,
        written: Option<Written>,
        differences: Option<Vec<Difference>>,
    ) -> Self {
        let (files, summary) = written.map_or_else(Default::default, |w| (w.files, w.summary));
        Self {
            artefact: artefact.name.to_string(),
            suite: suite.name.clone(),
            rows: frame.len(),
            files,
            differences,
            table: match artefact.name {
                Name::Figure(_) => None,
                Name::Table(_) | Name::Claims | Name::Contrasts | Name::Differences => Some(frame.to_json()),
            },
            name: artefact.name,
            frame,
            summary,
        }
    }
}

/// Says what was done, for people or as JSON; the pages, one a suite, show it all.
pub(crate) fn report(outcomes: &[Outcome], pages: &[PathBuf], json: bool) -> anyhow::Result<()> {
    if json {
        return printing::json(&as_json(outcomes, pages));
    }
    for outcome in outcomes {
        match &outcome.differences {
            None => {
                // Whoever reads the names of the files gets them alone.
                if !outcome.summary.is_empty() && std::io::stdout().is_terminal() {
                    printing::line(&format!(
                        "{}\n{}",
                        outcome.artefact,
                        table::of_picture(&outcome.summary)
                    ));
                }
                for file in &outcome.files {
                    printing::line(&file.display().to_string());
                }
            }
            Some(differences) if differences.is_empty() => printing::line(&format!(
                "{} of suite {}: {} rows equal the published ones",
                outcome.artefact, outcome.suite, outcome.rows
            )),
            Some(differences) => {
                for d in differences {
                    printing::line(&format!(
                        "{} row {} {}: computed {}, published {}",
                        outcome.artefact, d.row, d.column, d.computed, d.published
                    ));
                }
            }
        }
    }
    for page in pages {
        printing::line(&page.display().to_string());
    }
    Ok(())
}

/// What was done, as `--json` says it: `page` is that of the first artefact's suite.
pub(crate) fn as_json(outcomes: &[Outcome], pages: &[PathBuf]) -> serde_json::Value {
    let mut said = serde_json::json!({ "artefacts": outcomes });
    if let [page, further @ ..] = pages {
        said["page"] = serde_json::json!(page);
        if !further.is_empty() {
            said["pages"] = serde_json::json!(pages);
        }
    }
    said
}

/// The command as typed, without the paths of this machine: it goes into files that are committed.
pub(crate) fn command_line() -> String {
    let mut words = vec!["sculpt".to_owned()];
    let mut hide = false;
    for word in std::env::args_os().skip(1) {
        let word = word.to_string_lossy().into_owned();
        let flag = word.split('=').next().unwrap_or_default();
        let is_path = ["--data", "--runs", "--from"].contains(&flag);
        // That pictures are meant, and not record files, is no part of a path.
        let place = |path: &str| {
            if path.starts_with(PREFIX) {
                format!("{PREFIX}DIR")
            } else {
                "DIR".to_owned()
            }
        };
        if hide {
            words.push(place(&word));
        } else if let (true, Some((_, path))) = (is_path, word.split_once('=')) {
            words.push(format!("{flag}={}", place(path)));
        } else {
            words.push(printing::quoted(&word));
        }
        hide = is_path && !word.contains('=');
    }
    words.join(" ")
}

pub(crate) fn git_revision() -> Option<String> {
    let reports = places::reports();
    let root = reports
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let output = Command::new("git")
        .args(["rev-parse", "HEAD"])
        .current_dir(root)
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|o| o.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
