//! Anybody's weights, and what to change about the flags when they do not fit.

use anyhow::anyhow;
use sculpt_checkpoints::{CheckpointError, Fault, Weights, read_meta, read_weights};
use sculpt_experiments::model_of;
use sculpt_layout::Param;
use sculpt_models::ModelSpec;
use std::path::Path;

/// Reads weights of any kind for the network of the flags.
pub(crate) fn read(path: &Path, model: &ModelSpec) -> anyhow::Result<Weights> {
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
