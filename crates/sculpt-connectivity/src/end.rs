use crate::ConnectivityError;
use sculpt_layout::{Buffer, Layout, Param};
use std::ops::Range;
use tch::{Kind, Tensor, no_grad};

/// One end of a line: a network's weights and running statistics, checked.
#[derive(Debug)]
pub struct End {
    pub(crate) theta: Tensor,
    pub(crate) buffers: Tensor,
}

impl End {
    /// `theta` `[n_params]` and `buffers` `[n_buffers]` of a network of this layout, both f32 or both f64, on
    /// one device. Pruned weights are expected at `+0.0`, and not looked for.
    ///
    /// # Errors
    /// Another shape, kind or device; a number that is not finite.
    pub fn new(layout: &Layout, theta: Tensor, buffers: Tensor) -> Result<Self, ConnectivityError> {
        let vectors = [
            ("θ", &theta, layout.n_params()),
            ("the buffer vector", &buffers, layout.n_buffers()),
        ];
        for (what, vector, expected) in vectors {
            if vector.size() != [expected as i64] {
                let found = vector.size();
                return Err(ConnectivityError::Shape {
                    what,
                    found,
                    expected,
                });
            }
        }
        match (theta.kind(), buffers.kind()) {
            (Kind::Float, Kind::Float) | (Kind::Double, Kind::Double) => {}
            (theta, buffers) => return Err(ConnectivityError::Kinds { theta, buffers }),
        }
        if buffers.device() != theta.device() {
            return Err(ConnectivityError::Device {
                what: "the buffer vector",
                found: buffers.device(),
                expected: theta.device(),
            });
        }
        let params = layout.params().iter().map(|p: &Param| (p.name(), p.range()));
        check_finite(&theta, params)?;
        check_finite(&buffers, named_buffers(layout))?;
        Ok(Self {
            theta: theta.detach(),
            buffers: buffers.detach(),
        })
    }
}

/// Name and place of each buffer.
pub(crate) fn named_buffers(layout: &Layout) -> impl Iterator<Item = (&str, Range<usize>)> {
    layout.buffers().iter().map(|b: &Buffer| (b.name(), b.range()))
}

/// The first number that is not finite: its tensor, place there and value.
pub(crate) fn check_finite<'l>(
    vector: &Tensor,
    mut tensors: impl Iterator<Item = (&'l str, Range<usize>)>,
) -> Result<(), ConnectivityError> {
    let finite = no_grad(|| vector.isfinite());
    if finite.all().int64_value(&[]) == 1 {
        return Ok(());
    }
    let index = finite.to_kind(Kind::Int).argmin(0, false).int64_value(&[]) as usize;
    let (tensor, range) = tensors
        .find(|(_, range)| range.contains(&index))
        .expect("the tensors of a layout lie one behind the other");
    Err(ConnectivityError::NotFinite {
        tensor: tensor.to_owned(),
        index: index - range.start,
        value: vector.double_value(&[index as i64]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    /// θ: bn1.weight 0..2, bn1.bias 2..4, fc.weight 4..6, fc.bias 6. Buffers: mean 0..2, variance 2..4.
    fn layout() -> Layout {
        let builder = Layout::builder().batch_norm("bn1", 2).linear("fc", 1, 2);
        builder.build().unwrap()
    }

    #[track_caller]
    fn check_refused(theta: &Tensor, buffers: &Tensor, message: &str) {
        let refused = End::new(&layout(), theta.shallow_clone(), buffers.shallow_clone());
        assert_eq!(refused.unwrap_err().to_string(), message);
    }

    #[test]
    fn bad_ends_are_refused() {
        let zeros = |n: i64, kind| Tensor::zeros([n], (kind, Device::Cpu));
        let (theta, buffers) = (zeros(7, Kind::Float), zeros(4, Kind::Float));
        let layout = layout();
        assert!(End::new(&layout, theta.copy(), buffers.copy()).is_ok());
        check_refused(
            &zeros(8, Kind::Float),
            &buffers,
            "θ has shape [8] where the network has [7]",
        );
        check_refused(
            &theta,
            &buffers.view([2, 2]),
            "the buffer vector has shape [2, 2] where the network has [4]",
        );
        check_refused(
            &zeros(7, Kind::BFloat16),
            &buffers,
            "θ is BFloat16 and the buffer vector Float: both must be Float, or both Double",
        );
        check_refused(
            &theta,
            &zeros(4, Kind::Double),
            "θ is Float and the buffer vector Double: both must be Float, or both Double",
        );
        let with = |vector: &Tensor, index: i64, value: f64| {
            let changed = vector.copy();
            let _ = changed.get(index).fill_(value);
            changed
        };
        check_refused(&with(&theta, 5, f64::NAN), &buffers, "fc.weight holds NaN at 1");
        check_refused(
            &theta,
            &with(&buffers, 2, f64::NEG_INFINITY),
            "bn1.running_var holds -inf at 0",
        );
    }
}
