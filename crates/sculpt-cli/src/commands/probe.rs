//! Images and labels that a user hands to a single command.

use crate::printing;
use anyhow::{Context, anyhow, bail};
use sculpt_checkpoints::{CheckpointError, read_tensors};
use sculpt_models::ModelSpec;
use sculpt_trainers::share;
use std::ops::Range;
use std::path::Path;
use tch::{Device, Tensor};

/// Images at most in a batch of an evaluation.
const MAX_BATCH: usize = 500;

/// Pixels at most in such a batch: 500 images of 64 × 64, or 40 of 224 × 224. Bounds memory, not results.
const MAX_BATCH_PIXELS: usize = MAX_BATCH * 64 * 64;

/// Bytes at most that all layers put out for a batch of which statistics are, few of them at a time: 5,349 images of 32 × 32 through a
/// ResNet-20, 96 of 224 × 224 through a ResNet-50. Of this machine's memory they do not depend.
const STATISTICS_BYTES: u64 = 4 << 30;

/// No usual mean and deviation of a data set takes a pixel so far: raw bytes go up to 255.
const MOST_NORMALISED: f32 = 20.0;

/// A checked probe (design §3): normalised images, and labels of the network's classes.
#[derive(Debug)]
pub(crate) struct Probe {
    images: Tensor,
    labels: Tensor,
    n: usize,
    image: [u32; 3],
}

impl Probe {
    /// Reads `images` F32 `[n, channels, h, w]`, which the model takes, and `labels` `[n]` of any integer type, each one of its classes, and
    /// nothing else.
    pub(crate) fn read(path: &Path, model: &ModelSpec, device: Device) -> anyhow::Result<Self> {
        let (name, classes) = (path.display(), model.classes());
        let ((shape, images), (labels_shape, labels)) = read(path)?;
        // One of ours takes any rows and columns, and says itself which are too few.
        let expected = model.usual_image()[0];
        let image = match shape[..] {
            [n, channels, height, width] if channels == expected as usize => Some((n, height, width)),
            _ => None,
        };
        let Some((n, height, width)) = image else {
            bail!("{name}: tensor images has shape {shape:?}, expected [n, {expected}, height, width]");
        };
        let image = [expected, height as u32, width as u32];
        if images.is_empty() {
            bail!(
                "{name}: tensor images has shape {shape:?}, a probe needs at least one image and one pixel"
            );
        }
        model
            .check_image(image)
            .with_context(|| format!("{name}: tensor images has shape {shape:?}"))?;
        if labels_shape != [n] {
            bail!("{name}: tensor labels has shape {labels_shape:?}, expected [{n}], one for each image");
        }
        if let Some(i) = labels
            .iter()
            .position(|label| !(0..i64::from(classes)).contains(label))
        {
            let (label, last) = (labels[i], classes - 1);
            let advice = match (model.network_sha256(), label == i64::from(classes)) {
                (Some(_), true) => "; they count from 0",
                (Some(_), false) => ": the network was exported so",
                (None, true) => "; --classes sets their number, and they count from 0",
                (None, false) => "; --classes sets their number",
            };
            bail!(
                "{name}: tensor labels holds {label} at index {i}, the model's classes are 0 to {last}{advice}"
            );
        }
        let largest = images.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        if largest > MOST_NORMALISED {
            printing::warning(&format!(
                "{name}: images go up to {largest}, and networks are trained on normalised ones, whose pixels hardly leave -3 to 3"
            ));
        }
        let sizes: Vec<i64> = shape.iter().map(|&dim| dim as i64).collect();
        Ok(Self {
            images: Tensor::from_slice(&images).view(&sizes[..]).to_device(device),
            labels: Tensor::from_slice(&labels).to_device(device),
            image,
            n,
        })
    }

    /// All images, f32 `[n, 3, h, w]`, and all labels, i64 `[n]`.
    pub(crate) fn whole(&self) -> (&Tensor, &Tensor) {
        (&self.images, &self.labels)
    }

