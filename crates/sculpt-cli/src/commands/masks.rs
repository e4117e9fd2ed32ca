//! Masks that come with weights, or in a file of their own.

use anyhow::bail;
use sculpt_checkpoints::{Weights, read_mask};
use sculpt_layout::Layout;
use sculpt_masks::Mask;
use std::path::Path;

/// Reads a mask file of which something survives.
pub(crate) fn read(path: &Path, layout: &Layout) -> anyhow::Result<Mask> {
    let mask = read_mask(path, layout)?;
    if mask.n_kept() == 0 {
        bail!("{}: the mask keeps no weight", path.display());
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
