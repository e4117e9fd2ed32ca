use thiserror::Error;

/// Why a frame does not hold rows of a kind.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum RowError {
    /// Other columns than the kind's.
    #[error("the frame has columns {found:?}, not {wanted:?}")]
    Columns {
        /// What it has.
        found: Vec<String>,
        /// What it should have.
        wanted: Vec<&'static str>,
    },
    /// A cell of another type, or a word that is none of the column's.
    #[error("row {row} of the frame: {detail}")]
    Cell {
        /// The row, from 0.
        row: usize,
        /// Column, and what is wrong there.
        detail: String,
    },
}
