//! BatchNorm and what surrounds it, in one pass over a block each way.

use crate::dispatch::for_this_processor;
use crate::geometry::Padded;
use crate::registers::Registers;
use crate::{LANES, Lanes, Planes, Storage};

/// Pixels after which a sum of f32 is added to one of f64.
const CHUNK: usize = 64;

/// Number, mean and sum of squared deviations of some values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    /// How many.
    pub n: f64,
    /// Their mean.
    pub mean: f64,
    /// The sum of their squared distances from it.
    pub squares: f64,
}

impl Moments {
    /// Of both values together (Chan, Golub and LeVeque 1979).
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let n = self.n + other.n;
        if n == 0.0 {
            return self;
        }
        let distance = other.mean - self.mean;
        Self {
            n,
            mean: self.mean + distance * other.n / n,
            squares: self.squares + other.squares + distance * distance * self.n * other.n / n,
        }
    }
}

/// What BatchNorm makes of a channel: `scale · y + shift`.
#[derive(Clone, Copy, Debug)]
pub struct Affine {
    /// `γ/σ`.
    pub scale: f32,
    /// `β − μ·γ/σ`.
    pub shift: f32,
}

impl Affine {
    /// Of sixteen numbers.
    #[inline(always)]
    fn of<R: Registers>(self, registers: R, y: R::Sixteen) -> R::Sixteen {
        registers.mul_add(registers.splat(self.scale), y, registers.splat(self.shift))
    }
}

/// The gradient at a channel before BatchNorm: `scale · (g − mean_g − (y − mean) · slope)`, of the gradient g behind it.
#[derive(Clone, Copy, Debug)]
pub struct Slope {
    /// `γ/σ`.
    pub scale: f32,
    /// `μ`.
    pub mean: f32,
    /// The mean of g over batch and pixels.
    pub mean_g: f32,
    /// The mean of `g · (y − μ)`, over σ².
    pub slope: f32,
}

