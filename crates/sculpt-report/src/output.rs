use crate::frame_file::{read_frame, write_frame};
use crate::pictures::Pictures;
use crate::provenance::{Provenance, Restyled};
use crate::{Artefact, ReportError, Session};
use sculpt_experiments::Suite;
use sculpt_figures::{Figure, summary_rows, svg};
use sculpt_rows::{Difference, Frame, Meaning, Row, SummaryRow};
use sculpt_store::atomic;
use sculpt_store::cache::Cache;
use sculpt_store::paths::{self, ReportFile};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What [`write()`] and [`restyle`] wrote.
#[derive(Clone, Debug)]
pub struct Written {
    /// Paths of the files.
    pub files: Vec<PathBuf>,
    /// Observations in the frame.
    pub rows: usize,
    /// Pictures that nobody can read, and that its states were made without.
    pub left_out: usize,
    /// What the picture shows, a row a point; empty where there is no picture of means.
    pub summary: Vec<SummaryRow>,
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
    let figure = artefact.content.draw_frame(frame, &session.suite().preset)?;
    let provenance = Provenance::of(artefact, session, frame, figure.as_ref(), command, git_revision)
        .with_left_out(session.measures().source())?;
    let drawn = figure.as_ref().map(|figure| (figure, Some(session.pictures())));
    write_files(&Shown::of(artefact), frame, drawn, &provenance, folder)
}

/// Draws an artefact anew from the frame in `from`, and writes all its files into `folder`. It reads that frame, the provenance
/// beside it and what `suite` says of its preset: neither checkpoints nor data.
///
/// # Errors
/// No such frame, an artefact without a picture, or what the file system refuses.
pub fn restyle(
    artefact: &Artefact,
    suite: &Suite,
    from: &Path,
    folder: &Path,
    command: &str,
    git_revision: Option<String>,
) -> Result<(Frame, Written), ReportError> {
    let frame = artefact.read(from)?;
    let figure = artefact.content.draw_frame(&frame, &suite.preset)?;
    let figure = figure.ok_or_else(|| ReportError::NoPicture {
        artefact: artefact.name.to_string(),
    })?;
    let path = paths::report(from, &artefact.name.stem(), ReportFile::Provenance);
    let text = sculpt_store::read_text(&path).map_err(|source| ReportError::Io {
        path: path.clone(),
        source,
    })?;
    let provenance: Provenance = serde_json::from_str(&text).map_err(|error| ReportError::BadFile {
        path,
        detail: error.to_string(),
    })?;
    let by = Restyled {
        command: command.to_owned(),
        git_revision,
    };
    let provenance = provenance.redrawn(artefact, &figure, by);
    let written = write_files(
        &Shown::of(artefact),
        &frame,
        Some((&figure, None)),
        &provenance,
        folder,
    )?;
    Ok((frame, written))
}

/// What the columns of an artefact's frames say.
#[derive(Serialize)]
struct Columns {
    artefact: String,
    frame: Vec<Meaning>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    summary: Vec<Meaning>,
}

/// What files are of.
pub(crate) struct Shown {
    /// `figure 5`.
    pub(crate) name: String,
    /// `figure-5`.
    pub(crate) stem: String,
    /// What the columns of its frame say.
    pub(crate) meanings: Vec<Meaning>,
}

impl Shown {
    fn of(artefact: &Artefact) -> Self {
        Self {
            name: artefact.name.to_string(),
            stem: artefact.name.stem(),
            meanings: artefact.content.meanings(),
        }
    }
}

/// Writes frame, provenance, columns, and the pictures where there is one, beside which the cache stands that may have them.
pub(crate) fn write_files(
    of: &Shown,
    frame: &Frame,
    figure: Option<(&Figure, Option<&Cache>)>,
    provenance: &Provenance,
    folder: &Path,
) -> Result<Written, ReportError> {
    let path = |file| paths::report(folder, &of.stem, file);
    let summary = figure
        .map(|(figure, _)| summary_rows(figure))
        .filter(|rows| !rows.is_empty());
    let columns = Columns {
        artefact: of.name.clone(),
        frame: of.meanings.clone(),
        summary: summary
            .as_ref()
            .map(|_| SummaryRow::meanings())
            .unwrap_or_default(),
    };
    write_frame(frame, &path(ReportFile::Parquet), &path(ReportFile::Csv))?;
    write_json(provenance, &path(ReportFile::Provenance))?;
    write_json(&columns, &path(ReportFile::Columns))?;
    let mut files = vec![
        ReportFile::Parquet,
        ReportFile::Csv,
        ReportFile::Provenance,
        ReportFile::Columns,
    ];
    if let Some(rows) = &summary {
        let (parquet, csv) = (ReportFile::SummaryParquet, ReportFile::SummaryCsv);
        write_frame(&Frame::of(rows), &path(parquet), &path(csv))?;
        files.extend([parquet, csv]);
    }
    if let Some((figure, cache)) = figure {
        let drawing = svg(figure)?;
        let pictures = Pictures::of(&drawing, cache)?;
        atomic::write(&path(ReportFile::Svg), drawing.as_bytes())?;
        atomic::write(&path(ReportFile::Png), &pictures.png)?;
        atomic::write(&path(ReportFile::Pdf), &pictures.pdf)?;
        files.extend([ReportFile::Svg, ReportFile::Png, ReportFile::Pdf]);
    }
    // What was of this name before, a picture where a table is now, would be taken for a part of it.
    let no_more = ReportFile::ALL.into_iter().filter(|file| !files.contains(file));
    for stale in no_more {
        remove_if_there(&path(stale))?;
    }
    Ok(Written {
        left_out: provenance.left_out.len(),
        files: files.into_iter().map(path).collect(),
        rows: frame.len(),
        summary: summary.unwrap_or_default(),
    })
}

/// Removes a file of ours, where it is there.
pub(crate) fn remove_if_there(path: &Path) -> Result<(), ReportError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(ReportError::Io {
            path: path.to_owned(),
            source,
        }),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn write_json(what: &impl Serialize, path: &Path) -> Result<(), ReportError> {
    let mut json = serde_json::to_string_pretty(what).map_err(|error| ReportError::BadFile {
        path: path.to_owned(),
        detail: error.to_string(),
    })?;
    json.push('\n');
    Ok(atomic::write(path, json.as_bytes())?)
}

impl Artefact {
    /// The frame of it in a report folder.
    ///
    /// # Errors
    /// No such frame, or one that is not ours.
    pub fn read(&self, folder: &Path) -> Result<Frame, ReportError> {
        let path = paths::report(folder, &self.name.stem(), ReportFile::Parquet);
        read_frame(&path, self.content.columns())
    }

    /// What its picture in a report folder shows as numbers; nothing where there is no picture of means.
    ///
    /// # Errors
    /// A summary that is not ours.
    pub fn read_summary(&self, folder: &Path) -> Result<Vec<SummaryRow>, ReportError> {
        let path = paths::report(folder, &self.name.stem(), ReportFile::SummaryParquet);
        if !path.is_file() {
            return Ok(Vec::new());
        }
        Ok(read_frame(&path, SummaryRow::names())?.rows()?)
    }

    /// Compares a frame with the one published in `folder`.
    ///
    /// # Errors
    /// No published frame, or one that is not ours.
    pub fn check(&self, frame: &Frame, folder: &Path) -> Result<Vec<Difference>, ReportError> {
        self.content.compare_frames(frame, &self.read(folder)?)
    }
}
