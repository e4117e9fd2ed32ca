//! Parts of files, read at their places: several threads read one file at once.

use crate::PictureError;
use crate::error::refused;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Opens a file. Whatever is none is refused before: to open a pipe would wait for its writer.
pub(crate) fn open_file(path: &Path) -> Result<File, PictureError> {
    let found = fs::metadata(path).map_err(refused(path, "open"))?;
    if !found.is_file() {
        return Err(PictureError::layout(path, "it is no regular file"));
    }
    File::open(path).map_err(refused(path, "open"))
}

/// Reads `n` bytes of a file from `offset` on.
pub(crate) fn read_at(file: &File, offset: u64, n: usize, bytes: &mut Vec<u8>) -> io::Result<()> {
    bytes.resize(n, 0);
    file.read_exact_at(bytes, offset)
}

/// A part of a file as a file of its own.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    file: &'a File,
    start: u64,
    n: u64,
    place: u64,
}

impl<'a> Section<'a> {
    pub(crate) fn new(file: &'a File, start: u64, n: u64) -> Self {
        Self {
            file,
            start,
            n,
            place: 0,
        }
    }
}

impl Read for Section<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = self.n.saturating_sub(self.place);
        let n = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let n = self.file.read_at(&mut bytes[..n], self.start + self.place)?;
        self.place += n as u64;
        Ok(n)
    }
}

impl Seek for Section<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::Current(by) => self.place.checked_add_signed(by),
            SeekFrom::End(by) => self.n.checked_add_signed(by),
        };
        self.place = place.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.place)
    }
}
