//! Names below `reports`.

use std::path::{Path, PathBuf};

/// Folder of a suite's generated reports, which git ignores.
pub fn report_folder(reports: &Path, suite: &str) -> PathBuf {
    reports.join(suite)
}

/// Folder of a suite's published reports, which are committed.
pub fn published_report_folder(reports: &Path, suite: &str) -> PathBuf {
    reports.join("published").join(suite)
}

/// The page that shows all of a suite's report folder.
pub fn report_page(report_folder: &Path) -> PathBuf {
    report_folder.join("index.html")
}

/// The verdicts of a suite's report folder as text.
pub fn findings(report_folder: &Path) -> PathBuf {
    report_folder.join("FINDINGS.md")
}

/// What stands beside each other under an artefact's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReportFile {
    /// The frame, types kept.
    Parquet,
    /// The frame, for everybody.
    Csv,
    /// The picture.
    Svg,
    /// The picture as pixels.
    Png,
    /// The picture for a paper.
    Pdf,
    /// Where it comes from.
    Provenance,
    /// What the columns of frame and summary say: name, unit, meaning.
    Columns,
    /// What the picture shows as numbers, types kept: mean, interval and seeds by point.
    SummaryParquet,
    /// The same for everybody.
    SummaryCsv,
}

impl ReportFile {
    /// All of them.
    pub const ALL: [ReportFile; 9] = [
        ReportFile::Parquet,
        ReportFile::Csv,
        ReportFile::Svg,
        ReportFile::Png,
        ReportFile::Pdf,
        ReportFile::Provenance,
        ReportFile::Columns,
        ReportFile::SummaryParquet,
        ReportFile::SummaryCsv,
    ];

    /// End of the file name, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            ReportFile::Parquet => "parquet",
            ReportFile::Csv => "csv",
            ReportFile::Svg => "svg",
            ReportFile::Png => "png",
            ReportFile::Pdf => "pdf",
            ReportFile::Provenance => "json",
            ReportFile::Columns => "columns.json",
            ReportFile::SummaryParquet => "summary.parquet",
            ReportFile::SummaryCsv => "summary.csv",
        }
    }
}

/// A file of an artefact such as `figure-5`, in a suite's report folder.
pub fn report(report_folder: &Path, artefact: &str, file: ReportFile) -> PathBuf {
    report_folder.join(format!("{artefact}.{}", file.extension()))
}

/// The picture of a node's training; no suite's name begins with a dot.
pub fn node_picture(reports: &Path, id: &str) -> PathBuf {
    reports.join(".nodes").join(format!("{id}.svg"))
}

/// The page of speeds side by side, which is committed.
pub fn benchmarks(reports: &Path) -> PathBuf {
    reports.join("benchmarks.md")
}

/// Lock of whoever measures for [`benchmarks`]; no suite's name begins with a dot.
pub fn benchmarks_lock(reports: &Path) -> PathBuf {
    super::beside(&benchmarks(reports), "lock")
}

/// Speeds by batch, width and threads: the picture (`svg`, `png`) or its numbers (`md`).
pub fn benchmarks_scale(reports: &Path, extension: &str) -> PathBuf {
    reports.join(format!("benchmarks-scale.{extension}"))
}
