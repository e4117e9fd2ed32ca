use crate::plan::ConvNorm;
use sculpt_sparse::{
    Affine, Beside, Input, InputGradient, MaxPool, Moments, OutputGradient, Pixel, Planes, Scratch, Slope,
    Sums, Weight,
};
use sculpt_sparse::{
    before_relu, before_relu_of_norm, join, max_pool, max_pool_transposed, room, subsample_transposed,
};
use std::cell::RefCell;
use std::sync::Arc;

/// A convolution of a masked network on a batch, and what its BatchNorm makes of it.
pub(super) struct Layer<P> {
    pub(super) conv: ConvNorm,
    pub(super) weight: Arc<Weight<P>>,
    pub(super) source: Source,
    /// By channel, from here on.
    pub(super) moments: Vec<Moments>,
    pub(super) means: Vec<f32>,
    pub(super) affine: Vec<Affine>,
    /// What backward finds.
    pub(super) sums: Vec<Sums>,
    pub(super) slopes: Vec<Slope>,
    pub(super) at_weight: Vec<f32>,
}

impl<P: Pixel> Layer<P> {
    pub(super) fn planes(&self) -> Planes {
        self.weight.output()
    }
}

/// Where a convolution finds its images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A stream, by its place.
    Stream(usize),
    /// A convolution, by its number, normalised, behind a ReLU.
    Rectified(usize),
}

/// Images that are kept: the batch, what leaves a block, what a pooling reads and makes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    pub(super) planes: Planes,
    pub(super) made: Made,
}

/// What is done with a block.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    /// A convolution is computed, by its number.
    Convolve(usize),
    /// A stream is made, by its place.
    Make(usize),
}

/// Of what a stream is made.
#[derive(Clone, Copy, Debug)]
pub(super) enum Made {
    /// The batch itself.
    Batch,
    /// The largest pixels of a stream.
    Pooled(MaxPool, usize),
    /// A convolution, by its number, normalised, with what is beside it, behind a ReLU.
    Joined(usize, Side),
}

/// What is beside the last convolution of a block.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Nothing,
    /// A stream.
    Same(usize),
    /// A convolution, by its number.
    Projected(usize),
    /// Every second pixel of a stream.
    Subsampled(usize),
}

/// Images of the batch that lie beside each other, and all that training keeps of them.
#[derive(Debug)]
pub(in crate::planned) struct Block<P> {
    /// How many images.
    pub(super) n: usize,
    /// Convolutions, by number.
    ys: Vec<Vec<P>>,
    /// Streams, by place.
    pub(super) streams: Vec<Vec<P>>,
    /// Gradients, by slot.
    pub(super) gradients: Vec<Vec<P>>,
    /// Of the convolution just computed.
    pub(super) moments: Vec<Moments>,
    /// Of the convolutions whose gradient was just found, and of those beside them.
    pub(super) sums: [Vec<Sums>; 2],
    /// Of the convolution just gone through, at its kept weights.
    pub(super) at_weight: Vec<f32>,
}

/// Of a gradient at the input of a convolution: which slot, and whether it is added to what is there.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub(super) slot: usize,
    pub(super) add: bool,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Of a list of memories, the one at a place, which the list grows to have.
fn at<P>(list: &mut Vec<Vec<P>>, place: usize) -> &mut Vec<P> {
    if list.len() <= place {
        list.resize_with(place + 1, Vec::new);
    }
    &mut list[place]
}

impl<P> Default for Block<P> {
    fn default() -> Self {
        Self {
            n: 0,
            ys: Vec::new(),
            streams: Vec::new(),
            gradients: Vec::new(),
            moments: Vec::new(),
            sums: Default::default(),
            at_weight: Vec::new(),
        }
    }
}

impl<P: Pixel> Block<P> {
    pub(super) fn stream(&mut self, place: usize, planes: Planes) -> &mut [P] {
        room(at(&mut self.streams, place), planes.len())
    }

    pub(super) fn gradient(&mut self, slot: usize, n: usize) -> &mut [P] {
        room(at(&mut self.gradients, slot), n)
    }

    fn input<'a>(&'a self, source: Source, layers: &'a [Layer<P>], planes: Planes) -> Input<'a, P> {
        match source {
            Source::Stream(place) => Input::Images(&self.streams[place][..planes.len()]),
            Source::Rectified(number) => {
                Input::Rectified(&self.ys[number][..planes.len()], &layers[number].affine)
            }
        }
    }

    /// Makes a stream.
    pub(super) fn make(&mut self, place: usize, streams: &[Stream], layers: &[Layer<P>]) {
        let Stream { planes, made } = streams[place];
        let mut memory = std::mem::take(at(&mut self.streams, place));
        let out = room(&mut memory, planes.len());
        match made {
            Made::Batch => {}
            Made::Pooled(pool, from) => {
                let input = streams[from].planes;
                max_pool(pool, &self.streams[from][..input.len()], input, out, planes);
            }
            Made::Joined(number, side) => {
                let n = planes.len();
                let beside = match side {
                    Side::Nothing => Beside::Nothing,
                    Side::Same(from) => Beside::Images(&self.streams[from][..n]),
                    Side::Projected(other) => Beside::Normalised(&self.ys[other][..n], &layers[other].affine),
                    Side::Subsampled(from) => {
                        let planes = streams[from].planes;
                        Beside::Subsampled(&self.streams[from][..planes.len()], planes)
                    }
                };
                let affine = &layers[number].affine;
                join(&self.ys[number][..n], affine, beside, planes, out);
            }
        }
        self.streams[place] = memory;
    }

