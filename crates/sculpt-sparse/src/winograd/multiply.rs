use super::Square;
use crate::registers::Registers;
use crate::{LANES, Lanes};

/// `made = left right` of sixteen rows, or that added: `left` `[n, 16 rows]` has 16 n columns, `right` is `[16 n, WIDTH]`, row r of `made`
/// begins at `r · step`.
///
/// A sum is taken by itself and added in the end, so that it is as exact as its length allows.
#[inline(always)]
pub(super) fn multiply<const TILE: usize, const WIDTH: usize>(
    registers: impl Registers,
    left: &[Square],
    right: &[Lanes],
    made: &mut [Lanes],
    step: usize,
    add: bool,
) {
    // Sixteen sums: as many as hide a product's latency, of which each needs few loads.
    match (TILE, WIDTH) {
        (16, 2) => {
            rows::<8, 2, WIDTH>(registers, left, 0, right, made, step, add);
            rows::<8, 2, WIDTH>(registers, left, 8, right, &mut made[8 * step..], step, add);
        }
        (16, 1) => rows::<16, 1, WIDTH>(registers, left, 0, right, made, step, add),
        _ => {
            for first in (0..LANES).step_by(4) {
                for vector in 0..WIDTH {
                    let made = &mut made[first * step + vector..];
                    rows::<4, 1, WIDTH>(registers, left, first, &right[vector..], made, step, add);
                }
            }
        }
    }
}

#[inline(always)]
fn rows<const ROWS: usize, const VECTORS: usize, const WIDTH: usize>(
    registers: impl Registers,
    left: &[Square],
    first: usize,
    right: &[Lanes],
    made: &mut [Lanes],
    step: usize,
    add: bool,
) {
    let mut sums = [[registers.zero(); VECTORS]; ROWS];
    for (left, right) in left.iter().zip(right.chunks(LANES * WIDTH)) {
        let left: &[Lanes; ROWS] = left[first..].first_chunk().expect("a part of the sixteen");
        let right = &right[..(LANES - 1) * WIDTH + VECTORS];
        for lane in 0..LANES {
            let mut here = [registers.zero(); VECTORS];
            for (v, here) in here.iter_mut().enumerate() {
                *here = registers.load(&right[lane * WIDTH + v]);
            }
            for (sums, row) in sums.iter_mut().zip(left) {
                let x = registers.splat(row.0[lane]);
                for (sum, here) in sums.iter_mut().zip(here) {
                    *sum = registers.mul_add(x, here, *sum);
                }
            }
        }
    }
    for (r, sums) in sums.into_iter().enumerate() {
        for (sum, made) in sums.into_iter().zip(&mut made[r * step..]) {
            let sum = if add {
                registers.add(registers.load(made), sum)
            } else {
                sum
            };
            registers.store(sum, made);
        }
    }
}
