//! BatchNorm and what surrounds it, in one pass each way, of images whose channel is the last in memory: what stands around convolutions that another
//! library computes.
//!
//! Pixels of all images are rows `[rows, channels]`, one after the other. Some rows are a part; what is found of parts is put together by the caller, in
//! their order, so that the bits do not depend on who worked on which.

use crate::dispatch::for_this_processor;
use crate::lanes::to_bf16;
use crate::{Affine, Moments, Slope, Sums};
use std::fmt::Debug;

/// What images and gradients are made of.
pub trait Number: Copy + Debug + Default + Send + Sync + 'static {
    /// Without loss.
    fn widen(self) -> f32;

    /// Rounded to the nearest, ties to even.
    fn narrow(x: f32) -> Self;
}

impl Number for f32 {
    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }

    #[inline(always)]
    fn narrow(x: f32) -> Self {
        x
    }
}

/// A bfloat16: the upper half of an f32's bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Bf16(pub u16);

impl Number for Bf16 {
    #[inline(always)]
    fn widen(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }

    #[inline(always)]
    fn narrow(x: f32) -> Self {
        Self((to_bf16(x).to_bits() >> 16) as u16)
    }
}

/// What is added to a normalised convolution before the ReLU.
#[derive(Clone, Copy, Debug)]
pub enum BesideRows<'a, T> {
    /// Nothing.
    Nothing,
    /// Images.
    Images(&'a [T]),
    /// Another convolution, normalised.
    Normalised(&'a [T], &'a [Affine]),
}

/// What of a gradient a ReLU lets pass.
#[derive(Clone, Copy, Debug)]
pub enum Gate<'a> {
    /// All: no ReLU, or it was passed before.
    Open,
    /// Where the convolution, normalised, is above 0.
    Normalised(&'a [Affine]),
}

/// Rows that stay in the first cache while they are read again, and after which sums of f32 are added to sums of f64.
const CHUNK: usize = 64;

/// Channels of a row that are worked with at once: sixteen, as registers have them, then eight, then one by one.
macro_rules! of_channels {
    ($channels:expr, |$first:ident, $width:ident| $body:expr) => {{
        let channels: usize = $channels;
        let mut $first = 0;
        while channels - $first >= 16 {
            const $width: usize = 16;
            $body;
            $first += 16;
        }
        while channels - $first >= 8 {
            const $width: usize = 8;
            $body;
            $first += 8;
        }
        while channels > $first {
            const $width: usize = 1;
            $body;
            $first += 1;
        }
    }};
}

/// `N` numbers from a channel of each row on.
#[inline(always)]
fn columns<const N: usize, T: Number>(
    rows: &[T],
    channels: usize,
    first: usize,
) -> impl Iterator<Item = [f32; N]> {
    rows.chunks_exact(channels).map(move |row| wide(row, first))
}

/// `N` numbers of a row.
#[inline(always)]
fn wide<const N: usize, T: Number>(row: &[T], first: usize) -> [f32; N] {
    let mut wide = [0.0; N];
    for (wide, x) in wide.iter_mut().zip(&row[first..first + N]) {
        *wide = x.widen();
    }
    wide
}

#[inline(always)]
fn put<const N: usize, T: Number>(x: [f32; N], row: &mut [T], first: usize) {
    for (out, x) in row[first..first + N].iter_mut().zip(x) {
        *out = T::narrow(x);
    }
}

/// Scales and shifts apart, as registers take them.
#[derive(Default)]
struct Normalising {
    scales: Vec<f32>,
    shifts: Vec<f32>,
}

impl Normalising {
    fn of(affine: &[Affine]) -> Self {
        Self {
            scales: affine.iter().map(|affine| affine.scale).collect(),
            shifts: affine.iter().map(|affine| affine.shift).collect(),
        }
    }

    #[inline(always)]
    fn at<const N: usize>(&self, mut y: [f32; N], first: usize) -> [f32; N] {
        let (scales, shifts) = (&self.scales[first..first + N], &self.shifts[first..first + N]);
        for ((y, scale), shift) in y.iter_mut().zip(scales).zip(shifts) {
            *y = y.mul_add(*scale, *shift);
        }
        y
    }
}

