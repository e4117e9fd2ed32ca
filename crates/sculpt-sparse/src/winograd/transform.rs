//! Tiles and weights to what is multiplied place by place, and back.
//!
//! No closures around registers: a closure is not compiled for the processor's instructions.

use super::{PANEL, PLACES, SIDE, Square, Tiles};
use crate::geometry::Padded;
use crate::registers::Registers;
use crate::{LANES, Lanes, Planes};

/// `Bᵀ d`.
#[inline(always)]
fn spread<R: Registers>(registers: R, d: [R::Sixteen; SIDE]) -> [R::Sixteen; SIDE] {
    [
        registers.sub(d[0], d[2]),
        registers.add(d[1], d[2]),
        registers.sub(d[2], d[1]),
        registers.sub(d[1], d[3]),
    ]
}

/// `Aᵀ m`.
#[inline(always)]
fn gather<R: Registers>(registers: R, m: [R::Sixteen; SIDE]) -> [R::Sixteen; 2] {
    [
        registers.add(registers.add(m[0], m[1]), m[2]),
        registers.sub(registers.sub(m[1], m[2]), m[3]),
    ]
}

/// `A g`.
#[inline(always)]
fn scatter<R: Registers>(registers: R, g: [R::Sixteen; 2]) -> [R::Sixteen; SIDE] {
    [
        g[0],
        registers.add(g[0], g[1]),
        registers.sub(g[0], g[1]),
        registers.sub(registers.zero(), g[1]),
    ]
}

/// A column of a transformed tile, one place `step` after the other.
#[inline(always)]
fn column_of<R: Registers>(registers: R, tile: &[Lanes], column: usize, step: usize) -> [R::Sixteen; SIDE] {
    [
        registers.load(&tile[column * step]),
        registers.load(&tile[(SIDE + column) * step]),
        registers.load(&tile[(2 * SIDE + column) * step]),
        registers.load(&tile[(3 * SIDE + column) * step]),
    ]
}

/// `Bᵀ d B` of 4 × 4 pixels, row by row.
#[inline(always)]
fn spread_both<R: Registers>(registers: R, d: [[R::Sixteen; SIDE]; SIDE]) -> [[R::Sixteen; SIDE]; SIDE] {
    let mut rows = d;
    for row in &mut rows {
        *row = spread(registers, *row);
    }
    for c in 0..SIDE {
        let column = spread(registers, [rows[0][c], rows[1][c], rows[2][c], rows[3][c]]);
        for (row, x) in rows.iter_mut().zip(column) {
            row[c] = x;
        }
    }
    rows
}

/// `Bᵀ d B` of padded images, to `[16 places, panels, channels, PANEL]`, one place `step` after the other.
#[inline(always)]
pub(super) fn from_images<R: Registers>(
    registers: R,
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
                let mut d = [[registers.zero(); SIDE]; SIDE];
                for (r, d) in d.iter_mut().enumerate() {
                    let x: &[Lanes; SIDE] = x[(2 * row + r) * padded.width + 2 * column..]
                        .first_chunk()
                        .expect("there is padding");
                    for (d, x) in d.iter_mut().zip(x) {
                        *d = registers.load(x);
                    }
                }
                let d = spread_both(registers, d);
                let out = &mut out[(tile / PANEL * n + channel) * PANEL + tile % PANEL..]
                    [..(PLACES - 1) * step + 1];
                for (r, d) in d.into_iter().enumerate() {
                    for (c, d) in d.into_iter().enumerate() {
                        registers.store(d, &mut out[(r * SIDE + c) * step]);
                    }
                }
                tile += 1;
            }
        }
    }
}

/// `Aᵀ m A` of `[16 places, channels, tiles]`, to images, or added to them.
#[expect(clippy::too_many_arguments, reason = "a loop's body")]
#[inline(always)]
pub(super) fn to_images<R: Registers>(
    registers: R,
    m: &[Lanes],
    step: usize,
    n_tiles: usize,
    tiles: Tiles,
    planes: &Planes,
    y: &mut [Lanes],
    add: bool,
) {
    for (channel, y) in y.chunks_exact_mut(planes.area()).enumerate() {
        let mut tile = 0;
        for row in tiles.row..tiles.row + tiles.n_rows {
            for column in tiles.column..tiles.column + tiles.n_columns {
                let m = &m[channel * n_tiles + tile..][..(PLACES - 1) * step + 1];
                let mut upper = [registers.zero(); SIDE];
                let mut lower = [registers.zero(); SIDE];
                for c in 0..SIDE {
                    let column = column_of(registers, m, c, step);
                    [upper[c], lower[c]] = gather(registers, column);
                }
                for (r, made) in [gather(registers, upper), gather(registers, lower)]
                    .into_iter()
                    .enumerate()
                {
                    let y: &mut [Lanes; 2] = y[(2 * row + r) * planes.width + 2 * column..]
                        .first_chunk_mut()
                        .expect("a tile's row");
                    for (mut made, y) in made.into_iter().zip(y) {
                        if add {
                            made = registers.add(registers.load(y), made);
                        }
                        registers.store(made, y);
                    }
                }
                tile += 1;
            }
        }
    }
}

