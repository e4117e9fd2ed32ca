//! `--repair`: what is damaged goes out of the way, so that it is made again.

use super::Findings;
use crate::printing;
use anyhow::{Context, bail};
use sculpt_experiments::{ExperimentError, Store};
use sculpt_store::{LockError, atomic, paths};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Sets damaged nodes and suites' descriptions aside, each store held alone meanwhile, and removes what is nothing.
pub(super) fn repair(findings: &Findings) -> anyhow::Result<()> {
    let stores: BTreeSet<&PathBuf> = findings.damaged.values().collect();
    let mut locks = Vec::new();
    for runs in stores {
        if paths::lock(runs).is_dir() {
            // Nobody can hold it: it is among what is set aside.
            continue;
        }
        match Store::new(runs).own() {
            Err(ExperimentError::Lock(LockError::Held { .. })) => {
                bail!(
                    "a recipe, a node or another `gc` is at work in {}; nothing is repaired meanwhile",
                    runs.display()
                );
            }
            lock => locks.push(lock?),
        }
    }
    for (path, runs) in &findings.damaged {
        let place = free_name(&paths::damaged_folder(runs), path);
        if let Some(folder) = place.parent() {
            atomic::create_folder(folder)?;
        }
        atomic::rename(path, &place)?;
        printing::note(&format!("{} is now {}", path.display(), place.display()));
    }
    for path in findings.removable.iter().filter(|path| path.exists()) {
        fs::remove_file(path).with_context(|| format!("{} cannot be removed", path.display()))?;
        printing::note(&format!("{} is removed", path.display()));
    }
    let n = findings.damaged.len();
    printing::note(&format!(
        "{n} set aside, {} removed; `sculpt reproduce` and `sculpt run` make again what they need",
        findings.removable.len()
    ));
    Ok(())
}

/// A name in `folder` that nothing has.
fn free_name(folder: &Path, path: &Path) -> PathBuf {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut numbered = (1u32..).map(|n| folder.join(format!("{name}-{n}")));
    numbered
        .find(|path| !path.exists())
        .unwrap_or_else(|| folder.join(name))
}
