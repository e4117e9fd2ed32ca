//! A safetensors file, its header checked before a byte of its data is read.

use crate::{CheckpointError, Fault};
use safetensors::Dtype;
use sculpt_store::FileError;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor, value::StrDeserializer};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The longest header that is read. A ResNet-50 has 50 kB.
const HEADER_LIMIT: u64 = 16 << 20;

/// Data are read in pieces of this many bytes, a multiple of every number's size.
const PIECE: usize = 1 << 20;

/// Types that stand for real numbers.
pub(crate) const FLOATS: &[Dtype] = &[Dtype::F32, Dtype::F64, Dtype::F16, Dtype::BF16];

/// An open file whose tensors lie inside it, one behind the other.
#[derive(Debug)]
pub(crate) struct Archive {
    path: PathBuf,
    file: File,
    data_start: u64,
    /// Tensors that nobody asked for yet.
    entries: BTreeMap<String, Entry>,
    metadata: BTreeMap<String, String>,
}

/// A tensor of the file.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    start: u64,
    n_bytes: u64,
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
        let n_file = file.metadata().map_err(failed("read"))?.len();
        let header = match read_header(&mut file, n_file).map_err(failed("read"))? {
            Ok(header) => header,
            Err(fault) => {
                faults.push(fault);
                return Ok(None);
            }
        };
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
        }))
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
                hint: self.hint(name),
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
        let start = SeekFrom::Start(self.data_start + entry.start);
        self.file.seek(start).map_err(failed)?;
        let mut left = usize::try_from(entry.n_bytes).map_err(|e| failed(io::Error::other(e)))?;
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

    /// The numbers of an I64 tensor.
    pub(crate) fn integers(&mut self, entry: &Entry) -> Result<Vec<i64>, CheckpointError> {
        let mut values = Vec::with_capacity(entry.n_elements());
        self.for_each_piece(entry, |bytes| {
            values.extend(bytes.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)));
        })?;
        Ok(values)
    }

    /// What wrapped the model whose tensor is missing, if that is why it is.
    fn hint(&self, name: &str) -> String {
        const WRAPPERS: [(&str, &str); 3] = [
            ("module.", "DataParallel"),
            ("_orig_mod.", "torch.compile"),
            ("model.", "a wrapping module"),
        ];
        for (prefix, wrapper) in WRAPPERS {
            let wrapped = format!("{prefix}{name}");
            if self.contains(&wrapped) {
                return format!(
                    ", but {wrapped} is there: remove the prefix {prefix:?} that {wrapper} added"
                );
            }
        }
        String::new()
    }
}

impl Entry {
    /// Number of elements; it was compared with the file's length before.
    pub(crate) fn n_elements(&self) -> usize {
        self.shape.iter().product()
    }
}