/// `A g Aᵀ` of a padded gradient, to `[16 places, channels / 16, tiles, 16 channels]`.
#[inline(always)]
pub(super) fn from_gradient<R: Registers>(
    registers: R,
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
                let mut rows = [[registers.zero(); SIDE]; 2];
                for (r, to) in rows.iter_mut().enumerate() {
                    let g = &g[padded.row(channel, 2 * row + r) + 2 * column..][..2];
                    *to = scatter(registers, [registers.load(&g[0]), registers.load(&g[1])]);
                }
                let out = &mut out[channel / LANES * tiles.n() + tile..][..(PLACES - 1) * step + 1];
                for c in 0..SIDE {
                    for (r, x) in scatter(registers, [rows[0][c], rows[1][c]])
                        .into_iter()
                        .enumerate()
                    {
                        registers.store(x, &mut out[(r * SIDE + c) * step][channel % LANES]);
                    }
                }
                tile += 1;
            }
        }
    }
}

/// The pixels that tiles read of padded images, with channels in the lanes: `[rows, columns, channels / 16, 16 images]`.
#[inline(always)]
pub(super) fn transpose<R: Registers>(
    registers: R,
    x: &[Lanes],
    padded: &Padded,
    tiles: Tiles,
    strip: &mut Vec<Lanes>,
) {
    let (n, columns) = (padded.planes.channels / LANES, 2 * tiles.n_columns + 2);
    let strip = crate::block::room(strip, (2 * tiles.n_rows + 2) * columns * n * LANES);
    for (number, out) in strip.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let (pixel, vector) = (number / n, number % n);
        let at = (2 * tiles.row + pixel / columns) * padded.width + 2 * tiles.column + pixel % columns;
        let x = &x[vector * LANES * padded.area() + at..][..(LANES - 1) * padded.area() + 1];
        registers.transpose(x, padded.area(), out);
    }
}

/// `Bᵀ d B` of what [`transpose`] made, to `[16 places, panels, tiles, 16 images, panel]`.
#[inline(always)]
pub(super) fn from_transposed<R: Registers>(
    registers: R,
    strip: &[Lanes],
    tiles: Tiles,
    n: usize,
    panel: usize,
    out: &mut [Lanes],
    step: usize,
) {
    let columns = 2 * tiles.n_columns + 2;
    let rows = tiles.n() * LANES;
    let mut tile = 0;
    for row in 0..tiles.n_rows {
        for column in 0..tiles.n_columns {
            for vector in 0..n {
                let out = &mut out[(vector / panel * rows + tile * LANES) * panel + vector % panel..];
                for image in 0..LANES {
                    let mut d = [[registers.zero(); SIDE]; SIDE];
                    for (r, d) in d.iter_mut().enumerate() {
                        let at = ((2 * row + r) * columns + 2 * column) * n + vector;
                        for (c, d) in d.iter_mut().enumerate() {
                            *d = registers.load(&strip[(at + c * n) * LANES + image]);
                        }
                    }
                    let out = &mut out[image * panel..][..(PLACES - 1) * step + 1];
                    for (r, d) in spread_both(registers, d).into_iter().enumerate() {
                        for (c, d) in d.into_iter().enumerate() {
                            registers.store(d, &mut out[(r * SIDE + c) * step]);
                        }
                    }
                }
            }
            tile += 1;
        }
    }
}

/// `G w` of a column of three.
#[inline(always)]
fn weight_to_column<R: Registers>(registers: R, w: [R::Sixteen; 3]) -> [R::Sixteen; SIDE] {
    let half = registers.splat(0.5);
    let ends = registers.add(w[0], w[2]);
    [
        w[0],
        registers.mul(half, registers.add(ends, w[1])),
        registers.mul(half, registers.sub(ends, w[1])),
        w[2],
    ]
}

/// `G w Gᵀ` of the weights of one row and sixteen columns, to that row of a square in each place, one `step` after the other.
#[inline(always)]
pub(super) fn weight_to<R: Registers>(
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
    let mut columns = [[registers.zero(); 3]; SIDE];
    for c in 0..3 {
        let column = [
            registers.load(&lanes[c]),
            registers.load(&lanes[3 + c]),
            registers.load(&lanes[6 + c]),
        ];
        for (to, x) in columns.iter_mut().zip(weight_to_column(registers, column)) {
            to[c] = x;
        }
    }
    for (r, w) in columns.into_iter().enumerate() {
        for (c, x) in weight_to_column(registers, w).into_iter().enumerate() {
            registers.store(x, &mut out[(r * SIDE + c) * step][row]);
        }
    }
}

/// `Gᵀ u` of a column of four.
#[inline(always)]
fn weight_of_column<R: Registers>(registers: R, u: [R::Sixteen; SIDE]) -> [R::Sixteen; 3] {
    let half = registers.splat(0.5);
    let sum = registers.mul(half, registers.add(u[1], u[2]));
    let difference = registers.mul(half, registers.sub(u[1], u[2]));
    [registers.add(u[0], sum), difference, registers.add(sum, u[3])]
}

/// `Gᵀ u G` of sixteen columns of a sum, one place `step` after the other: nine places of a weight.
#[inline(always)]
pub(super) fn weight_of<R: Registers>(registers: R, u: &[Lanes], step: usize, out: &mut [Lanes]) {
    let u = &u[..(PLACES - 1) * step + 1];
    let mut rows = [[registers.zero(); SIDE]; 3];
    for c in 0..SIDE {
        let column = column_of(registers, u, c, step);
        for (row, x) in rows.iter_mut().zip(weight_of_column(registers, column)) {
            row[c] = x;
        }
    }
    for (row, out) in rows.into_iter().zip(out.as_chunks_mut::<3>().0) {
        for (x, out) in weight_of_column(registers, row).into_iter().zip(out) {
            registers.store(x, out);
        }
    }
}
