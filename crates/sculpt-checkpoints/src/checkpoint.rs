use crate::archive::{self, Archive};
use crate::parts::{self, Data, Part, refused};
use crate::state::{find_unmasked, not_a_variance};
use crate::{CheckpointError, Fault, Meta, State, meta};
use safetensors::Dtype;
use sculpt_layout::Layout;
use sculpt_masks::{Mask, pack_bits, unpack_bits};
use std::path::Path;

/// Writes a checkpoint: equal states make equal bytes.
///
/// # Errors
/// A state that does not fit the layout or is not clean under its mask, metadata that do not belong to it,
/// or what the operating system refuses; then nothing was written.
pub fn write_checkpoint(
    path: &Path,
    layout: &Layout,
    state: &State,
    meta: &Meta,
) -> Result<(), CheckpointError> {
    let metadata = metadata_of(layout, state, meta).map_err(refused(path))?;
    parts::write(path, Some((meta::KEY, metadata)), parts_of(layout, state))
}

/// The bytes that [`write_checkpoint`] would write: by them a state is the same, in whatever form it was read.
///
/// # Errors
/// A state that does not fit the layout or is not clean under its mask, metadata that do not belong to it.
pub fn checkpoint_bytes(layout: &Layout, state: &State, meta: &Meta) -> Result<Vec<u8>, Fault> {
    let metadata = metadata_of(layout, state, meta)?;
    parts::to_bytes(Some((meta::KEY, metadata)), parts_of(layout, state))
}

fn parts_of<'a>(layout: &Layout, state: &'a State) -> Vec<Part<'a>> {
    let mut parts = tensors(layout, &state.theta, &state.buffers);
    for (name, range) in layout
        .prunable()
        .filter_map(|p| Some((p.name(), p.prunable_range()?)))
    {
        parts.push(Part {
            name: bits_name(name),
            shape: vec![range.len().div_ceil(8)],
            data: Data::OwnU8(pack_bits(state.mask.slice(range))),
        });
    }
    parts
}

/// Reads a checkpoint.
///
/// # Errors
/// Everything that is not as `layout` and the file's own metadata say, down to the bit.
pub fn read_checkpoint(path: &Path, layout: &Layout) -> Result<(State, Meta), CheckpointError> {
    archive::read(path, |archive, faults| inspect(archive, layout, faults))
}

/// Reads only what a checkpoint, published or not, says about itself: no number of it.
///
/// # Errors
/// A file whose header is broken, or that has no metadata of this version.
pub fn read_meta(path: &Path) -> Result<Meta, CheckpointError> {
    archive::read(path, |archive, faults| {
        Ok(Meta::from_archive(archive)
            .map_err(|fault| faults.push(fault))
            .ok())
    })
}

/// The metadata key's text for a state that is in order.
pub(crate) fn metadata_of(layout: &Layout, state: &State, meta: &Meta) -> Result<String, Fault> {
    state.check(layout)?;
    let mut faults = Vec::new();
    meta.check_mask(&state.mask, &mut faults);
    match faults.into_iter().next() {
        Some(fault) => Err(fault),
        None => meta.to_json(),
    }
}

/// All tensors of the two flat vectors under their `state_dict` names.
pub(crate) fn tensors<'a>(layout: &Layout, theta: &'a [f32], buffers: &'a [f32]) -> Vec<Part<'a>> {
    let params = layout.params().iter().map(|p| Part {
        name: p.name().to_owned(),
        shape: p.shape().to_vec(),
        data: Data::F32(&theta[p.range()]),
    });
    let buffers = layout.buffers().iter().map(|b| Part {
        name: b.name().to_owned(),
        shape: vec![b.range().len()],
        data: Data::F32(&buffers[b.range()]),
    });
    params.chain(buffers).collect()
}

pub(crate) fn bits_name(name: &str) -> String {
    format!("{name}.mask_bits")
}

/// The packed bits of one mask of `n`; without them there is a fault more.
pub(crate) fn read_bits(
    archive: &mut Archive,
    name: &str,
    n: usize,
    faults: &mut Vec<Fault>,
) -> Result<Option<Vec<bool>>, CheckpointError> {
    let Some(entry) = archive.take(name, &[Dtype::U8], &[&[n.div_ceil(8)]], faults) else {
        return Ok(None);
    };
    let unpacked = unpack_bits(&archive.bytes(&entry)?, n).ok();
    if unpacked.is_none() {
        let tensor = name.to_owned();
        faults.push(Fault::MaskPadding { tensor, n });
    }
    Ok(unpacked)
}

/// The whole file against the layout: a value, or faults, all of them.
pub(crate) fn inspect(
    archive: &mut Archive,
    layout: &Layout,
    faults: &mut Vec<Fault>,
) -> Result<Option<(State, Meta)>, CheckpointError> {
    let meta = Meta::from_archive(archive)
        .map_err(|fault| faults.push(fault))
        .ok();
    let mut theta = vec![0.0; layout.n_params()];
    let mut bits = vec![true; layout.n_prunable()];
    let mut mask_is_whole = true;
    for param in layout.params() {
        if let Some(entry) = archive.take(param.name(), &[Dtype::F32], &[param.shape()], faults) {
            theta[param.range()].copy_from_slice(&archive.floats(&entry, faults)?);
        }
        let Some(range) = param.prunable_range() else {
            continue;
        };
        let (name, n) = (bits_name(param.name()), range.len());
        match read_bits(archive, &name, n, faults)? {
            Some(unpacked) => bits[range].copy_from_slice(&unpacked),
            None => mask_is_whole = false,
        }
    }
    let mut buffers = vec![0.0; layout.n_buffers()];
    for buffer in layout.buffers() {
        let shape = [buffer.range().len()];
        if let Some(entry) = archive.take(buffer.name(), &[Dtype::F32], &[&shape], faults) {
            let values = archive.floats(&entry, faults)?;
            faults.extend(not_a_variance(buffer.name(), buffer.kind(), &values));
            buffers[buffer.range()].copy_from_slice(&values);
        }
    }
    archive.refuse_the_rest(faults);
    let mask = Mask::from_bools(bits);
    find_unmasked(layout, &theta, &mask, faults);
    if let Some(meta) = meta.as_ref().filter(|_| mask_is_whole) {
        meta.check_mask(&mask, faults);
    }
    let state = State { theta, buffers, mask };
    Ok(meta.map(|meta| (state, meta)))
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;
