//! `progress/epochs.jsonl`: the epochs of an unfinished node, a line each, for whoever watches. Nothing that training does
//! depends on it.

use crate::ExperimentError;
use crate::metrics::MetricsRow;
use sculpt_store::{growing, paths};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Writes a line after each epoch. That it cannot is no reason to end a training.
pub(crate) struct Live {
    path: PathBuf,
    /// Whether all before the newest row stand in the file, whole.
    whole: bool,
}

impl Live {
    /// Begins the file of a node that goes on behind these epochs: what a process that was cut off wrote after its last save
    /// is trained again.
    pub(crate) fn begin(folder: &Path, rows: &[MetricsRow]) -> Self {
        let path = paths::live_epochs(folder);
        let whole = growing::begin(&path, lines(rows).as_bytes()).is_ok();
        Self { path, whole }
    }

    /// Adds the newest of all rows.
    pub(crate) fn add(&mut self, rows: &[MetricsRow]) {
        let newest = &rows[rows.len().saturating_sub(1)..];
        let written = if self.whole {
            growing::append(&self.path, lines(newest).as_bytes())
        } else {
            growing::begin(&self.path, lines(rows).as_bytes())
        };
        self.whole = written.is_ok();
    }
}

fn lines(rows: &[MetricsRow]) -> String {
    let line = |row| serde_json::to_string(row).expect("a row is plain JSON") + "\n";
    rows.iter().map(line).collect()
}

/// Removes the file, before the node's marker says that it is finished: a marker ends all looking at the folder.
pub(crate) fn remove(folder: &Path) -> Result<(), ExperimentError> {
    let path = paths::live_epochs(folder);
    match fs::remove_file(&path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(ExperimentError::Io { path, source }),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The epochs so far of an unfinished node, from its folder; none without the file. A torn last line is being written.
///
/// # Errors
/// A line that is no row, or not of the epoch that follows.
pub fn read_live(folder: &Path) -> Result<Vec<MetricsRow>, ExperimentError> {
    let path = paths::live_epochs(folder);
    let bytes = match sculpt_store::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(ExperimentError::Io { path, source }),
    };
    parse(&bytes).map_err(|detail| ExperimentError::BadFile { path, detail })
}

fn parse(bytes: &[u8]) -> Result<Vec<MetricsRow>, String> {
    let mut rows: Vec<MetricsRow> = Vec::new();
    let whole = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .filter_map(|line| line.strip_suffix(b"\n"));
    for line in whole {
        let n = rows.len() + 1;
        let row: MetricsRow = serde_json::from_slice(line).map_err(|e| format!("line {n}: {e}"))?;
        if row.training.epoch as usize != n {
            return Err(format!("line {n} is of epoch {}", row.training.epoch));
        }
        rows.push(row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sculpt_trainers::{EpochMetrics, Evaluation};

    fn row(epoch: u32) -> MetricsRow {
        MetricsRow {
            training: EpochMetrics {
                epoch,
                learning_rate: 0.1,
                train_loss: 0.1 + 0.2,
                train_accuracy: 0.25,
            },
            test: (epoch == 2).then_some(Evaluation {
                loss: 1.0 / 3.0,
                n_correct: 7,
                n: 10,
            }),
        }
    }

    #[test]
    fn rows_come_back_from_every_cut_of_the_file() {
        let text = lines(&[row(1), row(2), row(3)]);
        let ends: Vec<_> = text.match_indices('\n').map(|(at, _)| at).collect();
        for cut in 0..=text.len() {
            let whole = ends.iter().filter(|&&end| end < cut).count() as u32;
            let due: Vec<_> = (1..=whole).map(row).collect();
            assert_eq!(parse(&text.as_bytes()[..cut]), Ok(due), "{cut} bytes");
        }
    }

    #[test]
    fn other_lines_are_named() {
        let twice = lines(&[row(1), row(1)]);
        assert_eq!(parse(twice.as_bytes()), Err("line 2 is of epoch 1".to_owned()));
        let torn = format!("{}x\n{}", lines(&[row(1)]), lines(&[row(2)]));
        assert!(parse(torn.as_bytes()).unwrap_err().starts_with("line 2: "));
    }

    #[test]
    fn a_line_that_could_not_be_written_comes_with_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let mut live = Live::begin(folder.path(), &[row(1)]);
        fs::remove_dir_all(paths::progress_folder(folder.path())).unwrap();
        live.add(&[row(1), row(2)]);
        assert_eq!(read_live(folder.path()).unwrap(), []);
        live.add(&[row(1), row(2), row(3)]);
        live.add(&[row(1), row(2), row(3), row(4)]);
        assert_eq!(read_live(folder.path()).unwrap(), [1, 2, 3, 4].map(row));
        // A node that is gone on with begins the file anew.
        Live::begin(folder.path(), &[row(1)]);
        assert_eq!(read_live(folder.path()).unwrap(), [row(1)]);
        remove(folder.path()).unwrap();
        remove(folder.path()).unwrap();
        assert_eq!(read_live(folder.path()).unwrap(), []);
    }
}
