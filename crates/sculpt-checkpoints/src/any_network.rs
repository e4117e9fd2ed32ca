//! Weights of a network that nobody described: what the file holds is the layout.

use crate::archive::{self, Archive, Entry, FLOATS};
use crate::checkpoint::{bits_name, read_bits};
use crate::foreign::holds_masks_alone;
use crate::names::{containers, find_masks, is_bookkeeping};
use crate::state::not_a_variance;
use crate::verify::{Flavour, flavour};
use crate::{CheckpointError, Fault, Weights, mask_file};
use sculpt_layout::{BufferKind, Layout, LayoutError, ParamKind};
use sculpt_masks::Mask;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The layout of whatever network a file holds the weights of, by the file's own names, in their alphabetical order. No number
/// is read.
///
/// Tensors of real numbers belong to it: those of two or more dimensions that are no bias are prunable, `running_mean` and
/// `running_var` are buffers. Masks beside the weights ([`MaskForm`](crate::MaskForm)) are none of it, nor is, in a file of
/// `torch.save`, what stands beside the dictionary of the weights. Where that is not what is meant, write the layout down
/// ([`Layout::builder`]) and call [`read_weights`](crate::read_weights).
///
/// # Errors
/// A file that is none of tensors, or broken; one without a tensor of real numbers, or of masks alone; a published checkpoint, which names none.
pub fn read_layout(path: &Path) -> Result<Layout, CheckpointError> {
    archive::read(path, |archive, faults| {
        Ok(tensors_of(archive, faults).and_then(|tensors| layout_of(&tensors, faults)))
    })
}

/// The weights of whatever network a file holds, with its layout ([`read_layout`]), and the mask if the file has any.
///
/// # Errors
/// As there; numbers that are not finite or too large for `f32`, negative variances, mask values other than 0 and 1.
pub fn read_any_weights(path: &Path) -> Result<(Layout, Weights), CheckpointError> {
    archive::read(path, |archive, faults| {
        let Some(tensors) = tensors_of(archive, faults) else {
            return Ok(None);
        };
        let Some(layout) = layout_of(&tensors, faults) else {
            return Ok(None);
        };
        let by_name: BTreeMap<&str, &Tensor> = tensors.iter().map(|t| (t.name.as_str(), t)).collect();
        let mut weights = Weights {
            theta: vec![0.0; layout.n_params()],
            buffers: vec![0.0; layout.n_buffers()],
            mask: None,
        };
        let mut bits = vec![true; layout.n_prunable()];
        for param in layout.params() {
            let tensor = by_name[param.name()];
            let numbers = &mut weights.theta[param.range()];
            numbers.copy_from_slice(&archive.floats(&tensor.entry, faults)?);
            let kept = match &tensor.mask {
                None => continue,
                Some(Kept::Values(name)) => mask_file::read_one(archive, name, &[param.shape()], faults)?,
                Some(Kept::Bits(name)) => read_bits(archive, name, param.len(), faults)?,
            };
            let Some(kept) = kept else {
                continue;
            };
            for (weight, &kept) in numbers.iter_mut().zip(&kept) {
                *weight = if kept { *weight } else { 0.0 };
            }
            // A bias has a mask in files of other programs, and none here: its zeros say it all.
            if let Some(range) = param.prunable_range() {
                bits[range].copy_from_slice(&kept);
            }
        }
        for buffer in layout.buffers() {
            let values = archive.floats(&by_name[buffer.name()].entry, faults)?;
            faults.extend(not_a_variance(buffer.name(), buffer.kind(), &values));
            weights.buffers[buffer.range()].copy_from_slice(&values);
        }
        let has_masks = tensors.iter().any(|tensor| tensor.mask.is_some());
        weights.mask = has_masks.then(|| Mask::from_bools(bits));
        Ok(Some((layout, weights)))
    })
}

/// A tensor of the network.
struct Tensor {
    /// Without the dictionaries that it lies in, and as if it had not been pruned.
    name: String,
    entry: Entry,
    mask: Option<Kept>,
}

/// The name of a tensor's mask in the file.
enum Kept {
    /// Zeros and ones.
    Values(String),
    /// Packed, as in a checkpoint of ours.
    Bits(String),
}

