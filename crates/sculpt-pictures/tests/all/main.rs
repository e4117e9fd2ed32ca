//! Everything that opens files, in one binary.

#![expect(clippy::unwrap_used, reason = "tests")]

mod almost;
mod batches;
mod common;
mod decoding;
mod many;
mod sources;