struct Header {
    n_bytes: u64,
    metadata: Vec<(String, String)>,
    entries: Vec<(String, RawEntry)>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// The outer error is the operating system's, the inner one the file's.
fn read_header(file: &mut File, n_file: u64) -> io::Result<Result<Header, Fault>> {
    if n_file == 0 {
        return Ok(Err(Fault::Empty));
    }
    let mut start = Vec::new();
    file.by_ref().take(9).read_to_end(&mut start)?;
    let (length, first) = match *start {
        [a, b, c, d, e, f, g, h, ref rest @ ..] => (
            u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            rest.first().copied(),
        ),
        _ if is_pickle(&start) => return Ok(Err(Fault::Pickle)),
        _ => {
            let why = "it is shorter than 8 bytes";
            return Ok(Err(Fault::NotSafetensors { why }));
        }
    };
    if first != Some(b'{') || length > HEADER_LIMIT {
        return Ok(Err(if is_pickle(&start) {
            Fault::Pickle
        } else if length > HEADER_LIMIT {
            Fault::HeaderTooLong {
                n_bytes: length,
                limit: HEADER_LIMIT,
            }
        } else {
            let why = "no JSON header follows its first 8 bytes";
            Fault::NotSafetensors { why }
        }));
    }
    let left = n_file - 8;
    if length > left {
        return Ok(Err(Fault::HeaderCutOff {
            n_bytes: length,
            left,
        }));
    }
    file.seek(SeekFrom::Start(8))?;
    let mut text = Vec::new();
    file.by_ref().take(length).read_to_end(&mut text)?;
    if text.len() as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(match serde_json::from_slice::<RawHeader>(&text) {
        Ok(RawHeader { metadata, entries }) => Ok(Header {
            n_bytes: length,
            metadata,
            entries,
        }),
        Err(e) => Err(Fault::HeaderJson {
            message: e.to_string(),
        }),
    })
}

/// `torch.save` writes a zip, and before 1.6 a pickle of protocol 2 or later.
fn is_pickle(start: &[u8]) -> bool {
    start.starts_with(b"PK\x03\x04") || matches!(start, [0x80, 2..=5, ..])
}

/// The tensors in order of offset must follow each other from the first byte of the data to the last.
fn check_entries(
    raw: Vec<(String, RawEntry)>,
    n_data: u64,
    faults: &mut Vec<Fault>,
) -> BTreeMap<String, Entry> {
    let mut raw = raw;
    raw.sort_by_key(|(_, entry)| entry.data_offsets);
    let (mut entries, mut due, mut cut_off) = (BTreeMap::new(), 0, None);
    let mut twice = BTreeSet::new();
    for (name, entry) in raw {
        let (start, end) = entry.data_offsets;
        if start != due || end < start {
            faults.push(Fault::Offsets {
                tensor: name.clone(),
                start,
                end,
                due,
            });
        }
        due = due.max(end);
        if end > n_data && cut_off.is_none() {
            cut_off = Some((name.clone(), end));
        }
        let n_bytes = end.saturating_sub(start);
        let Some(dtype) = parse_type(&entry.dtype) else {
            faults.push(Fault::UnknownType {
                tensor: name,
                dtype: entry.dtype,
            });
            continue;
        };
        let bits = entry
            .shape
            .iter()
            .try_fold(dtype.bitsize() as u64, |n, &dim| n.checked_mul(dim));
        let shape: Vec<usize> = entry
            .shape
            .iter()
            .map(|&dim| usize::try_from(dim).unwrap_or(usize::MAX))
            .collect();
        if bits != n_bytes.checked_mul(8) || bits.is_none() {
            faults.push(Fault::WrongSize {
                tensor: name.clone(),
                dtype: entry.dtype,
                shape: shape.clone(),
                n_bytes,
            });
        }
        let entry = Entry {
            name: name.clone(),
            dtype,
            shape,
            start,
            n_bytes,
        };
        if entries.insert(name.clone(), entry).is_some() && twice.insert(name.clone()) {
            faults.push(Fault::NameTwice { tensor: name });
        }
    }
    if let Some((tensor, end)) = cut_off {
        faults.push(Fault::CutOff {
            tensor,
            end,
            n_bytes: n_data,
        });
    } else if due < n_data {
        faults.push(Fault::TrailingBytes {
            n_bytes: n_data - due,
        });
    }
    entries
}

fn parse_type(name: &str) -> Option<Dtype> {
    Dtype::deserialize(StrDeserializer::<serde::de::value::Error>::new(name)).ok()
}

/// The header as it stands, names and keys that stand twice included.
struct RawHeader {
    metadata: Vec<(String, String)>,
    entries: Vec<(String, RawEntry)>,
}

impl<'de> Deserialize<'de> for RawHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = RawHeader;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawHeader, A::Error> {
                let (mut metadata, mut entries) = (None, Vec::new());
                while let Some(name) = map.next_key::<String>()? {
                    if name != "__metadata__" {
                        let entry = map.next_value();
                        let entry = entry.map_err(|e| A::Error::custom(format!("tensor {name}: {e}")))?;
                        entries.push((name, entry));
                    } else if metadata.replace(map.next_value::<Pairs>()?.0).is_some() {
                        return Err(A::Error::custom("__metadata__ stands twice"));
                    }
                }
                Ok(RawHeader {
                    metadata: metadata.unwrap_or_default(),
                    entries,
                })
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// An object of strings, keys that stand twice included.
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strings;
        impl<'de> Visitor<'de> for Strings {
            type Value = Pairs;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("an object of strings as __metadata__")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Strings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FaultKind;

    /// A file of a header as given and `n_data` zero bytes; the faults of opening it.
    fn faults(header: &str, n_data: usize) -> Vec<Fault> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.resize(bytes.len() + n_data, 0);
        faults_of(&bytes)
    }

