//! The page of a suite, `reports/<suite>/index.html`: every artefact that has files, by the paper's numbers.
//!
//! Input: a report folder, as [`write`](crate::write()) leaves it; output: one HTML file that needs nothing
//! from elsewhere, the same bytes for the same folder. It measures nothing and knows no checkpoint: what it
//! shows is what the files say, so that a page of a folder from elsewhere is as good. Whatever a file says is
//! a stranger's text and is escaped; pictures are images of their own.

mod claims;
mod command;
mod evidence;
mod files;
mod forest;
mod html;
mod picture;
mod table;

use crate::{ALL, Artefact, ReportError};
use command::command;
use files::{Files, file_name};
use html::{Text, capital};
use sculpt_experiments::{PanelName, PresetName, RecipeSuite, Suite};
use sculpt_store::atomic;
use sculpt_store::paths::{self, ReportFile};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Stem of the claims' files.
const CLAIMS: &str = "claims";

/// Stem of the files of what they come down to.
const CONTRASTS: &str = "contrasts";

/// What the page says of an artefact of the registry.
struct Entry {
    /// `figure 5`.
    name: String,
    /// `figure 5`, what makes it.
    command: String,
    /// `figure-5`.
    stem: String,
    title: String,
}

/// Writes the page of a suite from the files in its report folder.
///
/// # Errors
/// A frame or provenance that is not ours, or what the file system refuses.
pub fn write_page(suite: &Suite, folder: &Path) -> Result<PathBuf, ReportError> {
    let entries: Vec<_> = ALL.iter().map(Entry::of).collect();
    let path = paths::report_page(folder);
    atomic::write(&path, page(suite, &entries, folder)?.as_bytes())?;
    Ok(path)
}

/// Writes the page of a recipe's suite from the files in its report folder: what is drawn of it, and comparisons.
///
/// # Errors
/// As [`write_page`].
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

fn page(suite: &Suite, entries: &[Entry], folder: &Path) -> Result<String, ReportError> {
    let mut shown = Vec::new();
    let mut missing = Vec::new();
    for entry in entries.iter().filter(|entry| entry.stem != CLAIMS) {
        match Files::read(folder, &entry.stem)? {
            Some(files) => shown.push((entry, files)),
            None => missing.push(entry),
        }
    }
    let claims = Files::read(folder, CLAIMS)?;
    missing.extend(entries.iter().filter(|e| e.stem == CLAIMS && claims.is_none()));
    let mut rules = BTreeSet::new();
    let files = shown.iter().map(|(_, files)| files).chain(&claims);
    files
        .filter_map(|files| files.table.as_ref())
        .for_each(|table| table.rules(&mut rules));
    let mut body = String::new();
    if let Some(claims) = &claims {
        let contrasts = shown.iter().find(|(entry, _)| entry.stem == CONTRASTS);
        let contrasts = contrasts.map(|(_, files)| files);
        body.push_str(&claims::section(claims, contrasts, no_evidence(suite).is_some()));
    }
    body.push_str(&contents(entries, &shown, &missing));
    for (entry, files) in &shown {
        body.push_str(&section(entry, files, &suite.title));
    }
    body.push_str(&missing_section(&missing, suite));
    let rules = rules.into_iter().collect::<Vec<_>>().join("\n");
    Ok(document(
        &suite.name,
        &rules,
        &header(suite, claims.is_some()),
        &body,
    ))
}

fn document(name: &str, rules: &str, header: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n\
         <!-- Generated by `cargo xtask figure` and its like, do not edit -->\n\
         <html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; \
         style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Sculpt report: {name}</title>\n<style>\n{style}{rules}\n</style>\n</head>\n\
         <body>\n{header}<main>\n{body}</main>\n<script>\n{script}</script>\n</body>\n</html>\n",
        name = Text(name),
        style = include_str!("style.css"),
        script = include_str!("sort.js"),
    )
}

fn header(suite: &Suite, has_claims: bool) -> String {
    let data = &suite.preset.data;
    let note = no_evidence(suite).map_or_else(String::new, |why| {
        format!(
            "<p class=\"demo\"><strong>The verdicts on this page are no evidence about the paper.</strong> {}</p>\n",
            Text(&why)
        )
    });
    let jump = if has_claims {
        "<p><a href=\"#contents\">Contents</a></p>\n"
    } else {
        ""
    };
    format!(
        "<header>\n{note}<h1>Sculpt report: {}</h1>\n<p class=\"lead\">{}</p>\n\
         <p>The artefacts of “PaI is getting competitive by training longer”, by the paper's numbers. Data of panel (a): {}, \
         digest <code>{}</code>.</p>\n{jump}</header>\n",
        Text(&suite.name),
        Text(&suite.title),
        Text(suite.preset.title_of(PanelName::A)),
        Text(&data.digest),
    )
}

