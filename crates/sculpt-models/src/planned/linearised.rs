mod blocks;
mod kernels;
mod point;
mod room;
mod squares;
mod tangents;
mod tensors;
#[cfg(test)]
mod tests;

use super::PlannedNetwork;
use crate::plan::{Block, ConvNorm, Forward, Join, MaxPool, Step};
use crate::planned::Precision;
use blocks::Blocks;
pub(super) use blocks::Recent;
use kernels::{Kernels, PulledBack, Term};
use point::{Folded, Point};
use sculpt_network::{Differentiated, Linearised};
use tangents::{Moved, Tangents};
use tch::{Kind, Tensor, no_grad};
use tensors::Tensors;

/// A folded network in full precision with its derivatives, by libtorch; None of any other.
pub(super) fn linearise<'a>(
    network: &'a PlannedNetwork,
    theta: &Tensor,
    buffers: &Tensor,
    images: &Tensor,
) -> Option<Box<dyn Linearised<Tensor> + 'a>> {
    let can = network.folded && network.precision == Precision::F32;
    can.then(|| Box::new(LinearisedNetwork::new(network, Tensors, theta, buffers, images)) as Box<_>)
}

/// The same without those along pruned weights, by our own convolutions where these are faster.
pub(super) fn linearise_kept<'a>(
    network: &'a PlannedNetwork,
    theta: &Tensor,
    kept: &Tensor,
    buffers: &Tensor,
    images: &Tensor,
) -> Option<Box<dyn Linearised<Tensor> + 'a>> {
    let can = network.folded && network.precision == Precision::F32;
    let blocks = can.then(|| Blocks::if_worth_it(network, theta, kept, buffers, images));
    match blocks.flatten() {
        Some(blocks) => Some(Box::new(LinearisedNetwork::new(
            network, blocks, theta, buffers, images,
        ))),
        None => linearise(network, theta, buffers, images),
    }
}

/// A folded network at one point on one batch, all that its derivatives share kept in memory.
///
/// Everything between the ReLUs is linear or bilinear, so the derivatives are written as the same convolutions
/// again.
struct LinearisedNetwork<'a, K: Kernels> {
    kernels: K,
    point: Point<'a>,
    /// By [`ConvNorm::number`].
    layers: Vec<Layer<K>>,
    /// By [`MaxPool::number`].
    pools: Vec<K::Pooled>,
    /// Behind the last step; none before it.
    features: Option<K::Images>,
    /// Their mean over all pixels, `[n, channels]`.
    pooled: Tensor,
    logits: Tensor,
    /// What was pulled back last.
    u: Option<Tensor>,
}

/// What moves the folded weights: nothing, or a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moves {
    Point,
    Direction,
}

/// A folded convolution.
struct Layer<K: Kernels> {
    weight: K::Weight,
    /// What it reads.
    input: K::Images,
    /// What comes out of the ReLU behind it, or behind the block that it ends.
    behind_relu: Option<K::Images>,
    pulled: Option<Pulled<K>>,
}

/// What [`Linearised::pull_back`] finds at a layer: `g = ∂(u·z)/∂y` and its sums.
struct Pulled<K: Kernels> {
    g: K::Images,
    folded: Folded,
}

impl<'a, K: Kernels> LinearisedNetwork<'a, K> {
    fn new(
        network: &'a PlannedNetwork,
        kernels: K,
        theta: &Tensor,
        buffers: &Tensor,
        images: &Tensor,
    ) -> Self {
        no_grad(|| {
            let point = Point::new(network, theta, buffers);
            let weights = kernels.weights(Moves::Point, point.folded_weights());
            let images = kernels.images(images);
            let mut pass = Values {
                weights: weights.into_iter(),
                of: Self {
                    kernels,
                    point,
                    layers: Vec::new(),
                    pools: Vec::new(),
                    features: None,
                    pooled: Tensor::new(),
                    logits: Tensor::new(),
                    u: None,
                },
            };
            let logits = network.plan.forward(&mut pass, images);
            Self { logits, ..pass.of }
        })
    }

    fn features(&self) -> &K::Images {
        self.features.as_ref().expect("the forward pass is done")
    }

    /// From the pooled features back to the images, `at_convolution` from a layer's output to its input; the rest is
    /// linear, given what the ReLUs and the pooling let pass.
    fn backward(
        &self,
        at_pooled: &Tensor,
        mut at_convolution: impl FnMut(&ConvNorm, K::Images) -> Option<K::Images>,
    ) {
        let mut g = self.kernels.mean_of_pixels_back(at_pooled, self.features());
        for step in self.point.network.plan.steps.iter().rev() {
            let at_input = match step {
                Step::ConvNorm(conv) => at_convolution(conv, self.through_relu(conv, g)),
                Step::MaxPool(pool) => Some(self.kernels.max_pool_back(pool, &self.pools[pool.number], &g)),
                Step::Block(block) => self.backward_of_block(block, g, &mut at_convolution),
            };
            let Some(at_input) = at_input else { return };
            g = at_input;
        }
    }

