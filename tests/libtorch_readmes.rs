//! Every example in the README of a crate that links libtorch builds as it stands, pasted into a fresh package.

use crate::fresh_crate::{cargo, examples, paste, target};

/// Whose examples these are: all that link libtorch, but for the command itself; and downloads and remote
/// places, which `sculpt-datasets` and `sculpt-experiments` are made of.
const CRATES: [&str; 12] = [
    "sculpt-downloads",
    "sculpt-remote",
    "sculpt-models",
    "sculpt-scores",
    "sculpt-connectivity",
    "sculpt-hessian",
    "sculpt-trainers",
    "sculpt-datasets",
    "sculpt-collective",
    "sculpt-experiments",
    "sculpt-measures",
    "sculpt-report",
];

/// What they are made of.
const BENEATH: [&str; 17] = [
    "sculpt-layout",
    "sculpt-random",
    "sculpt-schedules",
    "sculpt-lanczos",
    "sculpt-masks",
    "sculpt-store",
    "sculpt-network",
    "sculpt-sparse",
    "sculpt-stats",
    "sculpt-pictures",
    "sculpt-signs",
    "sculpt-label-noise",
    "sculpt-parquet",
    "sculpt-checkpoints",
    "sculpt-rows",
    "sculpt-figures",
    "sculpt-claims",
];

#[test]
fn examples_with_libtorch_can_be_pasted() {
    let examples = examples(CRATES);
    assert!(examples.len() >= CRATES.len(), "only {} examples", examples.len());
    let folder = paste("readmes-libtorch", BENEATH.into_iter().chain(CRATES), &examples);
    cargo(&folder, &target(), &["check", "--release", "--quiet"]);
}
