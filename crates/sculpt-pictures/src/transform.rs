//! Which part of a picture a network sees, and at which size: functions of (seed, epoch, index) and the picture alone.

use crate::resize::{Scaler, Window};
use crate::{DecodeError, Decoder, Region, Size};
use sculpt_random::{Purpose, Seed, Stream};

/// The crop and the mirror image of one picture in one epoch; index: epoch · 2³² + the picture's place.
const PICTURE: Purpose = Purpose::new(b"picture-");

/// Order of the training examples; index: epochs trained since `Init` along the chain.
const DATA_ORDER: Purpose = Purpose::new(b"order---");

/// Which example stands at each place of an epoch: the one rule for examples in memory and for pictures.
///
/// # Panics
/// When `n` exceeds `u32::MAX`.
pub fn order(seed: Seed, epoch: u64, n: usize) -> Vec<u32> {
    Stream::new(seed, DATA_ORDER, epoch).permutation(n)
}

/// How a picture becomes a square of bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Transform {
    /// Torchvision's recipe for training on ImageNet: [`resized_crop`], resized to `side`, mirrored with probability ½.
    ResizedCropFlip {
        /// Rows and columns of what comes out: 224.
        side: u32,
        /// Seed of crops and mirrorings.
        seed: Seed,
    },
    /// Torchvision's for evaluation: resized so that the shorter side is `shorter`, then the middle.
    CentreCrop {
        /// Rows or columns before the crop: 256.
        shorter: u32,
        /// Rows and columns of what comes out, at most `shorter`: 224.
        side: u32,
    },
}

/// Smallest and largest part of the area that a training crop takes (torchvision's `scale`).
const SCALE: (f64, f64) = (0.08, 1.0);
/// Smallest and largest width over height of a training crop (torchvision's `ratio`).
const RATIO: (f64, f64) = (3.0 / 4.0, 4.0 / 3.0);
/// Crops that are drawn until one fits.
const ATTEMPTS: usize = 10;

/// A crop as torchvision's `RandomResizedCrop` draws it: an area of 8 to 100 % of the picture's, uniform, and a ratio of the
/// sides of 3/4 to 4/3, uniform in its logarithm; the first of ten that fits, anywhere; else the largest in the middle with a
/// ratio as near to the picture's.
pub fn resized_crop(stream: &mut Stream, size: Size) -> Region {
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let between = |u: f64, (low, high): (f64, f64)| low + (high - low) * u;
    let logarithms = (libm::log(RATIO.0), libm::log(RATIO.1));
    for _ in 0..ATTEMPTS {
        let area = width * height * between(stream.uniform(), SCALE);
        let ratio = libm::exp(between(stream.uniform(), logarithms));
        // Python's `round` takes halves to the even number.
        let w = libm::sqrt(area * ratio).round_ties_even();
        let h = libm::sqrt(area / ratio).round_ties_even();
        if (1.0..=width).contains(&w) && (1.0..=height).contains(&h) {
            let (w, h) = (w as u32, h as u32);
            let top = stream.below(u64::from(size.height - h) + 1) as u32;
            let left = stream.below(u64::from(size.width - w) + 1) as u32;
            return Region {
                left,
                top,
                width: w,
                height: h,
            };
        }
    }
    let ratio = width / height;
    let (w, h) = if ratio < RATIO.0 {
        (size.width, (width / RATIO.0).round_ties_even() as u32)
    } else if ratio > RATIO.1 {
        ((height * RATIO.1).round_ties_even() as u32, size.height)
    } else {
        (size.width, size.height)
    };
    middle(size, w, h)
}

/// The middle `width` x `height` pixels, rounded down.
fn middle(size: Size, width: u32, height: u32) -> Region {
    Region {
        left: (size.width - width) / 2,
        top: (size.height - height) / 2,
        width,
        height,
    }
}

/// The size of a picture whose shorter side becomes `shorter`, the longer one in proportion, rounded down, as far as a size can be told.
pub(crate) fn with_shorter_side(size: Size, shorter: u32) -> Size {
    let scaled = |longer: u32, by: u32| {
        let exact = u64::from(shorter) * u64::from(longer) / u64::from(by);
        u32::try_from(exact).unwrap_or(u32::MAX)
    };
    let Size { width, height } = size;
    if width <= height {
        Size {
            width: shorter,
            height: scaled(height, width),
        }
    } else {
        Size {
            width: scaled(width, height),
            height: shorter,
        }
    }
}

impl Transform {
    /// Rows and columns of what comes out.
    pub fn side(&self) -> usize {
        match *self {
            Self::ResizedCropFlip { side, .. } | Self::CentreCrop { side, .. } => side as usize,
        }
    }

    /// Bytes of what comes out: rows of pixels of 3.
    pub fn n_bytes(&self) -> usize {
        3 * self.side() * self.side()
    }
}

