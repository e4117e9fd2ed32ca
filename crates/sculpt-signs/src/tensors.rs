//! The prunable tensors of a vector, once its lengths are known to fit.

use crate::SignsError;
use sculpt_layout::{Layout, Param};
use sculpt_masks::Mask;
use std::ops::Range;

/// One prunable tensor.
pub(crate) struct Tensor<'a> {
    /// `state_dict` name.
    pub(crate) name: &'a str,
    /// Place in `θ`.
    pub(crate) range: Range<usize>,
    /// Which of its weights survive.
    pub(crate) kept: &'a [bool],
}

/// The prunable tensors in layout order, if the mask and each vector (by name) are of this layout.
pub(crate) fn tensors<'a>(
    layout: &'a Layout,
    mask: &'a Mask,
    vectors: &[(&'static str, &[f32])],
) -> Result<impl Iterator<Item = Tensor<'a>> + use<'a>, SignsError> {
    check_mask(layout.n_prunable(), mask.len())?;
    for &(vector, numbers) in vectors {
        check_length(vector, layout.n_params(), numbers.len())?;
    }
    let tensor = move |param: &'a Param| {
        Some(Tensor {
            name: param.name(),
            range: param.range(),
            kept: mask.slice(param.prunable_range()?),
        })
    };
    Ok(layout.prunable().filter_map(tensor))
}

pub(crate) fn check_mask(expected: usize, found: usize) -> Result<(), SignsError> {
    if expected == found {
        Ok(())
    } else {
        Err(SignsError::MaskLength { expected, found })
    }
}

/// Whether there is a bit for each number, where there are bits.
pub(crate) fn check_kept(n: usize, kept: Option<&[bool]>) -> Result<(), SignsError> {
    kept.map_or(Ok(()), |kept| check_mask(n, kept.len()))
}

/// Refuses a NaN in a bare slice.
pub(crate) fn check_slice(vector: &'static str, numbers: &[f32]) -> Result<(), SignsError> {
    match numbers.iter().position(|number| number.is_nan()) {
        Some(index) => Err(SignsError::Nan { vector, index }),
        None => Ok(()),
    }
}

pub(crate) fn check_length(vector: &'static str, expected: usize, found: usize) -> Result<(), SignsError> {
    if expected == found {
        Ok(())
    } else {
        Err(SignsError::Length {
            vector,
            expected,
            found,
        })
    }
}

impl Tensor<'_> {
    /// Refuses a NaN among the weights of this tensor, pruned or not.
    pub(crate) fn check_numbers(&self, vector: &'static str, theta: &[f32]) -> Result<(), SignsError> {
        let weights = &theta[self.range.clone()];
        // Without an early end, so that the loop is vectorised; the search that has one comes after.
        if !weights
            .iter()
            .fold(false, |has_nan, weight| has_nan | weight.is_nan())
        {
            return Ok(());
        }
        let index = weights.iter().position(|weight| weight.is_nan());
        Err(self.nan(vector, index.expect("the tensor has a NaN")))
    }

    pub(crate) fn nan(&self, vector: &'static str, index: usize) -> SignsError {
        SignsError::NanWeight {
            vector,
            tensor: self.name.to_owned(),
            index,
        }
    }
}
