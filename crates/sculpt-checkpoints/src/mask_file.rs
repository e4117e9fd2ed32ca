use crate::archive::{self, Archive, Entry, FLOATS, INTEGERS};
use crate::dialects::DIALECTS;
use crate::names::{Names, is_bookkeeping};
use crate::parts::{self, Data, Part, refused};
use crate::state::check_mask;
use crate::verify::{Flavour, flavour};
use crate::{CheckpointError, Fault, checkpoint, foreign, published};
use safetensors::Dtype;
use sculpt_layout::Layout;
use sculpt_masks::Mask;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Writes a mask file.
///
/// # Errors
/// A mask of another length than the layout's, or what the operating system refuses; then nothing was
/// written.
pub fn write_mask(path: &Path, layout: &Layout, mask: &Mask) -> Result<(), CheckpointError> {
    check_mask(layout, mask).map_err(refused(path))?;
    let parts = layout.prunable().filter_map(|param| {
        Some(Part {
            name: format!("{}.mask", param.name()),
            shape: param.shape().to_vec(),
            data: Data::OwnU8(param.prunable_range()?.map(|i| mask.get(i).into()).collect()),
        })
    });
    parts::write(path, None, parts.collect())
}

/// Reads a mask file: ours, or that of another program, which names each mask after its weight in any dialect, with or without
/// `.mask` or `_mask` behind it, and holds 0 and 1 in any type. A checkpoint, or weights with masks beside them, give theirs.
///
/// # Errors
/// Everything that is not as `layout` says: names, shapes, types, values other than 0 and 1.
pub fn read_mask(path: &Path, layout: &Layout) -> Result<Mask, CheckpointError> {
    archive::read(path, |archive, faults| match flavour(archive) {
        Flavour::Checkpoint => {
            let read = checkpoint::inspect(archive, layout, faults)?;
            Ok(read.map(|(state, _)| state.mask))
        }
        Flavour::Published => {
            let read = published::inspect(archive, layout, faults)?;
            Ok(read.map(|(state, _)| state.mask))
        }
        Flavour::Mask | Flavour::Tensors if has_weights(archive, layout) => {
            let Some((weights, _)) = foreign::inspect(archive, layout, faults)? else {
                return Ok(None);
            };
            Ok(match (weights.mask, layout.prunable().next()) {
                (Some(mask), _) => Some(mask),
                // Of nothing that can be pruned.
                (None, None) => Some(Mask::from_bools(Vec::new())),
                (None, Some(param)) => {
                    let tensor = param.name().to_owned();
                    faults.push(Fault::NoMask { tensor });
                    None
                }
            })
        }
        Flavour::Mask | Flavour::Tensors => inspect(archive, layout, faults),
    })
}

/// Whether the names are those of weights.
fn has_weights(archive: &Archive, layout: &Layout) -> bool {
    let names = archive.entries().map(|entry| entry.name.as_str());
    mask_names(archive, layout).is_none() && Names::of(names, archive.is_torch(), layout).1.is_none()
}

/// Whether the names are those of masks, in any dialect, and of nothing else.
pub(crate) fn fits(archive: &Archive, layout: &Layout) -> bool {
    mask_names(archive, layout).is_some()
}

pub(crate) fn inspect(
    archive: &mut Archive,
    layout: &Layout,
    faults: &mut Vec<Fault>,
) -> Result<Option<Mask>, CheckpointError> {
    let (names, _) = nearest_names(archive, layout);
    let mut bits = Vec::with_capacity(layout.n_prunable());
    for param in layout.prunable() {
        let name = &names[param.name()];
        let shapes = foreign::shapes(param);
        let shapes: Vec<_> = shapes.iter().map(Vec::as_slice).collect();
        bits.extend(read_one(archive, name, &shapes, faults)?.unwrap_or_default());
    }
    let counters: Vec<_> = archive.entries().map(|entry| entry.name.clone()).collect();
    for name in counters.iter().filter(|name| is_bookkeeping(name)) {
        archive.take_any(name);
    }
    archive.refuse_the_rest(faults);
    Ok(Some(Mask::from_bools(bits)))
}

