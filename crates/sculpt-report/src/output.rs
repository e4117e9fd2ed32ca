use crate::{Artefact, Difference, Frame, ReportError, Session, compare, draw};
use sculpt_store::atomic;
use sculpt_store::paths::{self, ReportFile};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Dots per inch of PNGs: a paper's.
const DPI: f32 = 300.0;

/// What [`write()`] wrote.
#[derive(Clone, Debug)]
pub struct Written {
    /// Paths of the files.
    pub files: Vec<PathBuf>,
    /// Observations in the frame.
    pub rows: usize,
}

/// Draws a measured frame and writes all files of the artefact into `folder`.
///
/// # Errors
/// A frame that cannot be drawn, or what the file system refuses.
pub fn write(
    artefact: &Artefact,
    frame: &Frame,
    session: &Session,
    folder: &Path,
    command: &str,
    git_revision: Option<String>,
) -> Result<Written, ReportError> {
    let path = |file| paths::report(folder, &artefact.name.stem(), file);
    let figure = artefact.content.draw(frame, session)?;
    let mut provenance = session.provenance(artefact, command, git_revision);
    provenance.rows = frame.len();
    // A schedule is no mean over runs.
    let repeated = figure.as_ref().filter(|figure| figure.statistic.is_some());
    provenance.n = repeated.map_or((0, 0), runs_behind_points);
    let has_accuracies = frame.columns().contains(&"accuracy");
    provenance.accuracies = provenance.accuracies.filter(|_| has_accuracies);
    provenance.nodes = nodes(frame);
    let bad = |e: serde_json::Error| ReportError::BadFile {
        path: path(ReportFile::Provenance),
        detail: e.to_string(),
    };
    let mut json = serde_json::to_string_pretty(&provenance).map_err(bad)?;
    json.push('\n');
    frame.write(&path(ReportFile::Parquet), &path(ReportFile::Csv))?;
    atomic::write(&path(ReportFile::Provenance), json.as_bytes())?;
    let mut files = vec![ReportFile::Parquet, ReportFile::Csv, ReportFile::Provenance];
    if let Some(figure) = figure {
        let svg = draw::svg(&figure)?;
        let (png, pdf) = (draw::png(&svg, DPI)?, draw::pdf(&svg)?);
        atomic::write(&path(ReportFile::Svg), svg.as_bytes())?;
        atomic::write(&path(ReportFile::Png), &png)?;
        atomic::write(&path(ReportFile::Pdf), &pdf)?;
        files.extend([ReportFile::Svg, ReportFile::Png, ReportFile::Pdf]);
    }
    Ok(Written {
        files: files.into_iter().map(path).collect(),
        rows: frame.len(),
    })
}

impl Artefact {
    /// Compares a frame with the one published in `folder`.
    ///
    /// # Errors
    /// No published frame, or one that is not ours.
    pub fn check(&self, frame: &Frame, folder: &Path) -> Result<Vec<Difference>, ReportError> {
        let path = paths::report(folder, &self.name.stem(), ReportFile::Parquet);
        let published = Frame::read(&path, self.content.columns())?;
        Ok(compare(frame, &published, |column, row| {
            self.content.tolerance(&published, column, row)
        }))
    }
}

fn runs_behind_points(figure: &draw::Figure) -> (usize, usize) {
    let counts = figure
        .panels
        .iter()
        .flat_map(|p| &p.curves)
        .flat_map(|c| &c.points)
        .map(|p| p.n);
    (counts.clone().min().unwrap_or(0), counts.max().unwrap_or(0))
}

fn nodes(frame: &Frame) -> Vec<String> {
    let column = |name| (0..frame.len()).map(move |row| frame.cell(row, name).to_string());
    let ids: BTreeSet<_> = column("node").chain(column("node_from")).collect();
    ids.into_iter().filter(|id| !id.is_empty()).collect()
}
