//! Tiles and weights to what is multiplied place by place, and back.
//!
//! No closures around registers: a closure is not compiled for the processor's instructions.

use super::algorithm::{Algorithm, Line};
use super::{PANEL, Square, Tiles};
use crate::geometry::Padded;
use crate::registers::Registers;
use crate::{LANES, Lanes, Pixel, Planes};

/// A column of a transformed tile, one place `step` after the other.
#[inline(always)]
fn column_of<A: Algorithm, R: Registers>(
    registers: R,
    tile: &[Lanes],
    column: usize,
    step: usize,
) -> A::Side<R::Sixteen> {
    let mut made = A::Side::of(registers.zero());
    for r in 0..A::SIDE {
        made[r] = registers.load(&tile[(r * A::SIDE + column) * step]);
    }
    made
}

/// `Bᵀ d B` of a tile's pixels, `row` of them from one row to the next and `column` from one column to the next, to `out`, one place
/// `step` after the other.
#[inline(always)]
fn spread_tile<A: Algorithm, R: Registers>(
    registers: R,
    d: &[Lanes],
    row: usize,
    column: usize,
    out: &mut [Lanes],
    step: usize,
) {
    let mut rows = A::Side::of(A::Side::of(registers.zero()));
    for r in 0..A::SIDE {
        let d = &d[r * row..][..(A::SIDE - 1) * column + 1];
        for c in 0..A::SIDE {
            rows[r][c] = registers.load(&d[c * column]);
        }
        rows[r] = A::spread(registers, rows[r]);
    }
    let out = &mut out[..(A::PLACES - 1) * step + 1];
    for c in 0..A::SIDE {
        let mut made = A::Side::of(registers.zero());
        for r in 0..A::SIDE {
            made[r] = rows[r][c];
        }
        made = A::spread(registers, made);
        for r in 0..A::SIDE {
            registers.store(made[r], &mut out[(r * A::SIDE + c) * step]);
        }
    }
}

/// `Bᵀ d B` of padded images, to `[places, panels, channels, PANEL]`, one place `step` after the other.
#[inline(always)]
pub(super) fn from_images<A: Algorithm>(
    registers: impl Registers,
    x: &[Lanes],
    padded: &Padded,
    tiles: Tiles,
    out: &mut [Lanes],
    step: usize,
) {
    let n = padded.planes.channels;
    for channel in 0..n {
        let x = &x[channel * padded.area()..][..padded.area()];
        let mut tile = 0;
        for row in tiles.row..tiles.row + tiles.n_rows {
            for column in tiles.column..tiles.column + tiles.n_columns {
                let x = &x[A::MADE * (row * padded.width + column)..];
                let out = &mut out[(tile / PANEL * n + channel) * PANEL + tile % PANEL..];
                spread_tile::<A, _>(registers, x, padded.width, 1, out, step);
                tile += 1;
            }
        }
    }
}

/// `Aᵀ m A` of `[places, channels, tiles]`, to images, or added to them.
#[expect(clippy::too_many_arguments, reason = "a loop's body")]
#[inline(always)]
pub(super) fn to_images<A: Algorithm, P: Pixel, R: Registers>(
    registers: R,
    m: &[Lanes],
    step: usize,
    n_tiles: usize,
    tiles: Tiles,
    planes: &Planes,
    y: &mut [P],
    add: bool,
) {
    for (channel, y) in y.chunks_exact_mut(planes.area()).enumerate() {
        let mut tile = 0;
        for row in tiles.row..tiles.row + tiles.n_rows {
            for column in tiles.column..tiles.column + tiles.n_columns {
                let m = &m[channel * n_tiles + tile..][..(A::PLACES - 1) * step + 1];
                let mut columns = A::Side::of(A::Made::of(registers.zero()));
                for c in 0..A::SIDE {
                    columns[c] = A::gather(registers, column_of::<A, R>(registers, m, c, step));
                }
                for r in 0..A::MADE {
                    let mut row_of = A::Side::of(registers.zero());
                    for c in 0..A::SIDE {
                        row_of[c] = columns[c][r];
                    }
                    let made = A::gather(registers, row_of);
                    let y = &mut y[(A::MADE * row + r) * planes.width + A::MADE * column..][..A::MADE];
                    for (c, y) in y.iter_mut().enumerate() {
                        let mut x = made[c];
                        if add {
                            x = registers.add(P::load(registers, y), x);
                        }
                        P::store(registers, x, y);
                    }
                }
                tile += 1;
            }
        }
    }
}

