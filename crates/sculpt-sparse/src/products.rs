//! Pixels times pixels for each weight: the gradient at weights.

use crate::dispatch::for_this_processor;
use crate::registers::Registers;
use crate::taps::{Tap, Taps};
use crate::tiles::{Places, Tile, most_of, of_shape, tiles};
use crate::{LANES, Lanes};
use std::ops::Range;

for_this_processor! {
    /// Of each tap, image by image, the sum over all pixels of what it reads in `x` times the gradient `g` at what it makes, whose columns are one after
    /// the other.
    pub(crate) fn products[registers](
        taps: &Taps<1>,
        x: &[Lanes],
        from: Places,
        g: &[Lanes],
        at: Places,
        size: [usize; 2],
        sums: &mut [Lanes],
    ) {
        for channels in taps.parts(size_of::<Lanes>()) {
            for tile in tiles(most_of(TILE, from.column), size) {
                let (x, at, channels) = (&x[from.moved_to(tile).first..], at.moved_to(tile), channels.clone());
                of_shape!(TILE, tile, from.column, taps.products_of_tile(registers, channels, x, from.row, g, at, sums));
            }
        }
    }
}

for_this_processor! {
    /// The same of four channels at once, added up over the images: of four channels after the others, of each tap the sums of the four.
    pub(crate) fn products_in_fours[registers](
        taps: &Taps<4>,
        x: &[Lanes],
        from: Places,
        g: &[Lanes],
        at: Places,
        size: [usize; 2],
        room: &mut Sums,
    ) {
        let Sums { of_images, over_images } = room;
        over_images.clear();
        over_images.reserve(4 * taps.taps.len());
        for (four, range) in taps.of(0..taps.ends.len()) {
            let at = Places { first: at.first + 4 * four * at.area, ..at };
            let taps = &taps.taps[range];
            of_images.clear();
            of_images.resize(4 * taps.len(), Lanes::ZERO);
            let (sums, _) = of_images.as_chunks_mut::<4>();
            for strip in strips(size) {
                let (x, g) = (&x[from.moved_to(strip).first..], &g[at.moved_to(strip).first..]);
                // Of four taps sixteen sums, where there are registers for them.
                match (TILE / 4, from.column) {
                    (4, 1) => products_of_strip::<4, 1>(registers, taps, x, from, g, at, strip, sums),
                    (4, 2) => products_of_strip::<4, 2>(registers, taps, x, from, g, at, strip, sums),
                    (4, _) => products_of_strip::<4, 0>(registers, taps, x, from, g, at, strip, sums),
                    (_, 1) => products_of_strip::<1, 1>(registers, taps, x, from, g, at, strip, sums),
                    (_, 2) => products_of_strip::<1, 2>(registers, taps, x, from, g, at, strip, sums),
                    (_, _) => products_of_strip::<1, 0>(registers, taps, x, from, g, at, strip, sums),
                }
            }
            add_images(registers, of_images, over_images);
        }
    }
}

for_this_processor! {
    /// The sum of each over the images, in their order.
    pub(crate) fn sums_over_images[registers](sums: &[Lanes], over_images: &mut Vec<f32>) {
        let _ = TILE;
        over_images.clear();
        add_images(registers, sums, over_images);
    }
}

#[inline(always)]
fn add_images(registers: impl Registers, sums: &[Lanes], over_images: &mut Vec<f32>) {
    let (squares, rest) = sums.as_chunks::<LANES>();
    let mut images = [Lanes::ZERO; LANES];
    for square in squares {
        registers.transpose(square, 1, &mut images);
        let mut all = registers.load(&images[0]);
        for image in &images[1..] {
            all = registers.add(all, registers.load(image));
        }
        let mut sum = Lanes::ZERO;
        registers.store(all, &mut sum);
        over_images.extend_from_slice(&sum.0);
    }
    over_images.extend(rest.iter().map(|sum| sum.0.iter().sum::<f32>()));
}

/// Room to work in: sums that are yet one for each image, and those over them.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    pub(crate) of_images: Vec<Lanes>,
    pub(crate) over_images: Vec<f32>,
}

/// Pixels of the gradient at four channels that stay in the first cache while all taps are multiplied with them.
const STRIP: usize = 64;

/// Rows that follow one another, of so many pixels as stay in the first cache, or of more where one row has more.
fn strips([n_rows, n_columns]: [usize; 2]) -> impl Iterator<Item = Tile> {
    let at_once = (STRIP / n_columns).max(1);
    (0..n_rows).step_by(at_once).map(move |row| Tile {
        row,
        column: 0,
        n_rows: at_once.min(n_rows - row),
        n_columns,
    })
}