/// What is added to a block's last normalised convolution, before the ReLU.
#[derive(Clone, Copy, Debug)]
pub enum Beside<'a> {
    /// Nothing.
    Nothing,
    /// Images.
    Images(&'a [Lanes]),
    /// Another convolution, normalised.
    Normalised(&'a [Lanes], &'a [Affine]),
    /// Every second pixel of images of twice the side, rounded up; channels that they lack are zero, half of them on either side.
    Subsampled(&'a [Lanes], Planes),
}

for_this_processor! {
    /// Of each channel of `y`, over the first `n` images of the block.
    pub fn moments(y: &[Lanes], planes: Planes, n: usize) -> Vec<Moments> {
        let area = planes.area();
        let count = (n * area) as f64;
        let mut all = Vec::with_capacity(planes.channels);
        for y in y.chunks_exact(area) {
            let mut sum = 0.0;
            for pixels in y.chunks(CHUNK) {
                let mut lanes = Lanes::ZERO;
                for pixel in pixels {
                    lanes.add(pixel);
                }
                sum += lanes.sum_of(n);
            }
            let centre = (sum / count) as f32;
            let (mut squares, mut rest) = (0.0, 0.0);
            for pixels in y.chunks(CHUNK) {
                let (mut lanes, mut distances) = (Lanes::ZERO, Lanes::ZERO);
                for pixel in pixels {
                    let distance = pixel.map(|y| y - centre);
                    lanes.add_product(&distance, &distance);
                    distances.add(&distance);
                }
                squares += lanes.sum_of(n);
                rest += distances.sum_of(n);
            }
            // The centre is the mean rounded to f32: what that shifts is taken out again.
            let mean = f64::from(centre) + rest / count;
            all.push(Moments { n: count, mean, squares: squares - rest * rest / count });
        }
        all
    }
}

for_this_processor! {
    /// Images, among zeros.
    pub(crate) fn pad(x: &[Lanes], padded: &Padded, out: &mut [Lanes]) {
        padded.clear_around(out);
        for row in padded.rows() {
            out[row.padded.clone()].copy_from_slice(&x[row.plain]);
        }
    }
}

for_this_processor! {
    /// A normalised convolution behind a ReLU, among zeros.
    pub(crate) fn pad_rectified[registers](y: &[Lanes], affine: &[Affine], storage: Storage, padded: &Padded, out: &mut [Lanes]) {
        padded.clear_around(out);
        for row in padded.rows() {
            let affine = affine[row.channel];
            let out = &mut out[row.padded];
            for (out, y) in out.iter_mut().zip(&y[row.plain]) {
                let x = registers.rectified(affine.of(registers, registers.load(y)));
                registers.store(registers.stored(x, storage), out);
            }
        }
    }
}

for_this_processor! {
    /// The gradient before a BatchNorm, among zeros: of the gradient `g` behind it, for the first `n` images; 0 for the others.
    pub(crate) fn pad_gradient[registers](
        g: &[Lanes],
        y: &[Lanes],
        slopes: &[Slope],
        n: usize,
        storage: Storage, padded: &Padded, out: &mut [Lanes]) {
        let mut is_there = Lanes::ZERO;
        is_there.0[..n].fill(1.0);
        let is_there = registers.load(&is_there);
        padded.clear_around(out);
        for row in padded.rows() {
            let Slope { scale, mean, mean_g, slope } = slopes[row.channel];
            let [scale, mean, mean_g, slope] = [scale, -mean, -mean_g, -slope].map(|x| registers.splat(x));
            let (g, y) = (&g[row.plain.clone()], &y[row.plain]);
            let out = &mut out[row.padded];
            for ((out, g), y) in out.iter_mut().zip(g).zip(y) {
                let (g, y) = (registers.load(g), registers.load(y));
                let centred = registers.mul_add(registers.add(y, mean), slope, registers.add(g, mean_g));
                let mut before = registers.mul(scale, centred);
                if n < LANES {
                    before = registers.mul(before, is_there);
                }
                registers.store(registers.stored(before, storage), out);
            }
        }
    }
}

for_this_processor! {
    /// `max(0, affine(y) + beside)`.
    pub fn join[registers](
        y: &[Lanes],
        affine: &[Affine],
        beside: Beside<'_>,
        planes: Planes,
        storage: Storage,
        out: &mut [Lanes],
    ) {
        let area = planes.area();
        for (channel, (out, y)) in out.chunks_exact_mut(area).zip(y.chunks_exact(area)).enumerate() {
            let pixels = channel * area..(channel + 1) * area;
            let own = |y: &Lanes| affine[channel].of(registers, registers.load(y));
            match beside {
                Beside::Nothing => {
                    for (out, y) in out.iter_mut().zip(y) {
                        let x = registers.rectified(own(y));
                        registers.store(registers.stored(x, storage), out);
                    }
                }
                Beside::Images(x) => {
                    for ((out, y), x) in out.iter_mut().zip(y).zip(&x[pixels]) {
                        let x = registers.rectified(registers.add(own(y), registers.load(x)));
                        registers.store(registers.stored(x, storage), out);
                    }
                }
                Beside::Normalised(z, others) => {
                    for ((out, y), z) in out.iter_mut().zip(y).zip(&z[pixels]) {
                        let z = others[channel].of(registers, registers.load(z));
                        let x = registers.rectified(registers.add(own(y), z));
                        registers.store(registers.stored(x, storage), out);
                    }
                }
                Beside::Subsampled(x, from) => {
                    let before = (planes.channels - from.channels) / 2;
                    let source = channel.checked_sub(before).filter(|&c| c < from.channels);
                    for (place, (out, y)) in out.iter_mut().zip(y).enumerate() {
                        let (row, column) = (place / planes.width, place % planes.width);
                        let x = source.map_or(Lanes::ZERO, |c| x[(c * from.height + 2 * row) * from.width + 2 * column]);
                        let x = registers.rectified(registers.add(own(y), registers.load(&x)));
                        registers.store(registers.stored(x, storage), out);
                    }
                }
            }
        }
    }
}

/// Sums of a channel over a block.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// Of the gradient g.
    pub g: f64,
    /// Of `g · (y − μ)`.
    pub products: f64,
}

impl Sums {
    #[inline(always)]
    fn add(&mut self, of_g: &Lanes, of_products: &Lanes) {
        self.g += of_g.sum_of(LANES);
        self.products += of_products.sum_of(LANES);
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            g: self.g + other.g,
            products: self.products + other.products,
        }
    }
}

