use crate::registers::Registers;
use crate::rows::{Bf16, Number};
pub(crate) use sealed::InRegisters;
use std::fmt::Debug;

/// Images of a block: one cache line of f32, one register of AVX-512, two of AVX2.
pub const LANES: usize = 16;

/// How images and gradients are stored between two passes. Sums are f32 either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// As they are.
    F32,
    /// Rounded to bfloat16 (to the nearest, ties to even), and weights with them. What a processor with units for bfloat16 computes, but for the order of sums, and where Winograd's
    /// algorithm multiplies for what it rounds in f32.
    Bf16,
}

impl Storage {
    /// A weight.
    pub(crate) fn weight(self, value: f32) -> f32 {
        match self {
            Self::F32 => value,
            Self::Bf16 => to_bf16(value),
        }
    }
}

/// To the nearest, ties to even. What is no number stays so: the highest bit of its fraction is set, since those that are left may be none.
#[inline(always)]
pub(crate) fn to_bf16(x: f32) -> f32 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    // Without a branch: compilers make vectors of it.
    let is_nan = u32::from(bits << 1 > 0xff00_0000).wrapping_neg();
    f32::from_bits((rounded & !is_nan | (bits | 0x0040_0000) & is_nan) & 0xffff_0000)
}

/// One pixel of one channel, of the images of a block, as it is kept between two passes: [`Lanes`], or rounded [`HalfLanes`]. Sealed: no other type can be one.
pub trait Pixel: InRegisters + Copy + Debug + PartialEq + Send + Sync + 'static {
    /// Which of the two.
    const STORAGE: Storage;

    /// Zero in every image.
    const ZERO: Self;

    /// Without loss.
    fn widen(&self) -> Lanes;

    /// Rounded as it is stored.
    fn narrow(x: &Lanes) -> Self;

    /// Those that need no widening.
    fn as_lanes(pixels: &[Self]) -> Option<&[Lanes]>;
}

mod sealed {
    use crate::registers::Registers;

    /// A [`Pixel`](super::Pixel) from registers and to them.
    pub trait InRegisters: Sized {
        fn load<R: Registers>(registers: R, from: &Self) -> R::Sixteen;

        /// Rounded as it is stored.
        fn store<R: Registers>(registers: R, x: R::Sixteen, to: &mut Self);

        /// As it would be found again.
        fn stored<R: Registers>(registers: R, x: R::Sixteen) -> R::Sixteen;
    }
}

impl InRegisters for Lanes {
    #[inline(always)]
    fn load<R: Registers>(registers: R, from: &Self) -> R::Sixteen {
        registers.load(from)
    }

    #[inline(always)]
    fn store<R: Registers>(registers: R, x: R::Sixteen, to: &mut Self) {
        registers.store(x, to);
    }

    #[inline(always)]
    fn stored<R: Registers>(_: R, x: R::Sixteen) -> R::Sixteen {
        x
    }
}

impl InRegisters for HalfLanes {
    #[inline(always)]
    fn load<R: Registers>(registers: R, from: &Self) -> R::Sixteen {
        registers.load_half(from)
    }

    #[inline(always)]
    fn store<R: Registers>(registers: R, x: R::Sixteen, to: &mut Self) {
        registers.store_half(x, to);
    }

    #[inline(always)]
    fn stored<R: Registers>(registers: R, x: R::Sixteen) -> R::Sixteen {
        registers.rounded(x)
    }
}

impl Pixel for Lanes {
    const STORAGE: Storage = Storage::F32;
    const ZERO: Self = Self::ZERO;

    #[inline(always)]
    fn widen(&self) -> Lanes {
        *self
    }

    #[inline(always)]
    fn narrow(x: &Lanes) -> Self {
        *x
    }

    fn as_lanes(pixels: &[Self]) -> Option<&[Lanes]> {
        Some(pixels)
    }
}

/// Half of a cache line: one pixel of one channel, of the images of a block, rounded to bfloat16. Equal are those of the same bits.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(32))]
pub struct HalfLanes(pub [Bf16; LANES]);

impl Pixel for HalfLanes {
    const STORAGE: Storage = Storage::Bf16;
    const ZERO: Self = Self([Bf16(0); LANES]);

    #[inline(always)]
    fn widen(&self) -> Lanes {
        let mut wide = Lanes::ZERO;
        for (wide, x) in wide.0.iter_mut().zip(self.0) {
            *wide = x.widen();
        }
        wide
    }

    #[inline(always)]
    fn narrow(x: &Lanes) -> Self {
        let mut narrow = Self::ZERO;
        for (narrow, x) in narrow.0.iter_mut().zip(x.0) {
            *narrow = Bf16::narrow(x);
        }
        narrow
    }

    fn as_lanes(_: &[Self]) -> Option<&[Lanes]> {
        None
    }
}

/// One pixel of one channel, of the images of a block.
///
/// Images lie beside each other in memory, so that a weight is multiplied with a whole vector of them, whichever weights are
/// kept.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub struct Lanes(pub [f32; LANES]);

impl Lanes {
    /// Zero in every image.
    pub const ZERO: Self = Self([0.0; LANES]);

    /// Each image's own.
    ///
    /// Written as a loop over numbers, here and below: that is what compilers make vectors of.
    #[inline(always)]
    pub(crate) fn map(&self, mut f: impl FnMut(f32) -> f32) -> Self {
        let mut out = Self::ZERO;
        for lane in 0..LANES {
            out.0[lane] = f(self.0[lane]);
        }
        out
    }

    /// Each image's own, of two.
    #[inline(always)]
    pub(crate) fn zip(&self, other: &Self, mut f: impl FnMut(f32, f32) -> f32) -> Self {
        let mut out = Self::ZERO;
        for lane in 0..LANES {
            out.0[lane] = f(self.0[lane], other.0[lane]);
        }
        out
    }

    /// `self + x`.
    #[inline(always)]
    pub(crate) fn add(&mut self, x: &Self) {
        for lane in 0..LANES {
            self.0[lane] += x.0[lane];
        }
    }

    /// `self + x · y`, rounded once.
    #[inline(always)]
    pub(crate) fn add_product(&mut self, x: &Self, y: &Self) {
        for lane in 0..LANES {
            self.0[lane] = x.0[lane].mul_add(y.0[lane], self.0[lane]);
        }
    }

    /// Over the first `n` images. Not inlined: the compiler would take a loop's sums apart, to have them one by one in the end.
    #[inline(never)]
    pub(crate) fn sum_of(&self, n: usize) -> f64 {
        self.0[..n].iter().map(|&lane| f64::from(lane)).sum()
    }
}
