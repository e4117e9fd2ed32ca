//! Sixteen numbers in the registers of a processor.
//!
//! One of the crate's two modules with `unsafe`: instructions that not every processor has. Who has a value of [`Avx512`] or [`Avx2`] has
//! promised them; [`for_this_processor`](crate::dispatch::for_this_processor) makes it where the processor was asked.

mod plain;

use crate::{HalfLanes, LANES, Lanes};

pub(crate) use plain::Plain;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256, __m512, _CMP_GT_OQ, _CMP_UNORD_Q, _mm_load_si128, _mm256_add_epi32, _mm256_add_ps, _mm256_and_ps,
    _mm256_and_si256, _mm256_blendv_ps, _mm256_castps_si256, _mm256_castsi256_ps, _mm256_cmp_ps,
    _mm256_cvtepu16_epi32, _mm256_fmadd_ps, _mm256_load_ps, _mm256_load_si256, _mm256_max_ps, _mm256_mul_ps,
    _mm256_or_si256, _mm256_packus_epi32, _mm256_permute2f128_ps, _mm256_permute4x64_epi64,
    _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps, _mm256_shuffle_ps, _mm256_slli_epi32,
    _mm256_srli_epi32, _mm256_store_ps, _mm256_store_si256, _mm256_sub_ps, _mm256_unpackhi_ps,
    _mm256_unpacklo_ps, _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512, _mm512_castps_si512,
    _mm512_castsi512_ps, _mm512_cmp_ps_mask, _mm512_cvtepi32_epi16, _mm512_cvtepu16_epi32, _mm512_fmadd_ps,
    _mm512_load_ps, _mm512_load_si512, _mm512_mask_or_epi32, _mm512_maskz_mov_ps, _mm512_max_ps,
    _mm512_mul_ps, _mm512_permutex2var_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_slli_epi32, _mm512_srli_epi32, _mm512_store_ps, _mm512_sub_ps,
};

/// Sixteen numbers in the registers of a processor, and what it does with all of them at once. Every kind gives the same bits.
///
/// Of most loops over [`Lanes`] compilers make these instructions by themselves. Of those that hold several pixels at once they
/// do not: for AVX-512 they made vectors across pixels, gathered from memory number by number, fifteen times slower.
pub trait Registers: Copy {
    /// Of a [`Lanes`], in registers.
    type Sixteen: Copy;

    fn zero(self) -> Self::Sixteen;

    /// Sixteen times the same.
    fn splat(self, x: f32) -> Self::Sixteen;

    fn load(self, from: &Lanes) -> Self::Sixteen;

    fn store(self, x: Self::Sixteen, to: &mut Lanes);

    fn add(self, a: Self::Sixteen, b: Self::Sixteen) -> Self::Sixteen;

    fn sub(self, a: Self::Sixteen, b: Self::Sixteen) -> Self::Sixteen;

    fn mul(self, a: Self::Sixteen, b: Self::Sixteen) -> Self::Sixteen;

    /// `a · b + c`, rounded once.
    fn mul_add(self, a: Self::Sixteen, b: Self::Sixteen, c: Self::Sixteen) -> Self::Sixteen;

    /// A ReLU. What is no number stays so, as in libtorch: a network that diverges must be seen to.
    fn rectified(self, x: Self::Sixteen) -> Self::Sixteen;

    /// `g` where `x` is above 0, else 0: the gradient that a ReLU of `x` lets pass.
    fn gated(self, g: Self::Sixteen, x: Self::Sixteen) -> Self::Sixteen;

    /// To bfloat16, to the nearest, ties to even; what is no number stays so.
    fn rounded(self, x: Self::Sixteen) -> Self::Sixteen;

    fn load_half(self, from: &HalfLanes) -> Self::Sixteen;

    /// [`Registers::rounded`].
    fn store_half(self, x: Self::Sixteen, to: &mut HalfLanes);

