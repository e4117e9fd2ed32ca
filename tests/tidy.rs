//! The shape of the tree, as tests: what ARCHITECTURE.md and the manifests promise, and no compiler checks.
//!
//! It reads files, and asks git and cargo. `xtask` declares it as a test of its own, so that it runs without
//! libtorch.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bottom to top. A crate may depend on crates that stand before it, and on no others.
const CRATES: [&str; 30] = [
    "sculpt-layout",
    "sculpt-random",
    "sculpt-stats",
    "sculpt-schedules",
    "sculpt-lanczos",
    "sculpt-masks",
    "sculpt-signs",
    "sculpt-label-noise",
    "sculpt-store",
    "sculpt-parquet",
    "sculpt-pictures",
    "sculpt-downloads",
    "sculpt-remote",
    "sculpt-checkpoints",
    "sculpt-network",
    "sculpt-sparse",
    "sculpt-models",
    "sculpt-scores",
    "sculpt-connectivity",
    "sculpt-hessian",
    "sculpt-trainers",
    "sculpt-datasets",
    "sculpt-collective",
    "sculpt-experiments",
    "sculpt-rows",
    "sculpt-figures",
    "sculpt-measures",
    "sculpt-claims",
    "sculpt-report",
    "sculpt-cli",
];

/// The analyses, each of which must be of use to somebody who has no other crate of ours in hand:
/// `tests/reuse-<name>` shows it for `sculpt-<name>`.
const REUSED: [&str; 6] = [
    "connectivity",
    "hessian",
    "label-noise",
    "lanczos",
    "scores",
    "signs",
];

/// What draws, judges and holds rows: it must build without libtorch, however far down they stand.
const LIGHT: [&str; 3] = ["sculpt-rows", "sculpt-figures", "sculpt-claims"];

const MAX_LIB_LINES: usize = 200;

#[test]
fn every_crate_has_its_place_in_the_order() {
    for folder in crate_folders() {
        assert!(
            CRATES.contains(&folder.as_str()),
            "crates/{folder} has no place in the order of crates: add it to CRATES in tests/tidy.rs"
        );
    }
}

#[test]
fn arrows_point_up_the_list_only() {
    for folder in crate_folders() {
        let Some(own_place) = place(&folder) else { continue };
        for dependency in dependencies(&format!("crates/{folder}")) {
            let Some(place) = place(&dependency) else { continue };
            assert!(
                place < own_place,
                "{folder} depends on {dependency}, which does not stand before it in the order of crates"
            );
        }
    }
}

#[test]
fn what_a_plain_cargo_test_builds_needs_no_libtorch() {
    let manifest = read("Cargo.toml");
    let (_, list) = manifest
        .split_once("\ndefault-members = [")
        .expect("Cargo.toml has default-members");
    let (list, _) = list.split_once(']').expect("the list of default-members ends");
    let members: Vec<_> = list.split('"').skip(1).step_by(2).collect();
    let names: Vec<_> = members
        .iter()
        .filter_map(|member| member.rsplit('/').next())
        .collect();
    assert!(names.contains(&"xtask"), "xtask is a default member");
    for member in &members {
        for dependency in dependencies(member) {
            assert_ne!(
                dependency, "tch",
                "{member} is a default member and depends on tch"
            );
            assert!(
                !dependency.starts_with("sculpt-") || names.contains(&dependency.as_str()),
                "{member} is a default member and depends on {dependency}, which is none"
            );
        }
    }
}

#[test]
fn rows_pictures_and_verdicts_know_no_libtorch() {
    for package in LIGHT {
        let all = all_dependencies(package);
        assert!(
            all.iter().any(|name| name == "sculpt-schedules"),
            "{package}: {all:?}"
        );
        for heavy in ["tch", "torch-sys", "sculpt-experiments"] {
            assert!(
                !all.iter().any(|name| name == heavy),
                "{package} depends on {heavy}"
            );
        }
    }
}

#[test]
fn xtask_stays_thin() {
    assert_eq!(dependencies("xtask"), ["anyhow"]);
}

#[test]
fn folder_equals_package() {
    for (folder, path) in members() {
        let name = if folder == "tests" {
            "sculpt-tests"
        } else {
            folder.as_str()
        };
        let line = format!("\nname = \"{name}\"\n");
        assert!(
            read(&format!("{path}/Cargo.toml")).contains(&line),
            "the package in {path} is not {name}"
        );
    }
}

