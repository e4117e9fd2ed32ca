//! What a file's end says of its columns: all that a table of ours may be, checked before any value is read.

use crate::ParquetError;
use crate::thrift::{Value, read_struct};

/// At both ends of a file.
pub(crate) const MAGIC: &[u8; 4] = b"PAR1";

/// No footer has more bytes: ours have some hundred a column and 262,144 rows.
const MOST_FOOTER_BYTES: usize = 1 << 20;

/// The paper's grid has 1.3 million epochs, a row each.
pub(crate) const MOST_ROWS: u64 = 1 << 24;

/// Values of all columns together: half a gigabyte of them.
const MOST_CELLS: u64 = 1 << 25;

/// Frames have some thirty.
const MOST_COLUMNS: usize = 1000;

/// A group of rows has 262,144 of them as we write it.
const MOST_ROW_GROUPS: usize = 1000;

/// Types that columns have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Flag,
    Count,
    Number,
    Text,
}

impl Kind {
    /// Parquet's own type.
    pub(crate) fn physical(self) -> i64 {
        match self {
            Kind::Flag => 0,
            Kind::Count => 1,
            Kind::Number => 5,
            Kind::Text => 6,
        }
    }
}

/// A column.
pub(crate) struct Leaf<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: Kind,
    /// Whether values may be missing.
    pub(crate) optional: bool,
}

/// The pages of one column in one group of rows.
pub(crate) struct Chunk<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) n_values: usize,
    pub(crate) snappy: bool,
}

pub(crate) struct Footer<'a> {
    pub(crate) leaves: Vec<Leaf<'a>>,
    pub(crate) n_rows: usize,
    /// By group of rows, a chunk a column.
    pub(crate) groups: Vec<Vec<Chunk<'a>>>,
}

impl<'a> Footer<'a> {
    pub(crate) fn read(file: &'a [u8]) -> Result<Self, ParquetError> {
        let bytes = footer_bytes(file)?;
        let (meta, rest) = read_struct(bytes)?;
        if !rest.is_empty() {
            return Err(ParquetError::damaged("its footer goes on after its end"));
        }
        let leaves = leaves(&meta)?;
        let n_rows = meta.size(3, "its number of rows")?;
        limit("rows", n_rows as u64, MOST_ROWS)?;
        limit("cells", n_rows as u64 * leaves.len() as u64, MOST_CELLS)?;
        let groups = meta.list(4).unwrap_or_default();
        limit("groups of rows", groups.len() as u64, MOST_ROW_GROUPS as u64)?;
        let mut in_groups = 0u64;
        let mut read: Vec<Vec<Chunk<'_>>> = Vec::new();
        for group in groups {
            let n = group.size(3, "a group's number of rows")?;
            in_groups = in_groups.saturating_add(n as u64);
            read.push(chunks(file, group, &leaves, n)?);
        }
        // Columns that share their bytes would be read as often as they are named.
        let in_chunks: usize = read.iter().flatten().map(|chunk| chunk.bytes.len()).sum();
        if in_chunks > file.len() {
            return Err(ParquetError::damaged(
                "its columns are longer together than the file",
            ));
        }
        if in_groups != n_rows as u64 {
            return Err(ParquetError::damaged(format!(
                "its groups have {in_groups} rows, it says {n_rows}"
            )));
        }
        Ok(Self {
            leaves,
            n_rows,
            groups: read,
        })
    }
}

pub(crate) fn limit(what: &'static str, found: u64, most: u64) -> Result<(), ParquetError> {
    if found <= most {
        return Ok(());
    }
    Err(ParquetError::TooLarge { what, found, most })
}

fn footer_bytes(file: &[u8]) -> Result<&[u8], ParquetError> {
    let no = |detail| ParquetError::NotParquet { detail };
    let body = file
        .strip_prefix(MAGIC)
        .ok_or(no("it does not begin with PAR1"))?;
    let body = body.strip_suffix(MAGIC).ok_or(no("it does not end with PAR1"))?;
    let (before, length) = body.split_last_chunk::<4>().ok_or(no("it has no footer"))?;
    let n = u32::from_le_bytes(*length) as usize;
    limit("bytes of footer", n as u64, MOST_FOOTER_BYTES as u64)?;
    let start = before
        .len()
        .checked_sub(n)
        .ok_or(no("its footer is longer than the file"))?;
    Ok(&before[start..])
}

