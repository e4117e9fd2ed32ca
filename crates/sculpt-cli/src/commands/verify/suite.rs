//! Published suites.

use super::{Findings, PlaceKind, file};
use sculpt_experiments::{ExperimentError, ManifestEntry, Node, Suite, read_metrics};
use sculpt_store::{canonical::sha256_file, paths};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// A published or fetched suite: its lists, and each file that they name, and no other.
pub(super) fn verify(folder: &Path, findings: &mut Findings) {
    description(folder, findings);
    let mut known: BTreeSet<PathBuf> = [
        paths::manifest(folder),
        paths::suite_json(folder),
        paths::metrics(folder),
        paths::timings(folder),
    ]
    .into();
    let entries = manifest(folder, findings);
    for entry in entries.iter().flatten() {
        known.insert(folder.join(&entry.file));
        published(folder, entry, findings);
    }
    metrics(folder, entries.as_deref().unwrap_or_default(), findings);
    if entries.is_some() {
        extra_files(folder, &known, findings);
    }
}

/// `suite.json`.
pub(super) fn description(folder: &Path, findings: &mut Findings) {
    let path = paths::suite_json(folder);
    match Suite::in_folder(folder) {
        Err(error) => say(findings, &path, &error),
        Ok(None) => findings.say(&path, PlaceKind::MissingFile, "the suite has no description"),
        Ok(Some(_)) => findings.checked += 1,
    }
}

/// `manifest.json`: ids that are hashes of descriptions, and file names that are made of them.
pub(super) fn manifest(folder: &Path, findings: &mut Findings) -> Option<Vec<ManifestEntry>> {
    let path = paths::manifest(folder);
    if !path.exists() {
        findings.say(
            &path,
            PlaceKind::MissingFile,
            "the suite has no list of its files",
        );
        return None;
    }
    findings.checked += 1;
    let parsed = fs::read(&path)
        .map_err(|e| (PlaceKind::Unreadable, e.to_string()))
        .and_then(|text| serde_json::from_slice(&text).map_err(|e| (PlaceKind::Description, e.to_string())));
    let mut entries: Vec<ManifestEntry> = match parsed {
        Ok(entries) => entries,
        Err((kind, detail)) => {
            findings.say(&path, kind, detail);
            return None;
        }
    };
    let mut seen = BTreeSet::new();
    for entry in &entries {
        let (id, epoch, last) = (&entry.id, entry.epoch, entry.description.last_epoch());
        let computed = entry.description.id();
        if computed != *id {
            findings.say(
                &path,
                PlaceKind::NodeId,
                format!("lists node {id}, whose description hashes to {computed}"),
            );
        }
        let due = paths::published_checkpoint_file(id.as_str(), epoch);
        if entry.file != due {
            findings.say(
                &path,
                PlaceKind::NodeId,
                format!("lists {:?} where {due} is due", entry.file),
            );
        }
        if epoch > last || (epoch == 0 && last > 0) {
            findings.say(
                &path,
                PlaceKind::Description,
                format!("lists epoch {epoch} of node {id}, which has {last}"),
            );
        }
        if !seen.insert((id.clone(), epoch)) {
            findings.say(
                &path,
                PlaceKind::Description,
                format!("lists epoch {epoch} of node {id} twice"),
            );
        }
    }
    // Nothing outside the suite is looked at, whatever a manifest says.
    entries.retain(|entry| {
        Path::new(&entry.file)
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
    });
    Some(entries)
}

/// A published checkpoint against its line of the manifest.
fn published(folder: &Path, entry: &ManifestEntry, findings: &mut Findings) {
    let path = folder.join(&entry.file);
    if !path.exists() {
        return findings.say(
            &path,
            PlaceKind::MissingFile,
            "the manifest lists it and it is not there",
        );
    }
    match sha256_file(&path) {
        Err(error) => return findings.say(&path, PlaceKind::Unreadable, error.to_string()),
        Ok((sha256, bytes)) => {
            if bytes != entry.bytes {
                let detail = format!("has {bytes} bytes, the manifest says {}", entry.bytes);
                findings.say(&path, PlaceKind::Size, detail);
            }
            if sha256 != entry.sha256 {
                let detail = format!("has SHA-256 {sha256}, the manifest says {}", entry.sha256);
                findings.say(&path, PlaceKind::Checksum, detail);
            }
        }
    }
    let Some((meta, model)) = file::tensors(&path, None, findings) else {
        return;
    };
    if meta.node_id.as_deref() != Some(entry.id.as_str()) {
        let stated = meta.node_id.as_deref().unwrap_or("none");
        findings.say(
            &path,
            PlaceKind::NodeId,
            format!("is of node {stated}, the manifest says {}", entry.id),
        );
    }
    match &entry.description {
        Node::Init(init) if init.model != model => {
            findings.say(
                &path,
                PlaceKind::Model,
                format!("is of {model}, its node draws {}", init.model),
            );
        }
        Node::Prune(prune) if meta.density_target != Some(prune.density.get()) => {
            let stated = meta.density_target;
            let detail = format!(
                "says target density {stated:?}, its node prunes to {}",
                prune.density
            );
            findings.say(&path, PlaceKind::Chain, detail);
        }
        Node::Init(_) | Node::Train(_) | Node::Prune(_) | Node::Combine(_) => {}
    }
}

/// `metrics.parquet`: a row of every trained state.
fn metrics(folder: &Path, entries: &[ManifestEntry], findings: &mut Findings) {
    let path = paths::metrics(folder);
    if !path.exists() {
        return findings.say(&path, PlaceKind::MissingFile, "the suite has no metrics");
    }
    findings.checked += 1;
    let rows = match read_metrics(&path) {
        Ok(rows) => rows,
        Err(error) => return say(findings, &path, &error),
    };
    let rows: BTreeSet<(&str, u32)> = rows
        .iter()
        .map(|(id, row)| (id.as_str(), row.training.epoch))
        .collect();
    for entry in entries
        .iter()
        .filter(|entry| matches!(entry.description, Node::Train(_)))
    {
        if !rows.contains(&(entry.id.as_str(), entry.epoch)) {
            let detail = format!("has no row for epoch {} of node {}", entry.epoch, entry.id);
            findings.say(&path, PlaceKind::Metrics, detail);
        }
    }
}

fn extra_files(folder: &Path, known: &BTreeSet<PathBuf>, findings: &mut Findings) {
    for path in findings.entries(folder) {
        if path.is_dir() {
            extra_files(&path, known, findings);
        } else if !known.contains(&path) {
            findings.say(&path, PlaceKind::ExtraFile, "no list of the suite names it");
        }
    }
}

/// An error of the experiments crate, without the path that it begins with.
pub(super) fn say(findings: &mut Findings, path: &Path, error: &ExperimentError) {
    let kind = match error {
        ExperimentError::Io { .. } => PlaceKind::Unreadable,
        ExperimentError::Frame { .. } => PlaceKind::Metrics,
        _ => PlaceKind::Description,
    };
    let text = error.to_string();
    let detail = text
        .strip_prefix(&format!("{}: ", path.display()))
        .unwrap_or(&text)
        .to_owned();
    findings.say(path, kind, detail);
}
