use crate::archive::{self, Archive, FLOATS};
use crate::names::{Names, are_of_masks};
use crate::state::not_a_variance;
use crate::verify::{Flavour, flavour};
use crate::{CheckpointError, Fault, Form, MaskForm, Weights, checkpoint, mask_file, published};
use sculpt_layout::{Layout, Param, ParamKind};
use sculpt_masks::Mask;
use std::path::Path;

/// Reads weights from a checkpoint, a published checkpoint, or a `state_dict` in any dialect, in safetensors or in a file of
/// `torch.save`.
///
/// Of a `state_dict`, F64, F16 and BF16 become F32, and bookkeeping such as `….num_batches_tracked` is ignored. Its names are
/// those of one row of [`DIALECTS`](crate::DIALECTS) behind one prefix, all of them, and may have masks beside the weights
/// ([`MaskForm`]); what lies dormant under a mask becomes `+0.0`. A file of `torch.save` may keep it in a dictionary, beside
/// the optimiser's and others.
///
/// # Errors
/// Every other missing or extra tensor, wrong shapes, numbers that are not finite or too large for `f32`, negative variances,
/// mask values other than 0 and 1.
pub fn read_weights(path: &Path, layout: &Layout) -> Result<Weights, CheckpointError> {
    read_weights_and_form(path, layout).map(|(weights, _)| weights)
}

/// As [`read_weights`], and how a `state_dict` was read; none for a checkpoint of ours.
///
/// # Errors
/// As there.
pub fn read_weights_and_form(
    path: &Path,
    layout: &Layout,
) -> Result<(Weights, Option<Form>), CheckpointError> {
    archive::read(path, |archive, faults| {
        let ours = match flavour(archive) {
            Flavour::Checkpoint => checkpoint::inspect(archive, layout, faults)?,
            Flavour::Published => published::inspect(archive, layout, faults)?,
            Flavour::Mask | Flavour::Tensors => {
                let read = inspect(archive, layout, faults)?;
                return Ok(read.map(|(weights, form)| (weights, Some(form))));
            }
        };
        let weights = ours.map(|(state, _)| Weights {
            theta: state.theta,
            buffers: state.buffers,
            mask: Some(state.mask),
        });
        Ok(weights.map(|weights| (weights, None)))
    })
}

/// Whether nothing is in a file but masks: under names of theirs, or in a dictionary of them.
pub(crate) fn holds_masks_alone(archive: &Archive) -> bool {
    let mut names = archive.entries().map(|entry| entry.name.as_str()).peekable();
    flavour(archive) == Flavour::Mask || names.peek().is_some() && are_of_masks(names)
}

/// A `state_dict` in any dialect against the layout.
pub(crate) fn inspect(
    archive: &mut Archive,
    layout: &Layout,
    faults: &mut Vec<Fault>,
) -> Result<Option<(Weights, Form)>, CheckpointError> {
    let (names, misfit) = Names::of(
        archive.entries().map(|entry| entry.name.as_str()),
        archive.is_torch(),
        layout,
    );
    // One name too many or too few says itself what is wrong.
    let misfit = misfit.filter(|misfit| misfit.missing.len() + misfit.extra.len() > 1);
    let is_masks = holds_masks_alone(archive);
    faults.extend(misfit.map(|misfit| match is_masks {
        true => Fault::OnlyMasks,
        false => Fault::NoDialect(misfit),
    }));
    for name in &names.form.ignored {
        archive.take_any(name);
    }
    let mut theta = vec![0.0; layout.n_params()];
    let mut bits = vec![true; layout.n_prunable()];
    for param in layout.params() {
        let shapes = shapes(param);
        let shapes: Vec<_> = shapes.iter().map(Vec::as_slice).collect();
        let theirs = names.of_tensor(param.name());
        if let Some(entry) = archive.take(theirs, FLOATS, &shapes, faults) {
            theta[param.range()].copy_from_slice(&archive.floats(&entry, faults)?);
        }
        let mask = match (names.of_mask(param.name()), names.form.masks) {
            (Some((_, mask)), _) => mask.to_owned(),
            (None, Some(form)) if param.is_prunable() && needs_mask(form, param) => {
                names.mask_name(param.name(), form)
            }
            (None, _) => continue,
        };
        let Some(kept) = mask_file::read_one(archive, &mask, &shapes, faults)? else {
            continue;
        };
        for (weight, &kept) in theta[param.range()].iter_mut().zip(&kept) {
            if !kept {
                *weight = 0.0;
            }
        }
        if let Some(prunable) = param.prunable_range() {
            bits[prunable].copy_from_slice(&kept);
        }
    }
    let mut buffers = vec![0.0; layout.n_buffers()];
    for buffer in layout.buffers() {
        let shape = [buffer.range().len()];
        let theirs = names.of_tensor(buffer.name());
        if let Some(entry) = archive.take(theirs, FLOATS, &[&shape], faults) {
            let values = archive.floats(&entry, faults)?;
            faults.extend(not_a_variance(theirs, buffer.kind(), &values));
            buffers[buffer.range()].copy_from_slice(&values);
        }
    }
    archive.refuse_the_rest(faults);
    let weights = Weights {
        theta,
        buffers,
        mask: names.form.masks.map(|_| Mask::from_bools(bits)),
    };
    Ok(Some((weights, names.form)))
}

/// Whether a file with masks of this form has one of this weight.
fn needs_mask(form: MaskForm, param: &Param) -> bool {
    match form {
        MaskForm::TorchPrune => false,
        MaskForm::TurboPrune => !param.name().contains("downsample"),
        MaskForm::Dotted | MaskForm::Underscored | MaskForm::Dictionary => true,
    }
}

/// The shapes a tensor may have: TurboPrune makes 1 × 1 convolutions of linear layers.
pub(crate) fn shapes(param: &Param) -> Vec<Vec<usize>> {
    let shape = param.shape().to_vec();
    match param.kind() {
        ParamKind::Linear => {
            let with_one = [param.shape(), &[1]].concat();
            vec![shape, with_one]
        }
        ParamKind::Conv
        | ParamKind::Bias
        | ParamKind::NormScale
        | ParamKind::NormShift
        | ParamKind::Other => {
            vec![shape]
        }
    }
}

#[cfg(test)]
#[path = "foreign_tests.rs"]
mod tests;
