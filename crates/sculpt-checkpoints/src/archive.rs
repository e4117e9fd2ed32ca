//! A file of tensors, safetensors or torch.save's, its header checked before a byte of its data is read.

use crate::header::{check_entries, read_header, start_of};
use crate::size::size_fault;
use crate::{CheckpointError, Fault, torch_file};
use safetensors::Dtype;
use sculpt_store::FileError;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Data are read in pieces of this many bytes, a multiple of every number's size.
const PIECE: usize = 1 << 20;

/// Names are looked for in every dialect, which takes a while for each. A ResNet-1202, the deepest of ours, has 7,221.
const MOST_TENSORS: usize = 8192;

fn count_fault(found: usize) -> Option<Fault> {
    let most = MOST_TENSORS;
    (found > most).then_some(Fault::TooMany { found, most })
}

/// Types that stand for real numbers.
pub(crate) const FLOATS: &[Dtype] = &[Dtype::F32, Dtype::F64, Dtype::F16, Dtype::BF16];

/// Types that stand for whole numbers.
pub(crate) const INTEGERS: &[Dtype] = &[
    Dtype::BOOL,
    Dtype::U8,
    Dtype::I8,
    Dtype::I16,
    Dtype::U16,
    Dtype::I32,
    Dtype::U32,
    Dtype::I64,
    Dtype::U64,
];

/// An open file whose tensors lie inside it.
#[derive(Debug)]
pub(crate) struct Archive {
    path: PathBuf,
    file: File,
    data_start: u64,
    /// Tensors that nobody asked for yet.
    entries: BTreeMap<String, Entry>,
    metadata: BTreeMap<String, String>,
    is_torch: bool,
}

/// A tensor of the file.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) place: Place,
}

/// Where a tensor's numbers are.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// So many bytes from this one of the data on.
    Span { start: u64, n_bytes: u64 },
    /// In a file of `torch.save`.
    Torch(pytorch_reader::Tensor),
}

/// Opens the file, lets `inspect` look at it, and returns its value, or the first of its faults.
pub(crate) fn read<T>(
    path: &Path,
    inspect: impl FnOnce(&mut Archive, &mut Vec<Fault>) -> Result<Option<T>, CheckpointError>,
) -> Result<T, CheckpointError> {
    let mut faults = Vec::new();
    let value = match Archive::open(path, &mut faults)? {
        Some(mut archive) => inspect(&mut archive, &mut faults)?,
        None => None,
    };
    if let Some(fault) = faults.into_iter().next() {
        return Err(CheckpointError::Invalid {
            path: path.to_owned(),
            fault,
        });
    }
    Ok(value.expect("a file without a value has a fault"))
}