#[test]
fn versions_and_lints_live_in_the_root_manifest() {
    for (_, path) in members() {
        let manifest = read(&format!("{path}/Cargo.toml"));
        for inherited in ["\nversion.workspace = true\n", "\nedition.workspace = true\n"] {
            assert!(
                manifest.contains(inherited),
                "{path}/Cargo.toml lacks `{}`",
                inherited.trim()
            );
        }
        assert!(
            manifest.contains("\n[lints]\nworkspace = true"),
            "{path}/Cargo.toml does not inherit the workspace's lints"
        );
        for line in dependency_lines(&manifest) {
            assert!(
                line.contains("workspace = true") && !line.contains("version"),
                "{path}/Cargo.toml has a dependency of its own making: `{line}`"
            );
        }
    }
}

#[test]
fn every_analysis_is_reused_on_its_own() {
    let folders: Vec<String> = REUSED.map(|name| format!("reuse-{name}")).to_vec();
    assert_eq!(
        reuse_folders(),
        folders,
        "the folders tests/reuse-* are not those of REUSED"
    );
    for name in REUSED {
        let package = format!("reuse-{name}");
        let mut of_ours = direct_dependencies(&package);
        of_ours.retain(|dependency| dependency.starts_with("sculpt-"));
        assert_eq!(
            of_ours,
            [format!("sculpt-{name}")],
            "{package} must have one crate of ours, and that one"
        );
    }
}

/// What crates.io and docs.rs show of a crate, and what its licence asks for, is in its package.
#[test]
fn a_package_has_its_licence_and_its_documentation() {
    let licence = read("LICENSE");
    for folder in crate_folders() {
        assert!(
            read(&format!("crates/{folder}/LICENSE")) == licence,
            "crates/{folder}/LICENSE is not that of the root: link it"
        );
        let manifest = read(&format!("crates/{folder}/Cargo.toml"));
        let line = format!("\ndocumentation = \"https://docs.rs/{folder}\"\n");
        assert!(
            manifest.contains(&line),
            "crates/{folder}/Cargo.toml lacks `{}`",
            line.trim()
        );
        let needs_libtorch = manifest.contains("\ndoc-only = [");
        let has_docs = manifest.contains("\n[package.metadata.docs.rs]\nfeatures = [\"doc-only\"]\n");
        assert_eq!(
            has_docs, needs_libtorch,
            "crates/{folder}/Cargo.toml: docs.rs has no libtorch"
        );
        assert!(
            needs_libtorch || !all_dependencies(&folder).iter().any(|name| name == "tch"),
            "crates/{folder} depends on tch without a feature `doc-only`"
        );
    }
}

#[test]
fn the_readme_of_a_crate_is_its_documentation() {
    for folder in crate_folders() {
        let readme = read(&format!("crates/{folder}/README.md"));
        assert!(!readme.trim().is_empty(), "crates/{folder}/README.md is empty");
        if folder == "sculpt-cli" {
            continue;
        }
        assert!(
            read(&format!("crates/{folder}/src/lib.rs")).contains("#![doc = include_str!(\"../README.md\")]"),
            "crates/{folder}/src/lib.rs does not include README.md as its documentation"
        );
    }
}

#[test]
fn every_lib_rs_reads_top_down_and_is_short() {
    for folder in crate_folders().iter().filter(|folder| *folder != "sculpt-cli") {
        let n_lines = read(&format!("crates/{folder}/src/lib.rs")).lines().count();
        assert!(
            n_lines < MAX_LIB_LINES,
            "crates/{folder}/src/lib.rs has {n_lines} lines of {MAX_LIB_LINES}"
        );
    }
}

#[test]
fn architecture_names_the_crates_that_exist() {
    let text = read("ARCHITECTURE.md");
    let named: BTreeSet<_> = text
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
        .map(|word| word.trim_end_matches('-'))
        .filter(|word| word.starts_with("sculpt-") && *word != "sculpt-tests")
        .collect();
    let folders = crate_folders();
    for folder in &folders {
        assert!(
            named.contains(folder.as_str()),
            "ARCHITECTURE.md does not name {folder}"
        );
    }
    for name in named {
        assert!(
            folders.iter().any(|folder| folder == name),
            "ARCHITECTURE.md names {name}, which is not there"
        );
    }
}

#[test]
fn links_of_pages_lead_somewhere() {
    let mut pages: Vec<PathBuf> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .collect();
    pages.extend(
        crate_folders()
            .iter()
            .map(|name| root().join("crates").join(name).join("README.md")),
    );
    let mut n_links = 0;
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        // Outside of code.
        let prose: String = text.split("```").step_by(2).collect();
        for (_, rest) in prose
            .match_indices("](")
            .map(|(at, sign)| prose.split_at(at + sign.len()))
        {
            let target = rest.split([')', '#', ' ']).next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            n_links += 1;
            let place = page.parent().unwrap().join(target);
            assert!(place.exists(), "{}: {target} is not there", page.display());
        }
    }
    assert!(n_links > 10, "only {n_links} links were seen");
}

