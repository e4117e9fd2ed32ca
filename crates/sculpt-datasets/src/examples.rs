use crate::DatasetError;

/// Labelled colour images of one size, as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examples {
    height: usize,
    width: usize,
    pixels: Vec<u8>,
    /// Two bytes beside the pixels of an image: a thousandth of them at CIFAR's size.
    labels: Vec<u16>,
}

impl Examples {
    /// Images from `pixels`, `[n, 3, height, width]` row-major (red, green, blue planes), and `n` labels.
    ///
    /// # Errors
    /// Images without a pixel; bytes that are no whole number of images; another number of labels.
    pub fn new(height: usize, width: usize, pixels: Vec<u8>, labels: Vec<u16>) -> Result<Self, DatasetError> {
        let image_bytes = 3 * height * width;
        if image_bytes == 0 || !pixels.len().is_multiple_of(image_bytes) {
            return Err(DatasetError::PixelCount {
                n_bytes: pixels.len(),
                height,
                width,
            });
        }
        let n_images = pixels.len() / image_bytes;
        if labels.len() != n_images {
            return Err(DatasetError::LabelCount {
                n_labels: labels.len(),
                n_images,
            });
        }
        Ok(Self {
            height,
            width,
            pixels,
            labels,
        })
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no examples.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Rows of an image.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns of an image.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All pixels, `[n, 3, height, width]` row-major.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The pixels of example `i`, `[3, height, width]` row-major.
    ///
    /// # Panics
    /// When there is no such example.
    pub fn image(&self, i: usize) -> &[u8] {
        let n = self.image_bytes();
        &self.pixels[i * n..(i + 1) * n]
    }

    /// The class of each example.
    pub fn labels(&self) -> &[u16] {
        &self.labels
    }

    /// The same images under other labels (label noise).
    ///
    /// # Errors
    /// Another number of labels than of images.
    pub fn with_labels(&self, labels: Vec<u16>) -> Result<Self, DatasetError> {
        Self::new(self.height, self.width, self.pixels.clone(), labels)
    }

    /// The first `n` examples.
    ///
    /// # Errors
    /// Fewer examples than `n`.
    pub fn first(&self, n: usize) -> Result<Self, DatasetError> {
        if n > self.len() {
            return Err(DatasetError::TooFew {
                asked: n,
                available: self.len(),
            });
        }
        Ok(Self {
            height: self.height,
            width: self.width,
            pixels: self.pixels[..n * self.image_bytes()].to_vec(),
            labels: self.labels[..n].to_vec(),
        })
    }

    /// The same images at a `k`-th of their rows and columns: each pixel the mean of `k` × `k`, rounded half up.
    ///
    /// # Errors
    /// Rows or columns that `k` does not divide.
    pub fn averaged(&self, k: usize) -> Result<Self, DatasetError> {
        if k == 0 || !self.height.is_multiple_of(k) || !self.width.is_multiple_of(k) {
            return Err(DatasetError::Blocks {
                k,
                height: self.height,
                width: self.width,
            });
        }
        let (height, width, area) = (self.height / k, self.width / k, k * k);
        let mut pixels = Vec::with_capacity(self.pixels.len() / area);
        for rows in self.pixels.chunks_exact(k * self.width) {
            for column in 0..width {
                let block = rows.chunks_exact(self.width).map(|row| &row[column * k..][..k]);
                let sum: usize = block.flatten().map(|&byte| usize::from(byte)).sum();
                pixels.push(((sum + area / 2) / area) as u8);
            }
        }
        Self::new(height, width, pixels, self.labels.clone())
    }

    /// The examples at these places, in this order.
    ///
    /// # Panics
    /// When there is no example at one of them.
    pub fn select(&self, idx: &[u32]) -> Self {
        let mut pixels = Vec::with_capacity(idx.len() * self.image_bytes());
        for &i in idx {
            pixels.extend_from_slice(self.image(i as usize));
        }
        Self {
            height: self.height,
            width: self.width,
            pixels,
            labels: idx.iter().map(|&i| self.labels[i as usize]).collect(),
        }
    }

    /// CIFAR's binary layout: for each example its label and its pixels. A label is a byte where `n_classes` are no more
    /// than 256, else two, the lower one first.
    ///
    /// # Panics
    /// When a label is no class.
    pub fn records(&self, n_classes: u16) -> Vec<u8> {
        let label_bytes = if n_classes <= 256 { 1 } else { 2 };
        let mut records = Vec::with_capacity(label_bytes * self.labels.len() + self.pixels.len());
        for (i, &label) in self.labels.iter().enumerate() {
            assert!(label < n_classes, "label {label} of {n_classes} classes");
            records.extend_from_slice(&label.to_le_bytes()[..label_bytes]);
            records.extend_from_slice(self.image(i));
        }
        records
    }

    fn image_bytes(&self) -> usize {
        3 * self.height * self.width
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three images of 3 × 1 × 2, numbered through.
    fn three() -> Examples {
        Examples::new(1, 2, (0..18).collect(), vec![7, 8, 9]).unwrap()
    }

    #[test]
    fn parts_keep_images_and_labels_together() {
        let first = three().first(2).unwrap();
        assert_eq!(
            (first.len(), first.labels(), first.image(1)),
            (2, &[7, 8][..], &[6, 7, 8, 9, 10, 11][..])
        );
        let picked = three().select(&[2, 0, 2]);
        assert_eq!(picked.labels(), [9, 7, 9]);
        assert_eq!(picked.image(1), [0, 1, 2, 3, 4, 5]);
        assert_eq!(picked.image(0), picked.image(2));
        assert_eq!(first.records(10), [7, 0, 1, 2, 3, 4, 5, 8, 6, 7, 8, 9, 10, 11]);
        let many = first.with_labels(vec![7, 0x0102]).unwrap().records(259);
        assert_eq!(many, [7, 0, 0, 1, 2, 3, 4, 5, 2, 1, 6, 7, 8, 9, 10, 11]);
        let relabelled = three().with_labels(vec![1, 2, 3]).unwrap();
        assert_eq!(
            (relabelled.labels(), relabelled.pixels()),
            (&[1, 2, 3][..], three().pixels())
        );
    }

    /// Two images of 3 × 2 × 4. Means of four: (0 + 1 + 4 + 5) / 4 = 2.5 goes up to 3, (2 + 3 + 6 + 7) / 4 = 4.5 to 5; the
    /// brightest stays.
    #[test]
    fn blocks_become_their_mean() {
        let mut pixels: Vec<u8> = (0..48).collect();
        pixels[40..48].fill(255);
        let images = Examples::new(2, 4, pixels, vec![3, 4]).unwrap();
        let halves = images.averaged(2).unwrap();
        assert_eq!(
            (halves.height(), halves.width(), halves.labels()),
            (1, 2, &[3, 4][..])
        );
        assert_eq!(halves.pixels(), [3, 5, 11, 13, 19, 21, 27, 29, 35, 37, 255, 255]);
        assert_eq!(images.averaged(1).unwrap(), images);
        let error = images.averaged(4).unwrap_err().to_string();
        assert_eq!(error, "blocks of 4 x 4 pixels do not fill images of 2 x 4");
        assert!(images.averaged(0).is_err());
    }

    #[test]
    fn counts_must_agree() {
        let text = |r: Result<Examples, DatasetError>| r.unwrap_err().to_string();
        assert_eq!(
            text(Examples::new(1, 2, vec![0; 13], vec![0; 2])),
            "13 pixel bytes are not a whole number of images of 3 x 1 x 2"
        );
        assert!(Examples::new(0, 2, vec![], vec![]).is_err());
        assert_eq!(
            text(three().with_labels(vec![0; 4])),
            "4 labels were given for 3 images"
        );
        assert_eq!(
            text(three().first(4)),
            "4 examples were asked for, and there are 3"
        );
    }
}
