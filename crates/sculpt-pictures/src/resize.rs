//! Pictures at another size: linear interpolation, and where they become smaller the mean under a triangle as wide as two of
//! the new pixels (Pillow's `BILINEAR`, torchvision's with `antialias`). First along columns, then along rows, in whole
//! numbers, so that every machine makes the same bytes: weights have 15 bits behind the point, values 7. A pixel is within 0.6
//! steps of 255 of the exact mean, up to thirty times smaller; at six hundred times it may be four too dark.
//!
//! Loops run over many bytes at a time in ways that compilers turn into vector instructions.

use crate::Size;

/// The part of a picture that is resized, in pixels, and not necessarily whole ones. Pixels around it count in the means
/// along its edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Window {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
    /// Whether left and right are exchanged afterwards.
    pub(crate) is_mirrored: bool,
}

impl Window {
    /// All of a picture.
    pub(crate) fn whole(size: Size) -> Self {
        Self {
            left: 0.0,
            top: 0.0,
            width: f64::from(size.width),
            height: f64::from(size.height),
            is_mirrored: false,
        }
    }
}

/// Resizes one picture after the other.
#[derive(Debug, Default)]
pub(crate) struct Scaler {
    columns: Axis,
    rows: Axis,
    /// A row of the picture, with room behind the point.
    source: Vec<u16>,
    /// A row of the new height and the old width: red, green, blue of each pixel, and one value more.
    line: Vec<u16>,
    /// [`BAND`] of these, pixel by pixel.
    band: Vec<[[u16; 4]; BAND]>,
    /// The same at the new width.
    wide: Vec<[u16; LANES]>,
    /// And without what is behind the point.
    narrow: Vec<[[u8; 4]; BAND]>,
}

/// Rows that are made together.
const BAND: usize = 4;
/// Values of one pixel of a band: red, green, blue and one that does not count, of each row.
const LANES: usize = 4 * BAND;

/// Which pixels a new one is the mean of, along one axis.
#[derive(Debug, Default)]
struct Axis {
    /// First pixel of each, and where its weights begin.
    starts: Vec<(usize, usize)>,
    /// Of one new pixel they add up to [`ONE`].
    weights: Vec<u16>,
    raw: Vec<f64>,
}

/// A weight of 1.
const ONE: u16 = 1 << 15;

impl Axis {
    /// `n_new` pixels for those of `0..n` that lie in `start..start + length`.
    fn set(&mut self, n: usize, n_new: usize, start: f64, length: f64) {
        self.starts.clear();
        self.weights.clear();
        let scale = length / n_new as f64;
        let reach = scale.max(1.0);
        for i in 0..n_new {
            let middle = start + (i as f64 + 0.5) * scale;
            let first = (middle - reach + 0.5).max(0.0) as usize;
            let end = ((middle + reach + 0.5) as usize).min(n);
            self.starts.push((first, self.weights.len()));
            self.raw.clear();
            let triangle = |pixel: usize| (1.0 - ((pixel as f64 + 0.5 - middle) / reach).abs()).max(0.0);
            self.raw.extend((first..end).map(triangle));
            self.add_weights();
        }
        self.starts.push((0, self.weights.len()));
    }

    /// What is lost by rounding goes to the largest.
    fn add_weights(&mut self) {
        let sum: f64 = self.raw.iter().sum();
        let first = self.weights.len();
        let (mut left, mut largest) = (i32::from(ONE), 0);
        for (i, raw) in self.raw.iter().enumerate() {
            let weight = (raw / sum * f64::from(ONE)).round() as u16;
            left -= i32::from(weight);
            self.weights.push(weight);
            if weight > self.weights[first + largest] {
                largest = i;
            }
        }
        let weight = &mut self.weights[first + largest];
        *weight = weight.saturating_add_signed(left as i16);
    }

    /// First pixel and weights of new pixel `i`.
    fn of(&self, i: usize) -> (usize, &[u16]) {
        let ((first, from), (_, to)) = (self.starts[i], self.starts[i + 1]);
        (first, &self.weights[from..to])
    }
}

