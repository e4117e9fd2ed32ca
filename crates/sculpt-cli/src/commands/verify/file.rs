//! Single files.

use super::{Findings, PlaceKind};
use crate::commands::weights;
use sculpt_checkpoints::{Meta, read_meta, read_tensors, verify as check};
use sculpt_experiments::{Predictions, check_timings, model_of, read_metrics};
use sculpt_models::ModelSpec;
use sculpt_store::paths;
use std::path::Path;

/// A file of any kind, and the model if its user names it.
pub(super) fn verify(path: &Path, model: Option<&ModelSpec>, findings: &mut Findings) {
    let parent = path.parent().unwrap_or(Path::new(""));
    match Some(paths::file_name(path)) {
        Some(paths::NODE_JSON) => drop(super::node::description(parent, findings)),
        Some(paths::MANIFEST) => drop(super::suite::manifest(parent, findings)),
        Some(paths::SUITE_JSON) => super::suite::description(parent, findings),
        Some(_) if path == paths::predictions(parent) => {
            findings.checked += 1;
            if let Err(error) = Predictions::read(path) {
                super::suite::say(findings, path, &error);
            }
        }
        Some(name) if paths::is_parquet(name) => {
            findings.checked += 1;
            let read = if path == paths::timings(parent) {
                check_timings(path)
            } else {
                read_metrics(path).map(drop)
            };
            if let Err(error) = read {
                super::suite::say(findings, path, &error);
            }
        }
        Some(_) | None => drop(tensors(path, model, findings)),
    }
}

/// A file of tensors against the model that it names, or the one given. Returns what a checkpoint says of itself.
pub(super) fn tensors(
    path: &Path,
    model: Option<&ModelSpec>,
    findings: &mut Findings,
) -> Option<(Meta, ModelSpec)> {
    findings.checked += 1;
    if let Some(said) = probe(path) {
        findings.notes.push(said);
        return None;
    }
    let meta = read_meta(path).ok();
    let stated = match meta.as_ref().map(|meta| model_of(path, meta)) {
        None => None,
        Some(Ok(stated)) => Some(stated),
        Some(Err(_)) => {
            findings.say(
                path,
                PlaceKind::Model,
                "its metadata describe a model that is none of this program's",
            );
            None
        }
    };
    if let (Some(stated), Some(model)) = (&stated, model)
        && stated != model
    {
        let detail = format!(
            "is of {}, not of {}",
            weights::flags(stated),
            weights::flags(model)
        );
        findings.say(path, PlaceKind::Model, detail);
    }
    // What names no model may tell by its names and shapes.
    let known = stated.as_ref().or(model);
    let fitting = known.is_none().then(|| weights::fitting(path, None)).flatten();
    let layout = known.or(fitting.as_ref()).map(ModelSpec::layout);
    let (violations, form) = check::file_and_form(path, layout.as_deref());
    let fits = violations.is_empty();
    findings.extend(violations);
    if let Some(form) = form {
        let said = weights::say_form(path, &form, findings.verbose);
        let other =
            || model.and_then(|model| weights::fitting(path, Some(model)).filter(|other| other != model));
        let other = if fits { None } else { other() };
        let fits = |model: &ModelSpec| format!("{} fits {}", path.display(), weights::flags(model));
        match &other {
            Some(other) => findings.notes.push(fits(other)),
            None => findings.notes.extend(fitting.iter().map(fits).chain(said)),
        }
    }
    Some((meta?, stated?))
}

/// What a sound probe has: images, and a label for each.
fn probe(path: &Path) -> Option<String> {
    let mut tensors = read_tensors(path).ok()?;
    let (shape, _) = tensors.take_f32("images").ok()?;
    let (n_labels, labels) = tensors.take_integers("labels").ok()?;
    tensors.finish().ok()?;
    let ([n, channels, height, width], [n_labels]) = (&shape[..], &n_labels[..]) else {
        return None;
    };
    let range = (labels.iter().min()?, labels.iter().max()?);
    (n == n_labels).then(|| {
        format!(
            "{} is a probe: {n} images of {channels} x {height} x {width}, labels {} to {}",
            path.display(),
            range.0,
            range.1
        )
    })
}
