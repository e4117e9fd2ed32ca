//! Batches: what is in them, in which order, and what is left when they are no longer wanted.

use crate::common::{folder, golden, pictures};
use sculpt_pictures::{
    Loader, Loading, Part, PictureError, Pictures, Seed, Sequence, Transform, Transformer, open, order,
};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tempfile::tempdir;

/// Threads are counted in one of these tests, so that no other may have any.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static GATE: Mutex<()> = Mutex::new(());
    GATE.lock().unwrap_or_else(PoisonError::into_inner)
}

const TRAINING: Transform = Transform::ResizedCropFlip {
    side: 24,
    seed: Seed(5),
};

fn loading(batch: usize, workers: usize) -> Loading {
    Loading {
        transform: TRAINING,
        sequence: Sequence::Shuffled(Seed(5)),
        batch,
        drop_last: false,
        workers,
        most_left_out: 0,
    }
}

fn loader(root: &Path, loading: Loading) -> Loader {
    Loader::new(open(root, Part::Train).unwrap(), loading).unwrap()
}

fn buffers(loader: &Loader, n: usize) -> Vec<Vec<u8>> {
    vec![vec![0; loader.n_bytes()]; n]
}

/// Step, labels and pixels of all batches of an epoch from `first` on.
fn epoch(loader: &Loader, epoch: u64, first: usize) -> Vec<(usize, Vec<u16>, Vec<u8>)> {
    let mut reading = loader.read(epoch, first, buffers(loader, 2)).unwrap();
    let mut all = Vec::new();
    while let Some(batch) = reading.next_batch().unwrap() {
        let n_bytes = batch.labels().len() * TRAINING.n_bytes();
        all.push((
            batch.step(),
            batch.labels().to_vec(),
            batch.buffer()[..n_bytes].to_vec(),
        ));
    }
    all
}

/// One picture after the other, on this thread.
fn slowly(pictures: &dyn Pictures, epoch: u64, batch: usize) -> Vec<(usize, Vec<u16>, Vec<u8>)> {
    let (mut transformer, mut bytes) = (Transformer::default(), Vec::new());
    let order = order(Seed(5), epoch, pictures.len());
    let mut one = |i: &u32| {
        let mut out = vec![0; TRAINING.n_bytes()];
        pictures.read(*i as usize, &mut bytes).unwrap();
        transformer.apply(&TRAINING, &bytes, epoch, *i, &mut out).unwrap();
        out
    };
    let batches = order.chunks(batch).enumerate().map(|(step, places)| {
        let labels = places.iter().map(|i| pictures.label(*i as usize)).collect();
        (step, labels, places.iter().flat_map(&mut one).collect())
    });
    batches.collect()
}

#[test]
fn batches_equal_a_plain_loop_however_many_work_on_them() {
    let _alone = alone();
    let dir = tempdir().unwrap();
    folder(dir.path(), 23);
    for workers in [1, 2, 5] {
        let loader = loader(dir.path(), loading(5, workers));
        assert_eq!(loader.steps_per_epoch(), 5);
        for number in [0, 7] {
            let expected = slowly(&**loader.pictures(), number, 5);
            assert!(
                epoch(&loader, number, 0) == expected,
                "{workers} workers, epoch {number}"
            );
            // As after a kill in the middle.
            assert!(
                epoch(&loader, number, 3) == expected[3..],
                "{workers} workers, epoch {number}"
            );
            assert!(epoch(&loader, number, 5).is_empty());
        }
    }
}

