//! Networks that tests share, small enough for a pencil.

use crate::Probe;
use sculpt_layout::{Layout, ParamKind};
use sculpt_network::{FromFn, Mode, Network};
use tch::{Device, Kind, Tensor};

/// Two prunable weights and two classes: logits `x θ`, for images of one number.
pub(crate) fn linear() -> impl Network<Tensor> {
    let layout = Layout::builder()
        .prunable("fc.weight", &[2, 1], ParamKind::Linear)
        .build()
        .expect("one tensor");
    FromFn::new(layout, |theta: &Tensor, _: &Tensor, x: &Tensor, _: Mode| {
        x.matmul(&theta.view([1, 2]))
    })
}

/// `(t ln 6, t ln 2)`: divided by `t`, the logits of an image of 1 give the classes 6/8 and 2/8.
pub(crate) fn three_to_one(t: f64) -> Tensor {
    Tensor::from_slice(&[t * 6f64.ln(), t * 2f64.ln()])
}

/// f64, for networks without BatchNorm.
pub(crate) fn no_buffers() -> Tensor {
    Tensor::zeros([0], (Kind::Double, Device::Cpu))
}

/// Images of the number 1 with these labels, as one batch.
pub(crate) fn probe(labels: &[i64]) -> Probe {
    let ones = Tensor::ones([labels.len() as i64, 1], (Kind::Double, Device::Cpu));
    Probe::new([(ones, Tensor::from_slice(labels))]).expect("an image for each label")
}

#[track_caller]
pub(crate) fn assert_close(ours: &[f64], expected: &[f64]) {
    assert_eq!(ours.len(), expected.len());
    for (a, b) in ours.iter().zip(expected) {
        assert!((a - b).abs() < 1e-12, "{ours:?} for {expected:?}");
    }
}
