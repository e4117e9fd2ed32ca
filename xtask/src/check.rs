//! `cargo xtask check` and `cargo xtask test`: the steps, one after the other, until one fails.

use std::ffi::OsString;
use std::fs;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::project::{cargo, find_program, project_root};
use crate::setup;
use crate::steps::{self, Step, Tool};

/// `cargo xtask check [--quick]`.
pub(crate) fn run(quick: bool) -> Result<()> {
    run_all(&steps::check(&light_crates()?, quick), &[])
}

/// What the tests with a long form look at.
const HARD: [(&str, &str); 2] = [("RUN_SLOW_TESTS", "1"), ("PROPTEST_CASES", "20000")];

/// `cargo xtask test [--hard] [WORDS]`.
pub(crate) fn test(hard: bool, words: &[OsString]) -> Result<()> {
    run_all(
        &steps::test(&light_crates()?, words),
        if hard { &HARD } else { &[] },
    )
}

fn light_crates() -> Result<Vec<String>> {
    let manifest = project_root().join("Cargo.toml");
    let text =
        fs::read_to_string(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
    let light = steps::light_crates(&text);
    if light.is_empty() {
        bail!(
            "{} has no `default-members`, the list of crates without libtorch",
            manifest.display()
        );
    }
    Ok(light)
}

fn run_all(steps: &[Step], environment: &[(&str, &str)]) -> Result<()> {
    for step in steps {
        if step.needs_libtorch {
            setup::ensure(false)?;
        }
        let mut command = match step.tool {
            Tool::Cargo => cargo()?,
            Tool::CargoDoc => {
                let mut cargo = cargo()?;
                cargo.env("RUSTDOCFLAGS", "-D warnings");
                cargo
            }
            Tool::Optional(name) => {
                let Some(program) = find_program(name) else {
                    eprintln!("skipped: {name} (not installed)");
                    continue;
                };
                let mut tool = Command::new(program);
                tool.current_dir(project_root()).stdout(std::io::stderr());
                tool
            }
        };
        eprintln!("==> {}", step.name);
        let started = Instant::now();
        let status = command
            .args(&step.words)
            .envs(environment.iter().copied())
            .status()
            .with_context(|| format!("cannot start the step `{}`", step.name))?;
        let seconds = started.elapsed().as_secs_f64();
        if !status.success() {
            bail!(
                "the step `{}` failed after {seconds:.1} s; what it found is above",
                step.name
            );
        }
        eprintln!("==> {}: ok, {seconds:.1} s", step.name);
    }
    Ok(())
}
