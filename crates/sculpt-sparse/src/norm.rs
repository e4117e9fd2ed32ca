//! BatchNorm and what surrounds it, in one pass over a block each way.

use crate::dispatch::for_this_processor;
use crate::geometry::Padded;
use crate::registers::Registers;
use crate::{LANES, Lanes, Pixel, Planes};

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
pub enum Beside<'a, P = Lanes> {
    /// Nothing.
    Nothing,
    /// Images.
    Images(&'a [P]),
    /// Another convolution, normalised.
    Normalised(&'a [P], &'a [Affine]),
    /// Every second pixel of images of twice the side, rounded up; channels that they lack are zero, half of them on either side.
    Subsampled(&'a [P], Planes),
}

/// Over the first `n` images.
#[inline(always)]
fn sum_of<R: Registers>(registers: R, x: R::Sixteen, n: usize) -> f64 {
    let mut lanes = Lanes::ZERO;
    registers.store(x, &mut lanes);
    lanes.sum_of(n)
}

for_this_processor! {
    /// Of each channel of `y`, over the first `n` images of the block.
    pub fn moments[registers <P: Pixel>](y: &[P], planes: Planes, n: usize) -> Vec<Moments> {
        let _ = TILE;
        let area = planes.area();
        let count = (n * area) as f64;
        let mut all = Vec::with_capacity(planes.channels);
        for y in y.chunks_exact(area) {
            let mut sum = 0.0;
            for pixels in y.chunks(CHUNK) {
                let mut lanes = registers.zero();
                for pixel in pixels {
                    lanes = registers.add(lanes, P::load(registers, pixel));
                }
                sum += sum_of(registers, lanes, n);
            }
            let centre = (sum / count) as f32;
            let minus = registers.splat(centre);
            let (mut squares, mut rest) = (0.0, 0.0);
            for pixels in y.chunks(CHUNK) {
                let (mut lanes, mut distances) = (registers.zero(), registers.zero());
                for pixel in pixels {
                    let distance = registers.sub(P::load(registers, pixel), minus);
                    lanes = registers.mul_add(distance, distance, lanes);
                    distances = registers.add(distances, distance);
                }
                squares += sum_of(registers, lanes, n);
                rest += sum_of(registers, distances, n);
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
    pub(crate) fn pad[registers <P: Pixel>](x: &[P], padded: &Padded, out: &mut [Lanes]) {
        let _ = TILE;
        padded.clear_around(out);
        for row in padded.rows() {
            for (out, x) in out[row.padded].iter_mut().zip(&x[row.plain]) {
                registers.store(P::load(registers, x), out);
            }
        }
    }
}

for_this_processor! {
    /// A normalised convolution behind a ReLU, among zeros.
    pub(crate) fn pad_rectified[registers <P: Pixel>](y: &[P], affine: &[Affine], padded: &Padded, out: &mut [Lanes]) {
        padded.clear_around(out);
        for row in padded.rows() {
            let affine = affine[row.channel];
            let out = &mut out[row.padded];
            for (out, y) in out.iter_mut().zip(&y[row.plain]) {
                let x = registers.rectified(affine.of(registers, P::load(registers, y)));
                registers.store(P::stored(registers, x), out);
            }
        }
    }
}

for_this_processor! {
    /// The gradient before a BatchNorm, among zeros: of the gradient `g` behind it, for the first `n` images; 0 for the others.
    pub(crate) fn pad_gradient[registers <P: Pixel>](
        g: &[P],
        y: &[P],
        slopes: &[Slope],
        n: usize,
        padded: &Padded,
        out: &mut [Lanes],
    ) {
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
                let (g, y) = (P::load(registers, g), P::load(registers, y));
                let centred = registers.mul_add(registers.add(y, mean), slope, registers.add(g, mean_g));
                let mut before = registers.mul(scale, centred);
                if n < LANES {
                    before = registers.mul(before, is_there);
                }
                registers.store(P::stored(registers, before), out);
            }
        }
    }
}

for_this_processor! {
    /// `max(0, affine(y) + beside)`.
    pub fn join[registers <P: Pixel>](
        y: &[P],
        affine: &[Affine],
        beside: Beside<'_, P>,
        planes: Planes,
        out: &mut [P],
    ) {
        let area = planes.area();
        for (channel, (out, y)) in out.chunks_exact_mut(area).zip(y.chunks_exact(area)).enumerate() {
            let pixels = channel * area..(channel + 1) * area;
            let own = affine[channel];
            match beside {
                Beside::Nothing => {
                    for (out, y) in out.iter_mut().zip(y) {
                        let y = own.of(registers, P::load(registers, y));
                        P::store(registers, registers.rectified(y), out);
                    }
                }
                Beside::Images(x) => {
                    for ((out, y), x) in out.iter_mut().zip(y).zip(&x[pixels]) {
                        let y = own.of(registers, P::load(registers, y));
                        let sum = registers.add(y, P::load(registers, x));
                        P::store(registers, registers.rectified(sum), out);
                    }
                }
                Beside::Normalised(z, others) => {
                    for ((out, y), z) in out.iter_mut().zip(y).zip(&z[pixels]) {
                        let y = own.of(registers, P::load(registers, y));
                        let z = others[channel].of(registers, P::load(registers, z));
                        P::store(registers, registers.rectified(registers.add(y, z)), out);
                    }
                }
                Beside::Subsampled(x, from) => {
                    let before = (planes.channels - from.channels) / 2;
                    let source = channel.checked_sub(before).filter(|&c| c < from.channels);
                    for (place, (out, y)) in out.iter_mut().zip(y).enumerate() {
                        let (row, column) = (place / planes.width, place % planes.width);
                        let x = source.map_or(P::ZERO, |c| x[(c * from.height + 2 * row) * from.width + 2 * column]);
                        let y = own.of(registers, P::load(registers, y));
                        let sum = registers.add(y, P::load(registers, &x));
                        P::store(registers, registers.rectified(sum), out);
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
    fn add<R: Registers>(&mut self, registers: R, of_g: R::Sixteen, of_products: R::Sixteen) {
        self.g += sum_of(registers, of_g, LANES);
        self.products += sum_of(registers, of_products, LANES);
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
    pub fn before_relu_of_norm[registers <P: Pixel>](g: &mut [P], y: &[P], affine: &[Affine], means: &[f32], area: usize) -> Vec<Sums> {
        let _ = TILE;
        let mut all = Vec::with_capacity(means.len());
        let channels = g.chunks_exact_mut(area).zip(y.chunks_exact(area)).zip(affine).zip(means);
        for (((g, y), affine), &mean) in channels {
            let (mean, mut sums) = (registers.splat(mean), Sums::default());
            for (g, y) in g.chunks_mut(CHUNK).zip(y.chunks(CHUNK)) {
                let (mut of_g, mut of_products) = (registers.zero(), registers.zero());
                for (g, y) in g.iter_mut().zip(y) {
                    let y = P::load(registers, y);
                    let before = registers.gated(P::load(registers, g), affine.of(registers, y));
                    P::store(registers, before, g);
                    of_g = registers.add(of_g, before);
                    of_products = registers.mul_add(before, registers.sub(y, mean), of_products);
                }
                sums.add(registers, of_g, of_products);
            }
            all.push(sums);
        }
        all
    }
}

for_this_processor! {
    /// The gradient before a ReLU whose output is `x`, in place of that behind it, and its sums with `y`, by channel.
    pub fn before_relu[registers <P: Pixel>](g: &mut [P], x: &[P], y: &[P], means: &[f32], area: usize) -> Vec<Sums> {
        let _ = TILE;
        let mut all = Vec::with_capacity(means.len());
        let channels = g.chunks_exact_mut(area).zip(x.chunks_exact(area)).zip(y.chunks_exact(area)).zip(means);
        for (((g, x), y), &mean) in channels {
            let (mean, mut sums) = (registers.splat(mean), Sums::default());
            for ((g, x), y) in g.chunks_mut(CHUNK).zip(x.chunks(CHUNK)).zip(y.chunks(CHUNK)) {
                let (mut of_g, mut of_products) = (registers.zero(), registers.zero());
                for ((g, x), y) in g.iter_mut().zip(x).zip(y) {
                    let before = registers.gated(P::load(registers, g), P::load(registers, x));
                    P::store(registers, before, g);
                    of_g = registers.add(of_g, before);
                    of_products = registers.mul_add(before, registers.sub(P::load(registers, y), mean), of_products);
                }
                sums.add(registers, of_g, of_products);
            }
            all.push(sums);
        }
        all
    }
}

for_this_processor! {
    /// The sums of a gradient with another convolution `y`, by channel.
    pub fn sums[registers <P: Pixel>](g: &[P], y: &[P], means: &[f32], area: usize) -> Vec<Sums> {
        let _ = TILE;
        let mut all = Vec::with_capacity(means.len());
        for ((g, y), &mean) in g.chunks_exact(area).zip(y.chunks_exact(area)).zip(means) {
            let (mean, mut sums) = (registers.splat(mean), Sums::default());
            for (g, y) in g.chunks(CHUNK).zip(y.chunks(CHUNK)) {
                let (mut of_g, mut of_products) = (registers.zero(), registers.zero());
                for (g, y) in g.iter().zip(y) {
                    let g = P::load(registers, g);
                    of_g = registers.add(of_g, g);
                    of_products = registers.mul_add(g, registers.sub(P::load(registers, y), mean), of_products);
                }
                sums.add(registers, of_g, of_products);
            }
            all.push(sums);
        }
        all
    }
}

for_this_processor! {
    /// The transpose of [`Beside::Subsampled`]: the gradient `g` of `planes` added to that at images `to`.
    pub fn subsample_transposed[registers <P: Pixel>](g: &[P], planes: Planes, at_images: &mut [P], to: Planes) {
        let _ = TILE;
        let before = (planes.channels - to.channels) / 2;
        for channel in 0..to.channels {
            for row in 0..planes.height {
                for column in 0..planes.width {
                    let g = &g[((before + channel) * planes.height + row) * planes.width + column];
                    let place = (channel * to.height + 2 * row) * to.width + 2 * column;
                    let sum = registers.add(P::load(registers, &at_images[place]), P::load(registers, g));
                    P::store(registers, sum, &mut at_images[place]);
                }
            }
        }
    }
}

for_this_processor! {
    /// The mean of each channel over its pixels.
    pub fn means_of_pixels[registers <P: Pixel>](x: &[P], area: usize) -> Vec<Lanes> {
        let _ = TILE;
        let share = 1.0 / area as f32;
        let mut all = Vec::with_capacity(x.len() / area);
        for x in x.chunks_exact(area) {
            let mut sum = registers.zero();
            for pixel in x {
                sum = registers.add(sum, P::load(registers, pixel));
            }
            let mut mean = Lanes::ZERO;
            registers.store(registers.mul(sum, registers.splat(share)), &mut mean);
            all.push(mean);
        }
        all
    }
}
