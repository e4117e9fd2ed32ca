//! Files of `torch.save`: zip, and the pickles that PyTorch wrote before 1.6. Tensors are rebuilt; nothing else that a pickle
//! asks for is done.

use crate::Fault;
use crate::archive::{Entry, Place};
use crate::pickle::{self, Broken, Budget};
use pytorch_reader::{DType, PickleError, PytorchError, PytorchReader};
use safetensors::Dtype;
use sculpt_store::paths;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek};
use std::ops::Range;
use std::path::Path;
use zip::CompressionMethod;
use zip::ZipArchive;

/// The longest pickle that is read; an operation costs up to 170 bytes of memory. A ResNet-50 with its optimiser has 100 kB
/// and 20,000 operations.
const PICKLE_LIMIT: Budget = Budget {
    bytes: 8 << 20,
    operations: 1 << 20,
};

/// As many tensors are read from any file (a ResNet-1202 has 7,200); of more, only if the file is small: each may be a view of
/// the whole of it.
const ALWAYS_READ: u64 = 8192;
const READ_IN_ALL: u64 = 1 << 36;

/// Pickles before the numbers of a file from before 1.6: magic number, version, system, tensors, order of storages.
const PICKLES: usize = 5;

/// Where a tar archive says that it is one. The reader believes it before it believes a pickle's first bytes, and reads a tar's pickles
/// whatever their length.
const TAR_MARK: Range<usize> = 257..262;

/// Characters of what the reader says that are repeated.
const LONGEST: usize = 300;

/// How often the numbers of a file may stand in its tensors, and how many bytes of them any file may have: a view may repeat
/// one number without end.
const REPEATS: u64 = 8;
const ALWAYS_FITS: u64 = 64 << 20;

/// What `torch.save` writes is a zip file, and was a pickle of protocol 2 or later before 1.6.
pub(crate) fn is_one(start: &[u8]) -> bool {
    start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") || matches!(start, [0x80, 2..=5, ..])
}

/// The tensors of a file under their dotted paths through its dictionaries. The outer error is the operating system's.
pub(crate) fn entries(
    path: &Path,
    file: &mut File,
    n_file: u64,
) -> io::Result<Result<BTreeMap<String, Entry>, Fault>> {
    let mut start = Vec::new();
    file.rewind()?;
    io::Read::take(&mut *file, TAR_MARK.end as u64).read_to_end(&mut start)?;
    file.rewind()?;
    let looked_at = if start.starts_with(b"PK") {
        check_zip(file)
    } else if start.get(TAR_MARK) == Some(b"ustar") {
        let message = "it is a tar archive that begins like a pickle".to_owned();
        Err(Fault::TorchBroken { message })
    } else {
        check_pickles(file)?
    };
    if let Err(fault) = looked_at {
        return Ok(Err(fault));
    }
    let reader = match PytorchReader::new(path) {
        Ok(reader) => reader,
        Err(PytorchError::Io(error)) if error.raw_os_error().is_some() => return Err(error),
        Err(error) => return Ok(Err(refusal(&error))),
    };
    let (mut entries, mut n_bytes) = (BTreeMap::new(), 0u64);
    for (name, tensor) in reader.into_tensors() {
        n_bytes = n_bytes.saturating_add(tensor.byte_len() as u64);
        let entry = Entry {
            name: name.clone(),
            dtype: dtype(tensor.dtype()),
            shape: tensor.shape().to_vec(),
            place: Place::Torch(tensor),
        };
        entries.insert(name, entry);
    }
    let n_tensors = entries.len() as u64;
    if n_tensors > ALWAYS_READ && n_tensors.saturating_mul(n_file) > READ_IN_ALL {
        let message =
            format!("it has {n_tensors} tensors, too many for {n_file} bytes; save model.state_dict() alone");
        return Ok(Err(Fault::TorchBroken { message }));
    }
    let limit = n_file.saturating_mul(REPEATS).max(ALWAYS_FITS);
    if n_bytes > limit {
        return Ok(Err(Fault::TorchRepeats { n_bytes, n_file }));
    }
    Ok(Ok(entries))
}

