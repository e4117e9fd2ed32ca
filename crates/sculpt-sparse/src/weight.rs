use crate::dispatch::{Registers, for_this_processor};
use crate::geometry::Padded;
use crate::taps::{Tap, Taps};
use crate::{Convolution, Lanes, Planes, Storage};
use std::ops::Range;

/// The kept weights of a convolution of images of one size.
#[derive(Clone, Debug)]
pub struct Weight {
    input: Planes,
    output: Planes,
    stride: usize,
    storage: Storage,
    around_input: Padded,
    around_output: Padded,
    /// By output channel.
    forward: Taps,
    /// Where each tap of `forward` stands in the whole weight.
    places: Vec<u32>,
    /// Which input pixels take part in the same taps: as many kinds as the stride squared.
    backward: Vec<Phase>,
}

/// Every `stride`-th pixel of the input, from one on.
#[derive(Clone, Debug)]
struct Phase {
    row: usize,
    column: usize,
    /// By input channel.
    taps: Taps,
}

impl Weight {
    /// Of a convolution of images `input`: `values` is `[n_out, n_in, kernel, kernel]`, of which those count whose `kept` is not 0.
    /// `storage` is that of what it reads and writes.
    ///
    /// # Panics
    /// When the lengths are not those of the shape, the padding is not less than the kernel, or the kernel does not fit the images.
    pub fn new(
        convolution: Convolution,
        input: Planes,
        values: &[f32],
        kept: &[f32],
        storage: Storage,
    ) -> Self {
        let Convolution {
            n_out,
            kernel,
            stride,
            padding,
        } = convolution;
        assert!(stride > 0 && padding < kernel, "{convolution:?} is none");
        let n = n_out * input.channels * kernel * kernel;
        assert!(
            values.len() == n && kept.len() == n,
            "{n} weights, not {} and {} in the mask",
            values.len(),
            kept.len()
        );
        let output = convolution.output(input).expect("the kernel fits the images");
        let around_input = convolution.around_input(input);
        let around_output = convolution.around_output(input, output);
        let at = |o: usize, i: usize, row: usize, column: usize| {
            ((o * input.channels + i) * kernel + row) * kernel + column
        };

        let (mut forward, mut places) = (Taps::default(), Vec::new());
        for o in 0..n_out {
            for i in 0..input.channels {
                for (row, column) in (0..kernel).flat_map(|row| (0..kernel).map(move |column| (row, column)))
                {
                    let place = at(o, i, row, column);
                    if kept[place] != 0.0 {
                        let offset = i * around_input.area() + row * around_input.width + column;
                        forward.taps.push(Tap {
                            offset: place_in_block(offset),
                            value: storage.weight(values[place]),
                        });
                        places.push(place_in_block(place));
                    }
                }
            }
            forward.ends.push(forward.taps.len());
        }

        // Input row s·a + phase meets row d of the kernel in output row a + (phase + padding − d)/s, where that is whole.
        let met = |phase: usize, d: usize| -> Option<usize> {
            let shift = (phase + padding) as isize - d as isize;
            let before = around_output.before as isize;
            (shift.rem_euclid(stride as isize) == 0)
                .then(|| (before + shift.div_euclid(stride as isize)) as usize)
        };
        let mut backward = Vec::new();
        for (row, column) in (0..stride).flat_map(|row| (0..stride).map(move |column| (row, column))) {
            let mut taps = Taps::default();
            for i in 0..input.channels {
                for o in 0..n_out {
                    for (r, at_row) in (0..kernel).filter_map(|r| Some((r, met(row, r)?))) {
                        for (c, at_column) in (0..kernel).filter_map(|c| Some((c, met(column, c)?))) {
                            let place = at(o, i, r, c);
                            if kept[place] != 0.0 {
                                let offset =
                                    o * around_output.area() + at_row * around_output.width + at_column;
                                taps.taps.push(Tap {
                                    offset: place_in_block(offset),
                                    value: storage.weight(values[place]),
                                });
                            }
                        }
                    }
                }
                taps.ends.push(taps.taps.len());
            }
            backward.push(Phase { row, column, taps });
        }
        Self {
            input,
            output,
            stride,
            storage,
            around_input,
            around_output,
            forward,
            places,
            backward,
        }
    }

