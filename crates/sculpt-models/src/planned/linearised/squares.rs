use super::LinearisedNetwork;
use super::point::{Point, along_outputs};
use super::tensors::Tensors;
use crate::convolution;
use crate::plan::ConvNorm;
use tch::{Kind, Tensor, no_grad};

/// Numbers of gradients that are held at once.
const GRADIENTS: usize = 64 << 20;

/// Numbers of patches of images at once on a CPU: few enough to stay in its cache, from which they are multiplied.
const PATCHES: i64 = 1 << 20;

/// Numbers of weights' gradients at once, an image's and a `u`'s each for itself.
const APART: i64 = 16 << 20;

impl LinearisedNetwork<'_, Tensors> {
    /// [`Linearised::squares`](sculpt_network::Linearised::squares): the gradients go back for all images together, and only where a
    /// weight's gradient sums over images is each kept apart, by a product of matrices for each.
    pub(super) fn sum_of_squares(&self, us: &[Tensor]) -> Tensor {
        no_grad(|| {
            let one: usize = self.layers.iter().map(|layer| layer.input.numel()).sum();
            let Point { network, params, .. } = &self.point;
            let weights = network.plan.convs().map(|conv| params[conv.weight].numel());
            let widest = weights.max().unwrap_or(1);
            let together = (GRADIENTS / one.max(1))
                .min(APART as usize / widest.max(1))
                .max(1);
            let mut sum = Tensor::cat(params, 0).zeros_like();
            for us in us.chunks(together) {
                sum += self.sum_of_squares_together(us);
            }
            sum
        })
    }

    fn sum_of_squares_together(&self, us: &[Tensor]) -> Tensor {
        let fc = self.point.classifier(&self.point.params);
        let mut gradients: Vec<Vec<Tensor>> = self.layers.iter().map(|_| Vec::new()).collect();
        for u in us {
            self.backward(&u.detach().matmul(&fc), |conv, g| {
                let at_input = self.at_input(conv, &g);
                gradients[conv.number].push(g);
                Some(at_input)
            });
        }
        let mut squares: Vec<_> = self.point.params.iter().map(|_| Tensor::new()).collect();
        for conv in self.point.network.plan.convs() {
            self.squares_of(conv, &gradients[conv.number], &mut squares);
            gradients[conv.number].clear();
        }
        let fc = self.point.network.plan.classifier;
        let of_u = Tensor::stack(us, 0).detach().square();
        squares[fc] = of_u
            .sum_dim_intlist([0i64].as_slice(), false, None::<Kind>)
            .tr()
            .matmul(&self.pooled.square())
            .reshape([-1]);
        squares[fc + 1] = of_u.sum_dim_intlist([0i64, 1].as_slice(), false, None::<Kind>);
        Tensor::cat(&squares, 0)
    }

    fn at_input(&self, conv: &ConvNorm, g: &Tensor) -> Tensor {
        let layer = &self.layers[conv.number];
        let wanted = [conv.number > 0, false, false];
        let [at_input, ..] =
            convolution::backward(g, &layer.input, &layer.weight, conv.stride, conv.padding, wanted);
        at_input
    }

    /// Of one layer, for the gradients `[n, n_out, h, w]` at its output, one of each `u`.
    fn squares_of(&self, conv: &ConvNorm, gradients: &[Tensor], squares: &mut [Tensor]) {
        let (layer, folding) = (&self.layers[conv.number], &self.point.foldings[conv.number]);
        let weight = self.point.shaped(&self.point.params, conv.weight);
        let [n_out, n_in, k, _] = weight.size()[..] else {
            unreachable!("a convolution has four dimensions")
        };
        let n = layer.input.size()[0];
        let [_, _, height, width] = gradients[0].size()[..] else {
            unreachable!("images have four dimensions")
        };
        // `[n_out, k·k·n_in]`, as patches are.
        let flat = weight.permute([0, 2, 3, 1]).reshape([n_out, -1]);
        let padding = conv.padding;
        let padded = layer
            .input
            .constant_pad_nd([padding, padding, padding, padding])
            .permute([0, 2, 3, 1])
            .contiguous();
        let apart = APART / (gradients.len() as i64 * flat.numel() as i64);
        let most = if layer.input.device().is_cuda() {
            APART
        } else {
            PATCHES
        };
        let at_once = (most / (height * width * k * k * n_in)).min(apart).clamp(1, n);

        let mut of_weight = flat.zeros_like();
        let mut of_shift = folding.factor.zeros_like();
        let mut of_scale = folding.factor.zeros_like();
        let columns = [0i64];
        let sum = |x: Tensor| x.sum_dim_intlist(columns.as_slice(), false, None::<Kind>);
        for first in (0..n).step_by(at_once as usize) {
            let len = at_once.min(n - first);
            let patches = patches(&padded.narrow(0, first, len), conv.stride, [height, width], k);
            let parts: Vec<_> = gradients
                .iter()
                .map(|g| {
                    g.narrow(0, first, len)
                        .permute([0, 2, 3, 1])
                        .reshape([len, height * width, n_out])
                })
                .collect();
            // `[len, pixels, us · n_out]`.
            let g = Tensor::cat(&parts, 2);
            let shift = g
                .sum_dim_intlist([1i64].as_slice(), false, None::<Kind>)
                .view([-1, n_out]);
            let folded = g.transpose(1, 2).bmm(&patches).view([-1, n_out, k * k * n_in]);
            let along = (&folded * &flat).sum_dim_intlist([2i64].as_slice(), false, None::<Kind>);
            of_scale += sum((along + &shift * &folding.offset).square());
            of_shift += sum(shift.square());
            of_weight += sum(folded.square());
        }
        let of_weight = of_weight.view([n_out, k, k, n_in]).permute([0, 3, 1, 2]);
        squares[conv.weight] = (of_weight * along_outputs(&folding.factor.square())).reshape([-1]);
        if let Some(own) = conv.bias() {
            squares[own] = &of_shift * folding.factor.square();
        }
        squares[conv.scale()] = of_scale * folding.inverse.square();
        squares[conv.scale() + 1] = of_shift;
    }
}

/// What a kernel of `k` by `k` sees at each pixel of what it puts out: of images `[n, h, w, c]`, padded, `[n, pixels, k·k·c]`.
fn patches(padded: &Tensor, stride: i64, out: [i64; 2], k: i64) -> Tensor {
    let [n, height, width, channels] = padded.size()[..] else {
        unreachable!("images have four dimensions")
    };
    let row = width * channels;
    padded
        .as_strided(
            [n, out[0], out[1], k, k, channels],
            [height * row, stride * row, stride * channels, row, channels, 1],
            None,
        )
        .reshape([n, out[0] * out[1], k * k * channels])
}
