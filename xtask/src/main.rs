//! `cargo xtask <command>`: the one command that works on a fresh clone.
//!
//! It builds in seconds, because it depends on nothing heavy. It sets libtorch up once, builds `sculpt`
//! (always in release) and runs it in the caller's directory with the caller's words.
//!
//! Everything that it or a tool it starts has to say goes to stderr: stdout belongs to `sculpt`, whose
//! `--json` promises exactly one object there.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a binary talks to its user"
)]

mod check;
mod flags;
mod gpu_kit;
mod graphs;
mod libtorch;
mod project;
mod sculpt;
mod setup;
mod steps;

use std::process::ExitCode;

use flags::Command;

fn main() -> ExitCode {
    let command = match flags::parse(std::env::args_os().skip(1).collect()) {
        Ok(command) => command,
        Err(message) => {
            eprintln!("xtask: {message}");
            return ExitCode::from(2);
        }
    };
    let outcome = match command {
        Command::Help => {
            print!("{}", flags::USAGE);
            Ok(())
        }
        Command::Setup { cuda } => setup::run(cuda),
        Command::Check { quick } => check::run(quick),
        Command::Test { hard, words } => check::test(hard, &words),
        Command::GpuKit { out, with, binary } => gpu_kit::run(&out, &with, binary),
        Command::Sculpt { words } => sculpt::run(&words),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
