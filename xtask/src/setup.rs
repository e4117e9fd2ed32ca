//! `cargo xtask setup`: libtorch behind `.libtorch/torch`, once.
//!
//! There is no stamp file. A folder is installed under `.libtorch/partial/` and renamed when it is whole,
//! the link is made last, and what the link leads to says for itself which version and flavour it is.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::graphs;
use crate::libtorch::{self, VERSION};
use crate::project::{find_program, libtorch_link, project_root};

/// Pinned by hash; `pip` gets the text as a file.
const CPU: &str = include_str!("../requirements/cpu.txt");
const CUDA: &str = include_str!("../requirements/cuda.txt");

/// What each takes on the disk.
const CPU_SIZE: &str = "about 1.2 GB";
const CUDA_SIZE: &str = "about 4 GB";

/// For CPython 3.11 whichever Python runs pip: only the libraries in the wheels are used.
const PIP: &str = "-m pip install --no-deps --only-binary=:all: --no-compile --disable-pip-version-check \
    --no-input --python-version=3.11 --implementation=cp";
/// Settings of the user's, by variable or by pip.conf, that do not go with `--target`; a variable wins over the file.
const PIP_SETTINGS: [(&str, &str); 4] = [
    ("PIP_USER", "0"),
    ("PIP_REQUIRE_VIRTUALENV", "0"),
    ("PIP_PREFIX", ""),
    ("PIP_TARGET", ""),
];
/// Of the wheels in these lists, one each.
const PLATFORMS: [&str; 8] = [
    "manylinux_2_28_x86_64",
    "manylinux_2_27_x86_64",
    "manylinux_2_25_x86_64",
    "manylinux_2_18_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
    "manylinux2010_x86_64",
    "manylinux1_x86_64",
];

/// `cargo xtask setup`.
pub(crate) fn run(cuda: bool) -> Result<()> {
    ensure(cuda)?;
    if cuda {
        // While there is a network.
        graphs::headers()?;
    }
    let link = libtorch_link();
    eprintln!(
        "libtorch {VERSION} is ready: {} ({})",
        link.canonicalize().unwrap_or(link.clone()).display(),
        if libtorch::has_cuda(&link) {
            "CPU and CUDA"
        } else {
            "CPU"
        }
    );
    Ok(())
}

/// Returns when `.libtorch/torch` is a libtorch to build against; says nothing if it is one already.
pub(crate) fn ensure(cuda: bool) -> Result<()> {
    let link = libtorch_link();
    let own = own_libtorch(env::var_os("LIBTORCH").map(PathBuf::from), &project_root())?;
    if let Some(own) = &own {
        libtorch::verify(own)
            .context("LIBTORCH names a folder that cannot be used; unset it to have one installed")?;
        if cuda && !libtorch::has_cuda(own) {
            bail!(
                "{} (LIBTORCH) has no CUDA; unset LIBTORCH to have one with CUDA installed",
                own.display()
            );
        }
    }
    if is_done(own.as_deref(), cuda, &link) {
        return Ok(());
    }

    // A second `cargo xtask` waits here for the first, and then finds everything done.
    let folder = project_root().join(".libtorch");
    let _lock = lock()?;
    if is_done(own.as_deref(), cuda, &link) {
        return Ok(());
    }
    match own {
        Some(own) => {
            eprintln!("using libtorch {VERSION} in {} (LIBTORCH)", own.display());
            require_compiler()?;
            point(&link, &own)
        }
        None => install(&folder, cuda),
    }
}

/// Held while something is downloaded into `.libtorch`.
pub(crate) fn lock() -> Result<File> {
    let folder = project_root().join(".libtorch");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let lock = File::create(folder.join("lock")).context("cannot create .libtorch/lock")?;
    lock.lock().context("cannot lock .libtorch/lock")?;
    Ok(lock)
}

/// The folder that the user's own `LIBTORCH` names. Under `cargo xtask` the variable is always set: to
/// our link by `.cargo/config.toml`, unless the user's environment had it already.
fn own_libtorch(variable: Option<PathBuf>, root: &Path) -> Result<Option<PathBuf>> {
    let Some(path) = variable.filter(|path| !path.as_os_str().is_empty()) else {
        return Ok(None);
    };
    let path = std::path::absolute(path).context("LIBTORCH is not a path")?;
    let same = |a: &Path| a == root || (a.exists() && a.canonicalize().ok() == root.canonicalize().ok());
    let is_ours = path.ends_with(".libtorch/torch") && path.ancestors().nth(2).is_some_and(same);
    Ok((!is_ours).then_some(path))
}

fn is_done(own: Option<&Path>, cuda: bool, link: &Path) -> bool {
    let leads_there = own.is_none_or(|own| link.canonicalize().ok() == own.canonicalize().ok());
    leads_there && libtorch::verify(link).is_ok() && (!cuda || libtorch::has_cuda(link))
}

