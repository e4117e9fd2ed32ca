//! From a table to bytes: plain values behind runs of levels, a page a column and group of rows, packed by Snappy.

use crate::footer::{Kind, MAGIC};
use crate::page::encoding;
use crate::thrift::{Writer, write_varint};
use crate::{Column, ParquetError, Table};

/// Rows of a group.
const GROUP: usize = 1 << 18;

/// Snappy, as Parquet numbers codecs.
const SNAPPY: i32 = 1;

/// Where a column's page lies, and how long it is.
struct Chunk {
    offset: usize,
    packed: usize,
    unpacked: usize,
    n_values: usize,
}

pub(crate) fn parquet(table: &Table) -> Result<Vec<u8>, ParquetError> {
    let mut file = MAGIC.to_vec();
    let mut groups = Vec::new();
    let mut start = 0;
    while start < table.n_rows() {
        let end = table.n_rows().min(start + GROUP);
        let mut chunks = Vec::new();
        for (name, column) in table.columns() {
            chunks.push(page(&mut file, name, column, start, end)?);
        }
        groups.push((end - start, chunks));
        start = end;
    }
    let footer = footer(table, &groups);
    let too_long = |_| ParquetError::damaged("its footer is longer than a footer can be");
    let length = u32::try_from(footer.len()).map_err(too_long)?;
    file.extend(footer);
    file.extend(length.to_le_bytes());
    file.extend(MAGIC);
    Ok(file)
}

fn page(
    file: &mut Vec<u8>,
    name: &str,
    column: &Column,
    start: usize,
    end: usize,
) -> Result<Chunk, ParquetError> {
    let too_long = || ParquetError::Shape {
        column: name.to_owned(),
        detail: "has 2 GiB of text and more".to_owned(),
    };
    let (there, values) = plain(column, start, end).ok_or_else(too_long)?;
    let levels = levels(&there);
    let mut body = (levels.len() as u32).to_le_bytes().to_vec();
    body.extend(levels);
    body.extend(values);
    let packed = snap::raw::Encoder::new()
        .compress_vec(&body)
        .map_err(|_| too_long())?;
    let sizes = (i32::try_from(body.len()), i32::try_from(packed.len()));
    let (Ok(n_unpacked), Ok(n_packed)) = sizes else {
        return Err(too_long());
    };
    let mut header = Writer::default();
    header.int32(1, 0);
    header.int32(2, n_unpacked);
    header.int32(3, n_packed);
    header.structure(5, |data| {
        data.int32(1, there.len() as i32);
        data.int32(2, encoding::PLAIN as i32);
        data.int32(3, encoding::RLE as i32);
        data.int32(4, encoding::RLE as i32);
    });
    let header = header.finish();
    let chunk = Chunk {
        offset: file.len(),
        packed: header.len() + packed.len(),
        unpacked: header.len() + body.len(),
        n_values: there.len(),
    };
    file.extend(header);
    file.extend(packed);
    Ok(chunk)
}

/// Which values are there, and these; none where a text is too long.
fn plain(column: &Column, start: usize, end: usize) -> Option<(Vec<bool>, Vec<u8>)> {
    fn all<T>(values: &[Option<T>], mut write: impl FnMut(&T) -> Option<()>) -> Option<Vec<bool>> {
        let mut there = Vec::new();
        for value in values {
            if let Some(value) = value {
                write(value)?;
            }
            there.push(value.is_some());
        }
        Some(there)
    }
    let mut bytes = Vec::new();
    let there = match column {
        Column::Text(values) => all(&values[start..end], |text| {
            bytes.extend(u32::try_from(text.len()).ok()?.to_le_bytes());
            bytes.extend(text.as_bytes());
            Some(())
        }),
        Column::Count(values) => all(&values[start..end], |count| {
            bytes.extend(count.to_le_bytes());
            Some(())
        }),
        Column::Number(values) => all(&values[start..end], |number| {
            bytes.extend(number.to_le_bytes());
            Some(())
        }),
        Column::Flag(values) => {
            let mut n = 0;
            all(&values[start..end], |flag| {
                if n % 8 == 0 {
                    bytes.push(0);
                }
                *bytes.last_mut()? |= u8::from(*flag) << (n % 8);
                n += 1;
                Some(())
            })
        }
    }?;
    Some((there, bytes))
}

/// Runs of levels of one bit.
fn levels(there: &[bool]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for run in there.chunk_by(|a, b| a == b) {
        write_varint(&mut bytes, (run.len() as u64) << 1);
        bytes.push(u8::from(run[0]));
    }
    bytes
}

fn kind(column: &Column) -> Kind {
    match column {
        Column::Text(_) => Kind::Text,
        Column::Count(_) => Kind::Count,
        Column::Number(_) => Kind::Number,
        Column::Flag(_) => Kind::Flag,
    }
}

