//! Where things lie when the user does not say: beside the checkout that xtask runs from, else here.

use crate::printing;
use crate::words::Global;
use sculpt_experiments::Store;
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

/// The store of `--runs`, which reads on to the suites published and fetched here.
pub(crate) fn store(global: &Global) -> Store {
    Store::new(runs(global)).with_published(&data())
}

/// Says which suites give no states because they cannot be read.
pub(crate) fn warn_of_unreadable(store: &Store) {
    for error in store.unreadable_suites() {
        printing::warning(&format!(
            "{error}; its states are trained anew, `sculpt verify` says more"
        ));
    }
}

/// `data/` of the checkout.
pub(crate) fn data() -> PathBuf {
    root().join("data")
}

/// `reports/` of the checkout.
pub(crate) fn reports() -> PathBuf {
    root().join("reports")
}
