//! The loops over weights: each weight times pixels, and pixels times pixels for each weight. Pixels are taken in tiles that registers hold, so that
//! a weight is read once for many of them, and a pixel for the weights of as many channels as share a tap.

use crate::dispatch::for_this_processor;
use crate::registers::Registers;
use crate::taps::{Grouped, Tap, Taps};
use crate::{LANES, Lanes};
use std::ops::Range;

/// Where pixels stand: row r and column c of channel n at `first + n · area + r · row + c · column`. In what taps read, they say where a channel
/// begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    pub(crate) first: usize,
    pub(crate) area: usize,
    pub(crate) row: usize,
    pub(crate) column: usize,
}

impl Places {
    /// Those from a tile on.
    fn moved_to(self, tile: Tile) -> Self {
        let first = self.first + tile.row * self.row + tile.column * self.column;
        Self { first, ..self }
    }
}

/// Pixels that are worked with at once.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Tile {
    row: usize,
    column: usize,
    n_rows: usize,
    n_columns: usize,
}

/// Rows and columns that a tile may have, the best first.
const SHAPES: [(usize, usize); 9] = [
    (1, 16),
    (2, 8),
    (1, 8),
    (4, 4),
    (2, 4),
    (1, 4),
    (2, 2),
    (1, 2),
    (1, 1),
];

/// Tiles of at most `most` pixels that cover an image. Pixels come in the order of rows and columns, whatever `most` is: a tile of several
/// rows has all of them.
fn tiles(most: usize, [n_rows, n_columns]: [usize; 2]) -> impl Iterator<Item = Tile> {
    let (mut row, mut column) = (0, 0);
    std::iter::from_fn(move || {
        let fits = |&(rows, columns): &(usize, usize)| {
            rows * columns <= most
                && rows <= n_rows - row
                && columns <= n_columns - column
                && (rows == 1 || columns == n_columns)
        };
        let (rows, columns) = SHAPES.into_iter().find(fits)?;
        let tile = Tile {
            row,
            column,
            n_rows: rows,
            n_columns: columns,
        };
        column += columns;
        if column == n_columns {
            (row, column) = (row + rows, 0);
        }
        Some(tile)
    })
}

/// Calls a method of taps for a tile of at most `most` pixels, of whose shape and of the step from one column to the next the compiler knows.
macro_rules! of_shape {
    ($most:expr, $tile:expr, $step:expr, [$($rows:literal x $columns:literal),*], $taps:ident.$method:ident $arguments:tt) => {
        match ($tile.n_rows, $tile.n_columns, $step) {
            $(($rows, $columns, 1) if $rows * $columns <= $most => $taps.$method::<$rows, $columns, 1> $arguments,
            ($rows, $columns, 2) if $rows * $columns <= $most => $taps.$method::<$rows, $columns, 2> $arguments,)*
            (1, 1, _) => $taps.$method::<1, 1, 1> $arguments,
            other => unreachable!("{other:?} is no tile"),
        }
    };
    ($most:expr, $tile:expr, $step:expr, $taps:ident.$method:ident $arguments:tt) => {
        of_shape!(
            $most,
            $tile,
            $step,
            [1 x 16, 2 x 8, 1 x 8, 4 x 4, 2 x 4, 1 x 4, 2 x 2, 1 x 2],
            $taps.$method $arguments
        )
    };
}

/// Of steps that the compiler does not know each pixel is a tile.
fn most_of(tile: usize, step: usize) -> usize {
    if step <= 2 { tile } else { 1 }
}

for_this_processor! {
    /// Each channel of `y`, of so many rows and columns, becomes the sum of its taps, or has it added. `from` are the steps in `x`.
    pub(crate) fn correlate[registers](
        taps: &Grouped,
        x: &[Lanes],
        from: Places,
        y: &mut [Lanes],
        to: Places,
        size: [usize; 2],
        add: bool,
    ) {
        match taps {
            Grouped::Ones(taps) => taps.correlate(registers, TILE, x, from, y, to, size, add),
            // As many sums in registers as of one channel.
            Grouped::Fours(taps) => taps.correlate(registers, TILE / 4, x, from, y, to, size, add),
        }
    }
}