/// The upper half of a product: one instruction for many of them.
fn product(value: u16, weight: u16) -> u16 {
    ((u32::from(value) * u32::from(weight)) >> 16) as u16
}

/// Each product loses half of its last bit on average.
fn lost(weights: &[u16]) -> u16 {
    weights.len() as u16 / 2
}

impl Scaler {
    /// Fills `out` with a window of the pixels (3 bytes each) at another size.
    ///
    /// # Panics
    /// When the pixels are not as many as `size` has, or `out` has not those of `target`.
    pub(crate) fn resize(&mut self, pixels: &[u8], size: Size, window: Window, target: Size, out: &mut [u8]) {
        let (width, height) = (size.width as usize, size.height as usize);
        let (new_width, new_height) = (target.width as usize, target.height as usize);
        assert!(
            pixels.len() == 3 * width * height && out.len() == 3 * new_width * new_height,
            "pixels are as many as their picture has"
        );
        self.columns.set(width, new_width, window.left, window.width);
        self.rows.set(height, new_height, window.top, window.height);
        self.line.clear();
        self.line.resize(3 * width + 1, 0);
        self.band.clear();
        self.band.resize(width, [[0; 4]; BAND]);
        self.source.resize(3 * width, 0);
        self.wide.resize(new_width, [0; LANES]);
        self.narrow.resize(new_width, [[0; 4]; BAND]);
        for (number, rows) in out.chunks_mut(3 * new_width * BAND).enumerate() {
            for (lane, y) in (number * BAND..new_height).take(BAND).enumerate() {
                self.add_row(pixels, 3 * width, y, lane);
            }
            self.finish(rows, new_width, window.is_mirrored);
        }
    }

    /// Row `y` of the new ones, at the old width, into the band.
    fn add_row(&mut self, pixels: &[u8], row: usize, y: usize, lane: usize) {
        let (first, weights) = self.rows.of(y);
        let line = &mut self.line[..row];
        line.fill(lost(weights));
        for (bytes, &weight) in pixels[first * row..].chunks_exact(row).zip(weights) {
            // Two loops: one would be compiled to twice the work.
            let source = &mut self.source[..row];
            for (value, &byte) in source.iter_mut().zip(bytes) {
                *value = u16::from(byte) << 8;
            }
            for (sum, &value) in line.iter_mut().zip(&*source) {
                *sum += product(value, weight);
            }
        }
        // Four values at a time; the fourth is the next pixel's, and does not count.
        let mut rest = &self.line[..];
        for pixel in &mut self.band {
            let Some(values) = rest.first_chunk::<4>() else {
                break;
            };
            pixel[lane] = *values;
            rest = &rest[3..];
        }
    }

