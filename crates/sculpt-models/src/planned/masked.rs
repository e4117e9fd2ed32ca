//! A network on a CPU by our own convolutions: layer by layer by the weights that a mask keeps, or by all. In training; in evaluation of networks that analyses look at.

mod backward;
mod evaluation;
mod memory;

use super::norm::norm_of_batch;
use super::threads::Threads;
use super::{BATCH_NORM_EPS, PlannedNetwork, numbers, through_bf16};
use crate::plan::{ConvNorm, Join, Step};
use memory::{Block, Deed, Layer, Made, Side, Source, Stream};
use sculpt_network::{Differentiated, Mode};
use sculpt_sparse::{
    Affine, HalfLanes, LANES, Lanes, MaxPool, Moments, Pixel, Planes, Storage, Weight, block_of, is_fast_here,
};
use std::sync::{Arc, Mutex};
use tch::{Device, Kind, Tensor, no_grad};

/// What is kept from step to step: memory, which need not be taken and cleared anew.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    lanes: Pool<Lanes>,
    halves: Pool<HalfLanes>,
}

type Pool<P> = Arc<Mutex<Vec<Block<P>>>>;

/// Pixels whose blocks there is memory for.
pub(super) trait Remembered: Pixel {
    fn blocks(memory: &Memory) -> &Mutex<Vec<Block<Self>>>;
}

impl Remembered for Lanes {
    fn blocks(memory: &Memory) -> &Mutex<Vec<Block<Self>>> {
        &memory.lanes
    }
}

impl Remembered for HalfLanes {
    fn blocks(memory: &Memory) -> &Mutex<Vec<Block<Self>>> {
        &memory.halves
    }
}

/// A network on a batch, forward pass done, by pixels of its precision.
pub(super) struct MaskedNetwork<'a, P: Remembered> {
    network: &'a PlannedNetwork,
    mode: Mode,
    threads: Threads,
    theta: Arc<Vec<f32>>,
    /// By [`ConvNorm::number`].
    weights: Vec<Arc<Weight<P>>>,
    blocks: Vec<Block<P>>,
    /// By [`ConvNorm::number`].
    layers: Vec<Layer<P>>,
    streams: Vec<Stream>,
    /// What was done, in order, for who goes back.
    tape: Vec<Taped>,
    /// What is done with each block, in order.
    deeds: Vec<Deed>,
    pooled: Tensor,
    logits: Tensor,
}

enum Taped {
    /// By number.
    Conv(usize),
    /// The stream that it made.
    Pool(usize),
    /// Convolutions that follow one another, by number, and what is beside them.
    Block(Vec<usize>, Side),
}

impl<'a> MaskedNetwork<'a, Lanes> {
    /// The logits at `theta`, whose zeros are pruned weights. None where libtorch is faster, where this cannot be
    /// done, and where somebody wants to differentiate them.
    pub(super) fn logits_at(
        network: &'a PlannedNetwork,
        theta: &Tensor,
        buffers: &Tensor,
        images: &Tensor,
        mode: Mode,
    ) -> Option<Tensor> {
        if theta.requires_grad()
            || images.requires_grad()
            || !network.can_be_masked(&[theta, buffers, images])
        {
            return None;
        }
        let theta = Arc::new(numbers(theta));
        let kept: Vec<f32> = theta.iter().map(|w| f32::from(u8::from(*w != 0.0))).collect();
        let is_worth_it = network.is_worth_it(&kept, &images.size());
        is_worth_it.then(|| {
            let pass = no_grad(|| Self::forward(network, theta, &kept, buffers, images, mode));
            pass.logits.shallow_clone()
        })
    }
}

impl<'a, P: Remembered> MaskedNetwork<'a, P> {
    /// In training, of weights of which [`PlannedNetwork::masked`] found that these are kept.
    pub(super) fn new(
        network: &'a PlannedNetwork,
        theta: &Tensor,
        kept: &[f32],
        buffers: &Tensor,
        images: &Tensor,
    ) -> Self {
        let theta = Arc::new(numbers(theta));
        no_grad(|| Self::forward(network, theta, kept, buffers, images, Mode::Train))
    }

