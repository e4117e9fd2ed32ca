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
    let stores: BTreeSet<PathBuf> = findings
        .damaged
        .iter()
        .filter_map(|path| store_of(path))
        .collect();
    let mut locks = Vec::new();
    for runs in stores {
        match Store::new(&runs).own() {
            Err(ExperimentError::Lock(LockError::Held { .. })) => {
                bail!(
                    "a recipe, a node or another `gc` is at work in {}; nothing is repaired meanwhile",
                    runs.display()
                );
            }
            lock => locks.push(lock?),
        }
    }
    for path in &findings.damaged {
        let Some(runs) = store_of(path) else { continue };
        let place = free_name(&paths::damaged_folder(&runs), path);
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

/// The store of a node's folder or of a suite's description: two folders up.
fn store_of(path: &Path) -> Option<PathBuf> {
    let path = path.canonicalize().ok()?;
    let above = path.parent()?;
    Some(above.parent()?.to_owned())
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
