//! Any word that is not ours: build `sculpt` if something changed, become it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::project::{cargo, library_path, libtorch_link, project_root, target_dir};
use crate::{graphs, libtorch, setup};

/// Returns only if `sculpt` could not be started: this process becomes it, in the caller's directory, so
/// that signals reach it and its exit code is ours.
pub(crate) fn run(words: &[OsString]) -> Result<()> {
    let binary = build()?;
    let mut sculpt = Command::new(&binary);
    sculpt.args(words);
    // `data/`, `reports/` and `runs/` are the checkout's, wherever the caller stands; what is typed is the caller's.
    sculpt.env("SCULPT_ROOT", project_root());
    if let Some(path) = library_path()? {
        sculpt.env("LD_LIBRARY_PATH", path);
    }
    Err(sculpt.exec()).with_context(|| format!("cannot start {}", binary.display()))
}

/// Sets libtorch up, and builds `sculpt` if something changed: where it is.
pub(crate) fn build() -> Result<PathBuf> {
    setup::ensure(false)?;
    let binary = target_dir()?.join("release/sculpt");

    let mut build = cargo()?;
    build.args(["build", "--release", "--package", "sculpt-cli"]);
    // The first build takes minutes and shows cargo's progress; later ones are silent if short.
    let later = binary.exists();
    if later {
        build.arg("--quiet");
    } else {
        eprintln!("building sculpt (10 to 20 minutes on two cores, once) ...");
    }
    let (built, waiting) = mpsc::channel::<()>();
    if later {
        std::thread::spawn(move || {
            if waiting.recv_timeout(Duration::from_secs(2)) == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!("building sculpt ...");
            }
        });
    }
    let status = build.status().context("cannot start cargo")?;
    drop(built);
    if !status.success() {
        bail!("sculpt could not be built; cargo's own words are above");
    }
    if libtorch::has_cuda(&libtorch_link()) {
        // It makes some steps faster, and nothing rests on it.
        if let Err(error) = graphs::build(&target_dir()?.join("release")) {
            eprintln!("note: training steps are launched without CUDA graphs: {error:#}");
        }
    }
    Ok(binary)
}
