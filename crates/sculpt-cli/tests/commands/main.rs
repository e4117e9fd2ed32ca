//! The commands as their users meet them: the built binary, its files, its sentences and its exit codes.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

mod ablations;
mod analyses;
mod bad_usage;
mod bench;
mod data;
mod eval;
mod fetch;
mod foreign;
mod gc;
mod gpu_kit;
mod help;
mod imagenet;
mod mask;
mod network;
mod network_recipes;
mod pictures;
mod readme;
mod recipe_suites;
mod recipe_suites_of_others;
mod remote;
mod schedule;
mod states;
mod store;
mod tables;
mod verify;
mod vgg;
mod watch;
mod workers;

use help::*;