    fn faults_of(bytes: &[u8]) -> Vec<Fault> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, bytes).unwrap();
        let mut faults = Vec::new();
        let archive = Archive::open(&path, &mut faults).unwrap();
        assert_eq!(archive.is_none(), !faults.is_empty());
        faults
    }

    #[track_caller]
    fn check(faults: Vec<Fault>, kinds: &[FaultKind]) -> Vec<Fault> {
        let found: Vec<_> = faults.iter().map(Fault::kind).collect();
        assert_eq!(found, kinds, "{faults:?}");
        faults
    }

    #[test]
    fn what_is_no_safetensors_file() {
        use FaultKind::{CutOff, Header, NotSafetensors};
        check(faults_of(b""), &[NotSafetensors]);
        check(faults_of(b"{}"), &[NotSafetensors]);
        check(faults_of(b"GIF89a etc. etc. etc."), &[NotSafetensors]);
        check(faults_of(&[0xff; 100]), &[NotSafetensors]);
        check(faults_of(&[0; 100]), &[NotSafetensors]);
        for pickle in [
            &b"PK\x03\x04\0\0\x08\x08\0\0\0"[..],
            b"PK\x03\x04",
            b"\x80\x02\x8a\nl\xfc\x9cF\xf9",
        ] {
            assert_eq!(faults_of(pickle), [Fault::Pickle]);
        }
        // 2^63 bytes of header, and one byte more than there is.
        let mut long = (1u64 << 63).to_le_bytes().to_vec();
        long.push(b'{');
        check(faults_of(&long), &[NotSafetensors]);
        check(faults_of(b"\x03\0\0\0\0\0\0\0{}"), &[CutOff]);
        check(faults("{\"a\":", 0), &[Header]);
        check(faults("{} x", 0), &[Header]);
        check(faults("{\"__metadata__\":{\"a\":1}}", 0), &[Header]);
        check(faults("{\"__metadata__\":{},\"__metadata__\":{}}", 0), &[Header]);
        check(
            faults("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0),
            &[Header],
        );
        assert!(faults("{}  ", 0).is_empty());
    }

    #[test]
    fn a_broken_entry_is_named() {
        for entry in [
            r#"{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}"#,
            r#"{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}"#,
            r#"{"dtype":"F32","shape":[1],"data_offsets":[0]}"#,
            r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1}"#,
            r#"{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}"#,
            r#"{"shape":[1],"data_offsets":[0,4]}"#,
            r#"{"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,4]}"#,
            "[]",
        ] {
            let found = check(faults(&format!(r#"{{"w":{entry}}}"#), 4), &[FaultKind::Header]);
            assert!(found[0].to_string().contains("tensor w: "), "{found:?}");
        }
    }

    /// Two tensors `a` and `b` of one f32 each, at these offsets, in 8 bytes of data.
    #[track_caller]
    fn check_offsets(a: [u64; 2], b: [u64; 2], kinds: &[FaultKind]) {
        let header = format!(
            r#"{{"a":{{"dtype":"F32","shape":[1],"data_offsets":{a:?}}},"b":{{"dtype":"F32","shape":[1],"data_offsets":{b:?}}}}}"#
        );
        check(faults(&header, 8), kinds);
    }

    #[test]
    fn tensors_follow_each_other() {
        use FaultKind::{CutOff, Offsets};
        check_offsets([0, 4], [4, 8], &[]);
        check_offsets([4, 8], [0, 4], &[]);
        check_offsets([0, 4], [0, 4], &[Offsets, Offsets]); // overlap, and 4 bytes behind
        check_offsets([0, 4], [2, 6], &[Offsets, Offsets]); // overlap, and 2 bytes behind
        check_offsets([0, 4], [8, 12], &[Offsets, CutOff]); // hole, and outside
        check_offsets([0, 4], [4, 6], &[Offsets, Offsets]); // too short, and 2 bytes behind
        check_offsets([0, 4], [8, 4], &[Offsets, Offsets, Offsets]); // backwards, no bytes, 4 behind
        check_offsets([0, 4], [4, u64::MAX], &[Offsets, CutOff]); // far too long, and outside
    }

    #[test]
    fn sizes_are_known_before_memory_is_asked_for() {
        let huge = r#"{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}}"#;
        check(faults(huge, 0), &[FaultKind::Offsets]); // 2^62 · 4 bytes wrap to 0
        let huge = r#"{"a":{"dtype":"U8","shape":[1099511627776],"data_offsets":[0,1099511627776]}}"#;
        check(faults(huge, 0), &[FaultKind::CutOff]); // a tebibyte that is not there
        let sub_byte = r#"{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}}"#;
        check(faults(sub_byte, 1), &[FaultKind::Offsets]);
    }

    #[test]
    fn names_and_types() {
        let a = r#""a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}"#;
        let again = r#""a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}"#;
        let found = check(faults(&format!("{{{a},{again}}}"), 2), &[FaultKind::Header]);
        assert_eq!(found[0].tensor(), Some("a"));
        let unknown = r#"{"a":{"dtype":"F33","shape":[1],"data_offsets":[0,1]}}"#;
        let found = check(faults(unknown, 1), &[FaultKind::Type]);
        assert_eq!(found[0].to_string(), "tensor a has the unknown type F33");
    }

    #[test]
    fn folders_and_missing_files() {
        let folder = tempfile::tempdir().unwrap();
        let mut faults = Vec::new();
        assert!(Archive::open(folder.path(), &mut faults).unwrap().is_none());
        assert_eq!(faults, [Fault::NotAFile]);
        let path = folder.path().join("nothing");
        let error = Archive::open(&path, &mut faults).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("cannot open {}: there is no such file or folder", path.display())
        );
    }
}
