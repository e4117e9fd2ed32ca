//! `sculpt data`: published data sets, fetched with checksum; `pack.rs` packs pictures, `data_probe.rs` hands images to single commands.

use crate::commands::{data_probe, pack};
use crate::words::{BadUsage, Global};
use crate::{places, printing};
use anyhow::{Context, bail};
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use sculpt_datasets::{ALL, DataSpec};
use sculpt_downloads::{DownloadError, Limits, get};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(crate) struct Words {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Fetch a data set and check it against its published SHA-256
    Get(Get),
    /// Put pictures into few large files, at the size that training reads; goes on where it was stopped
    Pack(pack::Words),
    /// Write images and labels as `eval`, `hessian`, `mask` and `connect` take them: a probe
    Probe(data_probe::Words),
}

#[derive(Args)]
struct Get {
    /// Which one; each has less than 200 MB
    #[arg(value_parser = PossibleValuesParser::new(ALL.into_iter().filter_map(DataSpec::word)))]
    archive: String,
    /// Folder of the data sets [default: data, beside runs and reports]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Another address of the same archive
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Let the address be one of plain http: anybody on the way sees what is fetched, and the checksum still decides
    #[arg(long)]
    plain_http: bool,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    match &words.what {
        What::Get(get) => run_get(get, global),
        What::Pack(words) => pack::run(words),
        What::Probe(words) => data_probe::run(words, global),
    }
}

fn run_get(words: &Get, global: &Global) -> anyhow::Result<()> {
    let spec = ALL
        .into_iter()
        .find(|spec| spec.word() == Some(words.archive.as_str()))
        .context("the words are the registry's")?;
    let archive = spec.archive().context("what has a word has an archive")?;
    let dest = words.data.clone().unwrap_or_else(places::data);
    if global.offline && !is_here(spec, archive.file_name(), &dest) {
        bail!(
            "--offline: {} is not here; put {} at {} by hand",
            spec.title,
            words.url.as_deref().unwrap_or(&archive.url),
            dest.join(archive.file_name()).display()
        );
    }
    let mut bar = Bar::new(spec.title);
    let limits = Limits {
        plain_http: words.plain_http,
        ..Limits::USUAL
    };
    let folder = get(&archive, &dest, words.url.as_deref(), limits, &mut |here, all| {
        bar.show(here, all)
    });
    bar.end();
    let folder = folder.map_err(usage)?;
    printing::line(&format!(
        "{} in {}: checksums agree",
        spec.title,
        folder.display()
    ));
    Ok(())
}

/// Plain http is the user's to allow.
fn usage(error: DownloadError) -> anyhow::Error {
    if matches!(error, DownloadError::Scheme { .. }) {
        return BadUsage(format!("{error}, with --plain-http")).into();
    }
    error.into()
}

/// Whether nothing need be fetched: the files are there, or the archive was put there by hand.
fn is_here(spec: &DataSpec, archive: &str, dest: &Path) -> bool {
    spec.found_in(dest).is_ok_and(|found| found.is_original()) || dest.join(archive).is_file()
}

/// A bar on a terminal, a line at every tenth otherwise.
pub(super) struct Bar {
    bar: Option<ProgressBar>,
    title: String,
    tenths: u64,
}

impl Bar {
    pub(super) fn new(title: impl Into<String>) -> Self {
        Self {
            bar: None,
            title: title.into(),
            tenths: 0,
        }
    }

    pub(super) fn show(&mut self, here: u64, all: u64) {
        if std::io::stderr().is_terminal() {
            let title = self.title.clone();
            let bar = self.bar.get_or_insert_with(|| {
                let style = "{prefix} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left";
                let style =
                    ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
                ProgressBar::new(all).with_style(style).with_prefix(title)
            });
            bar.set_position(here);
        } else if all > 0 && here * 10 / all > self.tenths {
            self.tenths = here * 10 / all;
            printing::note(&format!("{}: {here} of {all} bytes", self.title));
        }
    }

    pub(super) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
