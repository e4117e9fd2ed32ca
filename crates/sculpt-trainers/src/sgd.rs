use crate::{State, TrainError};
use tch::Tensor;

/// A learning rate. Both make the same numbers.
#[derive(Clone, Copy)]
pub(crate) enum Rate<'a> {
    Number(f64),
    /// `[]` f32, on the training device: what a recorded step reads anew each time.
    OnDevice(&'a Tensor),
}

impl Rate<'_> {
    fn times(self, x: &Tensor) -> Tensor {
        match self {
            Self::Number(rate) => x * rate,
            Self::OnDevice(rate) => x * rate,
        }
    }
}

/// Stochastic gradient descent as PyTorch's `SGD` without dampening or Nesterov, on one flat vector.
///
/// | Name | Range | Paper's value | Where |
/// | --- | --- | --- | --- |
/// | momentum | [0, 1) | 0.9 | A.2, Table 1 |
/// | weight decay | [0, 1) | 1e-4; 1e-3 on CIFAR-100 | A.2, Table 1 |
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    momentum: f64,
    weight_decay: f64,
}

impl Sgd {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Momentum or weight decay not in [0, 1).
    pub fn new(momentum: f64, weight_decay: f64) -> Result<Self, TrainError> {
        for (what, value) in [("momentum", momentum), ("weight decay", weight_decay)] {
            if !(0.0..1.0).contains(&value) {
                return Err(TrainError::HyperParameter { what, value });
            }
        }
        Ok(Self {
            momentum,
            weight_decay,
        })
    }

    /// One step of the state in place. `gradient` is consumed.
    pub(crate) fn step(self, state: &mut State, mut gradient: Tensor, rate: Rate<'_>) {
        let State {
            theta,
            momentum,
            keep,
            ..
        } = state;
        // 0 · g may be −0.0; adding w · (+0.0) makes it +0.0, and so it stays below.
        let _ = gradient.g_mul_(keep);
        let _ = gradient.g_add_(&(&*theta * self.weight_decay));
        let _ = momentum.g_mul_scalar_(self.momentum).g_add_(&gradient);
        let _ = theta.g_sub_(&rate.times(momentum));
    }
}