/// A zip file with a pickle of bearable length and numbers that are stored as they are.
fn check_zip(file: &mut File) -> Result<(), Fault> {
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| {
        let message = format!("it is cut off, or damaged: {error}");
        Fault::TorchBroken { message }
    })?;
    let (mut n_pickles, mut is_script, mut is_program, mut is_numpy) = (0, false, false, false);
    let mut is_network = false;
    let mut compressed = None;
    for i in 0..archive.len() {
        let entry = archive.by_index_raw(i).map_err(|error| broken(&error))?;
        let Ok(name) = entry.name() else {
            let message = "the name of an entry of it is no text".to_owned();
            return Err(Fault::TorchBroken { message });
        };
        let (folder, last) = name.rsplit_once('/').unwrap_or(("", &name));
        is_script |= last == "constants.pkl" || format!("/{folder}/").contains("/code/");
        is_program |= last == "archive_format";
        is_numpy |= last.ends_with(".npy");
        is_network |= format!("/{name}").ends_with(paths::NETWORK_DESCRIPTION);
        if last == "data.pkl" {
            n_pickles += 1;
            if entry.size() > PICKLE_LIMIT.bytes {
                return Err(TOO_LONG);
            }
        } else if entry.compression() != CompressionMethod::Stored {
            compressed.get_or_insert(name.into_owned());
        }
    }
    if is_network {
        Err(Fault::Network)
    } else if is_script {
        Err(TORCH_SCRIPT)
    } else if is_program {
        Err(EXPORTED_PROGRAM)
    } else if n_pickles == 0 && is_numpy {
        Err(NUMPY)
    } else if n_pickles == 0 {
        let message = "it is a zip file without a data.pkl".to_owned();
        Err(Fault::TorchBroken { message })
    } else if let Some(entry) = compressed {
        Err(Fault::TorchCompressed { entry })
    } else {
        check_pickles_of_zip(&mut archive)
    }
}

const TOO_LONG: Fault = Fault::TorchPickleTooLong {
    limit: PICKLE_LIMIT.bytes,
};

/// The pickles of a zip file. `torch.save` writes one.
fn check_pickles_of_zip(archive: &mut ZipArchive<BufReader<&mut File>>) -> Result<(), Fault> {
    let mut budget = PICKLE_LIMIT;
    for i in 0..archive.len() {
        let entry = archive.by_index(i).map_err(|error| broken(&error))?;
        let is_pickle = entry.name().is_ok_and(|name| name.ends_with("data.pkl"));
        if is_pickle {
            pickle::walk(&mut BufReader::new(entry), &mut budget).map_err(unwalked)?;
        }
    }
    Ok(())
}

/// The pickles of a file from before 1.6, or the one of a file that holds nothing else.
fn check_pickles(file: &mut File) -> io::Result<Result<(), Fault>> {
    let mut from = BufReader::new(file);
    let mut budget = PICKLE_LIMIT;
    for i in 0..PICKLES {
        match pickle::walk(&mut from, &mut budget) {
            Ok(()) => {}
            Err(Broken::Io(error)) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
            // One pickle alone is a file too, though not one with tensors: the reader says so.
            Err(Broken::Io(_) | Broken::Operation(_)) if i == 1 => return Ok(Ok(())),
            Err(why) => return Ok(Err(unwalked(why))),
        }
    }
    Ok(Ok(()))
}

fn unwalked(why: Broken) -> Fault {
    let message = match why {
        Broken::TooLong => return TOO_LONG,
        Broken::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            "it is cut off inside its pickle".to_owned()
        }
        Broken::Io(error) => error.to_string(),
        Broken::Operation(byte) => format!("its pickle has an unknown operation, {byte:#04x}"),
    };
    Fault::TorchBroken { message }
}

fn broken(error: &dyn std::error::Error) -> Fault {
    let message = error.to_string();
    Fault::TorchBroken { message }
}

