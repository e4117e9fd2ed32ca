use crate::ExperimentError;
use sculpt_parquet::{Column, Table};
use sculpt_store::atomic;
use sculpt_trainers::{EpochMetrics, Evaluation};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;

/// One epoch of a node's `metrics.parquet`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsRow {
    /// What training saw.
    pub training: EpochMetrics,
    /// The test set (f32, BatchNorm in evaluation mode), at kept epochs.
    pub test: Option<Evaluation>,
}

/// Metrics of one or many nodes: (node id, row), in the order written.
pub type Metrics = Vec<(String, MetricsRow)>;

/// Writes rows as Parquet with the columns node, epoch, learning_rate, train_loss, train_accuracy, test_loss,
/// test_correct, test_images. Equal rows give equal bytes.
///
/// # Errors
/// What the file system refuses.
pub fn write_metrics(path: &Path, rows: &[(String, MetricsRow)]) -> Result<(), ExperimentError> {
    let numbers =
        |f: &dyn Fn(&MetricsRow) -> Option<f64>| Column::Number(rows.iter().map(|(_, r)| f(r)).collect());
    let counts =
        |f: &dyn Fn(&MetricsRow) -> Option<u32>| Column::Count(rows.iter().map(|(_, r)| f(r)).collect());
    let columns = [
        ("node", Column::text(rows.iter().map(|(id, _)| Some(id.as_str())))),
        ("epoch", counts(&|r| Some(r.training.epoch))),
        ("learning_rate", numbers(&|r| Some(r.training.learning_rate))),
        ("train_loss", numbers(&|r| Some(r.training.train_loss))),
        ("train_accuracy", numbers(&|r| Some(r.training.train_accuracy))),
        ("test_loss", numbers(&|r| r.test.map(|t| t.loss))),
        ("test_correct", counts(&|r| r.test.map(|t| t.n_correct as u32))),
        ("test_images", counts(&|r| r.test.map(|t| t.n as u32))),
    ];
    write_table(path, columns.into())
}

/// Writes columns as Parquet, whole or not at all.
pub(crate) fn write_table(path: &Path, columns: Vec<(&str, Column)>) -> Result<(), ExperimentError> {
    let table = |source| ExperimentError::Table {
        path: path.to_owned(),
        source,
    };
    let columns = columns
        .into_iter()
        .map(|(name, column)| (name.to_owned(), column));
    let bytes = Table::new(columns.collect())
        .and_then(|table| table.to_parquet())
        .map_err(table)?;
    Ok(atomic::write(path, &bytes)?)
}

/// Reads what [`write_table`] wrote, or a stranger did.
pub(crate) fn read_table(path: &Path) -> Result<Table, ExperimentError> {
    let bytes = sculpt_store::read(path).map_err(|source| ExperimentError::Io {
        path: path.to_owned(),
        source,
    })?;
    Table::from_parquet(&bytes).map_err(|source| ExperimentError::Table {
        path: path.to_owned(),
        source,
    })
}

/// Reads what [`write_metrics`] wrote.
///
/// # Errors
/// No such file, not Parquet, other columns; numbers that no training has, or two rows of one epoch.
pub fn read_metrics(path: &Path) -> Result<Metrics, ExperimentError> {
    let table = read_table(path)?;
    let wrong = |source| ExperimentError::Table {
        path: path.to_owned(),
        source,
    };
    let node = table.texts("node").map_err(wrong)?;
    let count = |name| table.counts(name).map_err(wrong);
    let number = |name| table.numbers(name).map_err(wrong);
    let (epoch, learning_rate) = (count("epoch")?, number("learning_rate")?);
    let (train_loss, train_accuracy) = (number("train_loss")?, number("train_accuracy")?);
    let (test_loss, test_correct, test_images) = (
        number("test_loss")?,
        count("test_correct")?,
        count("test_images")?,
    );
    let row = |i: usize| {
        let training = EpochMetrics {
            epoch: epoch[i]?,
            learning_rate: learning_rate[i]?,
            train_loss: train_loss[i]?,
            train_accuracy: train_accuracy[i]?,
        };
        let test = match (test_loss[i], test_correct[i], test_images[i]) {
            (Some(loss), Some(n_correct), Some(n)) => Some(Evaluation {
                loss,
                n_correct: n_correct.into(),
                n: n.into(),
            }),
            (None, None, None) => None,
            _ => return None,
        };
        Some((node[i].as_ref()?.to_string(), MetricsRow { training, test }))
    };
    let mut seen = BTreeSet::new();
    (0..table.n_rows())
        .map(|i| {
            let bad = |what: &str| ExperimentError::BadFile {
                path: path.to_owned(),
                detail: format!("row {i} {what}"),
            };
            let (node, row) = row(i).ok_or_else(|| bad("lacks a value that every row has"))?;
            if let Some(fault) = row.fault() {
                return Err(bad(fault));
            }
            if !seen.insert((node.clone(), row.training.epoch)) {
                return Err(bad("is another one of the same node and epoch"));
            }
            Ok((node, row))
        })
        .collect()
}

