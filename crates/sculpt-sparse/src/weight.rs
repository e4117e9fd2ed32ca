use crate::geometry::Padded;
use crate::products::{Sums, products, products_in_fours, sums_over_images};
use crate::taps::Grouped;
use crate::tiles::{Places, correlate};
use crate::winograd::{Room, Winograd};
use crate::{Convolution, Lanes, Pixel, Planes, Way};
use std::marker::PhantomData;

/// The weights of a convolution of images of one size, of which a mask keeps some; rounded as the pixels `P` are that it reads and
/// writes.
#[derive(Clone, Debug)]
pub struct Weight<P = Lanes> {
    input: Planes,
    output: Planes,
    stride: usize,
    pixels: PhantomData<P>,
    around_input: Padded,
    around_output: Padded,
    /// Where each kept weight stands in the whole weight.
    places: Vec<u32>,
    kernel: Kernel,
}

/// How it is multiplied.
#[derive(Clone, Debug)]
enum Kernel {
    /// One weight after the other: the kept ones, or all of four channels at once.
    Taps {
        /// By output channel, in the order of the weights.
        forward: Grouped,
        /// Which input pixels take part in the same taps: as many kinds as the stride squared.
        backward: Vec<Phase>,
    },
    /// All weights in tiles of pixels, the pruned ones as zeros.
    Winograd(Winograd),
}

/// Every `stride`-th pixel of the input, from one on.
#[derive(Clone, Debug)]
struct Phase {
    row: usize,
    column: usize,
    /// By input channel.
    taps: Grouped,
}

impl<P: Pixel> Weight<P> {
    /// Of a convolution of images `input`: `values` is `[n_out, n_in, kernel, kernel]`, of which those count whose `kept` is not 0.
    ///
    /// # Panics
    /// When the lengths are not those of the shape, the padding is not less than the kernel, or the kernel does not fit the images.
    pub fn new(convolution: Convolution, input: Planes, values: &[f32], kept: &[f32]) -> Self {
        let n_kept = kept.iter().filter(|&&kept| kept != 0.0).count();
        let (way, _) = convolution.fastest(input, n_kept as f64 / kept.len().max(1) as f64, P::STORAGE);
        Self::multiplied(way, convolution, input, values, kept)
    }

