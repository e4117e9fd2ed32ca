//! Published suites.

use super::{Findings, PlaceKind, file};
use sculpt_experiments::{
    AnySuite, ExperimentError, Manifest, ManifestEntry, Node, Store, check_timings, read_metrics,
};
use sculpt_store::paths;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// A published or fetched suite: its lists, and each file that they name, and no other.
pub(super) fn verify(folder: &Path, findings: &mut Findings) {
    description(folder, findings);
    let mut known: BTreeSet<PathBuf> = [
        paths::manifest(folder),
        paths::manifest_sha256(folder),
        paths::suite_json(folder),
        paths::metrics(folder),
        paths::timings(folder),
        paths::predictions(folder),
    ]
    .into();
    let manifest = manifest(folder, findings);
    let entries = manifest.as_ref().map_or(&[][..], Manifest::checkpoints);
    for entry in entries.iter().filter(|entry| stays_inside(entry)) {
        known.insert(folder.join(&entry.file));
        published(folder, entry, findings);
    }
    if let Some(manifest) = &manifest {
        lists(folder, manifest, findings);
    }
    metrics(folder, entries, findings);
    timings(folder, findings);
    super::predictions::verify(folder, entries, findings);
    if manifest.is_some() {
        extra_files(folder, &known, findings);
    }
}

/// `suite.json`.
pub(super) fn description(folder: &Path, findings: &mut Findings) {
    let path = paths::suite_json(folder);
    match AnySuite::in_folder(folder) {
        Err(error) => say(findings, &path, &error),
        Ok(None) => findings.say(&path, PlaceKind::MissingFile, "the suite has no description"),
        Ok(Some(suite)) => {
            findings.checked += 1;
            described(&suite, &Store::new(folder), &path, findings);
        }
    }
}

/// A recipe's suite holds its nodes: they must make a recipe.
pub(super) fn described(suite: &AnySuite, store: &Store, path: &Path, findings: &mut Findings) {
    if let AnySuite::OfRecipe(own) = suite
        && let Err(error) = own.recipe(store, path)
    {
        say(findings, path, &error);
    }
}

/// `manifest.json`, against its own hash: ids that are hashes of descriptions, and file names that are made of them.
pub(super) fn manifest(folder: &Path, findings: &mut Findings) -> Option<Manifest> {
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
    findings.check_against(&path, &paths::manifest_sha256(folder));
    let parsed = sculpt_store::read(&path)
        .map_err(|e| (PlaceKind::Unreadable, e.to_string()))
        .and_then(|text| Manifest::parse(&text).map_err(|e| (PlaceKind::Description, e.to_string())));
    let manifest = match parsed {
        Ok(manifest) => manifest,
        Err((kind, detail)) => {
            findings.say(&path, kind, detail);
            return None;
        }
    };
    for fault in manifest.faults() {
        findings.say(&path, PlaceKind::NodeId, fault);
    }
    Some(manifest)
}

/// The files beside the checkpoints, as far as the manifest lists them.
fn lists(folder: &Path, manifest: &Manifest, findings: &mut Findings) {
    match manifest {
        Manifest::Checkpoints(_) => findings.notes.push(format!(
            "{} is of an older form: its manifest covers the checkpoints, not its lists",
            folder.display()
        )),
        Manifest::Whole(whole) => {
            if !paths::manifest_sha256(folder).exists() {
                let path = paths::manifest_sha256(folder);
                findings.say(
                    &path,
                    PlaceKind::MissingFile,
                    "the manifest's own hash stands there",
                );
            }
            for (name, recorded) in whole.files.iter().filter(|(name, _)| paths::is_plain_name(name)) {
                findings.check(&folder.join(name), recorded);
            }
            for path in [
                paths::metrics(folder),
                paths::timings(folder),
                paths::predictions(folder),
                paths::suite_json(folder),
            ] {
                if path.exists() && manifest.file(&path).is_none() {
                    findings.say(&path, PlaceKind::ExtraFile, "the manifest does not list it");
                }
            }
        }
    }
}

/// Nothing outside the suite is looked at, whatever a manifest says.
fn stays_inside(entry: &ManifestEntry) -> bool {
    Path::new(&entry.file)
        .components()
        .all(|part| matches!(part, Component::Normal(_)))
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
    findings.check(&path, &entry.digest());
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
        Node::LoadWeights(load) | Node::LoadMask(load) if load.model != model => {
            let detail = format!("is of {model}, its node loads {}", load.model);
            findings.say(&path, PlaceKind::Model, detail);
        }
        Node::Init(_)
        | Node::Train(_)
        | Node::Prune(_)
        | Node::Combine(_)
        | Node::LoadWeights(_)
        | Node::LoadMask(_) => {}
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

/// `timings.parquet`, which older suites do not have.
fn timings(folder: &Path, findings: &mut Findings) {
    let path = paths::timings(folder);
    if path.exists() {
        findings.checked += 1;
        if let Err(error) = check_timings(&path) {
            say(findings, &path, &error);
        }
    }
}

fn extra_files(folder: &Path, known: &BTreeSet<PathBuf>, findings: &mut Findings) {
    for path in findings.entries(folder) {
        // A link leads out of the suite, or round in it.
        if fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir()) {
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
        ExperimentError::Table { .. } => PlaceKind::Metrics,
        _ => PlaceKind::Description,
    };
    findings.say_error(path, kind, error);
}
