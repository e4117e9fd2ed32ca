use crate::archive::{self, Archive};
use crate::parts::{self, Data, Part, refused};
use crate::state::check_mask;
use crate::{CheckpointError, Fault};
use safetensors::Dtype;
use sculpt_layout::Layout;
use sculpt_masks::Mask;
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

/// Reads a mask file.
///
/// # Errors
/// Everything that is not as `layout` says: names, shapes, types, values other than 0 and 1.
pub fn read_mask(path: &Path, layout: &Layout) -> Result<Mask, CheckpointError> {
    archive::read(path, |archive, faults| inspect(archive, layout, faults))
}

pub(crate) fn inspect(
    archive: &mut Archive,
    layout: &Layout,
    faults: &mut Vec<Fault>,
) -> Result<Option<Mask>, CheckpointError> {
    let mut bits = Vec::with_capacity(layout.n_prunable());
    for param in layout.prunable() {
        let name = format!("{}.mask", param.name());
        if let Some(entry) = archive.take(&name, &[Dtype::U8], &[param.shape()], faults) {
            let values = archive.bytes(&entry)?;
            faults.extend(not_binary(&name, values.iter().map(|&v| v.into())));
            bits.extend(values.iter().map(|&v| v != 0));
        }
    }
    archive.refuse_the_rest(faults);
    Ok(Some(Mask::from_bools(bits)))
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
            |f| f.tensor("fc.weight.mask").1 = "BOOL",
            "has type BOOL, expected U8",
        );
        let extra = ("fc.bias.mask".to_owned(), "U8", vec![3], vec![1; 3]);
        check(|f| f.tensors.push(extra), "tensor fc.bias.mask does not belong");
    }
}
