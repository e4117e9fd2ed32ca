//! Pages: which values are missing, and those that are there.

use crate::ParquetError;
use crate::footer::limit;
use crate::thrift::{Value, read_struct, read_varint};
use std::borrow::Cow;
use std::sync::Arc;

/// A page has no more bytes: ours have 64 of text for each of 262,144 rows at most.
const MOST_PAGE_BYTES: u64 = 1 << 28;

/// Statistics are the largest part of a header, two values of a column.
const MOST_HEADER_BYTES: usize = 1 << 16;

/// Pages unpacked, all together: what a file of some kilobytes could make of itself.
const MOST_BYTES: u64 = 1 << 30;

/// What was taken of [`MOST_BYTES`].
#[derive(Default)]
pub(crate) struct Budget(u64);

impl Budget {
    fn take(&mut self, bytes: usize) -> Result<(), ParquetError> {
        self.0 = self.0.saturating_add(bytes as u64);
        limit("bytes when unpacked", self.0, MOST_BYTES)
    }
}

/// Plain values; the places of others in a dictionary; runs.
pub(crate) mod encoding {
    pub(crate) const PLAIN: i64 = 0;
    pub(crate) const PLAIN_DICTIONARY: i64 = 2;
    pub(crate) const RLE: i64 = 3;
    pub(crate) const RLE_DICTIONARY: i64 = 8;
}

/// One page as the file has it.
pub(crate) enum Page<'a> {
    Dictionary {
        n_values: usize,
        bytes: Cow<'a, [u8]>,
    },
    Data {
        /// Missing ones included.
        n_values: usize,
        encoding: i64,
        /// Runs of which value is there; none where every one is.
        levels: Option<Cow<'a, [u8]>>,
        bytes: Cow<'a, [u8]>,
    },
}

/// Reads the page at the beginning of `left`, which is shorter by it afterwards.
pub(crate) fn read<'a>(
    left: &mut &'a [u8],
    snappy: bool,
    optional: bool,
    budget: &mut Budget,
) -> Result<Page<'a>, ParquetError> {
    let (header, after) = read_struct(&left[..left.len().min(MOST_HEADER_BYTES)])?;
    let n_header = left.len().min(MOST_HEADER_BYTES) - after.len();
    let rest = &left[n_header..];
    let unpacked = header.size(2, "a page's length")?;
    let packed = header.size(3, "a page's packed length")?;
    limit("bytes in a page", unpacked as u64, MOST_PAGE_BYTES)?;
    budget.take(unpacked)?;
    let (body, rest) = rest
        .split_at_checked(packed)
        .ok_or_else(|| ParquetError::damaged("a page is cut off"))?;
    *left = rest;
    match (header.int(1), header.field(5), header.field(7), header.field(8)) {
        (Some(0), Some(data), _, _) => {
            let n_values = data.size(1, "a page's number of values")?;
            let encoding = data.int(2).unwrap_or(-1);
            let bytes = unpack(body, unpacked, snappy)?;
            let (levels, bytes) = if optional {
                levels_of(bytes, data)?
            } else {
                (None, bytes)
            };
            Ok(Page::Data {
                n_values,
                encoding,
                levels,
                bytes,
            })
        }
        (Some(2), _, Some(dictionary), _) => Ok(Page::Dictionary {
            n_values: dictionary.size(1, "a dictionary's number of values")?,
            bytes: unpack(body, unpacked, snappy)?,
        }),
        (Some(3), _, _, Some(data)) => second_form(body, unpacked, snappy, optional, data),
        _ => Err(ParquetError::damaged(
            "a page is neither of values nor a dictionary, or is not described",
        )),
    }
}

/// Parquet's data page of version 2: its levels are never packed.
fn second_form<'a>(
    body: &'a [u8],
    unpacked: usize,
    snappy: bool,
    optional: bool,
    data: &Value<'_>,
) -> Result<Page<'a>, ParquetError> {
    let n_levels = data.size(5, "the length of a page's levels")?;
    let (levels, body) = body
        .split_at_checked(n_levels)
        .ok_or_else(|| ParquetError::damaged("a page's levels are cut off"))?;
    if data.int(6) != Some(0) {
        return Err(ParquetError::foreign("lists of values"));
    }
    let is_packed = snappy && data.field(7) != Some(&Value::Bool(false));
    let unpacked = unpacked
        .checked_sub(n_levels)
        .ok_or_else(|| ParquetError::damaged("a page is shorter than its levels"))?;
    Ok(Page::Data {
        n_values: data.size(1, "a page's number of values")?,
        encoding: data.int(4).unwrap_or(-1),
        levels: optional.then_some(Cow::Borrowed(levels)),
        bytes: unpack(body, unpacked, is_packed)?,
    })
}

fn unpack(body: &[u8], unpacked: usize, snappy: bool) -> Result<Cow<'_, [u8]>, ParquetError> {
    let other = || ParquetError::damaged("a page has another length than it says");
    if !snappy {
        return if body.len() == unpacked {
            Ok(Cow::Borrowed(body))
        } else {
            Err(other())
        };
    }
    // Before anything is allocated.
    if snap::raw::decompress_len(body).ok() != Some(unpacked) {
        return Err(other());
    }
    let bytes = snap::raw::Decoder::new().decompress_vec(body);
    Ok(Cow::Owned(bytes.map_err(|error| {
        ParquetError::damaged(format!("a page cannot be unpacked: {error}"))
    })?))
}