    fn forward(
        network: &'a PlannedNetwork,
        theta: Arc<Vec<f32>>,
        kept: &[f32],
        buffers: &Tensor,
        images: &Tensor,
        mode: Mode,
    ) -> Self {
        assert_eq!(
            P::STORAGE,
            network.precision.storage(),
            "pixels of the network's precision"
        );
        let size = images.size();
        let planes = Planes {
            channels: size[1] as usize,
            height: size[2] as usize,
            width: size[3] as usize,
        };
        let threads = Threads::of_libtorch();
        let weights = network.weights(&threads, &theta, kept, planes);
        let mut pass = Self {
            network,
            mode,
            threads,
            theta,
            weights,
            blocks: Vec::new(),
            layers: Vec::new(),
            streams: Vec::new(),
            tape: Vec::new(),
            deeds: Vec::new(),
            pooled: Tensor::new(),
            logits: Tensor::new(),
        };
        pass.streams.push(Stream {
            planes,
            made: Made::Batch,
        });
        if mode != Mode::Eval {
            pass.lay(images);
        }
        let mut running = numbers(buffers);
        let mut now = Source::Stream(0);
        for step in &network.plan.steps {
            now = match step {
                Step::ConvNorm(conv) => {
                    let number = pass.convolve(conv, now, &mut running);
                    pass.tape.push(Taped::Conv(number));
                    Source::Rectified(number)
                }
                Step::MaxPool(pool) => {
                    let from = pass.stream(now);
                    let pool = MaxPool {
                        kernel: pool.kernel as usize,
                        stride: pool.stride as usize,
                        padding: pool.padding as usize,
                    };
                    let planes = pool
                        .output(pass.streams[from].planes)
                        .expect("the image is large enough");
                    let made = pass.make(planes, Made::Pooled(pool, from));
                    pass.tape.push(Taped::Pool(made));
                    Source::Stream(made)
                }
                Step::Block(block) => {
                    let from = pass.stream(now);
                    let mut source = Source::Stream(from);
                    let mut convs = Vec::new();
                    for conv in &block.convs {
                        let number = pass.convolve(conv, source, &mut running);
                        convs.push(number);
                        source = Source::Rectified(number);
                    }
                    let side = match &block.shortcut {
                        Join::Same => Side::Same(from),
                        Join::Project(conv) => {
                            Side::Projected(pass.convolve(conv, Source::Stream(from), &mut running))
                        }
                        Join::Subsample => Side::Subsampled(from),
                    };
                    let last = *convs.last().expect("a block has convolutions");
                    pass.tape.push(Taped::Block(convs, side));
                    let planes = pass.layers[last].planes();
                    Source::Stream(pass.make(planes, Made::Joined(last, side)))
                }
            };
        }
        let last = pass.stream(now);
        if mode == Mode::Eval {
            pass.evaluate(images, last);
        } else {
            pass.means_of_pixels(last);
            buffers.detach().copy_(&Tensor::from_slice(&running));
        }
        pass
    }

    /// Lays the images of a batch into blocks, all of which are kept.
    fn lay(&mut self, images: &Tensor) {
        let planes = self.streams[0].planes;
        let batch = numbers(&images.detach());
        self.blocks = std::mem::take(
            &mut *P::blocks(&self.network.memory)
                .lock()
                .expect("nobody panics with it"),
        );
        self.blocks
            .resize_with((images.size()[0] as usize).div_ceil(LANES), Block::default);
        self.threads.each(&mut self.blocks, |number, block| {
            block.n = block_of(&batch, planes, number * LANES, block.stream(0, planes));
        });
    }

    /// Computes a convolution, and what its BatchNorm makes of it, by the statistics of the batch, towards which `running` ones move. In
    /// evaluation, by these: what is left to do with each block.
    fn convolve(&mut self, conv: &ConvNorm, source: Source, running: &mut [f32]) -> usize {
        let number = self.layers.len();
        assert_eq!(number, conv.number, "layers are passed in order");
        let weight = Arc::clone(&self.weights[number]);
        let n_out = weight.output().channels;
        self.deeds.push(Deed::Convolve(number));
        self.layers.push(Layer {
            conv: conv.clone(),
            weight,
            source,
            means: Vec::new(),
            moments: Vec::new(),
            affine: Vec::new(),
            sums: Vec::new(),
            slopes: Vec::new(),
            at_weight: Vec::new(),
        });
        if self.mode == Mode::Eval {
            self.layers[number].affine = self.norm_of(conv, running);
            return number;
        }
        let layers = &self.layers;
        self.threads
            .each(&mut self.blocks, |_, block| block.convolve(number, layers, true));
        let mut moments = vec![Moments::default(); n_out];
        for block in &self.blocks {
            for (all, own) in moments.iter_mut().zip(&block.moments) {
                *all = all.and(*own);
            }
        }
        let params = self.network.layout.params();
        let param = |place: usize| &self.theta[params[place].range()];
        let affine = norm_of_batch(&self.network.layout, param, conv, &moments, self.mode, running);
        let layer = &mut self.layers[number];
        layer.means = moments.iter().map(|moments| moments.mean as f32).collect();
        (layer.moments, layer.affine) = (moments, affine);
        number
    }

