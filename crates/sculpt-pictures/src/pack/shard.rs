//! One file of a pack: what is checked before anything of it is believed.

use crate::PictureError;
use crate::error::refused;
use crate::section::{open_file, read_at};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) const MAGIC: &[u8; 8] = b"SCULPTSH";
pub(super) const VERSION: u32 = 1;
/// Bytes before the first record.
pub(super) const HEADER: usize = 32;
/// Bytes of a row of the table.
pub(super) const ROW: usize = 20;
/// Bytes of a record before its name.
pub(super) const RECORD_HEADER: usize = 40;
/// What no shard exceeds: a picture of [`MOST_PIXELS`](crate::MOST_PIXELS) does not either.
pub(super) const MOST_SHARD_BYTES: u64 = 1 << 31;
/// The label of what was left out.
pub(super) const NO_LABEL: u16 = u16::MAX;

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) offset: u64,
    pub(super) bytes: u32,
    pub(super) crc: u32,
    pub(super) label: u16,
    pub(super) name_bytes: u16,
}

impl Row {
    pub(super) fn to_bytes(self) -> [u8; ROW] {
        let mut out = [0; ROW];
        out[..8].copy_from_slice(&self.offset.to_le_bytes());
        out[8..12].copy_from_slice(&self.bytes.to_le_bytes());
        out[12..16].copy_from_slice(&self.crc.to_le_bytes());
        out[16..18].copy_from_slice(&self.label.to_le_bytes());
        out[18..].copy_from_slice(&self.name_bytes.to_le_bytes());
        out
    }

    /// Bytes of the record behind its name.
    pub(super) fn picture_bytes(self) -> u64 {
        u64::from(self.bytes) - (RECORD_HEADER as u64 + u64::from(self.name_bytes))
    }

    fn of(bytes: &[u8; ROW]) -> Self {
        Self {
            offset: u64_at(bytes, 0),
            bytes: u32_at(bytes, 8),
            crc: u32_at(bytes, 12),
            label: u16::from_le_bytes([bytes[16], bytes[17]]),
            name_bytes: u16::from_le_bytes([bytes[18], bytes[19]]),
        }
    }
}

fn u32_at(bytes: &[u8], i: usize) -> u32 {
    u32::from_le_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]])
}

fn u64_at(bytes: &[u8], i: usize) -> u64 {
    u64::from(u32_at(bytes, i)) | u64::from(u32_at(bytes, i + 4)) << 32
}

/// The first bytes of a shard with this table.
pub(super) fn header(n: u32, table_at: u64, table: &[u8]) -> [u8; HEADER] {
    let mut out = [0; HEADER];
    out[..8].copy_from_slice(MAGIC);
    out[8..12].copy_from_slice(&VERSION.to_le_bytes());
    out[12..16].copy_from_slice(&n.to_le_bytes());
    out[16..24].copy_from_slice(&table_at.to_le_bytes());
    out[24..28].copy_from_slice(&crc32fast::hash(table).to_le_bytes());
    let crc = crc32fast::hash(&out[..28]);
    out[28..].copy_from_slice(&crc.to_le_bytes());
    out
}

/// An open shard.
#[derive(Debug)]
pub(super) struct Shard {
    path: PathBuf,
    file: File,
    rows: Vec<Row>,
    table_crc: u32,
    /// A bit a record: whether its checksum was found right since it was opened.
    checked: Vec<AtomicU64>,
}

/// A record, taken apart.
pub(super) struct Record<'a> {
    pub(super) source_sha256: &'a [u8],
    pub(super) source_bytes: u64,
    pub(super) name: &'a str,
    pub(super) payload: &'a [u8],
}

impl Shard {
    /// Reads and checks header and table; of the records nothing.
    pub(super) fn open(path: &Path, n_classes: usize) -> Result<Self, PictureError> {
        let wrong = |problem: String| PictureError::pack(path, problem);
        let file = open_file(path)?;
        let length = file.metadata().map_err(refused(path, "read"))?.len();
        let mut head = Vec::new();
        if length < HEADER as u64 {
            return Err(wrong(format!("{length} bytes are no shard of a pack")));
        }
        read_at(&file, 0, HEADER, &mut head).map_err(refused(path, "read"))?;
        if !head.starts_with(MAGIC) {
            return Err(wrong("it is no shard of a pack".to_owned()));
        }
        if u32_at(&head, 8) != VERSION {
            let version = u32_at(&head, 8);
            return Err(wrong(format!(
                "version {version} of shards is not the one read here, {VERSION}"
            )));
        }
        if crc32fast::hash(&head[..28]) != u32_at(&head, 28) {
            return Err(wrong("its first bytes are damaged".to_owned()));
        }
        let (n, table_at) = (u32_at(&head, 12), u64_at(&head, 16));
        let table_bytes = u64::from(n) * ROW as u64;
        // No record is shorter than its header: what a table may take follows from what a shard may.
        if u64::from(n) * RECORD_HEADER as u64 > table_at {
            return Err(wrong(format!("{n} records do not fit before byte {table_at}")));
        }
        if length > MOST_SHARD_BYTES {
            let problem = format!("{length} bytes are more than a shard has, {MOST_SHARD_BYTES}");
            return Err(wrong(problem));
        }
        if table_at < HEADER as u64 || table_at.checked_add(table_bytes) != Some(length) {
            let problem = format!("{n} records and a table at {table_at} do not fit its {length} bytes");
            return Err(wrong(problem));
        }
        let mut table = Vec::new();
        read_at(&file, table_at, table_bytes as usize, &mut table).map_err(refused(path, "read"))?;
        if crc32fast::hash(&table) != u32_at(&head, 24) {
            return Err(wrong("its table is damaged".to_owned()));
        }
        let rows = table.as_chunks::<ROW>().0.iter().map(Row::of).collect::<Vec<_>>();
        let mut end = HEADER as u64;
        for (i, row) in rows.iter().enumerate() {
            let least = RECORD_HEADER as u64 + u64::from(row.name_bytes);
            let has_label = row.label == NO_LABEL || usize::from(row.label) < n_classes;
            if row.offset != end || u64::from(row.bytes) < least || !has_label {
                return Err(wrong(format!("row {i} of its table makes no sense")));
            }
            end += u64::from(row.bytes);
        }
        if end != table_at {
            return Err(wrong("its records do not reach up to its table".to_owned()));
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            table_crc: u32_at(&head, 24),
            checked: (0..rows.len().div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
            rows,
        })
    }

