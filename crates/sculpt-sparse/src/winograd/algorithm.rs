//! The matrices of Winograd's algorithms, each for one row or column at a time.

use crate::WinogradTile;
use crate::registers::Registers;
use std::ops::IndexMut;

/// Some numbers beside each other, as many as the type says.
pub(super) trait Line<T: Copy>: Copy + IndexMut<usize, Output = T> {
    fn of(x: T) -> Self;
}

impl<T: Copy, const N: usize> Line<T> for [T; N] {
    #[inline(always)]
    fn of(x: T) -> Self {
        [x; N]
    }
}

/// `F(m × m, 3 × 3)`: of m + 2 rows and columns of pixels m are made (Lavin and Gray 2016, §4).
pub(super) trait Algorithm {
    const TILE: WinogradTile;
    /// m.
    const MADE: usize = Self::TILE.side();
    /// m + 2.
    const SIDE: usize = Self::MADE + 2;
    /// Of a transformed tile.
    const PLACES: usize = Self::SIDE * Self::SIDE;

    /// m numbers.
    type Made<T: Copy>: Line<T>;
    /// m + 2 numbers.
    type Side<T: Copy>: Line<T>;

    /// `Bᵀ d`.
    fn spread<R: Registers>(registers: R, d: Self::Side<R::Sixteen>) -> Self::Side<R::Sixteen>;

    /// `Aᵀ m`.
    fn gather<R: Registers>(registers: R, m: Self::Side<R::Sixteen>) -> Self::Made<R::Sixteen>;

    /// `A g`.
    fn scatter<R: Registers>(registers: R, g: Self::Made<R::Sixteen>) -> Self::Side<R::Sixteen>;

    /// `G w`.
    fn weight_to<R: Registers>(registers: R, w: [R::Sixteen; 3]) -> Self::Side<R::Sixteen>;

    /// `Gᵀ u`.
    fn weight_of<R: Registers>(registers: R, u: Self::Side<R::Sixteen>) -> [R::Sixteen; 3];
}

/// `F(2 × 2, 3 × 3)`: sixteen multiplications in the place of thirty-six, and nothing but sums and halves besides.
pub(super) struct Two;

impl Algorithm for Two {
    const TILE: WinogradTile = WinogradTile::Two;
    type Made<T: Copy> = [T; 2];
    type Side<T: Copy> = [T; 4];

    #[inline(always)]
    fn spread<R: Registers>(registers: R, d: [R::Sixteen; 4]) -> [R::Sixteen; 4] {
        [
            registers.sub(d[0], d[2]),
            registers.add(d[1], d[2]),
            registers.sub(d[2], d[1]),
            registers.sub(d[1], d[3]),
        ]
    }

    #[inline(always)]
    fn gather<R: Registers>(registers: R, m: [R::Sixteen; 4]) -> [R::Sixteen; 2] {
        [
            registers.add(registers.add(m[0], m[1]), m[2]),
            registers.sub(registers.sub(m[1], m[2]), m[3]),
        ]
    }

    #[inline(always)]
    fn scatter<R: Registers>(registers: R, g: [R::Sixteen; 2]) -> [R::Sixteen; 4] {
        [
            g[0],
            registers.add(g[0], g[1]),
            registers.sub(g[0], g[1]),
            registers.sub(registers.zero(), g[1]),
        ]
    }

    #[inline(always)]
    fn weight_to<R: Registers>(registers: R, w: [R::Sixteen; 3]) -> [R::Sixteen; 4] {
        let half = registers.splat(0.5);
        let ends = registers.add(w[0], w[2]);
        [
            w[0],
            registers.mul(half, registers.add(ends, w[1])),
            registers.mul(half, registers.sub(ends, w[1])),
            w[2],
        ]
    }

    #[inline(always)]
    fn weight_of<R: Registers>(registers: R, u: [R::Sixteen; 4]) -> [R::Sixteen; 3] {
        let half = registers.splat(0.5);
        let sum = registers.mul(half, registers.add(u[1], u[2]));
        let difference = registers.mul(half, registers.sub(u[1], u[2]));
        [registers.add(u[0], sum), difference, registers.add(sum, u[3])]
    }
}

/// `F(4 × 4, 3 × 3)`, of the points 0, ±1, ±2 and ∞: thirty-six multiplications in the place of one hundred and forty-four. Its factors, up to 8, make rounding
/// of f32 some ten times as large as [`Two`]'s: far less than rounding to bfloat16.
pub(super) struct Four;

impl Algorithm for Four {
    const TILE: WinogradTile = WinogradTile::Four;
    type Made<T: Copy> = [T; 4];
    type Side<T: Copy> = [T; 6];

