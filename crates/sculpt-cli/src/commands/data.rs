//! `sculpt data get`: published data sets, with checksum.

use crate::words::Global;
use crate::{places, printing};
use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use sculpt_datasets::{Archive, cifar10, cifar100, download};
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
}

#[derive(Args)]
struct Get {
    /// Which one
    archive: Name,
    /// Folder of the data sets [default: data, beside runs and reports]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Another address of the same archive
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Name {
    /// 170 MB
    Cifar10,
    /// 169 MB
    Cifar100,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    match &words.what {
        What::Get(get) => run_get(get, global),
    }
}

fn run_get(get: &Get, global: &Global) -> anyhow::Result<()> {
    let archive = match get.archive {
        Name::Cifar10 => Archive::Cifar10,
        Name::Cifar100 => Archive::Cifar100,
    };
    let dest = get.data.clone().unwrap_or_else(places::data);
    let url = get.url.as_deref().unwrap_or(archive.url());
    if global.offline && !is_here(archive, &dest) {
        let file = dest.join(archive_file(archive));
        bail!(
            "--offline: {} is not here; put {url} at {} by hand",
            archive.title(),
            file.display()
        );
    }
    let mut bar = Bar::new(archive.title());
    let folder = download(archive, &dest, get.url.as_deref(), &mut |here, all| {
        bar.show(here, all)
    });
    bar.end();
    let folder = folder?;
    printing::line(&format!(
        "{} in {}: checksums agree",
        archive.title(),
        folder.display()
    ));
    Ok(())
}

fn archive_file(archive: Archive) -> &'static str {
    let url = archive.url();
    url.rsplit('/').next().unwrap_or(url)
}

/// Whether nothing need be fetched: the files are there, or the archive was put there by hand.
fn is_here(archive: Archive, dest: &Path) -> bool {
    let read = match archive {
        Archive::Cifar10 => cifar10(dest, None),
        Archive::Cifar100 => cifar100(dest, None),
    };
    read.is_ok() || dest.join(archive_file(archive)).is_file()
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
