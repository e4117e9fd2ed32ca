//! A network in training on a CPU whose convolutions are libtorch's, and what stands between them our own: BatchNorm, what is added and the ReLU in one
//! pass each way, where libtorch makes a pass of each.

mod backward;
mod images;

use super::norm::norm_of_batch;
use super::threads::Threads;
use super::{PlannedNetwork, Precision, has_bf16, numbers};
use crate::conv2d;
use crate::plan::{ConvNorm, Join, MaxPool, Step, add_subsampled, mean_of_pixels};
use images::{Images, OfLibtorch};
use sculpt_network::{Differentiated, Mode};
use sculpt_sparse::{Affine, BesideRows, Bf16, Moments, is_fast_here, join_rows, moments_of_rows};
use std::rc::Rc;
use tch::{Device, Kind, Tensor, no_grad};

/// Numbers that a thread works with at once: they and what is made of them stay in its second cache.
const PART: usize = 1 << 15;

/// A network on a batch, forward pass done.
struct RowsNetwork<'a, T> {
    network: &'a PlannedNetwork,
    threads: Threads,
    /// By parameter: the values of scales, shifts and biases of convolutions; of others none.
    of_norms: Vec<Vec<f32>>,
    /// By parameter, in the precision of the pass.
    weights: Vec<Tensor>,
    /// By [`ConvNorm::number`].
    layers: Vec<Layer<T>>,
    tape: Vec<Taped<T>>,
    /// The last images: their sides.
    features: [i64; 4],
    pooled: Tensor,
    logits: Tensor,
}

/// A convolution on a batch, and what its BatchNorm makes of it.
struct Layer<T> {
    conv: ConvNorm,
    x: Rc<Images<T>>,
    y: Images<T>,
    /// By channel, from here on.
    moments: Vec<Moments>,
    means: Vec<f32>,
    affine: Vec<Affine>,
}

/// What was done, for who goes back.
enum Taped<T> {
    /// A convolution, by number, and the ReLU behind it.
    Conv(usize),
    Pool {
        pool: MaxPool,
        x: Rc<Images<T>>,
        /// Where each largest pixel was.
        indices: Tensor,
    },
    /// Convolutions that follow one another, by number, what was beside them, and the block's output.
    Block {
        convs: Vec<usize>,
        side: Side,
        out: Rc<Images<T>>,
    },
}

#[derive(Clone, Copy)]
enum Side {
    /// The block's input.
    Same,
    /// A convolution of it, by number.
    Projected(usize),
    /// Every second pixel of it.
    Subsampled,
}

/// None: of a GPU, of an f64 `θ`, in bfloat16 without units for it, with a [`super::JointNorm`], on a processor that has no vectors for it; and of what libtorch refuses,
/// a BatchNorm of one value.
pub(super) fn differentiate<'a>(
    network: &'a PlannedNetwork,
    theta: &Tensor,
    buffers: &Tensor,
    images: &Tensor,
) -> Option<Box<dyn Differentiated<Tensor> + 'a>> {
    let is_ours = |x: &&Tensor| x.device() == Device::Cpu && x.kind() == Kind::Float;
    if network.norm.is_some() || !is_fast_here() || ![theta, buffers, images].iter().all(is_ours) {
        return None;
    }
    let size = images.size();
    let sizes = network.plan.sizes(size[2] as u32, size[3] as u32)?;
    if sizes.iter().any(|sizes| size[0] as u64 * sizes.pixels() < 2) {
        return None;
    }
    no_grad(|| -> Option<Box<dyn Differentiated<Tensor> + 'a>> {
        match network.precision {
            Precision::F32 => Some(Box::new(RowsNetwork::<f32>::forward(
                network, theta, buffers, images,
            ))),
            Precision::Bf16 if has_bf16() => Some(Box::new(RowsNetwork::<Bf16>::forward(
                network, theta, buffers, images,
            ))),
            Precision::Bf16 => None,
        }
    })
}

impl<'a, T: OfLibtorch> RowsNetwork<'a, T> {
    fn forward(network: &'a PlannedNetwork, theta: &Tensor, buffers: &Tensor, images: &Tensor) -> Self {
        let low = theta
            .detach()
            .to_kind(T::KIND)
            .split_with_sizes(&network.param_sizes[..], 0);
        let weights = low
            .iter()
            .zip(&network.param_shapes)
            .map(|(w, shape)| w.view(&shape[..]));
        let mut pass = Self {
            network,
            threads: Threads::of_libtorch(),
            of_norms: of_norms(network, theta),
            weights: weights.collect(),
            layers: Vec::new(),
            tape: Vec::new(),
            features: [0; 4],
            pooled: Tensor::new(),
            logits: Tensor::new(),
        };
        let mut running = numbers(buffers);
        let mut now = Rc::new(Images::of(images.detach().to_kind(T::KIND)));
        for step in &network.plan.steps {
            now = match step {
                Step::ConvNorm(conv) => {
                    let number = pass.convolve(conv, &now, &mut running);
                    pass.tape.push(Taped::Conv(number));
                    pass.join(number, Beside::Nothing)
                }
                Step::MaxPool(pool) => {
                    let [kernel, stride, padding] = pool.sides();
                    let x = now.tensor();
                    let (out, indices) = x.max_pool2d_with_indices(kernel, stride, padding, [1, 1], false);
                    let (pool, x) = (pool.clone(), now);
                    pass.tape.push(Taped::Pool { pool, x, indices });
                    Rc::new(Images::of(out))
                }
                Step::Block(block) => {
                    let (mut convs, mut inner) = (Vec::new(), Rc::clone(&now));
                    let (first, last) = block.convs();
                    for conv in first {
                        let number = pass.convolve(conv, &inner, &mut running);
                        convs.push(number);
                        inner = pass.join(number, Beside::Nothing);
                    }
                    let number = pass.convolve(last, &inner, &mut running);
                    convs.push(number);
                    let (side, out) = match &block.shortcut {
                        Join::Same => (Side::Same, pass.join(number, Beside::Images(&now))),
                        Join::Project(conv) => {
                            let beside = pass.convolve(conv, &now, &mut running);
                            (Side::Projected(beside), pass.join(number, Beside::Layer(beside)))
                        }
                        Join::Subsample => {
                            let zeros = pass.layers[number].y.tensor().zeros_like();
                            let beside = Images::of(add_subsampled(zeros, &now.tensor()));
                            (Side::Subsampled, pass.join(number, Beside::Images(&beside)))
                        }
                    };
                    let kept = Rc::clone(&out);
                    pass.tape.push(Taped::Block {
                        convs,
                        side,
                        out: kept,
                    });
                    out
                }
            };
        }
        pass.classify(&now.tensor());
        buffers.detach().copy_(&Tensor::from_slice(&running));
        pass
    }

