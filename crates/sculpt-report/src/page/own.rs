//! The page of a recipe's suite.

use super::files::Files;
use super::html::Text;
use super::{Entry, document, section};
use crate::ReportError;
use crate::output::remove_if_there;
use sculpt_experiments::RecipeSuite;
use sculpt_store::atomic;
use sculpt_store::paths::{self, ReportFile};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Writes the page of a recipe's suite from the files in its report folder: what is drawn of it, and comparisons.
///
/// # Errors
/// As [`write_page`](super::write_page).
pub fn write_own_page(suite: &RecipeSuite, folder: &Path) -> Result<PathBuf, ReportError> {
    let path = paths::report_page(folder);
    let (mut body, mut rules) = (String::new(), BTreeSet::new());
    let mut contents = String::from("<nav id=\"contents\">\n<ul>\n");
    for stem in own_stems(folder)? {
        if let Some(files) = Files::read(folder, &stem)? {
            files.table.iter().for_each(|table| table.rules(&mut rules));
            let entry = Entry {
                name: stem.clone(),
                command: String::new(),
                title: String::new(),
                stem,
            };
            let title = files.title_or("");
            writeln!(
                contents,
                "<li><a href=\"#{}\"><b>{}</b> {}</a></li>",
                entry.stem,
                Text(&entry.name),
                Text(&title)
            )
            .expect("a string takes what is written");
            body.push_str(&section(&entry, &files, &suite.title));
        }
    }
    if !body.is_empty() {
        body.insert_str(0, &format!("{contents}</ul>\n</nav>\n"));
    }
    if body.is_empty() {
        body.push_str("<p>Nothing is drawn yet: <code>cargo xtask draw accuracy --suite ");
        writeln!(body, "{}</code> begins.</p>", Text(&suite.name)).expect("a string takes what is written");
    }
    let header = format!(
        "<header>\n<h1>Sculpt report: {}</h1>\n<p class=\"lead\">{}</p>\n<p>A recipe of somebody's own; how verdicts come about \
         stands in the columns of each contrast.</p>\n</header>\n",
        Text(&suite.name),
        Text(&suite.title)
    );
    let rules = rules.into_iter().collect::<Vec<_>>().join("\n");
    atomic::write(&path, document(&suite.name, &rules, &header, &body).as_bytes())?;
    Ok(path)
}

/// Removes what [`OwnSession::draw`](crate::OwnSession::draw) wrote into a folder, and nothing else.
///
/// # Errors
/// What the file system refuses.
pub fn clear_own_files(folder: &Path) -> Result<(), ReportError> {
    for stem in own_stems(folder)? {
        for file in ReportFile::ALL {
            remove_if_there(&paths::report(folder, &stem, file))?;
        }
    }
    Ok(())
}

/// Stems of the frames in a folder, sorted.
fn own_stems(folder: &Path) -> Result<Vec<String>, ReportError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => {
            return Err(ReportError::Io {
                path: folder.to_owned(),
                source,
            });
        }
    };
    let end = format!(".{}", ReportFile::Columns.extension());
    let names = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let mut stems: Vec<_> = names
        .filter_map(|name| name.strip_suffix(&end).map(str::to_owned))
        .filter(|stem| paths::is_plain_name(stem))
        .collect();
    stems.sort();
    Ok(stems)
}
