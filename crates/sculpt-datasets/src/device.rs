use crate::{DatasetError, Examples};
use tch::{Device, Kind, Tensor};

/// Examples on a device, as bytes; images are normalised when they are asked for.
#[derive(Debug)]
pub struct DeviceExamples {
    /// One i32 a pixel (red, green, blue, 0 as bytes), `[1 + n·h·w]`; the first is black, for padding.
    pixels: Tensor,
    /// i64 `[n]`.
    labels: Tensor,
    /// f32 `[1, h·w·3]`, the channels' means again and again: a whole image, so that the innermost loop is long.
    mean: Tensor,
    /// Likewise their standard deviations.
    std: Tensor,
    n: usize,
    height: usize,
    width: usize,
}

impl DeviceExamples {
    /// A copy of `examples` on `device`, to be normalised by each channel's `mean` and `std`, in units of the
    /// full range: `(byte / 255 − mean) / std`.
    ///
    /// # Errors
    /// What libtorch refuses: no memory, no such device.
    pub fn new(
        examples: &Examples,
        mean: [f64; 3],
        std: [f64; 3],
        device: Device,
    ) -> Result<Self, DatasetError> {
        let (n, height, width) = (examples.len(), examples.height(), examples.width());
        let area = height * width;
        let mut packed = Vec::with_capacity(4 * (1 + n * area));
        packed.extend_from_slice(&[0; 4]);
        for i in 0..n {
            let (red, rest) = examples.image(i).split_at(area);
            let (green, blue) = rest.split_at(area);
            for ((r, g), b) in red.iter().zip(green).zip(blue) {
                packed.extend_from_slice(&[*r, *g, *b, 0]);
            }
        }
        let pixels = Tensor::f_from_data_size(&packed, &[packed.len() as i64], Kind::Uint8)?
            .f_view_dtype(Kind::Int)?
            .f_to_device(device)?;
        let labels: Vec<i64> = examples.labels().iter().map(|&label| i64::from(label)).collect();
        let tile = |channels: [f64; 3]| -> Result<Tensor, tch::TchError> {
            let tiled: Vec<f32> = channels
                .iter()
                .map(|&c| c as f32)
                .cycle()
                .take(3 * area)
                .collect();
            Tensor::f_from_slice(&tiled)?
                .f_view([1, 3 * area as i64])?
                .f_to_device(device)
        };
        Ok(Self {
            pixels,
            labels: Tensor::f_from_slice(&labels)?.f_to_device(device)?,
            mean: tile(mean)?,
            std: tile(std)?,
            n,
            height,
            width,
        })
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.n
    }

    /// Whether there are no examples.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// Rows of an image.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns of an image.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The labels of all examples, i64 `[n]`.
    pub fn labels(&self) -> &Tensor {
        &self.labels
    }

    /// All images, f32 `[n, 3, h, w]`, normalised, channels last in memory, and their labels, i64 `[n]`.
    pub fn whole(&self) -> (Tensor, Tensor) {
        self.range(0, self.n)
    }

    /// All examples in their order, in batches of `batch` (the last may be smaller), as [`Self::whole`] gives
    /// them.
    ///
    /// # Panics
    /// When `batch` is 0.
    pub fn batches(&self, batch: usize) -> impl ExactSizeIterator<Item = (Tensor, Tensor)> {
        (0..self.n)
            .step_by(batch)
            .map(move |start| self.range(start, batch.min(self.n - start)))
    }

    /// `count` examples from `start`, un-augmented.
    fn range(&self, start: usize, count: usize) -> (Tensor, Tensor) {
        let area = self.height * self.width;
        let pixels = self
            .pixels
            .narrow(0, (1 + start * area) as i64, (count * area) as i64);
        let labels = self.labels.narrow(0, start as i64, count as i64);
        (self.normalised(&pixels, count), labels.copy())
    }

