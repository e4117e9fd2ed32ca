//! Tensors on their way to the disk.

use crate::{CheckpointError, Fault};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use sculpt_store::atomic;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::io::{self, Write};
use std::path::Path;

/// Numbers that are written in one piece.
const PIECE: usize = 1 << 16;

/// A tensor to be written.
pub(crate) struct Part<'a> {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Data<'a>,
}

/// The numbers of a tensor, row-major.
pub(crate) enum Data<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
    I64(&'a [i64]),
    U8(&'a [u8]),
    OwnU8(Vec<u8>),
}

/// Writes the tensors, wider types first as safetensors asks for, else in the order given, with one metadata
/// key: its own writer puts several into random order.
pub(crate) fn write(
    path: &Path,
    metadata: Option<(&str, String)>,
    mut parts: Vec<Part>,
) -> Result<(), CheckpointError> {
    let header = lay_out(metadata, &mut parts).map_err(refused(path))?;
    Ok(atomic::write_with(path, |file| emit(&header, &parts, file))?)
}

/// What [`write`] would write.
pub(crate) fn to_bytes(metadata: Option<(&str, String)>, mut parts: Vec<Part>) -> Result<Vec<u8>, Fault> {
    let header = lay_out(metadata, &mut parts)?;
    let mut bytes = Vec::new();
    emit(&header, &parts, &mut bytes).expect("memory takes what is written to it");
    Ok(bytes)
}

fn emit(header: &[u8], parts: &[Part], to: &mut dyn Write) -> io::Result<()> {
    to.write_all(&(header.len() as u64).to_le_bytes())?;
    to.write_all(header)?;
    parts.iter().try_for_each(|part| part.data.write_to(to))
}

/// Puts the parts into their order, and describes it.
fn lay_out(metadata: Option<(&str, String)>, parts: &mut [Part]) -> Result<Vec<u8>, Fault> {
    check(parts)?;
    parts.sort_by_key(|part| Reverse(part.data.dtype()));
    let mut end = 0;
    let infos = parts.iter().map(|part| {
        let start = end;
        end += part.data.n_bytes();
        let info = TensorInfo {
            dtype: part.data.dtype(),
            shape: part.shape.clone(),
            data_offsets: (start, end),
        };
        (part.name.clone(), info)
    });
    let infos = infos.collect();
    let metadata = metadata.map(|(key, value)| HashMap::from([(key.to_owned(), value)]));
    let header = Metadata::new(metadata, infos).expect("tensors laid out one behind the other are valid");
    let mut header = serde_json::to_vec(&header).expect("names, shapes and offsets have a JSON form");
    // Spaces keep the data aligned for readers that map the file.
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok(header)
}

/// An error of writing `path`.
pub(crate) fn refused(path: &Path) -> impl FnOnce(Fault) -> CheckpointError {
    |fault| CheckpointError::Refused {
        path: path.to_owned(),
        fault,
    }
}

pub(crate) fn check(parts: &[Part]) -> Result<(), Fault> {
    let mut names = BTreeSet::new();
    for part in parts {
        let tensor = part.name.clone();
        if tensor == "__metadata__" {
            return Err(Fault::ReservedName { tensor });
        }
        if !names.insert(&part.name) {
            return Err(Fault::NameTwice { tensor });
        }
        let n = part.shape.iter().try_fold(1usize, |n, &dim| n.checked_mul(dim));
        if n != Some(part.data.len()) {
            return Err(Fault::WrongSize {
                tensor,
                dtype: format!("{:?}", part.data.dtype()),
                shape: part.shape.clone(),
                n_bytes: part.data.n_bytes() as u64,
            });
        }
    }
    Ok(())
}

impl Data<'_> {
    fn dtype(&self) -> Dtype {
        match self {
            Data::F32(_) => Dtype::F32,
            Data::F64(_) => Dtype::F64,
            Data::I64(_) => Dtype::I64,
            Data::U8(_) | Data::OwnU8(_) => Dtype::U8,
        }
    }

    pub(crate) fn n_bytes(&self) -> usize {
        self.len() * self.dtype().bitsize() / 8
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Data::F32(values) => values.len(),
            Data::F64(values) => values.len(),
            Data::I64(values) => values.len(),
            Data::U8(values) => values.len(),
            Data::OwnU8(values) => values.len(),
        }
    }

    pub(crate) fn write_to(&self, file: &mut dyn Write) -> io::Result<()> {
        match self {
            Data::F32(values) => write_numbers(file, values, |v| v.to_le_bytes()),
            Data::F64(values) => write_numbers(file, values, |v| v.to_le_bytes()),
            Data::I64(values) => write_numbers(file, values, |v| v.to_le_bytes()),
            Data::U8(values) => file.write_all(values),
            Data::OwnU8(values) => file.write_all(values),
        }
    }
}

fn write_numbers<T: Copy, const N: usize>(
    file: &mut dyn Write,
    values: &[T],
    bytes: impl Fn(T) -> [u8; N],
) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(values.len().min(PIECE) * N);
    for piece in values.chunks(PIECE) {
        buffer.clear();
        buffer.extend(piece.iter().flat_map(|&value| bytes(value)));
        file.write_all(&buffer)?;
    }
    Ok(())
}