/// The mask of one weight, 0 and 1 in any type.
pub(crate) fn read_one(
    archive: &mut Archive,
    name: &str,
    shapes: &[&[usize]],
    faults: &mut Vec<Fault>,
) -> Result<Option<Vec<bool>>, CheckpointError> {
    let Some(entry) = archive.take(name, &mask_types(), shapes, faults) else {
        return Ok(None);
    };
    let values = values(archive, &entry)?;
    faults.extend(not_binary(name, values.iter().copied()));
    Ok(Some(values.iter().map(|&v| v != 0.0).collect()))
}

/// The types that masks come in.
pub(crate) fn mask_types() -> Vec<Dtype> {
    [FLOATS, INTEGERS].concat()
}

/// The numbers of a mask.
pub(crate) fn values(archive: &mut Archive, entry: &Entry) -> Result<Vec<f64>, CheckpointError> {
    if !FLOATS.contains(&entry.dtype) {
        let values = archive.integers(entry)?;
        return Ok(values.into_iter().map(|value| value as f64).collect());
    }
    let mut values = Vec::with_capacity(entry.n_elements());
    // That a mask is not finite, not_binary says.
    archive.for_each_float(entry, &mut Vec::new(), |_, value| values.push(value))?;
    Ok(values)
}

/// How masks are named after their weights: what takes the place of an end.
const NAMINGS: [(&str, &str); 4] = [
    (".weight", ".weight.mask"),
    (".weight", ".mask"),
    (".weight", ".weight_mask"),
    (".weight", ".weight"),
];

/// The file's name of each mask, by our name of the weight, if its names are those of all masks and of nothing else.
fn mask_names(archive: &Archive, layout: &Layout) -> Option<BTreeMap<String, String>> {
    let (names, fit) = nearest_names(archive, layout);
    fit.then_some(names)
}

/// The names of the masks by which most of them are there, and whether these are all that is there, and all of them. Where none is there,
/// those that `write_mask` gives.
fn nearest_names(archive: &Archive, layout: &Layout) -> (BTreeMap<String, String>, bool) {
    let here: BTreeSet<&str> = archive
        .entries()
        .map(|entry| entry.name.as_str())
        .filter(|name| !is_bookkeeping(name))
        .collect();
    let n_there =
        |names: &BTreeMap<String, String>| names.values().filter(|name| here.contains(name.as_str())).count();
    let own = layout.prunable().map(|param| {
        let ours = param.name();
        (ours.to_owned(), format!("{ours}.mask"))
    });
    let mut nearest: BTreeMap<_, _> = own.collect();
    let mut most = n_there(&nearest);
    for dialect in &DIALECTS {
        let weights = dialect.names(layout);
        for (end, mask_end) in NAMINGS {
            let named = |ours: &str| {
                let theirs = &weights[ours];
                let before = theirs.strip_suffix(end);
                before.map_or_else(|| theirs.clone(), |before| format!("{before}{mask_end}"))
            };
            // What stands before the first name stands before all of them; it may be the one that is missing.
            let firsts: Vec<String> = layout
                .prunable()
                .take(2)
                .map(|param| named(param.name()))
                .collect();
            let prefixes = firsts
                .iter()
                .flat_map(|first| here.iter().filter_map(|name| name.strip_suffix(first.as_str())));
            for prefix in prefixes.filter(|prefix| prefix.is_empty() || prefix.ends_with('.')) {
                let names = layout.prunable().map(|param| {
                    let ours = param.name();
                    (ours.to_owned(), format!("{prefix}{}", named(ours)))
                });
                let names: BTreeMap<_, _> = names.collect();
                let n_there = n_there(&names);
                if names.len() == here.len() && n_there == names.len() {
                    return (names, true);
                }
                if n_there > most {
                    (nearest, most) = (names, n_there);
                }
            }
        }
    }
    (nearest, false)
}

