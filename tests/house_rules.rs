//! Rules of the house that no compiler holds: where a thing may be written, and how much of it.
//!
//! It reads the sources as text, without their tests. `xtask` declares it as a test of its own, so that it runs without
//! libtorch.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// All that may stand in the root.
const TOP_LEVEL: [&str; 25] = [
    ".cargo",
    ".ci",
    ".clippy.toml",
    ".deny.toml",
    ".gitattributes",
    ".gitignore",
    ".rustfmt.toml",
    ".typos.toml",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "EXTENDING.md",
    "LICENSE",
    "README.md",
    "RECIPES.md",
    "crates",
    "data",
    "python",
    "reports",
    "rust-toolchain.toml",
    "tests",
    "xtask",
];

/// A published ResNet-20 that nothing is pruned of is the largest.
const MAX_FILE_BYTES: u64 = 5 << 18;
/// Who may name a network, and why.
const NETWORKS: [(&str, &str); 1] = [("crates/sculpt-models/", "it makes them")];

/// No file holds two ideas; this is what an idea takes at the most.
const MAX_LINES: usize = 450;

/// Ends of names that files of the project have.
const EXTENSIONS: [&str; 5] = [".safetensors\"", ".parquet\"", ".json\"", ".sha256\"", ".lock\""];

/// Where else a file's name may stand, and why.
const NAMING: [(&str, &str); 3] = [
    ("crates/sculpt-store/src/paths", "the one place that has them"),
    (
        "crates/sculpt-datasets/",
        "names that the publishers of data gave to their files",
    ),
    (
        "crates/sculpt-cli/src/watch/http.rs",
        "what a browser asks for, which is no file",
    ),
];

/// Calls that write, move or make something on the disk.
const WRITING: [&str; 9] = [
    "fs::write(",
    "File::create(",
    "File::create_new(",
    "fs::rename(",
    "renameat_with(",
    "fs::copy(",
    "OpenOptions::new(",
    "File::options(",
    "fs::create_dir",
];

/// Where they may stand, and why.
const WRITERS: [(&str, &str); 7] = [
    ("crates/sculpt-store/src/atomic.rs", "the one writer"),
    (
        "crates/sculpt-store/src/folders.rs",
        "two folders that exchange their names, which the writer then renames",
    ),
    (
        "crates/sculpt-store/src/growing.rs",
        "what is watched grows by a line or record an epoch; no result is read from it, so it may be torn and is not synchronised",
    ),
    (
        "crates/sculpt-store/src/lock.rs",
        "a lock is a file that nobody reads",
    ),
    (
        "crates/sculpt-store/src/lease.rs",
        "a file that is replaced would lose its lock: who holds it is written in place, and believed as long as it changes",
    ),
    (
        "crates/sculpt-downloads/src/client.rs",
        "what has come of a download grows in its partial file, and is moved by the writer",
    ),
    (
        "crates/sculpt-experiments/src/memory.rs",
        "a switch of the kernel's in /proc",
    ),
];

#[test]
fn a_file_holds_one_idea() {
    let long = sources(&["crates", "xtask", "tests"])
        .into_iter()
        .filter_map(|(file, text)| {
            let n = text.lines().count();
            (n > MAX_LINES).then(|| format!("{file} has {n} lines of {MAX_LINES}"))
        });
    none_of(long.collect(), "one idea or several?");
}

#[test]
fn names_of_files_stand_in_one_module() {
    let names = |line: &str| EXTENSIONS.into_iter().any(|end| line.contains(end));
    none_of(
        found(&NAMING, names),
        "names of files stand in sculpt_store::paths",
    );
}

#[test]
fn files_are_written_by_one_writer() {
    let writes = |line: &str| WRITING.into_iter().any(|call| line.contains(call));
    none_of(
        found(&WRITERS, writes),
        "files are written by sculpt_store::atomic",
    );
}

#[test]
fn a_network_is_named_by_its_crate_alone() {
    let names = |line: &str| {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        !line.contains('"') && words.any(|word| ["ResNet", "Vgg", "Architecture"].contains(&word))
    };
    none_of(
        found(&NETWORKS, names),
        "sculpt-models makes networks of a ModelSpec",
    );
}

