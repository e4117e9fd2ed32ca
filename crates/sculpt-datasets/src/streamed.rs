use crate::DatasetError;
use crate::staging::{Staging, to_device};
use sculpt_pictures::{Batch, Loader, Reading};
use sculpt_trainers::{BatchError, Batches, Part, share};
use std::cell::RefCell;
use std::ops::Range;
use tch::{Device, Tensor};

/// Batches of pictures that do not fit into memory, decoded by threads while the batch before is computed; each a pure
/// function of (epoch, step), as those of a [`Loader`](crate::Loader) of examples in memory are.
///
/// Asked for the steps of an epoch in order, and of the epochs after it, it reads ahead; asked for any other one, it begins
/// there.
#[derive(Debug)]
pub struct PictureBatches {
    loader: Loader,
    mean: Tensor,
    std: Tensor,
    device: Device,
    ahead: RefCell<Ahead>,
}

/// What is being read.
#[derive(Debug)]
enum Ahead {
    /// Nothing yet.
    Nothing,
    /// From here on.
    At(Place, Reading<Staging>),
}

/// What is made next.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    epoch: u64,
    step: usize,
    /// Which parts of how many of each batch.
    share: (Range<usize>, usize),
}

/// Batches that are made ahead: one is copied to the device, one is ready, one is made.
const BUFFERS: usize = 3;

impl PictureBatches {
    /// Batches on `device`, normalised by each channel's `mean` and `std`, in units of the full range.
    ///
    /// # Errors
    /// What libtorch refuses: no such device.
    pub fn new(loader: Loader, mean: [f64; 3], std: [f64; 3], device: Device) -> Result<Self, DatasetError> {
        let channels = |values: [f64; 3]| -> Result<Tensor, tch::TchError> {
            let values = values.map(|value| value as f32);
            Tensor::f_from_slice(&values)?
                .f_view([1, 3, 1, 1])?
                .f_to_device(device)
        };
        Ok(Self {
            mean: channels(mean)?,
            std: channels(std)?,
            loader,
            device,
            ahead: RefCell::new(Ahead::Nothing),
        })
    }

    /// The pictures.
    pub fn loader(&self) -> &Loader {
        &self.loader
    }

    /// Images f32 `[b, 3, side, side]`, normalised, channels last in memory, and labels i64 `[b]`. Where pictures are left
    /// out, `b` is smaller by as many, and may be 0.
    ///
    /// # Errors
    /// Pictures that cannot be read, where none more may be left out; what libtorch refuses.
    ///
    /// # Panics
    /// When `step` is not below the steps of an epoch.
    pub fn of(&self, epoch: u64, step: usize) -> Result<(Tensor, Tensor), DatasetError> {
        let share = (0..1, 1);
        self.at(Place { epoch, step, share })
    }

    fn at(&self, place: Place) -> Result<(Tensor, Tensor), DatasetError> {
        let steps = self.loader.steps_per_epoch();
        let Place { epoch, step, .. } = place;
        assert!(step < steps, "step {step} of an epoch of {steps}");
        let mut ahead = self.ahead.borrow_mut();
        let mut reading = match std::mem::replace(&mut *ahead, Ahead::Nothing) {
            Ahead::At(at, reading) if at == place => reading,
            Ahead::At(_, reading) => self.read(&place, reading.into_buffers())?,
            Ahead::Nothing => {
                let buffers = self.buffers()?;
                self.read(&place, buffers)?
            }
        };
        let batch = reading.next_batch()?;
        let batch = batch.expect("an epoch has a batch at each of its steps");
        let made = self.tensors(&batch)?;
        drop(batch);
        // The next epoch begins while the last step of this one is computed.
        let is_last = step + 1 == steps;
        let next = Place {
            epoch: epoch + u64::from(is_last),
            step: if is_last { 0 } else { step + 1 },
            share: place.share,
        };
        if is_last {
            reading = self.read(&next, reading.into_buffers())?;
        }
        *ahead = Ahead::At(next, reading);
        Ok(made)
    }

    fn buffers(&self) -> Result<Vec<Staging>, DatasetError> {
        let one = |_| Staging::new(self.loader.n_bytes(), self.device);
        Ok((0..BUFFERS).map(one).collect::<Result<_, _>>()?)
    }

    fn read(&self, place: &Place, buffers: Vec<Staging>) -> Result<Reading<Staging>, DatasetError> {
        let (parts, of) = place.share.clone();
        let own = move |n| share(n, parts.clone(), of);
        Ok(self.loader.read_some(place.epoch, place.step, buffers, own)?)
    }

