//! Where things lie when the user does not say: beside the checkout that xtask runs from, else here.

use crate::words::Global;
use std::path::PathBuf;

/// Set by xtask: the root of the checkout.
const ROOT: &str = "SCULPT_ROOT";

fn root() -> PathBuf {
    std::env::var_os(ROOT).map_or_else(PathBuf::new, PathBuf::from)
}

/// `--runs`, as typed, or `runs/` of the checkout.
pub(crate) fn runs(global: &Global) -> PathBuf {
    global.runs.clone().unwrap_or_else(|| root().join("runs"))
}

/// `data/` of the checkout.
pub(crate) fn data() -> PathBuf {
    root().join("data")
}

/// `reports/` of the checkout.
pub(crate) fn reports() -> PathBuf {
    root().join("reports")
}