    #[inline(always)]
    fn spread<R: Registers>(registers: R, d: [R::Sixteen; 6]) -> [R::Sixteen; 6] {
        let two = registers.splat(2.0);
        let four = registers.splat(4.0);
        let minus_five = registers.splat(-5.0);
        let minus_two = registers.splat(-2.0);
        let minus_four = registers.splat(-4.0);
        let even = registers.mul_add(minus_four, d[2], d[4]);
        let odd = registers.mul_add(minus_four, d[1], d[3]);
        let wide_even = registers.sub(d[4], d[2]);
        let wide_odd = registers.sub(d[3], d[1]);
        [
            registers.mul_add(four, d[0], registers.mul_add(minus_five, d[2], d[4])),
            registers.add(even, odd),
            registers.sub(even, odd),
            registers.mul_add(two, wide_odd, wide_even),
            registers.mul_add(minus_two, wide_odd, wide_even),
            registers.mul_add(four, d[1], registers.mul_add(minus_five, d[3], d[5])),
        ]
    }

    #[inline(always)]
    fn gather<R: Registers>(registers: R, m: [R::Sixteen; 6]) -> [R::Sixteen; 4] {
        let two = registers.splat(2.0);
        let four = registers.splat(4.0);
        let eight = registers.splat(8.0);
        let (sum, difference) = (registers.add(m[1], m[2]), registers.sub(m[1], m[2]));
        let (wide_sum, wide_difference) = (registers.add(m[3], m[4]), registers.sub(m[3], m[4]));
        [
            registers.add(registers.add(m[0], sum), wide_sum),
            registers.mul_add(two, wide_difference, difference),
            registers.mul_add(four, wide_sum, sum),
            registers.add(registers.mul_add(eight, wide_difference, difference), m[5]),
        ]
    }

    #[inline(always)]
    fn scatter<R: Registers>(registers: R, g: [R::Sixteen; 4]) -> [R::Sixteen; 6] {
        let two = registers.splat(2.0);
        let four = registers.splat(4.0);
        let eight = registers.splat(8.0);
        let (even, odd) = (registers.add(g[0], g[2]), registers.add(g[1], g[3]));
        let wide_even = registers.mul_add(four, g[2], g[0]);
        let wide_odd = registers.mul_add(eight, g[3], registers.mul(two, g[1]));
        [
            g[0],
            registers.add(even, odd),
            registers.sub(even, odd),
            registers.add(wide_even, wide_odd),
            registers.sub(wide_even, wide_odd),
            g[3],
        ]
    }

    #[inline(always)]
    fn weight_to<R: Registers>(registers: R, w: [R::Sixteen; 3]) -> [R::Sixteen; 6] {
        let quarter = registers.splat(1.0 / 4.0);
        let sixth = registers.splat(1.0 / 6.0);
        let twelfth = registers.splat(1.0 / 12.0);
        let minus_sixth = registers.splat(-1.0 / 6.0);
        let twenty_fourth = registers.splat(1.0 / 24.0);
        let ends = registers.add(w[0], w[2]);
        let wide_ends = registers.mul_add(sixth, w[2], registers.mul(twenty_fourth, w[0]));
        let middle = registers.mul(twelfth, w[1]);
        [
            registers.mul(quarter, w[0]),
            registers.mul(minus_sixth, registers.add(ends, w[1])),
            registers.mul(minus_sixth, registers.sub(ends, w[1])),
            registers.add(wide_ends, middle),
            registers.sub(wide_ends, middle),
            w[2],
        ]
    }

    #[inline(always)]
    fn weight_of<R: Registers>(registers: R, u: [R::Sixteen; 6]) -> [R::Sixteen; 3] {
        let quarter = registers.splat(1.0 / 4.0);
        let sixth = registers.splat(1.0 / 6.0);
        let twelfth = registers.splat(1.0 / 12.0);
        let minus_sixth = registers.splat(-1.0 / 6.0);
        let twenty_fourth = registers.splat(1.0 / 24.0);
        let sum = registers.mul(minus_sixth, registers.add(u[1], u[2]));
        let difference = registers.mul(minus_sixth, registers.sub(u[1], u[2]));
        let wide_sum = registers.add(u[3], u[4]);
        let wide_difference = registers.sub(u[3], u[4]);
        [
            registers.mul_add(twenty_fourth, wide_sum, registers.mul_add(quarter, u[0], sum)),
            registers.mul_add(twelfth, wide_difference, difference),
            registers.add(registers.mul_add(sixth, wide_sum, sum), u[5]),
        ]
    }
}
