use crate::Examples;
use rayon::prelude::*;
use sculpt_random::{Purpose, Seed, Stream};
use serde::{Deserialize, Serialize};
use std::f64::consts::{FRAC_PI_2, TAU};

/// Pixels of the demo data; index: the image.
const DEMO_IMAGES: Purpose = Purpose::new(b"demo----");

/// Which demo images are made.
///
/// | name | unit | range | in `panel_a` |
/// | --- | --- | --- | --- |
/// | `classes` | – | a [`DemoClasses`] | ten |
/// | `side` | pixels | ≥ 1 | 16 |
/// | `n_train` | images | any | 1,280 |
/// | `n_test` | images | any | 1,000 |
/// | `seed` | – | any | 0 |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DemoSpec {
    /// The gratings to be told apart.
    pub classes: DemoClasses,
    /// Rows and columns of an image.
    pub side: usize,
    /// Training images.
    pub n_train: usize,
    /// Test images.
    pub n_test: usize,
    /// Seed of the images. The data are one fixed set: a run's own seed does not go in here.
    pub seed: u64,
}

/// The gratings to be told apart. A class is an angle to the vertical, leaning either way, and a frequency; so
/// mirror images are of the same class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DemoClasses {
    /// 5 angles from 0 to 90 degrees × 2 frequencies.
    Ten,
    /// The same 5 angles × 4 frequencies.
    Twenty,
    /// 5 angles from 9 to 81 degrees × 4 other frequencies.
    OtherTwenty,
}

impl DemoSpec {
    /// Panel (a) of the demo preset (design §2): 10 classes, 16 × 16, 1,280 training and 1,000 test images.
    pub const fn panel_a() -> Self {
        Self {
            classes: DemoClasses::Ten,
            side: 16,
            n_train: 1_280,
            n_test: 1_000,
            seed: 0,
        }
    }

    /// Panel (b): 20 classes, as many images of the same size.
    pub const fn panel_b() -> Self {
        Self {
            classes: DemoClasses::Twenty,
            ..Self::panel_a()
        }
    }

    /// Panel (c): 20 other classes, 32 × 32.
    pub const fn panel_c() -> Self {
        Self {
            classes: DemoClasses::OtherTwenty,
            side: 32,
            ..Self::panel_a()
        }
    }
}

impl DemoClasses {
    /// Number of classes.
    pub fn count(self) -> usize {
        ANGLES * self.frequencies().len()
    }

    /// In cycles per side.
    fn frequencies(self) -> &'static [f64] {
        match self {
            DemoClasses::Ten => &[2.0, 4.0],
            DemoClasses::Twenty => &[1.5, 2.4, 3.8, 6.0],
            DemoClasses::OtherTwenty => &[1.9, 3.0, 4.8, 7.5],
        }
    }

    /// Angle number `i`, in radians.
    fn angle(self, i: usize) -> f64 {
        match self {
            DemoClasses::Ten | DemoClasses::Twenty => FRAC_PI_2 * i as f64 / (ANGLES - 1) as f64,
            DemoClasses::OtherTwenty => FRAC_PI_2 * (i as f64 + 0.5) / ANGLES as f64,
        }
    }
}

/// Angles of every [`DemoClasses`].
const ANGLES: usize = 5;

/// Index of the first test image in the stream of images: no training set is so large.
const FIRST_TEST_IMAGE: u64 = 1 << 32;

/// Mean and standard deviation of every channel of `panel_a`'s training images, to three digits.
pub(crate) const MEAN: f64 = 0.5;
pub(crate) const STD: f64 = 0.167;

// How hard the images are. Positions and lengths in sides, amplitudes and noise in full ranges; ranges are
// uniform. Tuned as the README tells.
/// Standard deviation of the angle, in radians: what keeps a perfect network from 100 %.
const ANGLE_JITTER: f64 = 0.1;
/// Standard deviation of the frequency, as a fraction.
const FREQUENCY_JITTER: f64 = 0.05;
/// Distance of the window's centre from the image's, in each direction.
const CENTRE: (f64, f64) = (-0.1, 0.1);
/// Standard deviation of the Gaussian window.
const WINDOW: (f64, f64) = (0.3, 0.4);
/// Largest amplitude of a channel.
const AMPLITUDE: (f64, f64) = (0.15, 0.4);
/// Each channel's share of it: of one sign, so that how fast a seed learns varies little.
const SHARE: (f64, f64) = (0.3, 1.0);
/// Background of each channel.
const BACKGROUND: (f64, f64) = (0.3, 0.7);
/// Standard deviation of the noise of each byte.
const NOISE: f64 = 0.09;

