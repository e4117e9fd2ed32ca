use thiserror::Error;

/// Why bytes are no table of ours, or columns make none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParquetError {
    /// No Parquet file, or one that ends too early.
    #[error("is no Parquet file: {detail}")]
    NotParquet {
        /// What is missing.
        detail: &'static str,
    },
    /// Bytes that contradict the format or each other.
    #[error("is damaged: {detail}")]
    Damaged {
        /// What is wrong, and where.
        detail: String,
    },
    /// Parquet, but with more in it than flat columns of text, counts, numbers and flags.
    #[error("holds what no table here has: {detail}")]
    Foreign {
        /// What.
        detail: String,
    },
    /// More than is read of one file.
    #[error("has {found} {what}, and no more than {most} are read")]
    TooLarge {
        /// Rows, cells, bytes.
        what: &'static str,
        /// So many.
        found: u64,
        /// The limit.
        most: u64,
    },
    /// Columns of one table that are not of one length, or two with one name.
    #[error("column {column:?} {detail}")]
    Shape {
        /// The column.
        column: String,
        /// What is wrong with it.
        detail: String,
    },
    /// No such column, or one of another type.
    #[error("has no column {column:?} of {kind}")]
    NoColumn {
        /// The column asked for.
        column: String,
        /// Its type.
        kind: &'static str,
    },
}

impl ParquetError {
    pub(crate) fn damaged(detail: impl Into<String>) -> Self {
        Self::Damaged {
            detail: detail.into(),
        }
    }

    pub(crate) fn foreign(detail: impl Into<String>) -> Self {
        Self::Foreign {
            detail: detail.into(),
        }
    }
}
