use crate::TrainError;
use sculpt_layout::Layout;
use sculpt_masks::Mask;
use tch::{Device, Kind, Tensor};

/// Everything that a step of training changes, on the training device, and the mask that it keeps.
#[derive(Debug)]
pub struct State {
    pub(crate) theta: Tensor,
    pub(crate) buffers: Tensor,
    pub(crate) momentum: Tensor,
    /// 0/1 over all of θ, f32.
    pub(crate) keep: Tensor,
    mask: Mask,
}

impl State {
    /// A state at the start of a cycle: momentum zero.
    ///
    /// # Errors
    /// A length that is not the layout's; a pruned weight that is not `+0.0`.
    pub fn new(
        layout: &Layout,
        theta: &[f32],
        buffers: &[f32],
        mask: &Mask,
        device: Device,
    ) -> Result<Self, TrainError> {
        Self::resumed(
            layout,
            theta,
            buffers,
            &vec![0.0; layout.n_params()],
            mask,
            device,
        )
    }

    /// A state in the middle of a cycle.
    ///
    /// # Errors
    /// As [`State::new`]; also for the momentum.
    pub fn resumed(
        layout: &Layout,
        theta: &[f32],
        buffers: &[f32],
        momentum: &[f32],
        mask: &Mask,
        device: Device,
    ) -> Result<Self, TrainError> {
        let lengths = [
            ("θ", theta.len(), layout.n_params()),
            ("the buffers", buffers.len(), layout.n_buffers()),
            ("the momentum", momentum.len(), layout.n_params()),
            ("the mask", mask.len(), layout.n_prunable()),
        ];
        for (what, found, expected) in lengths {
            if found != expected {
                return Err(TrainError::Length {
                    what,
                    found,
                    expected,
                });
            }
        }
        for values in [theta, momentum] {
            if let Some(index) = mask.first_violation(layout, values) {
                let tensor = tensor_at(layout, index);
                return Err(TrainError::PrunedNotZero {
                    index,
                    tensor,
                    value: values[index],
                });
            }
        }
        let place = |values: &[f32]| Tensor::from_slice(values).to_device(device);
        Ok(Self {
            theta: place(theta),
            buffers: place(buffers),
            momentum: place(momentum),
            keep: place(&mask.expand(layout)),
            mask: mask.clone(),
        })
    }

    /// The same tensors.
    pub(crate) fn shallow_clone(&self) -> Self {
        Self {
            theta: self.theta.shallow_clone(),
            buffers: self.buffers.shallow_clone(),
            momentum: self.momentum.shallow_clone(),
            keep: self.keep.shallow_clone(),
            mask: self.mask.clone(),
        }
    }

    /// θ, flat, on the training device.
    pub fn theta(&self) -> &Tensor {
        &self.theta
    }

    /// The BatchNorm running statistics, flat, on the training device.
    pub fn buffers(&self) -> &Tensor {
        &self.buffers
    }

    /// The mask, which training never changes.
    pub fn mask(&self) -> &Mask {
        &self.mask
    }

    /// θ, buffers and momentum as plain vectors.
    pub fn to_vecs(&self) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        (to_vec(&self.theta), to_vec(&self.buffers), to_vec(&self.momentum))
    }

    /// The first entry of θ, momentum or buffers that is no number: which vector, which tensor.
    pub(crate) fn first_not_finite(&self, layout: &Layout) -> Option<String> {
        let first = |vector: &Tensor| {
            let finite = vector.isfinite();
            // One number comes from the device as long as all is well.
            let all = finite.all().int64_value(&[]) == 1;
            (!all).then(|| finite.to_kind(Kind::Int64).argmin(0, false).int64_value(&[]) as usize)
        };
        for (what, vector) in [("a weight", &self.theta), ("the momentum", &self.momentum)] {
            if let Some(index) = first(vector) {
                return Some(format!("{what} of {}", tensor_at(layout, index)));
            }
        }
        let index = first(&self.buffers)?;
        let buffer = layout
            .buffers()
            .iter()
            .find(|buffer| buffer.range().contains(&index));
        Some(format!(
            "the statistic {}",
            buffer.map_or("of BatchNorm", |b| b.name())
        ))
    }

    /// Asserts that every pruned weight and its momentum are `+0.0`, by bit pattern.
    ///
    /// # Panics
    /// When one is not: a bug of this crate.
    pub(crate) fn assert_pruned_stay_zero(&self, layout: &Layout) {
        for (what, vector) in [("weight", &self.theta), ("momentum", &self.momentum)] {
            let values = to_vec(vector);
            if let Some(index) = self.mask.first_violation(layout, &values) {
                let tensor = tensor_at(layout, index);
                panic!(
                    "a pruned {what} moved: entry {index} ({tensor}) is {:e}, not +0.0",
                    values[index]
                );
            }
        }
    }
}

fn to_vec(tensor: &Tensor) -> Vec<f32> {
    let tensor = tensor
        .detach()
        .to_device(Device::Cpu)
        .to_kind(Kind::Float)
        .contiguous();
    let mut values = vec![0.0; tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values
}

fn tensor_at(layout: &Layout, index: usize) -> String {
    let found = layout.params().iter().find(|p| p.range().contains(&index));
    found.map_or_else(|| "no tensor".to_owned(), |p| p.name().to_owned())
}
