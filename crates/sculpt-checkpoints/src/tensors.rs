use crate::archive::{self, Archive, INTEGERS};
use crate::parts::{self, Data, Part, refused};
use crate::state::check_finite;
use crate::{CheckpointError, Fault};
use safetensors::Dtype;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The one metadata key of state files.
pub(crate) const KEY: &str = "state";

/// A tensor: its shape and its numbers, row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum TensorData {
    /// Single precision, finite.
    F32(Vec<usize>, Vec<f32>),
    /// Double precision, finite.
    F64(Vec<usize>, Vec<f64>),
    /// Integers.
    I64(Vec<usize>, Vec<i64>),
    /// Bytes.
    U8(Vec<usize>, Vec<u8>),
}

/// What a file of any tensors holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensors {
    path: PathBuf,
    tensors: BTreeMap<String, TensorData>,
    metadata: Option<String>,
}

/// Writes any tensors, and a JSON text (such as the position in training) if there is one.
///
/// # Errors
/// Names that stand twice, shapes that do not fit, numbers that are not finite, metadata that are no JSON,
/// or what the operating system refuses; then nothing was written.
pub fn write_tensors(
    path: &Path,
    tensors: &[(&str, TensorData)],
    metadata_json: Option<&str>,
) -> Result<(), CheckpointError> {
    check(tensors, metadata_json).map_err(refused(path))?;
    let metadata = metadata_json.map(|text| (KEY, text.to_owned()));
    parts::write(path, metadata, parts_of(tensors))
}

/// The bytes that [`write_tensors`] would write.
///
/// # Errors
/// As there, but for the operating system's.
pub fn tensors_bytes(tensors: &[(&str, TensorData)], metadata_json: Option<&str>) -> Result<Vec<u8>, Fault> {
    check(tensors, metadata_json)?;
    let metadata = metadata_json.map(|text| (KEY, text.to_owned()));
    parts::to_bytes(metadata, parts_of(tensors))
}

fn parts_of<'a>(tensors: &'a [(&str, TensorData)]) -> Vec<Part<'a>> {
    let parts = tensors.iter().map(|(name, tensor)| {
        let (shape, data) = match tensor {
            TensorData::F32(shape, values) => (shape, Data::F32(values)),
            TensorData::F64(shape, values) => (shape, Data::F64(values)),
            TensorData::I64(shape, values) => (shape, Data::I64(values)),
            TensorData::U8(shape, values) => (shape, Data::U8(values)),
        };
        Part {
            name: (*name).to_owned(),
            shape: shape.clone(),
            data,
        }
    });
    parts.collect()
}

/// Reads any tensors of the four types, and of the other integers as I64, those beyond it as its largest; BOOL as U8.
///
/// # Errors
/// A broken file, other types, numbers that are not finite, metadata that are no JSON.
pub fn read_tensors(path: &Path) -> Result<Tensors, CheckpointError> {
    archive::read(path, |archive, faults| {
        let tensors = inspect(archive, faults)?;
        Ok(Some(Tensors {
            path: path.to_owned(),
            tensors,
            metadata: archive.metadata(KEY).map(str::to_owned),
        }))
    })
}

impl Tensors {
    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The tensor of this name.
    pub fn get(&self, name: &str) -> Option<&TensorData> {
        self.tensors.get(name)
    }

    /// The JSON text that was written with them.
    pub fn metadata_json(&self) -> Option<&str> {
        self.metadata.as_deref()
    }

    /// Takes out an F32 tensor: shape and numbers.
    ///
    /// # Errors
    /// No such tensor, or one of another type.
    pub fn take_f32(&mut self, name: &str) -> Result<(Vec<usize>, Vec<f32>), CheckpointError> {
        match self.take(name)? {
            TensorData::F32(shape, values) => Ok((shape, values)),
            other => Err(self.wrong_type(name, &other, "F32")),
        }
    }

    /// Takes out an F64 tensor: shape and numbers.
    ///
    /// # Errors
    /// No such tensor, or one of another type.
    pub fn take_f64(&mut self, name: &str) -> Result<(Vec<usize>, Vec<f64>), CheckpointError> {
        match self.take(name)? {
            TensorData::F64(shape, values) => Ok((shape, values)),
            other => Err(self.wrong_type(name, &other, "F64")),
        }
    }