for_this_processor! {
    /// Of each channel of `y`.
    ///
    /// # Panics
    /// When there are no channels.
    pub fn moments_of_rows<T: Number>(y: &[T], channels: usize) -> Vec<Moments> {
        let _ = TILE;
        let mut all = vec![Moments::default(); channels];
        for y in y.chunks(CHUNK * channels) {
            let n = (y.len() / channels) as f64;
            of_channels!(channels, |first, WIDTH| {
                let mut sums = [0.0; WIDTH];
                for y in columns::<WIDTH, T>(y, channels, first) {
                    for c in 0..WIDTH {
                        sums[c] += y[c];
                    }
                }
                let centres: [f32; WIDTH] = sums.map(|sum: f32| (f64::from(sum) / n) as f32);
                let (mut squares, mut rests) = ([0.0; WIDTH], [0.0; WIDTH]);
                for y in columns::<WIDTH, T>(y, channels, first) {
                    for c in 0..WIDTH {
                        let distance: f32 = y[c] - centres[c];
                        squares[c] = distance.mul_add(distance, squares[c]);
                        rests[c] += distance;
                    }
                }
                for c in 0..WIDTH {
                    // The centre is a rounded mean: what that shifts is taken out again.
                    let (square, rest) = (f64::from(squares[c]), f64::from(rests[c]));
                    let own = Moments {
                        n,
                        mean: f64::from(centres[c]) + rest / n,
                        squares: square - rest * rest / n,
                    };
                    all[first + c] = all[first + c].and(own);
                }
            });
        }
        all
    }
}

for_this_processor! {
    /// `max(0, affine(y) + beside)`. What is no number stays so.
    ///
    /// # Panics
    /// When there are no channels, or `beside` has fewer rows.
    pub fn join_rows<T: Number>(y: &[T], affine: &[Affine], beside: BesideRows<'_, T>, out: &mut [T]) {
        let _ = TILE;
        let channels = affine.len();
        assert_eq!(y.len(), out.len(), "as much is made as is read");
        let (own, rows) = (Normalising::of(affine), out.chunks_exact_mut(channels).zip(y.chunks_exact(channels)));
        match beside {
            BesideRows::Nothing => for (out, y) in rows {
                of_channels!(channels, |first, WIDTH| {
                    put(rectified::<WIDTH>(own.at(wide(y, first), first)), out, first);
                });
            },
            BesideRows::Images(x) => {
                assert_eq!(x.len(), y.len(), "as much stands beside");
                for ((out, y), x) in rows.zip(x.chunks_exact(channels)) {
                    of_channels!(channels, |first, WIDTH| {
                        let both = sum(own.at(wide(y, first), first), wide(x, first));
                        put(rectified::<WIDTH>(both), out, first);
                    });
                }
            }
            BesideRows::Normalised(z, affine) => {
                assert_eq!(z.len(), y.len(), "as much stands beside");
                let its = Normalising::of(affine);
                for ((out, y), z) in rows.zip(z.chunks_exact(channels)) {
                    of_channels!(channels, |first, WIDTH| {
                        let both = sum(own.at(wide(y, first), first), its.at(wide(z, first), first));
                        put(rectified::<WIDTH>(both), out, first);
                    });
                }
            }
        }
    }
}

#[inline(always)]
fn sum<const N: usize>(mut a: [f32; N], b: [f32; N]) -> [f32; N] {
    for (a, b) in a.iter_mut().zip(b) {
        *a += b;
    }
    a
}

#[inline(always)]
fn rectified<const N: usize>(x: [f32; N]) -> [f32; N] {
    x.map(|x| if x < 0.0 { 0.0 } else { x })
}

/// `g` where `x` is above 0, else 0.
#[inline(always)]
fn gated<const N: usize>(mut g: [f32; N], x: [f32; N]) -> [f32; N] {
    for (g, x) in g.iter_mut().zip(x) {
        *g = if x > 0.0 { *g } else { 0.0 };
    }
    g
}

/// Sums of f32 of some channels over some rows.
struct Partial<const N: usize> {
    g: [f32; N],
    products: [f32; N],
}

impl<const N: usize> Partial<N> {
    const ZERO: Self = Self {
        g: [0.0; N],
        products: [0.0; N],
    };

    #[inline(always)]
    fn add(&mut self, g: [f32; N], y: [f32; N], means: &[f32]) {
        for c in 0..N {
            self.g[c] += g[c];
            self.products[c] = g[c].mul_add(y[c] - means[c], self.products[c]);
        }
    }

    #[inline(always)]
    fn put(self, all: &mut [Sums]) {
        for ((all, g), products) in all.iter_mut().zip(self.g).zip(self.products) {
            *all = all.and(Sums {
                g: f64::from(g),
                products: f64::from(products),
            });
        }
    }
}