/// Streams of two purposes are independent only if their tags differ.
#[test]
fn purposes_of_random_numbers_have_tags_of_their_own() {
    let mut tags = Vec::new();
    for (_, text) in sources(&["crates"]) {
        for (_, line) in code(&text) {
            let tag = line
                .split_once("Purpose::new(b\"")
                .and_then(|(_, rest)| rest.split_once('"'));
            tags.extend(tag.map(|(tag, _)| tag.to_owned()));
        }
    }
    let n = tags.len();
    assert!(n > 10, "only {n} purposes were found");
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), n, "two purposes share a tag: {tags:?}");
}

/// Lines of shipped code that are so, outside the places that may have them.
fn found(places: &[(&str, &str)], is_so: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (file, text) in sources(&["crates"]) {
        if places.iter().any(|(place, _)| file.starts_with(place)) {
            continue;
        }
        let lines = code(&text).filter(|(_, line)| is_so(line));
        found.extend(lines.map(|(n, line)| format!("{file}:{n}: {}", line.trim())));
    }
    found
}

#[track_caller]
fn none_of(found: Vec<String>, rule: &str) {
    assert!(found.is_empty(), "{rule}\n{}", found.join("\n"));
}

/// xtask links nothing of ours, so each has the number: what is set up is what environments are recorded with.
#[test]
fn one_libtorch_is_set_up_and_recorded() {
    let after = |file: &str, name: &str| {
        let text = read(file);
        let (_, rest) = text.split_once(name).expect("the constant is there");
        rest.split('"').nth(1).map(str::to_owned)
    };
    let set_up = after("xtask/src/libtorch.rs", "const VERSION: &str =");
    let recorded = after(
        "crates/sculpt-experiments/src/environment.rs",
        "const LIBTORCH_VERSION: &str =",
    );
    assert_eq!(set_up, recorded);
}

#[test]
fn nothing_else_stands_in_the_root() {
    let Some(files) = tracked_files() else { return };
    for file in files {
        let first = file.split('/').next().expect("a split has a first part");
        assert!(
            TOP_LEVEL.contains(&first),
            "`{first}` does not belong into the root of the repository"
        );
    }
}

#[test]
fn no_large_files_are_tracked() {
    let Some(files) = tracked_files() else { return };
    for file in files {
        if file.starts_with("data/published/") || file.starts_with("reports/published/") {
            continue;
        }
        // A file that is tracked and deleted in the working tree has no size.
        let n_bytes = fs::symlink_metadata(root().join(&file)).map_or(0, |entry| entry.len());
        assert!(
            n_bytes <= MAX_FILE_BYTES,
            "{file} has {n_bytes} bytes, more than {MAX_FILE_BYTES}"
        );
    }
}

/// What is shown is what runs: each example of EXTENDING.md stands in `tests/extending.rs`, where it is compiled and run.
#[test]
fn worked_examples_are_tests() {
    let page = read("EXTENDING.md");
    let tests = read("tests/extending.rs");
    let examples: Vec<_> = page.split("\n```rust\n").skip(1).collect();
    assert!(examples.len() >= 7, "only {} examples were found", examples.len());
    for example in examples {
        let (example, _) = example.split_once("\n```").expect("an example ends");
        assert!(
            stands_in(example, &tests),
            "this example of EXTENDING.md does not stand in tests/extending.rs:\n{example}"
        );
    }
}

/// Whether these lines stand in a text, one after the other, all indented by as much.
fn stands_in(lines: &str, text: &str) -> bool {
    let (wanted, lines): (Vec<_>, Vec<_>) = (lines.lines().collect(), text.lines().collect());
    lines.windows(wanted.len()).any(|found| {
        let indent = found[0].len().saturating_sub(wanted[0].len());
        let same = |(found, wanted): (&&str, &&str)| match found.split_at_checked(indent) {
            Some((indent, rest)) if indent.trim().is_empty() => rest == *wanted,
            Some(_) | None => found.is_empty() && wanted.is_empty(),
        };
        found.iter().zip(&wanted).all(same)
    })
}

#[test]
fn an_example_is_found_indented_and_whole() {
    let text = "mod a {\n    fn b() {\n\n        c();\n    }\n}\n";
    assert!(stands_in("fn b() {\n\n    c();\n}", text));
    for other in [
        "fn b() {\n    c();\n}",
        "fn b() {\n\nc();\n}",
        "fn b() {\n\n    d();\n}",
    ] {
        assert!(!stands_in(other, text), "{other}");
    }
}

/// Pages that name files and functions, in backquotes. A file's name starts in the root, or in the folder of the file or folder
/// that was named from the root last.
const PAGES: [&str; 3] = ["ARCHITECTURE.md", "CONTRIBUTING.md", "EXTENDING.md"];