    /// [`Weight::new`], by a way that the convolution knows (fours: as far as its channels are some).
    pub(crate) fn multiplied(
        way: Way,
        convolution: Convolution,
        input: Planes,
        values: &[f32],
        kept: &[f32],
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
        let places: Vec<u32> = (0..n)
            .filter(|&place| kept[place] != 0.0)
            .map(place_in_block)
            .collect();
        let kernel = if let Way::Winograd(tile) = way {
            let mut all = vec![0.0; n];
            for &place in &places {
                all[place as usize] = P::STORAGE.weight(values[place as usize]);
            }
            Kernel::Winograd(Winograd::new(tile, n_out, input.channels, &all))
        } else {
            let in_fours = way == Way::InFours;
            let value = |place: usize| (kept[place] != 0.0).then(|| P::STORAGE.weight(values[place]));
            Kernel::Taps {
                forward: forward_taps(convolution, input, &around_input, in_fours, value),
                backward: backward_taps(convolution, input, &around_output, in_fours, value),
            }
        };
        Self {
            input,
            output,
            stride,
            pixels: PhantomData,
            around_input,
            around_output,
            places,
            kernel,
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

    #[cfg(test)]
    pub(crate) fn way(&self) -> Way {
        match &self.kernel {
            Kernel::Winograd(winograd) => Way::Winograd(winograd.tile()),
            Kernel::Taps {
                forward: Grouped::Fours(_),
                ..
            } => Way::InFours,
            Kernel::Taps {
                forward: Grouped::Ones(_),
                ..
            } => Way::Kept,
        }
    }

    pub(crate) fn around_input(&self) -> &Padded {
        &self.around_input
    }

    pub(crate) fn around_output(&self) -> &Padded {
        &self.around_output
    }

    /// How the padded input is read, a tap's offset aside.
    fn read(&self) -> Places {
        Places {
            first: 0,
            area: self.around_input.area(),
            row: self.stride * self.around_input.width,
            column: self.stride,
        }
    }

    /// The convolution of a block: `x` as `Weight::padded` left it, `y` of [`Weight::output`].
    pub(crate) fn forward(&self, x: &[Lanes], y: &mut [P], add: bool, room: &mut Room) {
        match &self.kernel {
            Kernel::Taps { forward, .. } => {
                let output = self.output;
                let to = Places {
                    first: 0,
                    area: output.area(),
                    row: output.width,
                    column: 1,
                };
                let size = [output.height, output.width];
                correlate(forward, x, self.read(), y, to, size, add);
            }
            Kernel::Winograd(winograd) => winograd.forward(x, &self.around_input, y, add, room),
        }
    }

    /// The gradient of a block at the input, from that at the output, `g`, padded. Added to what `at_input` is, or in its place.
    pub(crate) fn at_input(&self, g: &[Lanes], at_input: &mut [P], add: bool, room: &mut Room) {
        match &self.kernel {
            Kernel::Taps { backward, .. } => {
                for phase in backward {
                    self.at_phase(phase, g, at_input, add);
                }
            }
            Kernel::Winograd(winograd) => winograd.at_input(g, &self.around_output, at_input, add, room),
        }
    }

    fn at_phase(&self, phase: &Phase, g: &[Lanes], at_input: &mut [P], add: bool) {
        if phase.row >= self.input.height || phase.column >= self.input.width {
            return;
        }
        let stride = self.stride;
        let from = Places {
            first: 0,
            area: self.around_output.area(),
            row: self.around_output.width,
            column: 1,
        };
        let to = Places {
            first: phase.row * self.input.width + phase.column,
            area: self.input.area(),
            row: stride * self.input.width,
            column: stride,
        };
        let size = [
            (self.input.height - phase.row).div_ceil(stride),
            (self.input.width - phase.column).div_ceil(stride),
        ];
        correlate(&phase.taps, g, from, at_input, to, size, add);
    }

    /// The gradient of a block at each kept weight, in their order: of padded images `x` and gradient at the output `g`. `sums` and `room`
    /// are room to work in.
    pub(crate) fn at_weight(
        &self,
        x: &[Lanes],
        g: &[Lanes],
        sums: &mut Sums,
        room: &mut Room,
        at_weight: &mut Vec<f32>,
    ) {
        at_weight.clear();
        let around = &self.around_output;
        match &self.kernel {
            Kernel::Taps { forward, .. } => {
                let at = Places {
                    first: around.row(0, 0),
                    area: around.area(),
                    row: around.width,
                    column: 1,
                };
                let size = [self.output.height, self.output.width];
                match forward {
                    Grouped::Ones(taps) => {
                        let of_images = &mut sums.of_images;
                        of_images.clear();
                        of_images.resize(self.places.len(), Lanes::ZERO);
                        products(taps, x, self.read(), g, at, size, of_images);
                        sums_over_images(of_images, at_weight);
                    }
                    Grouped::Fours(taps) => {
                        products_in_fours(taps, x, self.read(), g, at, size, sums);
                        // Every channel has all taps.
                        let n_taps = taps.ends.first().map_or(0, |&end| end as u32);
                        at_weight.extend(self.places.iter().map(|&place| {
                            let (channel, number) = (place / n_taps, place % n_taps);
                            sums.over_images[(4 * (channel / 4 * n_taps + number) + channel % 4) as usize]
                        }));
                    }
                }
            }
            Kernel::Winograd(winograd) => {
                at_weight.resize(self.places.len(), 0.0);
                winograd.at_weight(
                    [x, g],
                    [&self.around_input, around],
                    &self.places,
                    room,
                    at_weight,
                );
            }
        }
    }
}

/// Of each output channel, the weights that have a `value`, in order; `in_fours` of all, where that is possible.
fn forward_taps(
    convolution: Convolution,
    input: Planes,
    around_input: &Padded,
    in_fours: bool,
    value: impl Fn(usize) -> Option<f32>,
) -> Grouped {
    let kernel = convolution.kernel;
    let offsets: Vec<u32> = (0..input.channels * kernel * kernel)
        .map(|place| {
            let (i, row, column) = (place / (kernel * kernel), place / kernel % kernel, place % kernel);
            place_in_block(i * around_input.area() + row * around_input.width + column)
        })
        .collect();
    Grouped::new(convolution.n_out, &offsets, in_fours, |channel, number| {
        value(channel * offsets.len() + number)
    })
}

/// The same by input channel, of gradients at the output.
fn backward_taps(
    convolution: Convolution,
    input: Planes,
    around_output: &Padded,
    in_fours: bool,
    value: impl Fn(usize) -> Option<f32>,
) -> Vec<Phase> {
    let Convolution {
        n_out,
        kernel,
        stride,
        padding,
    } = convolution;
    // Input row s·a + phase meets row d of the kernel in output row a + (phase + padding − d)/s, where that is whole.
    let met = |phase: usize, d: usize| -> Option<usize> {
        let shift = (phase + padding) as isize - d as isize;
        let before = around_output.before as isize;
        (shift.rem_euclid(stride as isize) == 0)
            .then(|| (before + shift.div_euclid(stride as isize)) as usize)
    };
    let phases = (0..stride).flat_map(|row| (0..stride).map(move |column| (row, column)));
    phases
        .map(|(row, column)| {
            // Of a weight of input channel 0: where it stands, and what it reads.
            let (mut places, mut offsets) = (Vec::new(), Vec::new());
            for o in 0..n_out {
                for (r, at_row) in (0..kernel).filter_map(|r| Some((r, met(row, r)?))) {
                    for (c, at_column) in (0..kernel).filter_map(|c| Some((c, met(column, c)?))) {
                        places.push((o * input.channels * kernel + r) * kernel + c);
                        let offset = o * around_output.area() + at_row * around_output.width + at_column;
                        offsets.push(place_in_block(offset));
                    }
                }
            }
            let taps = Grouped::new(input.channels, &offsets, in_fours, |channel, number| {
                value(places[number] + channel * kernel * kernel)
            });
            Phase { row, column, taps }
        })
        .collect()
}

/// A place that fits into memory with fifteen images beside it, or among weights.
fn place_in_block(place: usize) -> u32 {
    u32::try_from(place).expect("a block of 16 images of 4 bytes fits into memory")
}
