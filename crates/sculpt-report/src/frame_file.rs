//! Frames as Parquet and CSV.

use crate::ReportError;
use sculpt_parquet::{Column, ParquetError, Table};
use sculpt_rows::{Cell, Frame};
use sculpt_store::atomic;
use std::path::Path;

/// The frame as a table: words are texts, what is missing is missing. A column without any value is one of numbers.
///
/// # Errors
/// Never for a frame of ours, whose columns have one length and different names.
pub fn to_table(frame: &Frame) -> Result<Table, ParquetError> {
    let columns = frame.columns().iter().map(|name| {
        let cells = || frame.column(name);
        let column = match cells().find(|cell| **cell != Cell::Missing) {
            Some(Cell::Text(_)) => Column::text(cells().map(as_text)),
            Some(Cell::Count(_)) => Column::Count(cells().map(as_count).collect()),
            Some(Cell::Flag(_)) => Column::Flag(cells().map(as_flag).collect()),
            Some(Cell::Number(_) | Cell::Missing) | None => Column::Number(cells().map(as_number).collect()),
        };
        ((*name).to_owned(), column)
    });
    Table::new(columns.collect())
}

/// Writes Parquet and CSV, each whole or not at all.
///
/// # Errors
/// What the file system refuses.
pub(crate) fn write_frame(frame: &Frame, parquet: &Path, csv: &Path) -> Result<(), ReportError> {
    let bytes = to_table(frame)
        .and_then(|table| table.to_parquet())
        .map_err(|source| ReportError::Frame {
            path: parquet.to_owned(),
            source,
        })?;
    atomic::write(parquet, &bytes)?;
    Ok(atomic::write(csv, to_csv(frame, csv)?.as_bytes())?)
}

/// Reads Parquet that [`write_frame`] wrote, which must have these columns.
///
/// # Errors
/// No such file, other columns or other types.
pub(crate) fn read_frame(parquet: &Path, columns: Vec<&'static str>) -> Result<Frame, ReportError> {
    let bytes = sculpt_store::read(parquet).map_err(|source| ReportError::Io {
        path: parquet.to_owned(),
        source,
    })?;
    let table = Table::from_parquet(&bytes).map_err(|source| ReportError::Frame {
        path: parquet.to_owned(),
        source,
    })?;
    let names: Vec<_> = table.columns().iter().map(|(name, _)| name.as_str()).collect();
    if names != columns {
        return Err(ReportError::BadFile {
            path: parquet.to_owned(),
            detail: format!("has columns {names:?}, not {columns:?}"),
        });
    }
    let cells: Vec<Vec<Cell>> = table
        .columns()
        .iter()
        .map(|(_, column)| cells_of(column))
        .collect();
    let row = |row: usize| cells.iter().map(|column| column[row].clone()).collect();
    Ok(Frame::from_cells(columns, (0..table.n_rows()).map(row).collect()))
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

fn cells_of(column: &Column) -> Vec<Cell> {
    fn cells<T: Clone>(values: &[Option<T>], cell: impl Fn(T) -> Cell) -> Vec<Cell> {
        let cell = |value: &Option<T>| value.clone().map_or(Cell::Missing, &cell);
        values.iter().map(cell).collect()
    }
    match column {
        Column::Text(values) => cells(values, |text| Cell::Text(text.to_string())),
        Column::Count(values) => cells(values, Cell::Count),
        Column::Number(values) => cells(values, Cell::Number),
        Column::Flag(values) => cells(values, Cell::Flag),
    }
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
        let table = to_table(&example()).unwrap();
        let kinds: Vec<_> = table.columns().iter().map(|(_, column)| column.kind()).collect();
        assert_eq!(kinds, ["text", "counts", "numbers", "flags", "numbers"]);
    }
}
