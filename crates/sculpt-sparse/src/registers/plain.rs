use super::Registers;
use crate::lanes::{Pixel, to_bf16};
use crate::{HalfLanes, LANES, Lanes};

/// Of any processor.
#[derive(Clone, Copy)]
pub(crate) struct Plain;

impl Registers for Plain {
    type Sixteen = Lanes;

    #[inline(always)]
    fn zero(self) -> Lanes {
        Lanes::ZERO
    }

    #[inline(always)]
    fn splat(self, x: f32) -> Lanes {
        Lanes([x; LANES])
    }

    #[inline(always)]
    fn load(self, from: &Lanes) -> Lanes {
        *from
    }

    #[inline(always)]
    fn store(self, x: Lanes, to: &mut Lanes) {
        *to = x;
    }

    #[inline(always)]
    fn add(self, a: Lanes, b: Lanes) -> Lanes {
        a.zip(&b, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, a: Lanes, b: Lanes) -> Lanes {
        a.zip(&b, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, a: Lanes, b: Lanes) -> Lanes {
        a.zip(&b, |a, b| a * b)
    }

    #[inline(always)]
    fn mul_add(self, a: Lanes, b: Lanes, mut c: Lanes) -> Lanes {
        c.add_product(&a, &b);
        c
    }

    #[inline(always)]
    fn rectified(self, x: Lanes) -> Lanes {
        x.map(|x| if x < 0.0 { 0.0 } else { x })
    }

    #[inline(always)]
    fn gated(self, g: Lanes, x: Lanes) -> Lanes {
        g.zip(&x, |g, x| if x > 0.0 { g } else { 0.0 })
    }

    #[inline(always)]
    fn rounded(self, x: Lanes) -> Lanes {
        x.map(to_bf16)
    }

    #[inline(always)]
    fn load_half(self, from: &HalfLanes) -> Lanes {
        from.widen()
    }

    #[inline(always)]
    fn store_half(self, x: Lanes, to: &mut HalfLanes) {
        *to = HalfLanes::narrow(&x);
    }
}
