//! What a folder of libtorch says about itself. Nothing here writes or runs anything.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// The version that `tch` 0.24 is made for, and no other: torch-sys itself refuses 2.11.1.
pub(crate) const VERSION: &str = "2.11.0";

/// Refuses a folder that `sculpt` cannot be linked against.
pub(crate) fn verify(dir: &Path) -> Result<()> {
    for needed in ["lib/libtorch_cpu.so", "include/torch"] {
        if !dir.join(needed).exists() {
            bail!("{} is not a libtorch: it has no {needed}", dir.display());
        }
    }
    match version(dir) {
        Some(found) if found == VERSION => Ok(()),
        Some(found) => bail!("{} is libtorch {found}, and {VERSION} is needed", dir.display()),
        None => bail!(
            "{} does not say which version of libtorch it is ({VERSION} is needed)",
            dir.display()
        ),
    }
}

/// Whether CUDA can be used with it: the library, and beside it cuDNN, which a wheel installed for CPU
/// use lacks.
pub(crate) fn has_cuda(dir: &Path) -> bool {
    let is_cudnn = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with("libcudnn.so");
    let holds_cudnn =
        |dir: PathBuf| fs::read_dir(dir).is_ok_and(|entries| entries.flatten().any(|entry| is_cudnn(&entry)));
    let wheel = dir
        .canonicalize()
        .ok()
        .and_then(|dir| dir.parent().map(Path::to_path_buf));
    dir.join("lib/libtorch_cuda.so").exists()
        && (holds_cudnn(dir.join("lib"))
            || wheel.is_some_and(|site| holds_cudnn(site.join("nvidia/cudnn/lib"))))
}

/// The version, from whichever of its files is there: the archives of pytorch.org have the first, wheels
/// the second, both the others.
fn version(dir: &Path) -> Option<String> {
    let text = |name: &str| fs::read_to_string(dir.join(name)).ok();
    text("build-version")
        .and_then(|text| without_build(&text))
        .or_else(|| version_of_python(&text("version.py")?))
        .or_else(|| version_of_header(&text("include/torch/headeronly/version.h")?))
        .or_else(|| version_of_header(&text("include/torch/csrc/api/include/torch/version.h")?))
}

/// `2.11.0+cu130` → `2.11.0`.
fn without_build(text: &str) -> Option<String> {
    let version = text.trim().split('+').next()?;
    (!version.is_empty()).then(|| version.to_owned())
}

fn version_of_python(text: &str) -> Option<String> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("__version__ = "))?;
    without_build(value.trim().trim_matches(['\'', '"']))
}

fn version_of_header(text: &str) -> Option<String> {
    let number = |part: &str| {
        let name = format!("TORCH_VERSION_{part}");
        text.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            let found = words.next() == Some("#define") && words.next() == Some(&name);
            found.then(|| words.next()?.parse::<u32>().ok()).flatten()
        })
    };
    Some(format!(
        "{}.{}.{}",
        number("MAJOR")?,
        number("MINOR")?,
        number("PATCH")?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first lines of the file in the wheel and in the archive.
    const HEADER: &str = "#pragma once\n\n/// Indicates the major version of LibTorch.\n\
        #define TORCH_VERSION_MAJOR 2\n\n#define TORCH_VERSION_MINOR 11\n#define TORCH_VERSION_PATCH 0\n\
        #define TORCH_VERSION \\\n  \"2.11.0\"\n#define TORCH_VERSION_ABI_TAG 0\n";

    #[test]
    fn versions_of_all_three_files() {
        assert_eq!(version_of_header(HEADER).as_deref(), Some("2.11.0"));
        assert_eq!(version_of_header("#define TORCH_VERSION_MAJOR 2\n"), None);
        assert_eq!(
            version_of_python("x = 1\n__version__ = '2.11.0+cu130'\ndebug = False\n").as_deref(),
            Some("2.11.0")
        );
        assert_eq!(version_of_python("version = '2.11.0'"), None);
        assert_eq!(without_build("2.10.1+cpu\n").as_deref(), Some("2.10.1"));
        assert_eq!(without_build("\n"), None);
    }

    /// A folder with just the files looked at.
    fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("xtask-libtorch-{}-{name}", std::process::id()));
        for (file, text) in files {
            let path = dir.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    #[track_caller]
    fn check(name: &str, files: &[(&str, &str)], expected: Result<(), &str>) {
        let dir = folder(name, files);
        let found = verify(&dir).map_err(|error| error.to_string());
        let found = found
            .as_ref()
            .map(|_| ())
            .map_err(|text| text.strip_prefix(dir.to_str().unwrap()).unwrap());
        assert_eq!(found, expected);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn only_the_exact_version_will_do() {
        let library = ("lib/libtorch_cpu.so", "");
        check(
            "none",
            &[("x", "")],
            Err(" is not a libtorch: it has no lib/libtorch_cpu.so"),
        );
        check(
            "no-headers",
            &[library],
            Err(" is not a libtorch: it has no include/torch"),
        );
        check(
            "archive",
            &[
                library,
                ("include/torch/extension.h", ""),
                ("build-version", "2.11.0+cpu\n"),
            ],
            Ok(()),
        );
        check(
            "header",
            &[library, ("include/torch/headeronly/version.h", HEADER)],
            Ok(()),
        );
        check(
            "old",
            &[
                library,
                ("include/torch/extension.h", ""),
                ("version.py", "__version__ = '2.9.1'"),
            ],
            Err(" is libtorch 2.9.1, and 2.11.0 is needed"),
        );
        check(
            "silent",
            &[library, ("include/torch/extension.h", "")],
            Err(" does not say which version of libtorch it is (2.11.0 is needed)"),
        );
    }

    #[test]
    fn cuda_needs_cudnn_too() {
        let dir = folder("cuda", &[("torch/lib/libtorch_cuda.so", "")]);
        assert!(!has_cuda(&dir.join("torch")));
        fs::create_dir_all(dir.join("nvidia/cudnn/lib")).unwrap();
        assert!(!has_cuda(&dir.join("torch")));
        fs::write(dir.join("nvidia/cudnn/lib/libcudnn.so.9"), "").unwrap();
        assert!(has_cuda(&dir.join("torch")));
        fs::remove_dir_all(dir).unwrap();
    }
}
