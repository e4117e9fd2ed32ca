use crate::{Name, ReportError};
use polars_core::prelude::{Column, DataFrame, DataType};
use polars_io::prelude::{ParquetReader, SerReader};
use sculpt_experiments::write_parquet;
use sculpt_store::atomic;
use serde::Serialize;
use std::{fs::File, path::Path};

/// A tidy frame: named columns of one type each, one observation a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    columns: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// One value. A column holds one kind of it, or [`Cell::Missing`].
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// A word.
    Text(String),
    /// A count.
    Count(u32),
    /// A number.
    Number(f64),
    /// A truth value.
    Flag(bool),
    /// Nothing known.
    Missing,
}

/// A place where a recomputed frame differs from a published one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The row, from 0.
    pub row: usize,
    /// The column.
    pub column: String,
    /// What was computed.
    pub computed: String,
    /// What is published.
    pub published: String,
}

impl Frame {
    /// An empty frame with these columns.
    pub fn new(columns: &[&'static str]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Appends a row.
    ///
    /// # Panics
    /// When it has not one cell a column.
    pub fn push(&mut self, row: Vec<Cell>) {
        assert_eq!(row.len(), self.columns.len(), "a row has one cell a column");
        self.rows.push(row);
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Names of the columns.
    pub fn columns(&self) -> &[&'static str] {
        &self.columns
    }

    /// One cell; [`Cell::Missing`] where there is no such row or column.
    pub fn cell(&self, row: usize, column: &str) -> &Cell {
        let place = self.columns.iter().position(|c| *c == column);
        place
            .and_then(|place| self.rows.get(row)?.get(place))
            .unwrap_or(&Cell::Missing)
    }

    /// A cell that must be a number or a count.
    ///
    /// # Errors
    /// It is neither.
    pub fn number(&self, artefact: Name, row: usize, column: &str) -> Result<f64, ReportError> {
        match self.cell(row, column) {
            Cell::Number(value) => Ok(*value),
            Cell::Count(value) => Ok(f64::from(*value)),
            Cell::Text(_) | Cell::Flag(_) | Cell::Missing => Err(bad_cell(artefact, "number", row, column)),
        }
    }

    /// A cell that must be a word.
    ///
    /// # Errors
    /// It is none.
    pub fn text(&self, artefact: Name, row: usize, column: &str) -> Result<&str, ReportError> {
        match self.cell(row, column) {
            Cell::Text(text) => Ok(text),
            Cell::Count(_) | Cell::Number(_) | Cell::Flag(_) | Cell::Missing => {
                Err(bad_cell(artefact, "word", row, column))
            }
        }
    }

    /// The rows as objects, by column; what is missing or no finite number is null.
    pub fn to_json(&self) -> Vec<serde_json::Map<String, serde_json::Value>> {
        let object = |row: &Vec<Cell>| {
            let names = self.columns.iter().map(|name| (*name).to_owned());
            names.zip(row.iter().map(Cell::to_json)).collect()
        };
        self.rows.iter().map(object).collect()
    }

    /// Writes Parquet and CSV, each whole or not at all.
    ///
    /// # Errors
    /// What polars or the file system refuses.
    pub fn write(&self, parquet: &Path, csv: &Path) -> Result<(), ReportError> {
        let mut frame = self.to_polars(parquet)?;
        write_parquet(parquet, &mut frame)?;
        Ok(atomic::write(csv, self.to_csv(csv)?.as_bytes())?)
    }

    /// Reads Parquet that [`Frame::write`] wrote, under the column names of `self`'s kind of frame.
    ///
    /// # Errors
    /// No such file, other columns or other types.
    pub fn read(parquet: &Path, columns: &[&'static str]) -> Result<Self, ReportError> {
        let io = |source| ReportError::Io {
            path: parquet.to_owned(),
            source,
        };
        let polars_error = |source| ReportError::Frame {
            path: parquet.to_owned(),
            source,
        };
        let bad = |detail: String| ReportError::BadFile {
            path: parquet.to_owned(),
            detail,
        };
        let read = ParquetReader::new(File::open(parquet).map_err(io)?)
            .finish()
            .map_err(polars_error)?;
        let mut frame = Frame::new(columns);
        let names: Vec<_> = read.columns().iter().map(|c| c.name().to_string()).collect();
        if names != columns {
            return Err(bad(format!("has columns {names:?}, not {columns:?}")));
        }
        let mut cells = Vec::with_capacity(columns.len());
        for column in read.columns() {
            cells.push(
                cells_of(column)
                    .map_err(polars_error)?
                    .ok_or_else(|| bad(format!("column {:?} has type {}", column.name(), column.dtype())))?,
            );
        }
        for row in 0..read.height() {
            frame.push(cells.iter().map(|column| column[row].clone()).collect());
        }
        Ok(frame)
    }

    fn to_polars(&self, path: &Path) -> Result<DataFrame, ReportError> {
        let columns = self.columns.iter().enumerate().map(|(i, name)| {
            let column = self.rows.iter().map(|row| &row[i]);
            let first = column.clone().find(|cell| **cell != Cell::Missing);
            match first {
                Some(Cell::Text(_)) => {
                    Column::new((*name).into(), column.map(Cell::as_text).collect::<Vec<_>>())
                }
                Some(Cell::Count(_)) => {
                    Column::new((*name).into(), column.map(Cell::as_count).collect::<Vec<_>>())
                }
                Some(Cell::Flag(_)) => {
                    Column::new((*name).into(), column.map(Cell::as_flag).collect::<Vec<_>>())
                }
                Some(Cell::Number(_) | Cell::Missing) | None => {
                    Column::new((*name).into(), column.map(Cell::as_number).collect::<Vec<_>>())
                }
            }
        });
        DataFrame::new(self.len(), columns.collect()).map_err(|source| ReportError::Frame {
            path: path.to_owned(),
            source,
        })
    }

    fn to_csv(&self, path: &Path) -> Result<String, ReportError> {
        let bad = |detail: String| ReportError::BadFile {
            path: path.to_owned(),
            detail,
        };
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer
            .write_record(&self.columns)
            .map_err(|e| bad(e.to_string()))?;
        for row in &self.rows {
            writer
                .write_record(row.iter().map(Cell::to_string))
                .map_err(|e| bad(e.to_string()))?;
        }
        let bytes = writer.into_inner().map_err(|e| bad(e.to_string()))?;
        String::from_utf8(bytes).map_err(|e| bad(e.to_string()))
    }
}

impl Cell {
    fn to_json(&self) -> serde_json::Value {
        match self {
            Cell::Text(text) => text.as_str().into(),
            Cell::Count(count) => (*count).into(),
            // Null where it is not finite.
            Cell::Number(number) => (*number).into(),
            Cell::Flag(flag) => (*flag).into(),
            Cell::Missing => serde_json::Value::Null,
        }
    }

    fn as_text(&self) -> Option<&str> {
        if let Cell::Text(text) = self {
            Some(text)
        } else {
            None
        }
    }

    fn as_count(&self) -> Option<u32> {
        if let Cell::Count(count) = self {
            Some(*count)
        } else {
            None
        }
    }

    fn as_number(&self) -> Option<f64> {
        if let Cell::Number(number) = self {
            Some(*number)
        } else {
            None
        }
    }

    fn as_flag(&self) -> Option<bool> {
        if let Cell::Flag(flag) = self {
            Some(*flag)
        } else {
            None
        }
    }
}

impl std::fmt::Display for Cell {
    /// Shortest text that reads back as the same value; empty when missing.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Cell::Text(text) => f.write_str(text),
            Cell::Count(count) => write!(f, "{count}"),
            Cell::Number(number) => write!(f, "{number}"),
            Cell::Flag(flag) => write!(f, "{flag}"),
            Cell::Missing => Ok(()),
        }
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Missing, Into::into)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.to_owned())
    }
}

