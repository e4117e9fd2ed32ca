//! Every example in the README of a crate that needs no libtorch builds and runs as it stands, pasted into a fresh package.
//!
//! `xtask` declares it as a test of its own, so that it runs without libtorch. The other crates' examples are a journey.

#![expect(clippy::unwrap_used, reason = "tests")]

mod fresh_crate;

use fresh_crate::{assert_success, cargo, examples, paste, target};
use std::fs;
use std::process::Command;

/// All that are published and need no libtorch, but for what downloads and uploads: that alone would take half of the time.
const CRATES: [&str; 17] = [
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
    "sculpt-checkpoints",
    "sculpt-network",
    "sculpt-sparse",
    "sculpt-rows",
    "sculpt-figures",
    "sculpt-claims",
];

#[test]
fn examples_of_readmes_can_be_pasted() {
    let examples = examples(CRATES);
    assert!(examples.len() >= CRATES.len(), "only {} examples", examples.len());
    let folder = paste("readmes", CRATES, &examples);
    cargo(&folder, &target(), &["build", "--quiet"]);

    // What `sculpt-checkpoints` reads is in no dialect and has nothing of ours.
    let weights = fresh_crate::root().join("tests/reuse-connectivity/a.safetensors");
    fs::copy(weights, folder.join("model.safetensors")).unwrap();
    let needs_it = |package: &str| package == "readme-sculpt-checkpoints-1";
    for example in examples
        .iter()
        .filter(|example| example.runs || needs_it(&example.package))
    {
        let program = target().join("debug").join(&example.package);
        let output = Command::new(&program).current_dir(&folder).output();
        assert_success(&output.unwrap(), &example.package);
    }
    assert!(folder.join("mask.safetensors").exists());
}

/// A README is read on a web page, where a link to an item leads nowhere and a line that rustdoc hides does not.
#[test]
fn readmes_are_pages_too() {
    let version = env!("CARGO_PKG_VERSION");
    let (version, _) = version.rsplit_once('.').expect("a version has three parts");
    let crates = fresh_crate::root().join("crates");
    for folder in fs::read_dir(crates).unwrap() {
        let folder = folder.unwrap();
        let name = folder.file_name().into_string().unwrap();
        let readme = fs::read_to_string(folder.path().join("README.md")).unwrap();
        let blocks: Vec<_> = readme.split("```").collect();
        for text in blocks.iter().step_by(2) {
            for (before, after) in text.match_indices("`]").map(|(i, _)| text.split_at(i)) {
                let start = before.rfind('[').map_or("", |start| &before[start..]);
                let leads_somewhere = after.starts_with("`](https://");
                let is_link = start.starts_with("[`") && !leads_somewhere;
                assert!(!is_link, "{name}: {start}`] is a link for rustdoc alone");
            }
        }
        for block in blocks
            .iter()
            .skip(1)
            .step_by(2)
            .filter(|block| block.starts_with("rust"))
        {
            let hidden = block.lines().find(|line| line.starts_with("# ") || *line == "#");
            assert_eq!(hidden, None, "{name}: rustdoc hides it, nobody else does");
        }
        if name == "sculpt-cli" {
            continue;
        }
        let line = format!("\n[dependencies]\n{name} = ");
        assert!(readme.contains(&line), "{name}: how is it depended upon?");
        for (_, after) in readme
            .match_indices(&line)
            .map(|(i, _)| readme.split_at(i + line.len()))
        {
            let first = after.split('"').nth(1);
            assert_eq!(first, Some(version), "{name}: the version in its README");
        }
    }
}