    /// CRC-32 of its table, which has that of each record: whoever knows it knows what is in the shard.
    pub(super) fn table_crc(&self) -> u32 {
        self.table_crc
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Puts record `i` into `bytes`, checked.
    pub(super) fn read(&self, i: usize, bytes: &mut Vec<u8>) -> Result<(), PictureError> {
        let row = self.rows[i];
        read_at(&self.file, row.offset, row.bytes as usize, bytes).map_err(refused(&self.path, "read"))?;
        if crc32fast::hash(bytes) != row.crc {
            return Err(PictureError::pack(&self.path, format!("record {i} is damaged")));
        }
        self.checked[i / 64].fetch_or(1 << (i % 64), Ordering::Relaxed);
        Ok(())
    }

    /// The parts of record `i`, whose bytes these are.
    pub(super) fn take_apart<'a>(&self, i: usize, bytes: &'a [u8]) -> Result<Record<'a>, PictureError> {
        let (head, rest) = bytes.split_at(RECORD_HEADER);
        let (name, payload) = rest.split_at(usize::from(self.rows[i].name_bytes));
        let name = str::from_utf8(name);
        Ok(Record {
            source_sha256: &head[..32],
            source_bytes: u64_at(head, 32),
            name: name.map_err(|_| {
                PictureError::pack(&self.path, format!("record {i} has a name that is no text"))
            })?,
            payload,
        })
    }

    /// Puts the picture of record `i` into `bytes`. Its checksum is computed once, since the shard was opened.
    pub(super) fn picture(&self, i: usize, bytes: &mut Vec<u8>) -> Result<(), PictureError> {
        let row = self.rows[i];
        let before = RECORD_HEADER + usize::from(row.name_bytes);
        if self.checked[i / 64].load(Ordering::Relaxed) & 1 << (i % 64) == 0 {
            self.read(i, bytes)?;
            bytes.drain(..before);
            return Ok(());
        }
        let (offset, n) = (row.offset + before as u64, row.bytes as usize - before);
        read_at(&self.file, offset, n, bytes).map_err(refused(&self.path, "read"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever stands in a shard whose checksums are right: opening it ends in an answer, and what it lets pass can be
        /// read. (`cargo xtask test --hard` sets more cases.)
        #[test]
        fn strangers_end_in_an_answer(
            mut rows in prop::collection::vec((any::<u16>(), 0u32..90, 0u16..60, 0u16..4), 0..6),
            (shift, n_more, cut) in (0u64..3, 0u32..2, 0usize..3),
            is_fitting: bool,
        ) {
            let (mut records, mut table) = (Vec::new(), Vec::new());
            let mut offset = HEADER as u64;
            for (junk, bytes, name_bytes, label) in &mut rows {
                if is_fitting {
                    *bytes = (*bytes).max(RECORD_HEADER as u32 + u32::from(*name_bytes));
                }
                let record = vec![*junk as u8; *bytes as usize];
                let row = Row {
                    offset: offset + shift * u64::from(!is_fitting),
                    bytes: *bytes,
                    crc: crc32fast::hash(&record),
                    label: *label,
                    name_bytes: *name_bytes,
                };
                table.extend_from_slice(&row.to_bytes());
                records.extend_from_slice(&record);
                offset += u64::from(*bytes);
            }
            let n = rows.len() as u32 + n_more * u32::from(!is_fitting);
            let mut file = header(n, offset, &table).to_vec();
            file.extend(records);
            file.extend(table);
            file.truncate(file.len() - cut * usize::from(!is_fitting));
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("shard");
            std::fs::write(&path, &file).unwrap();
            let opened = Shard::open(&path, 4);
            prop_assert!(opened.is_ok() || !is_fitting, "{opened:?}");
            if let Ok(shard) = opened {
                for (i, (junk, _, name_bytes, _)) in rows.iter().enumerate() {
                    let (mut whole, mut picture) = (Vec::new(), Vec::new());
                    shard.picture(i, &mut picture).unwrap();
                    shard.read(i, &mut whole).unwrap();
                    let is_text = *junk as u8 <= 0x7f || *name_bytes == 0;
                    prop_assert_eq!(shard.take_apart(i, &whole).is_ok(), is_text);
                    let again = picture.clone();
                    shard.picture(i, &mut picture).unwrap();
                    prop_assert!(again == picture && whole.ends_with(&picture));
                }
            }
        }
    }
}
