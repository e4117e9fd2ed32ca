use super::Moves;
use super::kernels::{Kernels, PulledBack, Term};
use super::room::Room;
use crate::plan::{ConvNorm, MaxPool};
use crate::planned::PlannedNetwork;
use crate::planned::numbers;
use crate::planned::threads::Threads;
use crate::planned::weights::{Placed, convolutions};
use sculpt_sparse::{
    Input, InputGradient, LANES, Lanes, Planes, Scratch, Weight, add, add_subsampled, block_of, gate,
    max_pool, max_pool_along, max_pool_transposed, means_of_pixels, rectify, shift, subsample_transposed,
    sums_of_channels,
};
use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tch::Tensor;

/// Our own on a CPU, of kept weights alone or of all: images lie in blocks of sixteen.
pub(super) struct Blocks<'a> {
    network: &'a PlannedNetwork,
    /// `θ`, buffers and images, for what is computed by libtorch all the same.
    pub(super) inputs: [Tensor; 3],
    threads: Threads,
    /// 0 at pruned parameters.
    kept: Arc<Vec<f32>>,
    /// By [`ConvNorm::number`].
    placed: Vec<Placed>,
    room: Room,
    /// Images.
    n: usize,
}

/// Images in blocks of [`LANES`]; the last may have room left, in which there are finite numbers, and of gradients zeros.
#[derive(Clone)]
pub(super) struct Images {
    planes: Planes,
    blocks: Arc<Lent>,
}

/// Blocks that go back where they are from.
struct Lent {
    blocks: Vec<Vec<Lanes>>,
    room: Room,
}

impl Clone for Lent {
    fn clone(&self) -> Self {
        let copy = |block: &Vec<Lanes>| {
            let mut copied = self.room.take(block.len());
            copied.copy_from_slice(block);
            copied
        };
        Self {
            blocks: self.blocks.iter().map(copy).collect(),
            room: self.room.clone(),
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.room.put_back(std::mem::take(&mut self.blocks));
    }
}

/// A pooling's images, and what it makes of them.
pub(super) struct Pooled {
    input: Images,
    output: Images,
}

/// What batches one after the other take from each other: the weights that were made last, and room.
#[derive(Clone, Debug, Default)]
pub(in crate::planned) struct Recent {
    made: Arc<Mutex<Made>>,
    room: Room,
}

#[derive(Debug, Default)]
struct Made {
    kept: Arc<Vec<f32>>,
    /// At the point and along a direction, of each layer.
    layers: [Vec<(Vec<f32>, Arc<Weight>)>; 2],
}

impl Recent {
    fn lock(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same list, if it was the last, since whoever has it keeps it.
    fn keep(&self, kept: Vec<f32>) -> Arc<Vec<f32>> {
        let mut made = self.lock();
        if *made.kept != kept {
            *made = Made {
                kept: Arc::new(kept),
                layers: [Vec::new(), Vec::new()],
            };
        }
        Arc::clone(&made.kept)
    }
}

/// Pixels of all channels of a block of which each pass takes less than other threads take to wake, ours as libtorch's. (Where those are awake two were
/// 1.5 times as fast as one; where other processes have the processors, 0.1 times.)
const FEW_PIXELS: usize = 4096;

fn are_small(placed: &[Placed]) -> bool {
    let first = &placed[0];
    let output = first.convolution.output(first.input);
    output.is_some_and(|output| output.len() < FEW_PIXELS)
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Drop for Blocks<'_> {
    fn drop(&mut self) {
        self.room.leave();
    }
}

impl<'a> Blocks<'a> {
    /// None: libtorch is faster, or only it can do this.
    pub(super) fn if_worth_it(
        network: &'a PlannedNetwork,
        theta: &Tensor,
        kept: &Tensor,
        buffers: &Tensor,
        images: &Tensor,
    ) -> Option<Self> {
        let placed = Self::placed(network, [theta, kept, buffers, images])?;
        let n_threads = match are_small(&placed) {
            true => 1,
            false => Threads::of_libtorch().n(),
        };
        let is_worth_it = network.derivatives_are_worth_it(&numbers(kept), &images.size(), n_threads);
        is_worth_it.then(|| Self::new(network, theta, kept, buffers, images))?
    }

    /// None: not in these numbers, not here, or not of these images.
    pub(super) fn new(
        network: &'a PlannedNetwork,
        theta: &Tensor,
        kept: &Tensor,
        buffers: &Tensor,
        images: &Tensor,
    ) -> Option<Self> {
        let placed = Self::placed(network, [theta, kept, buffers, images])?;
        Some(Self {
            network,
            inputs: [theta, buffers, images].map(Tensor::detach),
            threads: match are_small(&placed) {
                true => Threads::one(),
                false => Threads::of_libtorch(),
            },
            kept: network.recent.keep(numbers(kept)),
            room: network.recent.room.enter(),
            placed,
            n: images.size()[0] as usize,
        })
    }