/// All tensors of the network, sorted by name.
fn tensors_of(archive: &Archive, faults: &mut Vec<Fault>) -> Option<Vec<Tensor>> {
    if flavour(archive) == Flavour::Published {
        faults.push(Fault::NoNames);
        return None;
    }
    if holds_masks_alone(archive) {
        faults.push(Fault::OnlyMasks);
        return None;
    }
    let names: BTreeSet<&str> = archive
        .entries()
        .map(|entry| entry.name.as_str())
        .filter(|name| !is_bookkeeping(name))
        .collect();
    let masks = find_masks(&names);
    let by_weight: BTreeMap<&str, &str> = masks
        .iter()
        .map(|(mask, (_, weight))| (weight.as_str(), *mask))
        .collect();
    let unpruned = |name: &str| match name.strip_suffix("_orig") {
        Some(weight) if by_weight.contains_key(weight) => weight.to_owned(),
        Some(_) | None => name.to_owned(),
    };
    let plain: BTreeSet<String> = names
        .iter()
        .filter(|name| !masks.contains_key(**name))
        .map(|name| unpruned(name))
        .collect();
    let root = match archive.is_torch() {
        true => containers(&plain, false).pop().unwrap_or_default(),
        false => String::new(),
    };
    let is_of_network = |entry: &&Entry| {
        let name = entry.name.as_str();
        let is_number = FLOATS.contains(&entry.dtype) && entry.n_elements() > 0;
        is_number && names.contains(name) && !masks.contains_key(name)
    };
    let tensor = |entry: &Entry| {
        let name = unpruned(&entry.name);
        let bits = bits_name(&name);
        let mask = match by_weight.get(name.as_str()) {
            Some(mask) => Some(Kept::Values((*mask).to_owned())),
            None => names.contains(bits.as_str()).then_some(Kept::Bits(bits)),
        };
        Some(Tensor {
            name: name.strip_prefix(&root)?.to_owned(),
            entry: entry.clone(),
            mask,
        })
    };
    let mut tensors: Vec<_> = archive
        .entries()
        .filter(is_of_network)
        .filter_map(tensor)
        .collect();
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    if tensors.is_empty() {
        faults.push(Fault::NoTensors);
    }
    Some(tensors)
}

