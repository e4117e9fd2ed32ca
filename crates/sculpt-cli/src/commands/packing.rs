//! `sculpt bench pack`: how near packing comes to what decoding and encoding alone allow.

use crate::commands::pack::quality;
use crate::commands::pictures::{Decoding, PictureData, warn_if_slow};
use crate::printing;
use anyhow::Context;
use clap::{Args, value_parser};
use sculpt_pictures::{Codec, PackParameters, Packing, Quality, ShortSide, pack};
use serde::Serialize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

/// Packs the pictures into a folder that goes again, and makes the same records without keeping them, alternating; the first round of
/// each warms up and is not timed.
#[derive(Args)]
pub(crate) struct Words {
    /// imagenet:DIR: folders or tar files
    #[arg(long, value_name = "DATA")]
    data: PictureData,
    /// Folder in which the packs are made
    #[arg(long, value_name = "DIR", default_value = ".")]
    at: PathBuf,
    /// Shorter side that larger pictures are resized to: 256, 400, 500, ..., or full
    #[arg(long, value_name = "N", default_value = "256")]
    side: ShortSide,
    /// jpeg or raw
    #[arg(long, value_name = "C", default_value = "jpeg")]
    codec: Codec,
    /// Quality of JPEG, 1 to 100
    #[arg(long, value_name = "N", default_value = "90", value_parser = quality)]
    quality: Quality,
    /// Rounds timed, after one that is not
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u32).range(1..=1000))]
    rounds: u32,
    #[command(flatten)]
    decoding: Decoding,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    /// Packed a second.
    pictures_per_second: f64,
    /// Decoded, resized and encoded a second.
    limit_per_second: f64,
    /// The first over the second.
    of_limit: f64,
    pictures: usize,
    /// Of each timed round: packed; made alone.
    seconds: Vec<[f64; 2]>,
    decodes_fast: bool,
}

pub(crate) fn run(words: &Words) -> anyhow::Result<()> {
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
    let (mut seconds, mut n) = (Vec::new(), 0);
    for round in 0..=words.rounds {
        let at = words.at.display();
        let folder = tempfile::tempdir_in(&words.at).with_context(|| format!("{at} takes no folder"))?;
        printing::note(&match round {
            0 => format!("round 0 of {}, which is not timed ...", words.rounds),
            round => format!("round {round} of {} ...", words.rounds),
        });
        let begun = Instant::now();
        let go_on = &mut |_: &_| ControlFlow::Continue(());
        let made = pack::pack(&words.data.0, &folder.path().join("pack"), packing, go_on)?;
        let packed = begun.elapsed().as_secs_f64();
        n = made.n_pictures()? + made.left_out().len();
        let begun = Instant::now();
        pack::make_and_forget(&words.data.0, packing)?;
        let alone = begun.elapsed().as_secs_f64();
        if round > 0 {
            seconds.push([packed, alone]);
        }
    }
    let speed = |i: usize| {
        let sum: f64 = seconds.iter().map(|round| round[i]).sum();
        (seconds.len() * n) as f64 / sum
    };
    let report = Report {
        pictures_per_second: speed(0),
        limit_per_second: speed(1),
        of_limit: speed(0) / speed(1),
        pictures: n,
        decodes_fast: sculpt_pictures::decodes_fast(),
        seconds,
    };
    if words.json {
        return printing::json(&report);
    }
    printing::line(&format!(
        "{:.0} pictures/s packed, {:.0} decoded and encoded alone: {:.2} of it",
        report.pictures_per_second, report.limit_per_second, report.of_limit
    ));
    Ok(())
}
