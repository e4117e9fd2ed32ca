use super::memory::{Side, Source, Target};
use super::{MaskedNetwork, Remembered, Taped};
use crate::planned::{norm, numbers};
use sculpt_sparse::{LANES, Lanes, Sums};
use tch::{Kind, Tensor};

/// Weights of which a thread adds up the gradients at once.
const PART: usize = 1 << 16;

impl<P: Remembered> MaskedNetwork<'_, P> {
    /// `Jᵀu`; 0 at pruned weights of convolutions.
    pub(super) fn gradient(&mut self, u: &Tensor) -> Tensor {
        let u = &self.stored(u);
        let mut gradient = vec![0.0; self.theta.len()];
        let fc = self.network.plan.classifier;
        let mut put = |place: usize, values: &Tensor| {
            let range = self.network.layout.params()[place].range();
            gradient[range].copy_from_slice(&numbers(values));
        };
        put(fc, &u.tr().matmul(&self.pooled));
        put(fc + 1, &u.sum_dim_intlist([0i64].as_slice(), false, None::<Kind>));
        let at_pooled = numbers(&self.stored(&u.matmul(&self.classifier())));

        // The gradient stands in slot 0 or 1; a block's shortcut may need the other, and its inside the rest.
        let last = self.streams.len() - 1;
        let planes = self.streams[last].planes;
        let share = 1.0 / planes.area() as f32;
        let (streams, layers) = (&self.streams, &self.layers);
        self.threads.each(&mut self.blocks, |number, block| {
            let n = block.n;
            let at_images = &at_pooled[number * LANES * planes.channels..][..n * planes.channels];
            let g = block.gradient(0, planes.len());
            for (channel, g) in g.chunks_exact_mut(planes.area()).enumerate() {
                let mut lanes = Lanes::ZERO;
                for (lane, at_image) in lanes.0.iter_mut().zip(at_images.chunks_exact(planes.channels)) {
                    *lane = at_image[channel] * share;
                }
                g.fill(P::narrow(&lanes));
            }
            block.before_relu(Source::Stream(last), 0, streams, layers);
        });
        self.note_sums(Source::Stream(last));

        let mut slot = 0;
        let tape = std::mem::take(&mut self.tape);
        for done in tape.iter().rev() {
            match done {
                Taped::Conv(number) => {
                    let to = Target {
                        slot: 1 - slot,
                        add: false,
                    };
                    slot = self.pull_back(*number, slot, Some(to));
                }
                Taped::Pool(made) => {
                    let from = match self.streams[*made].made {
                        super::Made::Pooled(_, from) => Source::Stream(from),
                        _ => unreachable!("it was made by a pooling"),
                    };
                    let (streams, layers) = (&self.streams, &self.layers);
                    self.threads.each(&mut self.blocks, |_, block| {
                        block.unpool(*made, slot, 1 - slot, streams);
                        block.before_relu(from, 1 - slot, streams, layers);
                    });
                    self.note_sums(from);
                    slot = 1 - slot;
                }
                Taped::Block(convs, side) => slot = self.pull_back_block(convs, *side, slot),
            }
        }
        self.tape = tape;
        self.collect(&mut gradient);
        Tensor::from_slice(&gradient)
    }

    /// From the gradient behind a block, in `slot`, to that behind what it reads; where that stands.
    fn pull_back_block(&mut self, convs: &[usize], side: Side, slot: usize) -> usize {
        let (&first, rest) = convs.split_first().expect("a block has convolutions");
        let last = *convs.last().expect("likewise");
        let write = |slot| Target { slot, add: false };
        // By the shortcut: into the slot to which the first convolution adds.
        let beside = match side {
            Side::Same(_) | Side::Nothing => slot,
            Side::Projected(number) => {
                self.pull_back_through(number, slot, Some(write(1 - slot)), None);
                1 - slot
            }
            Side::Subsampled(place) => {
                let planes = self.layers[last].planes();
                let streams = &self.streams;
                self.threads.each(&mut self.blocks, |_, block| {
                    block.pull_back_subsampled(planes, place, slot, 1 - slot, streams);
                });
                1 - slot
            }
        };
        let mut inside = slot;
        for &number in rest.iter().rev() {
            let to = if inside == 2 { 3 } else { 2 };
            inside = self.pull_back(number, inside, Some(write(to)));
        }
        let to = Target {
            slot: beside,
            add: true,
        };
        self.pull_back(first, inside, Some(to))
    }

    /// Goes back through a convolution and the ReLU before it; where the gradient then stands. The images have none.
    fn pull_back(&mut self, number: usize, from: usize, to: Option<Target>) -> usize {
        let source = self.layers[number].source;
        let to = to.filter(|_| source != Source::Stream(0));
        self.pull_back_through(number, from, to, Some(source));
        to.map_or(from, |to| to.slot)
    }

    /// Goes back through a convolution, and, where one is named, through the ReLU of its source.
    fn pull_back_through(&mut self, number: usize, from: usize, to: Option<Target>, relu_of: Option<Source>) {
        let (streams, layers) = (&self.streams, &self.layers);
        self.threads.each(&mut self.blocks, |_, block| {
            block.pull_back(number, from, to, layers);
            if let (Some(to), Some(source)) = (to, relu_of) {
                block.before_relu(source, to.slot, streams, layers);
            }
        });
        self.layers[number].at_weight = self.sum_at_weights(number);
        if let (Some(_), Some(source)) = (to, relu_of) {
            self.note_sums(source);
        }
    }

    /// What the blocks found at the weights of a convolution, added up in their order.
    fn sum_at_weights(&self, number: usize) -> Vec<f32> {
        let found: Vec<&[f32]> = self.blocks.iter().map(|block| &block.at_weight[..]).collect();
        let mut all = vec![0.0; self.layers[number].weight.places().len()];
        let mut parts: Vec<_> = all.chunks_mut(PART).collect();
        self.threads.each(&mut parts, |part, sums| {
            let mut exact = vec![0.0f64; sums.len()];
            for own in &found {
                for (sum, own) in exact.iter_mut().zip(&own[part * PART..]) {
                    *sum += f64::from(*own);
                }
            }
            for (sum, exact) in sums.iter_mut().zip(exact) {
                *sum = exact as f32;
            }
        });
        all
    }

    /// Adds up what the blocks found of the convolution in front of a ReLU, and of the one beside it.
    fn note_sums(&mut self, source: Source) {
        let of = match source {
            Source::Rectified(number) => [Some(number), None],
            Source::Stream(place) => match self.streams[place].made {
                super::Made::Joined(number, Side::Projected(other)) => [Some(number), Some(other)],
                super::Made::Joined(number, _) => [Some(number), None],
                super::Made::Batch | super::Made::Pooled(..) => [None, None],
            },
        };
        for (place, number) in of.into_iter().enumerate().filter_map(|(i, n)| Some((i, n?))) {
            let layer = &mut self.layers[number];
            let mut sums = vec![Sums::default(); layer.moments.len()];
            for block in &self.blocks {
                for (all, own) in sums.iter_mut().zip(&block.sums[place]) {
                    *all = all.and(*own);
                }
            }
            layer.slopes = norm::slopes(&layer.moments, &sums, &layer.affine);
            layer.sums = sums;
        }
    }

    /// Puts what was found at weights and BatchNorms to their places. A bias in front of BatchNorm has no gradient.
    fn collect(&self, gradient: &mut [f32]) {
        let layout = &self.network.layout;
        for layer in &self.layers {
            let start = |place: usize| layout.params()[place].range().start;
            let weight = start(layer.conv.weight);
            for (&place, &value) in layer.weight.places().iter().zip(&layer.at_weight) {
                gradient[weight + place as usize] = value;
            }
            let of_norm = norm::gradients(&layer.moments, &layer.sums);
            for (place, values) in (layer.conv.scale()..).zip(of_norm) {
                gradient[start(place)..][..values.len()].copy_from_slice(&values);
            }
        }
    }
}