const TORCH_SCRIPT: Fault = Fault::TorchKind {
    what: "TorchScript programs",
    instead: "torch.save(torch.jit.load(FILE).state_dict(), NEW)",
};
const EXPORTED_PROGRAM: Fault = Fault::TorchKind {
    what: "exported programs",
    instead: "torch.save(torch.export.load(FILE).state_dict, NEW)",
};
const NUMPY: Fault = Fault::TorchKind {
    what: "NumPy's arrays",
    instead: "torch.save({k: torch.from_numpy(v) for k, v in numpy.load(FILE).items()}, NEW)",
};
const BIG_ENDIAN: Fault = Fault::TorchKind {
    what: "numbers in big-endian order",
    instead: "torch.save(torch.load(FILE), NEW) on a little-endian machine",
};

const OLD_MODULE: Fault = Fault::TorchKind {
    what: "whole modules in the form from before PyTorch 1.6",
    instead: "torch.save(torch.load(FILE, weights_only=False).state_dict(), NEW)",
};

/// What an object in a pickle tells of itself, what that is called, and how it is saved again.
const KINDS: [(&str, &str, &str); 9] = [
    ("rebuild_qtensor", QUANTISED.0, QUANTISED.1),
    ("QInt", QUANTISED.0, QUANTISED.1),
    ("QUInt", QUANTISED.0, QUANTISED.1),
    (
        "rebuild_sparse",
        "sparse tensors",
        "torch.save({k: v.to_dense() if v.is_sparse else v for k, v in torch.load(FILE).items()}, NEW)",
    ),
    ("float8", FLOAT8.0, FLOAT8.1),
    ("Float8", FLOAT8.0, FLOAT8.1),
    ("complex", COMPLEX.0, COMPLEX.1),
    ("Complex", COMPLEX.0, COMPLEX.1),
    (
        "rebuild_nested",
        "nested tensors",
        "torch.save({k: v.to_padded_tensor(0) if v.is_nested else v for k, v in torch.load(FILE).items()}, NEW)",
    ),
];
const QUANTISED: (&str, &str) = (
    "quantised tensors",
    "torch.save({k: v.dequantize() if v.is_quantized else v for k, v in torch.load(FILE).items()}, NEW)",
);
const FLOAT8: (&str, &str) = (
    "float8 tensors",
    "torch.save({k: v.float() if v.is_floating_point() else v for k, v in torch.load(FILE).items()}, NEW)",
);
const COMPLEX: (&str, &str) = (
    "complex numbers",
    "torch.save({k: v.real if v.is_complex() else v for k, v in torch.load(FILE).items()}, NEW)",
);

/// What the reader refused, in our words where we have some.
fn refusal(error: &PytorchError) -> Fault {
    let text = error.to_string();
    match error {
        PytorchError::Pickle(PickleError::UnsupportedType(name)) => {
            let known = KINDS.into_iter().find(|(part, ..)| name.contains(part));
            match known {
                Some((_, what, instead)) => Fault::TorchKind { what, instead },
                None => Fault::TorchObject { class: name.clone() },
            }
        }
        _ if text.contains("ig-endian") => BIG_ENDIAN,
        // ('module', class, file, source), which stood where only storages do now.
        _ if text.contains("storage persistent id has 4 fields") => OLD_MODULE,
        _ if text.contains("Expected a dictionary at the root") => {
            let found = text
                .rsplit_once("found ")
                .map_or("another object", |(_, found)| found);
            Fault::TorchObject {
                class: found.to_owned(),
            }
        }
        // A hostile pickle's own words have no end.
        _ => Fault::TorchBroken {
            message: text.chars().take(LONGEST).collect(),
        },
    }
}

/// Both crates name the same types.
fn dtype(dtype: DType) -> Dtype {
    match dtype {
        DType::F64 => Dtype::F64,
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::I64 => Dtype::I64,
        DType::I32 => Dtype::I32,
        DType::I16 => Dtype::I16,
        DType::I8 => Dtype::I8,
        DType::U64 => Dtype::U64,
        DType::U32 => Dtype::U32,
        DType::U16 => Dtype::U16,
        DType::U8 => Dtype::U8,
        DType::Bool => Dtype::BOOL,
    }
}

#[cfg(test)]
#[path = "torch_file_tests.rs"]
mod tests;
