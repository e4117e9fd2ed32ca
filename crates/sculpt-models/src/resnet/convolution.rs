//! The derivatives of a convolution, which `tch` has no function for: it does not bind `convolution_backward`, and
//! going by `run_backward` costs a pass over the images more for each. TorchScript has it.

use std::sync::LazyLock;
use tch::{CModule, IValue, Tensor};

/// One method that calls `aten::convolution_backward`; written by `torchscript/make_convolution.py`.
static MODULE: LazyLock<CModule> = LazyLock::new(|| {
    let mut archive: &[u8] = include_bytes!("../../torchscript/convolution.pt");
    CModule::load_data(&mut archive).expect("the archive is one of libtorch's own")
});

/// For `y = input ∗ weight + bias` with a square stride and padding, and `g = ∂ℓ/∂y`: `∂ℓ/∂input`, `∂ℓ/∂weight` and
/// `∂ℓ/∂bias`, those that are `wanted`; the others are undefined tensors.
pub(super) fn backward(
    g: &Tensor,
    input: &Tensor,
    weight: &Tensor,
    stride: i64,
    padding: i64,
    wanted: [bool; 3],
) -> [Tensor; 3] {
    let tensor = |x: &Tensor| IValue::Tensor(x.shallow_clone());
    let arguments = [
        tensor(g),
        tensor(input),
        tensor(weight),
        IValue::Int(stride),
        IValue::Int(padding),
        IValue::BoolList(wanted.to_vec()),
    ];
    let gradients = MODULE
        .method_is("backward", &arguments)
        .unwrap_or_else(|error| panic!("convolution_backward: {error}"));
    <(Tensor, Tensor, Tensor)>::try_from(gradients)
        .expect("the method returns three tensors")
        .into()
}
