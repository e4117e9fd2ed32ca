use crate::ExperimentError;
use polars_core::prelude::{Column, DataFrame};
use polars_io::prelude::{ParquetCompression, ParquetReader, ParquetWriter, SerReader};
use sculpt_store::atomic;
use sculpt_trainers::{EpochMetrics, Evaluation};
use serde::{Deserialize, Serialize};
use std::{fs::File, path::Path};

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
/// What polars or the file system refuses.
pub fn write_metrics(path: &Path, rows: &[(String, MetricsRow)]) -> Result<(), ExperimentError> {
    let frame_error = |source| ExperimentError::Frame {
        path: path.to_owned(),
        source,
    };
    let column = |name: &str, f: &dyn Fn(&MetricsRow) -> Option<f64>| {
        Column::new(name.into(), rows.iter().map(|(_, r)| f(r)).collect::<Vec<_>>())
    };
    let count = |name: &str, f: &dyn Fn(&MetricsRow) -> Option<u32>| {
        Column::new(name.into(), rows.iter().map(|(_, r)| f(r)).collect::<Vec<_>>())
    };
    let columns = vec![
        Column::new(
            "node".into(),
            rows.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(),
        ),
        count("epoch", &|r| Some(r.training.epoch)),
        column("learning_rate", &|r| Some(r.training.learning_rate)),
        column("train_loss", &|r| Some(r.training.train_loss)),
        column("train_accuracy", &|r| Some(r.training.train_accuracy)),
        column("test_loss", &|r| r.test.map(|t| t.loss)),
        count("test_correct", &|r| r.test.map(|t| t.n_correct as u32)),
        count("test_images", &|r| r.test.map(|t| t.n as u32)),
    ];
    let mut frame = DataFrame::new(rows.len(), columns).map_err(frame_error)?;
    write_parquet(path, &mut frame)
}

/// Writes a frame as Parquet, whole or not at all.
///
/// # Errors
/// What polars or the file system refuses.
pub fn write_parquet(path: &Path, frame: &mut DataFrame) -> Result<(), ExperimentError> {
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes)
        .with_compression(ParquetCompression::Snappy)
        .finish(frame)
        .map_err(|source| ExperimentError::Frame {
            path: path.to_owned(),
            source,
        })?;
    Ok(atomic::write(path, &bytes)?)
}

/// Reads what [`write_metrics`] wrote.
///
/// # Errors
/// No such file, not Parquet, or other columns.
pub fn read_metrics(path: &Path) -> Result<Metrics, ExperimentError> {
    let frame_error = |source| ExperimentError::Frame {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(|source| ExperimentError::Io {
        path: path.to_owned(),
        source,
    })?;
    let frame = ParquetReader::new(file).finish().map_err(frame_error)?;
    let node = frame.column("node").and_then(|c| c.str()).map_err(frame_error)?;
    let float = |name: &str| frame.column(name).and_then(|c| c.f64()).map_err(frame_error);
    let count = |name: &str| frame.column(name).and_then(|c| c.u32()).map_err(frame_error);
    let (epoch, learning_rate) = (count("epoch")?, float("learning_rate")?);
    let (train_loss, train_accuracy) = (float("train_loss")?, float("train_accuracy")?);
    let (test_loss, test_correct, test_images) =
        (float("test_loss")?, count("test_correct")?, count("test_images")?);
    let row = |i: usize| {
        let training = EpochMetrics {
            epoch: epoch.get(i)?,
            learning_rate: learning_rate.get(i)?,
            train_loss: train_loss.get(i)?,
            train_accuracy: train_accuracy.get(i)?,
        };
        let test = match (test_loss.get(i), test_correct.get(i), test_images.get(i)) {
            (Some(loss), Some(n_correct), Some(n)) => Some(Evaluation {
                loss,
                n_correct: n_correct.into(),
                n: n.into(),
            }),
            _ => None,
        };
        Some((node.get(i)?.to_owned(), MetricsRow { training, test }))
    };
    (0..frame.height())
        .map(|i| {
            row(i).ok_or_else(|| ExperimentError::BadFile {
                path: path.to_owned(),
                detail: format!("row {i} lacks a value that every row has"),
            })
        })
        .collect()
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
}