fn layout_of(tensors: &[Tensor], faults: &mut Vec<Fault>) -> Option<Layout> {
    let is_vector = |name: &str| {
        let found = tensors.iter().find(|tensor| tensor.name == name);
        found.is_some_and(|tensor| tensor.entry.shape.len() == 1)
    };
    let mut builder = Layout::builder();
    for Tensor { name, entry, .. } in tensors {
        let (module, word) = name.rsplit_once('.').unwrap_or(("", name));
        let shape = entry.shape.as_slice();
        let is_bias = word.ends_with("bias");
        builder = match (word, shape) {
            ("running_mean", [n]) => builder.buffer(name, *n, BufferKind::RunningMean),
            ("running_var", [n]) => builder.buffer(name, *n, BufferKind::RunningVar),
            ("weight", [_]) => builder.param(name, shape, ParamKind::NormScale),
            ("bias", [_]) if is_vector(&format!("{module}.weight")) => {
                builder.param(name, shape, ParamKind::NormShift)
            }
            (_, [_, _]) if !is_bias => builder.prunable(name, shape, ParamKind::Linear),
            (_, [_, _, _, ..]) if !is_bias => builder.prunable(name, shape, ParamKind::Conv),
            (_, _) => builder.param(name, shape, ParamKind::Bias),
        };
    }
    match builder.build() {
        Ok(layout) => Some(layout),
        Err(LayoutError::NameTwice { name }) => {
            faults.push(Fault::NameTwice { tensor: name });
            None
        }
        Err(LayoutError::BadShape { name, shape }) => {
            unreachable!("{name} of shape {shape:?} fills bytes of the file")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hand_made::HandMade;
    use crate::{Meta, State, write_checkpoint, write_published};
    use std::path::PathBuf;
    use tempfile::TempDir;

    fn file() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        (folder, path)
    }

    /// A transformer's names, no dialect's: an embedding, a norm, a projection with bias, and integers.
    #[test]
    fn any_file_has_a_layout() {
        let (_folder, path) = file();
        HandMade::default()
            .add_f32("wte.weight", &[2, 2], &[0.1, -0.2, 0.3, -0.4])
            .add_f32("ln.weight", &[2], &[1.0, 2.0])
            .add_f32("ln.bias", &[2], &[3.0, 4.0])
            .add_f32("h.proj", &[1, 1, 2], &[-0.5, 0.6])
            .add_f32("h.bias", &[1, 2], &[9.0, 9.0])
            .add_f32("bn.running_var", &[1], &[5.0])
            .add_f32("empty.weight", &[0, 3], &[])
            .add("position_ids", "I64", &[1], &7i64.to_le_bytes())
            .write(&path);
        let (layout, weights) = read_any_weights(&path).unwrap();
        assert_eq!(read_layout(&path).unwrap(), layout);
        let kinds: Vec<_> = layout.params().iter().map(|p| (p.name(), p.kind())).collect();
        assert_eq!(
            kinds,
            [
                ("h.bias", ParamKind::Bias),
                ("h.proj", ParamKind::Conv),
                ("ln.bias", ParamKind::NormShift),
                ("ln.weight", ParamKind::NormScale),
                ("wte.weight", ParamKind::Linear),
            ]
        );
        let prunable: Vec<_> = layout.prunable().map(|p| p.name()).collect();
        assert_eq!(prunable, ["h.proj", "wte.weight"]);
        assert_eq!(
            weights.theta,
            [9.0, 9.0, -0.5, 0.6, 3.0, 4.0, 1.0, 2.0, 0.1, -0.2, 0.3, -0.4]
        );
        assert_eq!((weights.buffers, weights.mask), (vec![5.0], None));
    }

    /// `torch.nn.utils.prune`'s names: 2 was pruned, and lies dormant.
    #[test]
    fn masks_beside_the_weights_are_read() {
        let (_folder, path) = file();
        HandMade::default()
            .add_f32("fc.bias", &[1], &[1.0])
            .add_f32("fc.weight_mask", &[1, 3], &[1.0, 0.0, 1.0])
            .add_f32("fc.weight_orig", &[1, 3], &[1.0, 2.0, 3.0])
            .write(&path);
        let (layout, weights) = read_any_weights(&path).unwrap();
        assert_eq!(layout.param("fc.weight").unwrap().range(), 1..4);
        assert_eq!(weights.theta, [1.0, 1.0, 0.0, 3.0]);
        assert_eq!(weights.mask, Some(Mask::from_bools(vec![true, false, true])));
        HandMade::default()
            .add_f32("fc.weight_mask", &[1, 3], &[1.0, 0.0, 1.0])
            .write(&path);
        for error in [
            read_any_weights(&path).unwrap_err(),
            crate::read_weights(&path, &layout).unwrap_err(),
        ] {
            assert!(
                error.to_string().ends_with("holds masks alone, and no weights"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_checkpoint_of_ours_is_any_file_too() {
        let (_folder, path) = file();
        let layout = Layout::builder().linear("fc", 1, 3).build().unwrap();
        let state = State {
            theta: vec![0.5, 0.0, -2.0, 0.1],
            buffers: vec![],
            mask: Mask::from_bools(vec![true, false, true]),
        };
        let meta = Meta::new(None, "a linear layer".into(), None, 8, &state.mask);
        write_checkpoint(&path, &layout, &state, &meta).unwrap();
        let (_, weights) = read_any_weights(&path).unwrap();
        assert_eq!(weights.theta, [0.1, 0.5, 0.0, -2.0]);
        assert_eq!(weights.mask, Some(state.mask.clone()));
        // Published, all survivors are one tensor.
        write_published(&path, &layout, &state, &meta).unwrap();
        for error in [
            read_layout(&path).unwrap_err(),
            read_any_weights(&path).unwrap_err(),
        ] {
            assert!(error.to_string().contains("published checkpoint"), "{error}");
        }
    }

    /// `torch.nn.utils.prune` prunes biases too.
    #[test]
    fn masks_of_what_is_not_prunable_are_read() {
        let (_folder, path) = file();
        let pruned = |mask: &[f32]| {
            HandMade::default()
                .add_f32("fc.bias_mask", &[2], mask)
                .add_f32("fc.bias_orig", &[2], &[1.0, 2.0])
                .add_f32("fc.weight", &[2, 1], &[3.0, 4.0])
                .write(&path);
        };
        pruned(&[0.0, 1.0]);
        let (layout, weights) = read_any_weights(&path).unwrap();
        assert_eq!(layout.n_prunable(), 2);
        assert_eq!(weights.theta, [0.0, 2.0, 3.0, 4.0]);
        assert_eq!(weights.mask, Some(Mask::from_bools(vec![true, true])));
        pruned(&[0.5, 1.0]);
        let error = read_any_weights(&path).unwrap_err().to_string();
        assert!(error.contains("fc.bias_mask holds 0.5"), "{error}");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let (_folder, path) = file();
        for file in [
            HandMade::default(),
            HandMade::default().add("position_ids", "I64", &[1], &7i64.to_le_bytes()),
        ] {
            file.write(&path);
            let error = read_layout(&path).unwrap_err().to_string();
            assert!(
                error.ends_with("there is no tensor of real numbers in it"),
                "{error}"
            );
        }
        HandMade::default()
            .add_f32("w", &[1, 2], &[1.0, f32::NAN])
            .write(&path);
        let error = read_any_weights(&path).unwrap_err().to_string();
        assert!(error.contains("tensor w holds NaN at index 1"), "{error}");
        assert_eq!(read_layout(&path).unwrap().n_prunable(), 2);
    }
}
