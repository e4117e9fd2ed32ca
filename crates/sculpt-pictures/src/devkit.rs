//! ILSVRC 2012's development kit: which class each validation picture is of.
//!
//! `data/ILSVRC2012_validation_ground_truth.txt` has a number a line, and `data/meta.mat`, a file of MATLAB's, which class has
//! which number. Of that form (MAT-file level 5) just enough is read: one array of structs, of which three fields.

use crate::PictureError;
use crate::section::open_file;
use flate2::read::{GzDecoder, ZlibDecoder};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// What is read of the kit, whatever it unpacks to: the genuine `meta.mat` takes 3 MB.
const MOST_BYTES: u64 = 1 << 26;

/// Labels of the validation pictures.
#[derive(Debug)]
pub(crate) struct DevKit {
    /// Class by number; only those that no other class is below of.
    classes: BTreeMap<u32, String>,
    /// Number by picture.
    truth: Vec<u32>,
}

impl DevKit {
    pub(crate) fn class_names(&self) -> Vec<String> {
        self.classes.values().cloned().collect()
    }

    /// The class of the picture with this number, from 1.
    pub(crate) fn class_of(&self, picture: usize) -> Option<&str> {
        let number = self.truth.get(picture.checked_sub(1)?)?;
        self.classes.get(number).map(String::as_str)
    }
}

pub(crate) fn read(path: &Path) -> Result<DevKit, PictureError> {
    let wrong = |problem: String| PictureError::layout(path, problem);
    let file = open_file(path)?;
    let mut archive = tar::Archive::new(GzDecoder::new(file).take(MOST_BYTES));
    let (mut classes, mut truth) = (None, None);
    let damaged = |error: std::io::Error| wrong(format!("it cannot be read: {error}"));
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let mut content = Vec::new();
        if name.ends_with("/data/meta.mat") {
            entry.read_to_end(&mut content).map_err(damaged)?;
            let read = synsets(&content);
            classes =
                Some(read.ok_or_else(|| wrong("its meta.mat is not the one of ILSVRC 2012".to_owned()))?);
        } else if name.ends_with("/data/ILSVRC2012_validation_ground_truth.txt") {
            entry.read_to_end(&mut content).map_err(damaged)?;
            let text = String::from_utf8_lossy(&content).into_owned();
            let numbers: Result<Vec<u32>, _> = text.split_whitespace().map(str::parse).collect();
            truth = Some(
                numbers.map_err(|_| wrong("its ground truth has lines that are no numbers".to_owned()))?,
            );
        }
    }
    match (classes, truth) {
        (Some(classes), Some(truth)) => Ok(DevKit { classes, truth }),
        (_, _) => Err(wrong(
            "it lacks data/meta.mat or data/ILSVRC2012_validation_ground_truth.txt".to_owned(),
        )),
    }
}

const COMPRESSED: u32 = 15;
const MATRIX: u32 = 14;
const STRUCT_CLASS: u8 = 2;

/// Names of the classes without children, by their numbers; `None` where the file is laid out otherwise.
fn synsets(file: &[u8]) -> Option<BTreeMap<u32, String>> {
    let mut elements = Elements(file.get(128..)?);
    let (kind, data) = elements.next()?;
    let mut unpacked = Vec::new();
    let (kind, data) = if kind == COMPRESSED {
        let inflate = ZlibDecoder::new(data).take(MOST_BYTES);
        { inflate }.read_to_end(&mut unpacked).ok()?;
        Elements(&unpacked).next()?
    } else {
        (kind, data)
    };
    if kind != MATRIX {
        return None;
    }
    let mut parts = Elements(data);
    let (_, flags) = parts.next()?;
    if *flags.first()? != STRUCT_CLASS {
        return None;
    }
    let (_, _dimensions) = parts.next()?;
    let (_, _name) = parts.next()?;
    let (_, width) = parts.next()?;
    let width = u32::from_le_bytes(*width.first_chunk()?) as usize;
    let (_, names) = parts.next()?;
    if width == 0 {
        return None;
    }
    let names: Vec<&[u8]> = names
        .chunks(width)
        .map(|name| name.split(|byte| *byte == 0).next().unwrap_or_default())
        .collect();
    let place = |wanted: &str| names.iter().position(|name| *name == wanted.as_bytes());
    let (id, wnid, n_children) = (place("ILSVRC2012_ID")?, place("WNID")?, place("num_children")?);
    let mut classes = BTreeMap::new();
    let values: Vec<(u32, &[u8])> = parts.collect();
    for fields in values.chunks_exact(names.len()) {
        if number(fields[n_children])? == 0 {
            classes.insert(number(fields[id])?, text(fields[wnid])?);
        }
    }
    Some(classes)
}

/// The data of a matrix, behind its flags, dimensions and name.
fn data_of((kind, data): (u32, &[u8])) -> Option<(u32, &[u8])> {
    (kind == MATRIX).then(|| Elements(data).nth(3)).flatten()
}

/// A whole number, in whatever type MATLAB found it to fit.
fn number(field: (u32, &[u8])) -> Option<u32> {
    let (kind, data) = data_of(field)?;
    match kind {
        1 | 2 => data.first().map(|byte| u32::from(*byte)),
        3 | 4 => data
            .first_chunk()
            .map(|bytes| u32::from(u16::from_le_bytes(*bytes))),
        5 | 6 => data.first_chunk().map(|bytes| u32::from_le_bytes(*bytes)),
        9 => {
            let value = f64::from_le_bytes(*data.first_chunk()?);
            (value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value)).then_some(value as u32)
        }
        _ => None,
    }
}

/// Letters of one or of two bytes.
fn text(field: (u32, &[u8])) -> Option<String> {
    let (kind, data) = data_of(field)?;
    match kind {
        1 | 2 | 16 => String::from_utf8(data.to_vec()).ok(),
        4 | 17 => {
            let (letters, _) = data.as_chunks::<2>();
            let letters: Vec<u16> = letters.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
            String::from_utf16(&letters).ok()
        }
        _ => None,
    }
}

/// Type and data of elements, one after the other, up to one that is cut.
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = (u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let word = |bytes: &[u8]| bytes.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        let first = word(self.0)?;
        if first >> 16 != 0 {
            // Up to four bytes stand in the tag itself.
            let n = (first >> 16) as usize;
            let data = self.0.get(4..4 + n).filter(|_| n <= 4)?;
            self.0 = self.0.get(8..)?;
            return Some((first & 0xffff, data));
        }
        let n = word(self.0.get(4..)?)? as usize;
        let data = self.0.get(8..)?.get(..n)?;
        let padded = if first == COMPRESSED {
            n
        } else {
            n.next_multiple_of(8)
        };
        self.0 = self.0[8..].get(padded..).unwrap_or_default();
        Some((first, data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// No bytes make it panic or take more memory than they may.
        #[test]
        fn strangers_are_read_without_a_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..400), start: bool) {
            if start && bytes.len() > 140 {
                bytes[128..140].copy_from_slice(&[14, 0, 0, 0, 200, 0, 0, 0, 6, 0, 0, 0]);
            }
            let _ = synsets(&bytes);
        }
    }
}
