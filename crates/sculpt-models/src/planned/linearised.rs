mod squares;

use super::{Folding, PlannedNetwork, channels_last};
use crate::plan::{Block, ConvNorm, Forward, Join, MaxPool, Step, mean_of_pixels};
use crate::{conv2d, convolution};
use sculpt_network::{Differentiated, Linearised};
use tch::{Kind, Tensor, no_grad};

/// A folded network at one point on one batch, all that its derivatives share kept in memory.
///
/// Everything between the ReLUs is linear or bilinear, so the derivatives are written as the same convolutions
/// again: a change of the gradient takes two forward and four backward ones for each layer. libtorch's own second
/// derivative of a convolution takes others, whose kernels are as large as the images.
pub(super) struct LinearisedNetwork<'a> {
    network: &'a PlannedNetwork,
    /// Views of `θ`.
    params: Vec<Tensor>,
    /// By [`ConvNorm::number`].
    layers: Vec<Layer>,
    /// By [`MaxPool::number`].
    pools: Vec<Pooled>,
    /// Of the features behind the last step.
    feature_size: Vec<i64>,
    /// Their mean over all pixels, `[n, channels]`.
    pooled: Tensor,
    logits: Tensor,
    /// What was pulled back last.
    u: Option<Tensor>,
}

/// A folded convolution, `y = x ∗ w·γ/σ + β + (b − μ)·γ/σ`.
struct Layer {
    /// `b − μ`.
    offset: Tensor,
    /// `1/σ`.
    inverse: Tensor,
    /// `γ/σ`.
    factor: Tensor,
    /// `w·γ/σ`.
    weight: Tensor,
    /// `x`.
    input: Tensor,
    /// What comes out of the ReLU behind it, or behind the block that it ends.
    behind_relu: Option<Tensor>,
    pulled: Option<Pulled>,
}

/// What [`Linearised::pull_back`] finds at a layer: `g = ∂(u·z)/∂y` and its sums.
struct Pulled {
    g: Tensor,
    folded: Folded,
}

/// Something for each number of `w`, `b`, `γ` and `β`, flat.
struct Unfolded {
    weight: Tensor,
    bias: Option<Tensor>,
    scale: Tensor,
    shift: Tensor,
}

impl Unfolded {
    /// To their places among those of all parameters.
    fn put(self, conv: &ConvNorm, all: &mut [Tensor]) {
        all[conv.weight] = self.weight;
        if let (Some(place), Some(bias)) = (conv.bias(), self.bias) {
            all[place] = bias;
        }
        all[conv.scale()] = self.scale;
        all[conv.scale() + 1] = self.shift;
    }
}

/// Something for each number of a folded weight, in its shape, and of a folded bias.
struct Folded {
    weight: Tensor,
    bias: Tensor,
}

struct Pooled {
    input: Tensor,
    /// Of the largest, `[n, channels, height, width]`, into `height·width` of the input.
    indices: Tensor,
}

impl<'a> LinearisedNetwork<'a> {
    pub(super) fn new(
        network: &'a PlannedNetwork,
        theta: &Tensor,
        buffers: &Tensor,
        images: &Tensor,
    ) -> Self {
        no_grad(|| {
            let running = buffers.split_with_sizes(&network.buffer_sizes[..], 0);
            let mut pass = Values {
                of: Self {
                    network,
                    params: theta.detach().split_with_sizes(&network.param_sizes[..], 0),
                    layers: Vec::new(),
                    pools: Vec::new(),
                    feature_size: Vec::new(),
                    pooled: Tensor::new(),
                    logits: Tensor::new(),
                    u: None,
                },
                running,
            };
            let logits = network.plan.forward(&mut pass, &channels_last(&images.detach()));
            Self { logits, ..pass.of }
        })
    }

    /// `w`, `γ` or another parameter in its shape, of `all` parameters.
    fn shaped(&self, all: &[Tensor], param: usize) -> Tensor {
        all[param].view(&self.network.param_shapes[param][..])
    }

    fn classifier(&self, all: &[Tensor]) -> Tensor {
        self.shaped(all, self.network.plan.classifier)
    }

    /// The change of a layer's folded weight and bias with that of `w`, `b`, `γ` and `β`.
    fn fold(&self, conv: &ConvNorm, direction: &[Tensor]) -> Folded {
        let layer = &self.layers[conv.number];
        let change = &direction[conv.scale()] * &layer.inverse;
        let weight = self.shaped(direction, conv.weight) * along_outputs(&layer.factor)
            + self.shaped(&self.params, conv.weight) * along_outputs(&change);
        let mut bias = &direction[conv.scale() + 1] + &layer.offset * change;
        if let Some(own) = conv.bias() {
            bias += &direction[own] * &layer.factor;
        }
        Folded {
            weight: channels_last(&weight),
            bias,
        }
    }

