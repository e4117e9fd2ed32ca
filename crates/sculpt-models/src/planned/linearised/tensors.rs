use super::Moves;
use super::kernels::{Kernels, PulledBack, Term};
use crate::plan::{self, ConvNorm, MaxPool, mean_of_pixels};
use crate::planned::channels_last;
use crate::{conv2d, convolution};
use tch::Tensor;

/// libtorch's, on any device, in any kind of numbers.
///
/// A change of the gradient takes two forward and four backward convolutions for each layer; libtorch's own second derivative of a
/// convolution takes others, whose kernels are as large as the images.
pub(super) struct Tensors;

/// A pooling's input, and of what it puts out, `[n, channels, height, width]`, places in `height·width` of the input.
pub(super) struct Pooled {
    input: Tensor,
    indices: Tensor,
}

impl Kernels for Tensors {
    type Images = Tensor;
    type Weight = Tensor;
    type Pooled = Pooled;

    fn images(&self, batch: &Tensor) -> Tensor {
        channels_last(&batch.detach())
    }

    fn share(&self, x: &Tensor) -> Tensor {
        x.shallow_clone()
    }

    fn weights(&self, _: Moves, folded: Vec<Tensor>) -> Vec<Tensor> {
        folded.iter().map(channels_last).collect()
    }

    fn convolve(&self, conv: &ConvNorm, terms: &[(&Tensor, &Tensor)], bias: Option<&Tensor>) -> Tensor {
        let apply =
            |(x, weight): (&Tensor, &Tensor), bias| conv2d(x, weight, bias, conv.stride, conv.padding);
        let (first, others) = terms.split_first().expect("a sum has terms");
        let sum = |sum, &term: &(&Tensor, &Tensor)| plan::add(sum, &apply(term, None));
        others.iter().fold(apply(*first, bias), sum)
    }

    fn pull_back(
        &self,
        conv: &ConvNorm,
        terms: &[Term<'_, Self>],
        asks_for_input: bool,
    ) -> PulledBack<Tensor> {
        let back = |term: &Term<'_, Self>, asks_for_bias| {
            let wanted = [asks_for_input, true, asks_for_bias];
            convolution::backward(term.g, term.x, term.weight, conv.stride, conv.padding, wanted)
        };
        let (first, others) = terms.split_first().expect("a sum has terms");
        let [mut at_input, mut at_weight, at_bias] = back(first, true);
        for term in others {
            let [more_at_input, more_at_weight, _] = back(term, false);
            if asks_for_input {
                at_input += more_at_input;
            }
            at_weight += more_at_weight;
        }
        PulledBack {
            at_input: asks_for_input.then_some(at_input),
            at_weight,
            at_bias,
        }
    }

    fn add(&self, y: Tensor, x: &Tensor) -> Tensor {
        plan::add(y, x)
    }

    fn relu(&self, mut x: Tensor) -> Tensor {
        x.relu_()
    }

    /// In place.
    fn gate(&self, output: &Tensor, x: Tensor) -> Tensor {
        output.threshold_backward_grad_input(&x, &x, 0.0)
    }

    fn max_pool(&self, pool: &MaxPool, x: &Tensor) -> (Tensor, Pooled) {
        let [kernel, stride, padding] = pool.sides();
        let (output, indices) = x.max_pool2d_with_indices(kernel, stride, padding, [1, 1], false);
        let input = x.shallow_clone();
        (output, Pooled { input, indices })
    }

    fn max_pool_along(&self, _: &MaxPool, pooled: &Pooled, dx: &Tensor) -> Tensor {
        let indices = &pooled.indices;
        let flat = dx.flatten(2, 3).gather(2, &indices.flatten(2, 3), false);
        channels_last(&flat.view_as(indices))
    }

    fn max_pool_back(&self, pool: &MaxPool, pooled: &Pooled, g: &Tensor) -> Tensor {
        let [kernel, stride, padding] = pool.sides();
        let Pooled { input, indices } = pooled;
        input.max_pool2d_with_indices_backward(g, kernel, stride, padding, [1, 1], false, indices)
    }

    fn add_subsampled(&self, y: Tensor, x: &Tensor) -> Tensor {
        plan::add_subsampled(y, x)
    }

    fn subsampled_back(&self, g: &Tensor, x: &Tensor) -> Tensor {
        let size = x.size();
        let (n_in, n_out) = (size[1], g.size()[1]);
        let kept = g.narrow(1, (n_out - n_in) / 2, n_in);
        let columns = [size[0], n_in, kept.size()[2], size[3]];
        let wide = Tensor::slice_backward(&kept, columns, 3, 0, i64::MAX, 2);
        Tensor::slice_backward(&wide, &size[..], 2, 0, i64::MAX, 2)
    }

    fn mean_of_pixels(&self, x: &Tensor) -> Tensor {
        mean_of_pixels(x)
    }

    fn mean_of_pixels_back(&self, at_mean: &Tensor, x: &Tensor) -> Tensor {
        let size = x.size();
        let share = at_mean / (size[2] * size[3]) as f64;
        channels_last(&share.unsqueeze(-1).unsqueeze(-1).expand(&size, false))
    }
}
