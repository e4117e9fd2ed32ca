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

    #[inline(always)]
    pub(crate) fn map(self, mut f: impl FnMut(f32) -> f32) -> Self {
        let mut out = self;
        for lane in &mut out.0 {
            *lane = f(*lane);
        }
        out
    }

    #[inline(always)]
    pub(crate) fn zip(self, other: Self, mut f: impl FnMut(f32, f32) -> f32) -> Self {
        let mut out = self;
        for (lane, other) in out.0.iter_mut().zip(other.0) {
            *lane = f(*lane, other);
        }
        out
    }

    /// `self + weight · x`, rounded once.
    #[inline(always)]
    pub(crate) fn add_weighted(&mut self, weight: f32, x: &Self) {
        for (lane, x) in self.0.iter_mut().zip(x.0) {
            *lane = weight.mul_add(x, *lane);
        }
    }

    /// `self + x · y`, rounded once.
    #[inline(always)]
    pub(crate) fn add_product(&mut self, x: &Self, y: &Self) {
        for ((lane, x), y) in self.0.iter_mut().zip(x.0).zip(y.0) {
            *lane = x.mul_add(y, *lane);
        }
    }

    /// Over the first `n` images.
    #[inline(always)]
    pub(crate) fn sum_of(&self, n: usize) -> f64 {
        self.0[..n].iter().map(|&lane| f64::from(lane)).sum()
    }
}
