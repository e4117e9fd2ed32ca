//! Images and labels that a user hands to a single command.

use crate::printing;
use anyhow::{Context, anyhow, bail};
use sculpt_checkpoints::{CheckpointError, read_tensors};
use sculpt_models::ModelSpec;
use std::path::Path;
use tch::{Device, Tensor};

/// Images at most in a batch of an evaluation.
const MAX_BATCH: usize = 500;

/// Pixels at most in any batch: 500 images of 64 × 64, or 40 of 224 × 224. Bounds memory, and of results statistics alone.
const MAX_BATCH_PIXELS: usize = MAX_BATCH * 64 * 64;

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
        self.in_batches(self.most().min(MAX_BATCH))
    }

    /// The same as one batch, of which statistics are; where that is too large, in as few as may be, of which the last may be a little smaller.
    pub(crate) fn of_statistics(&self) -> impl Iterator<Item = (Tensor, Tensor)> + '_ {
        self.in_batches(even(self.n, self.most()))
    }

    /// Images that a batch may have.
    fn most(&self) -> usize {
        let [_, height, width] = self.image;
        (MAX_BATCH_PIXELS / (height as usize * width as usize)).max(1)
    }

    fn in_batches(&self, size: usize) -> impl Iterator<Item = (Tensor, Tensor)> + '_ {
        (0..self.n).step_by(size).map(move |first| {
            let n = size.min(self.n - first) as i64;
            (
                self.images.narrow(0, first as i64, n),
                self.labels.narrow(0, first as i64, n),
            )
        })
    }
}

/// The size of as few equal batches of `n` images as hold at most so many each.
fn even(n: usize, most: usize) -> usize {
    n.div_ceil(n.div_ceil(most))
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
    use super::even;

    #[test]
    fn batches_of_statistics_are_few_and_nearly_equal() {
        for (n, most, expected) in [
            (1, 40, 1),
            (40, 40, 40),
            (41, 40, 21),
            (81, 40, 27),
            (2001, 2000, 1001),
        ] {
            assert_eq!(even(n, most), expected, "{n} at most {most} each");
        }
    }
}