    /// All batches of an epoch, from the first on, but those of which no picture can be read; nothing is read of the epoch
    /// after it. An epoch that would have none is an error.
    ///
    /// # Errors
    /// Threads that the operating system refuses.
    pub fn epoch(
        &self,
        epoch: u64,
    ) -> Result<impl Iterator<Item = Result<(Tensor, Tensor), DatasetError>> + '_, DatasetError> {
        let mut reading = Some(self.loader.read(epoch, 0, self.buffers()?)?);
        let mut is_empty = true;
        Ok(std::iter::from_fn(move || {
            loop {
                let made = match reading.as_mut()?.next_batch() {
                    Ok(Some(batch)) if batch.labels().is_empty() => continue,
                    Ok(Some(batch)) => self.tensors(&batch),
                    Ok(None) => {
                        reading = None;
                        return is_empty.then_some(Err(DatasetError::NothingReadable));
                    }
                    Err(error) => Err(error.into()),
                };
                is_empty = false;
                if made.is_err() {
                    reading = None;
                }
                return Some(made);
            }
        }))
    }

    /// Nothing is copied on the host: what threads decoded into is what the device reads.
    fn tensors(&self, batch: &Batch<Staging>) -> Result<(Tensor, Tensor), DatasetError> {
        let n = batch.labels().len() as i64;
        let side = self.loader.side() as i64;
        let images = batch.buffer().to_float(&[n, side, side, 3])?;
        let images = images.f_permute([0, 3, 1, 2])?;
        let images = ((images / 255.0) - &self.mean) / &self.std;
        let labels: Vec<i64> = batch.labels().iter().map(|label| i64::from(*label)).collect();
        Ok((images, to_device(&Tensor::f_from_slice(&labels)?, self.device)?))
    }
}

impl Batches for PictureBatches {
    fn steps_per_epoch(&self) -> usize {
        self.loader.steps_per_epoch()
    }

    /// As [`PictureBatches::of`]; a batch without a picture is an error, since a step has no loss then.
    fn batch(&self, epoch: u64, step: usize) -> Result<(Tensor, Tensor), BatchError> {
        let (images, labels) = self.of(epoch, step)?;
        if labels.numel() == 0 {
            let names = self.loader.left_out();
            return Err(DatasetError::EmptyBatch { epoch, step, names }.into());
        }
        Ok((images, labels))
    }

