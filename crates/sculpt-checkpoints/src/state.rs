use crate::Fault;
use sculpt_layout::{BufferKind, Layout};
use sculpt_masks::Mask;

/// A sparse network's numbers: what a node of the store puts out.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// `θ`, `n_params` long; `+0.0` where the mask prunes.
    pub theta: Vec<f32>,
    /// BatchNorm running statistics, `n_buffers` long.
    pub buffers: Vec<f32>,
    /// `m` over the prunable coordinates.
    pub mask: Mask,
}

/// Weights from a file of any kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// `θ`, `n_params` long; `+0.0` where there is a mask that prunes.
    pub theta: Vec<f32>,
    /// BatchNorm running statistics, `n_buffers` long.
    pub buffers: Vec<f32>,
    /// The file's mask; a plain `state_dict` has none.
    pub mask: Option<Mask>,
}

impl State {
    /// Checks lengths, that all numbers are finite, and `+0.0` by bit pattern where the mask prunes.
    ///
    /// # Errors
    /// The first thing that is wrong, with tensor and index.
    pub fn check(&self, layout: &Layout) -> Result<(), Fault> {
        check_vectors(layout, &self.theta, &self.buffers)?;
        check_mask(layout, &self.mask)?;
        let mut faults = Vec::new();
        find_unmasked(layout, &self.theta, &self.mask, &mut faults);
        faults.into_iter().next().map_or(Ok(()), Err)
    }
}

/// Lengths and finiteness of the two flat vectors.
pub(crate) fn check_vectors(layout: &Layout, theta: &[f32], buffers: &[f32]) -> Result<(), Fault> {
    check_length("theta", theta.len(), layout.n_params())?;
    check_length("buffers", buffers.len(), layout.n_buffers())?;
    for param in layout.params() {
        check_finite(param.name(), &theta[param.range()])?;
    }
    for buffer in layout.buffers() {
        let values = &buffers[buffer.range()];
        check_finite(buffer.name(), values)?;
        not_a_variance(buffer.name(), buffer.kind(), values).map_or(Ok(()), Err)?;
    }
    Ok(())
}

/// The fault of a running variance below zero.
pub(crate) fn not_a_variance(tensor: &str, kind: BufferKind, values: &[f32]) -> Option<Fault> {
    match kind {
        BufferKind::RunningMean => None,
        BufferKind::RunningVar => {
            let is_wrong = |&(_, v): &(usize, &f32)| v.is_finite() && *v < 0.0;
            let mut wrong = values.iter().enumerate().filter(is_wrong);
            let (index, &value) = wrong.next()?;
            Some(Fault::NegativeVariance {
                tensor: tensor.to_owned(),
                index,
                value,
                count: 1 + wrong.count(),
            })
        }
    }
}

pub(crate) fn check_mask(layout: &Layout, mask: &Mask) -> Result<(), Fault> {
    check_length("mask", mask.len(), layout.n_prunable())
}

/// A fault for each tensor with a pruned weight that is not `+0.0`.
pub(crate) fn find_unmasked(layout: &Layout, theta: &[f32], mask: &Mask, faults: &mut Vec<Fault>) {
    for (param, prunable) in layout.prunable().filter_map(|p| Some((p, p.prunable_range()?))) {
        let weights = &theta[param.range()];
        let kept = |i: usize| mask.get(prunable.start + i);
        faults.extend(not_zero_under_mask(param.name(), weights, kept));
    }
}

/// The fault of a tensor with a pruned weight that is not `+0.0`.
pub(crate) fn not_zero_under_mask(
    tensor: &str,
    weights: &[f32],
    kept: impl Fn(usize) -> bool,
) -> Option<Fault> {
    let wrong = |&(i, w): &(usize, &f32)| w.to_bits() != 0 && !kept(i);
    let mut all_wrong = weights.iter().enumerate().filter(wrong);
    let (index, &value) = all_wrong.next()?;
    Some(Fault::NotZeroUnderMask {
        tensor: tensor.to_owned(),
        index,
        value,
        count: 1 + all_wrong.count(),
    })
}

fn check_length(what: &'static str, len: usize, expected: usize) -> Result<(), Fault> {
    if len == expected {
        Ok(())
    } else {
        Err(Fault::WrongLength { what, len, expected })
    }
}

/// All numbers of a tensor finite.
pub(crate) fn check_finite(tensor: &str, values: &[f32]) -> Result<(), Fault> {
    let mut wrong = values.iter().enumerate().filter(|(_, v)| !v.is_finite());
    match wrong.next() {
        None => Ok(()),
        Some((index, &value)) => Err(Fault::NotFinite {
            tensor: tensor.to_owned(),
            index,
            value: value.into(),
            count: 1 + wrong.count(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weight 2 × 2 and bias 2; the third weight is pruned.
    fn example() -> (Layout, State) {
        let layout = Layout::builder().linear("fc", 2, 2).build().unwrap();
        let state = State {
            theta: vec![1.0, -0.0, 0.0, 4.0, 5.0, 6.0],
            buffers: vec![],
            mask: Mask::from_bools(vec![true, true, false, true]),
        };
        (layout, state)
    }

    #[test]
    fn a_state_is_checked() {
        let (layout, state) = example();
        assert_eq!(state.check(&layout), Ok(()));
        let with = |i: usize, value: f32| {
            let mut state = state.clone();
            state.theta[i] = value;
            state.check(&layout).unwrap_err().to_string()
        };
        assert_eq!(
            with(2, -0.0),
            "tensor fc.weight holds -0.0 at index 2, where the mask asks for +0.0 (1 such values)"
        );
        assert_eq!(
            with(5, f32::NAN),
            "tensor fc.bias holds NaN at index 1 (1 such values)"
        );
        let short = State {
            theta: vec![0.0; 5],
            ..state
        };
        assert_eq!(
            short.check(&layout).unwrap_err().to_string(),
            "theta has 5 elements, the layout asks for 6"
        );
    }
}