    /// The images whose pixel at (row, column) stands at `rows[row] + columns[column]` in `self.pixels`; sums
    /// below 0, as [`BLACK`](crate::augmentation::BLACK) makes them, are black. Both are i64, `[count, h]` and `[count, w]`.
    pub(crate) fn gather(&self, rows: &Tensor, columns: &Tensor, count: usize) -> Tensor {
        let places = (rows.unsqueeze(2) + columns.unsqueeze(1)).clamp_min_(0);
        self.normalised(&self.pixels.index_select(0, &places.view(-1)), count)
    }

    /// The labels at `places`, i64.
    pub(crate) fn labels_at(&self, places: &Tensor) -> Tensor {
        self.labels.index_select(0, places)
    }

    /// The device of all tensors.
    pub(crate) fn device(&self) -> Device {
        self.pixels.device()
    }

    /// f32 `[count, 3, h, w]`, channels last in memory, from `count · h · w` packed pixels.
    fn normalised(&self, pixels: &Tensor, count: usize) -> Tensor {
        let (count, height, width) = (count as i64, self.height as i64, self.width as i64);
        let bytes = pixels.view_dtype(Kind::Uint8).view([count * height * width, 4]);
        let values = Tensor::empty([count * height * width, 3], (Kind::Float, self.device()));
        for channel in 0..3 {
            // One long strided loop a channel: a loop over pixels of three would be slower.
            values.select(1, channel).copy_(&bytes.select(1, channel));
        }
        let mut images = values.view([count, 3 * height * width]);
        images /= 255.0;
        images -= &self.mean;
        images /= &self.std;
        images.view([count, height, width, 3]).permute([0, 3, 1, 2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (byte / 255 − mean) / std in f32, as torchvision's `ToTensor` and `Normalize` compute it; bytes 0, 51,
    /// 102, …, so that byte / 255 is 0, 0.2, 0.4, … .
    #[test]
    fn images_are_normalised_by_channel() {
        let pixels = (0..12).map(|i| 51 * (i % 6)).collect();
        let examples = Examples::new(1, 2, pixels, vec![3, 4]).unwrap();
        let (mean, std) = ([0.5, 0.25, 0.0], [0.5, 0.25, 2.0]);
        let on_device = DeviceExamples::new(&examples, mean, std, Device::Cpu).unwrap();
        let (images, labels) = on_device.whole();
        assert_eq!(images.size(), [2, 3, 1, 2]);
        assert_eq!(images.stride(), [6, 1, 6, 3]);
        assert_eq!(Vec::<i64>::try_from(&labels).unwrap(), [3, 4]);
        let values = Vec::<f32>::try_from(images.contiguous().view(-1)).unwrap();
        let by_hand: [f32; 6] = [-1.0, -0.6, 0.6, 1.4, 0.4, 0.5];
        for (value, expected) in values.iter().zip(by_hand.iter().cycle()) {
            assert!((value - expected).abs() < 1e-6, "{values:?}");
        }
        // (0.4f32 − 0.25f32) / 0.25f32, to the bit.
        assert_eq!(values[2], (102.0f32 / 255.0 - 0.25) / 0.25);
    }

    #[test]
    fn batches_are_the_whole_in_order() {
        let examples = Examples::new(2, 2, (0..60).collect(), (0..5).collect()).unwrap();
        let on_device = DeviceExamples::new(&examples, [0.5; 3], [0.25; 3], Device::Cpu).unwrap();
        let batches: Vec<(Tensor, Tensor)> = on_device.batches(2).collect();
        assert_eq!(
            batches.iter().map(|b| b.1.size()[0]).collect::<Vec<_>>(),
            [2, 2, 1]
        );
        let images: Vec<&Tensor> = batches.iter().map(|b| &b.0).collect();
        let (whole, labels) = on_device.whole();
        assert_eq!(Tensor::cat(&images, 0), whole);
        assert_eq!(&labels, on_device.labels());
        let none = examples.first(0).unwrap();
        let nothing = DeviceExamples::new(&none, [0.5; 3], [0.25; 3], Device::Cpu).unwrap();
        assert_eq!(
            (nothing.batches(2).len(), nothing.whole().0.size()),
            (0, vec![0, 3, 2, 2])
        );
    }
}