/// Decodes, crops and resizes pictures one after the other, for one thread.
#[derive(Debug, Default)]
pub struct Transformer {
    decoder: Decoder,
    scaler: Scaler,
    pixels: Vec<u8>,
}

impl Transformer {
    /// What a network sees of the picture in these bytes, which stands at place `index` of its set: rows of pixels of red,
    /// green, blue.
    ///
    /// # Errors
    /// What is no picture.
    ///
    /// # Panics
    /// When `out` has not the transform's [`Transform::n_bytes`].
    pub fn apply(
        &mut self,
        transform: &Transform,
        bytes: &[u8],
        epoch: u64,
        index: u32,
        out: &mut [u8],
    ) -> Result<(), DecodeError> {
        assert_eq!(
            out.len(),
            transform.n_bytes(),
            "a place for a picture has its bytes"
        );
        match *transform {
            Transform::ResizedCropFlip { side, seed } => {
                let mut stream = Stream::new(seed, PICTURE, (epoch << 32) | u64::from(index));
                let choose = |size| resized_crop(&mut stream, size);
                let region = self.decoder.decode(bytes, choose, &mut self.pixels)?;
                let target = Size {
                    width: side,
                    height: side,
                };
                let window = Window {
                    is_mirrored: stream.bernoulli(0.5),
                    ..Window::whole(region.size())
                };
                self.scaler
                    .resize(&self.pixels, region.size(), window, target, out);
            }
            Transform::CentreCrop { shorter, side } => self.centre(bytes, shorter, side, out)?,
        }
        Ok(())
    }

    fn centre(&mut self, bytes: &[u8], shorter: u32, side: u32, out: &mut [u8]) -> Result<(), DecodeError> {
        let mut middle = None;
        let choose = |size: Size| middle.insert(Middle::new(size, shorter, side)).region;
        self.decoder.decode(bytes, choose, &mut self.pixels)?;
        let Middle { region, window } = middle.expect("a picture that was decoded had a size");
        let target = Size {
            width: side,
            height: side,
        };
        self.scaler
            .resize(&self.pixels, region.size(), window, target, out);
        Ok(())
    }
}

/// What is to be decoded for the middle of a resized picture, and where in it that middle lies.
#[derive(Clone, Copy)]
struct Middle {
    region: Region,
    window: Window,
}

impl Middle {
    fn new(size: Size, shorter: u32, side: u32) -> Self {
        let resized = with_shorter_side(size, shorter);
        let (left, width, from_left, n_columns) = Self::along(size.width, resized.width, side);
        let (top, height, from_top, n_rows) = Self::along(size.height, resized.height, side);
        Self {
            region: Region {
                left,
                top,
                width,
                height,
            },
            window: Window {
                left: from_left,
                top: from_top,
                width: n_columns,
                height: n_rows,
                is_mirrored: false,
            },
        }
    }