    /// Images that it is made for.
    pub fn input(&self) -> Planes {
        self.input
    }

    /// What it makes of them.
    pub fn output(&self) -> Planes {
        self.output
    }

    /// Where each kept weight stands in the whole weight, in the order of what [`Weight::pull_back`] finds.
    pub fn places(&self) -> &[u32] {
        &self.places
    }

    /// How its images and gradients are stored.
    pub fn storage(&self) -> Storage {
        self.storage
    }

    pub(crate) fn around_input(&self) -> &Padded {
        &self.around_input
    }

    pub(crate) fn around_output(&self) -> &Padded {
        &self.around_output
    }

    /// The convolution of a block: `x` as [`Weight::pad_input`] or another filler of it left it, `y` of [`Weight::output`].
    pub(crate) fn forward(&self, x: &[Lanes], y: &mut [Lanes]) {
        let from = From {
            row: self.stride * self.around_input.width,
            column: self.stride,
        };
        let to = To {
            area: self.output.area(),
            first: 0,
            row: self.output.width,
            column: 1,
            n_rows: self.output.height,
            n_columns: self.output.width,
        };
        correlate(&self.forward, x, from, y, to, false);
        self.storage.round(y);
    }

    /// The gradient of a block at the input, from that at the output, `g`, padded. Added to what `at_input` is, or in its place.
    pub(crate) fn at_input(&self, g: &[Lanes], at_input: &mut [Lanes], add: bool) {
        let stride = self.stride;
        let from = From {
            row: self.around_output.width,
            column: 1,
        };
        for phase in &self.backward {
            if phase.row >= self.input.height || phase.column >= self.input.width {
                continue;
            }
            let to = To {
                area: self.input.area(),
                first: phase.row * self.input.width + phase.column,
                row: stride * self.input.width,
                column: stride,
                n_rows: (self.input.height - phase.row).div_ceil(stride),
                n_columns: (self.input.width - phase.column).div_ceil(stride),
            };
            correlate(&phase.taps, g, from, at_input, to, add);
        }
        self.storage.round(at_input);
    }

    /// The gradient of a block at each kept weight, in their order: of padded images `x` and gradient at the output `g`. `sums` is
    /// room to work in.
    pub(crate) fn at_weight(
        &self,
        x: &[Lanes],
        g: &[Lanes],
        sums: &mut Vec<Lanes>,
        at_weight: &mut Vec<f32>,
    ) {
        sums.clear();
        sums.resize(self.places.len(), Lanes::ZERO);
        products(
            &self.forward,
            x,
            &self.around_input,
            self.stride,
            g,
            &self.around_output,
            sums,
        );
        at_weight.clear();
        at_weight.extend(sums.iter().map(|sum| sum.0.iter().sum::<f32>()));
    }
}

/// A place that fits into memory with fifteen images beside it, or among weights.
fn place_in_block(place: usize) -> u32 {
    u32::try_from(place).expect("a block of 16 images of 4 bytes fits into memory")
}

/// Steps from one pixel to the next in what is read.
#[derive(Clone, Copy)]
struct From {
    row: usize,
    column: usize,
}

/// Which pixels of each channel are written.
#[derive(Clone, Copy)]
struct To {
    area: usize,
    first: usize,
    row: usize,
    column: usize,
    n_rows: usize,
    n_columns: usize,
}

for_this_processor! {
    /// Each channel of `to` becomes the sum of its taps, for every pixel.
    fn correlate[registers](taps: &Taps, x: &[Lanes], from: From, y: &mut [Lanes], to: To, add: bool) {
        for channels in taps.parts(size_of::<Tap>()) {
            for row in 0..to.n_rows {
                let (x, first) = (&x[row * from.row..], to.first + row * to.row);
                for (column, n) in tiles::<TILE>(to.n_columns) {
                    let (x, first) = (&x[column * from.column..], first + column * to.column);
                    let to = Tile { first, area: to.area, step: to.column };
                    let channels = channels.clone();
                    match n {
                        8 => correlate_tile::<8>(registers, taps, channels, x, from.column, y, to, add),
                        4 => correlate_tile::<4>(registers, taps, channels, x, from.column, y, to, add),
                        2 => correlate_tile::<2>(registers, taps, channels, x, from.column, y, to, add),
                        _ => correlate_tile::<1>(registers, taps, channels, x, from.column, y, to, add),
                    }
                }
            }
        }
    }
}

