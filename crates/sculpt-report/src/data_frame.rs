//! Frames as Polars has them, and as Parquet and CSV.

use crate::ReportError;
use polars_core::error::PolarsError;
use polars_core::prelude::{Column, DataFrame, DataType};
use polars_io::prelude::{ParquetReader, SerReader};
use sculpt_experiments::write_parquet;
use sculpt_rows::{Cell, Frame};
use sculpt_store::atomic;
use std::fs::File;
use std::path::Path;

/// The frame as a Polars `DataFrame`: words are strings, counts `u32`, numbers `f64`, flags booleans, what is missing
/// is null. A column without any value is one of numbers.
///
/// # Errors
/// What Polars refuses.
pub fn to_data_frame(frame: &Frame) -> Result<DataFrame, PolarsError> {
    let columns = frame.columns().iter().map(|name| {
        let cells = || frame.column(name);
        let place = (*name).into();
        match cells().find(|cell| **cell != Cell::Missing) {
            Some(Cell::Text(_)) => Column::new(place, cells().map(as_text).collect::<Vec<_>>()),
            Some(Cell::Count(_)) => Column::new(place, cells().map(as_count).collect::<Vec<_>>()),
            Some(Cell::Flag(_)) => Column::new(place, cells().map(as_flag).collect::<Vec<_>>()),
            Some(Cell::Number(_) | Cell::Missing) | None => {
                Column::new(place, cells().map(as_number).collect::<Vec<_>>())
            }
        }
    });
    DataFrame::new(frame.len(), columns.collect())
}

/// Writes Parquet and CSV, each whole or not at all.
///
/// # Errors
/// What polars or the file system refuses.
pub(crate) fn write_frame(frame: &Frame, parquet: &Path, csv: &Path) -> Result<(), ReportError> {
    let mut columns = to_data_frame(frame).map_err(|source| ReportError::Frame {
        path: parquet.to_owned(),
        source,
    })?;
    write_parquet(parquet, &mut columns)?;
    Ok(atomic::write(csv, to_csv(frame, csv)?.as_bytes())?)
}

/// Reads Parquet that [`write_frame`] wrote, which must have these columns.
///
/// # Errors
/// No such file, other columns or other types.
pub(crate) fn read_frame(parquet: &Path, columns: Vec<&'static str>) -> Result<Frame, ReportError> {
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
    let names: Vec<_> = read.columns().iter().map(|c| c.name().to_string()).collect();
    if names != columns {
        return Err(bad(format!("has columns {names:?}, not {columns:?}")));
    }
    let mut cells = Vec::with_capacity(columns.len());
    for column in read.columns() {
        let kind = || bad(format!("column {:?} has type {}", column.name(), column.dtype()));
        cells.push(cells_of(column).map_err(polars_error)?.ok_or_else(kind)?);
    }
    let row = |row: usize| cells.iter().map(|column| column[row].clone()).collect();
    Ok(Frame::from_cells(columns, (0..read.height()).map(row).collect()))
}

fn to_csv(frame: &Frame, path: &Path) -> Result<String, ReportError> {
    let bad = |detail: String| ReportError::BadFile {
        path: path.to_owned(),
        detail,
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer
        .write_record(frame.columns())
        .map_err(|e| bad(e.to_string()))?;
    for row in frame.cells() {
        writer
            .write_record(row.iter().map(Cell::to_string))
            .map_err(|e| bad(e.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|e| bad(e.to_string()))?;
    String::from_utf8(bytes).map_err(|e| bad(e.to_string()))
}

fn as_text(cell: &Cell) -> Option<&str> {
    match cell {
        Cell::Text(text) => Some(text),
        Cell::Count(_) | Cell::Number(_) | Cell::Flag(_) | Cell::Missing => None,
    }
}

fn as_count(cell: &Cell) -> Option<u32> {
    match cell {
        Cell::Count(count) => Some(*count),
        Cell::Text(_) | Cell::Number(_) | Cell::Flag(_) | Cell::Missing => None,
    }
}

fn as_number(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Number(number) => Some(*number),
        Cell::Text(_) | Cell::Count(_) | Cell::Flag(_) | Cell::Missing => None,
    }
}

fn as_flag(cell: &Cell) -> Option<bool> {
    match cell {
        Cell::Flag(flag) => Some(*flag),
        Cell::Text(_) | Cell::Count(_) | Cell::Number(_) | Cell::Missing => None,
    }
}

/// `None`: a type that no frame of ours has.
fn cells_of(column: &Column) -> Result<Option<Vec<Cell>>, PolarsError> {
    let n = column.len();
    let cell = |value: Option<Cell>| value.unwrap_or(Cell::Missing);
    Ok(Some(match column.dtype() {
        DataType::String => {
            let values = column.str()?;
            (0..n)
                .map(|i| cell(values.get(i).map(|text| Cell::Text(text.to_owned()))))
                .collect()
        }
        DataType::UInt32 => {
            let values = column.u32()?;
            (0..n).map(|i| cell(values.get(i).map(Cell::Count))).collect()
        }
        DataType::Float64 => {
            let values = column.f64()?;
            (0..n).map(|i| cell(values.get(i).map(Cell::Number))).collect()
        }
        DataType::Boolean => {
            let values = column.bool()?;
            (0..n).map(|i| cell(values.get(i).map(Cell::Flag))).collect()
        }
        _ => return Ok(None),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Frame {
        let text = |text: &str| Cell::Text(text.to_owned());
        let rows = vec![
            vec![
                text("LRR, \"own\""),
                Cell::Count(7),
                Cell::Number(0.7),
                Cell::Missing,
                Cell::Missing,
            ],
            vec![
                text("IMP"),
                Cell::Count(8),
                Cell::Number(0.1 + 0.2),
                Cell::Flag(true),
                Cell::Missing,
            ],
        ];
        Frame::from_cells(vec!["method", "n", "accuracy", "measured", "unknown"], rows)
    }

    #[test]
    fn frames_come_back_and_the_csv_reads_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let (parquet, csv) = (folder.path().join("f.parquet"), folder.path().join("f.csv"));
        write_frame(&example(), &parquet, &csv).unwrap();
        assert_eq!(
            read_frame(&parquet, example().columns().to_vec()).unwrap(),
            example()
        );
        let text = std::fs::read_to_string(csv).unwrap();
        assert_eq!(
            text,
            "method,n,accuracy,measured,unknown\n\"LRR, \"\"own\"\"\",7,0.7,,\nIMP,8,0.30000000000000004,true,\n"
        );
        assert!(read_frame(&parquet, vec!["method"]).is_err());
    }

    #[test]
    fn columns_have_the_types_of_their_cells() {
        let frame = to_data_frame(&example()).unwrap();
        let types: Vec<_> = frame
            .columns()
            .iter()
            .map(|column| column.dtype().clone())
            .collect();
        let (text, number) = (DataType::String, DataType::Float64);
        assert_eq!(
            types,
            [text, DataType::UInt32, number.clone(), DataType::Boolean, number]
        );
    }
}
