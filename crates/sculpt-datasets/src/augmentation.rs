use crate::DatasetError;
use sculpt_random::{Purpose, Seed, Stream};
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// Crops and flips; index: epochs trained since `Init` along the chain.
pub(crate) const AUGMENTATION: Purpose = Purpose::new(b"augment-");

/// How training images are shifted and mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Augmentation {
    /// Not at all.
    None,
    /// Torchvision's usual recipe: black padding of an eighth of the side (4 pixels of CIFAR's 32, 2 of the
    /// demo's 16), a crop of the image's size at a random place, a mirror image with probability ½. New in
    /// every epoch.
    CropFlip,
    /// The authors' public harness (reference §1.7): reflected padding of 2 pixels, a shift by −2 to 2 pixels
    /// each way, new in every epoch; every second epoch mirrored, beginning at random for each image.
    ShiftAlternatingFlip,
    /// Torchvision's recipe for ImageNet: a crop of 8 to 100 % of a picture's area, resized, a mirror image with
    /// probability ½. Of pictures of many sizes; a [`Loader`](crate::Loader) over images of one size refuses it.
    ResizedCropFlip,
}

/// Index of the augmentation stream that holds the alternating flip's beginnings: no epoch is so far.
const FIRST_FLIPS: u64 = u64::MAX;

/// Padding of the public harness, in pixels.
const HARNESS_PAD: usize = 2;

/// Of a row or a column of padding that is black: times a width, and whatever place of a pixel is added, it stays below 0.
pub(crate) const BLACK: i64 = -(1 << 40);

/// What happens to one image in one epoch: it is moved, then mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placement {
    /// Source row of the top row; negative: in the padding.
    pub(crate) top: isize,
    /// Source column of the leftmost column, before mirroring.
    pub(crate) left: isize,
    /// Whether left and right are exchanged.
    pub(crate) mirrored: bool,
}

impl Augmentation {
    /// Padding in pixels for images of this size.
    pub(crate) fn pad(self, height: usize, width: usize) -> Result<usize, DatasetError> {
        let pad = match self {
            Augmentation::None => 0,
            Augmentation::CropFlip => height.min(width) / 8,
            Augmentation::ShiftAlternatingFlip => HARNESS_PAD,
            Augmentation::ResizedCropFlip => return Err(DatasetError::OneSize { height, width }),
        };
        // Reflection does not repeat the edge, so it needs one pixel more than the padding has.
        if pad > 0 && pad >= height.min(width) {
            return Err(DatasetError::TooSmallToPad { height, width, pad });
        }
        Ok(pad)
    }

    /// The placements of `n` examples in an epoch, by example, not by place in the epoch's order.
    pub(crate) fn placements(self, n: usize, pad: usize, seed: Seed, epoch: u64) -> Vec<Placement> {
        let unmoved = Placement {
            top: 0,
            left: 0,
            mirrored: false,
        };
        let mut stream = Stream::new(seed, AUGMENTATION, epoch);
        let offset = |stream: &mut Stream| stream.below(2 * pad as u64 + 1) as isize - pad as isize;
        match self {
            Augmentation::None => vec![unmoved; n],
            Augmentation::CropFlip => (0..n)
                .map(|_| Placement {
                    top: offset(&mut stream),
                    left: offset(&mut stream),
                    mirrored: stream.bernoulli(0.5),
                })
                .collect(),
            Augmentation::ShiftAlternatingFlip => {
                let mut first = Stream::new(seed, AUGMENTATION, FIRST_FLIPS);
                (0..n)
                    .map(|_| Placement {
                        top: offset(&mut stream),
                        left: offset(&mut stream),
                        mirrored: first.bernoulli(0.5) ^ !epoch.is_multiple_of(2),
                    })
                    .collect()
            }
            Augmentation::ResizedCropFlip => unreachable!("`pad` refuses it"),
        }
    }

