//! Stores: their nodes, suites and measures.

use super::{Findings, PlaceKind, is_first_two, node, suite};
use sculpt_experiments::{AnySuite, Store};
use sculpt_measures::{MeasureFile, check_measure};
use sculpt_models::ModelSpec;
use sculpt_store::paths;
use std::path::Path;

/// Every file of a store but what `verify --repair` set aside.
pub(super) fn verify(runs: &Path, findings: &mut Findings) {
    let lock = paths::lock(runs);
    findings.lock(&lock);
    if lock.is_dir() {
        findings.damaged.insert(lock, runs.to_owned());
    }
    for folder in findings.entries(runs) {
        if !is_first_two(&folder) {
            continue;
        }
        if !folder.is_dir() {
            in_the_way(&folder, runs, findings);
            continue;
        }
        for node in findings.entries(&folder) {
            if node.is_dir() {
                node::verify(&node, findings);
            } else if paths::is_sha256(paths::file_name(&node)) {
                in_the_way(&node, runs, findings);
            }
        }
    }
    if paths::suites_folder(runs).is_dir() {
        for path in findings.entries(&paths::suites_folder(runs)) {
            described(runs, &path, findings);
        }
    }
    if paths::networks_folder(runs).is_dir() {
        networks(runs, findings);
    }
    match Store::new(runs).missing_networks() {
        Ok(missing) => {
            for path in missing {
                let detail = "nodes begin with this network, and it is not there; `sculpt run` of a recipe that has its file keeps it";
                findings.say(&path, PlaceKind::MissingFile, detail);
            }
        }
        Err(error) => findings.say_error(runs, PlaceKind::Unreadable, &error),
    }
    if paths::measures_folder(runs).is_dir() {
        measures(&paths::measures_folder(runs), findings);
    }
}

/// What stands where a folder of nodes belongs: a file, or a link that leads nowhere.
fn in_the_way(path: &Path, runs: &Path, findings: &mut Findings) {
    findings.say(path, PlaceKind::ExtraFile, "is no folder where one belongs");
    findings.damaged.insert(path.to_owned(), runs.to_owned());
}

/// A suite's description.
fn described(runs: &Path, path: &Path, findings: &mut Findings) {
    let file_name = paths::file_name(path);
    if paths::is_temporary(file_name) {
        return findings.stray(path);
    }
    let Some(name) = paths::suite_of(file_name) else {
        return;
    };
    findings.checked += 1;
    let store = Store::new(runs);
    match AnySuite::in_store(&store, name) {
        Err(error) => {
            suite::say(findings, path, &error);
            findings.damaged.insert(path.to_owned(), runs.to_owned());
        }
        Ok(Some(suite)) if suite.name() != name => {
            let detail = format!("is of suite {:?}", suite.name());
            findings.say(path, PlaceKind::Description, detail);
        }
        Ok(Some(suite)) => suite::described(&suite, &store, path, findings),
        Ok(None) => {}
    }
}

/// Exported networks, each under the SHA-256 of its content.
fn networks(runs: &Path, findings: &mut Findings) {
    for path in findings.entries(&paths::networks_folder(runs)) {
        if paths::is_temporary(paths::file_name(&path)) {
            findings.stray(&path);
            continue;
        }
        findings.checked += 1;
        match ModelSpec::exported(&path) {
            Err(error) => {
                let text = error.to_string();
                let detail = text
                    .strip_prefix(&format!("{} ", path.display()))
                    .unwrap_or(&text);
                findings.say(&path, PlaceKind::Model, detail.to_owned());
                findings.damaged.insert(path, runs.to_owned());
            }
            Ok(model) => {
                let sha256 = model.network_sha256().unwrap_or_default();
                if path != paths::network(runs, sha256) {
                    findings.say(
                        &path,
                        PlaceKind::Checksum,
                        format!("has SHA-256 {sha256}, and is not named so"),
                    );
                }
            }
        }
    }
}

fn measures(folder: &Path, findings: &mut Findings) {
    let mut n_older = 0;
    for first_two in findings.entries(folder) {
        if !first_two.is_dir() {
            findings.say(&first_two, PlaceKind::ExtraFile, "is no folder of measures");
            continue;
        }
        for path in findings.entries(&first_two) {
            let name = paths::file_name(&path);
            if paths::is_temporary(name) {
                findings.stray(&path);
                continue;
            }
            findings.checked += 1;
            match check_measure(&path) {
                MeasureFile::Sound => {}
                MeasureFile::Older => n_older += 1,
                MeasureFile::Damaged(detail) => {
                    findings.say(&path, PlaceKind::Checksum, detail);
                    findings.removable.insert(path);
                }
            }
        }
    }
    if n_older > 0 {
        findings.notes.push(format!(
            "{n_older} measures in {} are of an older version, without a hash; what is asked for is measured again",
            folder.display()
        ));
    }
}
