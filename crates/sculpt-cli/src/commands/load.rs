//! `sculpt bench load`: pictures a second, as training asks for them.

use crate::commands::pictures::{
    Decoding, PictureData, or_leave_out, tell_of_left_out, warn_if_slow, whose_classes,
};
use crate::printing;
use clap::{Args, value_parser};
use sculpt_experiments::counted;
use sculpt_pictures::{Loader, Loading, Lying, Part, Seed, Sequence, Transform};
use serde::Serialize;
use std::time::{Duration, Instant};

/// Every crop follows from it.
const SEED: Seed = Seed(1);

/// Rows and columns of what a network is trained on.
const SIDE: u32 = 224;

/// Epochs that take longer are told of.
const SAID_AFTER: Duration = Duration::from_secs(5);

/// How far a long epoch is.
const SAY_EVERY: Duration = Duration::from_secs(15);

/// Batches that are made ahead.
const BUFFERS: usize = 2;

/// Epochs are read one after the other, each in its own order with its own crops; the first warms up and is not timed. The
/// operating system keeps files that it has read: on a set that fits into memory this is the speed of decoding.
#[derive(Args)]
pub(crate) struct Words {
    /// imagenet:DIR: folders, tar files, or a pack
    #[arg(long, value_name = "DATA")]
    data: PictureData,
    /// Pictures a batch
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = value_parser!(u32).range(1..=8192))]
    batch: u32,
    /// Epochs timed, after one that is not
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u32).range(1..=1000))]
    epochs: u32,
    #[command(flatten)]
    decoding: Decoding,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    images_per_second: f64,
    /// Of each timed epoch.
    seconds: Vec<f64>,
    pictures: usize,
    batch: u32,
    workers: usize,
    source: &'static str,
    classes: String,
    /// Whether JPEG is decoded by the half that is written in assembler.
    decodes_fast: bool,
    /// Most memory that this process had.
    peak_bytes: Option<u64>,
    left_out: Vec<String>,
}

pub(crate) fn run(words: &Words) -> anyhow::Result<()> {
    warn_if_slow();
    let source = match Lying::of(&words.data.0)? {
        Lying::Packed => "pack",
        Lying::Folders => "folders",
        Lying::Tars => "tar files",
    };
    let pictures = words.data.open(Part::Train)?;
    let workers = words.decoding.threads();
    let loading = Loading {
        transform: Transform::ResizedCropFlip {
            side: SIDE,
            seed: SEED,
        },
        sequence: Sequence::Shuffled(SEED),
        batch: (words.batch as usize).min(pictures.len()),
        drop_last: false,
        workers,
        most_left_out: words.decoding.leave_out as usize,
    };
    let (n, classes) = (pictures.len(), whose_classes(&*pictures));
    let loader = Loader::new(pictures, loading)?;
    let (mut seconds, mut n_timed) = (Vec::new(), 0);
    let mut buffers = vec![vec![0u8; loader.n_bytes()]; BUFFERS];
    for epoch in 0..=u64::from(words.epochs) {
        let begun = Instant::now();
        let mut reading = loader.read(epoch, 0, buffers)?;
        let mut n_read = 0;
        let mut said = begun;
        while let Some(batch) = reading
            .next_batch()
            .map_err(|error| or_leave_out(error, &words.data))?
        {
            n_read += batch.labels().len();
            if said.elapsed() > SAY_EVERY {
                said = Instant::now();
                printing::note(&format!(
                    "epoch {} of {}: {n_read} of {n} pictures",
                    epoch + 1,
                    words.epochs + 1
                ));
            }
        }
        buffers = reading.into_buffers();
        if begun.elapsed() > SAID_AFTER {
            printing::note(&format!(
                "epoch {} of {}: {n_read} pictures in {:.0} s",
                epoch + 1,
                words.epochs + 1,
                begun.elapsed().as_secs_f64()
            ));
        }
        if epoch > 0 {
            seconds.push(begun.elapsed().as_secs_f64());
            n_timed += n_read;
        }
    }
    let report = Report {
        images_per_second: n_timed as f64 / seconds.iter().sum::<f64>(),
        seconds,
        pictures: n,
        batch: words.batch,
        workers,
        source,
        classes,
        decodes_fast: sculpt_pictures::decodes_fast(),
        peak_bytes: peak_bytes(),
        left_out: loader.left_out(),
    };
    if words.json {
        return printing::json(&report);
    }
    tell_of_left_out(&report.left_out);
    printing::line(&format!(
        "{:.0} images/s: {} ({source}, {}), {}, {}",
        report.images_per_second,
        counted(report.pictures, "picture"),
        report.classes,
        counted(words.epochs, "epoch"),
        counted(workers, "thread")
    ));
    Ok(())
}

/// As the kernel counts it; none where it does not.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
