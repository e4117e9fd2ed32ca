//! `draw VIEW --suite NAME`: a recipe of the user's own, measured and drawn.

use super::figure::{command_line, git_revision};
use super::own::{self, SelectionWords, check_stem, remember, report_folder};
use super::preset::DataWords;
use super::table;
use crate::words::{BadUsage, Global};
use crate::{places, printing};
use anyhow::bail;
use clap::Args;
use sculpt_experiments::{Drawing, View};
use sculpt_report::{Output, OwnSession, Written, write_own_page};
use sculpt_store::paths::{self, ReportFile};
use std::io::IsTerminal;
use std::path::Path;

#[derive(Args)]
pub(crate) struct Words {
    /// accuracy; interpolation, the loss between states that follow each other; eigenvalue, the largest of the Hessian; signs shared
    /// with another node; cost, accuracy against what training cost
    #[arg(value_name = "VIEW", required_unless_present_any = ["check", "forget"])]
    view: Option<View>,
    /// A suite that `run` made, or one of a recipe that was published or fetched
    #[arg(long, value_name = "NAME")]
    suite: String,
    #[command(flatten)]
    selection: SelectionWords,
    /// Of signs: the node that those of the others are compared with, seed by seed
    #[arg(long, value_name = "NODE")]
    against: Option<String>,
    /// Name of the files [default: the view's]
    #[arg(long = "as", value_name = "STEM")]
    stem: Option<String>,
    #[command(flatten)]
    data: DataWords,
    /// Recompute what is drawn of the suite and compare with the published frames instead of writing: those of this view, or all
    #[arg(long)]
    check: bool,
    /// Forget the drawing of this name: `publish` and --check no longer draw it; its files stay
    #[arg(long, value_name = "STEM", conflicts_with_all = ["view", "check"])]
    forget: Option<String>,
    /// Open the page of the suite in a browser
    #[arg(long, conflicts_with_all = ["check", "json"])]
    open: bool,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    if words.against.is_some() && words.view != Some(View::Signs) {
        return Err(BadUsage("--against is of `draw signs`".to_owned()).into());
    }
    if words.view == Some(View::Signs) && words.against.is_none() && !words.check {
        return Err(BadUsage(
            "signs are compared with those of another node: name it with --against".to_owned(),
        )
        .into());
    }
    if words.check {
        return check(words, global);
    }
    if let Some(stem) = &words.forget {
        let known = own::find(&words.suite, global)?;
        if !known.is_in_store || !known.suite.drawings.contains_key(stem) {
            bail!(
                "suite {:?} of the store remembers no drawing {stem:?}",
                words.suite
            );
        }
        return remember(&words.suite, global, |drawings| {
            drawings.remove(stem);
        });
    }
    let Some(view) = words.view else {
        return Err(BadUsage("say what is drawn".to_owned()).into());
    };
    let stem = words.stem.clone().unwrap_or_else(|| view.to_string());
    check_stem(&stem)?;
    let drawing = Drawing {
        view,
        selection: words.selection.selection()?,
        against: words.against.clone(),
    };
    let found = own::find(&words.suite, global)?;
    let is_in_store = found.is_in_store;
    let session = found.session(&words.data, global)?;
    let folder = report_folder(session.suite());
    let written = session.draw(&drawing, &output(&stem, &folder, &command_line()))?;
    if is_in_store && session.suite().drawings.get(&stem) != Some(&drawing) {
        remember(&words.suite, global, |drawings| {
            drawings.insert(stem.clone(), drawing);
        })?;
    }
    let page = write_own_page(session.suite(), &folder)?;
    if words.json {
        return printing::json(&serde_json::json!({
            "suite": words.suite,
            "view": view,
            "rows": written.rows,
            "files": written.files,
            "page": page,
        }));
    }
    tell(&stem, &written);
    printing::line(&page.display().to_string());
    if words.open {
        super::figure::open_in_browser(&page)?;
    }
    Ok(())
}

/// Files of this stem in this folder, by this command.
pub(crate) fn output<'a>(stem: &'a str, folder: &'a Path, command: &'a str) -> Output<'a> {
    Output {
        stem,
        folder,
        command,
        git_revision: git_revision(),
    }
}

/// On a terminal the numbers, and always the files.
pub(crate) fn tell(stem: &str, written: &Written) {
    if !written.summary.is_empty() && std::io::stdout().is_terminal() {
        printing::line(&format!("{stem}\n{}", table::of_picture(&written.summary)));
    }
    for file in &written.files {
        printing::line(&file.display().to_string());
    }
}

/// What is drawn of a suite: what it remembers, or the accuracy of all that it trained.
pub(crate) fn drawings(session: &OwnSession) -> Vec<(String, Drawing)> {
    let known = session.suite().drawings.iter();
    let mut drawings: Vec<_> = known
        .map(|(stem, drawing)| (stem.clone(), drawing.clone()))
        .collect();
    if drawings.is_empty() {
        let drawing = Drawing {
            view: View::Accuracy,
            selection: Default::default(),
            against: None,
        };
        drawings.push((View::Accuracy.to_string(), drawing));
    }
    drawings
}

/// Compares with the published frames.
fn check(words: &Words, global: &Global) -> anyhow::Result<()> {
    let mut given = words.selection.given();
    given.extend(words.against.as_ref().map(|_| "--against"));
    if !given.is_empty() {
        return Err(BadUsage(format!(
            "--check takes no {}: it recomputes drawings as the suite remembers them; a VIEW, or --as, names some of them",
            given.join(", ")
        ))
        .into());
    }
    let session = own::find(&words.suite, global)?.session(&words.data, global)?;
    let published = paths::published_report_folder(&places::reports(), &words.suite);
    let mut wanted = drawings(&session);
    wanted.retain(|(stem, drawing)| {
        words.stem.as_ref().is_none_or(|own| own == stem)
            && words.view.is_none_or(|view| view == drawing.view)
    });
    if wanted.is_empty() {
        let of_name = words
            .stem
            .as_ref()
            .map(|stem| format!(" {stem:?}"))
            .unwrap_or_default();
        let of_view = words.view.map(|view| format!(" of {view}")).unwrap_or_default();
        bail!("suite {:?} remembers no drawing{of_name}{of_view}", words.suite);
    }
    let (mut differ, mut said) = (0, Vec::new());
    for (stem, drawing) in &wanted {
        let frame = paths::report(&published, stem, ReportFile::Parquet);
        if !frame.is_file() {
            bail!(
                "{} is not there to compare with: `sculpt publish --suite {}` writes it, `fetch` brings no frames, and `draw --forget \
                 {stem}` takes the drawing off the list",
                frame.display(),
                words.suite
            );
        }
        let (rows, differences) = session.check(stem, drawing, &published)?;
        differ += usize::from(!differences.is_empty());
        if !words.json {
            tell_check(stem, rows, &differences, &published);
        }
        said.push(serde_json::json!({ "drawing": stem, "rows": rows, "differences": differences }));
    }
    if words.json {
        printing::json(&serde_json::json!({ "suite": words.suite, "drawings": said }))?;
    }
    if differ > 0 {
        bail!(
            "{differ} of {} frames differ from the published ones",
            wanted.len()
        );
    }
    Ok(())
}

fn tell_check(stem: &str, rows: usize, differences: &[sculpt_report::Difference], published: &Path) {
    if differences.is_empty() {
        printing::line(&format!(
            "{stem}: {rows} rows equal those in {}",
            published.display()
        ));
    }
    for d in differences {
        printing::line(&format!(
            "{stem} row {} {}: computed {}, published {}",
            d.row, d.column, d.computed, d.published
        ));
    }
}
