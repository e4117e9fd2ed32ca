//! The script of an array of workers.

use super::Profile;
use crate::commands::pictures::PREFIX;
use crate::printing::quoted;
use anyhow::Context;
use sculpt_experiments::{DataFolder, Recipe, Store};
use sculpt_store::canonical::sha256_hex;
use sculpt_store::{atomic, paths};
use std::fs;
use std::path::{Path, PathBuf};

/// What a worker is started with.
pub(crate) struct Work<'a> {
    /// The suite of the store that it trains.
    pub(crate) suite: &'a str,
    /// What is missing of it.
    pub(crate) needed: &'a Recipe,
    pub(crate) store: &'a Store,
    pub(crate) data: &'a DataFolder,
    pub(crate) device: &'a str,
    /// Processes that train a node together.
    pub(crate) ranks: Option<u32>,
    /// Chains side by side in one job.
    pub(crate) pack: u32,
    /// libtorch threads of a node, at most.
    pub(crate) threads: u32,
    /// Those of every node, where they were told: workers that expand the suite anew have to be told too.
    pub(crate) threads_of_all: Option<u32>,
    /// Whether suites that are published or fetched here count.
    pub(crate) published: bool,
}

/// Tasks of one array, from 0.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Array {
    n: u32,
}

/// So many workers in arrays that the site takes.
fn arrays(n_workers: u32, largest: u32) -> Vec<Array> {
    let whole = n_workers / largest;
    let rest = n_workers % largest;
    let mut arrays = vec![Array { n: largest }; whole as usize];
    arrays.extend((rest > 0).then_some(Array { n: rest }));
    arrays
}

/// What the jobs of a suite's workers are called: by the suite and the store, so that whoever comes again finds them.
pub(crate) fn job_name(suite: &str, runs: &Path) -> String {
    let place = fs::canonicalize(runs).unwrap_or_else(|_| runs.to_owned());
    let of_both = sha256_hex(format!("{}\n{suite}", place.display()).as_bytes());
    // A comma would make two names of it for squeue, a percent sign something else for sbatch.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let suite: String = suite.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    format!("sculpt-{suite}-{}", &of_both[..8])
}

impl Work<'_> {
    /// The store's place, where that is no folder.
    fn location(&self) -> Option<String> {
        self.store.location().map(ToString::to_string)
    }

    /// Where the nodes stand, expanded once for all workers.
    fn list(&self) -> PathBuf {
        let runs = self.store.runs();
        paths::work_list(runs, &job_name(self.suite, runs))
    }

    /// Writes them there.
    pub(super) fn write_list(&self) -> anyhow::Result<()> {
        atomic::create_folder(&paths::slurm_folder(self.store.runs()))?;
        Ok(self.store.write_list(self.needed, &self.list())?)
    }

    /// The worker's words.
    fn words(&self) -> anyhow::Result<Vec<String>> {
        let whole = |path: &Path| {
            let path = fs::canonicalize(path).with_context(|| path.display().to_string())?;
            Ok::<_, anyhow::Error>(path.display().to_string())
        };
        let program = std::env::current_exe().context("this program does not know where it lies")?;
        let mut words = vec![
            program.display().to_string(),
            "work".to_owned(),
            format!("--suite={}", self.suite),
            format!(
                "--runs={}",
                self.location().map_or_else(|| whole(self.store.runs()), Ok)?
            ),
            format!("--jobs={}", self.pack),
            format!("--device={}", self.device),
            "--requeue".to_owned(),
        ];
        // The folder of a remote store is a cache that other machines do not see.
        if self.location().is_none() {
            words.push(format!("--nodes={}", whole(&self.list())?));
        }
        if let Some(ranks) = self.ranks {
            words.push(format!("--ranks={ranks}"));
        }
        if let Some(threads) = self.threads_of_all {
            words.push(format!("--threads={threads}"));
        }
        if let Some(folder) = &self.data.folder {
            words.push(format!("--data={}", whole(folder)?));
        }
        if let Some(pictures) = &self.data.pictures {
            // How many threads decode is each machine's own matter.
            words.push(format!("--data={PREFIX}{}", whole(pictures.folder())?));
            words.push(format!("--leave-out={}", pictures.decoding().most_left_out));
        }
        if let Some(name) = &self.data.name {
            words.push(format!("--data-name={name}"));
        }
        if !self.published {
            words.push("--no-published".to_owned());
        }
        Ok(words)
    }
}

/// Where the log of a task goes, as a line of `#SBATCH` wants a folder of any name.
fn log_pattern(folder: &Path, name: &str) -> String {
    let folder = folder.display().to_string();
    let folder = folder
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('%', "%%");
    format!("\"{folder}/{name}-%A_%a.log\"")
}

