//! Where things are, and how cargo is started so that every start agrees with every other.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// The workspace. `cargo run` sets the variable, also after the tree was moved.
pub(crate) fn project_root() -> PathBuf {
    let manifest_dir = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let manifest_dir = PathBuf::from(manifest_dir);
    manifest_dir
        .parent()
        .map(Path::to_path_buf)
        .unwrap_or(manifest_dir)
}

/// The folder that cargo builds into. This program lies in `<target>/debug/`, wherever a flag, a
/// variable or a configuration file put it; asking `cargo metadata` would take longer than all else here.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let exe = env::current_exe().context("cannot find the running xtask itself")?;
    let profile_dir = exe.parent().context("the running xtask has no folder")?;
    Ok(profile_dir
        .parent()
        .context("the running xtask has no target folder")?
        .to_path_buf())
}

/// A cargo in the workspace's root, talking only to stderr.
pub(crate) fn cargo() -> Result<Command> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(project_root()).stdout(std::io::stderr());
    // `cargo run` describes xtask in these; build scripts that watch them (ring's) would run again each
    // time `cargo xtask` and a plain `cargo build` take turns.
    for (name, _) in env::vars_os() {
        let watched = name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
        if watched {
            cargo.env_remove(name);
        }
    }
    // Words of the user to other builds of torch-sys: they would send this one to their Python or their folder.
    for name in [
        "LIBTORCH_USE_PYTORCH",
        "LIBTORCH_LIB",
        "LIBTORCH_INCLUDE",
        "LIBTORCH_STATIC",
    ] {
        cargo.env_remove(name);
    }
    // One value for good, also for who has a libtorch of their own, which `setup` has linked there:
    // torch-sys is built again whenever this variable changes.
    cargo.env("LIBTORCH", libtorch_link());
    // Relative to the caller's directory, which is not cargo's here.
    if let Some(dir) = env::var_os("CARGO_TARGET_DIR") {
        cargo.env(
            "CARGO_TARGET_DIR",
            std::path::absolute(dir).context("CARGO_TARGET_DIR is not a path")?,
        );
    }
    if let Some(path) = library_path()? {
        cargo.env("LD_LIBRARY_PATH", path);
    }
    Ok(cargo)
}

/// `.libtorch/torch`: the folder of libtorch or a link to it. `.cargo/config.toml` knows this path.
pub(crate) fn libtorch_link() -> PathBuf {
    project_root().join(".libtorch/torch")
}

/// What `LD_LIBRARY_PATH` must be for programs built here; `None` where their rpath is enough, which
/// counts on `target/` standing in the root, and on flags of the user's not taking the place of those in
/// `.cargo/config.toml`.
pub(crate) fn library_path() -> Result<Option<OsString>> {
    let at_home = target_dir()?.canonicalize().ok() == project_root().join("target").canonicalize().ok();
    if at_home && !has_own_rustflags(|name| env::var_os(name)) {
        return Ok(None);
    }
    let mut dirs = vec![libtorch_link().join("lib")];
    if let Some(old) = env::var_os("LD_LIBRARY_PATH") {
        dirs.extend(env::split_paths(&old));
    }
    env::join_paths(dirs)
        .map(Some)
        .context("the path of the project cannot stand in LD_LIBRARY_PATH")
}

/// Whether rustc gets flags from the environment, which replace those of `.cargo/config.toml`, rpaths among them.
fn has_own_rustflags(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let names = [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS",
    ];
    names.into_iter().any(|name| variable(name).is_some())
}

/// The program of that name in `PATH`.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_the_environment_replace_the_rpaths() {
        assert!(!has_own_rustflags(|_| None));
        for own in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
            assert!(has_own_rustflags(
                |name| (name == own).then(|| "-C target-cpu=native".into())
            ));
        }
    }
}
