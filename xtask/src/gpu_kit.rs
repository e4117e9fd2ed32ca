//! `cargo xtask gpu-kit`: what a machine with a GPU needs that has no Rust and no network.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::project::{project_root, target_dir};
use crate::{graphs, sculpt, setup};

/// What such a machine takes at most, in bytes.
const MOST: u64 = 64 << 20;

/// Files of the checkout, and what they are called in the kit.
const FILES: [(&str, &str); 5] = [
    ("python/gpu_kit.py", "run.py"),
    ("python/gpu_kit_archives.py", "gpu_kit_archives.py"),
    ("tests/peers/training.py", "training.py"),
    ("tests/peers/hessian.py", "hessian.py"),
    ("tests/peers/machine.py", "machine.py"),
];

/// The peer of the Hessian's eigenvalues, pinned by hash: Python alone.
const PYHESSIAN: &str = include_str!("../requirements/pyhessian.txt");

/// Makes the folder `out`, with the files `with` too; of `binary`, or of one that is built first.
pub(crate) fn run(out: &Path, with: &[PathBuf], binary: Option<PathBuf>) -> Result<()> {
    if out.exists()
        && fs::read_dir(out)
            .with_context(|| out.display().to_string())?
            .next()
            .is_some()
    {
        bail!("{} is there and not empty", out.display());
    }
    let binary = binary.map_or_else(sculpt::build, Ok)?;
    // Its headers are libtorch's.
    setup::ensure(false)?;
    let own = FILES.map(|(from, to)| (project_root().join(from), to.to_owned()));
    let graphs = graphs::build(&target_dir()?.join("release"))?;
    let mut all = vec![
        (binary, "sculpt".to_owned()),
        (graphs, graphs::LIBRARY.to_owned()),
    ];
    let _lock = setup::lock()?;
    let partial = project_root().join(".libtorch/partial-pyhessian");
    let site = setup::install_wheels(PYHESSIAN, &partial)?.join("pyhessian");
    for entry in fs::read_dir(&site).with_context(|| site.display().to_string())? {
        let entry = entry.with_context(|| site.display().to_string())?;
        all.push((
            entry.path(),
            format!("pyhessian/{}", entry.file_name().to_string_lossy()),
        ));
    }
    all.extend(own);
    for file in with {
        let name = file
            .file_name()
            .with_context(|| format!("{} is no file", file.display()))?;
        all.push((file.clone(), name.to_string_lossy().into_owned()));
    }
    let size = |(from, _): &(PathBuf, String)| -> Result<u64> {
        let about = fs::metadata(from).with_context(|| format!("cannot read {}", from.display()))?;
        Ok(about.len())
    };
    let bytes: u64 = all.iter().map(size).sum::<Result<u64>>()?;
    if bytes > MOST {
        fs::remove_dir_all(&partial).with_context(|| partial.display().to_string())?;
        bail!("the kit would have {bytes} bytes, more than {MOST}: carry what --with names by itself");
    }
    fs::create_dir_all(out.join("pyhessian")).with_context(|| format!("cannot make {}", out.display()))?;
    for (from, name) in all {
        let to = out.join(&name);
        if to.exists() {
            bail!("two files of the kit are called {name}");
        }
        fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    fs::remove_dir_all(&partial).with_context(|| partial.display().to_string())?;
    println!(
        "{} ({:.1} MB). There, with torch 2.11.0:\n\n  python3 {}/run.py --out results\n\n`--help` says what it does, and how it trains.",
        out.display(),
        bytes as f64 / 1e6,
        out.display()
    );
    Ok(())
}
