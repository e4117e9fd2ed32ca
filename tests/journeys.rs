//! Journeys across the crates, in one test binary.
#![expect(clippy::unwrap_used, reason = "tests: a panic is a failure, helpers included")]

/// What EXTENDING.md shows: parts of one's own, through the public interfaces.
mod extending;

/// READMEs: what they show, in a package of its own.
mod fresh_crate;
mod libtorch_readmes;

/// Training against PyTorch, masks that hold, networks made of closures.
mod training;

/// Training on several processes, and in groups of a batch.
mod ranks;

/// Nodes in a store: identity, resuming, sharing, determinism.
mod runs;

/// Training from pictures on disk: folders, tar files and packs.
mod pictures;

/// States under one address: other bits, changed parents, older stores, damaged progress.
mod states;

/// Stores in remote places: caches without room, several machines, servers that are away.
mod remote_stores;