    /// Number of images, at least 1.
    pub(crate) fn len(&self) -> usize {
        self.n
    }

    /// Channels, rows and columns of an image.
    pub(crate) fn image(&self) -> [u32; 3] {
        self.image
    }

    /// All images and labels in order, in batches that fit into memory.
    pub(crate) fn batches(&self) -> impl Iterator<Item = (Tensor, Tensor)> + '_ {
        let [_, height, width] = self.image;
        let size = (MAX_BATCH_PIXELS / (height as usize * width as usize)).clamp(1, MAX_BATCH);
        (0..self.n)
            .step_by(size)
            .map(move |first| self.batch(first..self.n.min(first + size)))
    }

    /// In how many batches statistics of all images are estimated: in one, as far as [`STATISTICS_BYTES`] allow.
    ///
    /// # Errors
    /// Images that the network is too deep for.
    pub(crate) fn n_of_statistics(&self, model: &ModelSpec) -> anyhow::Result<usize> {
        let bytes_of_one = 4 * model.activations(self.image)?.max(1);
        let most = (STATISTICS_BYTES / bytes_of_one).max(1);
        Ok(self.n.div_ceil(most as usize))
    }

    /// The same in so many batches, which differ by an image at most.
    pub(crate) fn in_equal(&self, n_batches: usize) -> impl Iterator<Item = (Tensor, Tensor)> + '_ {
        (0..n_batches).map(move |i| self.batch(share(self.n, i..i + 1, n_batches)))
    }

    fn batch(&self, images: Range<usize>) -> (Tensor, Tensor) {
        let (first, n) = (images.start as i64, images.len() as i64);
        (self.images.narrow(0, first, n), self.labels.narrow(0, first, n))
    }
}

/// A tensor's shape, and its values.
type Shaped<T> = (Vec<usize>, Vec<T>);

/// Shape and values of `images`, and of `labels`; nothing else may be there.
fn read(path: &Path) -> anyhow::Result<(Shaped<f32>, Shaped<i64>)> {
    let taken = || {
        let mut tensors = read_tensors(path)?;
        let images = tensors.take_f32("images")?;
        let labels = tensors.take_integers("labels")?;
        tensors.finish()?;
        Ok((images, labels))
    };
    taken().map_err(|error: CheckpointError| {
        // What is said of checkpoints (save its state_dict) is no advice about images.
        let text = error.to_string();
        let what = text.split("; save").next().unwrap_or(&text);
        anyhow!(
            "{what}; a probe is what torch.save({{\"images\": images, \"labels\": labels}}, FILE) writes, float32 [n, channels, height, \
             width] and integers [n]"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    /// No batch is much smaller than another, since each counts the same.
    #[test]
    fn batches_of_statistics_are_few_and_equal() {
        let (n, side) = (1641, 8);
        let cpu = |kind| (kind, Device::Cpu);
        let probe = Probe {
            images: Tensor::zeros([n, 3, side, side], cpu(Kind::Float)),
            labels: Tensor::zeros([n], cpu(Kind::Int64)),
            n: n as usize,
            image: [3, side as u32, side as u32],
        };
        let sizes = |n_batches| -> Vec<i64> {
            let batches = probe.in_equal(n_batches);
            batches.map(|(images, _)| images.size()[0]).collect()
        };
        assert_eq!(sizes(1), [n]);
        assert_eq!(sizes(42).iter().sum::<i64>(), n);
        assert!(sizes(42).iter().all(|size| (39..=40).contains(size)));
        let model = |width| ModelSpec::named("resnet20", 10, Some(width), None).unwrap();
        assert_eq!(probe.n_of_statistics(&model(16)).unwrap(), 1);
        // Layers of 1,024 channels and more put out 802,826 numbers for an image: 4 GiB hold those of 1,337.
        assert_eq!(probe.n_of_statistics(&model(1024)).unwrap(), 2);
    }
}