/// `A g Aᵀ` of a padded gradient, to `[places, channels / 16, tiles, 16 channels]`.
#[inline(always)]
pub(super) fn from_gradient<A: Algorithm>(
    registers: impl Registers,
    g: &[Lanes],
    padded: &Padded,
    tiles: Tiles,
    out: &mut [Square],
    step: usize,
) {
    let n = padded.planes.channels;
    for channel in 0..n {
        let mut tile = 0;
        for row in tiles.row..tiles.row + tiles.n_rows {
            for column in tiles.column..tiles.column + tiles.n_columns {
                let mut rows = A::Made::of(A::Side::of(registers.zero()));
                for r in 0..A::MADE {
                    let g = &g[padded.row(channel, A::MADE * row + r) + A::MADE * column..][..A::MADE];
                    let mut own = A::Made::of(registers.zero());
                    for c in 0..A::MADE {
                        own[c] = registers.load(&g[c]);
                    }
                    rows[r] = A::scatter(registers, own);
                }
                let out = &mut out[channel / LANES * tiles.n() + tile..][..(A::PLACES - 1) * step + 1];
                for c in 0..A::SIDE {
                    let mut own = A::Made::of(registers.zero());
                    for r in 0..A::MADE {
                        own[r] = rows[r][c];
                    }
                    let made = A::scatter(registers, own);
                    for r in 0..A::SIDE {
                        registers.store(made[r], &mut out[(r * A::SIDE + c) * step][channel % LANES]);
                    }
                }
                tile += 1;
            }
        }
    }
}

/// The pixels that tiles read of padded images, with channels in the lanes: `[rows, columns, channels / 16, 16 images]`.
#[inline(always)]
pub(super) fn transpose<A: Algorithm>(
    registers: impl Registers,
    x: &[Lanes],
    padded: &Padded,
    tiles: Tiles,
    strip: &mut Vec<Lanes>,
) {
    let [rows, columns] = tiles.reads::<A>();
    let n = padded.planes.channels / LANES;
    let strip = crate::block::room(strip, rows * columns * n * LANES);
    for (number, out) in strip.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let (pixel, vector) = (number / n, number % n);
        let (row, column) = (
            A::MADE * tiles.row + pixel / columns,
            A::MADE * tiles.column + pixel % columns,
        );
        let x = &x[vector * LANES * padded.area() + row * padded.width + column..];
        registers.transpose(x, padded.area(), out);
    }
}

/// `Bᵀ d B` of what [`transpose`] made, to `[places, panels, tiles, 16 images, panel]`.
#[inline(always)]
pub(super) fn from_transposed<A: Algorithm>(
    registers: impl Registers,
    strip: &[Lanes],
    tiles: Tiles,
    n: usize,
    panel: usize,
    out: &mut [Lanes],
    step: usize,
) {
    let [_, columns] = tiles.reads::<A>();
    // Of one vector of channels and one image from pixel to pixel.
    let column_step = n * LANES;
    let rows = tiles.n() * LANES;
    let mut tile = 0;
    for row in 0..tiles.n_rows {
        for column in 0..tiles.n_columns {
            for vector in 0..n {
                let out = &mut out[(vector / panel * rows + tile * LANES) * panel + vector % panel..];
                let d = &strip[(A::MADE * (row * columns + column) * n + vector) * LANES..];
                for image in 0..LANES {
                    let (d, out) = (&d[image..], &mut out[image * panel..]);
                    spread_tile::<A, _>(registers, d, columns * column_step, column_step, out, step);
                }
            }
            tile += 1;
        }
    }
}

/// `G w Gᵀ` of the weights of one row and sixteen columns, to that row of a square in each place, one `step` after the other.
#[inline(always)]
pub(super) fn weight_to<A: Algorithm, R: Registers>(
    registers: R,
    w: &[[f32; 9]; LANES],
    out: &mut [Square],
    step: usize,
    row: usize,
) {
    let mut lanes = [Lanes::ZERO; 9];
    for (lane, w) in w.iter().enumerate() {
        for (lanes, w) in lanes.iter_mut().zip(w) {
            lanes.0[lane] = *w;
        }
    }
    let mut columns = A::Side::of([registers.zero(); 3]);
    for c in 0..3 {
        let column = [
            registers.load(&lanes[c]),
            registers.load(&lanes[3 + c]),
            registers.load(&lanes[6 + c]),
        ];
        let made = A::weight_to(registers, column);
        for r in 0..A::SIDE {
            columns[r][c] = made[r];
        }
    }
    for r in 0..A::SIDE {
        let made = A::weight_to(registers, columns[r]);
        for c in 0..A::SIDE {
            registers.store(made[c], &mut out[(r * A::SIDE + c) * step][row]);
        }
    }
}

/// `Gᵀ u G` of sixteen columns of a sum, one place `step` after the other: nine places of a weight.
#[inline(always)]
pub(super) fn weight_of<A: Algorithm, R: Registers>(
    registers: R,
    u: &[Lanes],
    step: usize,
    out: &mut [Lanes],
) {
    let u = &u[..(A::PLACES - 1) * step + 1];
    let mut rows = [A::Side::of(registers.zero()); 3];
    for c in 0..A::SIDE {
        let column = A::weight_of(registers, column_of::<A, R>(registers, u, c, step));
        for (row, x) in rows.iter_mut().zip(column) {
            row[c] = x;
        }
    }
    for (row, out) in rows.into_iter().zip(out.as_chunks_mut::<3>().0) {
        for (x, out) in A::weight_of(registers, row).into_iter().zip(out) {
            registers.store(x, out);
        }
    }
}