    /// Sixteen numbers of each of sixteen, one `step` after the other: the first of all, the second of all, …
    #[inline(always)]
    fn transpose(self, from: &[Lanes], step: usize, to: &mut [Lanes; LANES]) {
        let from = &from[..(LANES - 1) * step + 1];
        for (lane, from) in from.iter().step_by(step).enumerate() {
            for (from, to) in from.0.iter().zip(&mut *to) {
                to.0[lane] = *from;
            }
        }
    }
}

/// Of a processor that was asked, and has AVX-512. [`for_this_processor`](crate::dispatch::for_this_processor) makes it.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

/// Of a processor that was asked, and has AVX2 and fused multiply-add. [`for_this_processor`](crate::dispatch::for_this_processor) makes it.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

#[cfg(target_arch = "x86_64")]
impl Avx512 {
    /// # Safety
    /// The processor has AVX-512 (F).
    #[expect(unsafe_code, reason = "whoever calls it has asked the processor")]
    pub(crate) unsafe fn of_this_processor() -> Self {
        Self(())
    }
}

#[cfg(target_arch = "x86_64")]
impl Avx2 {
    /// # Safety
    /// The processor has AVX2 and FMA.
    #[expect(unsafe_code, reason = "whoever calls it has asked the processor")]
    pub(crate) unsafe fn of_this_processor() -> Self {
        Self(())
    }

    /// Rows of eight numbers to columns: pairs of rows, pairs of pairs, halves.
    #[expect(unsafe_code, reason = "who made `self` promised the instructions")]
    #[inline(always)]
    fn transposed_eight(self, rows: [__m256; 8]) -> [__m256; 8] {
        let mut fours = rows;
        for (rows, fours) in rows.as_chunks::<4>().0.iter().zip(fours.as_chunks_mut::<4>().0) {
            let &[a, b, c, d] = rows;
            unsafe {
                let pairs = [
                    _mm256_unpacklo_ps(a, b),
                    _mm256_unpacklo_ps(c, d),
                    _mm256_unpackhi_ps(a, b),
                    _mm256_unpackhi_ps(c, d),
                ];
                *fours = [
                    _mm256_shuffle_ps::<0x44>(pairs[0], pairs[1]),
                    _mm256_shuffle_ps::<0xee>(pairs[0], pairs[1]),
                    _mm256_shuffle_ps::<0x44>(pairs[2], pairs[3]),
                    _mm256_shuffle_ps::<0xee>(pairs[2], pairs[3]),
                ];
            }
        }
        let mut columns = fours;
        for c in 0..4 {
            unsafe {
                columns[c] = _mm256_permute2f128_ps::<0x20>(fours[c], fours[c + 4]);
                columns[c + 4] = _mm256_permute2f128_ps::<0x31>(fours[c], fours[c + 4]);
            }
        }
        columns
    }
}

// SAFETY, of all blocks of the two: who made `self` promised the instructions; `HalfLanes` is sixteen numbers of two bytes at a multiple of 32, `Lanes` and
// `Indices` are sixteen numbers of four bytes at a multiple of 64.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "instructions that not every processor has")]
impl Registers for Avx512 {
    type Sixteen = __m512;

    #[inline(always)]
    fn zero(self) -> __m512 {
        unsafe { _mm512_setzero_ps() }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    fn load(self, from: &Lanes) -> __m512 {
        unsafe { _mm512_load_ps(from.0.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, x: __m512, to: &mut Lanes) {
        unsafe { _mm512_store_ps(to.0.as_mut_ptr(), x) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn rectified(self, x: __m512) -> __m512 {
        // Of two zeros, and of two that cannot be compared, the instruction gives the second.
        unsafe { _mm512_max_ps(self.zero(), x) }
    }

    #[inline(always)]
    fn gated(self, g: __m512, x: __m512) -> __m512 {
        unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, self.zero()), g) }
    }

    #[inline(always)]
    fn rounded(self, x: __m512) -> __m512 {
        unsafe {
            let bits = _mm512_castps_si512(x);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
            let is_nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(x, x);
            let made = _mm512_mask_or_epi32(up, is_nan, bits, _mm512_set1_epi32(QUIET));
            _mm512_castsi512_ps(_mm512_and_si512(made, _mm512_set1_epi32(!0xffff)))
        }
    }

    #[inline(always)]
    fn load_half(self, from: &HalfLanes) -> __m512 {
        unsafe {
            let halves = _mm256_load_si256(from.0.as_ptr().cast());
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(halves)))
        }
    }

