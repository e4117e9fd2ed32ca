//! What every node of a published suite took, those too whose states nobody reads: `timings.parquet`.

use crate::metrics::{read_table, write_table};
use crate::{ExperimentError, NodeId, Timing};
use sculpt_parquet::Column;
use std::collections::BTreeMap;
use std::path::Path;

/// Timings by node.
pub(crate) type Timings = BTreeMap<NodeId, Timing>;

/// Writes timings with the columns node, seconds, images, starts, peak_memory_bytes, sorted by node.
pub(crate) fn write_timings(path: &Path, timings: &Timings) -> Result<(), ExperimentError> {
    let all = || timings.values();
    // Counts are exact in f64 up to 2⁵³, and tables here have no 64-bit integers.
    let images = all().map(|t| Some(t.images as f64));
    let peaks = all().map(|t| t.peak_memory_bytes.map(|n| n as f64));
    let columns = [
        ("node", Column::text(timings.keys().map(|id| Some(id.as_str())))),
        (
            "seconds",
            Column::Number(all().map(|t| Some(t.seconds)).collect()),
        ),
        ("images", Column::Number(images.collect())),
        ("starts", Column::Count(all().map(|t| Some(t.starts)).collect())),
        ("peak_memory_bytes", Column::Number(peaks.collect())),
    ];
    write_table(path, columns.into())
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
    let table = read_table(path)?;
    let wrong = |source| ExperimentError::Table {
        path: path.to_owned(),
        source,
    };
    let bad = |detail: &str| ExperimentError::BadFile {
        path: path.to_owned(),
        detail: detail.to_owned(),
    };
    let numbers = |name| table.numbers(name).map_err(wrong);
    let nodes = table.texts("node").map_err(wrong)?;
    let (seconds, images, peaks) = (
        numbers("seconds")?,
        numbers("images")?,
        numbers("peak_memory_bytes")?,
    );
    let starts = table.counts("starts").map_err(wrong)?;
    let mut timings = Timings::new();
    for row in 0..table.n_rows() {
        let id = nodes[row].as_ref().and_then(|id| id.parse().ok());
        let id = id.ok_or_else(|| bad("has a row without a node's id"))?;
        let (Some(seconds), Some(images), Some(starts)) = (seconds[row], images[row], starts[row]) else {
            return Err(bad("has a row without its numbers"));
        };
        // Sums of them are drawn and tabled.
        let is_amount = |x: &f64| x.is_finite() && *x >= 0.0;
        if ![Some(seconds), Some(images), peaks[row]]
            .iter()
            .flatten()
            .all(is_amount)
        {
            return Err(bad("has a row with a number that nothing takes"));
        }
        let timing = Timing {
            seconds,
            images: images as u64,
            starts,
            peak_memory_bytes: peaks[row].map(|n| n as u64),
        };
        if timings.insert(id, timing).is_some() {
            return Err(bad("has two rows of one node"));
        }
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

    /// Sums of them are what curves cost.
    #[test]
    fn what_nothing_takes_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("timings.parquet");
        for seconds in [f64::NAN, f64::INFINITY, -1.0] {
            let timing = Timing {
                seconds,
                images: 1,
                starts: 1,
                peak_memory_bytes: None,
            };
            let id = "a".repeat(64).parse().unwrap();
            write_timings(&path, &Timings::from([(id, timing)])).unwrap();
            let refused = check_timings(&path).unwrap_err().to_string();
            assert!(
                refused.ends_with("has a row with a number that nothing takes"),
                "{refused}"
            );
        }
    }
}
