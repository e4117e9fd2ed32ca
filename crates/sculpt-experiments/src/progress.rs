//! `progress/`: what an unfinished node needs to go on, to the bit.

use crate::ExperimentError;
use crate::done::ReadState;
use crate::metrics::MetricsRow;
use crate::training::Timing;
use sculpt_checkpoints::{TensorData, read_tensors, tensors_bytes, write_tensors};
use sculpt_masks::Mask;
use sculpt_store::canonical::sha256_hex;
use sculpt_store::digest::Digest;
use sculpt_store::{atomic, folders, paths, sealed};
use sculpt_trainers::Position;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The state of an unfinished node.
pub(crate) struct Saved {
    pub(crate) theta: Vec<f32>,
    pub(crate) buffers: Vec<f32>,
    pub(crate) momentum: Vec<f32>,
    pub(crate) header: SavedHeader,
}

/// What stands beside the numbers.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedHeader {
    pub(crate) position: Position,
    pub(crate) rows: Vec<MetricsRow>,
    pub(crate) timing: Timing,
    /// The states that the node began from; absent in older files.
    #[serde(default)]
    pub(crate) parents: BTreeSet<ReadState>,
    /// The kept states written so far, by epoch; absent in older files.
    #[serde(default)]
    pub(crate) kept: BTreeMap<u32, Digest>,
    /// Pictures that nobody can read, and that it did without so far.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) left_out: BTreeSet<String>,
    /// SHA-256 of all numbers; absent in older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tensors_sha256: Option<String>,
}

/// What there is to go on from.
pub(crate) enum Found {
    /// Nothing, or a state behind an epoch that is wanted and was not kept.
    Nothing,
    /// A state in order.
    Saved(Box<Saved>),
    /// A state that was set aside, and why.
    Damaged(String),
}