    fn backward_of_block(
        &self,
        block: &Block,
        g: K::Images,
        at_convolution: &mut impl FnMut(&ConvNorm, K::Images) -> Option<K::Images>,
    ) -> Option<K::Images> {
        let (first, last) = block.convs();
        let g = self.through_relu(last, g);
        let beside = match &block.shortcut {
            Join::Same => self.kernels.share(&g),
            Join::Project(conv) => at_convolution(conv, self.kernels.share(&g))?,
            Join::Subsample => {
                let input = &self.layers[block.convs[0].number].input;
                self.kernels.subsampled_back(&g, input)
            }
        };
        let mut g = at_convolution(last, g)?;
        for conv in first.iter().rev() {
            g = at_convolution(conv, self.through_relu(conv, g))?;
        }
        Some(self.kernels.add(g, &beside))
    }

    /// A ReLU's derivative, either way.
    fn through_relu(&self, conv: &ConvNorm, x: K::Images) -> K::Images {
        let output = &self.layers[conv.number].behind_relu;
        let output = output
            .as_ref()
            .expect("a ReLU follows, which the forward pass went through");
        self.kernels.gate(output, x)
    }
}

impl<K: Kernels> Differentiated<Tensor> for LinearisedNetwork<'_, K> {
    fn logits(&self) -> &Tensor {
        &self.logits
    }

    fn pull_back(&mut self, u: &Tensor) -> Tensor {
        no_grad(|| {
            let mut pulled: Vec<Option<Pulled<K>>> = self.layers.iter().map(|_| None).collect();
            let mut gradient: Vec<_> = self.point.params.iter().map(|_| Tensor::new()).collect();
            let u = u.detach();
            let at_pooled = u.matmul(&self.point.classifier(&self.point.params));
            self.backward(&at_pooled, |conv, g| {
                let (at_input, folded) = self.back_through(conv, &[self.term(conv, &g)]);
                self.point.unfold(conv, &folded).put(conv, &mut gradient);
                pulled[conv.number] = Some(Pulled { g, folded });
                at_input
            });
            for (layer, pulled) in self.layers.iter_mut().zip(pulled) {
                layer.pulled = pulled;
            }
            let fc = self.point.network.plan.classifier;
            gradient[fc] = u.tr().matmul(&self.pooled).reshape([-1]);
            gradient[fc + 1] = sum_of_rows(&u);
            self.u = Some(u);
            Tensor::cat(&gradient, 0)
        })
    }
}

impl<K: Kernels> LinearisedNetwork<'_, K> {
    /// Of the gradient at a layer's output.
    fn term<'s>(&'s self, conv: &ConvNorm, g: &'s K::Images) -> Term<'s, K> {
        let Layer { input, weight, .. } = &self.layers[conv.number];
        Term { x: input, g, weight }
    }

    /// To the gradients at a layer's input, which nobody asks for at the images, and at its folded parameters.
    fn back_through(&self, conv: &ConvNorm, terms: &[Term<'_, K>]) -> (Option<K::Images>, Folded) {
        let PulledBack {
            at_input,
            at_weight: weight,
            at_bias: bias,
        } = self.kernels.pull_back(conv, terms, conv.number > 0);
        (at_input, Folded { weight, bias })
    }

    /// [`Linearised::change_along`].
    fn change(&self, v: &Tensor, change_of_u: &dyn Fn(&Tensor) -> Tensor) -> Tensor {
        let Point {
            network, ref params, ..
        } = self.point;
        let direction = v.detach().split_with_sizes(&network.param_sizes[..], 0);
        let mut tangents = Tangents {
            of: self,
            direction: &direction,
            layers: Moved::along(self, &direction),
            pooled: Tensor::new(),
        };
        // The images stay.
        let dz = network.plan.forward(&mut tangents, None);
        let du = change_of_u(&dz);

        let mut change: Vec<_> = params.iter().map(|_| Tensor::new()).collect();
        let fc = network.plan.classifier;
        let mut at_pooled = du.matmul(&self.point.classifier(params));
        let mut of_fc = du.tr().matmul(&self.pooled);
        if let Some(u) = &self.u {
            at_pooled += u.matmul(&self.point.classifier(&direction));
            of_fc += u.tr().matmul(&tangents.pooled);
        }
        (change[fc], change[fc + 1]) = (of_fc.reshape([-1]), sum_of_rows(&du));
        self.backward(&at_pooled, |conv, dg| {
            let (layer, moved) = (&self.layers[conv.number], &tangents.layers[conv.number]);
            let mut terms = vec![self.term(conv, &dg)];
            if let (Some(Pulled { g, .. }), Some(dx)) = (&layer.pulled, &moved.input) {
                let weight = &moved.weight;
                terms.push(Term { x: dx, g, weight });
            }
            let (at_input, folded) = self.back_through(conv, &terms);
            let mut unfolded = self.point.unfold(conv, &folded);
            if let Some(Pulled { folded: gradient, .. }) = &layer.pulled {
                self.point
                    .add_change_of_unfold(conv, gradient, &direction, &mut unfolded);
            }
            unfolded.put(conv, &mut change);
            at_input
        });
        Tensor::cat(&change, 0)
    }
}