impl MetricsRow {
    /// What in a stranger's numbers no training can have measured.
    fn fault(&self) -> Option<&'static str> {
        let training = &self.training;
        let is_loss = |loss: f64| loss.is_finite() && loss >= 0.0;
        let test_loss = self.test.map_or(0.0, |test| test.loss);
        let impossible = !training.learning_rate.is_finite()
            || !is_loss(training.train_loss)
            || !(0.0..=1.0).contains(&training.train_accuracy)
            || !is_loss(test_loss);
        match self.test {
            _ if impossible => Some("has a number that no loss, accuracy or learning rate is"),
            Some(test) if test.n == 0 || test.n_correct > test.n => {
                Some("has more images right than it looked at, or none at all")
            }
            Some(_) | None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back() {
        let training = EpochMetrics {
            epoch: 1,
            learning_rate: 0.1,
            train_loss: 1.5,
            train_accuracy: 0.25,
        };
        let test = Some(Evaluation {
            loss: 0.1 + 0.2,
            n_correct: 7,
            n: 10,
        });
        let rows = vec![
            ("a".to_owned(), MetricsRow { training, test: None }),
            (
                "b".to_owned(),
                MetricsRow {
                    training: EpochMetrics { epoch: 2, ..training },
                    test,
                },
            ),
        ];
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("1.parquet"), folder.path().join("2.parquet"));
        write_metrics(&one, &rows).unwrap();
        write_metrics(&two, &rows).unwrap();
        assert_eq!(read_metrics(&one).unwrap(), rows);
        assert_eq!(std::fs::read(one).unwrap(), std::fs::read(two).unwrap());
        let missing = read_metrics(&folder.path().join("3.parquet")).unwrap_err();
        assert!(missing.to_string().contains("3.parquet"), "{missing}");
    }

    /// A stranger's numbers become accuracies, and verdicts.
    #[test]
    fn what_no_training_measures_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.parquet");
        let row = |epoch, train_loss, n_correct, n| {
            let training = EpochMetrics {
                epoch,
                learning_rate: 0.1,
                train_loss,
                train_accuracy: 0.5,
            };
            let test = Some(Evaluation {
                loss: 1.0,
                n_correct,
                n,
            });
            ("a".to_owned(), MetricsRow { training, test })
        };
        let check = |rows: &[(String, MetricsRow)], said: &str| {
            write_metrics(&path, rows).unwrap();
            let refused = read_metrics(&path).unwrap_err().to_string();
            assert!(
                refused.ends_with(said) && refused.contains("metrics.parquet"),
                "{refused}"
            );
        };
        let good = row(1, 1.0, 10, 10);
        check(
            &[good.clone(), row(2, 1.0, 11, 10)],
            "row 1 has more images right than it looked at, or none at all",
        );
        check(
            &[row(2, 1.0, 0, 0)],
            "row 0 has more images right than it looked at, or none at all",
        );
        for loss in [f64::NAN, f64::INFINITY, -5.0] {
            check(
                &[row(2, loss, 1, 10)],
                "row 0 has a number that no loss, accuracy or learning rate is",
            );
        }
        check(
            &[good.clone(), row(1, 2.0, 9, 10)],
            "row 1 is another one of the same node and epoch",
        );
        write_metrics(&path, &[good.clone(), row(2, 1.0, 9, 10)]).unwrap();
        assert_eq!(read_metrics(&path).unwrap()[0], good);
    }
}
