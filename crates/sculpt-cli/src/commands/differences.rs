//! `differences`: where paper, the authors' harness and a suite differ.

use super::figure::{ShowWords, show};
use crate::words::Global;

pub(crate) fn run(words: &ShowWords, global: &Global) -> anyhow::Result<()> {
    show("differences", &[], words, global)
}
