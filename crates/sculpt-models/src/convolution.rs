use std::sync::LazyLock;
use tch::{CModule, IValue, Tensor};

/// One method that calls `aten::convolution_backward`; written by `torchscript/make_convolution.py`.
static MODULE: LazyLock<CModule> = LazyLock::new(|| {
    let mut archive: &[u8] = include_bytes!("../torchscript/convolution.pt");
    CModule::load_data(&mut archive).expect("the archive is one of libtorch's own")
});

/// `input ∗ weight + bias` of images `[n, c, h, w]` and a weight `[out, in, kh, kw]`, with a square stride and padding;
/// differentiable as often as wanted.
///
/// For anybody's network, and to be preferred there to `Tensor::conv2d`: a 1 × 1 convolution with a stride goes over the
/// pixels that it looks at with a stride of 1. The numbers are the same. libtorch 2.11's oneDNN writes outside its memory in
/// the backward pass of the strided one, on channels-last images with few channels (8 at 56 × 56 pixels).
///
/// # Panics
/// When the shapes do not fit each other, or libtorch refuses the operation (no memory).
pub fn conv2d(input: &Tensor, weight: &Tensor, bias: Option<&Tensor>, stride: i64, padding: i64) -> Tensor {
    match Picked::of(weight, stride, padding) {
        None => input.conv2d(weight, bias, stride, padding, 1, 1),
        Some(picked) => picked.pick(input).conv2d(weight, bias, 1, 0, 1, 1),
    }
}

/// The derivatives of [`conv2d`], which `tch` has no function for: it does not bind `convolution_backward`, and going by
/// `run_backward` costs a pass over the images more for each. TorchScript has it.
///
/// For `g = ∂ℓ/∂y`: `∂ℓ/∂input`, `∂ℓ/∂weight` and `∂ℓ/∂bias`, those that are `wanted`; the others are undefined tensors.
pub(crate) fn backward(
    g: &Tensor,
    input: &Tensor,
    weight: &Tensor,
    stride: i64,
    padding: i64,
    wanted: [bool; 3],
) -> [Tensor; 3] {
    match Picked::of(weight, stride, padding) {
        None => call(g, input, weight, stride, padding, wanted),
        Some(picked) => {
            let [at_picked, weight, bias] = call(g, &picked.pick(input), weight, 1, 0, wanted);
            let at_input = if wanted[0] {
                picked.put_back(&at_picked, &input.size())
            } else {
                at_picked
            };
            [at_input, weight, bias]
        }
    }
}

fn call(
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

/// The pixels of padded images that a strided 1 × 1 convolution looks at.
struct Picked {
    stride: i64,
    padding: i64,
}

impl Picked {
    /// None: the convolution looks at more than them, or at all.
    fn of(weight: &Tensor, stride: i64, padding: i64) -> Option<Self> {
        let is_pointwise = weight.size()[2..] == [1, 1];
        (is_pointwise && stride > 1).then_some(Self { stride, padding })
    }

    /// `input[…, ::stride, ::stride]`. Sliced with the channels last, so that the gradient, which libtorch puts back into
    /// zeros, has them last too.
    fn pick(&self, input: &Tensor) -> Tensor {
        let p = self.padding;
        let padded = match p {
            0 => input.shallow_clone(),
            _ => input.constant_pad_nd([p, p, p, p]),
        };
        padded
            .permute([0, 2, 3, 1])
            .slice(1, None, None, self.stride)
            .slice(2, None, None, self.stride)
            .permute([0, 3, 1, 2])
    }

    /// The transpose of [`Self::pick`], into images of `size`.
    fn put_back(&self, picked: &Tensor, size: &[i64]) -> Tensor {
        let [n, channels, height, width] = [
            size[0],
            size[1],
            size[2] + 2 * self.padding,
            size[3] + 2 * self.padding,
        ];
        let rows = picked.size()[2];
        let last = i64::MAX;
        let wide = Tensor::slice_backward(
            &picked.permute([0, 2, 3, 1]),
            [n, rows, width, channels],
            2,
            0,
            last,
            self.stride,
        );
        Tensor::slice_backward(&wide, [n, height, width, channels], 1, 0, last, self.stride)
            .permute([0, 3, 1, 2])
            .narrow(2, self.padding, size[2])
            .narrow(3, self.padding, size[3])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    /// Whole numbers, so that sums are exact in any order: 1, 2, 3, … in rows of seven.
    fn counted(size: &[i64]) -> Tensor {
        let n: i64 = size.iter().product();
        Tensor::arange(n, (Kind::Float, Device::Cpu))
            .remainder(7)
            .view(size)
    }

    /// `y[n, o, i, j] = b[o] + Σ_c w[o, c] x[n, c, s·i − p, s·j − p]`, and its derivatives, by `einsum` over strided slices.
    #[track_caller]
    fn check(size: [i64; 4], n_out: i64, stride: i64, padding: i64) {
        let x = counted(&size);
        let w = counted(&[n_out, size[1], 1, 1]) - 3.0;
        let b = counted(&[n_out]);
        let p = padding;
        let picked = x
            .constant_pad_nd([p, p, p, p])
            .slice(2, None, None, stride)
            .slice(3, None, None, stride);
        let flat = w.view([n_out, size[1]]);
        let expected =
            Tensor::einsum("oc,nchw->nohw", &[&flat, &picked], None::<&[i64]>) + b.view([1, -1, 1, 1]);

        let (x, w, b) = (
            x.set_requires_grad(true),
            w.set_requires_grad(true),
            b.set_requires_grad(true),
        );
        let y = conv2d(&x, &w, Some(&b), stride, padding);
        assert_eq!(y, expected);
        let g = counted(&y.size()) - 2.0;
        let of_tape = Tensor::run_backward(&[&(&y * &g).sum(Kind::Float)], &[&x, &w, &b], false, false);
        let written = backward(&g, &x.detach(), &w.detach(), stride, padding, [true; 3]);
        for (ours, theirs) in written.iter().zip(&of_tape) {
            assert_eq!(ours, theirs);
        }
        let of_weight = Tensor::einsum("nohw,nchw->oc", &[&g, &picked], None::<&[i64]>);
        assert_eq!(written[1].view([n_out, size[1]]), of_weight);
        let of_picked = Tensor::einsum("nohw,oc->nchw", &[&g, &flat], None::<&[i64]>);
        let again = written[0]
            .constant_pad_nd([p, p, p, p])
            .slice(2, None, None, stride)
            .slice(3, None, None, stride);
        // Padding takes no gradient: only compared where there is none.
        if padding == 0 {
            assert_eq!(again, of_picked);
            assert_eq!(written[0].sum(Kind::Float), of_picked.sum(Kind::Float));
        }
    }

    #[test]
    fn strided_pointwise_convolutions_are_what_they_say() {
        check([2, 3, 4, 4], 5, 2, 0);
        check([1, 2, 7, 5], 3, 2, 0);
        check([1, 1, 5, 8], 2, 3, 0);
        check([2, 2, 4, 6], 3, 2, 1);
        check([1, 2, 5, 5], 2, 3, 2);
        check([2, 3, 4, 4], 5, 1, 0);
    }
}
