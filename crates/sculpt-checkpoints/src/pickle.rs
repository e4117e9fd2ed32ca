//! The length of a pickle, found by walking its operations: none of them is carried out.

use std::io::{self, BufRead, Read};

/// Why a pickle was not walked to its end.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The operating system could not read the file, or it ended too early.
    Io(io::Error),
    /// A byte that is no operation.
    Operation(u8),
    /// It has not ended where the longest one that is read would have.
    TooLong,
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What pickles may still cost: their bytes, and their operations, each of which may make an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) bytes: u64,
    pub(crate) operations: u64,
}

/// Takes from the budget what the pickle costs that `from` stands at, which it then stands behind.
pub(crate) fn walk(from: &mut impl BufRead, budget: &mut Budget) -> Result<(), Broken> {
    let mut from = from.take(budget.bytes + 1);
    loop {
        let walked = step(&mut from);
        if from.limit() == 0 || budget.operations == 0 {
            return Err(Broken::TooLong);
        }
        budget.operations -= 1;
        if walked? {
            budget.bytes = from.limit() - 1;
            return Ok(());
        }
    }
}

/// One operation with its argument; whether it was the last.
fn step(from: &mut impl BufRead) -> Result<bool, Broken> {
    let operation = byte(from)?;
    match operation {
        b'.' => return Ok(true),
        // Numbers, memo slots and protocols of one byte; two; four; eight.
        b'K' | b'h' | b'q' | 0x80 | 0x82 => skip(from, 1)?,
        b'M' | 0x83 => skip(from, 2)?,
        b'J' | b'j' | b'r' | 0x84 => skip(from, 4)?,
        b'G' | 0x95 => skip(from, 8)?,
        // Texts, bytes and long numbers behind a length of one byte; four; eight.
        b'U' | b'C' | 0x8a | 0x8c => counted::<1>(from)?,
        b'T' | b'X' | b'B' | 0x8b => counted::<4>(from)?,
        0x8d | 0x8e | 0x96 => counted::<8>(from)?,
        // Lines.
        b'I' | b'L' | b'F' | b'S' | b'V' | b'P' | b'p' | b'g' => line(from)?,
        b'c' | b'i' => {
            line(from)?;
            line(from)?;
        }
        // No argument.
        b'('
        | b')'
        | b'0'
        | b'1'
        | b'2'
        | b'N'
        | b'Q'
        | b'R'
        | b'a'
        | b'b'
        | b'd'
        | b'e'
        | b'l'
        | b'o'
        | b's'
        | b't'
        | b'u'
        | b'}'
        | b']'
        | 0x81
        | 0x85..=0x89
        | 0x8f..=0x94
        | 0x97
        | 0x98 => {}
        other => return Err(Broken::Operation(other)),
    }
    Ok(false)
}

fn byte(from: &mut impl Read) -> io::Result<u8> {
    let mut byte = [0];
    from.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn skip(from: &mut impl BufRead, n: u64) -> io::Result<()> {
    match io::copy(&mut from.take(n), &mut io::sink())? {
        skipped if skipped == n => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn counted<const N: usize>(from: &mut impl BufRead) -> io::Result<()> {
    let mut length = [0; 8];
    from.read_exact(&mut length[..N])?;
    skip(from, u64::from_le_bytes(length))
}

fn line(from: &mut impl BufRead) -> io::Result<()> {
    while byte(from)? != b'\n' {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes and operations of the pickle.
    fn walked(bytes: &[u8], limit: u64, operations: u64) -> Result<(u64, u64), Broken> {
        let all = Budget {
            bytes: limit,
            operations,
        };
        let mut left = all;
        walk(&mut io::Cursor::new(bytes), &mut left)?;
        Ok((all.bytes - left.bytes, all.operations - left.operations))
    }

    /// `pickle.dumps({'a': (1, 2.0)}, 2)`, eleven operations, and what follows it.
    #[test]
    fn a_pickle_ends_at_its_stop() {
        let pickle = b"\x80\x02}q\0X\x01\0\0\0aq\x01K\x01G@\0\0\0\0\0\0\0\x86q\x02s.";
        let n = pickle.len() as u64;
        let with_more = [&pickle[..], b"and more"].concat();
        assert_eq!(walked(&with_more, 100, 100).unwrap(), (n, 11));
        assert_eq!(walked(&with_more, n, 11).unwrap(), (n, 11));
        assert!(matches!(walked(&with_more, n - 1, 100), Err(Broken::TooLong)));
        assert!(matches!(walked(&with_more, 100, 10), Err(Broken::TooLong)));
        assert!(matches!(walked(&pickle[..20], 100, 100), Err(Broken::Io(_))));
        let unknown = walked(b"\x80\x02\xff.", 100, 100);
        assert!(matches!(unknown, Err(Broken::Operation(0xff))));
    }

    /// A text of 2^63 bytes is not waited for.
    #[test]
    fn announced_lengths_are_bounded() {
        let mut bytes = vec![0x8d];
        bytes.extend((1u64 << 63).to_le_bytes());
        bytes.resize(200, b'a');
        assert!(matches!(walked(&bytes, 100, 100), Err(Broken::TooLong)));
        assert!(matches!(walked(&bytes, 1000, 100), Err(Broken::Io(_))));
    }
}
