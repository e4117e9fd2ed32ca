//! `sculpt schedule`: a learning-rate schedule as CSV.

use crate::printing;
use crate::words::{BadUsage, Global};
use clap::{Args, value_parser};
use sculpt_schedules::{Kind, Schedule};
use sculpt_store::atomic;
use serde::Serialize;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Words {
    #[arg(long, value_name = "KIND", help = Kind::names())]
    kind: Kind,
    /// Epochs of a cycle
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    epochs: u32,
    /// Steps of an epoch
    #[arg(long, value_name = "S", value_parser = value_parser!(u32).range(1..))]
    steps_per_epoch: u32,
    /// Cycles, each with the schedule from its beginning
    #[arg(long, value_name = "C", default_value_t = 1, value_parser = value_parser!(u32).range(1..))]
    cycles: u32,
    /// Peak learning rate
    #[arg(long, value_name = "LR", default_value_t = 0.1)]
    lr: f64,
    /// CSV with the columns step, epoch, cycle, lr
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print one JSON object: kind, rows, lr_max, lr_last
    #[arg(long)]
    json: bool,
}

/// Rows of a file: half a gigabyte of them.
const MOST_ROWS: u64 = 10_000_000;

#[derive(Serialize)]
struct Report {
    kind: Kind,
    rows: u64,
    lr_max: f64,
    lr_last: f64,
}

pub(crate) fn run(words: &Words, _global: &Global) -> anyhow::Result<()> {
    let schedule = Schedule::new(words.kind, words.lr, words.epochs, words.steps_per_epoch)
        .map_err(|error| BadUsage(format!("{error} (--lr, --epochs, --steps-per-epoch)")))?;
    let n_rows = u64::from(words.epochs) * u64::from(words.steps_per_epoch) * u64::from(words.cycles);
    if n_rows > MOST_ROWS {
        return Err(BadUsage(format!(
            "{} cycles of {} epochs of {} steps are {n_rows} rows, and no more than {MOST_ROWS} are written: the paper's \
             longest training has 196,000 steps (--cycles, --epochs, --steps-per-epoch)",
            words.cycles, words.epochs, words.steps_per_epoch
        ))
        .into());
    }
    let mut report = Report {
        kind: words.kind,
        rows: 0,
        lr_max: 0.0,
        lr_last: 0.0,
    };
    atomic::write_with(&words.out, |file| {
        let mut file = BufWriter::new(file);
        writeln!(file, "step,epoch,cycle,lr")?;
        for row in schedule.rows(words.cycles) {
            // `{}` of a float is the shortest text that reads back to it.
            writeln!(file, "{},{},{},{}", row.step, row.epoch, row.cycle, row.lr)?;
            report.rows += 1;
            report.lr_max = report.lr_max.max(row.lr);
            report.lr_last = row.lr;
        }
        file.flush()
    })?;
    if words.json {
        return printing::json(&report);
    }
    let (path, rows) = (words.out.display(), report.rows);
    printing::line(&format!(
        "{path}: {rows} steps of {}, rates up to {}, {} at the end",
        report.kind, report.lr_max, report.lr_last
    ));
    Ok(())
}