/// Why a suite's verdicts say nothing about the paper; none where they do.
fn no_evidence(suite: &Suite) -> Option<String> {
    let cut = suite.preset.overrides.title();
    match suite.preset.name {
        PresetName::Demo => Some(
            "Demo data, that is images made in memory, and small networks: this page shows the machinery."
                .to_owned(),
        ),
        PresetName::Paper | PresetName::Short | PresetName::Quarter if !cut.is_empty() => Some(format!(
            "Its runs are cut to {cut}: what they show is about this cut."
        )),
        PresetName::Paper | PresetName::Short | PresetName::Quarter => None,
    }
}

/// Every artefact by its number, those without files too.
fn contents(entries: &[Entry], shown: &[(&Entry, Files)], missing: &[&Entry]) -> String {
    let mut html = String::from(
        "<nav id=\"contents\" aria-labelledby=\"contents-title\">\n<h2 id=\"contents-title\">Contents</h2>\n<ul>\n",
    );
    for entry in entries {
        let note = if missing.iter().any(|m| m.stem == entry.stem) {
            " <span class=\"absent\">(missing)</span>"
        } else {
            ""
        };
        let files = shown.iter().find(|(own, _)| own.stem == entry.stem);
        let title = files.map_or_else(|| entry.title.clone(), |(_, files)| files.title_or(&entry.title));
        writeln!(
            html,
            "<li><a href=\"#{}\"><b>{}</b> {}</a>{note}</li>",
            entry.stem,
            Text(&capital(&entry.name)),
            Text(&title)
        )
        .expect("a string takes what is written");
    }
    html.push_str("</ul>\n</nav>\n");
    html
}

fn section(entry: &Entry, files: &Files, suite_title: &str) -> String {
    let (name, title) = (capital(&entry.name), files.title_or(&entry.title));
    let mut html = format!(
        "<section id=\"{}\">\n<h2>{}. {}</h2>\n<figure>\n",
        entry.stem,
        Text(&name),
        Text(&title)
    );
    if let Some(svg) = &files.svg {
        let numbers = if files.table.is_some() {
            " The numbers are in the table that follows."
        } else {
            ""
        };
        let alt = format!("{name}: {title}. {suite_title}.{numbers}");
        html.push_str(&picture::picture(svg, &alt));
    }
    writeln!(
        html,
        "<figcaption>\n<p><b>{}</b>, {}.</p>\n{}</figcaption>\n</figure>",
        Text(&name),
        Text(suite_title),
        files.origin()
    )
    .expect("a string takes what is written");
    match &files.table {
        Some(table) => html.push_str(&table.html(&entry.name, &file_name(&entry.stem, ReportFile::Csv))),
        None => html.push_str("<p class=\"note\">The frame's CSV is not in the folder.</p>\n"),
    }
    html.push_str("</section>\n");
    html
}

fn missing_section(missing: &[&Entry], suite: &Suite) -> String {
    if missing.is_empty() {
        return String::new();
    }
    let mut html = String::from(
        "<section id=\"missing\">\n<h2>Missing</h2>\n<p>Not in this folder yet, and the command that makes each:</p>\n<ul>\n",
    );
    for entry in missing {
        writeln!(
            html,
            "<li id=\"{}\"><b>{}.</b> {}<br><code>{}</code></li>",
            entry.stem,
            Text(&capital(&entry.name)),
            Text(&entry.title),
            Text(&command(entry, suite))
        )
        .expect("a string takes what is written");
    }
    html.push_str("</ul>\n</section>\n");
    html
}

