use crate::{Augmentation, DatasetError, DeviceExamples, Examples};
use sculpt_pictures::order;
use sculpt_random::Seed;
use sculpt_trainers::{BatchError, Batches, Part, Resident, share};
use std::cell::RefCell;
use std::ops::Range;
use tch::{Device, Kind, Tensor};

/// Training batches, each a pure function of (seed, epoch, step): asked for in any order, again, or after a
/// resume in mid-epoch, they are the same.
///
/// `epoch` counts all epochs trained since `Init` along the chain, so that cycles do not repeat their batches.
/// The order of an epoch is a stream of its own; crops and mirrorings are another,
/// by example, not by place in the order.
#[derive(Debug)]
pub struct Loader {
    examples: DeviceExamples,
    augmentation: Augmentation,
    pad: usize,
    batch: usize,
    drop_last: bool,
    seed: Seed,
    /// What was drawn for the epoch asked for last.
    current: RefCell<Option<Epoch>>,
}

/// How a [`Loader`] makes batches of examples.
#[derive(Clone, Copy, Debug)]
pub struct Loading {
    /// Mean of each channel, in units of the full range (see [`DeviceExamples::new`]).
    pub mean: [f64; 3],
    /// Standard deviation of each channel, likewise.
    pub std: [f64; 3],
    /// How images are shifted and mirrored.
    pub augmentation: Augmentation,
    /// Images a batch.
    pub batch: usize,
    /// Whether an incomplete last batch is left out.
    pub drop_last: bool,
    /// Seed of order and augmentation.
    pub seed: Seed,
}

/// What is drawn for one epoch.
#[derive(Debug)]
struct Epoch {
    epoch: u64,
    /// See [`Resident::rows`]: example, source row of its top row, source column of its leftmost column, and whether it is mirrored.
    rows: Tensor,
}

impl Loader {
    /// Batches of the `examples`, copied to `device`.
    ///
    /// # Errors
    /// A batch of 0, or of which `examples` fill none with `drop_last`; images that are too small for the augmentation's padding;
    /// [`Augmentation::ResizedCropFlip`]; what libtorch refuses.
    pub fn new(examples: &Examples, loading: Loading, device: Device) -> Result<Self, DatasetError> {
        let Loading {
            mean,
            std,
            augmentation,
            batch,
            drop_last,
            seed,
        } = loading;
        let least = if drop_last { batch } else { 1 };
        if batch == 0 || examples.len() < least {
            return Err(DatasetError::NoBatch {
                batch,
                n_examples: examples.len(),
                drop_last,
            });
        }
        Ok(Self {
            pad: augmentation.pad(examples.height(), examples.width())?,
            examples: DeviceExamples::new(examples, mean, std, device)?,
            augmentation,
            batch,
            drop_last,
            seed,
            current: RefCell::new(None),
        })
    }

    /// Number of batches in an epoch.
    pub fn steps_per_epoch(&self) -> usize {
        if self.drop_last {
            self.n_examples() / self.batch
        } else {
            self.n_examples().div_ceil(self.batch)
        }
    }

    /// Number of examples that the batches are drawn from.
    pub fn n_examples(&self) -> usize {
        self.examples.len()
    }

    /// The same examples, un-augmented and in their own order.
    pub fn examples(&self) -> &DeviceExamples {
        &self.examples
    }

    /// Images, f32 `[b, 3, h, w]`, augmented, normalised, channels last in memory; labels, i64 `[b]`.
    ///
    /// # Panics
    /// When `step` is not below [`Self::steps_per_epoch`].
    pub fn batch(&self, epoch: u64, step: usize) -> (Tensor, Tensor) {
        let Part { images, labels, .. } = self.part(epoch, step, 0..1, 1);
        (images, labels)
    }

    /// As [`Self::batch`], but of the images that parts `parts` of `of` have alone: no others are made.
    ///
    /// # Panics
    /// As [`Self::batch`].
    pub fn part(&self, epoch: u64, step: usize, parts: Range<usize>, of: usize) -> Part {
        let steps = self.steps_per_epoch();
        assert!(step < steps, "step {step} of an epoch of {steps}");
        let start = step * self.batch;
        let n = self.batch.min(self.n_examples() - start);
        let places = share(n, parts, of);
        let rows = self.drawn(epoch);
        let rows = rows.narrow(0, (start + places.start) as i64, places.len() as i64);
        let (images, labels) = self.assemble(&rows);
        Part { images, labels, n }
    }

