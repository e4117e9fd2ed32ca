//! `predictions.safetensors` of a published suite, against its states and against what training recorded of them.

use super::{Findings, PlaceKind, suite};
use sculpt_checkpoints::read_meta;
use sculpt_experiments::{ManifestEntry, Node, Predictions, StateRef, model_of, read_metrics};
use sculpt_store::paths;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Predictions of older suites, and of those whose data were not at hand, are not there.
pub(super) fn verify(folder: &Path, entries: &[ManifestEntry], findings: &mut Findings) {
    let path = paths::predictions(folder);
    if !path.exists() {
        return;
    }
    findings.checked += 1;
    let predictions = match Predictions::read(&path) {
        Ok(predictions) => predictions,
        Err(error) => return suite::say(findings, &path, &error),
    };
    let rows = read_metrics(&paths::metrics(folder)).unwrap_or_default();
    let recorded: BTreeMap<(&str, u32), _> = rows
        .iter()
        .filter_map(|(id, row)| Some(((id.as_str(), row.training.epoch), row.test?)))
        .collect();
    let listed: BTreeMap<StateRef, &ManifestEntry> = entries
        .iter()
        .map(|entry| {
            let (id, epoch) = (entry.id.clone(), entry.epoch);
            (StateRef { id, epoch }, entry)
        })
        .collect();
    let mut used = BTreeSet::new();
    for (state, classes) in &predictions.classes {
        let of = format!("{} after epoch {}", state.id.short(), state.epoch);
        let Some(Node::Train(train)) = listed.get(state).map(|entry| &entry.description) else {
            let detail = format!("has predictions of {of}, no trained state of the suite");
            findings.say(&path, PlaceKind::ExtraFile, detail);
            continue;
        };
        used.insert(train.data.loaded_as());
        let Some(correct) = predictions.correct(state, &train.data.loaded_as()) else {
            let detail = format!(
                "has {} predictions of {of}, and not as many labels",
                classes.len()
            );
            findings.say(&path, PlaceKind::Metrics, detail);
            continue;
        };
        if let Some(n_classes) = n_classes(folder, listed.get(state))
            && let Some(class) = classes.iter().find(|class| u32::from(**class) >= n_classes)
        {
            let detail = format!("says that {of} finds class {class}, and its network has {n_classes}");
            findings.say(&path, PlaceKind::Metrics, detail);
        }
        let n_correct = correct.iter().filter(|is_right| **is_right).count() as u64;
        let Some(test) = recorded.get(&(state.id.as_str(), state.epoch)) else {
            continue;
        };
        // Another machine's last digits move an image in a thousand (design §5).
        let allowed = (test.n / 1000).max(1);
        if test.n != correct.len() as u64 || test.n_correct.abs_diff(n_correct) > allowed {
            let detail = format!(
                "says that {of} gets {n_correct} of {} images right, training recorded {} of {}",
                correct.len(),
                test.n_correct,
                test.n
            );
            findings.say(&path, PlaceKind::Metrics, detail);
        }
    }
    for data in predictions.labels.keys().filter(|data| !used.contains(*data)) {
        let detail = format!("has labels of {data:?}, which no state has predictions of");
        findings.say(&path, PlaceKind::ExtraFile, detail);
    }
}

/// Classes that a state's network tells apart, where its file can be read.
fn n_classes(folder: &Path, entry: Option<&&ManifestEntry>) -> Option<u32> {
    let path = folder.join(&entry?.file);
    let meta = read_meta(&path).ok()?;
    Some(model_of(&path, &meta).ok()?.classes())
}
