//! Pictures that a user names as data: `imagenet:DIR`.

use crate::display::{LINE_EVERY, duration, seconds_to_go};
use crate::printing;
use anyhow::anyhow;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use sculpt_pictures::{ClassList, Part, PictureError, Pictures, open};
use std::io::IsTerminal;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

/// What stands before the folder of pictures.
pub(crate) const PREFIX: &str = "imagenet:";

/// `imagenet:DIR`.
#[derive(Clone, Debug)]
pub(crate) struct PictureData(pub(crate) PathBuf);

impl FromStr for PictureData {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let folder = word.strip_prefix(PREFIX).filter(|folder| !folder.is_empty());
        folder.map(|folder| Self(folder.into())).ok_or_else(|| {
            format!(
                "{word} names no pictures: imagenet:DIR, where DIR has train/CLASS/ and val/CLASS/, the tar files of ILSVRC 2012, \
                 or a pack (`data pack`); of other data `data probe` writes a probe"
            )
        })
    }
}

impl PictureData {
    /// One half of them.
    pub(crate) fn open(&self, part: Part) -> anyhow::Result<Arc<dyn Pictures>> {
        Ok(open(&self.0, part)?)
    }
}

/// How many threads decode, and what becomes of pictures that nobody can read.
#[derive(Args, Clone, Copy)]
pub(crate) struct Decoding {
    /// Threads that decode pictures, for each job [default: the machine's, shared among the jobs on it]
    #[arg(long, value_name = "N", value_parser = decoders)]
    decoders: Option<u32>,
    /// Pictures that nobody can read may be left out, up to this many
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) leave_out: u32,
}

/// More threads than this only wait for each other.
const MOST_DECODERS: u32 = 256;

fn decoders(word: &str) -> Result<u32, String> {
    let n = word.parse::<NonZeroU32>().ok().map(NonZeroU32::get);
    n.filter(|n| *n <= MOST_DECODERS)
        .ok_or_else(|| format!("{word} is no number of threads, 1 to {MOST_DECODERS}"))
}

impl Decoding {
    /// Threads that decode for one job of one.
    pub(crate) fn threads(self) -> usize {
        self.of_jobs(1).threads
    }

    /// For each of so many jobs side by side.
    pub(crate) fn of_jobs(self, n_jobs: u32) -> sculpt_datasets::Decoding {
        let machine = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let shared = || (machine() / n_jobs.max(1) as usize).max(1);
        sculpt_datasets::Decoding {
            threads: self.decoders.map_or_else(shared, |n| n as usize),
            most_left_out: self.leave_out as usize,
        }
    }
}

/// What may be done about a picture that cannot be read.
pub(crate) fn or_leave_out(error: PictureError, source: &PictureData) -> anyhow::Error {
    let is_one = matches!(error, PictureError::Unreadable { .. });
    let error = anyhow::Error::from(error);
    if !is_one {
        return error;
    }
    anyhow!(
        "in {}: {error:#}; --leave-out N goes on without up to N such pictures",
        source.0.display()
    )
}

/// What was left out, on stderr.
pub(crate) fn tell_of_left_out(names: &[String]) {
    for name in names {
        printing::warning(&format!("left out: {name}"));
    }
}

/// Says so once where JPEG is decoded more slowly than it could be.
pub(crate) fn warn_if_slow() {
    if !sculpt_pictures::decodes_fast() {
        printing::warning(
            "JPEG is decoded without its assembler, at about two thirds of the speed: install nasm and build sculpt anew \
             (cargo clean --release -p mozjpeg-sys)",
        );
    }
}

/// Whose classes they are, in words.
pub(crate) fn whose_classes(pictures: &dyn Pictures) -> String {
    let classes = pictures.classes();
    match classes.list() {
        ClassList::ImageNet => "the 1,000 classes of ILSVRC 2012".to_owned(),
        ClassList::WordNet => format!("{} classes with names of ImageNet's kind", classes.names().len()),
        ClassList::Own => format!("{} classes", classes.names().len()),
    }
}

/// How many of so many pictures: a bar on a terminal, a line every quarter of a minute otherwise.
pub(crate) struct Counter {
    title: &'static str,
    n: usize,
    bar: Option<ProgressBar>,
    begun: Instant,
    last_line: Instant,
}

impl Counter {
    pub(crate) fn new(title: &'static str, n: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} pictures, {msg}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(n as u64).with_style(style).with_prefix(title)
        });
        Self {
            title,
            n,
            bar,
            begun: Instant::now(),
            last_line: Instant::now(),
        }
    }

    /// `done` of them are done with, of which `found` took no time.
    pub(crate) fn show(&mut self, done: usize, found: usize) {
        let gone = self.begun.elapsed().as_secs_f64();
        let made = (done - found) as f64;
        let left = seconds_to_go(gone, made, (self.n - found) as f64);
        let to_go = left.map_or_else(String::new, |left| format!(", about {} to go", duration(left)));
        let said = format!("{:.0}/s{to_go}", made / gone.max(1e-9));
        if let Some(bar) = &self.bar {
            bar.set_position(done as u64);
            bar.set_message(said);
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            printing::note(&format!("{}: {done} of {} pictures, {said}", self.title, self.n));
        }
    }

    pub(crate) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// At most so many of them, spread evenly.
pub(crate) fn first_of(pictures: Arc<dyn Pictures>, limit: Option<NonZeroU32>) -> Arc<dyn Pictures> {
    match limit.map(|limit| limit.get() as usize) {
        Some(limit) if limit < pictures.len() => Arc::new(sculpt_pictures::Subset::spread(pictures, limit)),
        Some(_) | None => pictures,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_named_by_their_folder() {
        assert_eq!(
            "imagenet:a/b:c".parse::<PictureData>().unwrap().0,
            PathBuf::from("a/b:c")
        );
        for word in ["imagenet:", "imagenet", "a/b", "cifar10:a"] {
            assert!(
                word.parse::<PictureData>()
                    .unwrap_err()
                    .contains("names no pictures")
            );
        }
    }
}
