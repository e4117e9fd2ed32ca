//! Run folders.

use super::{Findings, PlaceKind, file};
use crate::commands::chain::Chains;
use sculpt_checkpoints::{Meta, TensorData, read_meta, read_tensors, verify as check};
use sculpt_experiments::{Node, NodeFile, StateRef, Store, Timing, read_metrics};
use sculpt_masks::Mask;
use sculpt_models::ModelSpec;
use sculpt_store::paths;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Everything in a node's folder, and what it has in common with its parents where they are at hand.
pub(super) fn verify(folder: &Path, findings: &mut Findings) {
    let Some(file) = description(folder, findings) else {
        // States can still be checked against themselves.
        for path in states(folder, findings).into_values() {
            file::tensors(&path, None, findings);
        }
        return;
    };
    let store = store_of(folder);
    let mut chains = Chains::new(&store);
    let last = file.node.last_epoch();
    let context = Context {
        model: chains.model(&file.node),
        density: chains.density(&file.node),
        epochs_before: chains.epochs_before(&file.node),
        parent_mask: parent_mask(&store, &file.node),
        file: &file,
    };
    let states = states(folder, findings);
    for (&epoch, path) in &states {
        let name = path.file_name().unwrap_or_default();
        if epoch > last || name != file_name(epoch, last).as_str() {
            let detail =
                format!("the node has {last} epochs, and the last one's state is checkpoint.safetensors");
            findings.say(path, PlaceKind::ExtraFile, detail);
        }
        if let Some((meta, model)) = file::tensors(path, None, findings) {
            context.check(path, epoch, &meta, &model, findings);
        }
    }
    let done = paths::checkpoint(folder).is_file();
    if done {
        for &epoch in file
            .environment
            .keep
            .iter()
            .filter(|epoch| !states.contains_key(epoch))
        {
            let path = folder.join(file_name(epoch, last));
            let detail =
                format!("the node keeps epoch {epoch} and its state is not there; `sculpt node` makes it");
            findings.say(&path, PlaceKind::MissingFile, detail);
        }
    }
    if let Node::Train(_) = &file.node {
        if done || paths::metrics(folder).exists() {
            metrics(folder, &file, findings);
        }
        timing(folder, findings);
    }
    if paths::progress_state(folder).exists() {
        progress(&paths::progress_state(folder), context.model.as_ref(), findings);
    }
}

/// `node.json` against its own id and the folder's name.
pub(super) fn description(folder: &Path, findings: &mut Findings) -> Option<NodeFile> {
    let path = paths::node_json(folder);
    if !path.exists() {
        findings.say(&path, PlaceKind::MissingFile, "the run folder has no description");
        return None;
    }
    findings.checked += 1;
    let parsed = fs::read(&path)
        .map_err(|e| (PlaceKind::Unreadable, e.to_string()))
        .and_then(|text| {
            serde_json::from_slice::<NodeFile>(&text).map_err(|e| {
                (
                    PlaceKind::Description,
                    format!("is no description of a node: {e}"),
                )
            })
        });
    let file = match parsed {
        Ok(file) => file,
        Err((kind, detail)) => {
            findings.say(&path, kind, detail);
            return None;
        }
    };
    let computed = file.node.id();
    if file.id != computed {
        findings.say(
            &path,
            PlaceKind::NodeId,
            format!("says id {}, its description hashes to {computed}", file.id),
        );
    }
    let name = name_of(folder);
    if name != computed.as_str() {
        findings.say(
            &path,
            PlaceKind::NodeId,
            format!("describes node {computed} in folder {name:?}"),
        );
    }
    let last = file.node.last_epoch();
    if let Some(epoch) = file.environment.keep.iter().find(|&&epoch| epoch > last) {
        findings.say(
            &path,
            PlaceKind::Description,
            format!("keeps epoch {epoch}, the node has {last}"),
        );
    }
    Some(file)
}

/// What descriptions say of a node's states.
struct Context<'a> {
    file: &'a NodeFile,
    model: Option<ModelSpec>,
    density: Option<f64>,
    epochs_before: Option<u32>,
    /// What the mask must be, where nothing is pruned.
    parent_mask: Option<String>,
}