    /// The transpose of [`Self::fold`].
    fn unfold(&self, conv: &ConvNorm, gradient: &Folded) -> Unfolded {
        let layer = &self.layers[conv.number];
        let weight = &gradient.weight * along_outputs(&layer.factor);
        let scale = sum_of_outputs(&(&gradient.weight * self.shaped(&self.params, conv.weight)))
            + &gradient.bias * &layer.offset;
        Unfolded {
            weight: weight.reshape([-1]),
            bias: conv.bias().map(|_| &gradient.bias * &layer.factor),
            scale: scale * &layer.inverse,
            shift: gradient.bias.shallow_clone(),
        }
    }

    /// From the pooled features back to the images, `at_convolution` from a layer's output to its input; the rest is
    /// linear, given what the ReLUs and the pooling let pass.
    fn backward(&self, at_pooled: &Tensor, mut at_convolution: impl FnMut(&ConvNorm, Tensor) -> Tensor) {
        let size = &self.feature_size;
        let share = at_pooled / (size[2] * size[3]) as f64;
        let mut g = channels_last(&share.unsqueeze(-1).unsqueeze(-1).expand(size, false));
        for step in self.network.plan.steps.iter().rev() {
            g = match step {
                Step::ConvNorm(conv) => at_convolution(conv, self.through_relu(conv, g)),
                Step::MaxPool(pool) => {
                    let [kernel, stride, padding] = pool.sides();
                    let Pooled { input, indices } = &self.pools[pool.number];
                    input.max_pool2d_with_indices_backward(
                        &g,
                        kernel,
                        stride,
                        padding,
                        [1, 1],
                        false,
                        indices,
                    )
                }
                Step::Block(block) => self.backward_of_block(block, g, &mut at_convolution),
            };
        }
    }

    fn backward_of_block(
        &self,
        block: &Block,
        g: Tensor,
        at_convolution: &mut impl FnMut(&ConvNorm, Tensor) -> Tensor,
    ) -> Tensor {
        let (first, last) = block.convs();
        let mut g = self.through_relu(last, g);
        let beside = match &block.shortcut {
            Join::Same => g.shallow_clone(),
            Join::Project(conv) => at_convolution(conv, g.shallow_clone()),
            Join::Subsample { n_in, n_out } => self.subsample_transposed(block, &g, *n_in, *n_out),
        };
        g = at_convolution(last, g);
        for conv in first.iter().rev() {
            g = at_convolution(conv, self.through_relu(conv, g));
        }
        g += beside;
        g
    }

    fn behind_relu(&self, conv: &ConvNorm) -> &Tensor {
        let output = &self.layers[conv.number].behind_relu;
        output
            .as_ref()
            .expect("a ReLU follows, which the forward pass went through")
    }

    /// `x` where the ReLU lets pass, 0 elsewhere, in place: its derivative, either way.
    fn through_relu(&self, conv: &ConvNorm, x: Tensor) -> Tensor {
        self.behind_relu(conv).threshold_backward_grad_input(&x, &x, 0.0)
    }

    /// The transpose of [`Join::Subsample`].
    fn subsample_transposed(&self, block: &Block, g: &Tensor, n_in: i64, n_out: i64) -> Tensor {
        let size = self.layers[block.convs[0].number].input.size();
        let kept = g.narrow(1, (n_out - n_in) / 2, n_in);
        let columns = [size[0], n_in, kept.size()[2], size[3]];
        let wide = Tensor::slice_backward(&kept, columns, 3, 0, i64::MAX, 2);
        Tensor::slice_backward(&wide, &size[..], 2, 0, i64::MAX, 2)
    }
}