    /// First and number of pixels to decode along one axis, then where the window begins among them and how long it is. Pixels
    /// on its edge are means that reach a pixel of the resized picture further out.
    fn along(n: u32, resized: u32, side: u32) -> (u32, u32, f64, f64) {
        let scale = f64::from(n) / f64::from(resized);
        // Half a pixel too many goes where Python's `round` sends it.
        let first = (f64::from(resized - side) / 2.0).round_ties_even();
        let (start, length) = (first * scale, f64::from(side) * scale);
        let reach = if n == resized { 0.0 } else { scale.max(1.0) + 1.0 };
        let low = (start - reach).floor().max(0.0);
        let high = (start + length + reach).ceil().min(f64::from(n));
        (low as u32, (high - low) as u32, start - low, length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(width: u32, height: u32) -> Size {
        Size { width, height }
    }

    /// Area, ratio and place of the crops, and how often one is as high as the picture: means and mean squares are those of
    /// torchvision's own draws, which `tests/goldens/make.py` made.
    #[test]
    fn crops_have_torchvisions_moments() {
        let moments: serde_json::Value =
            serde_json::from_str(include_str!("../tests/goldens/moments.json")).unwrap();
        for expected in moments.as_array().unwrap() {
            let side = |name: &str| expected[name].as_u64().unwrap() as u32;
            let picture = size(side("width"), side("height"));
            let n = 40_000u32;
            let mut sums = [[0.0; 2]; 5];
            for index in 0..n {
                let mut stream = Stream::new(Seed(3), PICTURE, u64::from(index));
                let crop = resized_crop(&mut stream, picture);
                crop.assert_inside(picture.width, picture.height);
                let (w, h) = (f64::from(crop.width), f64::from(crop.height));
                let all = [
                    w * h / Region::whole(picture.width, picture.height).area() as f64,
                    libm::log(w / h),
                    f64::from(crop.left) / f64::from(picture.width),
                    f64::from(crop.top) / f64::from(picture.height),
                    f64::from(u8::from(crop.height == picture.height)),
                ];
                for (sum, value) in sums.iter_mut().zip(all) {
                    sum[0] += value / f64::from(n);
                    sum[1] += value * value / f64::from(n);
                }
            }
            for (name, [mean, square]) in ["area", "ratio", "left", "top", "full_height"].iter().zip(sums) {
                let value = |i: usize| expected[name][i].as_f64().unwrap();
                let spread = (value(1) - value(0).powi(2)).max(0.0).sqrt();
                // Five standard errors of both draws together.
                let error = 5.0 * (1.0 / f64::from(n) + 1.0 / 200_000.0).sqrt();
                assert!(
                    (mean - value(0)).abs() <= error * spread + 1e-9,
                    "{name}: {mean} {expected}"
                );
                assert!(
                    (square - value(1)).abs() <= error * 2.0 * spread.max(1e-3),
                    "{name}: {square} {expected}"
                );
            }
        }
    }

    /// A tenth as high as wide: 100 x 10 has 1,000 pixels, of which at most 13 x 10 fit, less than 3 in 20 draws; what comes
    /// after ten is 13 x 10 in the middle, (100 − 13) / 2 = 43 rounded down.
    #[test]
    fn what_does_not_fit_is_cut_out_of_the_middle() {
        let middles = (0..1000).filter(|index| {
            let crop = resized_crop(&mut Stream::new(Seed(1), PICTURE, *index), size(1000, 10));
            crop == middle(size(1000, 10), 13, 10)
        });
        assert!(middles.count() > 900);
        let upright = resized_crop(&mut Stream::new(Seed(1), PICTURE, 0), size(10, 1000));
        assert_eq!(upright, middle(size(10, 1000), 10, 13));
        assert_eq!((upright.left, upright.top), (0, 493));
    }

    /// 300 x 201: the shorter side becomes 100, the longer 300 · 100 / 201 = 149.25.
    #[test]
    fn sides_stay_in_proportion() {
        assert_eq!(with_shorter_side(size(300, 201), 100), size(149, 100));
        assert_eq!(with_shorter_side(size(201, 300), 100), size(100, 149));
        assert_eq!(with_shorter_side(size(7, 7), 100), size(100, 100));
        // 256 × 2²⁴ is more than a size can be.
        assert_eq!(with_shorter_side(size(1, 1 << 24), 256), size(256, u32::MAX));
    }

    /// The boxes and pixels are torchvision's; at most two steps of 255 apart, and a quarter of one on average.
    #[test]
    fn crops_are_resized_as_torchvision_does() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../tests/goldens/expected.json")).unwrap();
        let large = include_bytes!("../tests/goldens/large.jpg");
        let (mut decoder, mut scaler, mut pixels) = (Decoder::default(), Scaler::default(), Vec::new());
        for row in golden["crops"].as_array().unwrap() {
            let word = |i: usize| row["box"][i].as_u64().unwrap() as u32;
            let region = Region {
                left: word(0),
                top: word(1),
                width: word(2),
                height: word(3),
            };
            decoder.decode(large, |_| region, &mut pixels).unwrap();
            let mut out = vec![0; 3 * 40 * 40];
            let window = Window::whole(region.size());
            scaler.resize(&pixels, region.size(), window, size(40, 40), &mut out);
            let theirs = row["pixels"].as_array().unwrap();
            let differences = out
                .iter()
                .zip(theirs)
                .map(|(a, b)| u64::from(*a).abs_diff(b.as_u64().unwrap()));
            let (most, sum) = differences.fold((0, 0), |(most, sum), d| (most.max(d), sum + d));
            assert!(
                most <= 2 && sum <= out.len() as u64 / 4,
                "{region:?}: {most} {sum}"
            );
        }
    }

    /// Crops and mirrorings are those of (seed, epoch, index), whoever did what before; another of the three, another crop.
    #[test]
    fn a_view_is_a_function_of_seed_epoch_and_index() {
        let large = include_bytes!("../tests/goldens/large.jpg");
        let mut transformer = Transformer::default();
        let mut view = |seed: u64, epoch: u64, index: u32| {
            let transform = Transform::ResizedCropFlip {
                side: 24,
                seed: Seed(seed),
            };
            let mut out = vec![0; transform.n_bytes()];
            transformer
                .apply(&transform, large, epoch, index, &mut out)
                .unwrap();
            out
        };
        let first = view(1, 2, 3);
        let others = [view(2, 2, 3), view(1, 3, 3), view(1, 2, 4)];
        assert!(others.iter().all(|other| *other != first));
        assert_eq!(view(1, 2, 3), first);
    }
}
