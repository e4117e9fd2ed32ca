//! Many small pictures: an epoch begins at once, and memory does not grow with their number. 5,000 here;
//! `cargo xtask test --hard` (RUN_SLOW_TESTS) has 100,000, in less than 500 MB on the disk.

use crate::batches::alone;
use crate::common::golden;
use sculpt_pictures::{Loader, Loading, Part, Seed, Sequence, Transform, open};
use std::fs;
use std::time::{Duration, Instant};
use tempfile::tempdir;

const N_CLASSES: usize = 100;

/// Bytes of memory that this process has now.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = status.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[test]
fn an_epoch_of_many_begins_within_a_second_and_in_flat_memory() {
    let _alone = alone();
    let is_hard = std::env::var_os("RUN_SLOW_TESTS").is_some();
    let n = if is_hard { 100_000 } else { 5_000 };
    let dir = tempdir().unwrap();
    let bytes = golden("grey.jpg");
    for class in 0..N_CLASSES {
        let folder = dir.path().join(format!("train/n{class:08}"));
        fs::create_dir_all(&folder).unwrap();
        for i in 0..n / N_CLASSES {
            fs::write(folder.join(format!("n{class:08}_{i}.JPEG")), &bytes).unwrap();
        }
    }
    let before = resident();
    let loading = Loading {
        transform: Transform::ResizedCropFlip {
            side: 32,
            seed: Seed(1),
        },
        sequence: Sequence::Shuffled(Seed(1)),
        batch: 256,
        drop_last: true,
        workers: 2,
        most_left_out: 0,
    };
    let begun = Instant::now();
    let loader = Loader::new(open(dir.path(), Part::Train).unwrap(), loading).unwrap();
    let opened = begun.elapsed();
    let buffers = vec![vec![0u8; loader.n_bytes()]; 3];
    let begun = Instant::now();
    let mut reading = loader.read(0, 0, buffers).unwrap();
    drop(reading.next_batch().unwrap().unwrap());
    let first = begun.elapsed();
    let mut steps = 1;
    while let Some(batch) = reading.next_batch().unwrap() {
        assert_eq!(batch.step(), steps);
        steps += 1;
    }
    let grown = resident().saturating_sub(before);
    println!("{n} pictures: opened in {opened:?}, first batch in {first:?}, {grown} bytes");
    assert_eq!(steps, n / 256);
    assert!(opened < Duration::from_secs(1 + n as u64 / 50_000), "{opened:?}");
    assert!(first < Duration::from_secs(1), "{first:?}");
    // Three buffers of 0.8 MB, names and order of at most 40 bytes a picture, and the allocator's own ways.
    assert!(grown < (16 << 20) + 40 * n, "{grown}");
}
