//! Anybody's weights, and what to change about the flags when they do not fit.

use crate::commands::address::Input;
use crate::words::Global;
use anyhow::{anyhow, bail};
use sculpt_checkpoints::{CheckpointError, Fault, Weights, read_meta, read_weights};
use sculpt_experiments::model_of;
use sculpt_layout::Param;
use sculpt_models::ModelSpec;
use std::path::Path;

/// Reads weights of any kind for the network of the flags: a file's, or a state's of the store or a published suite.
pub(crate) fn read(word: &Path, model: &ModelSpec, global: &Global) -> anyhow::Result<Weights> {
    match Input::of(word, global)? {
        Input::File(path) => of_file(&path, model),
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

fn of_file(path: &Path, model: &ModelSpec) -> anyhow::Result<Weights> {
    read_weights(path, &model.layout()).map_err(|error| match hint(path, model, &error) {
        Some(hint) => anyhow!("{error}; {hint}"),
        None => error.into(),
    })
}

/// The flags with which the file would have fitted, where that can be seen.
fn hint(path: &Path, model: &ModelSpec, error: &CheckpointError) -> Option<String> {
    let CheckpointError::Invalid { fault, .. } = error else {
        return None;
    };
    let stated = read_meta(path).ok().and_then(|meta| model_of(path, &meta).ok());
    if let Some(stated) = stated.filter(|stated| stated != model) {
        return Some(format!("the file is of {}", flags(&stated)));
    }
    let layout = model.layout();
    let first = layout.prunable().next().map(Param::name);
    let last = layout.prunable().last().map(Param::name);
    match fault {
        Fault::WrongShape {
            tensor,
            shape,
            expected,
        } if last == Some(tensor) && shape.len() == 2 => {
            (shape[1] == expected[1]).then(|| format!("its number of classes is --classes {}", shape[0]))
        }
        Fault::WrongShape {
            tensor,
            shape,
            expected,
        } if first == Some(tensor) && shape.len() == 4 => {
            (shape[1..] == expected[1..]).then(|| format!("its width is --width {}", shape[0]))
        }
        _ => None,
    }
}

/// A model as flags.
pub(crate) fn flags(model: &ModelSpec) -> String {
    let default = ModelSpec::named(&model.name(), model.classes(), None, None);
    let shortcut = match (model.shortcut(), default.ok().and_then(|model| model.shortcut())) {
        (Some(shortcut), usual) if Some(shortcut) != usual => format!(" --shortcut {}", shortcut.word()),
        _ => String::new(),
    };
    format!(
        "--model {} --width {} --classes {}{shortcut}",
        model.name(),
        model.width(),
        model.classes()
    )
}