impl Archive {
    /// Reads and checks the header. Without result there is a fault more; with one, every tensor lies inside
    /// the file and fills its bytes exactly.
    pub(crate) fn open(path: &Path, faults: &mut Vec<Fault>) -> Result<Option<Self>, CheckpointError> {
        let failed = |doing: &'static str| {
            move |refused: io::Error| FileError {
                path: path.to_owned(),
                doing,
                refused,
            }
        };
        // Before opening: to open a pipe would wait for its writer.
        if !fs::metadata(path).map_err(failed("open"))?.is_file() {
            faults.push(Fault::NotAFile);
            return Ok(None);
        }
        let mut file = File::open(path).map_err(failed("open"))?;
        let found = file.metadata().map_err(failed("read"))?;
        let n_file = found.len();
        if let Some(fault) = size_fault(&file, &found).map_err(failed("read"))? {
            faults.push(fault);
            return Ok(None);
        }
        let start = start_of(&mut file).map_err(failed("read"))?;
        if !start.is_safetensors() && torch_file::is_one(start.bytes()) {
            return Ok(
                match torch_file::entries(path, &mut file, n_file)
                    .map_err(failed("read"))?
                    .and_then(|entries| count_fault(entries.len()).map_or(Ok(entries), Err))
                {
                    Ok(entries) => Some(Self {
                        path: path.to_owned(),
                        file,
                        data_start: 0,
                        entries,
                        metadata: BTreeMap::new(),
                        is_torch: true,
                    }),
                    Err(fault) => {
                        faults.push(fault);
                        None
                    }
                },
            );
        }
        let header = match read_header(&mut file, n_file).map_err(failed("read"))? {
            Ok(header) => header,
            Err(fault) => {
                faults.push(fault);
                return Ok(None);
            }
        };
        if let Some(fault) = count_fault(header.entries.len()) {
            faults.push(fault);
            return Ok(None);
        }
        let data_start = 8 + header.n_bytes;
        let before = faults.len();
        let entries = check_entries(header.entries, n_file - data_start, faults);
        let mut metadata = BTreeMap::new();
        for (key, value) in header.metadata {
            if metadata.insert(key.clone(), value).is_some() {
                faults.push(Fault::KeyTwice { key });
            }
        }
        if faults.len() > before {
            return Ok(None);
        }
        Ok(Some(Self {
            path: path.to_owned(),
            file,
            data_start,
            entries,
            metadata,
            is_torch: false,
        }))
    }

    /// Whether it is one of `torch.save`, in which dictionaries may hold other things than weights.
    pub(crate) fn is_torch(&self) -> bool {
        self.is_torch
    }

    pub(crate) fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Takes a tensor out whatever it is.
    pub(crate) fn take_any(&mut self, name: &str) -> Option<Entry> {
        self.entries.remove(name)
    }

    /// Takes a tensor out; a fault if it is missing, or neither of these types and shapes.
    pub(crate) fn take(
        &mut self,
        name: &str,
        dtypes: &[Dtype],
        shapes: &[&[usize]],
        faults: &mut Vec<Fault>,
    ) -> Option<Entry> {
        let Some(entry) = self.entries.remove(name) else {
            faults.push(Fault::Missing {
                tensor: name.to_owned(),
                hint: String::new(),
            });
            return None;
        };
        let right_type = self.has_type(&entry, dtypes, faults);
        let right_shape = shapes.contains(&entry.shape.as_slice());
        if !right_shape {
            faults.push(Fault::WrongShape {
                tensor: name.to_owned(),
                shape: entry.shape.clone(),
                expected: shapes.first().map(|s| s.to_vec()).unwrap_or_default(),
            });
        }
        (right_type && right_shape).then_some(entry)
    }

    /// Whether the tensor has one of these types; a fault if not.
    pub(crate) fn has_type(&self, entry: &Entry, dtypes: &[Dtype], faults: &mut Vec<Fault>) -> bool {
        if dtypes.contains(&entry.dtype) {
            return true;
        }
        let expected: Vec<_> = dtypes.iter().map(|d| format!("{d:?}")).collect();
        faults.push(Fault::WrongType {
            tensor: entry.name.clone(),
            dtype: format!("{:?}", entry.dtype),
            expected: expected.join(", "),
        });
        false
    }

    /// Names every tensor that nobody asked for.
    pub(crate) fn refuse_the_rest(&mut self, faults: &mut Vec<Fault>) {
        for tensor in std::mem::take(&mut self.entries).into_keys() {
            faults.push(Fault::Extra { tensor });
        }
    }

    /// The bytes of a tensor, piece by piece.
    fn for_each_piece(&mut self, entry: &Entry, mut each: impl FnMut(&[u8])) -> Result<(), CheckpointError> {
        let path = &self.path;
        let failed = |refused| FileError {
            path: path.clone(),
            doing: "read",
            refused,
        };
        let (start, n_bytes) = match &entry.place {
            Place::Span { start, n_bytes } => (*start, *n_bytes),
            Place::Torch(tensor) => {
                let bytes = tensor.read().map_err(|refused| match refused.kind() {
                    // The file disagrees with itself.
                    io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => CheckpointError::Invalid {
                        path: path.clone(),
                        fault: Fault::TorchTensor {
                            tensor: entry.name.clone(),
                            message: refused.to_string(),
                        },
                    },
                    _ => failed(refused).into(),
                })?;
                bytes.chunks(PIECE).for_each(each);
                return Ok(());
            }
        };
        self.file
            .seek(SeekFrom::Start(self.data_start + start))
            .map_err(failed)?;
        let mut left = usize::try_from(n_bytes).map_err(|e| failed(io::Error::other(e)))?;
        let mut piece = vec![0; left.min(PIECE)];
        while left > 0 {
            let n = left.min(PIECE);
            self.file.read_exact(&mut piece[..n]).map_err(failed)?;
            each(&piece[..n]);
            left -= n;
        }
        Ok(())
    }

    /// The numbers of a tensor of one of [`FLOATS`]' types; a fault for those that are none.
    pub(crate) fn for_each_float(
        &mut self,
        entry: &Entry,
        faults: &mut Vec<Fault>,
        mut each: impl FnMut(usize, f64),
    ) -> Result<(), CheckpointError> {
        let mut index = 0;
        let mut not_finite: Option<(usize, f64, usize)> = None;
        let mut value = |x: f64| {
            if !x.is_finite() {
                let (_, _, count) = not_finite.get_or_insert((index, x, 0));
                *count += 1;
            }
            each(index, x);
            index += 1;
        };
        match entry.dtype {
            Dtype::F32 => self.for_each_piece(entry, |bytes| {
                for b in bytes.as_chunks().0 {
                    value(f32::from_le_bytes(*b).into());
                }
            })?,
            Dtype::F64 => self.for_each_piece(entry, |bytes| {
                for b in bytes.as_chunks().0 {
                    value(f64::from_le_bytes(*b));
                }
            })?,
            Dtype::F16 => self.for_each_piece(entry, |bytes| {
                for b in bytes.as_chunks().0 {
                    value(half::f16::from_le_bytes(*b).into());
                }
            })?,
            Dtype::BF16 => self.for_each_piece(entry, |bytes| {
                for b in bytes.as_chunks().0 {
                    value(half::bf16::from_le_bytes(*b).into());
                }
            })?,
            // The type was checked when the tensor was taken.
            other => unreachable!("{other:?} does not hold real numbers"),
        }
        if let Some((index, value, count)) = not_finite {
            faults.push(Fault::NotFinite {
                tensor: entry.name.clone(),
                index,
                value,
                count,
            });
        }
        Ok(())
    }

    /// The numbers of a tensor as `f32`, every bit of an `f32` kept; a fault for those that have none.
    pub(crate) fn floats(
        &mut self,
        entry: &Entry,
        faults: &mut Vec<Fault>,
    ) -> Result<Vec<f32>, CheckpointError> {
        let mut values = Vec::with_capacity(entry.n_elements());
        let mut too_large = None;
        self.for_each_float(entry, faults, |index, x| {
            let rounded = x as f32;
            if x.is_finite() && !rounded.is_finite() {
                too_large.get_or_insert((index, x));
            }
            values.push(rounded);
        })?;
        if let Some((index, value)) = too_large {
            faults.push(Fault::TooLargeForF32 {
                tensor: entry.name.clone(),
                index,
                value,
            });
        }
        Ok(values)
    }

    /// The numbers of an F64 tensor.
    pub(crate) fn doubles(
        &mut self,
        entry: &Entry,
        faults: &mut Vec<Fault>,
    ) -> Result<Vec<f64>, CheckpointError> {
        let mut values = Vec::with_capacity(entry.n_elements());
        self.for_each_float(entry, faults, |_, x| values.push(x))?;
        Ok(values)
    }

    /// The bytes of a tensor of single bytes.
    pub(crate) fn bytes(&mut self, entry: &Entry) -> Result<Vec<u8>, CheckpointError> {
        let mut values = Vec::with_capacity(entry.n_elements());
        self.for_each_piece(entry, |bytes| values.extend_from_slice(bytes))?;
        Ok(values)
    }

    /// The numbers of a tensor of one of [`INTEGERS`]' types; those beyond an `i64` as its largest.
    pub(crate) fn integers(&mut self, entry: &Entry) -> Result<Vec<i64>, CheckpointError> {
        fn all<const N: usize>(bytes: &[u8], to: &mut Vec<i64>, number: impl Fn([u8; N]) -> i64) {
            to.extend(bytes.as_chunks().0.iter().map(|b| number(*b)));
        }
        let dtype = entry.dtype;
        let mut values = Vec::with_capacity(entry.n_elements());
        self.for_each_piece(entry, |bytes| {
            let to = &mut values;
            match dtype {
                Dtype::BOOL | Dtype::U8 => all(bytes, to, |b| u8::from_le_bytes(b).into()),
                Dtype::I8 => all(bytes, to, |b| i8::from_le_bytes(b).into()),
                Dtype::I16 => all(bytes, to, |b| i16::from_le_bytes(b).into()),
                Dtype::U16 => all(bytes, to, |b| u16::from_le_bytes(b).into()),
                Dtype::I32 => all(bytes, to, |b| i32::from_le_bytes(b).into()),
                Dtype::U32 => all(bytes, to, |b| u32::from_le_bytes(b).into()),
                Dtype::I64 => all(bytes, to, i64::from_le_bytes),
                Dtype::U64 => all(bytes, to, |b| {
                    i64::try_from(u64::from_le_bytes(b)).unwrap_or(i64::MAX)
                }),
                // The type was checked when the tensor was taken.
                other => unreachable!("{other:?} does not hold whole numbers"),
            }
        })?;
        Ok(values)
    }
}

impl Entry {
    /// Number of elements; it was compared with the file's length before.
    pub(crate) fn n_elements(&self) -> usize {
        self.shape.iter().product()
    }
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