/// The columns, which stand side by side: nothing is nested or repeated.
fn leaves<'a>(meta: &Value<'a>) -> Result<Vec<Leaf<'a>>, ParquetError> {
    let schema = meta.list(2).unwrap_or_default();
    let (root, leaves) = schema
        .split_first()
        .ok_or_else(|| ParquetError::damaged("it has no schema"))?;
    limit("columns", leaves.len() as u64, MOST_COLUMNS as u64)?;
    if root.size(5, "its number of columns")? != leaves.len() {
        return Err(ParquetError::foreign("columns in columns"));
    }
    leaves.iter().map(leaf).collect()
}

fn leaf<'a>(element: &Value<'a>) -> Result<Leaf<'a>, ParquetError> {
    let name = element
        .text(4)
        .ok_or_else(|| ParquetError::damaged("a column has no name in UTF-8"))?;
    let foreign = |what: String| ParquetError::foreign(format!("column {name:?} {what}"));
    if element.int(5).is_some_and(|n| n != 0) {
        return Err(foreign("has columns in it".to_owned()));
    }
    let optional = match element.int(3) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(foreign("has lists of values".to_owned())),
    };
    // Older and newer words for one thing: a converted type, a logical one.
    let (converted, logical) = (element.int(6), element.field(10));
    let is_plain = converted.is_none() && logical.is_none();
    let is_text = converted == Some(0) || logical.is_some_and(|l| l.field(1).is_some());
    let unsigned = |l: &Value| {
        let integer = l.field(10)?;
        Some(integer.int(1) == Some(32) && integer.field(2) == Some(&Value::Bool(false)))
    };
    let is_count = converted == Some(13) || logical.and_then(unsigned) == Some(true);
    let kind = match element.int(1) {
        Some(0) if is_plain => Kind::Flag,
        Some(1) if is_count => Kind::Count,
        Some(5) if is_plain => Kind::Number,
        Some(6) if is_text => Kind::Text,
        physical => {
            let number = |value: Option<i64>| value.map_or("none".to_owned(), |n| n.to_string());
            let (physical, converted) = (number(physical), number(converted));
            return Err(foreign(format!(
                "is none of text, counts, numbers and flags (Parquet's type {physical}, converted type {converted})"
            )));
        }
    };
    Ok(Leaf { name, kind, optional })
}

fn chunks<'a>(
    file: &'a [u8],
    group: &Value<'a>,
    leaves: &[Leaf<'a>],
    n_rows: usize,
) -> Result<Vec<Chunk<'a>>, ParquetError> {
    let columns = group.list(1).unwrap_or_default();
    if columns.len() != leaves.len() {
        return Err(ParquetError::damaged(format!(
            "a group of rows has {} columns of {}",
            columns.len(),
            leaves.len()
        )));
    }
    let mut chunks = Vec::new();
    for (column, leaf) in columns.iter().zip(leaves) {
        let name = leaf.name;
        let damaged = |what: &str| ParquetError::damaged(format!("column {name:?} {what}"));
        if column.field(1).is_some() {
            return Err(ParquetError::foreign(format!(
                "column {name:?} lies in another file"
            )));
        }
        let meta = column.field(3).ok_or_else(|| damaged("is not described"))?;
        let path = meta.list(3).unwrap_or_default();
        let is_named = matches!(path, [Value::Bytes(own)] if *own == name.as_bytes());
        if !is_named || meta.int(1) != Some(leaf.kind.physical()) {
            return Err(damaged("is described as another one"));
        }
        let snappy = match meta.int(4) {
            Some(0) => false,
            Some(1) => true,
            codec => {
                let codec = codec.map_or("none given".to_owned(), |n| format!("Parquet's codec {n}"));
                return Err(ParquetError::foreign(format!(
                    "column {name:?} is packed in a way that is not read ({codec}; unpacked and Snappy are)"
                )));
            }
        };
        let n_values = meta.size(5, "a column's number of values")?;
        if n_values != n_rows {
            return Err(damaged(&format!("has {n_values} values in {n_rows} rows")));
        }
        let data = meta.size(9, "the place of a column's values")?;
        let start = match meta.int(11) {
            // Some writers say 0 for none.
            Some(dictionary) if dictionary > 0 => data.min(usize::try_from(dictionary).unwrap_or(usize::MAX)),
            Some(_) | None => data,
        };
        let size = meta.size(7, "a column's length")?;
        let bytes = start
            .checked_add(size)
            .and_then(|end| file.get(start..end))
            .ok_or_else(|| damaged("lies outside the file"))?;
        chunks.push(Chunk {
            bytes,
            n_values,
            snappy,
        });
    }
    Ok(chunks)
}
