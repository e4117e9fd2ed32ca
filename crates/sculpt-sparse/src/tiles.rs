//! Pixels in tiles that registers hold, so that a weight is read once for many of them, and a pixel for the weights of as many channels as share a tap;
//! and the loop that goes over both, each weight times pixels.

use crate::dispatch::for_this_processor;
use crate::lanes::InRegisters;
use crate::registers::Registers;
use crate::taps::{Grouped, Tap, Taps};
use crate::{Lanes, Pixel};
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
    pub(crate) fn moved_to(self, tile: Tile) -> Self {
        let first = self.first + tile.row * self.row + tile.column * self.column;
        Self { first, ..self }
    }
}

/// Pixels that are worked with at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tile {
    pub(crate) row: usize,
    pub(crate) column: usize,
    pub(crate) n_rows: usize,
    pub(crate) n_columns: usize,
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
pub(crate) fn tiles(most: usize, [n_rows, n_columns]: [usize; 2]) -> impl Iterator<Item = Tile> {
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

pub(crate) use of_shape;

/// Of steps that the compiler does not know each pixel is a tile.
pub(crate) fn most_of(tile: usize, step: usize) -> usize {
    if step <= 2 { tile } else { 1 }
}

for_this_processor! {
    /// Each channel of `y`, of so many rows and columns, becomes the sum of its taps, or has its taps added. `from` are the steps in `x`.
    pub(crate) fn correlate[registers <P: Pixel>](
        taps: &Grouped,
        x: &[Lanes],
        from: Places,
        y: &mut [P],
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
    fn correlate<P: Pixel>(
        &self,
        registers: impl Registers,
        most: usize,
        x: &[Lanes],
        from: Places,
        y: &mut [P],
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
        y: &mut [impl Pixel],
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
                            *sum = InRegisters::load(registers, &y[n * to.area + r * to.row + c * to.column]);
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
                        InRegisters::store(registers, sum, &mut y[n * to.area + r * to.row + c * to.column]);
                    }
                }
            }
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