/// Order is that of examples in memory: `order---` and the epoch.
#[test]
fn every_picture_comes_once_an_epoch() {
    let _alone = alone();
    let dir = tempdir().unwrap();
    folder(dir.path(), 23);
    let labels = |loading| {
        let mut labels: Vec<u16> = epoch(&loader(dir.path(), loading), 2, 0)
            .into_iter()
            .flat_map(|b| b.1)
            .collect();
        labels.sort_unstable();
        labels
    };
    let all = labels(loading(5, 2));
    assert_eq!(all.iter().filter(|label| **label == 0).count(), 8);
    assert_eq!(all.len(), 23);
    let dropping = Loading {
        drop_last: true,
        ..loading(5, 2)
    };
    assert_eq!(labels(dropping).len(), 20);
    let sorted = Loading {
        sequence: Sequence::Sorted,
        ..loading(23, 2)
    };
    assert!(epoch(&loader(dir.path(), sorted), 1, 0)[0].1.is_sorted());
    let stream = &mut sculpt_random::Stream::new(Seed(5), sculpt_random::Purpose::new(b"order---"), 3);
    assert_eq!(order(Seed(5), 3, 23), stream.permutation(23));
}

#[test]
fn impossible_batches_are_refused() {
    let dir = tempdir().unwrap();
    folder(dir.path(), 5);
    let new = |batch, drop_last| {
        let loading = Loading {
            drop_last,
            ..loading(batch, 1)
        };
        Loader::new(open(dir.path(), Part::Train).unwrap(), loading)
    };
    assert_eq!(
        new(6, true).unwrap_err().to_string(),
        "batches of 6 cannot be made of 5 pictures (incomplete batches dropped: true)"
    );
    assert!(new(0, false).is_err());
    assert_eq!(new(6, false).unwrap().steps_per_epoch(), 1);
}

/// Names of this process's threads that decode.
fn threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let name = |task: std::io::Result<fs::DirEntry>| fs::read_to_string(task.unwrap().path().join("comm"));
    // One that ends meanwhile has no name.
    let names = tasks.filter_map(|task| name(task).ok());
    names.filter(|name| name.starts_with("picture")).count()
}

#[test]
fn an_early_end_leaves_no_thread_and_several_loaders_share_a_process() {
    let _alone = alone();
    let dir = tempdir().unwrap();
    folder(dir.path(), 40);
    let loader = loader(dir.path(), loading(8, 3));
    let expected = epoch(&loader, 0, 0);
    assert_eq!(threads(), 0);
    let mut first = loader.read(0, 0, buffers(&loader, 2)).unwrap();
    let mut second = loader.read(0, 0, buffers(&loader, 1)).unwrap();
    // A thread has its name a moment after it was started.
    let begun = Instant::now();
    while threads() < 2 * (3 + 1) {
        assert!(begun.elapsed() < Duration::from_secs(20), "{} threads", threads());
    }
    let held = first.next_batch().unwrap().unwrap();
    for (step, labels, _) in &expected {
        let batch = second.next_batch().unwrap().unwrap();
        assert_eq!((batch.step(), batch.labels()), (*step, &labels[..]));
    }
    assert!(second.next_batch().unwrap().is_none());
    let begun = Instant::now();
    drop(first);
    drop(second);
    assert_eq!(threads(), 0);
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(held.labels(), expected[0].1);
}

#[test]
fn a_reading_without_buffers_says_so() {
    let _alone = alone();
    let dir = tempdir().unwrap();
    folder(dir.path(), 9);
    let loader = loader(dir.path(), loading(2, 1));
    let mut reading = loader.read(0, 0, buffers(&loader, 1)).unwrap();
    let held = reading.next_batch().unwrap();
    let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| reading.next_batch().map(drop)));
    assert!(asked.is_err());
    drop(held);
    assert_eq!(reading.next_batch().unwrap().unwrap().step(), 1);
}

/// The buffers of one epoch serve the next, wherever it was left.
#[test]
fn buffers_come_back() {
    let _alone = alone();
    let dir = tempdir().unwrap();
    folder(dir.path(), 40);
    let loader = loader(dir.path(), loading(8, 2));
    let mut kept = buffers(&loader, 3);
    for n_read in [0, 1, 4, 6] {
        let mut reading = loader.read(0, 0, kept).unwrap();
        for _ in 0..n_read {
            drop(reading.next_batch().unwrap());
        }
        kept = reading.into_buffers();
        assert_eq!((kept.len(), threads()), (3, 0), "after {n_read}");
        assert!(kept.iter().all(|buffer| buffer.len() == loader.n_bytes()));
    }
}

