//! A folder for TensorBoard: one run a node, grown from the store's epochs.

use super::events::{records, same, scalars, version};
use crate::printing;
use sculpt_experiments::{MetricsRow, NodeId};
use sculpt_store::{FileError, growing, paths};
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Event files below a folder. TensorBoard, which follows a file by its end, may look at them meanwhile.
pub(super) struct Board {
    folder: PathBuf,
    /// Rows that stand in the files, whole.
    written: HashMap<NodeId, usize>,
    warned: bool,
}

impl Board {
    /// # Errors
    /// A folder that cannot be made.
    pub(super) fn new(folder: PathBuf) -> Result<Self, FileError> {
        sculpt_store::atomic::create_folder(&folder)?;
        Ok(Self {
            folder,
            written: HashMap::new(),
            warned: false,
        })
    }

    /// Brings a node's file up to these rows. Training does not wait for a disk, and goes on without.
    pub(super) fn update(&mut self, name: &str, id: &NodeId, rows: &[MetricsRow], is_whole: bool) {
        if let Err(error) = self.try_update(name, id, rows, is_whole) {
            self.written.remove(id);
            if !self.warned {
                self.warned = true;
                printing::warning(&format!("{error}; TensorBoard's files are behind"));
            }
        }
    }

    fn try_update(
        &mut self,
        name: &str,
        id: &NodeId,
        rows: &[MetricsRow],
        is_whole: bool,
    ) -> Result<(), FileError> {
        let path = paths::event_file(&self.folder.join(run_name(name, id)));
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0.0, |since| since.as_secs_f64());
        let all = || rows.iter().map(|row| event(now, row));
        let mut n_there = self.written.get(id).copied();
        // Another process may have written the file, and a node that was gone on with elsewhere may have come out otherwise.
        if n_there.is_none() || is_whole {
            let there = sculpt_store::read(&path).unwrap_or_default();
            let there_records = records(&there);
            let n = there_records.len().saturating_sub(1);
            let is_whole_file = !there_records.is_empty() && there_records.concat().len() == there.len();
            let fits = is_whole_file && (n <= rows.len() || !is_whole);
            let mut pairs = there_records.iter().skip(1).zip(all());
            n_there = (fits && pairs.all(|(there, due)| same(there, &due))).then_some(n);
        }
        match n_there {
            Some(n) if n < rows.len() => {
                let new: Vec<u8> = all().skip(n).flatten().collect();
                growing::append(&path, &new)?;
            }
            // One that goes on from an earlier save comes by the same epochs.
            Some(_) => {}
            None => {
                let begin = [version(now)].into_iter().chain(all());
                growing::begin(&path, &begin.flatten().collect::<Vec<u8>>())?;
            }
        }
        let n = n_there.unwrap_or_default().max(rows.len());
        self.written.insert(id.clone(), n);
        Ok(())
    }
}

/// Name of a node's run: what people call it, as far as a folder may be called so, and how its id begins.
fn run_name(name: &str, id: &NodeId) -> String {
    let plain = |c: char| {
        if paths::is_plain_name(&format!("a{c}")) {
            c
        } else {
            '_'
        }
    };
    let name: String = name.chars().take(100).map(plain).collect();
    format!("{}-{}", name.trim_start_matches('.'), id.short())
}

fn event(now: f64, row: &MetricsRow) -> Vec<u8> {
    let training = &row.training;
    let mut values = vec![
        ("loss/train", training.train_loss),
        ("accuracy/train", training.train_accuracy),
        ("learning_rate", training.learning_rate),
    ];
    if let Some(test) = &row.test {
        values.push(("loss/test", test.loss));
        values.push(("accuracy/test", test.n_correct as f64 / test.n as f64));
    }
    scalars(now, training.epoch, &values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sculpt_trainers::EpochMetrics;

    fn rows(loss: f64, n: u32) -> Vec<MetricsRow> {
        let training = |epoch| EpochMetrics {
            epoch,
            learning_rate: 0.1,
            train_loss: loss,
            train_accuracy: 0.5,
        };
        let row = |epoch| MetricsRow {
            training: training(epoch),
            test: None,
        };
        (1..=n).map(row).collect()
    }

    #[test]
    fn files_grow_and_are_begun_anew_where_they_say_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let id: NodeId = "ab".repeat(32).parse().unwrap();
        let path = folder
            .path()
            .join("lrr_seed=1_-abababababab")
            .join("events.out.tfevents.sculpt");
        let board = || Board::new(folder.path().to_owned()).unwrap();
        let read = || std::fs::read(&path).unwrap();
        let due = |rows: &[MetricsRow]| rows.iter().map(|row| event(0.0, row)).collect::<Vec<_>>();
        #[track_caller]
        fn check(bytes: &[u8], due: &[Vec<u8>]) {
            let there = records(bytes);
            assert_eq!(there.len(), 1 + due.len());
            assert!(there[1..].iter().zip(due).all(|(there, due)| same(there, due)));
        }
        let mut first = board();
        first.update("lrr[seed=1]", &id, &rows(1.0, 2), false);
        let begun = read();
        check(&begun, &due(&rows(1.0, 2)));
        first.update("lrr[seed=1]", &id, &rows(1.0, 3), false);
        // Another process goes on from a save before the end, and comes by.
        let mut second = board();
        second.update("lrr[seed=1]", &id, &rows(1.0, 3), false);
        second.update("lrr[seed=1]", &id, &rows(1.0, 1), false);
        second.update("lrr[seed=1]", &id, &rows(1.0, 4), true);
        assert!(
            read().starts_with(&begun),
            "TensorBoard follows a file by its end"
        );
        check(&read(), &due(&rows(1.0, 4)));
        // It came out otherwise, or the file is torn.
        second.update("lrr[seed=1]", &id, &rows(2.0, 4), true);
        check(&read(), &due(&rows(2.0, 4)));
        std::fs::write(&path, &read()[..begun.len() - 1]).unwrap();
        board().update("lrr[seed=1]", &id, &rows(2.0, 4), false);
        check(&read(), &due(&rows(2.0, 4)));
    }
}