impl Entry {
    fn of(artefact: &Artefact) -> Self {
        Self {
            name: artefact.name.to_string(),
            command: artefact.name.command(),
            stem: artefact.name.stem(),
            title: artefact.title.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sculpt_experiments::Overrides;
    use serde_json::json;
    use std::fs;

    fn suite(preset: &str) -> Suite {
        serde_json::from_value(json!({
            "name": "s<1>",
            "title": "gratings & more",
            "preset": {
                "name": preset,
                "overrides": { "cycles": 2, "densities": [0.5, 0.05] },
                "data": { "name": "\"D\"", "digest": "0f" },
            },
            "artefacts": ["figure 2"],
        }))
        .unwrap()
    }

    fn entry(name: &str, title: &str) -> Entry {
        Entry {
            name: name.to_owned(),
            command: name.to_owned(),
            stem: name.replace(' ', "-"),
            title: title.to_owned(),
        }
    }

    /// Figure 2 whole, table 1 with its CSV only, figures 3 and 10 missing.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        put("figure-2.csv", "method,accuracy\nlrr,0.91\n");
        put(
            "figure-2.svg",
            "<svg width=\"84mm\" height=\"84mm\"><script>1</script></svg>",
        );
        put(
            "figure-2.json",
            "{\"title\": \"Two <b>, drawn\", \"command\": \"sculpt figure 2\", \"n\": [3, 3], \"statistic\": \"mean\"}",
        );
        put("table-1.csv", "name\n</script>\n");
        folder
    }

    fn entries() -> Vec<Entry> {
        vec![
            entry("figure 2", "Two <b>"),
            entry("figure 3", "Three"),
            entry("figure 10", "Ten"),
            entry("table 1", "One"),
        ]
    }

    #[track_caller]
    fn check_order(html: &str, parts: &[&str]) {
        let mut rest = html;
        for part in parts {
            let (_, after) = rest
                .split_once(part)
                .unwrap_or_else(|| panic!("{part} is not in its place in {html}"));
            rest = after;
        }
    }

    #[test]
    fn artefacts_stand_in_the_registry_s_order_and_missing_ones_last() {
        let folder = folder();
        let html = page(&suite("demo"), &entries(), folder.path()).unwrap();
        check_order(
            &html,
            &[
                "<h1>Sculpt report: s&lt;1&gt;</h1>",
                "<li><a href=\"#figure-2\"><b>Figure 2</b> Two &lt;b&gt;, drawn</a></li>",
                "<li><a href=\"#figure-3\"><b>Figure 3</b> Three</a> <span class=\"absent\">(missing)</span></li>",
                "<li><a href=\"#figure-10\">",
                "<li><a href=\"#table-1\"><b>Table 1</b> One</a></li>",
                "<section id=\"figure-2\">",
                "alt=\"Figure 2: Two &lt;b&gt;, drawn. gratings &amp; more. The numbers are in the table that follows.\"",
                "<p><b>Figure 2</b>, gratings &amp; more.</p>",
                "<p>Mean, n = 3.</p>",
                "<p class=\"files\">Files: <a href=\"figure-2.csv\">CSV</a>, <a href=\"figure-2.svg\">SVG</a>, <a href=\"figure-2.json\">JSON</a></p>",
                "<tr><td>lrr<td>0.91\n",
                "<section id=\"table-1\">",
                "The provenance is not in the folder.",
                "<tr><td>&lt;/script&gt;\n",
                "<section id=\"missing\">",
                "<li id=\"figure-3\"><b>Figure 3.</b> Three<br>",
                "<li id=\"figure-10\">",
            ],
        );
        // The one script is ours; the drawing's stays inside its image.
        assert_eq!(html.matches("<script").count(), 1);
        assert_eq!(html, page(&suite("demo"), &entries(), folder.path()).unwrap());
    }

    #[test]
    fn missing_artefacts_name_the_command_that_makes_them() {
        let line = |name: &str, preset: &str| command(&entry(name, ""), &suite(preset));
        assert_eq!(line("figure 2", "demo"), "cargo xtask figure 2 --suite s<1>");
        assert_eq!(
            line("table 1", "short"),
            "cargo xtask reproduce table 1 --preset short --cycles 2 --densities 0.5,0.05 --suite s<1> --data DIR"
        );
    }

    #[test]
    fn verdicts_stand_on_top_and_demo_data_are_never_evidence() {
        let folder = folder();
        let claims = "number,claim,place,artefacts,verdict,effect,low,high,n,paper\n\
            1,\"LRR < dense\",§3,2a,supported,0.5,0.1,0.9,3,\n";
        fs::write(folder.path().join("claims.csv"), claims).unwrap();
        let html = |preset: &str| page(&suite(preset), &entries(), folder.path()).unwrap();
        check_order(
            &html("demo"),
            &[
                "<p class=\"demo\"><strong>The verdicts on this page are no evidence about the paper.</strong> Demo data",
                "<h1>Sculpt report",
                "<section id=\"claims\" class=\"grey\">",
                "<p>1 supported.</p>",
                "<span class=\"verdict yes\"><span aria-hidden=\"true\">✓</span> supported</span><span class=\"said\"><b>1.</b> LRR &lt; dense</span>",
                "<nav id=\"contents\"",
                "<section id=\"figure-2\">",
            ],
        );
        // Neither are those of a cut of the paper's runs; those of the whole are.
        check_order(
            &html("short"),
            &[
                "no evidence about the paper.</strong> Its runs are cut to",
                "<h1>",
            ],
        );
        let mut whole = suite("paper");
        whole.preset.overrides = Overrides::default();
        let html = page(&whole, &entries(), folder.path()).unwrap();
        assert!(!html.contains("no evidence") && html.contains("<section id=\"claims\">"));
    }

    #[test]
    fn an_empty_folder_is_a_page_of_missing_artefacts() {
        let folder = tempfile::tempdir().unwrap();
        let html = page(&suite("demo"), &entries(), &folder.path().join("none")).unwrap();
        assert_eq!(html.matches("(missing)").count(), 4);
        assert!(!html.contains("<table"));
    }
}