/// Writes the scripts of so many workers into a folder; their paths.
pub(crate) fn write_scripts(
    folder: &Path,
    work: &Work<'_>,
    profile: &Profile,
    n_workers: u32,
    largest: u32,
) -> anyhow::Result<Vec<PathBuf>> {
    let name = job_name(work.suite, work.store.runs());
    atomic::create_folder(&paths::slurm_folder(work.store.runs()))?;
    work.write_list()?;
    let mut written = Vec::new();
    let arrays = arrays(n_workers, largest);
    let throttle = profile.throttle(arrays.len() as u32)?;
    for (i, array) in (1..).zip(arrays) {
        let of_array = format!("{ARRAY}0-{}{throttle}", array.n - 1);
        let mut lines = work.script(profile)?;
        lines.insert(AFTER, of_array);
        let path = script_path(folder, &name, i);
        atomic::create_folder(folder)?;
        atomic::write(&path, format!("{}\n", lines.join("\n")).as_bytes())?;
        written.push(path);
    }
    Ok(written)
}

/// The line of an array, and how many lines stand before it.
const ARRAY: &str = "#SBATCH --array=";
const AFTER: usize = 3;

fn script_path(folder: &Path, name: &str, i: u32) -> PathBuf {
    folder.join(format!("{name}-{i}.sh"))
}

impl Work<'_> {
    /// Whether the workers that were submitted last from this store were started with the same words.
    pub(super) fn is_as_submitted(&self, profile: &Profile) -> anyhow::Result<bool> {
        let runs = self.store.runs();
        let path = script_path(&paths::slurm_folder(runs), &job_name(self.suite, runs), 1);
        let Ok(text) = fs::read_to_string(path) else {
            return Ok(true);
        };
        let there: Vec<_> = text.lines().filter(|line| !line.starts_with(ARRAY)).collect();
        Ok(self.script(profile)? == there)
    }

    /// The lines of a script but for its array's.
    fn script(&self, profile: &Profile) -> anyhow::Result<Vec<String>> {
        let name = job_name(self.suite, self.store.runs());
        let here = std::env::current_dir().context("there is no current folder")?;
        let logs = paths::slurm_folder(self.store.runs());
        let logs = fs::canonicalize(&logs).with_context(|| logs.display().to_string())?;
        let mut lines = vec![
            "#!/bin/bash".to_owned(),
            "# Generated by sculpt: workers that share a store. Each ends when nothing is left that it could do.".to_owned(),
            format!("#SBATCH --job-name={name}"),
            "#SBATCH --ntasks=1".to_owned(),
            format!(
                "#SBATCH --cpus-per-task={}",
                self.pack * self.threads * self.ranks.unwrap_or(1)
            ),
            "#SBATCH --requeue".to_owned(),
            "#SBATCH --open-mode=append".to_owned(),
            format!("#SBATCH --output={}", log_pattern(&logs, &name)),
        ];
        lines.extend(profile.sbatch());
        lines.push("set -e".to_owned());
        lines.push(format!("cd {}", quoted(&here.display().to_string())));
        if let Some(root) = std::env::var_os(crate::places::ROOT) {
            lines.push(format!(
                "export {}={}",
                crate::places::ROOT,
                quoted(&root.to_string_lossy())
            ));
        }
        lines.extend(profile.shell());
        let words: Vec<_> = self.words()?.iter().map(|word| quoted(word)).collect();
        // In the place of the shell, so that signals reach it once.
        lines.push(format!("exec {} {}", profile.container(), words.join(" ")).replace("exec  ", "exec "));
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 9,660 workers on a site whose arrays have at most 1,001 tasks.
    #[test]
    fn arrays_are_as_large_as_the_site_takes() {
        let sizes = |n, largest| {
            arrays(n, largest)
                .into_iter()
                .map(|array| array.n)
                .collect::<Vec<_>>()
        };
        assert_eq!(sizes(9660, 20_001), [9660]);
        assert_eq!(sizes(2003, 1001), [1001, 1001, 1]);
        assert_eq!(sizes(1001, 1001), [1001]);
        assert!(sizes(0, 10).is_empty());
    }

    #[test]
    fn names_and_logs_are_words_of_slurm() {
        let name = job_name("a,b%j", Path::new("runs"));
        assert!(
            name.starts_with("sculpt-a_b_j-") && !name.contains([',', '%']),
            "{name}"
        );
        assert_ne!(name, job_name("a_b_j", Path::new("runs")));
        assert_eq!(
            log_pattern(Path::new("/my \"runs\"/50%"), "x"),
            r#""/my \"runs\"/50%%/x-%A_%a.log""#
        );
    }

    #[test]
    fn words_are_quoted_as_a_shell_needs_it() {
        assert_eq!(quoted("--data-name=it's (JPEG)"), r"'--data-name=it'\''s (JPEG)'");
        assert_eq!(quoted("--runs=/a/b"), "--runs=/a/b");
    }
}
