//! From bytes to a table.

use crate::footer::{Footer, Kind, Leaf};
use crate::page::{self, Page, encoding};
use crate::{Column, ParquetError, Table};
use std::sync::Arc;

pub(crate) fn parquet(file: &[u8]) -> Result<Table, ParquetError> {
    let footer = Footer::read(file)?;
    let mut budget = page::Budget::default();
    let mut columns = Vec::new();
    for (place, leaf) in footer.leaves.iter().enumerate() {
        let chunks = footer.groups.iter().map(|group| &group[place]);
        let mut values = Values::of(leaf.kind);
        for chunk in chunks {
            let before = values.len();
            let mut left = chunk.bytes;
            let mut dictionary = None;
            while values.len() - before < chunk.n_values {
                let room = chunk.n_values - (values.len() - before);
                match page::read(&mut left, chunk.snappy, leaf.optional, &mut budget)? {
                    Page::Dictionary { n_values, bytes } => {
                        if dictionary.is_some() {
                            return Err(ParquetError::damaged(format!(
                                "column {:?} has two dictionaries",
                                leaf.name
                            )));
                        }
                        if n_values > chunk.n_values || leaf.kind == Kind::Flag {
                            return Err(ParquetError::damaged(format!(
                                "column {:?} has a dictionary of {n_values} values for {}",
                                leaf.name, chunk.n_values
                            )));
                        }
                        let mut plain = Values::of(leaf.kind);
                        plain.extend_plain(&bytes, n_values)?;
                        dictionary = Some(plain);
                    }
                    Page::Data {
                        n_values,
                        encoding,
                        levels,
                        bytes,
                    } => {
                        if n_values == 0 || n_values > room {
                            return Err(ParquetError::damaged(format!(
                                "column {:?} has a page of {n_values} values where {room} are left",
                                leaf.name
                            )));
                        }
                        let there = present(levels.as_deref(), n_values)?;
                        let n = there.iter().filter(|there| **there).count();
                        let found = decoded(leaf, encoding, &bytes, n, dictionary.as_ref())?;
                        values.extend_where(&there, found);
                    }
                }
            }
        }
        columns.push((leaf.name.to_owned(), values.into_column()));
    }
    if footer.leaves.is_empty() && footer.n_rows > 0 {
        return Err(ParquetError::damaged("it has rows and no column"));
    }
    Table::new(columns)
}

/// Which of the next `n` values are there.
fn present(levels: Option<&[u8]>, n: usize) -> Result<Vec<bool>, ParquetError> {
    match levels {
        None => Ok(vec![true; n]),
        Some(levels) => page::runs(levels, 1, n)?
            .into_iter()
            .map(|level| match level {
                0 => Ok(false),
                1 => Ok(true),
                other => Err(ParquetError::damaged(format!("a level {other}"))),
            })
            .collect(),
    }
}

/// `n` values of a page.
fn decoded(
    leaf: &Leaf<'_>,
    encoding: i64,
    bytes: &[u8],
    n: usize,
    dictionary: Option<&Values>,
) -> Result<Values, ParquetError> {
    let damaged = |what: &str| ParquetError::damaged(format!("column {:?} {what}", leaf.name));
    let mut values = Values::of(leaf.kind);
    match (encoding, leaf.kind) {
        (encoding::PLAIN, _) => values.extend_plain(bytes, n)?,
        (encoding::PLAIN_DICTIONARY | encoding::RLE_DICTIONARY, _) => {
            let dictionary = dictionary.ok_or_else(|| damaged("has no dictionary before its values"))?;
            if n > 0 {
                let (&width, runs) = bytes.split_first().ok_or_else(|| damaged("has an empty page"))?;
                let places = page::runs(runs, u32::from(width), n)?;
                values
                    .extend_from(dictionary, &places)
                    .ok_or_else(|| damaged("has a value that is not in its dictionary"))?;
            }
        }
        (encoding::RLE, Kind::Flag) => {
            let runs = bytes.get(4..).ok_or_else(|| damaged("has an empty page"))?;
            let flags = page::runs(runs, 1, n)?;
            values = Values::Flag(flags.into_iter().map(|flag| Some(flag == 1)).collect());
        }
        (other, _) => {
            return Err(ParquetError::foreign(format!(
                "column {:?} is encoded in a way that is not read ({other}; plain and dictionaries are)",
                leaf.name
            )));
        }
    }
    Ok(values)
}

/// A column that grows.
enum Values {
    Text(Vec<Option<Arc<str>>>),
    Count(Vec<Option<u32>>),
    Number(Vec<Option<f64>>),
    Flag(Vec<Option<bool>>),
}

impl Values {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text(Vec::new()),
            Kind::Count => Self::Count(Vec::new()),
            Kind::Number => Self::Number(Vec::new()),
            Kind::Flag => Self::Flag(Vec::new()),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Text(values) => values.len(),
            Self::Count(values) => values.len(),
            Self::Number(values) => values.len(),
            Self::Flag(values) => values.len(),
        }
    }

    fn extend_plain(&mut self, bytes: &[u8], n: usize) -> Result<(), ParquetError> {
        match self {
            Self::Text(values) => values.extend(page::plain_texts(bytes, n)?.into_iter().map(Some)),
            Self::Count(values) => {
                values.extend(page::plain(bytes, n, u32::from_le_bytes)?.into_iter().map(Some));
            }
            Self::Number(values) => {
                values.extend(page::plain(bytes, n, f64::from_le_bytes)?.into_iter().map(Some));
            }
            Self::Flag(values) => values.extend(page::plain_flags(bytes, n)?.into_iter().map(Some)),
        }
        Ok(())
    }

    /// The values at these places of a dictionary; none where one is not there.
    fn extend_from(&mut self, dictionary: &Self, places: &[u32]) -> Option<()> {
        fn pick<T: Clone>(into: &mut Vec<Option<T>>, from: &[Option<T>], places: &[u32]) -> Option<()> {
            for &place in places {
                into.push(from.get(place as usize)?.clone());
            }
            Some(())
        }
        match (self, dictionary) {
            (Self::Text(into), Self::Text(from)) => pick(into, from, places),
            (Self::Count(into), Self::Count(from)) => pick(into, from, places),
            (Self::Number(into), Self::Number(from)) => pick(into, from, places),
            (Self::Flag(into), Self::Flag(from)) => pick(into, from, places),
            _ => None,
        }
    }

    /// The values found, each at the next place where one is there.
    fn extend_where(&mut self, there: &[bool], found: Self) {
        fn place<T>(into: &mut Vec<Option<T>>, there: &[bool], found: Vec<Option<T>>) {
            let mut found = found.into_iter();
            into.extend(
                there
                    .iter()
                    .map(|there| there.then(|| found.next().flatten()).flatten()),
            );
        }
        match (self, found) {
            (Self::Text(into), Self::Text(found)) => place(into, there, found),
            (Self::Count(into), Self::Count(found)) => place(into, there, found),
            (Self::Number(into), Self::Number(found)) => place(into, there, found),
            (Self::Flag(into), Self::Flag(found)) => place(into, there, found),
            _ => unreachable!("values of one column have one type"),
        }
    }

    fn into_column(self) -> Column {
        match self {
            Self::Text(values) => Column::Text(values),
            Self::Count(values) => Column::Count(values),
            Self::Number(values) => Column::Number(values),
            Self::Flag(values) => Column::Flag(values),
        }
    }
}
