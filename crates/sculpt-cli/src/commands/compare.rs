//! `compare A B --suite NAME`: two curves of a recipe, compared seed by seed.

use super::draw::output;
use super::figure::command_line;
use super::own::{self, SelectionWords, check_stem, report_folder};
use super::preset::DataWords;
use super::table;
use crate::printing;
use crate::words::{BadUsage, Global};
use clap::Args;
use sculpt_experiments::{Drawing, View};
use sculpt_report::{Question, write_own_page};

#[derive(Args)]
pub(crate) struct Words {
    /// The curve that the difference is of, by its name in `draw accuracy` with the same flags
    #[arg(value_name = "A")]
    a: String,
    /// The curve that is taken away
    #[arg(value_name = "B")]
    b: String,
    /// A suite that `run` made, or one of a recipe that was published or fetched
    #[arg(long, value_name = "NAME")]
    suite: String,
    #[command(flatten)]
    selection: SelectionWords,
    /// Test whether the two are within so many points of accuracy of each other (TOST), not whether A is better
    #[arg(long, value_name = "POINTS")]
    margin: Option<f64>,
    /// Name of the files
    #[arg(long = "as", value_name = "STEM", default_value = "comparison")]
    stem: String,
    #[command(flatten)]
    data: DataWords,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    check_stem(&words.stem)?;
    if words.a == words.b {
        return Err(BadUsage(format!("{:?} is compared with itself", words.a)).into());
    }
    let question = match words.margin {
        None => Question::BETTER,
        Some(margin) if margin.is_finite() && margin > 0.0 && margin <= 100.0 => Question::alike(margin),
        Some(margin) => {
            return Err(BadUsage(format!("--margin {margin} is not in (0, 100] points")).into());
        }
    };
    let drawing = Drawing {
        view: View::Accuracy,
        selection: words.selection.selection()?,
        against: None,
    };
    let session = own::find(&words.suite, global)?.session(&words.data, global)?;
    let folder = report_folder(session.suite());
    let curves = (words.a.as_str(), words.b.as_str());
    let found = session.contrast(
        &drawing,
        curves,
        question,
        &output(&words.stem, &folder, &command_line()),
    )?;
    let page = write_own_page(session.suite(), &folder)?;
    if words.json {
        return printing::json(&serde_json::json!({
            "suite": words.suite,
            "comparisons": found.rows,
            "files": found.written.files,
            "page": page,
        }));
    }
    printing::line(&table::of_contrasts(&found.rows));
    printing::note(
        "each verdict is its place's own, at p < 0.05; p (Holm) is adjusted for the number of places",
    );
    for file in &found.written.files {
        printing::line(&file.display().to_string());
    }
    printing::line(&page.display().to_string());
    Ok(())
}