type Tensors = [(&'static str, TensorData); 4];

impl Saved {
    pub(crate) fn write(
        folder: &Path,
        state: &sculpt_trainers::State,
        header: SavedHeader,
    ) -> Result<(), ExperimentError> {
        let (theta, buffers, momentum) = state.to_vecs();
        let tensors = tensors(theta, buffers, momentum, state.mask().packed());
        let header = SavedHeader {
            tensors_sha256: Some(sha256_of(&tensors)),
            ..header
        };
        let text = sealed::seal(&header).expect("a header is plain JSON");
        Ok(write_tensors(
            &paths::progress_state(folder),
            &tensors,
            Some(&text),
        )?)
    }

    /// What was saved in a node's folder, if it goes with the node's mask, parents and kept epochs.
    pub(crate) fn read(
        folder: &Path,
        mask: &Mask,
        parents: &BTreeSet<ReadState>,
        keep: &BTreeSet<u32>,
    ) -> Result<Found, ExperimentError> {
        let path = paths::progress_state(folder);
        if !path.is_file() {
            return Ok(Found::Nothing);
        }
        let read = parse(&path).and_then(|(saved, bits)| {
            if bits != mask.packed() {
                Err("has another mask than the node starts from".to_owned())
            } else if !saved.header.parents.is_empty() && saved.header.parents != *parents {
                Err("began from another state of a parent than is there now".to_owned())
            } else {
                match saved.header.kept.iter().find_map(|kept| changed(folder, kept)) {
                    Some(why) => Err(why),
                    None => Ok(saved),
                }
            }
        });
        match read {
            Ok(saved) => {
                let missing = |epoch: &u32| !paths::checkpoint_at(folder, *epoch).is_file();
                let mut passed = keep.range(..=saved.header.position.epoch);
                Ok(if passed.any(missing) {
                    Found::Nothing
                } else {
                    Found::Saved(Box::new(saved))
                })
            }
            Err(why) => set_aside(folder, &why).map(Found::Damaged),
        }
    }
}

/// Checks a saved state by itself, as `verify` does.
///
/// # Errors
/// A file that is damaged, or not a saved state.
pub fn check_progress(path: &Path) -> Result<(), ExperimentError> {
    match parse(path) {
        Ok(_) => Ok(()),
        Err(detail) => Err(ExperimentError::BadFile {
            path: path.to_owned(),
            detail,
        }),
    }
}

/// What is wrong with a kept state that is there: it was written before the state that was saved.
fn changed(folder: &Path, (epoch, digest): (&u32, &Digest)) -> Option<String> {
    let path = paths::checkpoint_at(folder, *epoch);
    let error = path.is_file().then(|| digest.check(&path).err()).flatten()?;
    Some(format!("follows a state of epoch {epoch} that {error}"))
}

/// The saved state and the mask's bits.
fn parse(path: &Path) -> Result<(Saved, Vec<u8>), String> {
    let text = |error: sculpt_checkpoints::CheckpointError| {
        let text = error.to_string();
        let path = format!("{}: ", path.display());
        text.strip_prefix(&path).unwrap_or(&text).to_owned()
    };
    let mut read = read_tensors(path).map_err(text)?;
    let json = read.metadata_json().ok_or("holds no position")?.to_owned();
    let (header, _): (SavedHeader, bool) = sealed::open(json.as_bytes()).map_err(|e| e.to_string())?;
    let (_, theta) = read.take_f32("theta").map_err(text)?;
    let (_, buffers) = read.take_f32("buffers").map_err(text)?;
    let (_, momentum) = read.take_f32("momentum").map_err(text)?;
    let (_, bits) = read.take_u8("mask_bits").map_err(text)?;
    read.finish().map_err(text)?;
    let tensors = tensors(theta, buffers, momentum, bits);
    if let Some(recorded) = &header.tensors_sha256 {
        let bytes = tensors_bytes(&tensors, Some(&json)).map_err(|e| e.to_string())?;
        let found = sculpt_store::read(path).map_err(|e| e.to_string())?;
        if sha256_of(&tensors) != *recorded || bytes != found {
            return Err("has other content than was saved: a byte of it was changed".to_owned());
        }
    }
    let [theta, buffers, momentum, bits] = tensors.map(|(_, tensor)| tensor);
    let (
        TensorData::F32(_, theta),
        TensorData::F32(_, buffers),
        TensorData::F32(_, momentum),
        TensorData::U8(_, bits),
    ) = (theta, buffers, momentum, bits)
    else {
        unreachable!("the tensors were just made of these types");
    };
    let saved = Saved {
        theta,
        buffers,
        momentum,
        header,
    };
    Ok((saved, bits))
}

fn tensors(theta: Vec<f32>, buffers: Vec<f32>, momentum: Vec<f32>, bits: Vec<u8>) -> Tensors {
    let vector = |values: Vec<f32>| TensorData::F32(vec![values.len()], values);
    [
        ("theta", vector(theta)),
        ("buffers", vector(buffers)),
        ("momentum", vector(momentum)),
        ("mask_bits", TensorData::U8(vec![bits.len()], bits)),
    ]
}

fn sha256_of(tensors: &Tensors) -> String {
    let mut bytes = Vec::new();
    for (_, tensor) in tensors {
        match tensor {
            TensorData::F32(_, values) => bytes.extend(values.iter().flat_map(|v| v.to_le_bytes())),
            TensorData::F64(_, values) => bytes.extend(values.iter().flat_map(|v| v.to_le_bytes())),
            TensorData::I64(_, values) => bytes.extend(values.iter().flat_map(|v| v.to_le_bytes())),
            TensorData::U8(_, values) => bytes.extend(values),
        }
    }
    sha256_hex(&bytes)
}

/// Moves `progress/` out of the way and says so.
fn set_aside(folder: &Path, why: &str) -> Result<String, ExperimentError> {
    let (from, to) = (paths::progress_folder(folder), paths::damaged_progress(folder));
    folders::remove(&to)?;
    atomic::rename(&from, &to)?;
    Ok(format!(
        "{} {why}; it is now {}, and the node starts afresh",
        paths::progress_state(folder).display(),
        to.display()
    ))
}

/// Removes what a finished node needs no more.
pub(crate) fn remove(folder: &Path) -> Result<(), ExperimentError> {
    folders::remove(&paths::progress_folder(folder))?;
    Ok(folders::remove(&paths::damaged_progress(folder))?)
}