    /// The network's convolutions of such images.
    fn placed(network: &PlannedNetwork, inputs: [&Tensor; 4]) -> Option<Vec<Placed>> {
        let [.., images] = inputs;
        let [_, channels, height, width] = images.size()[..] else {
            return None;
        };
        network.can_be_masked(&inputs).then_some(())?;
        let placed = convolutions(&network.layout, &network.plan, [height as u32, width as u32])?;
        (placed[0].input.channels == channels as usize).then_some(placed)
    }

    /// Images of these planes; `make` fills each block, in which there is anything.
    fn made(&self, planes: Planes, make: impl Fn(usize, &mut [Lanes]) + Sync) -> Images {
        let mut blocks: Vec<_> = (0..self.n.div_ceil(LANES))
            .map(|_| self.room.take(planes.len()))
            .collect();
        self.threads
            .each(&mut blocks, |number, block| make(number, block));
        self.images_of(planes, blocks)
    }

    fn images_of(&self, planes: Planes, blocks: Vec<Vec<Lanes>>) -> Images {
        let room = self.room.clone();
        Images {
            planes,
            blocks: Arc::new(Lent { blocks, room }),
        }
    }

    /// The same images, changed: in place, where nobody else keeps them.
    fn changed(&self, mut images: Images, change: impl Fn(usize, &mut [Lanes]) + Sync) -> Images {
        let blocks = &mut Arc::make_mut(&mut images.blocks).blocks;
        self.threads.each(blocks, |number, block| change(number, block));
        images
    }

    fn pool(pool: &MaxPool) -> sculpt_sparse::MaxPool {
        sculpt_sparse::MaxPool {
            kernel: pool.kernel as usize,
            stride: pool.stride as usize,
            padding: pool.padding as usize,
        }
    }
}

/// Of `n` images, those that block `number` has.
fn n_of(n: usize, number: usize) -> usize {
    (n - number * LANES).min(LANES)
}

impl Images {
    fn block(&self, number: usize) -> &[Lanes] {
        &self.blocks.blocks[number]
    }
}

/// What a block finds on its way back.
#[derive(Default)]
struct Found {
    at_input: Vec<Lanes>,
    /// By term.
    at_weight: Vec<Vec<f32>>,
    at_bias: Vec<f64>,
}

impl Kernels for Blocks<'_> {
    type Images = Images;
    type Weight = Arc<Weight>;
    type Pooled = Pooled;

    fn images(&self, batch: &Tensor) -> Images {
        let planes = self.placed[0].input;
        let batch = numbers(batch);
        self.made(planes, |number, block| {
            block_of(&batch, planes, number * LANES, block);
        })
    }

    fn share(&self, x: &Images) -> Images {
        x.clone()
    }

    fn weights(&self, of: Moves, folded: Vec<Tensor>) -> Vec<Arc<Weight>> {
        let mut made = self.network.recent.lock();
        let is_same = Arc::ptr_eq(&made.kept, &self.kept);
        let before = match is_same {
            true => std::mem::take(&mut made.layers[of as usize]),
            false => Vec::new(),
        };
        let (placed, all_kept) = (&self.placed, &self.kept);
        let mut layers: Vec<_> = folded.iter().map(|folded| (numbers(folded), None)).collect();
        self.threads.each(&mut layers, |number, (values, weight)| {
            let Placed {
                convolution,
                input,
                ref range,
            } = placed[number];
            let same = before
                .get(number)
                .filter(|(values_before, weight)| weight.input() == input && values_before == values);
            *weight = Some(match same {
                Some((_, weight)) => Arc::clone(weight),
                None => {
                    let kept = &all_kept[range.clone()];
                    Arc::new(Weight::new(convolution, input, values, kept))
                }
            });
        });
        let layers = layers.into_iter();
        let layers: Vec<_> = layers
            .map(|(values, weight)| (values, weight.expect("each layer has one")))
            .collect();
        let weights = layers.iter().map(|(_, weight)| Arc::clone(weight)).collect();
        if is_same {
            made.layers[of as usize] = layers;
        }
        weights
    }

    fn convolve(&self, _: &ConvNorm, terms: &[(&Images, &Arc<Weight>)], bias: Option<&Tensor>) -> Images {
        let bias = bias.map(numbers);
        let planes = terms[0].1.output();
        self.made(planes, |number, y| {
            for (i, (x, weight)) in terms.iter().enumerate() {
                let x = Input::Images(x.block(number));
                SCRATCH.with_borrow_mut(|scratch| match i {
                    0 => weight.convolve(x, scratch, y),
                    _ => weight.convolve_onto(x, scratch, y),
                });
            }
            if let Some(bias) = &bias {
                shift(y, bias, planes.area());
            }
        })
    }