impl From<u32> for Cell {
    fn from(count: u32) -> Self {
        Cell::Count(count)
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Cell::Number(number)
    }
}

impl From<bool> for Cell {
    fn from(flag: bool) -> Self {
        Cell::Flag(flag)
    }
}

/// Compares a recomputed frame with a published one. Words, flags and counts must be equal; numbers, and the counts
/// of the columns for which `tolerance` gives a number, may differ by that much.
pub fn compare(
    computed: &Frame,
    published: &Frame,
    tolerance: impl Fn(&str, usize) -> Option<f64>,
) -> Vec<Difference> {
    let mut differences = Vec::new();
    if computed.columns != published.columns || computed.len() != published.len() {
        differences.push(Difference {
            row: computed.len().min(published.len()),
            column: "all".to_owned(),
            computed: format!("{} rows of {}", computed.len(), computed.columns.join(", ")),
            published: format!("{} rows of {}", published.len(), published.columns.join(", ")),
        });
        return differences;
    }
    for row in 0..computed.len() {
        for (place, column) in computed.columns.iter().enumerate() {
            let (a, b) = (&computed.rows[row][place], &published.rows[row][place]);
            let close = match (a, b, tolerance(column, row)) {
                (Cell::Number(a), Cell::Number(b), Some(t)) => (a - b).abs() <= t,
                (Cell::Count(a), Cell::Count(b), Some(t)) => f64::from(a.abs_diff(*b)) <= t,
                (a, b, _) => a == b,
            };
            if !close {
                differences.push(Difference {
                    row,
                    column: (*column).to_owned(),
                    computed: a.to_string(),
                    published: b.to_string(),
                });
            }
        }
    }
    differences
}

