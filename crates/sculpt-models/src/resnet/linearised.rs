use super::{Block, ConvNorm, Folding, Forward, Join, MAX_POOL, Plan, ResNet, channels_last};
use crate::{conv2d, convolution};
use sculpt_network::Linearised;
use tch::{Kind, Tensor, no_grad};

/// A folded network at one point on one batch, all that its derivatives share kept in memory.
///
/// Everything between the ReLUs is linear or bilinear, so the derivatives are written as the same convolutions
/// again: a change of the gradient takes two forward and four backward ones for each layer. libtorch's own second
/// derivative of a convolution takes others, whose kernels are as large as the images.
pub(super) struct LinearisedResNet<'a> {
    network: &'a ResNet,
    /// Views of `θ`.
    params: Vec<Tensor>,
    /// By [`ConvNorm::number`].
    layers: Vec<Layer>,
    max_pool: Option<MaxPool>,
    /// `[n, channels]`.
    pooled: Tensor,
    logits: Tensor,
    /// What was pulled back last.
    u: Option<Tensor>,
}

/// A folded convolution, `y = x ∗ w·γ/σ + β − μ·γ/σ`.
struct Layer {
    mean: Tensor,
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

/// Something for each number of a folded weight, in its shape, and of a folded bias.
struct Folded {
    weight: Tensor,
    bias: Tensor,
}

struct MaxPool {
    input: Tensor,
    /// Of the largest, `[n, channels, height, width]`, into `height·width` of the input.
    indices: Tensor,
}

impl<'a> LinearisedResNet<'a> {
    pub(super) fn new(network: &'a ResNet, theta: &Tensor, buffers: &Tensor, images: &Tensor) -> Self {
        no_grad(|| {
            let running = buffers.split_with_sizes(&network.buffer_sizes[..], 0);
            let mut pass = Values {
                of: Self {
                    network,
                    params: theta.detach().split_with_sizes(&network.param_sizes[..], 0),
                    layers: Vec::new(),
                    max_pool: None,
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

    fn fc_weight(&self, all: &[Tensor]) -> Tensor {
        self.shaped(all, self.network.plan.fc)
    }

    /// The change of a layer's folded weight and bias with that of `w`, `γ` and `β`.
    fn fold(&self, conv: &ConvNorm, direction: &[Tensor]) -> Folded {
        let layer = &self.layers[conv.number()];
        let change = &direction[conv.param + 1] * &layer.inverse;
        let weight = self.shaped(direction, conv.param) * along_outputs(&layer.factor)
            + self.shaped(&self.params, conv.param) * along_outputs(&change);
        Folded {
            weight: channels_last(&weight),
            bias: &direction[conv.param + 2] - &layer.mean * change,
        }
    }

    /// The transpose of [`Self::fold`]: derivatives with respect to `w`, `γ` and `β`, flat.
    fn unfold(&self, conv: &ConvNorm, gradient: &Folded) -> [Tensor; 3] {
        let layer = &self.layers[conv.number()];
        let weight = &gradient.weight * along_outputs(&layer.factor);
        let scale = sum_of_outputs(&(&gradient.weight * self.shaped(&self.params, conv.param)))
            - &gradient.bias * &layer.mean;
        [
            weight.reshape([-1]),
            scale * &layer.inverse,
            gradient.bias.shallow_clone(),
        ]
    }

    /// From the pooled features back to the images, `at_convolution` from a layer's output to its input; the rest is
    /// linear, given what the ReLUs and the pooling let pass.
    fn backward(&self, at_pooled: &Tensor, mut at_convolution: impl FnMut(&ConvNorm, Tensor) -> Tensor) {
        let plan = &self.network.plan;
        let size = self.behind_relu(plan.last()).size();
        let share = at_pooled / (size[2] * size[3]) as f64;
        let mut g = channels_last(&share.unsqueeze(-1).unsqueeze(-1).expand(&size, false));
        for block in plan.blocks.iter().rev() {
            let (first, last) = block.convs();
            g = self.through_relu(last, g);
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
        }
        if let Some(pool) = &self.max_pool {
            let [kernel, stride, padding] = MAX_POOL;
            let input = &pool.input;
            g = input.max_pool2d_with_indices_backward(
                &g,
                kernel,
                stride,
                padding,
                [1, 1],
                false,
                &pool.indices,
            );
        }
        let _ = at_convolution(&plan.stem, self.through_relu(&plan.stem, g));
    }

    fn behind_relu(&self, conv: &ConvNorm) -> &Tensor {
        let output = &self.layers[conv.number()].behind_relu;
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
        let size = self.layers[block.convs[0].number()].input.size();
        let kept = g.narrow(1, (n_out - n_in) / 2, n_in);
        let columns = [size[0], n_in, kept.size()[2], size[3]];
        let wide = Tensor::slice_backward(&kept, columns, 3, 0, i64::MAX, 2);
        Tensor::slice_backward(&wide, &size[..], 2, 0, i64::MAX, 2)
    }
}

impl Linearised<Tensor> for LinearisedResNet<'_> {
    fn logits(&self) -> &Tensor {
        &self.logits
    }

    fn pull_back(&mut self, u: &Tensor) -> Tensor {
        no_grad(|| {
            let mut pulled: Vec<Option<Pulled>> = self.layers.iter().map(|_| None).collect();
            let mut gradient: Vec<_> = self.params.iter().map(|_| Tensor::new()).collect();
            let u = u.detach();
            self.backward(&u.matmul(&self.fc_weight(&self.params)), |conv, g| {
                let layer = &self.layers[conv.number()];
                let (at_input, folded) = conv.backward(&g, &layer.input, &layer.weight);
                gradient.splice(conv.param..conv.param + 3, self.unfold(conv, &folded));
                pulled[conv.number()] = Some(Pulled { g, folded });
                at_input
            });
            for (layer, pulled) in self.layers.iter_mut().zip(pulled) {
                layer.pulled = pulled;
            }
            let fc = self.network.plan.fc;
            gradient[fc] = u.tr().matmul(&self.pooled).reshape([-1]);
            gradient[fc + 1] = sum_of_rows(&u);
            self.u = Some(u);
            Tensor::cat(&gradient, 0)
        })
    }

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
            let fc = self.network.plan.fc;
            let mut at_pooled = du.matmul(&self.fc_weight(&self.params));
            let mut of_fc = du.tr().matmul(&self.pooled);
            if let Some(u) = &self.u {
                at_pooled += u.matmul(&self.fc_weight(&direction));
                of_fc += u.tr().matmul(&tangents.pooled);
            }
            (change[fc], change[fc + 1]) = (of_fc.reshape([-1]), sum_of_rows(&du));
            self.backward(&at_pooled, |conv, dg| {
                let (layer, moved) = (&self.layers[conv.number()], &tangents.layers[conv.number()]);
                let (mut at_input, mut folded) = conv.backward(&dg, &layer.input, &layer.weight);
                if let (Some(pulled), Some(dx)) = (&layer.pulled, &moved.input) {
                    let [more, of_weight] = conv.backward_of_product(&pulled.g, dx, &moved.folded.weight);
                    at_input += more;
                    folded.weight += of_weight;
                }
                let [mut weight, mut scale, shift] = self.unfold(conv, &folded);
                if let Some(pulled) = &layer.pulled {
                    // The folded weight w·γ/σ is bilinear itself.
                    let g = &pulled.folded.weight;
                    let factor = &direction[conv.param + 1] * &layer.inverse;
                    weight += (g * along_outputs(&factor)).reshape([-1]);
                    scale += sum_of_outputs(&(g * self.shaped(&direction, conv.param))) * &layer.inverse;
                }
                change.splice(conv.param..conv.param + 3, [weight, scale, shift]);
                at_input
            });
            Tensor::cat(&change, 0)
        })
    }
}

/// The forward pass of the values, which notes what derivatives need.
struct Values<'a> {
    of: LinearisedResNet<'a>,
    running: Vec<Tensor>,
}

impl Forward for Values<'_> {
    fn conv_norm(&mut self, conv: &ConvNorm, x: &Tensor) -> Tensor {
        let (mean, variance) = (&self.running[conv.buffer], &self.running[conv.buffer + 1]);
        let [scale, shift] = [1, 2].map(|i| &self.of.params[conv.param + i]);
        let weight = self.of.shaped(&self.of.params, conv.param);
        let folding = Folding::new(&weight, [scale, shift], [mean, variance]);
        let weight = channels_last(&folding.weight);
        let y = conv.apply(x, &weight, Some(&folding.bias));
        assert_eq!(self.of.layers.len(), conv.number(), "layers are passed in order");
        self.of.layers.push(Layer {
            mean: mean.detach(),
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
        self.of.layers[last.number()].behind_relu = Some(output.shallow_clone());
        output
    }

    fn max_pool(&mut self, x: &Tensor) -> Tensor {
        let [kernel, stride, padding] = MAX_POOL;
        let (output, indices) = x.max_pool2d_with_indices(kernel, stride, padding, [1, 1], false);
        let input = x.shallow_clone();
        self.of.max_pool = Some(MaxPool { input, indices });
        output
    }

    fn linear(&mut self, pooled: &Tensor) -> Tensor {
        self.of.pooled = pooled.shallow_clone();
        let bias = &self.of.params[self.of.network.plan.fc + 1];
        pooled.linear(&self.of.fc_weight(&self.of.params), Some(bias))
    }
}

/// The forward pass of the values' change along a direction.
struct Tangents<'a> {
    of: &'a LinearisedResNet<'a>,
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
        let layer = &self.of.layers[conv.number()];
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

    fn max_pool(&mut self, dx: &Tensor) -> Tensor {
        let pool = self.of.max_pool.as_ref().expect("the values were pooled");
        let flat = dx.flatten(2, 3).gather(2, &pool.indices.flatten(2, 3), false);
        channels_last(&flat.view_as(&pool.indices))
    }

    fn linear(&mut self, d_pooled: &Tensor) -> Tensor {
        let fc = self.of.network.plan.fc;
        self.pooled = d_pooled.shallow_clone();
        d_pooled.matmul(&self.of.fc_weight(&self.of.params).tr())
            + self
                .of
                .pooled
                .linear(&self.of.fc_weight(self.direction), Some(&self.direction[fc + 1]))
    }
}

impl Plan {
    /// The convolution whose block ends the features.
    fn last(&self) -> &ConvNorm {
        self.blocks.last().map_or(&self.stem, |block| block.convs().1)
    }
}

impl ConvNorm {
    fn apply(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
        conv2d(x, weight, bias, self.stride, self.padding)
    }

    /// From the gradient at the output to those at input, weight and bias.
    fn backward(&self, g: &Tensor, x: &Tensor, weight: &Tensor) -> (Tensor, Folded) {
        // Nobody asks for the gradient at the images.
        let wanted = [self.number() > 0, true, true];
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
