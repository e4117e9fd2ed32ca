//! Sizes of files that are read.

use crate::Fault;
use std::fs::{File, Metadata};
use std::io;

/// Forty times a ResNet-50, with its optimiser's state.
const MOST_FILE_BYTES: u64 = 1 << 33;

/// Below this, holes cost no time that anybody notices.
const FEW_BYTES: u64 = 1 << 26;

/// What is wrong with a file's size, before a byte of it is read. File systems that compress keep a very sparse network in a
/// thirtieth of its length, and a thousandth is none.
pub(crate) fn size_fault(file: &File, found: &Metadata) -> io::Result<Option<Fault>> {
    let bytes = found.len();
    if bytes > MOST_FILE_BYTES {
        let most = MOST_FILE_BYTES;
        return Ok(Some(Fault::TooLong { bytes, most }));
    }
    let enough = bytes / 1000;
    // Some file systems count the blocks of a new file late (ZFS), or never: what is a hole they know.
    if bytes <= FEW_BYTES || blocks(found).is_none_or(|told| told >= enough) {
        return Ok(None);
    }
    let on_disk = data(file, bytes, enough)?.filter(|on_disk| *on_disk < enough);
    Ok(on_disk.map(|on_disk| Fault::Holes { bytes, on_disk }))
}

/// Bytes that a file takes on the disk, where the system tells.
#[cfg(unix)]
fn blocks(found: &Metadata) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    // In units of 512 bytes, whatever the file system's own are.
    Some(found.blocks() * 512)
}

#[cfg(not(unix))]
fn blocks(_: &Metadata) -> Option<u64> {
    None
}

/// Bytes of a file that are no holes, `enough` or all, where the system tells. It is read from its start then.
#[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd"))]
fn data(file: &File, n: u64, enough: u64) -> io::Result<Option<u64>> {
    use rustix::fs::{SeekFrom, seek};
    use rustix::io::Errno;
    let (mut at, mut sum) = (0, 0);
    while sum < enough && at < n {
        let start = match seek(file, SeekFrom::Data(at)) {
            Ok(start) => start,
            // There is none from here on.
            Err(Errno::NXIO) => break,
            // Not to be known here.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        at = seek(file, SeekFrom::Hole(start))?;
        sum += at.saturating_sub(start);
    }
    seek(file, SeekFrom::Start(0))?;
    Ok(Some(sum))
}

#[cfg(not(any(target_os = "linux", target_os = "macos", target_os = "freebsd")))]
fn data(_: &File, _: u64, _: u64) -> io::Result<Option<u64>> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek, SeekFrom, Write};

    /// Half a million bytes, a hole of as many, and half a million: what is there is counted as far as it is asked, and the file read from its start.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_no_hole_is_counted() {
        let half = 1 << 19;
        let mut file = tempfile::tempfile().unwrap();
        let ones = vec![1; half];
        file.write_all(&ones).unwrap();
        file.seek(SeekFrom::Start(2 * half as u64)).unwrap();
        file.write_all(&ones).unwrap();
        let n = 3 * half as u64;
        let counted = |enough| data(&file, n, enough).unwrap();
        assert_eq!(counted(n), Some(2 * half as u64));
        assert_eq!(counted(1), Some(half as u64));
        let mut first = [0];
        (&file).read_exact(&mut first).unwrap();
        assert_eq!(first, [1]);
        file.set_len(0).unwrap();
        file.set_len(n).unwrap();
        assert_eq!(data(&file, n, n).unwrap(), Some(0));
    }
}
