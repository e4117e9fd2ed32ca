//! NVIDIA's multi-process service: with it kernels of several processes run on a card at the same time; without it the processes take turns.
//!
//! Where it is asked for: nobody has measured yet what it is worth here, and a service that starts but cannot serve fails all that use it.

use crate::printing;
use anyhow::{Context, bail, ensure};
use std::env;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The variable that, at 1, asks for it.
const SWITCH: &str = "SCULPT_CUDA_MPS";

/// Where a program finds the service: its user's own, where it is set.
const PIPES: &str = "CUDA_MPS_PIPE_DIRECTORY";

/// Which cards the service is shown, by number or name. Its programs count those alone.
const VISIBLE: &str = "CUDA_VISIBLE_DEVICES";

/// How long it may take to start, for which everything waits, and to end, for which it waits for its programs.
const TO_START: Duration = Duration::from_secs(10);
const TO_END: Duration = Duration::from_secs(60);

const CONTROL: &str = "nvidia-cuda-mps-control";

/// A service for this process's children, in a folder of its own. It is told to quit when this is dropped; where this process is killed, it stays,
/// and waits for programs that nobody starts.
pub(crate) struct Mps {
    folder: TempDir,
}

impl Mps {
    /// For so many jobs on a device. None where nobody asks for it, where there is nothing to share, where the user names a service, or where
    /// none can be had, of which the user is told.
    pub(crate) fn of(jobs: u32, device: &str) -> Option<Self> {
        let is_asked_for = env::var_os(SWITCH).is_some_and(|value| value == "1");
        if jobs < 2 || !device.starts_with("cuda") || !is_asked_for || env::var_os(PIPES).is_some() {
            return None;
        }
        Self::start()
            .inspect_err(|error| {
                printing::note(&format!(
                    "{jobs} jobs take turns on {device}, since NVIDIA's multi-process service ({SWITCH}=1) cannot be had: {error:#}"
                ));
            })
            .ok()
    }

    fn start() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("sculpt-mps-")
            .tempdir()
            .context("a folder for its pipes cannot be made")?;
        let child = control(folder.path())
            .arg("-d")
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("{CONTROL} cannot be run"))?;
        ended_well(child, TO_START).with_context(|| format!("{CONTROL} -d"))?;
        Ok(Self { folder })
    }

    /// What a child's environment needs to find it.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (&'static str, OsString)> {
        let visible = env::var(VISIBLE).ok().and_then(|shown| counted(&shown));
        let visible = visible.map(|word| (VISIBLE, OsString::from(word)));
        folders(self.folder.path()).into_iter().chain(visible)
    }

    fn quit(&self) -> anyhow::Result<()> {
        let mut child = control(self.folder.path()).stdin(Stdio::piped()).spawn()?;
        let written = match child.stdin.take() {
            Some(mut stdin) => stdin.write_all(b"quit\n"),
            None => Ok(()),
        };
        ended_well(child, TO_END)?;
        Ok(written?)
    }
}

/// Waits for a process, but not for longer than that.
fn ended_well(mut child: Child, patience: Duration) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "it ended with {status}");
            return Ok(());
        }
        if begun.elapsed() > patience {
            child.kill()?;
            child.wait()?;
            bail!("it did not end within {} s", patience.as_secs());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn folders(folder: &Path) -> [(&'static str, OsString); 2] {
    [PIPES, "CUDA_MPS_LOG_DIRECTORY"].map(|name| (name, folder.as_os_str().to_owned()))
}

/// What talks to the daemon, or becomes it, which keeps what it is given to write to. Not of our group: who presses Ctrl-C means the jobs, which save.
fn control(folder: &Path) -> Command {
    let mut command = Command::new(CONTROL);
    command
        .envs(folders(folder))
        .process_group(0)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// How programs of a service call the cards that it is shown: from 0 on, where it was shown them by number. None: by the same names, or all.
fn counted(shown: &str) -> Option<String> {
    let words: Vec<&str> = shown.split(',').map(str::trim).collect();
    let by_number = words.iter().all(|word| word.parse::<u32>().is_ok());
    by_number.then(|| {
        (0..words.len())
            .map(|index| index.to_string())
            .collect::<Vec<_>>()
            .join(",")
    })
}

impl Drop for Mps {
    fn drop(&mut self) {
        if let Err(error) = self.quit() {
            printing::note(&format!("{CONTROL} cannot be told to quit: {error:#}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_counted_anew_where_they_were_numbers() {
        assert_eq!(counted("3"), Some("0".to_owned()));
        assert_eq!(counted("4, 6"), Some("0,1".to_owned()));
        assert_eq!(counted("GPU-5ebe9f43,GPU-1"), None);
        assert_eq!(counted(""), None);
    }
}