    /// The rows of an epoch, on the device.
    fn drawn(&self, epoch: u64) -> Tensor {
        let mut current = self.current.borrow_mut();
        if current.as_ref().is_some_and(|drawn| drawn.epoch != epoch) {
            *current = None;
        }
        let drawn = current.get_or_insert_with(|| self.draw(epoch));
        drawn.rows.shallow_clone()
    }

    fn draw(&self, epoch: u64) -> Epoch {
        let n = self.n_examples();
        let placements = self.augmentation.placements(n, self.pad, self.seed, epoch);
        let mut rows = Vec::with_capacity(4 * n);
        for i in order(self.seed, epoch, n) {
            let placement = placements[i as usize];
            let (top, left) = (placement.top as i64, placement.left as i64);
            rows.extend([i64::from(i), top, left, i64::from(placement.mirrored)]);
        }
        let rows = Tensor::from_slice(&rows).view([n as i64, 4]);
        Epoch {
            epoch,
            rows: rows.to_device(self.examples.device()),
        }
    }

    /// The images and labels of some rows of an epoch.
    fn assemble(&self, rows: &Tensor) -> (Tensor, Tensor) {
        let (height, width) = (self.examples.height(), self.examples.width());
        let column = |i: i64| rows.narrow(1, i, 1);
        let (example, top, left, mirrored) = (column(0), column(1), column(2), column(3));
        let along = |n: usize| Tensor::arange(n as i64, (Kind::Int64, rows.device()));
        let (y, x) = (along(height), along(width));
        // x, or width − 1 − x.
        let x = &x + mirrored * (width as i64 - 1 - &x * 2);
        let y = self.augmentation.sources(top + y, height);
        let x = self.augmentation.sources(left + x, width);
        // Pixel 0 of the store is the black one.
        let first = &example * (height * width) as i64 + 1;
        let count = rows.size()[0] as usize;
        (
            self.examples.gather(&(first + y * width as i64), &x, count),
            self.examples.labels_at(&example.view(-1)),
        )
    }
}

impl Batches for Loader {
    fn steps_per_epoch(&self) -> usize {
        Loader::steps_per_epoch(self)
    }

    fn batch(&self, epoch: u64, step: usize) -> Result<(Tensor, Tensor), BatchError> {
        Ok(Loader::batch(self, epoch, step))
    }

    fn part(&self, epoch: u64, step: usize, parts: Range<usize>, of: usize) -> Result<Part, BatchError> {
        Ok(Loader::part(self, epoch, step, parts, of))
    }

    fn resident(&self) -> Option<&dyn Resident> {
        Some(self)
    }
}

impl Resident for Loader {
    fn rows(&self, epoch: u64) -> Tensor {
        self.drawn(epoch)
    }

    fn rows_per_step(&self) -> usize {
        self.batch
    }

