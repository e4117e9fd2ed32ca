//! The header of a safetensors file: JSON of somebody else's, checked before anything that it says is believed.

use crate::Fault;
use crate::archive::{Entry, Place};
use safetensors::Dtype;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor, value::StrDeserializer};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// The longest header that is read. A ResNet-50 has 50 kB.
const HEADER_LIMIT: u64 = 16 << 20;

pub(crate) struct Header {
    pub(crate) n_bytes: u64,
    pub(crate) metadata: Vec<(String, String)>,
    pub(crate) entries: Vec<(String, RawEntry)>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawEntry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// The first bytes of a file: a header's length, the brace that it begins with, and as many as tell a text.
pub(crate) struct Start(Vec<u8>);

/// So many.
const START: u64 = 48;

pub(crate) fn start_of(file: &mut File) -> io::Result<Start> {
    let mut start = Vec::new();
    file.rewind()?;
    file.by_ref().take(START).read_to_end(&mut start)?;
    Ok(Start(start))
}

impl Start {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether a header of bearable length follows: no file of another kind begins so.
    pub(crate) fn is_safetensors(&self) -> bool {
        matches!(self.parts(), Some((length, Some(b'{'))) if length <= HEADER_LIMIT)
    }

    /// What a text is that somebody takes for tensors.
    fn text(&self) -> Option<&'static str> {
        if self.0.starts_with(b"version https://git-lfs.github.com/spec/") {
            return Some("it is what Git LFS leaves in the place of a file (`git lfs pull` fetches that)");
        }
        let text = match str::from_utf8(&self.0) {
            Ok(text) => text,
            // A letter that is cut in two.
            Err(error) if error.error_len().is_none() => {
                str::from_utf8(&self.0[..error.valid_up_to()]).ok()?
            }
            Err(_) => return None,
        };
        let is_text = text.chars().all(|c| c.is_whitespace() || !c.is_control());
        is_text.then_some("it begins as a text does")
    }

    /// The header's length and its first byte.
    fn parts(&self) -> Option<(u64, Option<u8>)> {
        let (length, rest) = self.0.split_first_chunk()?;
        Some((u64::from_le_bytes(*length), rest.first().copied()))
    }
}

/// The outer error is the operating system's, the inner one the file's.
pub(crate) fn read_header(file: &mut File, n_file: u64) -> io::Result<Result<Header, Fault>> {
    if n_file == 0 {
        return Ok(Err(Fault::Empty));
    }
    let start = start_of(file)?;
    let Some((length, _)) = start.parts() else {
        let why = "it is shorter than 8 bytes";
        return Ok(Err(Fault::NotSafetensors { why }));
    };
    if !start.is_safetensors() {
        return Ok(Err(if let Some(why) = start.text() {
            Fault::NotSafetensors { why }
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

/// The tensors in order of offset must follow each other from the first byte of the data to the last.
pub(crate) fn check_entries(
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
            place: Place::Span { start, n_bytes },
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
