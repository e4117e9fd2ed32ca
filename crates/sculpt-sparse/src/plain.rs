//! Passes over a block of what is linear between two ReLUs: a folded network's, and those of its derivatives.

use crate::dispatch::for_this_processor;
use crate::{LANES, Lanes, Planes};

/// Pixels after which a sum of f32 is added to one of f64.
const CHUNK: usize = 64;

for_this_processor! {
    /// Adds to each channel its own shift.
    pub fn shift[registers](y: &mut [Lanes], shifts: &[f32], area: usize) {
        for (y, &shift) in y.chunks_exact_mut(area).zip(shifts) {
            let shift = registers.splat(shift);
            for y in y {
                registers.store(registers.add(registers.load(y), shift), y);
            }
        }
    }
}

for_this_processor! {
    /// `y + x`, in place.
    pub fn add[registers](y: &mut [Lanes], x: &[Lanes]) {
        for (y, x) in y.iter_mut().zip(x) {
            registers.store(registers.add(registers.load(y), registers.load(x)), y);
        }
    }
}

for_this_processor! {
    /// `max(0, x)`, in place; what is no number stays so.
    pub fn rectify[registers](x: &mut [Lanes]) {
        for x in x {
            registers.store(registers.rectified(registers.load(x)), x);
        }
    }
}

for_this_processor! {
    /// `g` where `x` is above 0, else 0, in place: a ReLU's derivative, either way, where `x` is what it put out.
    pub fn gate[registers](g: &mut [Lanes], x: &[Lanes]) {
        for (g, x) in g.iter_mut().zip(x) {
            registers.store(registers.gated(registers.load(g), registers.load(x)), g);
        }
    }
}

for_this_processor! {
    /// The sum of each channel over all pixels of all sixteen images.
    pub fn sums_of_channels(x: &[Lanes], area: usize) -> Vec<f64> {
        let mut all = Vec::with_capacity(x.len() / area);
        for x in x.chunks_exact(area) {
            let mut sum = 0.0;
            for pixels in x.chunks(CHUNK) {
                let mut lanes = Lanes::ZERO;
                for pixel in pixels {
                    lanes.add(pixel);
                }
                sum += lanes.sum_of(LANES);
            }
            all.push(sum);
        }
        all
    }
}

for_this_processor! {
    /// Adds to `y`, of `planes`, every second pixel of images `x` of twice the side, rounded up; to channels that these lack, half of them on
    /// either side, nothing.
    pub fn add_subsampled[registers](y: &mut [Lanes], planes: Planes, x: &[Lanes], from: Planes) {
        let before = (planes.channels - from.channels) / 2;
        for channel in 0..from.channels {
            for row in 0..planes.height {
                let y = &mut y[((before + channel) * planes.height + row) * planes.width..][..planes.width];
                let x = &x[(channel * from.height + 2 * row) * from.width..];
                for (y, x) in y.iter_mut().zip(x.iter().step_by(2)) {
                    registers.store(registers.add(registers.load(y), registers.load(x)), y);
                }
            }
        }
    }
}
