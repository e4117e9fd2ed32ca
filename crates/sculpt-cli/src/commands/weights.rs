//! Anybody's weights, and what to change about the flags when they do not fit.

use crate::commands::address::{Input, stated};
use crate::printing;
use crate::words::Global;
use anyhow::{anyhow, bail};
use sculpt_checkpoints::{CheckpointError, FaultKind, Form, Listing, Weights, read_weights_and_form};
use sculpt_experiments::check_unnamed;
use sculpt_models::{ModelSpec, Shortcut};
use std::path::Path;

/// Reads weights of any kind for the network of the flags: a file's, or a state's of the store or a published suite.
pub(crate) fn read(word: &Path, model: &ModelSpec, global: &Global) -> anyhow::Result<Weights> {
    match Input::of(word, global)? {
        Input::File(path) => of_file(&path, model, global),
        Input::State(place) => {
            let loaded = place.load()?;
            fits(word, &loaded.model, model)?;
            Ok(Weights {
                theta: loaded.state.theta,
                buffers: loaded.state.buffers,
                mask: Some(loaded.state.mask),
            })
        }
    }
}

/// Fails where a state is of another network than the flags'.
pub(crate) fn fits(word: &Path, stated: &ModelSpec, model: &ModelSpec) -> anyhow::Result<()> {
    if stated == model {
        return Ok(());
    }
    bail!(
        "{} is a state of {}, not of {}",
        word.display(),
        flags(stated),
        flags(model)
    )
}

fn of_file(path: &Path, model: &ModelSpec, global: &Global) -> anyhow::Result<Weights> {
    let read = read_weights_and_form(path, &model.layout());
    let (weights, form) = read.map_err(|error| match hint(path, model, &error) {
        Some(hint) => anyhow!("{error}; {hint}"),
        None => error.into(),
    })?;
    match form {
        Some(form) => say_form(path, &form, global.verbose)
            .iter()
            .for_each(|line| printing::note(&printing::plain(line))),
        None => check_unnamed(path, model)?,
    }
    // As many tensors of the same names may be of a network that computes something else.
    if let Some(stated) = stated(path).filter(|stated| stated != model) {
        printing::note(&format!(
            "{}: its metadata say that it is of {}; read as {}, whose tensors have the same names and shapes",
            path.display(),
            flags(&stated),
            flags(model)
        ));
    }
    Ok(weights)
}

/// How a file was read, and with `--verbose` what of it was not.
pub(crate) fn say_form(path: &Path, form: &Form, verbose: bool) -> Vec<String> {
    let path = path.display();
    let mut lines = vec![format!("{path}: read as {form}")];
    if !form.other_sets.is_empty() {
        let chosen = match form.prefix.trim_end_matches('.') {
            "" => "the ones outside of it",
            prefix => prefix,
        };
        lines.push(format!(
            "{path}: holds other weights of this network too, {}; those of {chosen} were read (save one dictionary alone for the other)",
            form.other_sets.join(", ")
        ));
    }
    let kinds = form.ignored_kinds();
    if verbose && !kinds.is_empty() {
        let kinds: Vec<_> = kinds.iter().map(|(kind, n)| format!("{kind} ({n})")).collect();
        lines.push(format!("{path}: not read: {}", kinds.join(", ")));
    }
    lines
}

/// The flags with which the file would have fitted, where that can be seen.
fn hint(path: &Path, model: &ModelSpec, error: &CheckpointError) -> Option<String> {
    let CheckpointError::Invalid { fault, .. } = error else {
        return None;
    };
    if let Some(stated) = stated(path).filter(|stated| stated != model) {
        return Some(format!("the file is of {}", flags(&stated)));
    }
    match fault.kind() {
        FaultKind::Names | FaultKind::MissingTensor | FaultKind::ExtraTensor | FaultKind::Shape => {
            fitting(path, Some(model)).map(|fitting| format!("the file fits {}", flags(&fitting)))
        }
        _ => None,
    }
}

/// A network that the file's names and shapes are of, if there is one that is in use. Such as are called as the model are
/// looked at first.
pub(crate) fn fitting(path: &Path, model: Option<&ModelSpec>) -> Option<ModelSpec> {
    let listing = Listing::read(path).ok()?;
    // Names tell everything but these two, and shapes tell these.
    let (classes, width) = (10, None);
    let mut all = ModelSpec::in_use(classes, width);
    if let Some(model) = model {
        let same = [Shortcut::Projection, Shortcut::Identity].map(Some);
        let same = same.into_iter().chain([None]);
        let same = same.filter_map(|shortcut| ModelSpec::named(&model.name(), classes, width, shortcut).ok());
        all.splice(0..0, same);
    }
    all.into_iter().find_map(|tried| {
        let layout = tried.layout();
        let shapes = listing.shapes(&layout)?;
        let size = |of_last: bool| {
            let mut prunable = (0..shapes.len()).filter(|&i| layout.params()[i].is_prunable());
            let i = if of_last {
                prunable.next_back()
            } else {
                prunable.next()
            };
            u32::try_from(*shapes[i?].first()?).ok()
        };
        let fitting = ModelSpec::named(&tried.name(), size(true)?, size(false), tried.shortcut()).ok()?;
        listing.fits(&fitting.layout()).then_some(fitting)
    })
}

/// A model as flags.
pub(crate) fn flags(model: &ModelSpec) -> String {
    let (Some(width), None) = (model.width(), model.network_sha256()) else {
        let sha256 = model.network_sha256().unwrap_or_default();
        return format!("--network FILE ({model}, SHA-256 {sha256})");
    };
    let default = ModelSpec::named(&model.name(), model.classes(), None, None);
    let shortcut = match (model.shortcut(), default.ok().and_then(|model| model.shortcut())) {
        (Some(shortcut), usual) if Some(shortcut) != usual => format!(" --shortcut {}", shortcut.word()),
        _ => String::new(),
    };
    format!(
        "--model {} --width {} --classes {}{shortcut}",
        model.name(),
        width,
        model.classes()
    )
}
