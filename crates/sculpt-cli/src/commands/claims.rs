//! `claims`: the verdicts on the paper's claims.

use super::figure::{ShowWords, show};
use crate::words::Global;

pub(crate) fn run(words: &ShowWords, global: &Global) -> anyhow::Result<()> {
    show("claims", &[], words, global)
}
