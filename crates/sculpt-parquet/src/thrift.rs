//! Thrift's compact protocol, as far as Parquet's headers need it: <https://github.com/apache/thrift>,
//! `doc/specs/thrift-compact-protocol.md`.

use crate::ParquetError;

/// Nested deeper is nothing that Parquet describes: its statistics and logical types end at 5.
const MOST_NESTED: u32 = 16;

/// A value whose type only the file tells.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Bool(bool),
    Int(i64),
    Double,
    Bytes(&'a [u8]),
    List(Vec<Value<'a>>),
    /// Fields by id, in the file's order.
    Struct(Vec<(i16, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// A field of a struct.
    pub(crate) fn field(&self, id: i16) -> Option<&Value<'a>> {
        match self {
            Self::Struct(fields) => fields
                .iter()
                .find_map(|(own, value)| (*own == id).then_some(value)),
            _ => None,
        }
    }

    /// A whole number of a struct.
    pub(crate) fn int(&self, id: i16) -> Option<i64> {
        match self.field(id) {
            Some(Self::Int(value)) => Some(*value),
            _ => None,
        }
    }

    /// A whole number of a struct which cannot be below 0.
    pub(crate) fn size(&self, id: i16, what: &str) -> Result<usize, ParquetError> {
        self.int(id)
            .and_then(|value| usize::try_from(value).ok())
            .ok_or_else(|| ParquetError::damaged(format!("{what} is missing or below 0")))
    }

    /// A list of a struct.
    pub(crate) fn list(&self, id: i16) -> Option<&[Value<'a>]> {
        match self.field(id) {
            Some(Self::List(values)) => Some(values),
            _ => None,
        }
    }

    /// UTF-8 of a struct.
    pub(crate) fn text(&self, id: i16) -> Option<&'a str> {
        match self.field(id) {
            Some(Self::Bytes(bytes)) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }
}

/// Reads one struct from the beginning of `bytes`; what comes after it is left over.
pub(crate) fn read_struct(bytes: &[u8]) -> Result<(Value<'_>, &[u8]), ParquetError> {
    let mut reader = Reader { left: bytes };
    let value = reader.fields(MOST_NESTED)?;
    Ok((value, reader.left))
}

struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    fn fields(&mut self, depth: u32) -> Result<Value<'a>, ParquetError> {
        let depth = depth
            .checked_sub(1)
            .ok_or_else(|| ParquetError::damaged(format!("a header nests deeper than {MOST_NESTED}")))?;
        let mut fields = Vec::new();
        let mut id = 0i16;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(Value::Struct(fields));
            }
            id = match head >> 4 {
                0 => i16::try_from(self.zigzag()?).ok(),
                delta => id.checked_add(i16::from(delta)),
            }
            .ok_or_else(|| ParquetError::damaged("a header has a field of no possible number"))?;
            let value = match head & 15 {
                1 => Value::Bool(true),
                2 => Value::Bool(false),
                kind => self.value(kind, depth)?,
            };
            fields.push((id, value));
        }
    }

    fn value(&mut self, kind: u8, depth: u32) -> Result<Value<'a>, ParquetError> {
        Ok(match kind {
            // In lists a flag is a byte of its own.
            1 | 2 => Value::Bool(self.byte()? == 1),
            3 => Value::Int(i64::from(self.byte()? as i8)),
            4..=6 => Value::Int(self.zigzag()?),
            7 => {
                self.take(8)?;
                Value::Double
            }
            8 => {
                let n = self.length()?;
                Value::Bytes(self.take(n)?)
            }
            9 | 10 => self.list(depth)?,
            12 => self.fields(depth)?,
            other => {
                return Err(ParquetError::damaged(format!(
                    "a header has a field of type {other}, which Parquet has not"
                )));
            }
        })
    }

    fn list(&mut self, depth: u32) -> Result<Value<'a>, ParquetError> {
        let depth = depth
            .checked_sub(1)
            .ok_or_else(|| ParquetError::damaged(format!("a header nests deeper than {MOST_NESTED}")))?;
        let head = self.byte()?;
        let n = match head >> 4 {
            15 => self.length()?,
            n => usize::from(n),
        };
        // Every value takes a byte at least: no list is longer than what is left.
        if n > self.left.len() {
            return Err(ParquetError::damaged("a list in a header goes beyond its end"));
        }
        let mut values = Vec::new();
        for _ in 0..n {
            values.push(self.value(head & 15, depth)?);
        }
        Ok(Value::List(values))
    }

    fn byte(&mut self) -> Result<u8, ParquetError> {
        let (&first, rest) = self.left.split_first().ok_or_else(cut)?;
        self.left = rest;
        Ok(first)
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], ParquetError> {
        let (taken, rest) = self.left.split_at_checked(n).ok_or_else(cut)?;
        self.left = rest;
        Ok(taken)
    }

    fn length(&mut self) -> Result<usize, ParquetError> {
        let n = read_varint(&mut self.left).ok_or_else(cut)?;
        usize::try_from(n).map_err(|_| cut())
    }

    fn zigzag(&mut self) -> Result<i64, ParquetError> {
        let n = read_varint(&mut self.left).ok_or_else(cut)?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }
}

fn cut() -> ParquetError {
    ParquetError::damaged("a header is cut off")
}

