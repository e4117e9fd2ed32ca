//! `contrasts`: the comparisons that the claims come down to.

use super::figure::{ShowWords, show};
use crate::words::Global;

pub(crate) fn run(words: &ShowWords, global: &Global) -> anyhow::Result<()> {
    show("contrasts", &[], words, global)
}