    /// Computes a convolution, and the moments of its channels where they are wanted.
    pub(super) fn convolve(&mut self, number: usize, layers: &[Layer<P>], with_moments: bool) {
        let Layer { weight, source, .. } = &layers[number];
        let planes = weight.output();
        let mut memory = std::mem::take(at(&mut self.ys, number));
        let y = room(&mut memory, planes.len());
        let x = self.input(*source, layers, weight.input());
        SCRATCH.with_borrow_mut(|scratch| weight.convolve(x, scratch, y));
        if with_moments {
            self.moments = sculpt_sparse::moments(y, planes, self.n);
        }
        self.ys[number] = memory;
    }

    /// The means over the pixels of a stream: of each image `[channels]`, one after the other.
    pub(super) fn means_of_pixels(&self, planes: Planes, place: usize, means: &mut [f32]) {
        let of_channels = sculpt_sparse::means_of_pixels(&self.streams[place][..planes.len()], planes.area());
        for (lane, of_image) in means.chunks_exact_mut(planes.channels).enumerate() {
            for (mean, lanes) in of_image.iter_mut().zip(&of_channels) {
                *mean = lanes.0[lane];
            }
        }
    }

    /// Goes back through a convolution: from the gradient behind its BatchNorm, in slot `from`, to those at its weights and at its
    /// input.
    pub(super) fn pull_back(&mut self, number: usize, from: usize, to: Option<Target>, layers: &[Layer<P>]) {
        let layer = &layers[number];
        let n_in = layer.weight.input().len();
        let mut at_weight = std::mem::take(&mut self.at_weight);
        let mut memory = match to {
            Some(Target { slot, .. }) => std::mem::take(at(&mut self.gradients, slot)),
            None => Vec::new(),
        };
        let at_input = match to {
            None => InputGradient::Unwanted,
            Some(Target { add: false, .. }) => InputGradient::Write(room(&mut memory, n_in)),
            Some(Target { add: true, .. }) => InputGradient::Add(room(&mut memory, n_in)),
        };
        let n_out = layer.planes().len();
        let gradient = OutputGradient {
            g: &self.gradients[from][..n_out],
            y: &self.ys[number][..n_out],
            slopes: &layer.slopes,
            n: self.n,
        };
        let x = self.input(layer.source, layers, layer.weight.input());
        SCRATCH.with_borrow_mut(|scratch| {
            layer
                .weight
                .pull_back(x, gradient, scratch, at_input, &mut at_weight);
        });
        self.at_weight = at_weight;
        if let Some(Target { slot, .. }) = to {
            self.gradients[slot] = memory;
        }
    }

    /// Makes the gradient behind the ReLU of `source`, in a slot, that before it, and notes its sums.
    pub(super) fn before_relu(
        &mut self,
        source: Source,
        slot: usize,
        streams: &[Stream],
        layers: &[Layer<P>],
    ) {
        match source {
            Source::Rectified(number) => {
                let layer = &layers[number];
                let (n, area) = (layer.planes().len(), layer.planes().area());
                let (g, y) = (&mut self.gradients[slot][..n], &self.ys[number][..n]);
                self.sums[0] = before_relu_of_norm(g, y, &layer.affine, &layer.means, area);
            }
            Source::Stream(place) => {
                let Stream { planes, made } = streams[place];
                let Made::Joined(number, side) = made else { return };
                let (n, area) = (planes.len(), planes.area());
                let (g, x) = (&mut self.gradients[slot][..n], &self.streams[place][..n]);
                self.sums[0] = before_relu(g, x, &self.ys[number][..n], &layers[number].means, area);
                if let Side::Projected(other) = side {
                    self.sums[1] = sculpt_sparse::sums(g, &self.ys[other][..n], &layers[other].means, area);
                }
            }
        }
    }

    /// From the gradient at a pooled stream, in slot `from`, to that at the stream before, in slot `to`.
    pub(super) fn unpool(&mut self, place: usize, from: usize, to: usize, streams: &[Stream]) {
        let Stream { planes, made } = streams[place];
        let Made::Pooled(pool, before) = made else {
            unreachable!("only of a pooling");
        };
        let input = streams[before].planes;
        let mut memory = std::mem::take(at(&mut self.gradients, to));
        let at_images = room(&mut memory, input.len());
        at_images.fill(P::ZERO);
        let (x, y) = (
            &self.streams[before][..input.len()],
            &self.streams[place][..planes.len()],
        );
        max_pool_transposed(
            pool,
            x,
            input,
            y,
            &self.gradients[from][..planes.len()],
            planes,
            at_images,
        );
        self.gradients[to] = memory;
    }

    /// The part of a block's gradient that goes by the subsampled stream `place`, from slot `from` to slot `to`.
    pub(super) fn pull_back_subsampled(
        &mut self,
        planes: Planes,
        place: usize,
        from: usize,
        to: usize,
        streams: &[Stream],
    ) {
        let input = streams[place].planes;
        let mut memory = std::mem::take(at(&mut self.gradients, to));
        let at_images = room(&mut memory, input.len());
        at_images.fill(P::ZERO);
        subsample_transposed(&self.gradients[from][..planes.len()], planes, at_images, input);
        self.gradients[to] = memory;
    }
}
