//! Everything that is wrong with a file, where reading stops at the first thing.

use crate::archive::{Archive, FLOATS};
use crate::mask_file::{mask_types, not_binary, values};
use crate::state::not_zero_under_mask;
use crate::{
    CheckpointError, Fault, FaultKind, Form, Meta, checkpoint, foreign, mask_file, meta, published, tensors,
};
use safetensors::Dtype;
use sculpt_layout::Layout;
use sculpt_masks::{Mask, unpack_bits};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The file.
    pub file: String,
    /// The tensor, if it is about one.
    pub tensor: Option<String>,
    /// What kind of thing is wrong.
    pub kind: FaultKind,
    /// One sentence.
    pub detail: String,
}

/// All violations of a checkpoint, published checkpoint, mask or weights file; what it is, its tensors say.
///
/// Without a layout it checks what can be checked: structure, finiteness, the mask against the weights'
/// own shapes, metadata, and the mask's hash where one tensor holds the whole mask. Other files of tensors
/// (state, probes) are checked for structure and finiteness, and with a layout as a `state_dict`, unless
/// their metadata call them state.
pub fn file(path: &Path, layout: Option<&Layout>) -> Vec<Violation> {
    file_and_form(path, layout).0
}

/// As [`file()`], and how a `state_dict` was read; none without layout and for files of ours.
pub fn file_and_form(path: &Path, layout: Option<&Layout>) -> (Vec<Violation>, Option<Form>) {
    let mut faults = Vec::new();
    let done = inspect(path, layout, &mut faults);
    let violation = |tensor, kind, detail| Violation {
        file: path.display().to_string(),
        tensor,
        kind,
        detail,
    };
    let mut violations: Vec<_> = faults
        .iter()
        .map(|fault| violation(fault.tensor().map(str::to_owned), fault.kind(), fault.to_string()))
        .collect();
    let form = match done {
        Ok(form) => form,
        Err(CheckpointError::Invalid { fault, .. }) => {
            let tensor = fault.tensor().map(str::to_owned);
            violations.push(violation(tensor, fault.kind(), fault.to_string()));
            None
        }
        Err(error) => {
            violations.push(violation(None, FaultKind::Unreadable, error.to_string()));
            None
        }
    };
    (violations, form)
}

/// What a file seems to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// A checkpoint.
    Checkpoint,
    /// A published checkpoint.
    Published,
    /// A mask file.
    Mask,
    /// Anything else: a `state_dict`, training state, a probe.
    Tensors,
}

pub(crate) fn flavour(archive: &Archive) -> Flavour {
    let is_state = archive.metadata(tensors::KEY).is_some();
    let has_key = archive.metadata(meta::KEY).is_some();
    let has_bits = archive.entries().any(|e| e.name.ends_with(".mask_bits"));
    let mut names = archive.entries().map(|e| e.name.as_str()).peekable();
    if is_state {
        Flavour::Tensors
    } else if published::PARTS.iter().all(|part| archive.contains(part)) {
        Flavour::Published
    } else if has_key || has_bits {
        Flavour::Checkpoint
    } else if names.peek().is_some() && names.all(|name| name.ends_with(".mask") || name.ends_with("_mask")) {
        Flavour::Mask
    } else {
        Flavour::Tensors
    }
}

fn inspect(
    path: &Path,
    layout: Option<&Layout>,
    faults: &mut Vec<Fault>,
) -> Result<Option<Form>, CheckpointError> {
    let Some(mut archive) = Archive::open(path, faults)? else {
        return Ok(None);
    };
    let archive = &mut archive;
    match (flavour(archive), layout) {
        (Flavour::Checkpoint, Some(layout)) => checkpoint::inspect(archive, layout, faults).map(drop)?,
        (Flavour::Published, Some(layout)) => published::inspect(archive, layout, faults).map(drop)?,
        (Flavour::Mask, Some(layout)) => mask_file::inspect(archive, layout, faults).map(drop)?,
        (Flavour::Tensors, Some(layout)) if mask_file::fits(archive, layout) => {
            mask_file::inspect(archive, layout, faults).map(drop)?;
        }
        (Flavour::Tensors, Some(layout)) if archive.metadata(tensors::KEY).is_none() => {
            let read = foreign::inspect(archive, layout, faults)?;
            return Ok(read.map(|(_, form)| form));
        }
        (Flavour::Checkpoint, None) => checkpoint_alone(archive, faults)?,
        (Flavour::Published, None) => published_alone(archive, faults)?,
        (Flavour::Mask, None) => mask_alone(archive, faults)?,
        (Flavour::Tensors, _) => tensors_alone(archive, faults)?,
    }
    Ok(None)
}