    /// Takes out an I64 tensor: shape and numbers.
    ///
    /// # Errors
    /// No such tensor, or one of another type.
    pub fn take_i64(&mut self, name: &str) -> Result<(Vec<usize>, Vec<i64>), CheckpointError> {
        match self.take(name)? {
            TensorData::I64(shape, values) => Ok((shape, values)),
            other => Err(self.wrong_type(name, &other, "I64")),
        }
    }

    /// Takes out a tensor of integers of any type: shape and numbers.
    ///
    /// # Errors
    /// No such tensor, or one of another type.
    pub fn take_integers(&mut self, name: &str) -> Result<(Vec<usize>, Vec<i64>), CheckpointError> {
        match self.take(name)? {
            TensorData::U8(shape, values) => Ok((shape, values.into_iter().map(i64::from).collect())),
            TensorData::I64(shape, values) => Ok((shape, values)),
            other => Err(self.wrong_type(name, &other, "an integer type")),
        }
    }

    /// Takes out a U8 tensor: shape and bytes.
    ///
    /// # Errors
    /// No such tensor, or one of another type.
    pub fn take_u8(&mut self, name: &str) -> Result<(Vec<usize>, Vec<u8>), CheckpointError> {
        match self.take(name)? {
            TensorData::U8(shape, values) => Ok((shape, values)),
            other => Err(self.wrong_type(name, &other, "U8")),
        }
    }

    /// Says that nothing else may be there.
    ///
    /// # Errors
    /// The first tensor that was not taken.
    pub fn finish(self) -> Result<(), CheckpointError> {
        match self.tensors.into_keys().next() {
            None => Ok(()),
            Some(tensor) => Err(CheckpointError::Invalid {
                path: self.path,
                fault: Fault::Extra { tensor },
            }),
        }
    }

    fn take(&mut self, name: &str) -> Result<TensorData, CheckpointError> {
        let missing = || Fault::Missing {
            tensor: name.to_owned(),
            hint: String::new(),
        };
        let tensor = self.tensors.remove(name);
        tensor.ok_or_else(|| self.invalid(missing()))
    }

    fn wrong_type(&self, name: &str, found: &TensorData, expected: &str) -> CheckpointError {
        let dtype = match found {
            TensorData::F32(..) => Dtype::F32,
            TensorData::F64(..) => Dtype::F64,
            TensorData::I64(..) => Dtype::I64,
            TensorData::U8(..) => Dtype::U8,
        };
        self.invalid(Fault::WrongType {
            tensor: name.to_owned(),
            dtype: format!("{dtype:?}"),
            expected: expected.to_owned(),
        })
    }

    fn invalid(&self, fault: Fault) -> CheckpointError {
        CheckpointError::Invalid {
            path: self.path.clone(),
            fault,
        }
    }
}

fn inspect(
    archive: &mut Archive,
    faults: &mut Vec<Fault>,
) -> Result<BTreeMap<String, TensorData>, CheckpointError> {
    let types = [&[Dtype::F32, Dtype::F64], INTEGERS].concat();
    if let Some(text) = archive.metadata(KEY) {
        faults.extend(check_json(text).err());
    }
    let entries: Vec<_> = archive.entries().cloned().collect();
    let mut tensors = BTreeMap::new();
    for entry in entries {
        if !archive.has_type(&entry, &types, faults) {
            continue;
        }
        let shape = entry.shape.clone();
        let tensor = match entry.dtype {
            Dtype::F32 => TensorData::F32(shape, archive.floats(&entry, faults)?),
            Dtype::F64 => TensorData::F64(shape, archive.doubles(&entry, faults)?),
            Dtype::U8 | Dtype::BOOL => TensorData::U8(shape, archive.bytes(&entry)?),
            // One of the integers: the type was checked.
            _ => TensorData::I64(shape, archive.integers(&entry)?),
        };
        tensors.insert(entry.name, tensor);
    }
    Ok(tensors)
}

fn check(tensors: &[(&str, TensorData)], metadata_json: Option<&str>) -> Result<(), Fault> {
    for (name, tensor) in tensors {
        match tensor {
            TensorData::F32(_, values) => check_finite(name, values)?,
            TensorData::F64(_, values) => {
                let wrong = |v: &f64| !v.is_finite();
                if let Some(index) = values.iter().position(wrong) {
                    return Err(Fault::NotFinite {
                        tensor: (*name).to_owned(),
                        index,
                        value: values[index],
                        count: values.iter().filter(|v| wrong(v)).count(),
                    });
                }
            }
            TensorData::I64(..) | TensorData::U8(..) => {}
        }
    }
    metadata_json.map_or(Ok(()), check_json)
}

