use crate::dispatch::has_many_registers;
use crate::winograd::Winograd;
use crate::{Lanes, Storage};
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

    /// Pixels of all channels: [`Pixel`](crate::Pixel)s that a block takes.
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
    /// All, one by one, with each pixel those of four channels: the same bits, where all numbers are finite.
    InFours,
    /// All at once, by Winograd's algorithm, of tiles that make so many pixels.
    Winograd(WinogradTile),
}

/// What one tile of Winograd's algorithm makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WinogradTile {
    /// 2 × 2 pixels.
    Two,
    /// 4 × 4 pixels: of numbers that are rounded to bfloat16 alone.
    Four,
}

impl WinogradTile {
    /// Rows of them, and columns.
    pub(crate) const fn side(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }
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

    /// The [`Way`] that is fastest on this processor where such a share of its weights is kept, 0 to 1, of pixels stored so, and how long it takes in training (forward, and both
    /// gradients): 1 is what all weights of a 3 × 3 kernel take one by one. Measured on blocks of 32 × 32 pixels and 16 channels to 4 × 4 and 512 (`cargo bench
    /// -p sculpt-sparse`).
    pub fn fastest(&self, input: Planes, share_kept: f64, storage: Storage) -> (Way, f64) {
        let in_fours = self.work_in_fours(input);
        let (tile, by_winograd) = self.fastest_winograd(input, storage);
        // First what changes bits, by numbers that hold for every processor.
        let fastest = if by_winograd < share_kept {
            (Way::Winograd(tile), by_winograd)
        } else if in_fours < share_kept {
            (Way::InFours, in_fours)
        } else {
            (Way::Kept, share_kept)
        };
        // What a kernel of one pixel reads it reads for one weight of a channel, and waits for it.
        let slower = if self.kernel == 1 { 2.0 } else { 1.0 };
        (fastest.0, slower * fastest.1)
    }

    /// A pixel is read once for four channels, where registers can hold sums enough. Where few pixels are made all waits for the weights. The bits are those of each kept weight by itself, whichever is chosen.
    fn work_in_fours(&self, input: Planes) -> f64 {
        let has_pixels = self.output(input).is_some_and(|output| output.area() >= 16);
        let fits = has_pixels && self.n_out > 0 && self.n_out.is_multiple_of(4) && self.stride <= 2;
        if fits && has_many_registers() { 0.5 } else { 1.0 }
    }

    /// What a tile takes to be transformed weighs less the more channels it is multiplied for: with AVX-512 and with AVX2 within a tenth of each other (of
    /// two pixels; of four it is 1.2 to 1.6 times as fast as those with AVX-512, 1.35 to 1.55 with AVX2, and of 8 channels no slower). Tiles are multiplied two by two.
    fn work_of_winograd(&self, input: Planes, tile: WinogradTile) -> f64 {
        if !Winograd::fits(*self, input, tile) {
            return 1.0;
        }
        let of_pairs = match (tile, self.n_out.min(input.channels)) {
            (WinogradTile::Two, ..32) => 0.55,
            (WinogradTile::Two, 32..64) => 0.43,
            (WinogradTile::Two, 64..) => 0.32,
            (WinogradTile::Four, ..32) => 0.42,
            (WinogradTile::Four, 32..64) => 0.27,
            (WinogradTile::Four, 64..) => 0.2,
        };
        let n_tiles = input.area() / tile.side().pow(2);
        of_pairs * n_tiles.next_multiple_of(2) as f64 / n_tiles as f64
    }

    /// The larger tiles round ten times as much: a hundredth of what their input's rounding to bfloat16 does.
    fn fastest_winograd(&self, input: Planes, storage: Storage) -> (WinogradTile, f64) {
        let by_two = self.work_of_winograd(input, WinogradTile::Two);
        let by_four = match storage {
            Storage::F32 => 1.0,
            Storage::Bf16 => self.work_of_winograd(input, WinogradTile::Four),
        };
        if by_four < by_two {
            (WinogradTile::Four, by_four)
        } else {
            (WinogradTile::Two, by_two)
        }
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

    /// Whether there are no zeros.
    pub(crate) fn is_plain(&self) -> bool {
        self.area() == self.planes.area()
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