impl<const N: usize> Taps<N> {
    /// [`correlate`], of `most` pixels at once.
    #[expect(clippy::too_many_arguments, reason = "a loop's body")]
    #[inline(always)]
    fn correlate(
        &self,
        registers: impl Registers,
        most: usize,
        x: &[Lanes],
        from: Places,
        y: &mut [Lanes],
        to: Places,
        size: [usize; 2],
        add: bool,
    ) {
        for groups in self.parts(size_of::<Tap<N>>()) {
            for tile in tiles(most_of(most, from.column), size) {
                let (x, to, groups) = (&x[from.moved_to(tile).first..], to.moved_to(tile), groups.clone());
                of_shape!(
                    most,
                    tile,
                    from.column,
                    self.correlate_tile(registers, groups, x, from.row, y, to, add)
                );
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a loop's body")]
    #[inline(always)]
    fn correlate_tile<const ROWS: usize, const COLUMNS: usize, const STEP: usize>(
        &self,
        registers: impl Registers,
        groups: Range<usize>,
        x: &[Lanes],
        row: usize,
        y: &mut [Lanes],
        to: Places,
        add: bool,
    ) {
        for (group, range) in self.of(groups) {
            let y = &mut y[to.first + group * N * to.area..];
            let mut sums = [[[registers.zero(); COLUMNS]; ROWS]; N];
            if add {
                for (n, sums) in sums.iter_mut().enumerate() {
                    for (r, sums) in sums.iter_mut().enumerate() {
                        for (c, sum) in sums.iter_mut().enumerate() {
                            *sum = registers.load(&y[n * to.area + r * to.row + c * to.column]);
                        }
                    }
                }
            }
            for tap in &self.taps[range] {
                let x = &x[tap.offset as usize..];
                let mut weights = [registers.zero(); N];
                for (weight, value) in weights.iter_mut().zip(tap.values) {
                    *weight = registers.splat(value);
                }
                for r in 0..ROWS {
                    let x = &x[r * row..][..(COLUMNS - 1) * STEP + 1];
                    for c in 0..COLUMNS {
                        let x = registers.load(&x[c * STEP]);
                        for (sums, weight) in sums.iter_mut().zip(weights) {
                            sums[r][c] = registers.mul_add(weight, x, sums[r][c]);
                        }
                    }
                }
            }
            for (n, sums) in sums.into_iter().enumerate() {
                for (r, sums) in sums.into_iter().enumerate() {
                    for (c, sum) in sums.into_iter().enumerate() {
                        registers.store(sum, &mut y[n * to.area + r * to.row + c * to.column]);
                    }
                }
            }
        }
    }
}

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

    /// Whatever registers hold, pixels come in the order of rows and columns, each once.
    #[test]
    fn tiles_cover_images_in_order() {
        for most in [1, 4, 16] {
            for (n_rows, n_columns) in [
                (1, 1),
                (2, 2),
                (3, 2),
                (4, 4),
                (7, 4),
                (8, 8),
                (5, 8),
                (3, 16),
                (2, 19),
                (5, 7),
            ] {
                let pixels = tiles(most, [n_rows, n_columns]).flat_map(|tile| {
                    assert!(tile.n_rows * tile.n_columns <= most);
                    (0..tile.n_rows)
                        .flat_map(move |r| (0..tile.n_columns).map(move |c| (tile.row + r, tile.column + c)))
                });
                let all = (0..n_rows).flat_map(|r| (0..n_columns).map(move |c| (r, c)));
                assert!(pixels.eq(all), "{n_rows} × {n_columns} in tiles of {most}");
            }
        }
        assert_eq!(tiles(16, [4, 4]).count(), 1);
        assert_eq!(tiles(16, [8, 8]).count(), 4);
    }
}