    /// No other pictures are decoded than those of the parts; where pictures may be left out, all are, since how many remain
    /// of the whole batch is known only then.
    fn part(&self, epoch: u64, step: usize, parts: Range<usize>, of: usize) -> Result<Part, BatchError> {
        if self.loader.may_leave_out() {
            let (images, labels) = Batches::batch(self, epoch, step)?;
            return Ok(Part::of_whole(&images, &labels, parts, of));
        }
        let share = (parts, of);
        let (images, labels) = self.at(Place { epoch, step, share })?;
        let n = self.loader.n_of_batch(step);
        Ok(Part { images, labels, n })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sculpt_pictures::{Loading, Seed, Sequence, Transform, open, order};
    use std::fs;

    /// `n` pictures of one colour, a class each: 40 i of red, in the form of packs.
    fn loader(folder: &std::path::Path, batch: usize, most_left_out: usize) -> Loader {
        for i in 0..6u8 {
            let class = folder.join(format!("train/{i}"));
            fs::create_dir_all(&class).unwrap();
            let mut bytes = b"SCULPT3B\x09\x00\x00\x00\x07\x00\x00\x00".to_vec();
            bytes.extend([40 * i, 51, 255].repeat(9 * 7));
            fs::write(class.join("x.jpg"), bytes).unwrap();
        }
        let seed = Seed(3);
        let loading = Loading {
            transform: Transform::ResizedCropFlip { side: 4, seed },
            sequence: Sequence::Shuffled(seed),
            batch,
            drop_last: false,
            workers: 2,
            most_left_out,
        };
        Loader::new(open(folder, sculpt_pictures::Part::Train).unwrap(), loading).unwrap()
    }

    /// Of one colour a crop is of that colour: (byte / 255 − ½) / ¼. Labels follow the order of the seed, in whichever order
    /// batches are asked for.
    #[test]
    fn batches_are_functions_of_epoch_and_step() {
        let folder = tempfile::tempdir().unwrap();
        let batches =
            PictureBatches::new(loader(folder.path(), 4, 0), [0.5; 3], [0.25; 3], Device::Cpu).unwrap();
        assert_eq!(batches.steps_per_epoch(), 2);
        for (epoch, step) in [(0, 0), (0, 1), (1, 0), (1, 0), (0, 1), (7, 1), (8, 0), (8, 1)] {
            let (images, labels) = Batches::batch(&batches, epoch, step).unwrap();
            let places = order(Seed(3), epoch, 6);
            let places = places.chunks(4).nth(step).unwrap();
            let expected: Vec<i64> = places.iter().map(|place| i64::from(*place)).collect();
            assert_eq!(Vec::<i64>::try_from(&labels).unwrap(), expected);
            assert_eq!(images.size(), [expected.len() as i64, 3, 4, 4]);
            assert_eq!(images.stride(), [48, 1, 12, 3]);
            for (i, label) in expected.iter().enumerate() {
                let colours = [40.0 * *label as f32, 51.0, 255.0];
                for (c, colour) in colours.into_iter().enumerate() {
                    let plane = images.select(0, i as i64).select(0, c as i64);
                    let values = Vec::<f32>::try_from(plane.reshape(-1)).unwrap();
                    let expected = (colour / 255.0 - 0.5) / 0.25;
                    assert!(
                        values.iter().all(|v| (v - expected).abs() < 1e-6),
                        "{values:?} {expected}"
                    );
                }
            }
        }
    }

    /// Each process decodes its own pictures, and all together have the batch; a change of parts begins anew.
    #[test]
    fn parts_of_a_batch_are_the_batch() {
        let folder = tempfile::tempdir().unwrap();
        for most_left_out in [0, 1] {
            let loader = loader(folder.path(), 4, most_left_out);
            let batches = PictureBatches::new(loader, [0.5; 3], [0.25; 3], Device::Cpu).unwrap();
            for (step, of) in [(0, 1), (0, 2), (1, 3), (1, 2)] {
                let (images, labels) = Batches::batch(&batches, 5, step).unwrap();
                let parts: Vec<_> = (0..of)
                    .map(|i| batches.part(5, step, i..i + 1, of).unwrap())
                    .collect();
                let joined =
                    |part: fn(&Part) -> &Tensor| Tensor::cat(&parts.iter().map(part).collect::<Vec<_>>(), 0);
                assert_eq!(joined(|part| &part.images), images);
                assert_eq!(joined(|part| &part.labels), labels);
                assert!(parts.iter().all(|part| part.n as i64 == labels.size()[0]));
            }
        }
        // What another one has is not even read.
        let loader = loader(folder.path(), 6, 0);
        let unread = order(Seed(3), 0, 6)[5];
        fs::write(folder.path().join(format!("train/{unread}/x.jpg")), b"").unwrap();
        let batches = PictureBatches::new(loader, [0.5; 3], [0.25; 3], Device::Cpu).unwrap();
        assert_eq!(batches.part(0, 0, 0..1, 2).unwrap().labels.size(), [3]);
        assert!(batches.part(0, 0, 1..2, 2).is_err());
    }

    #[test]
    fn what_cannot_be_read_ends_training_or_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let batches = |most| {
            let loader = loader(folder.path(), 6, most);
            fs::write(folder.path().join("train/2/x.jpg"), b"").unwrap();
            PictureBatches::new(loader, [0.5; 3], [0.25; 3], Device::Cpu).unwrap()
        };
        let error = Batches::batch(&batches(0), 0, 0).unwrap_err().to_string();
        assert_eq!(error, "train/2/x.jpg: it is empty");
        let (images, labels) = batches(1).of(0, 0).unwrap();
        assert_eq!((images.size()[0], labels.size()[0]), (5, 5));
        assert!(!Vec::<i64>::try_from(&labels).unwrap().contains(&2));
        // A walk has what can be read; a step of training has at least one picture.
        let one_by_one = PictureBatches::new(loader(folder.path(), 1, 1), [0.5; 3], [0.25; 3], Device::Cpu);
        fs::write(folder.path().join("train/2/x.jpg"), b"").unwrap();
        let one_by_one = one_by_one.unwrap();
        let walked: Result<Vec<_>, _> = one_by_one.epoch(0).unwrap().collect();
        assert_eq!(walked.unwrap().len(), 5);
        let step = order(Seed(3), 0, 6).iter().position(|place| *place == 2).unwrap();
        let error = Batches::batch(&one_by_one, 0, step).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("batch {step} of epoch 0 has no picture that can be read: train/2/x.jpg: it is empty")
        );
    }

    #[test]
    fn a_set_without_a_readable_picture_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let loader = loader(folder.path(), 4, 6);
        for i in 0..6 {
            fs::write(folder.path().join(format!("train/{i}/x.jpg")), b"").unwrap();
        }
        let batches = PictureBatches::new(loader, [0.5; 3], [0.25; 3], Device::Cpu).unwrap();
        let walked: Result<Vec<_>, _> = batches.epoch(0).unwrap().collect();
        assert_eq!(
            walked.unwrap_err().to_string(),
            "none of the pictures can be read"
        );
    }
}