    /// BatchNorm by running statistics.
    fn norm_of(&self, conv: &ConvNorm, running: &[f32]) -> Vec<Affine> {
        let layout = &self.network.layout;
        let param = |place: usize| &self.theta[layout.params()[place].range()];
        let [means, variances] = [0, 1].map(|i| &running[layout.buffers()[conv.buffer + i].range()]);
        let bias = conv.bias().map(param);
        let channels = param(conv.scale())
            .iter()
            .zip(param(conv.scale() + 1))
            .enumerate();
        channels
            .map(|(channel, (scale, shift))| {
                let bias = bias.map_or(0.0, |bias| f64::from(bias[channel]));
                let scale = f64::from(*scale) / (f64::from(variances[channel]) + BATCH_NORM_EPS).sqrt();
                Affine {
                    scale: scale as f32,
                    shift: (f64::from(*shift) + (bias - f64::from(means[channel])) * scale) as f32,
                }
            })
            .collect()
    }

    /// What stands at `source`, kept.
    fn stream(&mut self, source: Source) -> usize {
        match source {
            Source::Stream(place) => place,
            Source::Rectified(number) => {
                let planes = self.layers[number].planes();
                self.make(planes, Made::Joined(number, Side::Nothing))
            }
        }
    }

    fn make(&mut self, planes: Planes, made: Made) -> usize {
        let place = self.streams.len();
        self.streams.push(Stream { planes, made });
        self.deeds.push(Deed::Make(place));
        if self.mode != Mode::Eval {
            let (streams, layers) = (&self.streams, &self.layers);
            self.threads
                .each(&mut self.blocks, |_, block| block.make(place, streams, layers));
        }
        place
    }

    /// Of the last stream, of all blocks, and what the classifier makes of them.
    fn means_of_pixels(&mut self, last: usize) {
        let planes = self.streams[last].planes;
        let mut pooled = Vec::new();
        for block in &self.blocks {
            let first = pooled.len();
            pooled.resize(first + block.n * planes.channels, 0.0);
            block.means_of_pixels(planes, last, &mut pooled[first..]);
        }
        self.classify(&pooled, planes.channels);
    }

    /// `[n, channels]`.
    fn classify(&mut self, pooled: &[f32], channels: usize) {
        self.pooled = self.stored(&Tensor::from_slice(pooled).view([-1, channels as i64]));
        let classifier = self.network.plan.classifier;
        let bias = Tensor::from_slice(&self.theta[self.network.layout.params()[classifier + 1].range()]);
        self.logits = self.stored(&self.pooled.linear(&self.classifier(), Some(&self.stored(&bias))));
    }

    /// `x` as it is stored between two passes.
    fn stored(&self, x: &Tensor) -> Tensor {
        match P::STORAGE {
            Storage::F32 => x.shallow_clone(),
            Storage::Bf16 => through_bf16(x),
        }
    }

    fn classifier(&self) -> Tensor {
        let classifier = self.network.plan.classifier;
        let range = self.network.layout.params()[classifier].range();
        self.stored(&Tensor::from_slice(&self.theta[range]))
            .view(&self.network.param_shapes[classifier][..])
    }
}

impl<P: Remembered> Drop for MaskedNetwork<'_, P> {
    fn drop(&mut self) {
        if self.mode != Mode::Eval
            && let Ok(mut memory) = P::blocks(&self.network.memory).lock()
        {
            *memory = std::mem::take(&mut self.blocks);
        }
    }
}

impl<P: Remembered> Differentiated<Tensor> for MaskedNetwork<'_, P> {
    fn logits(&self) -> &Tensor {
        &self.logits
    }

    fn pull_back(&mut self, u: &Tensor) -> Tensor {
        no_grad(|| self.gradient(&u.detach()))
    }
}

impl PlannedNetwork {
    /// Which weights are kept, where training is by our own convolutions: this can be done, and libtorch is slower.
    pub(super) fn masked(
        &self,
        theta: &Tensor,
        kept: &Tensor,
        buffers: &Tensor,
        images: &Tensor,
    ) -> Option<Vec<f32>> {
        if !self.can_be_masked(&[theta, kept, buffers, images]) {
            return None;
        }
        Some(numbers(kept)).filter(|kept| self.is_worth_it(kept, &images.size()))
    }

    /// Whether these tensors and this processor are such that the convolutions can be our own.
    pub(super) fn can_be_masked(&self, tensors: &[&Tensor]) -> bool {
        let on_cpu = |x: &&Tensor| x.device() == Device::Cpu && x.kind() == Kind::Float;
        tensors.iter().all(on_cpu) && self.norm.is_none() && is_fast_here()
    }
}
