use crate::Lanes;
use crate::winograd::Winograd;
use std::ops::Range;

/// Channels of so many rows and columns of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planes {
    /// Channels.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Planes {
    /// Pixels of a channel.
    pub fn area(&self) -> usize {
        self.height * self.width
    }

    /// Pixels of all channels: [`Lanes`](crate::Lanes) that a block takes.
    pub fn len(&self) -> usize {
        self.channels * self.area()
    }

    /// Whether there is no pixel.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A convolution with a square kernel, stride and padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Channels that it makes.
    pub n_out: usize,
    /// Side of the kernel, at least 1.
    pub kernel: usize,
    /// Pixels from one place of the kernel to the next, at least 1.
    pub stride: usize,
    /// Rows and columns of zeros on each side, less than `kernel`.
    pub padding: usize,
}

/// How a convolution's weights are multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Each kept one by itself.
    Kept,
    /// All, of four channels at once.
    InFours,
    /// All, by Winograd's algorithm.
    Winograd,
}

impl Convolution {
    /// What it makes of `input`, rounded down as PyTorch does. None: the kernel does not fit.
    pub fn output(&self, input: Planes) -> Option<Planes> {
        let along = |n: usize| Some((n + 2 * self.padding).checked_sub(self.kernel)? / self.stride + 1);
        Some(Planes {
            channels: self.n_out,
            height: along(input.height)?,
            width: along(input.width)?,
        })
    }

    /// How long it takes in training (forward, and both gradients) with such a share of its weights kept, 0 to 1, by the [`Way`] that is fastest, of what
    /// all of them take one by one. Measured, with AVX-512 and with AVX2, on blocks of 32 × 32 pixels and 16 channels to 4 × 4 and 512
    /// (`cargo bench -p sculpt-sparse`): the two differ by less than a tenth.
    pub fn work(&self, input: Planes, share_kept: f64) -> f64 {
        self.fastest(input, share_kept).1
    }

    /// How it is multiplied where such a share of its weights is kept.
    pub fn way(&self, input: Planes, share_kept: f64) -> Way {
        self.fastest(input, share_kept).0
    }

    fn fastest(&self, input: Planes, share_kept: f64) -> (Way, f64) {
        let mut fastest = (Way::Kept, share_kept);
        for (way, work) in [
            (Way::InFours, self.work_in_fours()),
            (Way::Winograd, self.work_of_winograd(input)),
        ] {
            if work < fastest.1 {
                fastest = (way, work);
            }
        }
        fastest
    }

    /// A pixel is read once for four channels: with AVX-512 0.47 of the time, with AVX2, which has half of the registers, all of it. One number between
    /// them, since a network's bits must not depend on who computes it. Of a kernel of one pixel all waits for memory, whichever the way, and less here: it
    /// counts so that networks mostly of them (ResNet-50) are left to libtorch, which is 1.5 times as fast at them.
    fn work_in_fours(&self) -> f64 {
        let fits = self.n_out > 0 && self.n_out.is_multiple_of(4) && self.stride <= 2;
        match self.kernel {
            _ if !fits => 1.0,
            1 => 0.95,
            _ => 0.65,
        }
    }

    /// What a tile takes to be transformed weighs less the more channels it is multiplied for. Tiles are multiplied two by two.
    fn work_of_winograd(&self, input: Planes) -> f64 {
        if !Winograd::fits(*self, input) {
            return 1.0;
        }
        let of_pairs = match self.n_out.min(input.channels) {
            ..32 => 0.55,
            32..64 => 0.43,
            64.. => 0.32,
        };
        let n_tiles = input.area() / 4;
        of_pairs * n_tiles.next_multiple_of(2) as f64 / n_tiles as f64
    }

    /// Where its input lies among the zeros that it reads around it.
    pub(crate) fn around_input(&self, input: Planes) -> Padded {
        Padded {
            planes: input,
            before: self.padding,
            height: input.height + 2 * self.padding,
            width: input.width + 2 * self.padding,
        }
    }

    /// Where the gradient at its output lies among the zeros that the gradient at its input reads around it.
    pub(crate) fn around_output(&self, input: Planes, output: Planes) -> Padded {
        let before = (self.kernel - 1 - self.padding).div_ceil(self.stride);
        let last = |n_in: usize, n_out: usize| n_out.max((n_in - 1 + self.padding) / self.stride + 1);
        Padded {
            planes: output,
            before,
            height: before + last(input.height, output.height),
            width: before + last(input.width, output.width),
        }
    }
}

/// Planes with zeros around them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Padded {
    pub(crate) planes: Planes,
    /// Zeros above and on the left.
    pub(crate) before: usize,
    /// Rows, zeros included.
    pub(crate) height: usize,
    /// Columns, zeros included.
    pub(crate) width: usize,
}

impl Padded {
    pub(crate) fn area(&self) -> usize {
        self.height * self.width
    }

    pub(crate) fn len(&self) -> usize {
        self.planes.channels * self.area()
    }

    /// Where a row of a channel begins, behind the zeros on its left.
    #[inline(always)]
    pub(crate) fn row(&self, channel: usize, row: usize) -> usize {
        channel * self.area() + (self.before + row) * self.width + self.before
    }

    /// The rows of all channels.
    #[inline(always)]
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> {
        let (this, Planes { height, width, .. }) = (*self, self.planes);
        (0..self.planes.channels * height).map(move |number| {
            let start = this.row(number / height, number % height);
            Row {
                channel: number / height,
                plain: number * width..(number + 1) * width,
                padded: start..start + width,
            }
        })
    }

    /// Makes all zero that is no pixel.
    pub(crate) fn clear_around(&self, out: &mut [Lanes]) {
        let mut done = 0;
        for row in self.rows() {
            out[done..row.padded.start].fill(Lanes::ZERO);
            done = row.padded.end;
        }
        out[done..self.len()].fill(Lanes::ZERO);
    }
}

/// The pixels of a row.
pub(crate) struct Row {
    pub(crate) channel: usize,
    /// Their places without zeros around them.
    pub(crate) plain: Range<usize>,
    /// Their places among the zeros.
    pub(crate) padded: Range<usize>,
}
