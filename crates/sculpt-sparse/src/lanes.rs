/// Images of a block: one cache line of f32, one register of AVX-512, two of AVX2.
pub const LANES: usize = 16;

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

    /// `self + weight · x`, rounded once.
    #[inline(always)]
    pub(crate) fn add_weighted(&mut self, weight: f32, x: &Self) {
        for lane in 0..LANES {
            self.0[lane] = weight.mul_add(x.0[lane], self.0[lane]);
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
