//! `sculpt data pack`: pictures into few large files.

use crate::commands::pictures::{Counter, Decoding, tell_of_left_out, warn_if_slow};
use crate::printing;
use crate::signals::Stop;
use clap::{Args, ValueEnum};
use sculpt_experiments::counted;
use sculpt_pictures::{Codec, PackParameters, Packing, Quality, ShortSide, pack};
use serde::Serialize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// The pack is a folder of shards of at most 2 GiB and an index, described byte by byte in the documentation of
/// sculpt-pictures. It is read as its source is, as imagenet:OUT. Killed or stopped, the same command goes on.
#[derive(Args)]
pub(crate) struct Words {
    /// What the pictures are
    kind: Kind,
    /// Folder with train/CLASS/ and val/CLASS/, or with the tar files of ILSVRC 2012
    #[arg(value_name = "DIR")]
    source: PathBuf,
    /// Folder of the pack
    out: PathBuf,
    /// Shorter side that larger pictures are resized to: 256, 400, 500, ..., or full
    #[arg(long, value_name = "N", default_value = "256")]
    side: ShortSide,
    /// jpeg, or raw: nine times the size of JPEG, and nothing to decode
    #[arg(long, value_name = "C", default_value = "jpeg")]
    codec: Codec,
    /// Quality of JPEG, 1 to 100
    #[arg(long, value_name = "N", default_value = "90", value_parser = quality)]
    quality: Quality,
    #[command(flatten)]
    decoding: Decoding,
    /// Print one JSON object: pictures, left_out, bytes, digest, source_digest, seconds
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Pictures in folders or tar files, as ImageNet's are
    #[value(name = "imagenet")]
    ImageNet,
}

pub(super) fn quality(word: &str) -> Result<Quality, String> {
    let number: u8 = word
        .parse()
        .map_err(|_| format!("{word} is no quality: 1 to 100"))?;
    Quality::try_from(number)
}

#[derive(Serialize)]
struct Report {
    pictures: usize,
    left_out: Vec<String>,
    bytes: u64,
    digest: String,
    source_digest: String,
    seconds: f64,
}

/// Training crops squares of 224 pixels, and evaluation makes the shorter side 256 before it does: less is enlarged.
fn warn_of_side(side: ShortSide) {
    if let ShortSide::Pixels(pixels) = side
        && pixels < 224
    {
        printing::warning(&format!(
            "--side {pixels}: ImageNet's networks see 224 × 224 pixels of pictures, and these are enlarged to that again"
        ));
    }
}

pub(crate) fn run(words: &Words) -> anyhow::Result<()> {
    // There is one kind.
    let Kind::ImageNet = words.kind;
    warn_if_slow();
    let packing = Packing {
        parameters: PackParameters {
            side: words.side,
            codec: words.codec,
            quality: words.quality,
        },
        workers: words.decoding.threads(),
        most_left_out: words.decoding.leave_out as usize,
        shard_bytes: pack::SHARD_BYTES,
    };
    warn_of_side(words.side);
    let (stop, begun) = (Stop::on_signals()?, Instant::now());
    let mut counter = None;
    let made = pack::pack(&words.source, &words.out, packing, &mut |progress| {
        let counter = counter.get_or_insert_with(|| Counter::new("packing", progress.n));
        counter.show(progress.done, progress.found);
        if stop.asked().load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    if let Some(counter) = counter {
        counter.end();
    }
    let made = made?;
    let line = |left: &sculpt_pictures::LeftOut| format!("{}: {}", left.name, left.because);
    let left_out: Vec<String> = made.left_out().iter().map(line).collect();
    let report = Report {
        pictures: made.n_pictures()?,
        bytes: made.n_bytes(),
        digest: made.digest().to_owned(),
        source_digest: made.source_digest().to_owned(),
        seconds: begun.elapsed().as_secs_f64(),
        left_out,
    };
    if words.json {
        return printing::json(&report);
    }
    tell_of_left_out(&report.left_out);
    printing::line(&format!(
        "{} in {}: {} bytes, digest {}",
        counted(report.pictures, "picture"),
        words.out.display(),
        report.bytes,
        report.digest
    ));
    Ok(())
}
