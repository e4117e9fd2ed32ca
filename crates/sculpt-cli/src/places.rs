//! Where things lie when the user does not say: beside the checkout that xtask runs from, else here.

use crate::printing;
use crate::words::{BadUsage, Global};
use sculpt_experiments::Store;
use sculpt_store::paths;
use std::fs;
use std::path::{Path, PathBuf};

/// Set by xtask: the root of the checkout.
pub(crate) const ROOT: &str = "SCULPT_ROOT";

fn root() -> PathBuf {
    std::env::var_os(ROOT).map_or_else(PathBuf::new, PathBuf::from)
}

/// `--runs`, as typed or its cache, or `runs/` of the checkout.
pub(crate) fn runs(global: &Global) -> PathBuf {
    global.runs.clone().unwrap_or_else(|| root().join("runs"))
}

/// The store of `--runs`, which reads on to the suites published and fetched here.
pub(crate) fn store(global: &Global) -> Store {
    store_alone(global).with_published(&data())
}

/// The store of `--runs` and nothing else.
pub(crate) fn store_alone(global: &Global) -> Store {
    Store::new(runs(global)).with_remote(global.remote.clone())
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

/// `tests/peers/` of the checkout.
pub(crate) fn peers() -> anyhow::Result<PathBuf> {
    let peers = root().join("tests/peers");
    if !peers.is_dir() {
        anyhow::bail!(
            "the scripts of other projects' speeds are in a checkout, at tests/peers; there is none here"
        );
    }
    Ok(peers)
}

/// Refuses to write over what is read, under whatever name, and into folders of nodes and of published suites, where an id
/// may name what is read: (flag, path) of the output and of each input.
pub(crate) fn spare_inputs<'a>(
    (flag, out): (&str, &Path),
    inputs: impl IntoIterator<Item = (&'a str, &'a Path)>,
) -> anyhow::Result<()> {
    let target = fs::canonicalize(out);
    let folder = target.as_deref().unwrap_or(out).parent();
    let is_kept = |folder: &Path| {
        [paths::NODE_JSON, paths::MANIFEST]
            .iter()
            .any(|file| folder.join(file).exists())
    };
    // Of a suite checkpoints are a folder deeper, and of a store suites and networks.
    let folders = || folder.into_iter().flat_map(Path::ancestors).take(2);
    let is_store = |folder: &Path| {
        let suites = paths::suite(folder, "any");
        paths::lock(folder).exists() && suites.parent().is_some_and(Path::is_dir)
    };
    if let Some(folder) = folders().find(|folder| is_kept(folder) || is_store(folder)) {
        return Err(BadUsage(format!(
            "{flag} {} lies in {}, which holds results of a store or suite; give another",
            out.display(),
            folder.display()
        ))
        .into());
    }
    let Ok(target) = target else {
        // What is not there is nobody's input.
        return Ok(());
    };
    for (of, input) in inputs {
        if fs::canonicalize(input).is_ok_and(|input| input == target && input.is_file()) {
            return Err(BadUsage(format!(
                "{flag} {} is the file of {of} {}; give another",
                out.display(),
                input.display()
            ))
            .into());
        }
    }
    Ok(())
}