impl Differentiated<Tensor> for LinearisedNetwork<'_> {
    fn logits(&self) -> &Tensor {
        &self.logits
    }

    fn pull_back(&mut self, u: &Tensor) -> Tensor {
        no_grad(|| {
            let mut pulled: Vec<Option<Pulled>> = self.layers.iter().map(|_| None).collect();
            let mut gradient: Vec<_> = self.params.iter().map(|_| Tensor::new()).collect();
            let u = u.detach();
            self.backward(&u.matmul(&self.classifier(&self.params)), |conv, g| {
                let layer = &self.layers[conv.number];
                let (at_input, folded) = conv.backward(&g, &layer.input, &layer.weight);
                self.unfold(conv, &folded).put(conv, &mut gradient);
                pulled[conv.number] = Some(Pulled { g, folded });
                at_input
            });
            for (layer, pulled) in self.layers.iter_mut().zip(pulled) {
                layer.pulled = pulled;
            }
            let fc = self.network.plan.classifier;
            gradient[fc] = u.tr().matmul(&self.pooled).reshape([-1]);
            gradient[fc + 1] = sum_of_rows(&u);
            self.u = Some(u);
            Tensor::cat(&gradient, 0)
        })
    }
}

impl Linearised<Tensor> for LinearisedNetwork<'_> {
    fn change_along(&self, v: &Tensor, change_of_u: &dyn Fn(&Tensor) -> Tensor) -> Tensor {
        no_grad(|| {
            let direction = v.detach().split_with_sizes(&self.network.param_sizes[..], 0);
            let mut tangents = Tangents {
                of: self,
                direction: &direction,
                layers: Vec::new(),
                pooled: Tensor::new(),
            };
            // The images stay.
            let dz = self.network.plan.forward(&mut tangents, &Tensor::new());
            let du = change_of_u(&dz);

            let mut change: Vec<_> = self.params.iter().map(|_| Tensor::new()).collect();
            let fc = self.network.plan.classifier;
            let mut at_pooled = du.matmul(&self.classifier(&self.params));
            let mut of_fc = du.tr().matmul(&self.pooled);
            if let Some(u) = &self.u {
                at_pooled += u.matmul(&self.classifier(&direction));
                of_fc += u.tr().matmul(&tangents.pooled);
            }
            (change[fc], change[fc + 1]) = (of_fc.reshape([-1]), sum_of_rows(&du));
            self.backward(&at_pooled, |conv, dg| {
                let (layer, moved) = (&self.layers[conv.number], &tangents.layers[conv.number]);
                let (mut at_input, mut folded) = conv.backward(&dg, &layer.input, &layer.weight);
                if let (Some(pulled), Some(dx)) = (&layer.pulled, &moved.input) {
                    let [more, of_weight] = conv.backward_of_product(&pulled.g, dx, &moved.folded.weight);
                    at_input += more;
                    folded.weight += of_weight;
                }
                let mut unfolded = self.unfold(conv, &folded);
                if let Some(pulled) = &layer.pulled {
                    // The folded weight w·γ/σ and the folded bias β + (b − μ)·γ/σ are bilinear themselves.
                    let Folded {
                        weight: g,
                        bias: at_bias,
                    } = &pulled.folded;
                    let factor = &direction[conv.scale()] * &layer.inverse;
                    unfolded.weight += (g * along_outputs(&factor)).reshape([-1]);
                    let along = self.shaped(&direction, conv.weight);
                    unfolded.scale += sum_of_outputs(&(g * along)) * &layer.inverse;
                    if let (Some(bias), Some(own)) = (&mut unfolded.bias, conv.bias()) {
                        *bias += at_bias * &factor;
                        unfolded.scale += at_bias * &direction[own] * &layer.inverse;
                    }
                }
                unfolded.put(conv, &mut change);
                at_input
            });
            Tensor::cat(&change, 0)
        })
    }

    fn squares(&self, us: &[Tensor]) -> Option<Tensor> {
        Some(self.sum_of_squares(us))
    }

    /// Each parameter is of one layer, which every path passes once.
    fn is_affine_in_each(&self) -> bool {
        self.network.plan.steps.iter().all(|step| match step {
            Step::ConvNorm(_) | Step::MaxPool(_) | Step::Block(_) => true,
        })
    }
}

/// The forward pass of the values, which notes what derivatives need.
struct Values<'a> {
    of: LinearisedNetwork<'a>,
    running: Vec<Tensor>,
}