#[test]
fn what_pages_name_is_there() {
    let functions = functions();
    let (mut missing, mut n) = (Vec::new(), 0);
    for page in PAGES {
        let text = read(page);
        let mut folder = root();
        // Every second part between fences is code, and of what is left every second between backquotes a word.
        let words = text.split("\n```").step_by(2);
        for word in words.flat_map(|part| part.split('`').skip(1).step_by(2)) {
            let is_there = match name_of_function(word) {
                Some(function) => functions.contains(function),
                None if is_path(word) => alternatives(word).iter().all(|path| {
                    let full = root().join(path);
                    if full.exists() {
                        let is_folder = full.is_dir();
                        let parent = full.parent().expect("it lies below the root").to_owned();
                        folder = if is_folder { full } else { parent };
                        return true;
                    }
                    folder.join(path).exists()
                }),
                None => continue,
            };
            n += 1;
            if !is_there {
                missing.push(format!("{page}: {word}"));
            }
        }
    }
    assert!(n > 100, "only {n} names were found");
    none_of(missing, "pages name what is there");
}

/// `name` of `name()` and `Type::name()`, and of a test's name, which is a sentence.
fn name_of_function(word: &str) -> Option<&str> {
    let called = word
        .strip_suffix("()")
        .map(|word| word.rsplit("::").next().unwrap_or(word));
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    called.or_else(|| (word.chars().all(is_plain) && word.matches('_').count() > 2).then_some(word))
}

fn is_path(word: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./{},".contains(c);
    let ends = ["/", ".rs", ".md", ".txt", ".toml", ".json", ".py"];
    word.chars().all(is_plain) && ends.iter().any(|end| word.ends_with(end))
}

/// `a/b.rs` and `a/c.rs` of `a/{b,c}.rs`.
fn alternatives(path: &str) -> Vec<String> {
    let parts = path.split_once('{').and_then(|(before, rest)| {
        let (inside, after) = rest.split_once('}')?;
        Some((before, inside, after))
    });
    match parts {
        Some((before, inside, after)) => {
            let each = inside.split(',').map(|part| format!("{before}{part}{after}"));
            each.collect()
        }
        None => vec![path.to_owned()],
    }
}

/// Names of all functions of the project, tests too.
fn functions() -> HashSet<String> {
    let mut names = HashSet::new();
    for (_, text) in sources(&["crates", "xtask", "tests"]) {
        for rest in text.split("fn ").skip(1) {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            names.extend(end.map(|end| rest[..end].to_owned()));
        }
    }
    names
}

#[track_caller]
fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The lists above name what is there.
#[test]
fn exceptions_exist() {
    for (place, _) in NAMING.iter().chain(&WRITERS).chain(&NETWORKS) {
        assert!(root().join(place).exists(), "{place} is no longer there");
    }
}

/// Lines of code with their numbers: no comments, and nothing from the tests at the foot on.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(i, line)| (i + 1, line));
    lines
        .take_while(|(_, line)| *line != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Every source file below these folders, but those that are tests or benchmarks where `src` holds code to be shipped.
fn sources(folders: &[&str]) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for folder in folders {
        walk(&root().join(folder), &mut files);
    }
    files.sort();
    let only_code = folders == ["crates"];
    let read = |path: PathBuf| {
        let name = path
            .strip_prefix(root())
            .expect("below the root")
            .to_string_lossy()
            .into_owned();
        let ships = name.contains("/src/") && !name.ends_with("_tests.rs") && !name.ends_with("/tests.rs");
        let is_test = name.contains("test_") || name.contains("hand_made");
        (!only_code || (ships && !is_test)).then(|| {
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, text)
        })
    };
    let files: Vec<_> = files.into_iter().filter_map(read).collect();
    assert!(files.len() > 100, "only {} sources were found", files.len());
    files
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The root of the workspace: the package that this is compiled for lies directly in it.
fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package
        .parent()
        .expect("the package lies in the workspace")
        .to_path_buf()
}

/// What git tracks, with `/` between folders; `None`, and a word about it, without git or its folder.
#[expect(clippy::print_stderr, reason = "a test that checks nothing says so")]
fn tracked_files() -> Option<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output();
    match output {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8(output.stdout).expect("names of tracked files are text");
            Some(
                text.split('\0')
                    .filter(|file| !file.is_empty())
                    .map(str::to_owned)
                    .collect(),
            )
        }
        Ok(_) | Err(_) => {
            eprintln!("skipped: this is not a git checkout, or git is not installed");
            None
        }
    }
}
