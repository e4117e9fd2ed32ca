//! The two loops over kept weights: each weight times pixels, and pixels times pixels for each weight. Pixels are taken in tiles that registers
//! hold, so that a weight is read once for many of them.

use crate::Lanes;
use crate::dispatch::for_this_processor;
use crate::registers::Registers;
use crate::taps::{Tap, Taps};
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

/// Calls a function for a tile, of whose shape and of the step from one column to the next the compiler knows.
macro_rules! of_shape {
    ($tile:expr, $step:expr, $function:ident($($argument:expr),* $(,)?)) => {
        match ($tile.n_rows, $tile.n_columns, $step) {
            (1, 16, 1) => $function::<1, 16, 1>($($argument),*),
            (2, 8, 1) => $function::<2, 8, 1>($($argument),*),
            (1, 8, 1) => $function::<1, 8, 1>($($argument),*),
            (4, 4, 1) => $function::<4, 4, 1>($($argument),*),
            (2, 4, 1) => $function::<2, 4, 1>($($argument),*),
            (1, 4, 1) => $function::<1, 4, 1>($($argument),*),
            (2, 2, 1) => $function::<2, 2, 1>($($argument),*),
            (1, 2, 1) => $function::<1, 2, 1>($($argument),*),
            (1, 16, 2) => $function::<1, 16, 2>($($argument),*),
            (2, 8, 2) => $function::<2, 8, 2>($($argument),*),
            (1, 8, 2) => $function::<1, 8, 2>($($argument),*),
            (4, 4, 2) => $function::<4, 4, 2>($($argument),*),
            (2, 4, 2) => $function::<2, 4, 2>($($argument),*),
            (1, 4, 2) => $function::<1, 4, 2>($($argument),*),
            (2, 2, 2) => $function::<2, 2, 2>($($argument),*),
            (1, 2, 2) => $function::<1, 2, 2>($($argument),*),
            (1, 1, _) => $function::<1, 1, 1>($($argument),*),
            other => unreachable!("{other:?} is no tile"),
        }
    };
}

/// Of steps that the compiler does not know each pixel is a tile.
fn most_of(tile: usize, step: usize) -> usize {
    if step <= 2 { tile } else { 1 }
}

for_this_processor! {
    /// Each channel of `y`, of so many rows and columns, becomes the sum of its taps, or has it added. `from` are the steps in `x`.
    pub(crate) fn correlate[registers](
        taps: &Taps,
        x: &[Lanes],
        from: Places,
        y: &mut [Lanes],
        to: Places,
        size: [usize; 2],
        add: bool,
    ) {
        for channels in taps.parts(size_of::<Tap>()) {
            for tile in tiles(most_of(TILE, from.column), size) {
                let x = &x[from.moved_to(tile).first..];
                let channels = channels.clone();
                of_shape!(tile, from.column, correlate_tile(registers, taps, channels, x, from.row, y, to.moved_to(tile), add));
            }
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "a loop's body")]
#[inline(always)]
fn correlate_tile<const ROWS: usize, const COLUMNS: usize, const STEP: usize>(
    registers: impl Registers,
    taps: &Taps,
    channels: Range<usize>,
    x: &[Lanes],
    row: usize,
    y: &mut [Lanes],
    to: Places,
    add: bool,
) {
    for (channel, range) in taps.of(channels) {
        let y = &mut y[to.first + channel * to.area..];
        let mut sums = [[registers.zero(); COLUMNS]; ROWS];
        if add {
            for (r, sums) in sums.iter_mut().enumerate() {
                for (c, sum) in sums.iter_mut().enumerate() {
                    *sum = registers.load(&y[r * to.row + c * to.column]);
                }
            }
        }
        for tap in &taps.taps[range] {
            let x = &x[tap.offset as usize..];
            let weight = registers.splat(tap.value);
            for (r, sums) in sums.iter_mut().enumerate() {
                let x = &x[r * row..][..(COLUMNS - 1) * STEP + 1];
                for (c, sum) in sums.iter_mut().enumerate() {
                    *sum = registers.mul_add(weight, registers.load(&x[c * STEP]), *sum);
                }
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            for (c, sum) in sums.into_iter().enumerate() {
                registers.store(sum, &mut y[r * to.row + c * to.column]);
            }
        }
    }
}

for_this_processor! {
    /// Of each tap, image by image, the sum over all pixels of what it reads in `x` times the gradient `g` at what it makes, whose columns are one after
    /// the other.
    pub(crate) fn products[registers](
        taps: &Taps,
        x: &[Lanes],
        from: Places,
        g: &[Lanes],
        at: Places,
        size: [usize; 2],
        sums: &mut [Lanes],
    ) {
        for channels in taps.parts(size_of::<Lanes>()) {
            for tile in tiles(most_of(TILE, from.column), size) {
                let x = &x[from.moved_to(tile).first..];
                let channels = channels.clone();
                of_shape!(tile, from.column, products_of_tile(registers, taps, channels, x, from.row, g, at.moved_to(tile), sums));
            }
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "a loop's body")]
#[inline(always)]
fn products_of_tile<const ROWS: usize, const COLUMNS: usize, const STEP: usize>(
    registers: impl Registers,
    taps: &Taps,
    channels: Range<usize>,
    x: &[Lanes],
    row: usize,
    g: &[Lanes],
    at: Places,
    sums: &mut [Lanes],
) {
    for (channel, range) in taps.of(channels) {
        let g = &g[at.first + channel * at.area..];
        let mut at_output = [[registers.zero(); COLUMNS]; ROWS];
        for (r, at_output) in at_output.iter_mut().enumerate() {
            for (at_output, g) in at_output.iter_mut().zip(&g[r * at.row..][..COLUMNS]) {
                *at_output = registers.load(g);
            }
        }
        for (tap, sum) in taps.taps[range.clone()].iter().zip(&mut sums[range]) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