    fn at(&self, rows: &Tensor) -> (Tensor, Tensor) {
        self.assemble(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sculpt_random::{Purpose, Stream};

    const MEAN: [f64; 3] = [0.4914, 0.4822, 0.4465];
    const STD: [f64; 3] = [0.2470, 0.2435, 0.2616];

    /// 23 images of 16 × 16, no two pixels of an image alike in all channels; labels count through.
    fn examples() -> Examples {
        let mut stream = Stream::new(Seed(9), Purpose::TEST, 0);
        let pixels = (0..23 * 3 * 256).map(|_| stream.below(256) as u8).collect();
        Examples::new(16, 16, pixels, (0..23).collect()).unwrap()
    }

    fn loading(augmentation: Augmentation, batch: usize, drop_last: bool) -> Loading {
        Loading {
            mean: MEAN,
            std: STD,
            augmentation,
            batch,
            drop_last,
            seed: Seed(3),
        }
    }

    fn loader(augmentation: Augmentation, batch: usize, drop_last: bool) -> Loader {
        Loader::new(&examples(), loading(augmentation, batch, drop_last), Device::Cpu).unwrap()
    }

    const ALL: [Augmentation; 3] = [
        Augmentation::None,
        Augmentation::CropFlip,
        Augmentation::ShiftAlternatingFlip,
    ];

    /// Written with padded copies and nested loops, from the same draws.
    fn slowly(augmentation: Augmentation, epoch: u64) -> Vec<(Vec<f32>, u16)> {
        let examples = examples();
        let (side, pad) = (16usize, augmentation.pad(16, 16).unwrap());
        let placements = augmentation.placements(23, pad, Seed(3), epoch);
        let order = order(Seed(3), epoch, 23);
        let place = |&i: &u32| {
            let placement = placements[i as usize];
            let mut image = Vec::new();
            for channel in 0..3 {
                let plane = &examples.image(i as usize)[channel * 256..(channel + 1) * 256];
                let padded_side = side + 2 * pad;
                let mut padded = vec![0u8; padded_side * padded_side];
                for y in 0..padded_side {
                    for x in 0..padded_side {
                        let (y0, x0) = (y as isize - pad as isize, x as isize - pad as isize);
                        let reflect = |v: isize| match augmentation {
                            Augmentation::None | Augmentation::CropFlip | Augmentation::ResizedCropFlip => v,
                            Augmentation::ShiftAlternatingFlip if v < 0 => -v,
                            Augmentation::ShiftAlternatingFlip if v > 15 => 30 - v,
                            Augmentation::ShiftAlternatingFlip => v,
                        };
                        let (y0, x0) = (reflect(y0), reflect(x0));
                        if (0..16).contains(&y0) && (0..16).contains(&x0) {
                            padded[y * padded_side + x] = plane[(y0 * 16 + x0) as usize];
                        }
                    }
                }
                for y in 0..side {
                    let top = (placement.top + pad as isize) as usize;
                    let left = (placement.left + pad as isize) as usize;
                    let start = (top + y) * padded_side + left;
                    let mut row = padded[start..start + side].to_vec();
                    if placement.mirrored {
                        row.reverse();
                    }
                    let (mean, std) = (MEAN[channel] as f32, STD[channel] as f32);
                    image.extend(row.iter().map(|&byte| (f32::from(byte) / 255.0 - mean) / std));
                }
            }
            (image, examples.labels()[i as usize])
        };
        order.iter().map(place).collect()
    }

    #[test]
    fn batches_equal_plain_loops() {
        for augmentation in ALL {
            for epoch in [0, 7] {
                let loader = loader(augmentation, 10, false);
                let expected = slowly(augmentation, epoch);
                for (step, expected) in expected.chunks(10).enumerate() {
                    let (images, labels) = loader.batch(epoch, step);
                    let b = expected.len() as i64;
                    assert_eq!(images.size(), [b, 3, 16, 16]);
                    assert_eq!(images.stride(), [768, 1, 48, 3]);
                    let images = Vec::<f32>::try_from(images.contiguous().view(-1)).unwrap();
                    let labels = Vec::<i64>::try_from(&labels).unwrap();
                    let from_loops: Vec<f32> = expected.iter().flat_map(|e| e.0.clone()).collect();
                    assert!(images == from_loops, "{augmentation:?} epoch {epoch} step {step}");
                    assert!(labels.iter().zip(expected).all(|(a, e)| *a == i64::from(e.1)));
                }
            }
        }
    }

    #[test]
    fn batches_do_not_depend_on_what_was_asked_before() {
        for augmentation in ALL {
            let loader = loader(augmentation, 6, true);
            let ask = |epoch, step| loader.batch(epoch, step);
            let there: Vec<_> = (0..3)
                .flat_map(|e| (0..3).map(move |s| (e, s)))
                .map(|(e, s)| ask(e, s))
                .collect();
            for (i, expected) in there.iter().enumerate().rev() {
                assert_eq!(&ask(i as u64 / 3, i % 3), expected);
                assert_eq!(
                    &self::loader(augmentation, 6, true).batch(i as u64 / 3, i % 3),
                    expected
                );
            }
            assert_ne!(there[0].1, there[3].1);
            assert_eq!(ask(1 << 40, 0), ask(1 << 40, 0));
        }
    }

    /// What an image looks like does not depend on who asks for it.
    #[test]
    fn parts_of_a_batch_are_the_batch() {
        for augmentation in ALL {
            let loader = loader(augmentation, 10, false);
            for (step, of) in [(0, 3), (2, 2), (2, 5)] {
                let (images, labels) = loader.batch(4, step);
                let parts: Vec<_> = (0..of).map(|i| loader.part(4, step, i..i + 1, of)).collect();
                let joined =
                    |part: fn(&Part) -> &Tensor| Tensor::cat(&parts.iter().map(part).collect::<Vec<_>>(), 0);
                assert_eq!(joined(|part| &part.images), images);
                assert_eq!(joined(|part| &part.labels), labels);
                assert!(parts.iter().all(|part| part.n as i64 == labels.size()[0]));
            }
        }
    }

    #[test]
    fn every_example_comes_once_an_epoch() {
        let seen = |drop_last| {
            let loader = loader(Augmentation::CropFlip, 5, drop_last);
            let mut labels: Vec<i64> = (0..loader.steps_per_epoch())
                .flat_map(|step| Vec::<i64>::try_from(&loader.batch(2, step).1).unwrap())
                .collect();
            labels.sort_unstable();
            labels
        };
        assert_eq!(seen(false), (0..23).collect::<Vec<_>>());
        let mut with_gaps = seen(true);
        assert_eq!(with_gaps.len(), 20);
        with_gaps.dedup();
        assert_eq!(with_gaps.len(), 20);
    }

    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Labels of up to 65,535 classes come out of every path as they went in, and images stay with theirs.
        #[test]
        fn labels_up_to_65_534_survive(labels in prop::collection::vec(0u16..65_535, 1..40), batch in 1usize..9) {
            let n = labels.len();
            let pixels = (0..n).flat_map(|i| [i as u8; 3]).collect();
            let examples = Examples::new(1, 1, pixels, labels.clone()).unwrap();
            let wide: Vec<i64> = labels.iter().map(|&label| i64::from(label)).collect();
            let order: Vec<u32> = (0..n as u32).rev().collect();
            let back = examples.select(&order).select(&order);
            prop_assert_eq!(back.labels(), &labels[..]);
            let records = examples.records(u16::MAX);
            prop_assert_eq!(records.len(), 5 * n);
            for (record, &label) in records.chunks_exact(5).zip(&labels) {
                prop_assert_eq!(u16::from_le_bytes([record[0], record[1]]), label);
            }
            let (mean, std) = ([0.0; 3], [1.0 / 255.0; 3]);
            let on_device = DeviceExamples::new(&examples, mean, std, Device::Cpu).unwrap();
            prop_assert_eq!(Vec::<i64>::try_from(on_device.labels()).unwrap(), wide.clone());
            let loading = Loading { mean, std, ..loading(Augmentation::None, batch, false) };
            let loader = Loader::new(&examples, loading, Device::Cpu).unwrap();
            for step in 0..loader.steps_per_epoch() {
                let (images, labels) = Batches::batch(&loader, 0, step).unwrap();
                let places = Vec::<f32>::try_from(images.select(1, 0).reshape(-1)).unwrap();
                for (place, label) in places.iter().zip(Vec::<i64>::try_from(&labels).unwrap()) {
                    prop_assert_eq!(wide[place.round() as usize], label);
                }
            }
        }
    }

    #[test]
    fn impossible_batches_are_refused() {
        let new = |batch, drop_last| {
            let loading = loading(Augmentation::None, batch, drop_last);
            Loader::new(&examples(), loading, Device::Cpu)
        };
        assert_eq!(
            new(24, true).unwrap_err().to_string(),
            "batches of 24 cannot be made of 23 examples (incomplete batches dropped: true)"
        );
        assert!(new(0, false).is_err());
        assert_eq!(new(24, false).unwrap().steps_per_epoch(), 1);
    }
}
