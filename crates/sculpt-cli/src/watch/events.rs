//! TensorBoard's event files, as bytes: records with masked CRC-32C, each a protocol buffer `Event`.
//!
//! A record is the length of its data (u64), the checksum of those eight bytes, the data, and the checksum of the data, all
//! little-endian. `goldens/tensorboard_events.py` makes the same bytes with TensorBoard's own writer.

/// Reversed polynomial of CRC-32C (Castagnoli).
const CASTAGNOLI: u32 = 0x82f6_3b78;

/// Added to a rotated checksum, so that checksums of data that hold checksums stay strong.
const MASK_DELTA: u32 = 0xa282_ead8;

/// Bytes of a record around its data.
const BEFORE: usize = 12;
const AFTER: usize = 4;

/// Bytes of an event's first field, its wall time, which says when a number was written and not what it is.
const WALL_TIME: usize = 9;

/// The record that an event file begins with.
pub(super) fn version(wall_time: f64) -> Vec<u8> {
    let mut event = timed(wall_time);
    field(&mut event, 3, b"brain.Event:2");
    record(&event)
}

/// A record of scalars at a step, from 1.
pub(super) fn scalars(wall_time: f64, step: u32, values: &[(&str, f64)]) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, value) in values {
        let mut scalar = Vec::new();
        field(&mut scalar, 1, tag.as_bytes());
        // Field 2, four bytes.
        scalar.push(2 << 3 | 5);
        scalar.extend((*value as f32).to_le_bytes());
        field(&mut summary, 1, &scalar);
    }
    let mut event = timed(wall_time);
    // Field 2, a number.
    event.push(2 << 3);
    varint(&mut event, step.into());
    field(&mut event, 5, &summary);
    record(&event)
}

/// The whole records at the beginning of a file, up to a torn or damaged one.
pub(super) fn records(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while let Some((length, _)) = bytes.split_first_chunk::<8>() {
        let n = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let n = n.saturating_add(BEFORE + AFTER);
        let Some((whole, rest)) = bytes.split_at_checked(n) else {
            break;
        };
        if record(&whole[BEFORE..n - AFTER]) != whole {
            break;
        }
        found.push(whole);
        bytes = rest;
    }
    found
}

/// Whether two records say the same, whenever they were written.
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    let said = |record: &[u8]| {
        record
            .get(BEFORE + WALL_TIME..record.len() - AFTER)
            .map(<[u8]>::to_vec)
    };
    said(a) == said(b)
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend(data);
    record.extend(masked_crc(data).to_le_bytes());
    record
}

/// An event that has its wall time, field 1, eight bytes.
fn timed(wall_time: f64) -> Vec<u8> {
    let mut event = vec![1 << 3 | 1];
    event.extend(wall_time.to_le_bytes());
    event
}

/// A field of so many bytes: text, or a message.
fn field(message: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    message.push(number << 3 | 2);
    varint(message, bytes.len() as u64);
    message.extend(bytes);
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(MASK_DELTA)
}

fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        let shift = |crc: u32, _| crc >> 1 ^ CASTAGNOLI & (crc & 1).wrapping_neg();
        (0..8).fold(crc ^ u32::from(*byte), shift)
    };
    !bytes.iter().fold(u32::MAX, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720, B.4: 32 bytes of zeros, of ones, and the check value of "123456789".
    #[test]
    fn checksums_are_those_of_the_standard() {
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    /// Three events by TensorBoard's own writer.
    #[test]
    fn bytes_are_those_of_tensorboard() {
        let golden = include_bytes!("../../goldens/events.tfevents");
        let tags = ["loss/train", "learning_rate", "accuracy/test"];
        let values = |values: [f64; 3]| tags.into_iter().zip(values).collect::<Vec<_>>();
        let ours = [
            version(1_500_000_000.25),
            scalars(1_500_000_001.5, 1, &values([2.3, 0.1, 0.0])),
            scalars(1_500_000_002.5, 300, &values([1e-9, 1.0 / 3.0, 1.0])),
        ];
        assert_eq!(ours.concat(), golden);
        assert_eq!(records(golden), ours);
    }

    #[test]
    fn torn_and_damaged_records_end_a_file() {
        let both = [scalars(1.0, 1, &[("a", 1.0)]), scalars(2.0, 2, &[("a", 1.0)])];
        let bytes = both.concat();
        for cut in 0..bytes.len() {
            let whole = usize::from(cut >= both[0].len());
            assert_eq!(records(&bytes[..cut]).len(), whole, "{cut} bytes");
            let mut other = bytes.clone();
            other[cut] ^= 1;
            assert_eq!(records(&other).len(), whole, "byte {cut}");
        }
        assert!(same(&both[0], &scalars(9.0, 1, &[("a", 1.0)])));
        assert!(!same(&both[0], &both[1]) && !same(&both[0], &scalars(1.0, 1, &[("a", 2.0)])));
        assert!(records(&u64::MAX.to_le_bytes()).is_empty());
    }
}
