//! Masks that come with weights, or in a file of their own.

use crate::commands::address::Input;
use crate::commands::weights::fits;
use crate::printing;
use crate::words::Global;
use anyhow::bail;
use sculpt_checkpoints::{Weights, read_mask};
use sculpt_experiments::check_unnamed;
use sculpt_layout::Layout;
use sculpt_masks::{Mask, Ties};
use sculpt_models::ModelSpec;
use std::path::Path;

/// Reads a mask of which something survives: a mask file's, or a state's of the store or a published suite.
pub(crate) fn read(word: &Path, model: &ModelSpec, global: &Global) -> anyhow::Result<Mask> {
    let mask = match Input::of(word, global)? {
        Input::File(path) => {
            let mask = read_mask(&path, &model.layout())?;
            check_unnamed(&path, model)?;
            mask
        }
        Input::State(place) => {
            let loaded = place.load()?;
            fits(word, &loaded.model, model)?;
            loaded.state.mask
        }
    };
    if mask.n_kept() == 0 {
        bail!("{}: the mask keeps no weight", word.display());
    }
    Ok(mask)
}

/// The mask that weights carry: everything, if they carry none.
pub(crate) fn of(weights: &Weights, layout: &Layout) -> Mask {
    weights
        .mask
        .clone()
        .unwrap_or_else(|| Mask::full(layout.n_prunable()))
}

/// Says where equal scores decided what is kept: a note, and a warning where no score differs from another.
pub(crate) fn say_ties(ties: Option<Ties>) {
    match ties {
        Some(ties) if ties.are_all() => {
            printing::warning(&format!("{ties}: the mask says nothing of the weights"));
        }
        Some(ties) => printing::note(&ties.to_string()),
        None => {}
    }
}