    /// The band at the new width, into its rows.
    fn finish(&mut self, rows: &mut [u8], new_width: usize, is_mirrored: bool) {
        for (x, wide) in self.wide.iter_mut().enumerate() {
            let (first, weights) = self.columns.of(if is_mirrored { new_width - 1 - x } else { x });
            let mut sums = [lost(weights) + 64; LANES];
            for (pixel, &weight) in self.band[first..].iter().zip(weights) {
                for (sum, &value) in sums.iter_mut().zip(pixel.as_flattened()) {
                    *sum += product(value << 1, weight);
                }
            }
            *wide = sums;
        }
        let (wide, narrow) = (
            self.wide.as_flattened(),
            self.narrow.as_flattened_mut().as_flattened_mut(),
        );
        for (byte, &sum) in narrow.iter_mut().zip(wide) {
            *byte = (sum >> 7).min(255) as u8;
        }
        for (lane, row) in rows.chunks_exact_mut(3 * new_width).enumerate() {
            let mut rest = row;
            for pixel in &self.narrow {
                let values = &pixel[lane];
                // The fourth byte is written over by the next pixel.
                match rest.first_chunk_mut::<4>() {
                    Some(place) => *place = *values,
                    None => rest.copy_from_slice(&values[..3]),
                }
                rest = &mut rest[3..];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn size(width: u32, height: u32) -> Size {
        Size { width, height }
    }

    fn resized(pixels: &[u8], from: Size, window: Window, to: Size) -> Vec<u8> {
        let mut out = vec![0; 3 * (to.width * to.height) as usize];
        Scaler::default().resize(pixels, from, window, to, &mut out);
        out
    }

    /// The same sums in floating point, not rounded in between.
    fn slowly(pixels: &[u8], from: Size, window: Window, to: Size) -> Vec<f64> {
        let weights = |n: u32, n_new: u32, start: f64, length: f64, i: u32| -> Vec<f64> {
            let scale = length / f64::from(n_new);
            let middle = start + (f64::from(i) + 0.5) * scale;
            let raw: Vec<f64> = (0..n)
                .map(|p| (1.0 - (f64::from(p) + 0.5 - middle).abs() / scale.max(1.0)).max(0.0))
                .collect();
            let sum: f64 = raw.iter().sum();
            raw.iter().map(|w| w / sum).collect()
        };
        let mut out = Vec::new();
        for y in 0..to.height {
            let rows = weights(from.height, to.height, window.top, window.height, y);
            for x in 0..to.width {
                let columns = weights(from.width, to.width, window.left, window.width, x);
                for c in 0..3 {
                    let mut sum = 0.0;
                    for (j, row) in rows.iter().enumerate() {
                        for (i, column) in columns.iter().enumerate() {
                            let byte = pixels[3 * (j * from.width as usize + i) + c];
                            sum += row * column * f64::from(byte);
                        }
                    }
                    out.push(sum);
                }
            }
        }
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        /// Never further from the sum than half a step and a tenth; a mirror image has its pixels in reverse.
        #[test]
        fn pixels_are_the_sums(
            (w, h, to_w, to_h) in (1u32..40, 1u32..40, 1u32..20, 1u32..20),
            seed: u64,
            (left, right) in (0.0..0.4, 0.6..1.0),
            whole: bool,
        ) {
            let mut random = sculpt_random::Stream::new(sculpt_random::Seed(seed), sculpt_random::Purpose::TEST, 0);
            let pixels: Vec<u8> = (0..3 * w * h)
                .map(|_| if random.bernoulli(0.3) { 255 } else { random.below(256) as u8 })
                .collect();
            let mut window = Window::whole(size(w, h));
            if !whole {
                window.left = left * f64::from(w);
                window.width = (right - left) * f64::from(w);
            }
            let out = resized(&pixels, size(w, h), window, size(to_w, to_h));
            for (byte, sum) in out.iter().zip(slowly(&pixels, size(w, h), window, size(to_w, to_h))) {
                prop_assert!((f64::from(*byte) - sum).abs() <= 0.6, "{byte} {sum}");
            }
            window.is_mirrored = true;
            let mirrored = resized(&pixels, size(w, h), window, size(to_w, to_h));
            for (row, other) in out.chunks(3 * to_w as usize).zip(mirrored.chunks(3 * to_w as usize)) {
                let reversed: Vec<u8> = other.chunks(3).rev().flatten().copied().collect();
                prop_assert_eq!(row, &reversed[..]);
            }
        }
    }

    #[test]
    fn pictures_of_the_same_size_stay_as_they_are() {
        let pixels: Vec<u8> = (0..=255).chain(0..44).collect();
        let whole = Window::whole(size(10, 10));
        assert_eq!(resized(&pixels, size(10, 10), whole, size(10, 10)), pixels);
        let corner = Window {
            left: 3.0,
            top: 2.0,
            width: 4.0,
            height: 5.0,
            is_mirrored: false,
        };
        let part = resized(&pixels, size(10, 10), corner, size(4, 5));
        assert_eq!(part[..12], pixels[69..81]);
    }

    /// White stays white, whatever is lost in between; a mean of 1,200 columns loses four steps.
    #[test]
    fn white_stays_white() {
        for (n, least) in [(1, 255), (7, 255), (150, 255), (300, 254), (3000, 251)] {
            let white = vec![255; 3 * n * 7];
            let out = resized(
                &white,
                size(n as u32, 7),
                Window::whole(size(n as u32, 7)),
                size(5, 3),
            );
            assert!(
                out.iter().all(|byte| *byte >= least),
                "{n}: {:?}",
                out.iter().min()
            );
        }
    }
}