pub(crate) fn check_json(text: &str) -> Result<(), Fault> {
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => Ok(()),
        Err(e) => Err(Fault::Metadata {
            key: KEY,
            message: e.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hand_made::HandMade;

    #[test]
    fn state_comes_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("progress/state.safetensors");
        let tensors = [
            ("theta", TensorData::F32(vec![3], vec![-0.0, 1e-45, f32::MAX])),
            ("loss", TensorData::F64(vec![], vec![0.1])),
            ("order", TensorData::I64(vec![2, 1], vec![i64::MIN, 7])),
            ("bits", TensorData::U8(vec![0], vec![])),
        ];
        write_tensors(&path, &tensors, Some(r#"{"epoch":3}"#)).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let mut read = read_tensors(&path).unwrap();
        assert_eq!(read.metadata_json(), Some(r#"{"epoch":3}"#));
        assert_eq!(
            read.names().collect::<Vec<_>>(),
            ["bits", "loss", "order", "theta"]
        );
        assert_eq!(read.take_i64("order").unwrap(), (vec![2, 1], vec![i64::MIN, 7]));
        let (_, theta) = read.take_f32("theta").unwrap();
        assert_eq!(theta[0].to_bits(), 0x8000_0000);
        let error = read.take_f32("loss").unwrap_err().to_string();
        assert!(
            error.ends_with("tensor loss has type F64, expected F32"),
            "{error}"
        );
        let error = read.take_u8("theta").unwrap_err().to_string();
        assert!(error.ends_with("tensor theta is missing"), "{error}");
        let error = read.finish().unwrap_err().to_string();
        assert!(error.contains("tensor bits does not belong"), "{error}");
        write_tensors(&path, &tensors, Some(r#"{"epoch":3}"#)).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }

    /// −1 and 3 in every signed type, 255 and 3 in every other; the largest u64 is beyond an i64.
    #[test]
    fn labels_come_in_any_integer_type() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.safetensors");
        let check = |dtype, bytes: &[u8], expected: [i64; 2]| {
            HandMade::default().add("labels", dtype, &[2], bytes).write(&path);
            let read = read_tensors(&path).unwrap().take_integers("labels").unwrap();
            assert_eq!(read, (vec![2], expected.to_vec()), "{dtype}");
        };
        check("I8", &[255, 3], [-1, 3]);
        check("I16", [-1i16, 3].map(i16::to_le_bytes).as_flattened(), [-1, 3]);
        check("I32", [-1i32, 3].map(i32::to_le_bytes).as_flattened(), [-1, 3]);
        check("I64", [-1i64, 3].map(i64::to_le_bytes).as_flattened(), [-1, 3]);
        check("U8", &[255, 3], [255, 3]);
        check("U16", [255u16, 3].map(u16::to_le_bytes).as_flattened(), [255, 3]);
        check("U32", [255u32, 3].map(u32::to_le_bytes).as_flattened(), [255, 3]);
        check(
            "U64",
            [u64::MAX, 3].map(u64::to_le_bytes).as_flattened(),
            [i64::MAX, 3],
        );
        check("BOOL", &[1, 0], [1, 0]);
        let two = 2.0f32.to_le_bytes();
        HandMade::default().add("labels", "F32", &[1], &two).write(&path);
        let error = read_tensors(&path).unwrap().take_integers("labels").unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("has type F32, expected an integer type")
        );
    }

    #[test]
    fn what_cannot_be_read_back_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.safetensors");
        let one = |v: f32| TensorData::F32(vec![1], vec![v]);
        let refused = |tensors: &[(&str, TensorData)], json| {
            let error = write_tensors(&path, tensors, json).unwrap_err();
            assert!(matches!(error, CheckpointError::Refused { .. }), "{error}");
            error.to_string()
        };
        assert!(refused(&[("a", one(f32::INFINITY))], None).contains("tensor a holds inf at index 0"));
        assert!(refused(&[("a", one(1.0)), ("a", one(2.0))], None).contains("stands twice"));
        assert!(refused(&[("__metadata__", one(1.0))], None).contains("no tensor can be named"));
        assert!(refused(&[("a", TensorData::F64(vec![2], vec![1.0]))], None).contains("F64 [2]"));
        assert!(refused(&[("a", one(1.0))], Some("{")).contains("metadata key state"));
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
    }
}