    #[inline(always)]
    fn store_half(self, x: __m512, to: &mut HalfLanes) {
        unsafe {
            let upper = _mm512_srli_epi32::<16>(_mm512_castps_si512(self.rounded(x)));
            _mm256_store_si256(to.0.as_mut_ptr().cast(), _mm512_cvtepi32_epi16(upper));
        }
    }

    /// Squares of one, two, four and eight numbers change places across the diagonal, one after the other.
    #[inline(always)]
    fn transpose(self, from: &[Lanes], step: usize, to: &mut [Lanes; LANES]) {
        let mut rows = [self.zero(); LANES];
        let from = &from[..(LANES - 1) * step + 1];
        for (row, from) in rows.iter_mut().zip(from.iter().step_by(step)) {
            *row = self.load(from);
        }
        let mut side = 1;
        while side < LANES {
            let (upper, lower) = unsafe {
                (
                    _mm512_load_si512(UPPER[side.ilog2() as usize].0.as_ptr().cast()),
                    _mm512_load_si512(LOWER[side.ilog2() as usize].0.as_ptr().cast()),
                )
            };
            for first in 0..LANES {
                if first & side == 0 {
                    let (a, b) = (rows[first], rows[first + side]);
                    rows[first] = unsafe { _mm512_permutex2var_ps(a, upper, b) };
                    rows[first + side] = unsafe { _mm512_permutex2var_ps(a, lower, b) };
                }
            }
            side *= 2;
        }
        for (row, to) in rows.into_iter().zip(to) {
            self.store(row, to);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "instructions that not every processor has")]
impl Registers for Avx2 {
    type Sixteen = [__m256; 2];

