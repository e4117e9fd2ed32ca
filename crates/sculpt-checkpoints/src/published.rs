use crate::archive::{self, Archive};
use crate::checkpoint::metadata_of;
use crate::parts::{self, Data, Part, refused};
use crate::state::not_a_variance;
use crate::{CheckpointError, Fault, Meta, State, meta};
use safetensors::Dtype;
use sculpt_layout::Layout;
use sculpt_masks::Mask;
use std::path::Path;

/// The tensors by which such a file is known.
pub(crate) const PARTS: [&str; 2] = ["values", "mask_bits"];

/// Writes a published checkpoint, which has no room for pruned weights.
///
/// # Errors
/// As [`write_checkpoint`](crate::write_checkpoint).
pub fn write_published(
    path: &Path,
    layout: &Layout,
    state: &State,
    meta: &Meta,
) -> Result<(), CheckpointError> {
    let metadata = metadata_of(layout, state, meta).map_err(refused(path))?;
    let mut values = Vec::with_capacity(n_values(layout, &state.mask));
    for param in layout.params() {
        let weights = &state.theta[param.range()];
        match param.prunable_range() {
            None => values.extend_from_slice(weights),
            Some(range) => {
                let kept = weights.iter().zip(range).filter(|&(_, i)| state.mask.get(i));
                values.extend(kept.map(|(w, _)| w));
            }
        }
    }
    let bits = state.mask.packed();
    let parts = vec![
        Part {
            name: "values".into(),
            shape: vec![values.len()],
            data: Data::F32(&values),
        },
        Part {
            name: "buffers".into(),
            shape: vec![state.buffers.len()],
            data: Data::F32(&state.buffers),
        },
        Part {
            name: "mask_bits".into(),
            shape: vec![bits.len()],
            data: Data::U8(&bits),
        },
    ];
    parts::write(path, Some((meta::KEY, metadata)), parts)
}

/// Reads a published checkpoint: the state that was published, bit for bit.
///
/// # Errors
/// Everything that is not as `layout` and the file's own metadata say.
pub fn read_published(path: &Path, layout: &Layout) -> Result<(State, Meta), CheckpointError> {
    archive::read(path, |archive, faults| inspect(archive, layout, faults))
}

/// Number of survivors and unprunable parameters.
fn n_values(layout: &Layout, mask: &Mask) -> usize {
    layout.n_params() - layout.n_prunable() + mask.n_kept()
}

pub(crate) fn inspect(
    archive: &mut Archive,
    layout: &Layout,
    faults: &mut Vec<Fault>,
) -> Result<Option<(State, Meta)>, CheckpointError> {
    let meta = Meta::from_archive(archive)
        .map_err(|fault| faults.push(fault))
        .ok();
    let n = layout.n_prunable();
    let mask = match archive.take("mask_bits", &[Dtype::U8], &[&[n.div_ceil(8)]], faults) {
        Some(entry) => {
            let mask = Mask::from_packed(&archive.bytes(&entry)?, n).ok();
            if mask.is_none() {
                let tensor = entry.name;
                faults.push(Fault::MaskPadding { tensor, n });
            }
            mask
        }
        None => None,
    };
    let shape = [layout.n_buffers()];
    let buffers = match archive.take("buffers", &[Dtype::F32], &[&shape], faults) {
        Some(entry) => Some(archive.floats(&entry, faults)?),
        None => None,
    };
    // Only the mask says how many values there must be.
    let values = match &mask {
        Some(mask) => {
            let shape = [n_values(layout, mask)];
            match archive.take("values", &[Dtype::F32], &[&shape], faults) {
                Some(entry) => Some(archive.floats(&entry, faults)?),
                None => None,
            }
        }
        None => {
            archive.take_any("values");
            None
        }
    };
    archive.refuse_the_rest(faults);
    if let (Some(meta), Some(mask)) = (&meta, &mask) {
        meta.check_mask(mask, faults);
    }
    let (Some(meta), Some(mask), Some(buffers), Some(values)) = (meta, mask, buffers, values) else {
        return Ok(None);
    };
    for buffer in layout.buffers() {
        let values = &buffers[buffer.range()];
        faults.extend(not_a_variance(buffer.name(), buffer.kind(), values));
    }
    let theta = scatter(layout, &mask, &values);
    let state = State { theta, buffers, mask };
    Ok(Some((state, meta)))
}