/// A checkpoint against itself.
fn checkpoint_alone(archive: &mut Archive, faults: &mut Vec<Fault>) -> Result<(), CheckpointError> {
    let meta = Meta::from_archive(archive)
        .map_err(|fault| faults.push(fault))
        .ok();
    let names: Vec<_> = archive.entries().map(|e| e.name.clone()).collect();
    let (bits_names, names): (Vec<_>, Vec<_>) = names.into_iter().partition(|n| n.ends_with(".mask_bits"));
    let mut weights = BTreeMap::new();
    for name in names {
        if let Some(entry) = archive.take_any(&name)
            && archive.has_type(&entry, &[Dtype::F32], faults)
        {
            weights.insert(name, archive.floats(&entry, faults)?);
        }
    }
    let (mut n_kept, mut n_prunable, mut mask_is_whole) = (0, 0, true);
    for name in bits_names {
        let weight_name = name.strip_suffix(".mask_bits").unwrap_or(&name);
        let Some(weight) = weights.get(weight_name) else {
            mask_is_whole = false;
            faults.push(Fault::Missing {
                tensor: weight_name.to_owned(),
                hint: format!(", though {name} is there"),
            });
            continue;
        };
        let n = weight.len();
        let Some(entry) = archive.take(&name, &[Dtype::U8], &[&[n.div_ceil(8)]], faults) else {
            mask_is_whole = false;
            continue;
        };
        match unpack_bits(&archive.bytes(&entry)?, n) {
            Ok(kept) => {
                n_prunable += n;
                n_kept += kept.iter().filter(|&&kept| kept).count();
                faults.extend(not_zero_under_mask(weight_name, weight, |i| kept[i]));
            }
            Err(_) => {
                mask_is_whole = false;
                faults.push(Fault::MaskPadding { tensor: name, n });
            }
        }
    }
    if let Some(meta) = meta.filter(|_| mask_is_whole && n_prunable > 0) {
        meta.check_density(n_kept as f64 / n_prunable as f64, faults);
    }
    Ok(())
}

/// A published checkpoint against itself.
fn published_alone(archive: &mut Archive, faults: &mut Vec<Fault>) -> Result<(), CheckpointError> {
    let meta = Meta::from_archive(archive)
        .map_err(|fault| faults.push(fault))
        .ok();
    for name in ["values", "buffers"] {
        let shape = archive
            .entries()
            .find(|e| e.name == name)
            .map_or_else(|| vec![0], |e| vec![e.n_elements()]);
        if let Some(entry) = archive.take(name, &[Dtype::F32], &[&shape], faults) {
            archive.for_each_float(&entry, faults, |_, _| {})?;
        }
    }
    if let Some(entry) = archive.take_any("mask_bits")
        && archive.has_type(&entry, &[Dtype::U8], faults)
    {
        let bytes = archive.bytes(&entry)?;
        if let Some(meta) = &meta {
            faults.extend(other_mask(&bytes, meta));
        }
    }
    archive.refuse_the_rest(faults);
    Ok(())
}

/// How many of the last eight bits mean something is not known; one number must fit the metadata.
fn other_mask(bytes: &[u8], meta: &Meta) -> Option<Fault> {
    let n = bytes.len() * 8;
    let mut first = None;
    // One at a time: unpacked, each is eight times the file.
    for n in (n.saturating_sub(7)..=n).rev() {
        let Ok(mask) = Mask::from_packed(bytes, n) else {
            continue;
        };
        let mut faults = Vec::new();
        meta.check_mask(&mask, &mut faults);
        match faults.into_iter().next() {
            None => return None,
            Some(fault) => first = first.or(Some(fault)),
        }
    }
    first
}

fn mask_alone(archive: &mut Archive, faults: &mut Vec<Fault>) -> Result<(), CheckpointError> {
    let entries: Vec<_> = archive.entries().cloned().collect();
    for entry in entries {
        if archive.has_type(&entry, &mask_types(), faults) {
            let values = values(archive, &entry)?;
            faults.extend(not_binary(&entry.name, values.into_iter()));
        }
    }
    Ok(())
}

fn tensors_alone(archive: &mut Archive, faults: &mut Vec<Fault>) -> Result<(), CheckpointError> {
    match archive.metadata(tensors::KEY) {
        Some(text) => faults.extend(tensors::check_json(text).err()),
        None if archive.entries().next().is_none() => faults.push(Fault::NoTensors),
        None => {}
    }
    let entries: Vec<_> = archive.entries().cloned().collect();
    for entry in entries.iter().filter(|e| FLOATS.contains(&e.dtype)) {
        let mut negative = None;
        archive.for_each_float(entry, faults, |index, value| {
            if value.is_finite() && value < 0.0 {
                let (_, _, count) = negative.get_or_insert((index, value as f32, 0));
                *count += 1;
            }
        })?;
        if let Some((index, value, count)) = negative.filter(|_| entry.name.ends_with(".running_var")) {
            faults.push(Fault::NegativeVariance {
                tensor: entry.name.clone(),
                index,
                value,
                count,
            });
        }
    }
    Ok(())
}