for_this_processor! {
    /// The gradient before a ReLU whose output is `x`, in place of that behind it, and its sums with `y`, by channel.
    ///
    /// # Panics
    /// When there are no channels, or lengths differ.
    pub fn before_relu_of_rows<T: Number>(g: &mut [T], x: &[T], y: &[T], means: &[f32]) -> Vec<Sums> {
        let _ = TILE;
        let channels = means.len();
        assert!(x.len() == g.len() && y.len() == g.len(), "a gradient, an output and a convolution of one size");
        let mut all = vec![Sums::default(); channels];
        let size = CHUNK * channels;
        for ((g, x), y) in g.chunks_mut(size).zip(x.chunks(size)).zip(y.chunks(size)) {
            of_channels!(channels, |first, WIDTH| {
                let mut sums = Partial::<WIDTH>::ZERO;
                let rows = g.chunks_exact_mut(channels).zip(x.chunks_exact(channels)).zip(y.chunks_exact(channels));
                for ((g, x), y) in rows {
                    let before = gated(wide(g, first), wide(x, first));
                    put(before, g, first);
                    sums.add(before, wide(y, first), &means[first..first + WIDTH]);
                }
                sums.put(&mut all[first..first + WIDTH]);
            });
        }
        all
    }
}

for_this_processor! {
    /// The sums of a gradient behind a gate with the convolution `y` before it, by channel.
    ///
    /// # Panics
    /// When there are no channels, or lengths differ.
    pub fn sums_of_rows<T: Number>(g: &[T], gate: Gate<'_>, y: &[T], means: &[f32]) -> Vec<Sums> {
        let _ = TILE;
        let channels = means.len();
        assert_eq!(y.len(), g.len(), "a gradient and a convolution of one size");
        let (norm, is_open) = gate.norm();
        let mut all = vec![Sums::default(); channels];
        let size = CHUNK * channels;
        for (g, y) in g.chunks(size).zip(y.chunks(size)) {
            of_channels!(channels, |first, WIDTH| {
                let mut sums = Partial::<WIDTH>::ZERO;
                let rows = columns::<WIDTH, T>(g, channels, first).zip(columns::<WIDTH, T>(y, channels, first));
                let means = &means[first..first + WIDTH];
                if is_open {
                    for (g, y) in rows {
                        sums.add(g, y, means);
                    }
                } else {
                    for (g, y) in rows {
                        sums.add(gated(g, norm.at(y, first)), y, means);
                    }
                }
                sums.put(&mut all[first..first + WIDTH]);
            });
        }
        all
    }
}

impl Gate<'_> {
    fn norm(self) -> (Normalising, bool) {
        match self {
            Self::Open => (Normalising::default(), true),
            Self::Normalised(affine) => (Normalising::of(affine), false),
        }
    }
}

for_this_processor! {
    /// The gradient before a BatchNorm: of the gradient `g` behind it and a gate, at the convolution `y`.
    ///
    /// # Panics
    /// When there are no channels, or lengths differ.
    pub fn before_norm_of_rows<T: Number>(g: &[T], gate: Gate<'_>, y: &[T], slopes: &[Slope], at_y: &mut [T]) {
        let _ = TILE;
        let channels = slopes.len();
        assert!(y.len() == g.len() && at_y.len() == g.len(), "gradients and a convolution of one size");
        let (norm, is_open) = gate.norm();
        let of = |value: fn(&Slope) -> f32| -> Vec<f32> { slopes.iter().map(value).collect() };
        let (scales, means) = (of(|slope| slope.scale), of(|slope| -slope.mean));
        let (means_g, slopes) = (of(|slope| -slope.mean_g), of(|slope| -slope.slope));
        let slopes = Slopes { scales: &scales[..channels], means: &means[..channels], means_g: &means_g[..channels], slopes: &slopes[..channels] };
        let rows = g.chunks_exact(channels).zip(y.chunks_exact(channels)).zip(at_y.chunks_exact_mut(channels));
        // Two loops, of which each is made vectors of: where the gate was asked for within one, numbers were shuffled one by one.
        if is_open {
            for ((g, y), at_y) in rows {
                for c in 0..channels {
                    at_y[c] = T::narrow(slopes.before(y[c].widen(), g[c].widen(), c));
                }
            }
        } else {
            let (scales, shifts) = (&norm.scales[..channels], &norm.shifts[..channels]);
            for ((g, y), at_y) in rows {
                for c in 0..channels {
                    let y = y[c].widen();
                    let g = if y.mul_add(scales[c], shifts[c]) > 0.0 { g[c].widen() } else { 0.0 };
                    at_y[c] = T::narrow(slopes.before(y, g, c));
                }
            }
        }
    }
}

/// [`Slope`]s, their signs turned, apart.
struct Slopes<'a> {
    scales: &'a [f32],
    means: &'a [f32],
    means_g: &'a [f32],
    slopes: &'a [f32],
}

impl Slopes<'_> {
    /// The gradient before a BatchNorm, of that behind it.
    #[inline(always)]
    fn before(&self, y: f32, g: f32, channel: usize) -> f32 {
        let centred = (y + self.means[channel]).mul_add(self.slopes[channel], g + self.means_g[channel]);
        self.scales[channel] * centred
    }
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
