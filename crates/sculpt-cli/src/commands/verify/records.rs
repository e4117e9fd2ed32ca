//! What stands beside a node's states: metrics, timing, a saved position.

use super::{Findings, PlaceKind};
use sculpt_checkpoints::{TensorData, read_tensors, verify as check};
use sculpt_experiments::{NodeFile, Timing, check_progress, read_live, read_metrics};
use sculpt_masks::Mask;
use sculpt_models::ModelSpec;
use sculpt_store::paths;
use std::collections::BTreeSet;
use std::path::Path;

/// One row for every epoch in order, all of this node, with test scores at the kept epochs.
pub(super) fn metrics(folder: &Path, file: &NodeFile, findings: &mut Findings) {
    let path = paths::metrics(folder);
    if !path.exists() {
        findings.say(
            &path,
            PlaceKind::MissingFile,
            "the node is done and has no metrics",
        );
        return;
    }
    findings.checked += 1;
    let rows = match read_metrics(&path) {
        Ok(rows) => rows,
        Err(error) => return super::suite::say(findings, &path, &error),
    };
    if let Some((id, _)) = rows.iter().find(|(id, _)| id != file.id.as_str()) {
        findings.say(&path, PlaceKind::Metrics, format!("has a row of node {id}"));
    }
    let epochs: Vec<u32> = rows.iter().map(|(_, row)| row.training.epoch).collect();
    let due: Vec<u32> = (1..=file.node.last_epoch()).collect();
    if epochs != due {
        let detail = format!(
            "has {} rows where the node has epochs 1 to {} in order",
            epochs.len(),
            due.len()
        );
        findings.say(&path, PlaceKind::Metrics, detail);
    }
    for (_, row) in &rows {
        let epoch = row.training.epoch;
        let in_range = |x: f64| (0.0..=1.0).contains(&x);
        match row.test {
            None if file.environment.keep.contains(&epoch)
                && paths::checkpoint_at(folder, epoch).exists() =>
            {
                findings.say(
                    &path,
                    PlaceKind::Metrics,
                    format!("has no test score of the kept epoch {epoch}"),
                );
            }
            Some(test) if test.n == 0 || test.n_correct > test.n => {
                let detail = format!(
                    "says that {} of {} test images of epoch {epoch} are right",
                    test.n_correct, test.n
                );
                findings.say(&path, PlaceKind::Metrics, detail);
            }
            None | Some(_) => {}
        }
        if !in_range(row.training.train_accuracy) || !row.training.train_loss.is_finite() {
            let (loss, accuracy) = (row.training.train_loss, row.training.train_accuracy);
            let detail = format!("says loss {loss} and accuracy {accuracy} in epoch {epoch}");
            findings.say(&path, PlaceKind::Metrics, detail);
        }
    }
}

pub(super) fn timing(folder: &Path, findings: &mut Findings) {
    let path = paths::timing(folder);
    if path.exists() {
        findings.checked += 1;
        let read = sculpt_store::read(&path).map_err(|e| e.to_string());
        if let Err(detail) =
            read.and_then(|text| serde_json::from_slice::<Timing>(&text).map_err(|e| e.to_string()))
        {
            findings.say(&path, PlaceKind::Description, detail);
        } else {
            let sha256 = paths::timing_sha256(folder);
            findings.check_against(&path, &sha256);
            // Nodes of older versions have neither the hash nor a marker.
            if paths::done(folder).exists() && !sha256.exists() {
                findings.say(&sha256, PlaceKind::MissingFile, "the hash of timing.json is gone");
            }
        }
    } else if paths::timing_sha256(folder).exists() {
        findings.say(&path, PlaceKind::MissingFile, "its hash is there and it is not");
    }
}

/// The epochs that an unfinished node shows: every whole line a row, in order. Nothing is made of them, and repairing removes them.
pub(super) fn live_epochs(folder: &Path, findings: &mut Findings) {
    let path = paths::live_epochs(folder);
    if path.exists() {
        findings.checked += 1;
        if let Err(error) = read_live(folder) {
            findings.say_error(&path, PlaceKind::Metrics, &error);
            findings.removable.insert(path);
        }
    }
}

/// A saved position: what is needed to go on, and nothing alive under its mask.
pub(super) fn progress(path: &Path, model: Option<&ModelSpec>, findings: &mut Findings) {
    findings.checked += 1;
    let violations = check::file(path, None);
    let sound = violations.is_empty();
    findings.extend(violations);
    let Some(tensors) = sound.then(|| read_tensors(path).ok()).flatten() else {
        return;
    };
    let due: BTreeSet<&str> = ["theta", "buffers", "momentum", "mask_bits"].into();
    if tensors.names().collect::<BTreeSet<_>>() != due || tensors.metadata_json().is_none() {
        return findings.say(
            path,
            PlaceKind::Description,
            "is no saved position; delete the progress folder",
        );
    }
    if let Err(error) = check_progress(path) {
        return findings.say_error(path, PlaceKind::Checksum, &error);
    }
    let Some(layout) = model.map(ModelSpec::layout) else {
        return;
    };
    let mask = match tensors.get("mask_bits") {
        Some(TensorData::U8(_, bits)) => Mask::from_packed(bits, layout.n_prunable()).ok(),
        _ => None,
    };
    let fits =
        |name: &str, n: usize| matches!(tensors.get(name), Some(TensorData::F32(_, v)) if v.len() == n);
    let lengths = [
        ("theta", layout.n_params()),
        ("buffers", layout.n_buffers()),
        ("momentum", layout.n_params()),
    ];
    let (Some(mask), true) = (mask, lengths.iter().all(|&(name, n)| fits(name, n))) else {
        return findings.say(
            path,
            PlaceKind::Model,
            "does not fit the model that the chain begins with",
        );
    };
    for name in ["theta", "momentum"] {
        if let Some(TensorData::F32(_, values)) = tensors.get(name)
            && let Some(index) = mask.first_violation(&layout, values)
        {
            let detail = format!(
                "tensor {name} holds {:?} at index {index}, where the mask asks for +0.0",
                values[index]
            );
            findings.say(path, PlaceKind::Chain, detail);
        }
    }
}
