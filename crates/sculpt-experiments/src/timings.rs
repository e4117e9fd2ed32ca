//! What every node of a published suite took, those too whose states nobody reads: `timings.parquet`.

use crate::metrics::write_parquet;
use crate::{ExperimentError, NodeId, Timing};
use polars_core::prelude::{Column, DataFrame, PolarsError};
use polars_io::prelude::{ParquetReader, SerReader};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

/// Timings by node.
pub(crate) type Timings = BTreeMap<NodeId, Timing>;

/// Writes timings with the columns node, seconds, images, starts, peak_memory_bytes, sorted by node.
pub(crate) fn write_timings(path: &Path, timings: &Timings) -> Result<(), ExperimentError> {
    let all = || timings.values();
    let columns = vec![
        Column::new(
            "node".into(),
            timings.keys().map(NodeId::as_str).collect::<Vec<_>>(),
        ),
        Column::new("seconds".into(), all().map(|t| t.seconds).collect::<Vec<_>>()),
        // Counts are exact in f64 up to 2⁵³, and frames here have no 64-bit integers.
        Column::new(
            "images".into(),
            all().map(|t| t.images as f64).collect::<Vec<_>>(),
        ),
        Column::new("starts".into(), all().map(|t| t.starts).collect::<Vec<_>>()),
        Column::new(
            "peak_memory_bytes".into(),
            all()
                .map(|t| t.peak_memory_bytes.map(|n| n as f64))
                .collect::<Vec<_>>(),
        ),
    ];
    let mut frame = DataFrame::new(timings.len(), columns).map_err(|source| ExperimentError::Frame {
        path: path.to_owned(),
        source,
    })?;
    write_parquet(path, &mut frame)
}

/// Whether a `timings.parquet` can be read.
///
/// # Errors
/// A file that is not ours.
pub fn check_timings(path: &Path) -> Result<(), ExperimentError> {
    read_timings(path).map(drop)
}

/// Reads what [`write_timings`] wrote; a suite of older days has none.
pub(crate) fn read_timings(path: &Path) -> Result<Timings, ExperimentError> {
    if !path.is_file() {
        return Ok(Timings::new());
    }
    let file = File::open(path).map_err(|source| ExperimentError::Io {
        path: path.to_owned(),
        source,
    })?;
    let frame_error = |source: PolarsError| ExperimentError::Frame {
        path: path.to_owned(),
        source,
    };
    let bad = |detail: &str| ExperimentError::BadFile {
        path: path.to_owned(),
        detail: detail.to_owned(),
    };
    let frame = ParquetReader::new(file).finish().map_err(frame_error)?;
    let column = |name: &str| frame.column(name).map_err(frame_error);
    let nodes = column("node")?.str().map_err(frame_error)?;
    let numbers = |name| Ok::<_, ExperimentError>(column(name)?.f64().map_err(frame_error)?.clone());
    let (seconds, images, peaks) = (
        numbers("seconds")?,
        numbers("images")?,
        numbers("peak_memory_bytes")?,
    );
    let starts = column("starts")?.u32().map_err(frame_error)?;
    let mut timings = Timings::new();
    for row in 0..frame.height() {
        let id = nodes.get(row).and_then(|id| id.parse().ok());
        let id = id.ok_or_else(|| bad("has a row without a node's id"))?;
        let cells = (seconds.get(row), images.get(row), starts.get(row));
        let (Some(seconds), Some(images), Some(starts)) = cells else {
            return Err(bad("has a row without its numbers"));
        };
        let timing = Timing {
            seconds,
            images: images as u64,
            starts,
            peak_memory_bytes: peaks.get(row).map(|n| n as u64),
        };
        timings.insert(id, timing);
    }
    Ok(timings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timings_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("timings.parquet");
        assert_eq!(read_timings(&path).unwrap(), Timings::new());
        let timing = |peak| Timing {
            seconds: 1.5,
            images: 3 << 40,
            starts: 2,
            peak_memory_bytes: peak,
        };
        let id = |digit: &str| digit.repeat(64).parse::<NodeId>().unwrap();
        let timings = Timings::from([(id("a"), timing(Some(1 << 33))), (id("b"), timing(None))]);
        write_timings(&path, &timings).unwrap();
        assert_eq!(read_timings(&path).unwrap(), timings);
    }
}