/// Makes demo images, training and test: windowed gratings with random phase, jitter, position, colour, background and
/// noise.
///
/// Class of image `i` of either part: `i` modulo the number of classes. Everything about the image is drawn from
/// its own stream, number `i`, test images counted from 2³², and computed in f64 with `libm`, so
/// that the bytes are the same on every machine.
///
/// # Panics
/// When `spec.side` is 0.
pub fn gratings(spec: DemoSpec) -> (Examples, Examples) {
    (
        part(&spec, 0, spec.n_train),
        part(&spec, FIRST_TEST_IMAGE, spec.n_test),
    )
}

/// `n` images from number `first` on.
fn part(spec: &DemoSpec, first: u64, n: usize) -> Examples {
    let n_classes = spec.classes.count();
    let labels = (0..n).map(|i| (i % n_classes) as u16).collect();
    let mut pixels = vec![0; n * 3 * spec.side * spec.side];
    pixels
        .par_chunks_exact_mut(3 * spec.side * spec.side)
        .enumerate()
        .for_each(|(i, image)| {
            let stream = Stream::new(Seed(spec.seed), DEMO_IMAGES, first + i as u64);
            draw(spec, i % n_classes, stream, image);
        });
    Examples::new(spec.side, spec.side, pixels, labels).expect("every image has its pixels and its label")
}

/// Draws one image of `class` into `image`, `[3, side, side]`.
fn draw(spec: &DemoSpec, class: usize, mut stream: Stream, image: &mut [u8]) {
    let between = |stream: &mut Stream, (low, high): (f64, f64)| low + (high - low) * stream.uniform();
    let leaning = spec.classes.angle(class % ANGLES) + ANGLE_JITTER * stream.normal();
    let angle = if stream.bernoulli(0.5) { leaning } else { -leaning };
    let frequency = spec.classes.frequencies()[class / ANGLES] * (1.0 + FREQUENCY_JITTER * stream.normal());
    let phase = TAU * stream.uniform();
    let (centre_x, centre_y) = (
        0.5 + between(&mut stream, CENTRE),
        0.5 + between(&mut stream, CENTRE),
    );
    let window = between(&mut stream, WINDOW);
    let amplitude = between(&mut stream, AMPLITUDE);
    let background: [f64; 3] = std::array::from_fn(|_| between(&mut stream, BACKGROUND));
    let colour: [f64; 3] = std::array::from_fn(|_| amplitude * between(&mut stream, SHARE));

    let (cos, sin) = (libm::cos(angle), libm::sin(angle));
    let side = spec.side as f64;
    let mut grating = Vec::with_capacity(spec.side * spec.side);
    for row in 0..spec.side {
        for column in 0..spec.side {
            let x = (column as f64 + 0.5) / side - centre_x;
            let y = (row as f64 + 0.5) / side - centre_y;
            let envelope = libm::exp(-(x * x + y * y) / (2.0 * window * window));
            grating.push(envelope * libm::sin(TAU * frequency * (x * cos + y * sin) + phase));
        }
    }
    for (channel, plane) in image.chunks_exact_mut(grating.len()).enumerate() {
        for (byte, value) in plane.iter_mut().zip(&grating) {
            let value = background[channel] + colour[channel] * value + NOISE * stream.normal();
            // Half up, then cut off: `as` saturates.
            *byte = libm::floor(255.0 * value + 0.5) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_balanced_and_sizes_as_asked() {
        let (train, test) = gratings(DemoSpec {
            n_train: 60,
            n_test: 40,
            ..DemoSpec::panel_c()
        });
        assert_eq!((train.len(), test.len()), (60, 40));
        assert_eq!((train.height(), train.width()), (32, 32));
        for class in 0..20 {
            let count = |labels: &[u16]| labels.iter().filter(|&&label| label == class).count();
            assert_eq!((count(train.labels()), count(test.labels())), (3, 2));
        }
        assert_ne!(train.first(40).unwrap().pixels(), test.pixels());
    }

    /// A larger set begins with the smaller one, and the seed matters.
    #[test]
    fn image_i_is_always_the_same() {
        let train = |n_train, seed| {
            let spec = DemoSpec {
                n_train,
                n_test: 0,
                seed,
                ..DemoSpec::panel_a()
            };
            gratings(spec).0
        };
        assert_eq!(train(45, 0).first(25).unwrap(), train(25, 0));
        assert_ne!(train(25, 1), train(25, 0));
    }

    #[test]
    fn normalisation_is_that_of_panel_a() {
        let pixels = gratings(DemoSpec::panel_a()).0.pixels().to_vec();
        let n = pixels.len() as f64;
        let mean = pixels.iter().map(|&byte| f64::from(byte)).sum::<f64>() / n;
        let variance = pixels
            .iter()
            .map(|&byte| (f64::from(byte) - mean).powi(2))
            .sum::<f64>()
            / n;
        assert!((mean / 255.0 - MEAN).abs() < 0.001, "{}", mean / 255.0);
        assert!(
            (variance.sqrt() / 255.0 - STD).abs() < 0.001,
            "{}",
            variance.sqrt() / 255.0
        );
    }
}