/// Columns, in tiles of as many as registers hold, and of what is left: their first, and how many they are, 8, 4, 2 or 1.
#[inline(always)]
fn tiles<const TILE: usize>(n_columns: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut column = 0;
    std::iter::from_fn(move || {
        let left = n_columns - column;
        let n = [8, 4, 2, 1].into_iter().find(|&n| n <= TILE.min(left))?;
        column += n;
        Some((column - n, n))
    })
}

/// Pixels beside each other, of each channel.
#[derive(Clone, Copy)]
struct Tile {
    first: usize,
    area: usize,
    step: usize,
}

#[expect(clippy::too_many_arguments, reason = "a loop's body")]
#[inline(always)]
fn correlate_tile<const N: usize>(
    registers: impl Registers,
    taps: &Taps,
    channels: Range<usize>,
    x: &[Lanes],
    step: usize,
    y: &mut [Lanes],
    to: Tile,
    add: bool,
) {
    for (channel, range) in taps.of(channels) {
        let y = &mut y[channel * to.area + to.first..][..(N - 1) * to.step + 1];
        let mut sums = [registers.zero(); N];
        if add {
            for (n, sum) in sums.iter_mut().enumerate() {
                *sum = registers.load(&y[n * to.step]);
            }
        }
        for tap in &taps.taps[range] {
            let x = &x[tap.offset as usize..][..(N - 1) * step + 1];
            let weight = registers.splat(tap.value);
            for (n, sum) in sums.iter_mut().enumerate() {
                *sum = registers.mul_add(weight, registers.load(&x[n * step]), *sum);
            }
        }
        for (n, sum) in sums.into_iter().enumerate() {
            registers.store(sum, &mut y[n * to.step]);
        }
    }
}

for_this_processor! {
    /// Of each tap, image by image, the sum over all pixels of what it reads times the gradient at what it makes.
    fn products[registers](
        taps: &Taps,
        x: &[Lanes],
        around_input: &Padded,
        stride: usize,
        g: &[Lanes],
        around_output: &Padded,
        sums: &mut [Lanes],
    ) {
        let output = around_output.planes;
        for channels in taps.parts(size_of::<Lanes>()) {
            for row in 0..output.height {
                let x = &x[row * stride * around_input.width..];
                for (column, n) in tiles::<TILE>(output.width) {
                    let x = &x[column * stride..];
                    let from = Tile { first: around_output.row(0, row) + column, area: around_output.area(), step: 1 };
                    let channels = channels.clone();
                    match n {
                        8 => products_of_tile::<8>(registers, taps, channels, x, stride, g, from, sums),
                        4 => products_of_tile::<4>(registers, taps, channels, x, stride, g, from, sums),
                        2 => products_of_tile::<2>(registers, taps, channels, x, stride, g, from, sums),
                        _ => products_of_tile::<1>(registers, taps, channels, x, stride, g, from, sums),
                    }
                }
            }
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "a loop's body")]
#[inline(always)]
fn products_of_tile<const N: usize>(
    registers: impl Registers,
    taps: &Taps,
    channels: Range<usize>,
    x: &[Lanes],
    step: usize,
    g: &[Lanes],
    from: Tile,
    sums: &mut [Lanes],
) {
    for (channel, range) in taps.of(channels) {
        let g = &g[channel * from.area + from.first..][..N];
        let mut at_output = [registers.zero(); N];
        for (at_output, g) in at_output.iter_mut().zip(g) {
            *at_output = registers.load(g);
        }
        for (tap, sum) in taps.taps[range.clone()].iter().zip(&mut sums[range]) {
            let x = &x[tap.offset as usize..][..(N - 1) * step + 1];
            let mut all = registers.load(sum);
            for (n, g) in at_output.into_iter().enumerate() {
                all = registers.mul_add(g, registers.load(&x[n * step]), all);
            }
            registers.store(all, sum);
        }
    }
}