    fn pull_back(
        &self,
        conv: &ConvNorm,
        terms: &[Term<'_, Self>],
        asks_for_input: bool,
    ) -> PulledBack<Images> {
        let Term { g, weight, .. } = terms[0];
        let (planes, room) = (weight.input(), &self.room);
        let mut found: Vec<Found> = g.blocks.blocks.iter().map(|_| Found::default()).collect();
        self.threads.each(&mut found, |number, found| {
            if asks_for_input {
                found.at_input = room.take(planes.len());
            }
            for (i, &Term { x, g, weight }) in terms.iter().enumerate() {
                let at_input = match (asks_for_input, i) {
                    (false, _) => InputGradient::Unwanted,
                    (true, 0) => InputGradient::Write(&mut found.at_input),
                    (true, _) => InputGradient::Add(&mut found.at_input),
                };
                let x = Input::Images(x.block(number));
                let mut at_weight = Vec::new();
                SCRATCH.with_borrow_mut(|scratch| {
                    weight.pull_back_unnormalised(x, g.block(number), scratch, at_input, &mut at_weight);
                });
                found.at_weight.push(at_weight);
            }
            found.at_bias = sums_of_channels(g.block(number), g.planes.area());
        });

        let mut at_weight = vec![0.0; self.placed[conv.number].range.len()];
        for (i, &place) in weight.places().iter().enumerate() {
            let of_blocks = found.iter().flat_map(|found| &found.at_weight);
            let sum: f64 = of_blocks.map(|found| f64::from(found[i])).sum();
            at_weight[place as usize] = sum as f32;
        }
        let channels = 0..g.planes.channels;
        let at_bias: Vec<f32> = channels
            .map(|channel| found.iter().map(|found| found.at_bias[channel]).sum::<f64>() as f32)
            .collect();
        let shape = &self.network.param_shapes[conv.weight];
        PulledBack {
            at_input: asks_for_input.then(|| {
                let blocks = found.into_iter().map(|found| found.at_input).collect();
                self.images_of(planes, blocks)
            }),
            at_weight: Tensor::from_slice(&at_weight).view(&shape[..]),
            at_bias: Tensor::from_slice(&at_bias),
        }
    }

    fn add(&self, y: Images, x: &Images) -> Images {
        self.changed(y, |number, y| add(y, x.block(number)))
    }

    fn relu(&self, x: Images) -> Images {
        self.changed(x, |_, x| rectify(x))
    }

    fn gate(&self, output: &Images, x: Images) -> Images {
        self.changed(x, |number, x| gate(x, output.block(number)))
    }

    fn max_pool(&self, pool: &MaxPool, x: &Images) -> (Images, Pooled) {
        let pool = Self::pool(pool);
        let planes = pool.output(x.planes).expect("the image is large enough");
        let output = self.made(planes, |number, y| {
            max_pool(pool, x.block(number), x.planes, y, planes);
        });
        let input = x.clone();
        (output.clone(), Pooled { input, output })
    }

    fn max_pool_along(&self, pool: &MaxPool, pooled: &Pooled, dx: &Images) -> Images {
        let Pooled { input, output } = pooled;
        self.made(output.planes, |number, dy| {
            let [x, y, dx] = [input, output, dx].map(|images| images.block(number));
            max_pool_along(Self::pool(pool), x, input.planes, y, dx, output.planes, dy);
        })
    }

    fn max_pool_back(&self, pool: &MaxPool, pooled: &Pooled, g: &Images) -> Images {
        let Pooled { input, output } = pooled;
        self.made(input.planes, |number, at_images| {
            let [x, y, g] = [input, output, g].map(|images| images.block(number));
            at_images.fill(Lanes::ZERO);
            max_pool_transposed(Self::pool(pool), x, input.planes, y, g, output.planes, at_images);
        })
    }

    fn add_subsampled(&self, y: Images, x: &Images) -> Images {
        let planes = y.planes;
        self.changed(y, |number, y| {
            add_subsampled(y, planes, x.block(number), x.planes)
        })
    }

    fn subsampled_back(&self, g: &Images, x: &Images) -> Images {
        self.made(x.planes, |number, at_images| {
            at_images.fill(Lanes::ZERO);
            subsample_transposed(g.block(number), g.planes, at_images, x.planes);
        })
    }

    fn mean_of_pixels(&self, x: &Images) -> Tensor {
        let mut pooled = Vec::new();
        for (number, block) in x.blocks.blocks.iter().enumerate() {
            let means = means_of_pixels(block, x.planes.area());
            pooled.extend(
                (0..n_of(self.n, number)).flat_map(|lane| means.iter().map(move |channel| channel.0[lane])),
            );
        }
        Tensor::from_slice(&pooled).view([-1, x.planes.channels as i64])
    }

    fn mean_of_pixels_back(&self, at_mean: &Tensor, x: &Images) -> Images {
        let at_mean = numbers(at_mean);
        let Planes { channels, .. } = x.planes;
        let (n, share) = (self.n, 1.0 / x.planes.area() as f32);
        self.made(x.planes, |number, g| {
            let at_images = &at_mean[number * LANES * channels..][..n_of(n, number) * channels];
            for (channel, g) in g.chunks_exact_mut(x.planes.area()).enumerate() {
                let mut lanes = Lanes::ZERO;
                for (lane, at_image) in lanes.0.iter_mut().zip(at_images.chunks_exact(channels)) {
                    *lane = at_image[channel] * share;
                }
                g.fill(lanes);
            }
        })
    }
}