/// Seven bits a byte, the lowest first; none where the bytes end before it, or it has more than 64 bits.
pub(crate) fn read_varint(left: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for place in 0..10 {
        let (&byte, rest) = left.split_first()?;
        *left = rest;
        let bits = u64::from(byte & 127);
        if place == 9 && bits > 1 {
            return None;
        }
        value |= bits << (7 * place);
        if byte < 128 {
            return Some(value);
        }
    }
    None
}

/// Writes a struct, its fields in rising order.
#[derive(Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    last: Vec<i16>,
    id: i16,
}

impl Writer {
    pub(crate) fn int(&mut self, id: i16, value: i64) {
        self.int_of(id, 6, value);
    }

    pub(crate) fn int32(&mut self, id: i16, value: i32) {
        self.int_of(id, 5, i64::from(value));
    }

    pub(crate) fn byte(&mut self, id: i16, value: u8) {
        self.head(id, 3);
        self.bytes.push(value);
    }

    pub(crate) fn flag(&mut self, id: i16, value: bool) {
        self.head(id, if value { 1 } else { 2 });
    }

    pub(crate) fn text(&mut self, id: i16, text: &str) {
        self.head(id, 8);
        self.element(text);
    }

    /// A list of `n` values of a type; [`Writer::element`], [`Writer::number`] or [`Writer::item`] write each.
    pub(crate) fn list(&mut self, id: i16, kind: u8, n: usize) {
        self.head(id, 9);
        match u8::try_from(n) {
            Ok(n) if n < 15 => self.bytes.push(n << 4 | kind),
            _ => {
                self.bytes.push(0xf0 | kind);
                self.varint(n as u64);
            }
        }
    }

    pub(crate) fn element(&mut self, text: &str) {
        self.varint(text.len() as u64);
        self.bytes.extend(text.as_bytes());
    }

    pub(crate) fn number(&mut self, value: i32) {
        self.zigzag(i64::from(value));
    }

    /// A struct as a field.
    pub(crate) fn structure(&mut self, id: i16, fill: impl FnOnce(&mut Self)) {
        self.head(id, 12);
        self.item(fill);
    }

    /// A struct as a value of a list.
    pub(crate) fn item(&mut self, fill: impl FnOnce(&mut Self)) {
        self.last.push(self.id);
        self.id = 0;
        fill(self);
        self.bytes.push(0);
        self.id = self.last.pop().unwrap_or_default();
    }

    /// The bytes, the struct's end included.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes.push(0);
        self.bytes
    }

    fn int_of(&mut self, id: i16, kind: u8, value: i64) {
        self.head(id, kind);
        self.zigzag(value);
    }

    fn head(&mut self, id: i16, kind: u8) {
        match u8::try_from(id - self.id) {
            Ok(delta @ 1..=15) => self.bytes.push(delta << 4 | kind),
            _ => {
                self.bytes.push(kind);
                self.zigzag(i64::from(id));
            }
        }
        self.id = id;
    }

    fn zigzag(&mut self, value: i64) {
        self.varint((value << 1 ^ value >> 63) as u64);
    }

    fn varint(&mut self, value: u64) {
        write_varint(&mut self.bytes, value);
    }
}

/// As [`read_varint`] reads it.
pub(crate) fn write_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 128 {
        bytes.push(value as u8 | 128);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::default();
        writer.int32(1, -7);
        writer.int(4, 1 << 40);
        writer.structure(30, |inner| {
            inner.flag(1, true);
            inner.text(2, "β");
            inner.byte(3, 32);
        });
        writer.list(31, 5, 20);
        (0..20).for_each(|n| writer.number(n));
        let mut bytes = writer.finish();
        bytes.extend(b"rest");
        let (value, rest) = read_struct(&bytes).unwrap();
        assert_eq!(rest, b"rest");
        assert_eq!((value.int(1), value.int(4)), (Some(-7), Some(1 << 40)));
        let inner = value.field(30).unwrap();
        assert_eq!(
            (inner.field(1), inner.text(2), inner.int(3)),
            (Some(&Value::Bool(true)), Some("β"), Some(32))
        );
        assert_eq!(value.list(31).unwrap()[19], Value::Int(19));
        assert!(value.size(1, "it").is_err() && value.size(2, "it").is_err());
    }

    /// A struct in a struct costs a byte: without a limit a few kilobytes would end the stack.
    #[test]
    fn nothing_nests_without_end() {
        let nested = vec![0x1c; 100_000];
        assert!(
            read_struct(&nested)
                .unwrap_err()
                .to_string()
                .contains("deeper than 16")
        );
        // A list of lists of lists.
        let nested: Vec<u8> = [0x19]
            .into_iter()
            .chain(std::iter::repeat_n(0x19, 100_000))
            .collect();
        assert!(
            read_struct(&nested)
                .unwrap_err()
                .to_string()
                .contains("deeper than 16")
        );
        let long = [0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x0f];
        assert!(
            read_struct(&long)
                .unwrap_err()
                .to_string()
                .contains("beyond its end")
        );
    }

    #[test]
    fn varints_have_64_bits() {
        for value in [0, 1, 127, 128, 300, u64::MAX] {
            let mut bytes = Vec::new();
            write_varint(&mut bytes, value);
            assert_eq!(read_varint(&mut &bytes[..]), Some(value));
        }
        assert_eq!(read_varint(&mut &[255; 10][..]), None);
        assert_eq!(read_varint(&mut &[128][..]), None);
    }
}