/// `θ` from its survivors and unprunable parameters.
fn scatter(layout: &Layout, mask: &Mask, values: &[f32]) -> Vec<f32> {
    let mut theta = vec![0.0; layout.n_params()];
    let mut values = values.iter().copied();
    let mut next = || values.next().expect("the number of values was checked");
    for param in layout.params() {
        let weights = &mut theta[param.range()];
        match param.prunable_range() {
            None => weights.fill_with(&mut next),
            Some(range) => {
                for (weight, _) in weights
                    .iter_mut()
                    .zip(mask.slice(range))
                    .filter(|(_, kept)| **kept)
                {
                    *weight = next();
                }
            }
        }
    }
    theta
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hand_made::{Example, HandMade};
    use crate::{FaultKind, read_checkpoint, read_meta, read_weights, verify, write_checkpoint};

    fn written() -> Example {
        let example = Example::new();
        write_published(&example.path(), &example.layout, &example.state, &example.meta).unwrap();
        example
    }

    /// Four survivors of conv1, bn1's four, two survivors of fc.weight, three of fc.bias.
    #[test]
    fn the_format_is_the_contract() {
        let mut file = HandMade::read(&written().path());
        assert_eq!(file.names(), ["buffers", "mask_bits", "values"]);
        assert_eq!(file.tensor("mask_bits").3, [173, 4]);
        let (_, dtype, shape, bytes) = file.tensor("values").clone();
        let values = [
            0.5,
            -0.0,
            1.0,
            1e-45,
            1.0,
            1.5,
            0.0,
            -0.0,
            -3.0,
            f32::MAX,
            0.1,
            0.2,
            0.3,
        ];
        assert_eq!((dtype, shape), ("F32", vec![13]));
        assert_eq!(bytes, values.map(f32::to_le_bytes).as_flattened());
    }

    #[test]
    fn the_state_comes_back_bit_for_bit() {
        let example = written();
        let (state, meta) = read_published(&example.path(), &example.layout).unwrap();
        assert_eq!(Example::theta_bits(&state), Example::theta_bits(&example.state));
        assert_eq!((&state, &meta), (&example.state, &example.meta));
        assert_eq!(read_meta(&example.path()).unwrap(), meta);
        assert_eq!(
            read_weights(&example.path(), &example.layout).unwrap().theta,
            state.theta
        );
        assert_eq!(verify::file(&example.path(), Some(&example.layout)), []);
        assert_eq!(verify::file(&example.path(), None), []);
        // So the checkpoint that the node wrote can be made again, byte by byte.
        let again = Example::new();
        write_checkpoint(&again.path(), &example.layout, &state, &meta).unwrap();
        write_checkpoint(&example.path(), &example.layout, &example.state, &example.meta).unwrap();
        assert_eq!(
            std::fs::read(again.path()).unwrap(),
            std::fs::read(example.path()).unwrap()
        );
        assert!(read_published(&again.path(), &example.layout).is_err());
    }

    #[track_caller]
    fn check(how: impl FnOnce(&mut HandMade), kinds: &[FaultKind], alone: &[FaultKind]) {
        let example = written();
        let mut file = HandMade::read(&example.path());
        how(&mut file);
        file.write(&example.path());
        assert!(read_published(&example.path(), &example.layout).is_err());
        assert!(read_checkpoint(&example.path(), &example.layout).is_err());
        let kinds_of = |layout| -> Vec<_> {
            let all = verify::file(&example.path(), layout);
            all.iter().map(|v| v.kind).collect()
        };
        assert_eq!(kinds_of(Some(&example.layout)), kinds);
        assert_eq!(kinds_of(None), alone);
    }

    #[test]
    fn what_is_wrong_is_found() {
        use FaultKind::*;
        let nan = f32::NAN.to_le_bytes();
        check(
            |f| f.tensor("values").3[..4].copy_from_slice(&nan),
            &[NotFinite],
            &[NotFinite],
        );
        check(
            |f| f.tensor("buffers").3[..4].copy_from_slice(&nan),
            &[NotFinite],
            &[NotFinite],
        );
        check(|f| f.tensor("mask_bits").3[1] |= 0x10, &[Mask], &[MaskHash]);
        check(
            |f| f.tensor("mask_bits").3 = vec![174, 4],
            &[MaskHash],
            &[MaskHash],
        );
        check(|f| f.tensor("values").2 = vec![13, 1], &[Shape], &[Shape]);
        check(|f| f.remove("buffers"), &[MissingTensor], &[MissingTensor]);
        check(|f| f.metadata.clear(), &[Metadata], &[Metadata]);
        let extra = ("more".to_owned(), "U8", vec![1], vec![1]);
        check(|f| f.tensors.push(extra), &[ExtraTensor], &[ExtraTensor]);
        let fewer = ("values".to_owned(), "F32", vec![1], vec![0; 4]);
        check(|f| *f.tensor("values") = fewer, &[Shape], &[]);
    }
}