/// A page's levels, behind their length, and what comes after them.
#[expect(
    clippy::type_complexity,
    reason = "levels and values of one page, named where they go"
)]
fn levels_of<'a>(
    bytes: Cow<'a, [u8]>,
    data: &Value<'_>,
) -> Result<(Option<Cow<'a, [u8]>>, Cow<'a, [u8]>), ParquetError> {
    let cut = || ParquetError::damaged("a page's levels are cut off");
    if data.int(3) != Some(encoding::RLE) {
        return Err(ParquetError::foreign("levels that are no runs"));
    }
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(cut)?;
    let n = u32::from_le_bytes(*length) as usize;
    let (levels, values) = rest.split_at_checked(n).ok_or_else(cut)?;
    Ok((Some(Cow::Owned(levels.to_vec())), Cow::Owned(values.to_vec())))
}

/// The next `n` numbers of `width` bits in runs: of one number, or of eight times so many packed side by side.
pub(crate) fn runs(mut bytes: &[u8], width: u32, n: usize) -> Result<Vec<u32>, ParquetError> {
    let cut = || ParquetError::damaged("runs of values are cut off");
    if width > 32 {
        return Err(ParquetError::damaged(format!("runs of values of {width} bits")));
    }
    let n_bytes = width.div_ceil(8) as usize;
    let mut values = Vec::new();
    while values.len() < n {
        let head = read_varint(&mut bytes).ok_or_else(cut)?;
        let wanted = n - values.len();
        if head & 1 == 0 {
            let (value, rest) = bytes.split_at_checked(n_bytes).ok_or_else(cut)?;
            bytes = rest;
            let mut whole = [0; 4];
            whole[..n_bytes].copy_from_slice(value);
            let run = usize::try_from(head >> 1).unwrap_or(usize::MAX);
            if run == 0 {
                return Err(ParquetError::damaged("a run of no value"));
            }
            values.extend(std::iter::repeat_n(u32::from_le_bytes(whole), run.min(wanted)));
        } else {
            let eights = usize::try_from(head >> 1).map_err(|_| cut())?;
            let n_packed = eights.checked_mul(width as usize).ok_or_else(cut)?;
            if eights == 0 {
                return Err(ParquetError::damaged("a run of no value"));
            }
            // The last run may be cut after the values that count.
            let (packed, rest) = bytes.split_at_checked(n_packed).unwrap_or((bytes, &[]));
            bytes = rest;
            let there = if width == 0 {
                wanted
            } else {
                packed.len() * 8 / width as usize
            };
            let take = wanted.min(eights.saturating_mul(8));
            if there < take {
                return Err(cut());
            }
            values.extend((0..take).map(|i| bits(packed, i * width as usize, width)));
        }
    }
    Ok(values)
}

/// `width` bits of `packed` from bit `start`, the lowest first.
fn bits(packed: &[u8], start: usize, width: u32) -> u32 {
    let mut window = [0; 8];
    let first = start / 8;
    let end = packed.len().min(first + 8);
    if let Some(there) = packed.get(first..end) {
        window[..there.len()].copy_from_slice(there);
    }
    let shifted = u64::from_le_bytes(window) >> (start % 8);
    (shifted & ((1u64 << width) - 1)) as u32
}

/// `n` plain texts.
pub(crate) fn plain_texts(mut bytes: &[u8], n: usize) -> Result<Vec<Arc<str>>, ParquetError> {
    let cut = || ParquetError::damaged("texts are cut off");
    let mut texts = Vec::new();
    for _ in 0..n {
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(cut)?;
        let length = u32::from_le_bytes(*length) as usize;
        let (text, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
        bytes = rest;
        let text = std::str::from_utf8(text).map_err(|_| ParquetError::damaged("a text is no UTF-8"))?;
        texts.push(Arc::from(text));
    }
    Ok(texts)
}

/// `n` plain numbers of `N` bytes.
pub(crate) fn plain<const N: usize, T>(
    bytes: &[u8],
    n: usize,
    of: fn([u8; N]) -> T,
) -> Result<Vec<T>, ParquetError> {
    let (values, _) = bytes.as_chunks::<N>();
    let values = values
        .get(..n)
        .ok_or_else(|| ParquetError::damaged("numbers are cut off"))?;
    Ok(values.iter().copied().map(of).collect())
}

/// `n` plain flags, eight a byte.
pub(crate) fn plain_flags(bytes: &[u8], n: usize) -> Result<Vec<bool>, ParquetError> {
    if bytes.len().saturating_mul(8) < n {
        return Err(ParquetError::damaged("flags are cut off"));
    }
    Ok((0..n).map(|i| bytes[i / 8] >> (i % 8) & 1 == 1).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five 2s as a run, then 1 to 8 in three bits: 1 | 2 << 3 | 3 << 6 … (Parquet's own example is 0 to 7).
    #[test]
    fn runs_by_hand() {
        assert_eq!(runs(&[10, 2], 2, 5).unwrap(), [2; 5]);
        assert_eq!(
            runs(&[3, 0b1000_1000, 0b1100_0110, 0b1111_1010], 3, 8).unwrap(),
            [0, 1, 2, 3, 4, 5, 6, 7]
        );
        assert_eq!(runs(&[10, 2, 3, 0b101], 1, 8).unwrap(), [2, 2, 2, 2, 2, 1, 0, 1]);
        assert_eq!(runs(&[4], 0, 2).unwrap(), [0, 0]);
        for (bytes, width) in [(&[0u8, 1][..], 1), (&[1], 1), (&[10], 1), (&[3], 33), (&[], 1)] {
            assert!(runs(bytes, width, 3).is_err(), "{bytes:?}");
        }
        // A run of 2⁶² values makes as many as are asked for.
        let mut long = Vec::new();
        crate::thrift::write_varint(&mut long, 1 << 63);
        long.push(1);
        assert_eq!(runs(&long, 1, 3).unwrap(), [1; 3]);
    }
}