/// A picture that nobody can read: an error that names it, or a place that the others close up.
#[test]
fn unreadable_pictures_are_named_or_left_out() {
    let _alone = alone();
    let dir = tempdir().unwrap();
    folder(dir.path(), 23);
    let clean = slowly(&*open(dir.path(), Part::Train).unwrap(), 1, 5);
    let places = order(Seed(5), 1, 23);
    let names: Vec<String> = pictures("train", 23)
        .into_iter()
        .map(|(class, name, _)| format!("{class}/{name}"))
        .collect();
    let path = dir.path().join("train").join(&names[places[6] as usize]);
    fs::write(&path, &golden("large.jpg")[..500]).unwrap();
    let run = |most_left_out| {
        let loading = Loading {
            most_left_out,
            ..loading(5, 2)
        };
        let loader = loader(dir.path(), loading);
        let mut reading = loader.read(1, 0, buffers(&loader, 2)).unwrap();
        let mut labels = Vec::new();
        loop {
            match reading.next_batch() {
                Ok(Some(batch)) => {
                    let n = batch.labels().len() * TRAINING.n_bytes();
                    labels.push((batch.labels().to_vec(), batch.buffer()[..n].to_vec()));
                }
                Ok(None) => return (Ok(labels), loader.left_out()),
                Err(error) => {
                    assert!(reading.next_batch().unwrap().is_none());
                    return (Err(error), loader.left_out());
                }
            }
        }
    };
    let refused = run(0).0.unwrap_err().to_string();
    assert!(
        refused.ends_with(": it ends before the picture does")
            && refused.contains(&names[places[6] as usize])
    );
    let (batches, left_out) = run(1);
    let mut expected: Vec<_> = clean
        .into_iter()
        .map(|(_, labels, pixels)| (labels, pixels))
        .collect();
    // The second of step 1.
    let (labels, pixels) = &mut expected[1];
    labels.remove(1);
    pixels.drain(TRAINING.n_bytes()..2 * TRAINING.n_bytes());
    assert!(batches.unwrap() == expected);
    assert_eq!(left_out, [refused]);
    // A second one is one too many.
    let path = dir.path().join("train").join(&names[places[20] as usize]);
    fs::write(&path, "").unwrap();
    let too_many = run(1).0.unwrap_err();
    assert!(matches!(&too_many, PictureError::TooManyUnreadable { names, most: 1 } if names.len() == 2));
}

/// A worker's panic is handed on to whoever waits.
#[test]
fn panics_of_workers_are_not_lost() {
    #[derive(Debug)]
    struct Broken(Arc<dyn Pictures>);
    impl Pictures for Broken {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn classes(&self) -> &sculpt_pictures::Classes {
            self.0.classes()
        }
        fn label(&self, i: usize) -> u16 {
            self.0.label(i)
        }
        fn name(&self, i: usize) -> Result<String, PictureError> {
            self.0.name(i)
        }
        fn n_bytes(&self, i: usize) -> Result<u64, PictureError> {
            self.0.n_bytes(i)
        }
        fn read(&self, _: usize, _: &mut Vec<u8>) -> Result<(), PictureError> {
            panic!("broken")
        }
    }
    let _alone = alone();
    let dir = tempdir().unwrap();
    folder(dir.path(), 9);
    let broken = Arc::new(Broken(open(dir.path(), Part::Train).unwrap()));
    let loader = Loader::new(broken, loading(2, 2)).unwrap();
    let mut reading = loader.read(0, 0, buffers(&loader, 1)).unwrap();
    let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| reading.next_batch().map(drop)));
    assert_eq!(asked.unwrap_err().downcast_ref::<&str>(), Some(&"broken"));
    drop(reading);
    assert_eq!(threads(), 0);
}