/// The root of the workspace: the package that this is compiled for lies directly in it.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package lies in the workspace")
        .to_path_buf()
}

#[track_caller]
fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("cannot read {file}: {error}"))
}

/// The names of the folders in `crates/`, sorted.
fn crate_folders() -> Vec<String> {
    let folders = folders_in("crates");
    assert!(!folders.is_empty(), "crates/ is empty");
    folders
}

/// The names of the folders `tests/reuse-*`, sorted.
fn reuse_folders() -> Vec<String> {
    let mut folders = folders_in("tests");
    folders.retain(|folder| folder.starts_with("reuse-"));
    folders
}

/// The names of the folders in one of the root's, sorted.
#[track_caller]
fn folders_in(parent: &str) -> Vec<String> {
    let entries =
        fs::read_dir(root().join(parent)).unwrap_or_else(|error| panic!("cannot list {parent}: {error}"));
    let mut folders: Vec<_> = entries
        .map(|entry| entry.unwrap_or_else(|error| panic!("cannot list {parent}: {error}")))
        .filter(|entry| entry.path().is_dir())
        .map(|entry| {
            entry
                .file_name()
                .into_string()
                .expect("the name of a folder is text")
        })
        .collect();
    folders.sort();
    folders
}

/// Folder and path of every member of the workspace.
fn members() -> Vec<(String, String)> {
    let within = |parent: &str, folders: Vec<String>| {
        let member = |folder: String| {
            let path = format!("{parent}/{folder}");
            (folder, path)
        };
        folders.into_iter().map(member).collect::<Vec<_>>()
    };
    let others = ["xtask", "tests"].map(|folder| (folder.to_owned(), folder.to_owned()));
    [
        within("crates", crate_folders()),
        within("tests", reuse_folders()),
        others.to_vec(),
    ]
    .concat()
}

fn place(package: &str) -> Option<usize> {
    CRATES.iter().position(|name| *name == package)
}

/// The names of all packages that the manifest in `path` depends on, for tests and builds too.
#[track_caller]
fn dependencies(path: &str) -> Vec<String> {
    let manifest = read(&format!("{path}/Cargo.toml"));
    let name = |line: String| line.split(['.', ' ', '=']).next().map(str::to_owned);
    dependency_lines(&manifest).into_iter().filter_map(name).collect()
}

/// The lines under `[dependencies]`, `[dev-dependencies]`, `[target.….dependencies]` and so on.
fn dependency_lines(manifest: &str) -> Vec<String> {
    let mut is_dependencies = false;
    let mut lines = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            is_dependencies = line.ends_with("dependencies]");
            assert!(
                !line.contains("dependencies."),
                "write {line} as one line under its section"
            );
        } else if is_dependencies && !line.is_empty() && !line.starts_with('#') {
            lines.push(line.to_owned());
        }
    }
    lines
}

/// The names of the packages that `package` depends on, for its tests too, as cargo resolves them. Where they
/// are not on this machine, cargo fetches them, as it would to build the package.
#[track_caller]
fn direct_dependencies(package: &str) -> Vec<String> {
    cargo_tree(package, &["--edges", "normal,dev", "--depth", "1"])
}

/// The names of all packages that `package` is built from, whoever depends on them.
#[track_caller]
fn all_dependencies(package: &str) -> Vec<String> {
    cargo_tree(package, &["--edges", "normal,build"])
}

/// The names that `cargo tree` lists under `package`.
#[track_caller]
fn cargo_tree(package: &str, words: &[&str]) -> Vec<String> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["tree", "--locked", "--package", package])
        .args(words)
        .args(["--prefix", "none", "--format", "{p}"])
        .current_dir(root())
        .output()
        .expect("cargo can be started");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo tree of {package}: {errors}");
    let text = String::from_utf8(output.stdout).expect("names of packages are text");
    // The first line is the package itself; the name is the first word.
    let names = text.lines().skip(1).filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

#[test]
fn dependency_lines_are_found_in_every_section() {
    let manifest = "[package]\nname = \"a\"\n\n[dependencies]\n# why\nb.workspace = true\n\n[features]\nc = []\n\n\
        [dev-dependencies]\nd = { workspace = true }\n\n[target.'cfg(unix)'.dependencies]\ne.workspace = true\n";
    assert_eq!(
        dependency_lines(manifest),
        [
            "b.workspace = true",
            "d = { workspace = true }",
            "e.workspace = true"
        ]
    );
}