/// Downloads into `partial/`, so that an interrupted start leaves nothing that looks finished.
fn install(folder: &Path, cuda: bool) -> Result<()> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        bail!(
            "libtorch {VERSION} is installed by itself on Linux x86_64 only; \
             download it for this machine and set LIBTORCH to its folder"
        );
    }
    require_compiler()?;
    require_pip()?;
    let started = Instant::now();
    eprintln!(
        "setting up libtorch {VERSION} for {} ({}, once) ...",
        if cuda { "CPU and CUDA" } else { "CPU" },
        if cuda { CUDA_SIZE } else { CPU_SIZE }
    );
    if !cuda && Path::new("/dev/nvidiactl").exists() {
        eprintln!("note: this machine has an NVIDIA GPU; `cargo xtask setup --cuda` makes it usable");
    }

    let partial = folder.join("partial");
    let installed = install_wheels(if cuda { CUDA } else { CPU }, &partial);
    let site = installed.with_context(|| {
        format!(
            "libtorch {VERSION} is not set up; once the network answers, run this again, or download it and set LIBTORCH to its folder"
        )
    })?;
    libtorch::verify(&site.join("torch")).context("pip installed something else")?;

    let finished = folder.join("site");
    if finished.exists() {
        fs::rename(&finished, partial.join("old")).context("cannot move the old .libtorch/site away")?;
    }
    fs::rename(&site, &finished).context("cannot rename the finished folder to .libtorch/site")?;
    point(&folder.join("torch"), Path::new("site/torch"))?;
    remove(&partial)?;
    eprintln!(
        "libtorch {VERSION} is in {} after {:.0} s",
        finished.display(),
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Downloads a list of wheels, each with its hash, and unpacks them in the folder `site` of `partial`, which is made anew: where they are.
pub(crate) fn install_wheels(list: &str, partial: &Path) -> Result<PathBuf> {
    let python = require_pip()?;
    remove(partial)?;
    fs::create_dir_all(partial.join("tmp"))
        .with_context(|| format!("cannot create {}", partial.display()))?;
    let requirements = partial.join("requirements.txt");
    fs::write(&requirements, list).context("cannot write the list for pip")?;
    let site = partial.join("site");
    let mut pip = Command::new(python);
    pip.args(PIP.split_whitespace())
        .args(PLATFORMS.map(|platform| format!("--platform={platform}")))
        .arg("--target")
        .arg(&site)
        .args(["--require-hashes", "--requirement"])
        .arg(&requirements)
        // On the disk the files end on: /tmp is often too small for them.
        .env("TMPDIR", partial.join("tmp"))
        // In a folder of its own, root or not makes no difference.
        .env("PIP_ROOT_USER_ACTION", "ignore")
        .envs(PIP_SETTINGS)
        .stdout(std::io::stderr());
    let status = pip.status().context("cannot start pip")?;
    if !status.success() {
        bail!("pip could not install {}", requirements.display());
    }
    Ok(site)
}

/// Makes the link, replacing an older one in one step.
fn point(link: &Path, to: &Path) -> Result<()> {
    let new = link.with_extension("new");
    remove(&new)?;
    symlink(to, &new)
        .and_then(|()| fs::rename(&new, link))
        .with_context(|| format!("cannot make {} a link to {}", link.display(), to.display()))
}

fn remove(path: &Path) -> Result<()> {
    let outcome = match fs::symlink_metadata(path) {
        Ok(entry) if entry.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    };
    outcome.with_context(|| format!("cannot remove {}", path.display()))
}

/// torch-sys compiles a few C++ files; better said before a download than after.
fn require_compiler() -> Result<()> {
    if env::var_os("CXX").is_none() && find_program("c++").is_none() {
        bail!(
            "there is no C++ compiler (`c++`), which torch-sys needs; on Debian or Ubuntu: apt-get install g++"
        );
    }
    Ok(())
}

fn require_pip() -> Result<PathBuf> {
    let Some(python) = find_program("python3") else {
        bail!(
            "there is no `python3`, whose pip downloads libtorch and CUDA's headers; on Debian or Ubuntu: apt-get install \
             python3-pip; or download libtorch {VERSION} and set LIBTORCH to its folder"
        );
    };
    let pip = Command::new(&python)
        .args(["-m", "pip", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {}", python.display()))?;
    if !pip.success() {
        bail!(
            "{} has no pip, which downloads libtorch; on Debian or Ubuntu: apt-get install python3-pip",
            python.display()
        );
    }
    Ok(python)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configured_variable_is_not_the_users() {
        let own =
            |variable: Option<&str>| own_libtorch(variable.map(PathBuf::from), Path::new("/p")).unwrap();
        assert_eq!(own(None), None);
        assert_eq!(own(Some("")), None);
        assert_eq!(own(Some("/p/.libtorch/torch")), None);
        assert_eq!(
            own(Some("/q/.libtorch/torch")),
            Some(PathBuf::from("/q/.libtorch/torch"))
        );
        assert_eq!(own(Some("/opt/libtorch")), Some(PathBuf::from("/opt/libtorch")));
    }

    #[test]
    fn every_requirement_is_pinned_by_hash() {
        for (text, n_packages) in [(CPU, 3), (CUDA, 16)] {
            let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
            assert_eq!(lines.len(), n_packages);
            for line in lines {
                let (pin, hash) = line.split_once(" --hash=sha256:").unwrap();
                assert!(pin.contains("=="), "{line}");
                assert_eq!(hash.len(), 64, "{line}");
            }
            assert!(text.contains(&format!("\ntorch=={VERSION} ")));
        }
    }

    #[test]
    fn a_link_is_replaced_in_place() {
        let dir = env::temp_dir().join(format!("xtask-setup-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let link = dir.join("torch");
        for to in ["one", "two"] {
            point(&link, Path::new(to)).unwrap();
            assert_eq!(fs::read_link(&link).unwrap(), Path::new(to));
        }
        assert!(
            !is_done(None, false, &link),
            "a link to nowhere is not an installation"
        );
        fs::remove_dir_all(dir).unwrap();
    }
}