for_this_processor! {
    /// The gradient before a ReLU behind a normalised convolution `y`, in place of that behind it, and its sums by channel.
    pub fn before_relu_of_norm[registers](g: &mut [Lanes], y: &[Lanes], affine: &[Affine], means: &[f32], area: usize) -> Vec<Sums> {
        let mut all = Vec::with_capacity(means.len());
        let channels = g.chunks_exact_mut(area).zip(y.chunks_exact(area)).zip(affine).zip(means);
        for (((g, y), affine), &mean) in channels {
            let mut sums = Sums::default();
            for (g, y) in g.chunks_mut(CHUNK).zip(y.chunks(CHUNK)) {
                let (mut of_g, mut of_products) = (Lanes::ZERO, Lanes::ZERO);
                for (g, y) in g.iter_mut().zip(y) {
                    let behind = affine.of(registers, registers.load(y));
                    registers.store(registers.gated(registers.load(g), behind), g);
                    of_g.add(g);
                    of_products.add_product(g, &y.map(|y| y - mean));
                }
                sums.add(&of_g, &of_products);
            }
            all.push(sums);
        }
        all
    }
}

for_this_processor! {
    /// The gradient before a ReLU whose output is `x`, in place of that behind it, and its sums with `y`, by channel.
    pub fn before_relu[registers](g: &mut [Lanes], x: &[Lanes], y: &[Lanes], means: &[f32], area: usize) -> Vec<Sums> {
        let mut all = Vec::with_capacity(means.len());
        let channels = g.chunks_exact_mut(area).zip(x.chunks_exact(area)).zip(y.chunks_exact(area)).zip(means);
        for (((g, x), y), &mean) in channels {
            let mut sums = Sums::default();
            for ((g, x), y) in g.chunks_mut(CHUNK).zip(x.chunks(CHUNK)).zip(y.chunks(CHUNK)) {
                let (mut of_g, mut of_products) = (Lanes::ZERO, Lanes::ZERO);
                for ((g, x), y) in g.iter_mut().zip(x).zip(y) {
                    registers.store(registers.gated(registers.load(g), registers.load(x)), g);
                    of_g.add(g);
                    of_products.add_product(g, &y.map(|y| y - mean));
                }
                sums.add(&of_g, &of_products);
            }
            all.push(sums);
        }
        all
    }
}

for_this_processor! {
    /// The sums of a gradient with another convolution `y`, by channel.
    pub fn sums(g: &[Lanes], y: &[Lanes], means: &[f32], area: usize) -> Vec<Sums> {
        let mut all = Vec::with_capacity(means.len());
        for ((g, y), &mean) in g.chunks_exact(area).zip(y.chunks_exact(area)).zip(means) {
            let mut sums = Sums::default();
            for (g, y) in g.chunks(CHUNK).zip(y.chunks(CHUNK)) {
                let (mut of_g, mut of_products) = (Lanes::ZERO, Lanes::ZERO);
                for (g, y) in g.iter().zip(y) {
                    of_g.add(g);
                    of_products.add_product(g, &y.map(|y| y - mean));
                }
                sums.add(&of_g, &of_products);
            }
            all.push(sums);
        }
        all
    }
}

for_this_processor! {
    /// The transpose of [`Beside::Subsampled`]: the gradient `g` of `planes` added to that at images `to`.
    pub fn subsample_transposed(g: &[Lanes], planes: Planes, at_images: &mut [Lanes], to: Planes) {
        let before = (planes.channels - to.channels) / 2;
        for channel in 0..to.channels {
            for row in 0..planes.height {
                for column in 0..planes.width {
                    let g = &g[((before + channel) * planes.height + row) * planes.width + column];
                    let place = (channel * to.height + 2 * row) * to.width + 2 * column;
                    at_images[place].add(g);
                }
            }
        }
    }
}

for_this_processor! {
    /// The mean of each channel over its pixels.
    pub fn means_of_pixels(x: &[Lanes], area: usize) -> Vec<Lanes> {
        let share = 1.0 / area as f32;
        let mut all = Vec::with_capacity(x.len() / area);
        for x in x.chunks_exact(area) {
            let mut sum = Lanes::ZERO;
            for pixel in x {
                sum.add(pixel);
            }
            all.push(sum.map(|sum| sum * share));
        }
        all
    }
}
