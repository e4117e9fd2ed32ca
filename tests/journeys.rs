//! Journeys across the crates, in one test binary.

/// Training against PyTorch, masks that hold, networks made of closures.
mod training;

/// Nodes in a store: identity, resuming, sharing, determinism.
mod runs;