impl Context<'_> {
    fn check(&self, path: &Path, epoch: u32, meta: &Meta, model: &ModelSpec, findings: &mut Findings) {
        let id = self.file.node.id();
        if meta.node_id.as_deref() != Some(id.as_str()) {
            let stated = meta.node_id.as_deref().unwrap_or("none");
            findings.say(
                path,
                PlaceKind::NodeId,
                format!("is of node {stated}, in the folder of {id}"),
            );
        }
        if let Some(described) = self.model.as_ref().filter(|described| *described != model) {
            let detail = format!(
                "is of {model} ({} classes), the chain begins with {described}",
                model.classes()
            );
            findings.say(path, PlaceKind::Model, detail);
        }
        if let Some(due) = self.epochs_before.and_then(|before| before.checked_add(epoch))
            && due != meta.epochs_trained
        {
            let detail = format!("says {} epochs trained, the chain has {due}", meta.epochs_trained);
            findings.say(path, PlaceKind::Chain, detail);
        }
        if let (Some(due), Some(stated)) = (self.density, meta.density_target)
            && due != stated
        {
            findings.say(
                path,
                PlaceKind::Chain,
                format!("says target density {stated}, the chain {due}"),
            );
        }
        if let Some(due) = self
            .parent_mask
            .as_deref()
            .filter(|due| *due != meta.mask_sha256())
        {
            let detail = format!("has mask {}, its parent has {due}", meta.mask_sha256());
            findings.say(path, PlaceKind::Chain, detail);
        }
    }
}

/// The mask that a node must keep: of whom it trains, or joins the mask of.
fn parent_mask(store: &Store, node: &Node) -> Option<String> {
    let parent: &StateRef = match node {
        Node::Init(_) | Node::Prune(_) => return None,
        Node::Train(train) => &train.from,
        Node::Combine(combine) => &combine.mask_from,
    };
    let last = store.node_file(&parent.id).ok()?.node.last_epoch();
    let meta = read_meta(&store.checkpoint_path(parent, last)).ok()?;
    Some(meta.mask_sha256().to_owned())
}

/// The store that a run folder seems to lie in.
fn store_of(folder: &Path) -> Store {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    Store::new(folder.parent().and_then(Path::parent).unwrap_or(Path::new("")))
}

fn name_of(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    folder
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn file_name(epoch: u32, last: u32) -> String {
    if epoch == last {
        "checkpoint.safetensors".to_owned()
    } else {
        format!("checkpoint-{epoch}.safetensors")
    }
}

/// The states in a folder, by epoch; the last one's under the epoch that its node has, or the largest number.
fn states(folder: &Path, findings: &mut Findings) -> std::collections::BTreeMap<u32, PathBuf> {
    let last = fs::read(paths::node_json(folder))
        .ok()
        .and_then(|text| serde_json::from_slice::<NodeFile>(&text).ok())
        .map_or(u32::MAX, |file| file.node.last_epoch());
    let mut states = std::collections::BTreeMap::new();
    for path in findings.entries(folder) {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name == "checkpoint.safetensors" {
            states.insert(last, path);
        } else if let Some(epoch) = paths::checkpoint_epoch(name) {
            states.entry(epoch).or_insert(path);
        }
    }
    states
}

/// One row for every epoch in order, all of this node, with test scores at the kept epochs.
fn metrics(folder: &Path, file: &NodeFile, findings: &mut Findings) {
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

fn timing(folder: &Path, findings: &mut Findings) {
    let path = paths::timing(folder);
    if path.exists() {
        findings.checked += 1;
        let read = fs::read(&path).map_err(|e| e.to_string());
        if let Err(detail) =
            read.and_then(|text| serde_json::from_slice::<Timing>(&text).map_err(|e| e.to_string()))
        {
            findings.say(&path, PlaceKind::Description, detail);
        }
    }
}

/// A saved position: what is needed to go on, and nothing alive under its mask.
fn progress(path: &Path, model: Option<&ModelSpec>, findings: &mut Findings) {
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