/// The fault of a tensor with values other than 0 and 1.
pub(crate) fn not_binary(tensor: &str, values: impl Iterator<Item = f64>) -> Option<Fault> {
    let mut wrong = values.enumerate().filter(|&(_, v)| v != 0.0 && v != 1.0);
    let (index, value) = wrong.next()?;
    Some(Fault::MaskValue {
        tensor: tensor.to_owned(),
        index,
        value,
        count: 1 + wrong.count(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hand_made::{Example, HandMade, Tensor};
    use crate::{read_weights, verify};

    /// Of weights of which none can be pruned.
    #[test]
    fn a_network_without_prunable_weights_has_an_empty_mask() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("biases.safetensors");
        let layout = Layout::builder()
            .param("fc.bias", &[2], sculpt_layout::ParamKind::Bias)
            .build()
            .unwrap();
        HandMade::default()
            .add_f32("fc.bias", &[2], &[1.0, 2.0])
            .write(&path);
        assert!(read_mask(&path, &layout).unwrap().is_empty());
    }

    #[test]
    fn a_mask_comes_back() {
        let example = Example::new();
        let (path, mask) = (example.path(), &example.state.mask);
        write_mask(&path, &example.layout, mask).unwrap();
        assert_eq!(&read_mask(&path, &example.layout).unwrap(), mask);
        assert_eq!(verify::file(&path, Some(&example.layout)), []);
        assert_eq!(verify::file(&path, None), []);
        let mut file = HandMade::read(&path);
        assert!(file.metadata.is_empty());
        assert_eq!(file.names(), ["conv1.weight.mask", "fc.weight.mask"]);
        let expected: Tensor = ("fc.weight.mask".into(), "U8", vec![3, 2], vec![0, 1, 0, 0, 1, 0]);
        assert_eq!(*file.tensor("fc.weight.mask"), expected);
        assert!(read_weights(&path, &example.layout).is_err());
        let error = write_mask(&path, &example.layout, &Mask::full(11)).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("mask has 11 elements, the layout asks for 12")
        );
    }

    /// Under the names that most of them have.
    #[test]
    fn the_mask_that_is_missing_or_left_over_is_named() {
        let example = Example::new();
        let masks = |names: &[(&str, &[usize])]| {
            let file = names.iter().fold(HandMade::default(), |file, (name, shape)| {
                file.add_f32(name, shape, &vec![1.0; shape.iter().product()])
            });
            file.write(&example.path());
            read_mask(&example.path(), &example.layout)
                .unwrap_err()
                .to_string()
        };
        let conv1: (&str, &[usize]) = ("conv1.weight_mask", &[2, 1, 1, 3]);
        let fc: (&str, &[usize]) = ("fc.weight_mask", &[3, 2]);
        let error = masks(&[conv1]);
        assert!(error.ends_with("tensor fc.weight_mask is missing"), "{error}");
        let error = masks(&[fc]);
        assert!(error.ends_with("tensor conv1.weight_mask is missing"), "{error}");
        let error = masks(&[conv1, fc, ("other_mask", &[1])]);
        assert!(error.contains("tensor other_mask does not belong"), "{error}");
    }

    #[track_caller]
    fn check(how: impl FnOnce(&mut HandMade), sentence: &str) {
        let example = Example::new();
        write_mask(&example.path(), &example.layout, &example.state.mask).unwrap();
        let mut file = HandMade::read(&example.path());
        how(&mut file);
        file.write(&example.path());
        let error = read_mask(&example.path(), &example.layout).unwrap_err();
        assert!(error.to_string().contains(sentence), "{error}");
        assert!(!verify::file(&example.path(), Some(&example.layout)).is_empty());
    }

    #[test]
    fn what_is_wrong_is_found() {
        check(
            |f| f.tensor("fc.weight.mask").3[2] = 2,
            "tensor fc.weight.mask holds 2 at index 2, a mask is 0 or 1",
        );
        check(|f| f.remove("fc.weight.mask"), "tensor fc.weight.mask is missing");
        check(
            |f| f.tensor("fc.weight.mask").2 = vec![2, 3],
            "has shape [2, 3], expected [3, 2]",
        );
        check(
            |f| f.tensor("fc.weight.mask").1 = "F8_E4M3",
            "has type F8_E4M3, expected F32",
        );
        let extra = ("fc.bias.mask".to_owned(), "U8", vec![3], vec![1; 3]);
        check(|f| f.tensors.push(extra), "tensor fc.bias.mask does not belong");
    }
}
