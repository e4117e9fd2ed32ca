//! What READMEs show, as a stranger would use it: each example in a package of its own, outside the workspace, over what
//! `cargo package` makes of our crates.

use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// One example of a README, ready to be pasted.
pub(crate) struct Example {
    /// The package that it becomes: its crate, and which of its README's examples it is.
    pub(crate) package: String,
    /// The last block of dependencies before it.
    manifest: String,
    main: String,
    /// Whether it runs as it stands, with no file and no network.
    #[allow(dead_code, reason = "journeys compile theirs and leave it at that")]
    pub(crate) runs: bool,
}

/// All examples of these crates' READMEs.
pub(crate) fn examples<'a>(crates: impl IntoIterator<Item = &'a str>) -> Vec<Example> {
    crates.into_iter().flat_map(examples_of).collect()
}

fn examples_of(folder: &str) -> Vec<Example> {
    let path = root().join("crates").join(folder).join("README.md");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (mut examples, mut manifest) = (Vec::new(), None);
    // Every second part between fences is a block: its language, and its lines.
    for block in text.split("```").skip(1).step_by(2) {
        let (language, block) = block.split_once('\n').expect("a block has lines");
        match language {
            "toml" => manifest = Some(block.to_owned()),
            "rust" | "rust,no_run" => examples.push(Example {
                package: format!("readme-{folder}-{}", examples.len() + 1),
                manifest: manifest.clone().unwrap_or_else(|| {
                    panic!("{}: an example stands before its dependencies", path.display())
                }),
                main: block.to_owned(),
                runs: language == "rust",
            }),
            "text" | "sh" => {}
            other => panic!("{}: a block of {other:?}: say `rust`", path.display()),
        }
    }
    examples
}

/// Packages the crates and pastes the examples into packages of a workspace of their own, in a folder of this name; returns it.
pub(crate) fn paste<'a>(
    name: &str,
    crates: impl IntoIterator<Item = &'a str> + Clone,
    examples: &[Example],
) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    }
    let (packages, crates_here) = (folder.join("packages"), folder.join("crates"));
    fs::create_dir_all(&crates_here).unwrap();
    let mut words = vec!["package", "--no-verify", "--allow-dirty", "--quiet"];
    for name in crates.clone() {
        words.extend(["--package", name]);
    }
    cargo(&root(), &packages, &words);

    let mut manifest = String::from(
        "[workspace]\nresolver = \"3\"\nmembers = [\"examples/*\"]\nexclude = [\"crates\"]\n\n[patch.crates-io]\n",
    );
    for name in crates {
        let package = format!("{name}-{}", env!("CARGO_PKG_VERSION"));
        // Their times are all the same: only new ones make cargo compile what changed.
        let archive = packages.join("package").join(format!("{package}.crate"));
        let unpacked = Command::new("tar")
            .args(["-x", "-z", "-m", "-f"])
            .args([archive.as_os_str(), OsStr::new("-C"), crates_here.as_os_str()])
            .output();
        assert_success(&unpacked.expect("tar can be started"), &package);
        writeln!(manifest, "{name} = {{ path = \"crates/{package}\" }}").unwrap();
    }
    // The profiles of this workspace, so that what it has compiled serves.
    let ours = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let profiles = ours.find("\n[profile.").expect("the root manifest has profiles");
    manifest.push_str(&ours[profiles..]);
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    // The versions that are here already.
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    for example in examples {
        let package = folder.join("examples").join(&example.package);
        fs::create_dir_all(package.join("src")).unwrap();
        let manifest = format!(
            "[package]\nname = \"{}\"\nedition = \"2024\"\n\n{}",
            example.package, example.manifest
        );
        fs::write(package.join("Cargo.toml"), manifest).unwrap();
        fs::write(package.join("src/main.rs"), &example.main).unwrap();
    }
    folder
}

/// Runs cargo in that folder with the flags of this workspace, so that what is compiled here already serves there too. Nothing is
/// fetched but what is missing.
#[track_caller]
pub(crate) fn cargo(folder: &Path, target: &Path, words: &[&str]) {
    let run = |more: &[&str]| {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        for (name, _) in env::vars_os() {
            let is_ours = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
            if name.to_str().is_some_and(is_ours) {
                cargo.env_remove(name);
            }
        }
        let output = cargo
            .args(words)
            .args(more)
            .arg("--config")
            .arg(root().join(".cargo/config.toml"))
            .arg("--target-dir")
            .arg(target)
            .current_dir(folder)
            .output();
        output.expect("cargo can be started")
    };
    let mut output = run(&["--offline"]);
    // Cargo says so where a package is not on this machine.
    if !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("offline") {
        output = run(&[]);
    }
    assert_success(&output, &words.join(" "));
}

/// The folder that all of this is compiled into.
pub(crate) fn target() -> PathBuf {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tmp.parent().expect("it lies in target").to_path_buf()
}

#[track_caller]
pub(crate) fn assert_success(output: &Output, what: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {}\n{text}", output.status);
}

/// The root of the workspace: the package that this is compiled for lies directly in it.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.parent().expect("the package lies in the workspace");
    root.to_path_buf()
}