/// `SOME` taps at once; a step of 0 is one that the compiler does not know.
#[expect(clippy::too_many_arguments, reason = "a loop's body")]
#[inline(always)]
fn products_of_strip<const SOME: usize, const STEP: usize>(
    registers: impl Registers,
    taps: &[Tap<4>],
    x: &[Lanes],
    from: Places,
    g: &[Lanes],
    at: Places,
    strip: Tile,
    sums: &mut [[Lanes; 4]],
) {
    let (some_taps, other_taps) = taps.as_chunks::<SOME>();
    let (some_sums, other_sums) = sums.as_chunks_mut::<SOME>();
    for (taps, sums) in some_taps.iter().zip(some_sums) {
        products_of_taps::<SOME, STEP>(registers, taps, x, from, g, at, strip, sums);
    }
    for (tap, sum) in other_taps.iter().zip(other_sums) {
        let (tap, sum) = (std::array::from_ref(tap), std::array::from_mut(sum));
        products_of_taps::<1, STEP>(registers, tap, x, from, g, at, strip, sum);
    }
}

#[expect(clippy::too_many_arguments, reason = "a loop's body")]
#[inline(always)]
fn products_of_taps<const SOME: usize, const STEP: usize>(
    registers: impl Registers,
    taps: &[Tap<4>; SOME],
    x: &[Lanes],
    from: Places,
    g: &[Lanes],
    at: Places,
    strip: Tile,
    sums: &mut [[Lanes; 4]; SOME],
) {
    let step = if STEP == 0 { from.column } else { STEP };
    let n = strip.n_columns;
    let mut all = [[registers.zero(); 4]; SOME];
    for (all, sums) in all.iter_mut().zip(&*sums) {
        for (all, sum) in all.iter_mut().zip(sums) {
            *all = registers.load(sum);
        }
    }
    for row in 0..strip.n_rows {
        let mut g_rows = [&g[..0]; 4];
        for (channel, g_row) in g_rows.iter_mut().enumerate() {
            *g_row = &g[channel * at.area + row * at.row..][..n];
        }
        let mut x_rows = [&x[..0]; SOME];
        for (x_row, tap) in x_rows.iter_mut().zip(taps) {
            *x_row = &x[tap.offset as usize + row * from.row..][..(n - 1) * step + 1];
        }
        for column in 0..n {
            let mut at_output = [registers.zero(); 4];
            for (at_output, g_row) in at_output.iter_mut().zip(g_rows) {
                *at_output = registers.load(&g_row[column]);
            }
            for (all, x_row) in all.iter_mut().zip(x_rows) {
                let x = registers.load(&x_row[column * step]);
                for (all, g) in all.iter_mut().zip(at_output) {
                    *all = registers.mul_add(g, x, *all);
                }
            }
        }
    }
    for (all, sums) in all.into_iter().zip(sums) {
        for (all, sum) in all.into_iter().zip(sums) {
            registers.store(all, sum);
        }
    }
}

impl Taps<1> {
    #[expect(clippy::too_many_arguments, reason = "a loop's body")]
    #[inline(always)]
    fn products_of_tile<const ROWS: usize, const COLUMNS: usize, const STEP: usize>(
        &self,
        registers: impl Registers,
        channels: Range<usize>,
        x: &[Lanes],
        row: usize,
        g: &[Lanes],
        at: Places,
        sums: &mut [Lanes],
    ) {
        for (channel, range) in self.of(channels) {
            let g = &g[at.first + channel * at.area..];
            let mut at_output = [[registers.zero(); COLUMNS]; ROWS];
            for (r, at_output) in at_output.iter_mut().enumerate() {
                for (at_output, g) in at_output.iter_mut().zip(&g[r * at.row..][..COLUMNS]) {
                    *at_output = registers.load(g);
                }
            }
            for (tap, sum) in self.taps[range.clone()].iter().zip(&mut sums[range]) {
                let x = &x[tap.offset as usize..];
                let mut all = registers.load(sum);
                for (r, at_output) in at_output.iter().enumerate() {
                    let x = &x[r * row..][..(COLUMNS - 1) * STEP + 1];
                    for (c, g) in at_output.iter().enumerate() {
                        all = registers.mul_add(*g, registers.load(&x[c * STEP]), all);
                    }
                }
                registers.store(all, sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of at most 64 pixels, or one row.
    #[test]
    fn strips_cover_images_in_order() {
        let rows =
            |size| -> Vec<(usize, usize)> { strips(size).map(|strip| (strip.row, strip.n_rows)).collect() };
        assert_eq!(rows([2, 65]), [(0, 1), (1, 1)]);
        assert_eq!(rows([3, 64]), [(0, 1), (1, 1), (2, 1)]);
        assert_eq!(rows([5, 20]), [(0, 3), (3, 2)]);
        assert_eq!(rows([2, 1]), [(0, 2)]);
    }
}
