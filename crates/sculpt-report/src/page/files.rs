//! What a report folder holds of an artefact.

use super::evidence::Evidence;
use super::table::Table;
use crate::ReportError;
use sculpt_store::paths::{self, ReportFile};
use std::fmt::Write;
use std::path::Path;
use std::{fs, io};

/// The files of an artefact, as far as they are there.
pub(super) struct Files {
    pub(super) svg: Option<String>,
    pub(super) table: Option<Table>,
    pub(super) evidence: Option<Evidence>,
    /// Names of all of them, for links.
    pub(super) names: Vec<(&'static str, String)>,
}

impl Files {
    /// None where the folder has nothing of it.
    pub(super) fn read(folder: &Path, stem: &str) -> Result<Option<Self>, ReportError> {
        let path = |file| paths::report(folder, stem, file);
        let mut names = Vec::new();
        for file in ReportFile::ALL {
            let exists = path(file).try_exists().map_err(|source| ReportError::Io {
                path: path(file),
                source,
            })?;
            if exists {
                names.push((label(file), file_name(stem, file)));
            }
        }
        if names.is_empty() {
            return Ok(None);
        }
        let text = |file| read_if_there(&path(file));
        let table = text(ReportFile::Csv)?.map(|csv| Table::read(&csv, &path(ReportFile::Csv)));
        let evidence =
            text(ReportFile::Provenance)?.map(|json| Evidence::read(&json, &path(ReportFile::Provenance)));
        Ok(Some(Self {
            svg: text(ReportFile::Svg)?,
            table: table.transpose()?,
            evidence: evidence.transpose()?,
            names,
        }))
    }

    /// What its picture says on top; else `title`.
    pub(super) fn title_or(&self, title: &str) -> String {
        let drawn = self.evidence.as_ref().and_then(Evidence::title);
        drawn.unwrap_or_else(|| title.to_owned())
    }

    /// How many runs, where from, and links to the files.
    pub(super) fn origin(&self) -> String {
        let mut html = match &self.evidence {
            Some(evidence) => format!("{}{}", evidence.statistic(), evidence.provenance()),
            None => "<p class=\"note\">The provenance is not in the folder.</p>\n".to_owned(),
        };
        let links = self
            .names
            .iter()
            .map(|(label, file)| format!("<a href=\"{file}\">{label}</a>"));
        writeln!(
            html,
            "<p class=\"files\">Files: {}</p>",
            links.collect::<Vec<_>>().join(", ")
        )
        .expect("a string takes what is written");
        html
    }
}

/// A file as the page links it, which lies beside it.
pub(super) fn file_name(stem: &str, file: ReportFile) -> String {
    paths::report(Path::new(""), stem, file).display().to_string()
}

fn label(file: ReportFile) -> &'static str {
    match file {
        ReportFile::Parquet => "Parquet",
        ReportFile::Csv => "CSV",
        ReportFile::Svg => "SVG",
        ReportFile::Png => "PNG",
        ReportFile::Pdf => "PDF",
        ReportFile::Provenance => "JSON",
        ReportFile::Columns => "columns (JSON)",
        ReportFile::SummaryParquet => "summary (Parquet)",
        ReportFile::SummaryCsv => "summary (CSV)",
    }
}

fn read_if_there(path: &Path) -> Result<Option<String>, ReportError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ReportError::Io {
            path: path.to_owned(),
            source,
        }),
    }
}