impl Forward for Values<'_> {
    fn conv_norm(&mut self, conv: &ConvNorm, x: &Tensor) -> Tensor {
        let folding = Folding::new(self.of.network, conv, &self.of.params, &self.running);
        let weight = channels_last(&folding.weight);
        let y = conv.apply(x, &weight, Some(&folding.bias));
        assert_eq!(self.of.layers.len(), conv.number, "layers are passed in order");
        self.of.layers.push(Layer {
            offset: folding.offset,
            inverse: folding.inverse,
            factor: folding.factor,
            weight,
            input: x.shallow_clone(),
            behind_relu: None,
            pulled: None,
        });
        y
    }

    fn relu(&mut self, last: &ConvNorm, mut x: Tensor) -> Tensor {
        let output = x.relu_();
        self.of.layers[last.number].behind_relu = Some(output.shallow_clone());
        output
    }

    fn max_pool(&mut self, pool: &MaxPool, x: &Tensor) -> Tensor {
        let [kernel, stride, padding] = pool.sides();
        let (output, indices) = x.max_pool2d_with_indices(kernel, stride, padding, [1, 1], false);
        let input = x.shallow_clone();
        assert_eq!(self.of.pools.len(), pool.number, "poolings are passed in order");
        self.of.pools.push(Pooled { input, indices });
        output
    }

    fn classify(&mut self, features: &Tensor) -> Tensor {
        self.of.feature_size = features.size();
        self.of.pooled = mean_of_pixels(features);
        let bias = &self.of.params[self.of.network.plan.classifier + 1];
        let weight = self.of.classifier(&self.of.params);
        self.of.pooled.linear(&weight, Some(bias))
    }
}

/// The forward pass of the values' change along a direction.
struct Tangents<'a> {
    of: &'a LinearisedNetwork<'a>,
    direction: &'a [Tensor],
    /// By [`ConvNorm::number`].
    layers: Vec<Moved>,
    pooled: Tensor,
}

/// Changes at a layer.
struct Moved {
    /// None: the images.
    input: Option<Tensor>,
    folded: Folded,
}

impl Forward for Tangents<'_> {
    fn conv_norm(&mut self, conv: &ConvNorm, dx: &Tensor) -> Tensor {
        let layer = &self.of.layers[conv.number];
        let folded = self.of.fold(conv, self.direction);
        let mut dy = conv.apply(&layer.input, &folded.weight, Some(&folded.bias));
        let input = dx.defined().then(|| dx.shallow_clone());
        if let Some(dx) = &input {
            dy += conv.apply(dx, &layer.weight, None);
        }
        self.layers.push(Moved { input, folded });
        dy
    }

    fn relu(&mut self, last: &ConvNorm, dx: Tensor) -> Tensor {
        self.of.through_relu(last, dx)
    }

    fn max_pool(&mut self, pool: &MaxPool, dx: &Tensor) -> Tensor {
        let indices = &self.of.pools[pool.number].indices;
        let flat = dx.flatten(2, 3).gather(2, &indices.flatten(2, 3), false);
        channels_last(&flat.view_as(indices))
    }

    fn classify(&mut self, d_features: &Tensor) -> Tensor {
        let classifier = self.of.network.plan.classifier;
        self.pooled = mean_of_pixels(d_features);
        self.pooled.matmul(&self.of.classifier(&self.of.params).tr())
            + self.of.pooled.linear(
                &self.of.classifier(self.direction),
                Some(&self.direction[classifier + 1]),
            )
    }
}

impl ConvNorm {
    fn apply(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
        conv2d(x, weight, bias, self.stride, self.padding)
    }

    /// From the gradient at the output to those at input, weight and bias.
    fn backward(&self, g: &Tensor, x: &Tensor, weight: &Tensor) -> (Tensor, Folded) {
        // Nobody asks for the gradient at the images.
        let wanted = [self.number > 0, true, true];
        let [input, weight, bias] = convolution::backward(g, x, weight, self.stride, self.padding, wanted);
        (input, Folded { weight, bias })
    }

    /// The same without the bias.
    fn backward_of_product(&self, g: &Tensor, x: &Tensor, weight: &Tensor) -> [Tensor; 2] {
        let wanted = [true, true, false];
        let [input, weight, _] = convolution::backward(g, x, weight, self.stride, self.padding, wanted);
        [input, weight]
    }
}

/// One factor for each output channel of a weight `[n_out, n_in, k, k]`.
fn along_outputs(factor: &Tensor) -> Tensor {
    factor.view([-1, 1, 1, 1])
}

/// `[n_out]`, of a weight `[n_out, n_in, k, k]`.
fn sum_of_outputs(weight: &Tensor) -> Tensor {
    weight.sum_dim_intlist([1i64, 2, 3].as_slice(), false, None::<Kind>)
}

/// `[classes]`, of `[n, classes]`.
fn sum_of_rows(u: &Tensor) -> Tensor {
    u.sum_dim_intlist([0i64].as_slice(), false, None::<Kind>)
}
