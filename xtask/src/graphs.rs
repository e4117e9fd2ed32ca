//! The library of `crates/sculpt-cli/src/cuda/graphs.cpp`, for machines with a GPU: compiled from libtorch's headers and CUDA's, which
//! PyPI has, so that no CUDA toolkit is needed.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::project::{libtorch_link, project_root};
use crate::setup;

/// Pinned by hash; the headers of the CUDA that `requirements/cuda.txt` has.
const HEADERS: &str = include_str!("../requirements/cuda-headers.txt");

/// What it is made of.
const SOURCE: &str = "crates/sculpt-cli/src/cuda/graphs.cpp";

/// What `sculpt` calls it, in its own folder.
pub(crate) const LIBRARY: &str = "libsculpt_graphs.so";

/// Makes the library in `folder`, unless it is there and newer than its source.
pub(crate) fn build(folder: &Path) -> Result<PathBuf> {
    let (source, library) = (project_root().join(SOURCE), folder.join(LIBRARY));
    let time = |path: &Path| fs::metadata(path).and_then(|data| data.modified());
    if let (Ok(made), Ok(changed)) = (time(&library), time(&source))
        && made > changed
    {
        return Ok(library);
    }
    let headers = headers()?;
    eprintln!("compiling the library of CUDA graphs ...");
    let libtorch = libtorch_link();
    // The program's own: another PyTorch's (LIBTORCH_INCLUDE) it is not linked with either.
    let include = libtorch.join("include");
    // Another process may be loading the one that is there.
    let new = folder.join(format!("{LIBRARY}.{}", std::process::id()));
    let compiler = env::var_os("CXX").unwrap_or_else(|| "c++".into());
    let compiled = Command::new(&compiler)
        .args([
            "-std=c++17",
            "-O2",
            "-shared",
            "-fPIC",
            "-w",
            "-D_GLIBCXX_USE_CXX11_ABI=1",
        ])
        .arg("-I")
        .arg(&include)
        .arg("-I")
        .arg(include.join("torch/csrc/api/include"))
        .arg("-I")
        .arg(headers)
        .arg(&source)
        .arg("-o")
        .arg(&new)
        .status()
        .with_context(|| format!("cannot start {}", compiler.display()))?;
    if !compiled.success() {
        bail!("{SOURCE} could not be compiled ({compiled}); the compiler's words are above");
    }
    fs::rename(&new, &library).with_context(|| format!("cannot make {}", library.display()))?;
    Ok(library)
}

/// The folder of CUDA's headers, downloaded once (2 MB).
pub(crate) fn headers() -> Result<PathBuf> {
    let folder = project_root().join(".libtorch/cuda-headers");
    let include = folder.join("nvidia/cu13/include");
    let _lock = setup::lock()?;
    if include.join("cuda_runtime_api.h").exists() && include.join("crt/host_defines.h").exists() {
        return Ok(include);
    }
    let partial = project_root().join(".libtorch/partial-headers");
    setup::install_wheels(HEADERS, &partial)?;
    let made = partial.join("site");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    fs::rename(&made, &folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::remove_dir_all(&partial).with_context(|| partial.display().to_string())?;
    Ok(include)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// They are those of the libraries that a GPU's libtorch is installed with.
    #[test]
    fn the_headers_are_of_the_cuda_that_setup_installs() {
        let libraries = include_str!("../requirements/cuda.txt");
        let lines: Vec<_> = HEADERS.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(lines.len(), 2);
        assert!(libraries.contains(lines[0]), "{}", lines[0]);
        assert!(lines[1].starts_with("nvidia-cuda-crt==13.0."), "{}", lines[1]);
        assert!(
            lines
                .iter()
                .all(|line| line.split_once(" --hash=sha256:").unwrap().1.len() == 64)
        );
    }
}
