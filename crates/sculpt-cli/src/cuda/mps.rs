//! NVIDIA's multi-process service: with it kernels of several processes run on a card at the same time; without it the processes take turns.

use crate::printing;
use anyhow::{Context, bail};
use std::env;
use std::ffi::OsString;
use std::io::Write;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The variable that, at 0, has processes take turns.
const SWITCH: &str = "SCULPT_CUDA_MPS";

/// Where a program finds the service: its user's own, where it is set.
const PIPES: &str = "CUDA_MPS_PIPE_DIRECTORY";

const CONTROL: &str = "nvidia-cuda-mps-control";

/// A service for this process's children, in a folder of its own; it ends with this.
pub(crate) struct Mps {
    folder: TempDir,
}

impl Mps {
    /// For so many jobs on a device. None where there is nothing to share, where the user has a service already or wants none, or where
    /// none can be had, of which the user is told.
    pub(crate) fn of(jobs: u32, device: &str) -> Option<Self> {
        let is_off = env::var_os(SWITCH).is_some_and(|value| value == "0");
        if jobs < 2 || !device.starts_with("cuda") || is_off || env::var_os(PIPES).is_some() {
            return None;
        }
        Self::start()
            .inspect_err(|error| {
                printing::note(&format!(
                    "{jobs} jobs take turns on {device}, where its multi-process service (MPS) would run them at the same time: {error:#}; \
                     {SWITCH}=0 says that this is meant"
                ));
            })
            .ok()
    }

    fn start() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("sculpt-mps-")
            .tempdir()
            .context("a folder for its pipes cannot be made")?;
        let service = Self { folder };
        let status = service
            .control()
            .arg("-d")
            .stdin(Stdio::null())
            .status()
            .with_context(|| format!("{CONTROL} cannot be run"))?;
        if !status.success() {
            bail!("{CONTROL} -d ended with {status}");
        }
        Ok(service)
    }

    /// What a child's environment needs to find it.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (&'static str, OsString)> {
        let folder = self.folder.path().as_os_str().to_owned();
        [PIPES, "CUDA_MPS_LOG_DIRECTORY"]
            .into_iter()
            .map(move |name| (name, folder.clone()))
    }

    /// The daemon keeps what it is given to write to, and counts cards as the machine does: children choose among them.
    fn control(&self) -> Command {
        let mut command = Command::new(CONTROL);
        command
            .envs(self.environment())
            .env_remove("CUDA_VISIBLE_DEVICES")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn quit(&self) -> std::io::Result<()> {
        let mut child = self.control().stdin(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(b"quit\n")?;
        }
        child.wait().map(drop)
    }
}

impl Drop for Mps {
    fn drop(&mut self) {
        if let Err(error) = self.quit() {
            printing::note(&format!("{CONTROL} cannot be told to quit: {error}"));
        }
    }
}