/// `None`: a type that no frame of ours has.
fn cells_of(column: &Column) -> Result<Option<Vec<Cell>>, polars_core::error::PolarsError> {
    let n = column.len();
    Ok(Some(match column.dtype() {
        DataType::String => {
            let values = column.str()?;
            (0..n).map(|i| values.get(i).into()).collect()
        }
        DataType::UInt32 => {
            let values = column.u32()?;
            (0..n).map(|i| values.get(i).into()).collect()
        }
        DataType::Float64 => {
            let values = column.f64()?;
            (0..n).map(|i| values.get(i).into()).collect()
        }
        DataType::Boolean => {
            let values = column.bool()?;
            (0..n).map(|i| values.get(i).into()).collect()
        }
        _ => return Ok(None),
    }))
}

fn bad_cell(artefact: Name, kind: &'static str, row: usize, column: &str) -> ReportError {
    ReportError::BadCell {
        artefact: artefact.to_string(),
        kind,
        row,
        column: column.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Frame {
        let mut frame = Frame::new(&["method", "n", "accuracy", "loss"]);
        frame.push(vec!["LRR, \"own\"".into(), 7.into(), 0.7.into(), Cell::Missing]);
        frame.push(vec!["IMP".into(), 8.into(), (0.1 + 0.2).into(), 1.5.into()]);
        frame
    }

    #[test]
    fn frames_come_back_and_the_csv_reads_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let (parquet, csv) = (folder.path().join("f.parquet"), folder.path().join("f.csv"));
        example().write(&parquet, &csv).unwrap();
        assert_eq!(
            Frame::read(&parquet, &["method", "n", "accuracy", "loss"]).unwrap(),
            example()
        );
        let text = std::fs::read_to_string(csv).unwrap();
        assert_eq!(
            text,
            "method,n,accuracy,loss\n\"LRR, \"\"own\"\"\",7,0.7,\nIMP,8,0.30000000000000004,1.5\n"
        );
        assert!(Frame::read(&parquet, &["method"]).is_err());
    }

    #[test]
    fn json_has_a_value_or_null_for_each_column() {
        let mut frame = Frame::new(&["method", "n", "loss", "measured"]);
        frame.push(vec!["LRR".into(), 7.into(), f64::NAN.into(), true.into()]);
        frame.push(vec![Cell::Missing, Cell::Missing, 0.5.into(), Cell::Missing]);
        let expected = serde_json::json!([
            { "method": "LRR", "n": 7, "loss": null, "measured": true },
            { "method": null, "n": null, "loss": 0.5, "measured": null },
        ]);
        assert_eq!(serde_json::json!(frame.to_json()), expected);
    }

    #[test]
    fn comparison_names_the_cell() {
        let mut other = example();
        other.rows[0][1] = 9.into();
        let within = |column: &str, _| (column == "n").then_some(2.0);
        assert!(compare(&example(), &other, within).is_empty());
        let strict = compare(&example(), &other, |_, _| None);
        assert_eq!(
            (strict.len(), strict[0].row, strict[0].column.as_str()),
            (1, 0, "n")
        );
        other.rows.pop();
        assert_eq!(compare(&example(), &other, within).len(), 1);
    }
}
