//! What Slurm is asked.

use super::{ANSWERED_BY_THEN, ask, ask_within};
use anyhow::{Context, bail};
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

/// A worker in the queue.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Queued {
    /// Job and task, `12_3`.
    pub(crate) job: String,
    /// As Slurm calls it: `RUNNING`, `PENDING`, …
    pub(crate) state: String,
    /// Where it runs, or why it does not.
    pub(crate) place: String,
    /// For how long, as Slurm writes it.
    pub(crate) time: String,
}

impl Queued {
    /// Whether it waits for somebody to release it: what failed to start, and what a user or the site keeps back.
    pub(crate) fn is_held(&self) -> bool {
        self.state == "PENDING" && self.place.to_ascii_lowercase().contains("held")
    }

    /// Whether no machine of the site has what it asks for, as it asks: waiting does not help.
    pub(crate) fn never_starts(&self) -> bool {
        const REASONS: [&str; 9] = [
            "PartitionConfig",
            "PartitionNodeLimit",
            "PartitionTimeLimit",
            "BadConstraints",
            "AccountNotAllowed",
            "QOSNotAllowed",
            "InvalidAccount",
            "InvalidQOS",
            "AssocMaxCpuPerJobLimit",
        ];
        self.state == "PENDING" && REASONS.contains(&self.place.trim_matches(['(', ')']))
    }

    pub(crate) fn is_running(&self) -> bool {
        self.state == "RUNNING"
    }
}

/// The workers of this name, each task a line.
pub(crate) fn queued(name: &str) -> anyhow::Result<Vec<Queued>> {
    queued_within(name, ANSWERED_BY_THEN)
}

/// The same, for somebody who does not wait long.
pub(crate) fn queued_within(name: &str, patience: Duration) -> anyhow::Result<Vec<Queued>> {
    let name = format!("--name={name}");
    let words = ["--noheader", "--array", &name, "--format=%i|%T|%R|%M"];
    let said = ask_within("squeue", &words, patience)?;
    said.lines()
        .filter(|line| !line.trim().is_empty())
        .map(worker)
        .collect()
}

fn worker(line: &str) -> anyhow::Result<Queued> {
    let mut cells = line.trim().splitn(4, '|').map(|cell| cell.trim().to_owned());
    match (cells.next(), cells.next(), cells.next(), cells.next()) {
        (Some(job), Some(state), Some(place), Some(time)) => Ok(Queued {
            job,
            state,
            place,
            time,
        }),
        _ => bail!("squeue says {line:?}, which is no job"),
    }
}

/// Tasks that an array of this site may have.
pub(crate) fn max_array_size() -> anyhow::Result<u32> {
    let said = ask("scontrol", &["show", "config"])?;
    let value = said
        .lines()
        .filter_map(|line| line.split_once('='))
        .find(|(key, _)| key.trim() == "MaxArraySize")
        .and_then(|(_, value)| value.trim().parse().ok());
    // Its largest index is one less than that.
    value
        .filter(|&size: &u32| size > 0)
        .context("scontrol show config tells no MaxArraySize above 0: this site has no arrays of jobs")
}

/// Submits a script; the job's number.
pub(crate) fn submit(script: &Path) -> anyhow::Result<String> {
    let path = script.display().to_string();
    let said = ask("sbatch", &["--parsable", &path])?;
    let id = said.trim().split(';').next().unwrap_or_default();
    if id.is_empty() {
        bail!("sbatch took {path} and told no number");
    }
    Ok(id.to_owned())
}

/// Puts the job that this process is back into the queue. Whether it is one.
pub(crate) fn requeue_self() -> anyhow::Result<bool> {
    let of = |name: &str| std::env::var(name).ok();
    let job = match (
        of("SLURM_ARRAY_JOB_ID"),
        of("SLURM_ARRAY_TASK_ID"),
        of("SLURM_JOB_ID"),
    ) {
        (Some(array), Some(task), _) => format!("{array}_{task}"),
        (_, _, Some(job)) => job,
        (_, _, None) => return Ok(false),
    };
    ask("scontrol", &["requeue", &job])?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_squeue_are_workers() {
        let found = worker("12_3|PENDING|(Priority)|0:00").unwrap();
        assert_eq!((found.job.as_str(), found.is_running()), ("12_3", false));
        assert_eq!((found.place.as_str(), found.is_held()), ("(Priority)", false));
        for why in ["(JobHeldUser)", "(launch failed requeued held)"] {
            assert!(worker(&format!("12_3|PENDING|{why}|0:00")).unwrap().is_held());
        }
        let asks_for_too_much = worker("9|PENDING|(PartitionConfig)|0:00").unwrap();
        assert!(asks_for_too_much.never_starts() && !found.never_starts());
        assert!(worker("12_4|RUNNING|node7|1-02:03:04").unwrap().is_running());
        assert!(worker("slurm_load_jobs error").is_err());
    }
}
