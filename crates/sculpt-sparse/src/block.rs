use crate::dispatch::for_this_processor;
use crate::norm::{Affine, Slope, pad, pad_gradient, pad_rectified};
use crate::products::Sums;
use crate::winograd::Room;
use crate::{LANES, Lanes, Pixel, Planes, Weight};

/// What a convolution reads of a block.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a, P = Lanes> {
    /// Images.
    Images(&'a [P]),
    /// Another convolution, normalised, behind a ReLU: made as it is read, and nowhere kept.
    Rectified(&'a [P], &'a [Affine]),
}

/// The gradient of a block behind the BatchNorm of a convolution, and what is needed to find that before it.
#[derive(Clone, Copy, Debug)]
pub struct OutputGradient<'a, P = Lanes> {
    /// The gradient behind BatchNorm.
    pub g: &'a [P],
    /// The convolution.
    pub y: &'a [P],
    /// By channel.
    pub slopes: &'a [Slope],
    /// Images that the block has; the other lanes have no gradient.
    pub n: usize,
}

/// Where the gradient at the input goes.
#[derive(Debug)]
pub enum InputGradient<'a, P = Lanes> {
    /// Nobody asks for it.
    Unwanted,
    /// In place of what is there.
    Write(&'a mut [P]),
    /// To what is there.
    Add(&'a mut [P]),
}

/// Room to work in, of a thread. It grows to what was needed.
#[derive(Debug, Default)]
pub struct Scratch {
    x: Vec<Lanes>,
    g: Vec<Lanes>,
    sums: Sums,
    winograd: Room,
}

/// The first `n` of `memory`, which grows where it has fewer.
pub fn room<P: Pixel>(memory: &mut Vec<P>, n: usize) -> &mut [P] {
    if memory.len() < n {
        memory.resize(n, P::ZERO);
    }
    &mut memory[..n]
}

impl<P: Pixel> Weight<P> {
    /// The convolution of a block: `y` of [`Weight::output`].
    ///
    /// # Panics
    /// When a length is not that of the images.
    pub fn convolve(&self, x: Input<'_, P>, scratch: &mut Scratch, y: &mut [P]) {
        self.convolve_into(x, scratch, y, false);
    }

    /// The same, added to what `y` is.
    ///
    /// # Panics
    /// As [`Weight::convolve`].
    pub fn convolve_onto(&self, x: Input<'_, P>, scratch: &mut Scratch, y: &mut [P]) {
        self.convolve_into(x, scratch, y, true);
    }

    fn convolve_into(&self, x: Input<'_, P>, scratch: &mut Scratch, y: &mut [P], add: bool) {
        assert_eq!(y.len(), self.output().len(), "the block's output");
        let x = self.padded(x, &mut scratch.x);
        self.forward(x, y, add, &mut scratch.winograd);
    }

    /// The gradients of a block at the convolution's input and at its kept weights, in the order of [`Weight::places`].
    ///
    /// # Panics
    /// As [`Weight::convolve`].
    pub fn pull_back(
        &self,
        x: Input<'_, P>,
        gradient: OutputGradient<'_, P>,
        scratch: &mut Scratch,
        at_input: InputGradient<'_, P>,
        at_weight: &mut Vec<f32>,
    ) {
        let OutputGradient { g, y, slopes, n } = gradient;
        assert_eq!(g.len(), self.output().len(), "the gradient at the block's output");
        let padded = self.around_output();
        let at_output = room(&mut scratch.g, padded.len());
        pad_gradient(g, y, slopes, n, padded, at_output);
        self.pull_back_padded(x, scratch, at_input, at_weight);
    }

    /// The same of a convolution that no BatchNorm follows: `g` is the gradient at what it makes, 0 in lanes that have no image.
    ///
    /// # Panics
    /// As [`Weight::convolve`].
    pub fn pull_back_unnormalised(
        &self,
        x: Input<'_, P>,
        g: &[P],
        scratch: &mut Scratch,
        at_input: InputGradient<'_, P>,
        at_weight: &mut Vec<f32>,
    ) {
        assert_eq!(g.len(), self.output().len(), "the gradient at the block's output");
        let padded = self.around_output();
        pad(g, padded, room(&mut scratch.g, padded.len()));
        self.pull_back_padded(x, scratch, at_input, at_weight);
    }

    /// From the gradient at the output, padded, in the room for it.
    fn pull_back_padded(
        &self,
        x: Input<'_, P>,
        scratch: &mut Scratch,
        at_input: InputGradient<'_, P>,
        at_weight: &mut Vec<f32>,
    ) {
        let at_output = &scratch.g[..self.around_output().len()];
        let x = self.padded(x, &mut scratch.x);
        self.at_weight(x, at_output, &mut scratch.sums, &mut scratch.winograd, at_weight);
        let (at_input, adds) = match at_input {
            InputGradient::Unwanted => return,
            InputGradient::Write(at_input) => (at_input, false),
            InputGradient::Add(at_input) => (at_input, true),
        };
        assert_eq!(
            at_input.len(),
            self.input().len(),
            "the gradient at the block's input"
        );
        self.at_input(at_output, at_input, adds, &mut scratch.winograd);
    }

    fn padded<'a>(&self, x: Input<'a, P>, memory: &'a mut Vec<Lanes>) -> &'a [Lanes] {
        let padded = self.around_input();
        let (Input::Images(images) | Input::Rectified(images, _)) = x;
        assert_eq!(images.len(), self.input().len(), "the block's input");
        match x {
            Input::Images(x) => {
                if padded.is_plain()
                    && let Some(lanes) = P::as_lanes(x)
                {
                    return lanes;
                }
                let out = room(memory, padded.len());
                pad(x, padded, out);
                out
            }
            Input::Rectified(y, affine) => {
                let out = room(memory, padded.len());
                pad_rectified(y, affine, padded, out);
                out
            }
        }
    }
}

/// Images `first` to `first + LANES` of a batch `[n, channels, height, width]` as a block: `[channels, height, width]` of pixels,
/// rounded as these are stored. Lanes that have no image are zero. How many have one.
///
/// # Panics
/// When there is no image `first`, planes have no pixel, or a length does not fit.
pub fn block_of<P: Pixel>(batch: &[f32], planes: Planes, first: usize, block: &mut [P]) -> usize {
    assert_eq!(block.len(), planes.len(), "a block of these planes");
    assert_eq!(batch.len() % planes.len(), 0, "a batch of whole images");
    let images = batch.get(first * planes.len()..).unwrap_or_default();
    let n = (images.len() / planes.len()).min(LANES);
    assert!(n > 0, "no image {first} in a batch of {} numbers", batch.len());
    lay_side_by_side(&images[..n * planes.len()], block);
    n
}

for_this_processor! {
    /// At most sixteen images, one after the other, as a block.
    fn lay_side_by_side[registers <P: Pixel>](images: &[f32], block: &mut [P]) {
        let _ = TILE;
        let length = block.len();
        let (squares, rest) = block.as_chunks_mut::<LANES>();
        let (mut rows, mut wide) = ([Lanes::ZERO; LANES], [Lanes::ZERO; LANES]);
        for (number, square) in squares.iter_mut().enumerate() {
            for (row, image) in rows.iter_mut().zip(images.chunks_exact(length)) {
                row.0.copy_from_slice(&image[number * LANES..][..LANES]);
            }
            registers.transpose(&rows, 1, &mut wide);
            for (pixel, wide) in square.iter_mut().zip(&wide) {
                P::store(registers, registers.load(wide), pixel);
            }
        }
        let first = length - rest.len();
        for (pixel, lanes) in rest.iter_mut().enumerate() {
            let mut wide = Lanes::ZERO;
            for (lane, image) in wide.0.iter_mut().zip(images.chunks_exact(length)) {
                *lane = image[first + pixel];
            }
            *lanes = P::narrow(&wide);
        }
    }
}
