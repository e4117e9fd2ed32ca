use crate::ScoreError;
use tch::{Kind, Tensor};

/// Labelled images to score with, in pieces that fit the memory.
///
/// The pieces are one probe: the loss is the mean over all images, however they are cut.
#[derive(Debug)]
pub struct Probe {
    batches: Vec<Batch>,
    n_images: i64,
}

/// One piece.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Number of the piece, from 0.
    pub(crate) place: usize,
    /// `[n, …]`, n at least 1.
    pub(crate) images: Tensor,
    /// `[n]`, Int64, on the images' device.
    pub(crate) labels: Tensor,
    /// The lowest and the highest label.
    pub(crate) label_bounds: (i64, i64),
}

impl Probe {
    /// Pieces of images `[n, …]`, as the network takes them, and labels `[n]` Int64.
    ///
    /// # Errors
    /// No images at all; labels of another number or kind; a piece without images.
    pub fn new(batches: impl IntoIterator<Item = (Tensor, Tensor)>) -> Result<Self, ScoreError> {
        let batches = batches
            .into_iter()
            .enumerate()
            .map(|(place, (images, labels))| Batch::new(place, images, labels))
            .collect::<Result<Vec<_>, _>>()?;
        let n_images = batches.iter().map(Batch::n_images).sum();
        if n_images == 0 {
            return Err(ScoreError::NoImages);
        }
        Ok(Self { batches, n_images })
    }

    /// Number of images, at least 1.
    pub fn n_images(&self) -> i64 {
        self.n_images
    }

    /// Channels, rows and columns of the first image.
    pub(crate) fn image_size(&self) -> Result<[i64; 3], ScoreError> {
        let shape = self.batches[0].images.size();
        match shape[..] {
            [_, channels, height, width] => Ok([channels, height, width]),
            _ => Err(ScoreError::NotPictures { shape }),
        }
    }

    pub(crate) fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// Every image as a batch of its own.
    pub(crate) fn examples(&self) -> impl Iterator<Item = Batch> {
        self.batches.iter().flat_map(|batch| {
            (0..batch.n_images()).map(|i| Batch {
                place: batch.place,
                images: batch.images.narrow(0, i, 1),
                labels: batch.labels.narrow(0, i, 1),
                label_bounds: batch.label_bounds,
            })
        })
    }
}

impl Batch {
    fn new(place: usize, images: Tensor, labels: Tensor) -> Result<Self, ScoreError> {
        let n_images = images.size().first().copied().unwrap_or(0);
        if labels.kind() != Kind::Int64 || labels.size() != [n_images] || n_images == 0 {
            return Err(ScoreError::Labels {
                batch: place,
                labels: labels.size(),
                kind: labels.kind(),
                images: images.size(),
            });
        }
        let label_bounds = (labels.min().int64_value(&[]), labels.max().int64_value(&[]));
        Ok(Self {
            place,
            images,
            labels,
            label_bounds,
        })
    }

    pub(crate) fn n_images(&self) -> i64 {
        self.labels.size()[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn refused(batches: Vec<(Tensor, Tensor)>) -> String {
        Probe::new(batches).unwrap_err().to_string()
    }

    #[test]
    fn pieces_are_images_with_labels() {
        let images = || Tensor::zeros([2, 3], (Kind::Float, Device::Cpu));
        let labels = |values: &[i64]| Tensor::from_slice(values);
        let probe = Probe::new([(images(), labels(&[4, 1])), (images(), labels(&[0, 2]))]).unwrap();
        assert_eq!((probe.n_images(), probe.examples().count()), (4, 4));
        assert_eq!(probe.batches()[0].label_bounds, (1, 4));
        assert_eq!(refused(vec![]), "a probe needs at least one image");
        assert_eq!(
            refused(vec![(images(), labels(&[0, 1])), (images(), labels(&[1]))]),
            "batch 1 has labels of shape [1] and kind Int64 for images of shape [2, 3]"
        );
        assert_eq!(
            refused(vec![(images(), labels(&[1, 2]).to_kind(Kind::Int))]),
            "batch 0 has labels of shape [2] and kind Int for images of shape [2, 3]"
        );
        let none = Tensor::zeros([0, 3], (Kind::Float, Device::Cpu));
        assert_eq!(
            refused(vec![(none, Tensor::zeros([0], (Kind::Int64, Device::Cpu)))]),
            "batch 0 has labels of shape [0] and kind Int64 for images of shape [0, 3]"
        );
    }
}
