use crate::{Column, ParquetError, read, write};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Named columns of one length.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    n_rows: usize,
    columns: Vec<(String, Column)>,
}

impl Table {
    /// A table of these columns.
    ///
    /// # Errors
    /// Columns of different lengths, or two with one name.
    pub fn new(columns: Vec<(String, Column)>) -> Result<Self, ParquetError> {
        let n_rows = columns.first().map_or(0, |(_, column)| column.len());
        let mut names = BTreeSet::new();
        for (name, column) in &columns {
            let shape = |detail: String| ParquetError::Shape {
                column: name.clone(),
                detail,
            };
            if column.len() != n_rows {
                return Err(shape(format!("has {} rows, not {n_rows}", column.len())));
            }
            if !names.insert(name) {
                return Err(shape("stands twice".to_owned()));
            }
        }
        Ok(Self { n_rows, columns })
    }

    /// Rows.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// The columns in their order, with their names.
    pub fn columns(&self) -> &[(String, Column)] {
        &self.columns
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        let mut found = self.columns.iter().filter(|(own, _)| own == name);
        found.next().map(|(_, column)| column)
    }

    /// The column of this name, which must be one of texts.
    ///
    /// # Errors
    /// No such column, or another type.
    pub fn texts(&self, name: &str) -> Result<&[Option<Arc<str>>], ParquetError> {
        match self.column(name) {
            Some(Column::Text(values)) => Ok(values),
            _ => Err(none(name, "text")),
        }
    }

    /// The column of this name, which must be one of counts.
    ///
    /// # Errors
    /// No such column, or another type.
    pub fn counts(&self, name: &str) -> Result<&[Option<u32>], ParquetError> {
        match self.column(name) {
            Some(Column::Count(values)) => Ok(values),
            _ => Err(none(name, "counts")),
        }
    }

    /// The column of this name, which must be one of numbers.
    ///
    /// # Errors
    /// No such column, or another type.
    pub fn numbers(&self, name: &str) -> Result<&[Option<f64>], ParquetError> {
        match self.column(name) {
            Some(Column::Number(values)) => Ok(values),
            _ => Err(none(name, "numbers")),
        }
    }

    /// The Parquet file. Equal tables make equal bytes.
    ///
    /// # Errors
    /// A text, or all texts of 262,144 rows together, of 2 GiB and more.
    pub fn to_parquet(&self) -> Result<Vec<u8>, ParquetError> {
        write::parquet(self)
    }

    /// Reads a Parquet file, a stranger's too.
    ///
    /// # Errors
    /// Whatever is not a table of this kind, contradicts itself or is larger than it may be. It never panics.
    pub fn from_parquet(bytes: &[u8]) -> Result<Self, ParquetError> {
        read::parquet(bytes)
    }
}

fn none(column: &str, kind: &'static str) -> ParquetError {
    ParquetError::NoColumn {
        column: column.to_owned(),
        kind,
    }
}