    /// The sources of places along a side of `n` pixels, i64, in place; [`BLACK`]: none.
    pub(crate) fn sources(self, mut places: Tensor, n: usize) -> Tensor {
        let last = n as i64 - 1;
        match self {
            Augmentation::None => places,
            Augmentation::CropFlip => {
                let outside = places.lt(0).logical_or(&places.gt(last));
                places.masked_fill_(&outside, BLACK)
            }
            // About the last pixel: last − |last − |i||.
            Augmentation::ShiftAlternatingFlip => {
                let beyond = (places.abs_() - last).abs_();
                last - beyond
            }
            Augmentation::ResizedCropFlip => unreachable!("`pad` refuses it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    /// Black outside, or mirrored about the edge pixel, which is not repeated: −1, −2 ↦ 1, 2 and 5, 6 ↦ 3, 2
    /// of five pixels.
    #[test]
    fn padding() {
        let check = |augmentation: Augmentation, outside: [i64; 4]| {
            let sources = augmentation.sources(Tensor::arange_start(-2, 7, (Kind::Int64, Device::Cpu)), 5);
            let [a, b, c, d] = outside;
            let expected = [a, b, 0, 1, 2, 3, 4, c, d];
            assert_eq!(
                Vec::<i64>::try_from(&sources).unwrap(),
                expected,
                "{augmentation:?}"
            );
        };
        check(Augmentation::CropFlip, [BLACK; 4]);
        check(Augmentation::ShiftAlternatingFlip, [2, 1, 3, 2]);
    }

    /// 18,000 draws of 81 places: each about 222 times (sd 15), and mirrored 9,000 times (sd 67).
    #[test]
    fn every_crop_is_as_likely() {
        let placements = Augmentation::CropFlip.placements(18_000, 4, Seed(1), 3);
        let mut counts = [0; 81];
        for p in &placements {
            counts[((p.top + 4) * 9 + p.left + 4) as usize] += 1;
        }
        assert!(counts.iter().all(|c| (147..297).contains(c)), "{counts:?}");
        let mirrored = placements.iter().filter(|p| p.mirrored).count();
        assert!((8_665..9_335).contains(&mirrored), "{mirrored}");
        assert_ne!(
            placements,
            Augmentation::CropFlip.placements(18_000, 4, Seed(1), 4)
        );
        assert_ne!(
            placements,
            Augmentation::CropFlip.placements(18_000, 4, Seed(2), 3)
        );
    }

    #[test]
    fn alternating_flips_alternate() {
        let flips = |epoch| -> Vec<bool> {
            let placements = Augmentation::ShiftAlternatingFlip.placements(1_000, 2, Seed(5), epoch);
            assert!(placements.iter().all(|p| p.top.abs() <= 2 && p.left.abs() <= 2));
            placements.iter().map(|p| p.mirrored).collect()
        };
        let (first, second) = (flips(0), flips(1));
        assert!(first.iter().zip(&second).all(|(a, b)| a != b));
        assert_eq!((flips(2), flips(801)), (first.clone(), second));
        let n = first.iter().filter(|f| **f).count();
        assert!((420..580).contains(&n), "{n}");
    }

    #[test]
    fn written_as() {
        for (augmentation, json) in [
            (Augmentation::None, "\"none\""),
            (Augmentation::CropFlip, "\"crop-flip\""),
            (Augmentation::ShiftAlternatingFlip, "\"shift-alternating-flip\""),
            (Augmentation::ResizedCropFlip, "\"resized-crop-flip\""),
        ] {
            assert_eq!(serde_json::to_string(&augmentation).unwrap(), json);
            assert_eq!(serde_json::from_str::<Augmentation>(json).unwrap(), augmentation);
        }
    }

    #[test]
    fn small_images_are_refused() {
        assert_eq!(Augmentation::CropFlip.pad(32, 32).unwrap(), 4);
        assert_eq!(
            Augmentation::ShiftAlternatingFlip
                .pad(2, 8)
                .unwrap_err()
                .to_string(),
            "images of 2 x 8 are too small to be padded by 2 on each side"
        );
        assert_eq!(
            Augmentation::ResizedCropFlip.pad(32, 32).unwrap_err().to_string(),
            "resized-crop-flip is for pictures of many sizes, and all of these are 32 x 32"
        );
    }
}