    /// Computes a convolution, and what its BatchNorm makes of it by the statistics of the batch, towards which `running` ones move.
    fn convolve(&mut self, conv: &ConvNorm, x: &Rc<Images<T>>, running: &mut [f32]) -> usize {
        let number = self.layers.len();
        assert_eq!(number, conv.number, "layers are passed in order");
        // A bias in front of BatchNorm changes nothing but the mean, which is told of it.
        let y = conv2d(
            &x.tensor(),
            &self.weights[conv.weight],
            None,
            conv.stride,
            conv.padding,
        );
        let y = Images::of(y);
        let channels = y.channels();
        let mut parts: Vec<_> = y.rows().chunks(part(channels)).map(|y| (y, Vec::new())).collect();
        self.threads.each(&mut parts, |_, (y, moments)| {
            *moments = moments_of_rows(y, channels)
        });
        let mut moments = vec![Moments::default(); channels];
        for (_, part) in parts {
            for (all, own) in moments.iter_mut().zip(part) {
                *all = all.and(own);
            }
        }
        let (layout, param) = (&self.network.layout, |place: usize| &self.of_norms[place][..]);
        let affine = norm_of_batch(layout, param, conv, &moments, Mode::Train, running);
        self.layers.push(Layer {
            conv: conv.clone(),
            x: Rc::clone(x),
            y,
            means: moments.iter().map(|moments| moments.mean as f32).collect(),
            moments,
            affine,
        });
        number
    }

    /// A convolution, by its number, normalised, with what is beside it, behind a ReLU.
    fn join(&self, number: usize, beside: Beside<'_, T>) -> Rc<Images<T>> {
        let Layer { y, affine, .. } = &self.layers[number];
        let mut out = y.like();
        let size = part(affine.len());
        match beside {
            Beside::Nothing => {}
            Beside::Images(x) => x.assert_like(y),
            Beside::Layer(other) => self.layers[other].y.assert_like(y),
        }
        let parts = out.rows_mut().chunks_mut(size).zip(y.rows().chunks(size));
        let mut parts: Vec<_> = match beside {
            Beside::Nothing => parts.map(|(out, y)| (out, y, BesideRows::Nothing)).collect(),
            Beside::Images(x) => {
                let x = x.rows().chunks(size).map(BesideRows::Images);
                parts.zip(x).map(|((out, y), x)| (out, y, x)).collect()
            }
            Beside::Layer(other) => {
                let Layer { y: z, affine, .. } = &self.layers[other];
                let z = z.rows().chunks(size).map(|z| BesideRows::Normalised(z, affine));
                parts.zip(z).map(|((out, y), z)| (out, y, z)).collect()
            }
        };
        self.threads.each(&mut parts, |_, (out, y, beside)| {
            join_rows(y, affine, *beside, out)
        });
        drop(parts);
        Rc::new(out)
    }

    fn classify(&mut self, features: &Tensor) {
        let [n, c, h, w] = features.size()[..] else {
            unreachable!("images have four dimensions");
        };
        self.features = [n, c, h, w];
        self.pooled = mean_of_pixels(features);
        let fc = self.network.plan.classifier;
        let logits = self.pooled.linear(&self.weights[fc], Some(&self.weights[fc + 1]));
        self.logits = logits.to_kind(Kind::Float);
    }
}

/// By parameter: the values of BatchNorms' scales and shifts, and of biases before them; of others none.
fn of_norms(network: &PlannedNetwork, theta: &Tensor) -> Vec<Vec<f32>> {
    let params = network.layout.params();
    let mut all = vec![Vec::new(); params.len()];
    for conv in network.plan.convs() {
        for place in conv.weight + 1..conv.weight + conv.n_params() {
            let range = params[place].range();
            all[place] = numbers(&theta.narrow(0, range.start as i64, range.len() as i64));
        }
    }
    all
}

/// What is beside a convolution.
enum Beside<'a, T> {
    Nothing,
    Images(&'a Images<T>),
    /// Another, by its number.
    Layer(usize),
}

/// Numbers of a part, of whole rows.
fn part(channels: usize) -> usize {
    (PART / channels).max(1) * channels
}

impl<T: OfLibtorch> Differentiated<Tensor> for RowsNetwork<'_, T> {
    fn logits(&self) -> &Tensor {
        &self.logits
    }

    fn pull_back(&mut self, u: &Tensor) -> Tensor {
        no_grad(|| self.gradient(&u.detach()))
    }
}

#[cfg(test)]
mod tests;