impl Linearised<Tensor> for LinearisedNetwork<'_, Tensors> {
    fn change_along(&self, v: &Tensor, change_of_u: &dyn Fn(&Tensor) -> Tensor) -> Tensor {
        no_grad(|| self.change(v, change_of_u))
    }

    fn squares(&self, us: &[Tensor]) -> Option<Tensor> {
        Some(self.sum_of_squares(us))
    }

    fn is_affine_in_each(&self) -> bool {
        is_affine_in_each(self.point.network)
    }
}

impl Linearised<Tensor> for LinearisedNetwork<'_, Blocks<'_>> {
    fn change_along(&self, v: &Tensor, change_of_u: &dyn Fn(&Tensor) -> Tensor) -> Tensor {
        no_grad(|| self.change(v, change_of_u))
    }

    /// By libtorch, which keeps the images' shares apart.
    fn squares(&self, us: &[Tensor]) -> Option<Tensor> {
        let [theta, buffers, images] = &self.kernels.inputs;
        let network = LinearisedNetwork::new(self.point.network, Tensors, theta, buffers, images);
        network.squares(us)
    }

    fn is_affine_in_each(&self) -> bool {
        is_affine_in_each(self.point.network)
    }
}

/// Each parameter is of one layer, which every path passes once.
fn is_affine_in_each(network: &PlannedNetwork) -> bool {
    network.plan.steps.iter().all(|step| match step {
        Step::ConvNorm(_) | Step::MaxPool(_) | Step::Block(_) => true,
    })
}

/// The forward pass of the values, which notes what derivatives need.
struct Values<'a, K: Kernels> {
    of: LinearisedNetwork<'a, K>,
    /// Of the layers to come.
    weights: std::vec::IntoIter<K::Weight>,
}

impl<K: Kernels> Forward for Values<'_, K> {
    type Images = K::Images;

    fn conv_norm(&mut self, conv: &ConvNorm, x: &K::Images) -> K::Images {
        let LinearisedNetwork {
            kernels,
            point,
            layers,
            ..
        } = &mut self.of;
        assert_eq!(layers.len(), conv.number, "layers are passed in order");
        let weight = self.weights.next().expect("each layer has one");
        let y = kernels.convolve(conv, &[(x, &weight)], Some(&point.foldings[conv.number].bias));
        layers.push(Layer {
            weight,
            input: kernels.share(x),
            behind_relu: None,
            pulled: None,
        });
        y
    }

    fn relu(&mut self, last: &ConvNorm, x: K::Images) -> K::Images {
        let output = self.of.kernels.relu(x);
        self.of.layers[last.number].behind_relu = Some(self.of.kernels.share(&output));
        output
    }

    fn max_pool(&mut self, pool: &MaxPool, x: &K::Images) -> K::Images {
        let (output, pooled) = self.of.kernels.max_pool(pool, x);
        assert_eq!(self.of.pools.len(), pool.number, "poolings are passed in order");
        self.of.pools.push(pooled);
        output
    }

    fn add(&mut self, y: K::Images, x: &K::Images) -> K::Images {
        self.of.kernels.add(y, x)
    }

    fn add_subsampled(&mut self, y: K::Images, x: &K::Images) -> K::Images {
        self.of.kernels.add_subsampled(y, x)
    }

    fn classify(&mut self, features: &K::Images) -> Tensor {
        self.of.pooled = self.of.kernels.mean_of_pixels(features);
        self.of.features = Some(self.of.kernels.share(features));
        let Point { network, params, .. } = &self.of.point;
        let weight = self.of.point.classifier(params);
        let bias = &params[network.plan.classifier + 1];
        self.of.pooled.linear(&weight, Some(bias))
    }
}

/// `[classes]`, of `[n, classes]`.
fn sum_of_rows(u: &Tensor) -> Tensor {
    u.sum_dim_intlist([0i64].as_slice(), false, None::<Kind>)
}