/// `FileMetaData` of the format's `parquet.thrift`.
fn footer(table: &Table, groups: &[(usize, Vec<Chunk>)]) -> Vec<u8> {
    const STRUCT: u8 = 12;
    let columns = table.columns();
    let mut footer = Writer::default();
    footer.int32(1, 1);
    footer.list(2, STRUCT, columns.len() + 1);
    footer.item(|root| {
        root.text(4, "root");
        root.int32(5, columns.len() as i32);
    });
    for (name, column) in columns {
        footer.item(|leaf| schema_of(leaf, name, kind(column)));
    }
    footer.int(3, table.n_rows() as i64);
    footer.list(4, STRUCT, groups.len());
    for (n_rows, chunks) in groups {
        footer.item(|group| {
            group.list(1, STRUCT, chunks.len());
            for (chunk, (name, column)) in chunks.iter().zip(columns) {
                group.item(|item| {
                    item.int(2, 0);
                    item.structure(3, |meta| describe(meta, chunk, name, kind(column)));
                });
            }
            let unpacked: usize = chunks.iter().map(|chunk| chunk.unpacked).sum();
            group.int(2, unpacked as i64);
            group.int(3, *n_rows as i64);
        });
    }
    footer.text(6, "sculpt");
    footer.finish()
}

/// `SchemaElement`, with the older and the newer word for what a type means.
fn schema_of(leaf: &mut Writer, name: &str, kind: Kind) {
    leaf.int32(1, kind.physical() as i32);
    leaf.int32(3, 1);
    leaf.text(4, name);
    match kind {
        Kind::Text => {
            leaf.int32(6, 0);
            leaf.structure(10, |logical| logical.structure(1, |_| ()));
        }
        Kind::Count => {
            leaf.int32(6, 13);
            leaf.structure(10, |logical| {
                logical.structure(10, |integer| {
                    integer.byte(1, 32);
                    integer.flag(2, false);
                });
            });
        }
        Kind::Number | Kind::Flag => {}
    }
}

/// `ColumnMetaData`.
fn describe(meta: &mut Writer, chunk: &Chunk, name: &str, kind: Kind) {
    const I32: u8 = 5;
    const BINARY: u8 = 8;
    meta.int32(1, kind.physical() as i32);
    meta.list(2, I32, 2);
    meta.number(encoding::PLAIN as i32);
    meta.number(encoding::RLE as i32);
    meta.list(3, BINARY, 1);
    meta.element(name);
    meta.int32(4, SNAPPY);
    meta.int(5, chunk.n_values as i64);
    meta.int(6, chunk.unpacked as i64);
    meta.int(7, chunk.packed as i64);
    meta.int(9, chunk.offset as i64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ParquetError;

    /// Two columns of counts that hardly pack.
    fn table() -> Table {
        let counts = || {
            Column::Count(
                (0..1000u32)
                    .map(|i| Some(i.wrapping_mul(2_654_435_761)))
                    .collect(),
            )
        };
        Table::new(vec![("a".to_owned(), counts()), ("b".to_owned(), counts())]).unwrap()
    }

    fn read(mut file: Vec<u8>, chunks: Vec<Chunk>) -> Result<Table, ParquetError> {
        let footer = footer(&table(), &[(1000, chunks)]);
        file.extend(&footer);
        file.extend((footer.len() as u32).to_le_bytes());
        file.extend(MAGIC);
        Table::from_parquet(&file)
    }

    /// A file whose columns are made of these bytes each.
    fn of_chunks(bytes: &[u8]) -> Result<Table, ParquetError> {
        let mut file = MAGIC.to_vec();
        let mut chunks = Vec::new();
        for _ in 0..2 {
            let (offset, packed, unpacked) = (file.len(), bytes.len(), bytes.len());
            chunks.push(Chunk {
                offset,
                packed,
                unpacked,
                n_values: 1000,
            });
            file.extend(bytes);
        }
        read(file, chunks)
    }

    #[track_caller]
    fn refused(read: Result<Table, ParquetError>, says: &str) {
        let error = read.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }

    /// A thousand groups of eight columns that were one page made eight thousand readings of four megabytes.
    #[test]
    fn bytes_are_one_columns() {
        let table = table();
        let mut file = MAGIC.to_vec();
        let (name, column) = &table.columns()[0];
        let chunk = page(&mut file, name, column, 0, 1000).unwrap();
        let Chunk {
            offset,
            packed,
            unpacked,
            n_values,
        } = chunk;
        let shared = || Chunk {
            offset,
            packed,
            unpacked,
            n_values,
        };
        refused(
            read(file, vec![shared(), shared()]),
            "longer together than the file",
        );
    }

    #[test]
    fn headers_are_short() {
        let mut header = Writer::default();
        header.int32(1, 0);
        header.list(2, 1, 1 << 17);
        let mut bytes = header.finish();
        bytes.splice(bytes.len() - 1.., std::iter::repeat_n(1, 1 << 17));
        refused(of_chunks(&bytes), "beyond its end");
    }

    /// Zeros pack well: 67 million empty texts were 12 megabytes.
    #[test]
    fn dictionaries_have_no_more_values_than_their_column() {
        let body = snap::raw::Encoder::new().compress_vec(&vec![0; 4 << 20]).unwrap();
        let mut header = Writer::default();
        header.int32(1, 2);
        header.int32(2, 4 << 20);
        header.int32(3, body.len() as i32);
        header.structure(7, |dictionary| {
            dictionary.int32(1, 1 << 20);
            dictionary.int32(2, 0);
        });
        refused(
            of_chunks(&[header.finish(), body].concat()),
            "a dictionary of 1048576 values for 1000",
        );
    }
}