    #[inline(always)]
    fn zero(self) -> [__m256; 2] {
        unsafe { [_mm256_setzero_ps(); 2] }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> [__m256; 2] {
        unsafe { [_mm256_set1_ps(x); 2] }
    }

    #[inline(always)]
    fn load(self, from: &Lanes) -> [__m256; 2] {
        let (low, high) = from.0.split_at(LANES / 2);
        unsafe { [_mm256_load_ps(low.as_ptr()), _mm256_load_ps(high.as_ptr())] }
    }

    #[inline(always)]
    fn store(self, x: [__m256; 2], to: &mut Lanes) {
        let (low, high) = to.0.split_at_mut(LANES / 2);
        unsafe {
            _mm256_store_ps(low.as_mut_ptr(), x[0]);
            _mm256_store_ps(high.as_mut_ptr(), x[1]);
        }
    }

    #[inline(always)]
    fn add(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        unsafe { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn sub(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        unsafe { [_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn mul(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        unsafe { [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn mul_add(self, a: [__m256; 2], b: [__m256; 2], c: [__m256; 2]) -> [__m256; 2] {
        unsafe {
            [
                _mm256_fmadd_ps(a[0], b[0], c[0]),
                _mm256_fmadd_ps(a[1], b[1], c[1]),
            ]
        }
    }

    #[inline(always)]
    fn rectified(self, x: [__m256; 2]) -> [__m256; 2] {
        // Of two zeros, and of two that cannot be compared, the instruction gives the second.
        unsafe {
            [
                _mm256_max_ps(self.zero()[0], x[0]),
                _mm256_max_ps(self.zero()[0], x[1]),
            ]
        }
    }

    #[inline(always)]
    fn gated(self, g: [__m256; 2], x: [__m256; 2]) -> [__m256; 2] {
        let half = |half: usize| unsafe {
            _mm256_and_ps(g[half], _mm256_cmp_ps::<_CMP_GT_OQ>(x[half], self.zero()[0]))
        };
        [half(0), half(1)]
    }

    #[inline(always)]
    fn rounded(self, x: [__m256; 2]) -> [__m256; 2] {
        let mut rounded = x;
        for half in &mut rounded {
            unsafe {
                let bits = _mm256_castps_si256(*half);
                let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
                let up = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
                let is_nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(*half, *half);
                let quiet = _mm256_or_si256(bits, _mm256_set1_epi32(QUIET));
                let made = _mm256_blendv_ps(_mm256_castsi256_ps(up), _mm256_castsi256_ps(quiet), is_nan);
                *half = _mm256_and_ps(made, _mm256_castsi256_ps(_mm256_set1_epi32(!0xffff)));
            }
        }
        rounded
    }

    #[inline(always)]
    fn load_half(self, from: &HalfLanes) -> [__m256; 2] {
        let mut halves = self.zero();
        for (half, from) in halves.iter_mut().zip(from.0.as_chunks::<8>().0) {
            unsafe {
                let eight = _mm_load_si128(from.as_ptr().cast());
                *half = _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(eight)));
            }
        }
        halves
    }

    #[inline(always)]
    fn store_half(self, x: [__m256; 2], to: &mut HalfLanes) {
        let [low, high] = self.rounded(x);
        unsafe {
            let low = _mm256_srli_epi32::<16>(_mm256_castps_si256(low));
            let high = _mm256_srli_epi32::<16>(_mm256_castps_si256(high));
            // Packed by quarters: the middle two change places.
            let packed = _mm256_permute4x64_epi64::<0b1101_1000>(_mm256_packus_epi32(low, high));
            _mm256_store_si256(to.0.as_mut_ptr().cast(), packed);
        }
    }

    /// In quarters of eight by eight.
    #[inline(always)]
    fn transpose(self, from: &[Lanes], step: usize, to: &mut [Lanes; LANES]) {
        let from = &from[..(LANES - 1) * step + 1];
        for quarter in 0..4 {
            let (upper, left) = (quarter / 2, quarter % 2);
            let mut rows = [self.zero()[0]; 8];
            for (r, row) in rows.iter_mut().enumerate() {
                *row = self.load(&from[(8 * upper + r) * step])[left];
            }
            for (row, to) in self.transposed_eight(rows).into_iter().zip(&mut to[8 * left..]) {
                unsafe { _mm256_store_ps(to.0[8 * upper..].as_mut_ptr(), row) }
            }
        }
    }
}

/// The highest bit of the fraction of what is no number.
#[cfg(target_arch = "x86_64")]
const QUIET: i32 = 0x0040_0000;

/// Sixteen places.
#[cfg(target_arch = "x86_64")]
#[repr(C, align(64))]
struct Indices([u32; LANES]);

/// Of two rows whose squares change places, what becomes the upper one and the lower one: indices into the upper (0 to 15) and the lower
/// one (16 to 31), for sides of 1, 2, 4 and 8.
#[cfg(target_arch = "x86_64")]
const fn exchanged(lower: bool) -> [Indices; 4] {
    let mut all = [const { Indices([0; LANES]) }; 4];
    let mut number = 0;
    while number < 4 {
        let side = 1 << number;
        let mut lane = 0;
        while lane < LANES {
            let own = (lane & side != 0) == lower;
            let from = match (lower, own) {
                (false, true) => lane,
                (false, false) => LANES + lane - side,
                (true, true) => LANES + lane,
                (true, false) => lane + side,
            };
            all[number].0[lane] = from as u32;
            lane += 1;
        }
        number += 1;
    }
    all
}

#[cfg(target_arch = "x86_64")]
static UPPER: [Indices; 4] = exchanged(false);
#[cfg(target_arch = "x86_64")]
static LOWER: [Indices; 4] = exchanged(true);
