//! What a reader types to make what the page lacks.

use super::Entry;
use sculpt_experiments::{Overrides, PresetName, Suite};
use std::fmt::Write;

/// What makes an artefact: drawing alone where the suite has its checkpoints, else training too. Folders are
/// for the reader to put in.
pub(super) fn command(entry: &Entry, suite: &Suite) -> String {
    let mut words = if suite.artefacts.contains(&entry.command) {
        format!("cargo xtask {}", entry.command)
    } else {
        let preset = &suite.preset;
        format!(
            "cargo xtask reproduce {} --preset {}{}",
            entry.command,
            preset.name,
            flags(&preset.overrides)
        )
    };
    write!(words, " --suite {}", suite.name).expect("a string takes what is written");
    match suite.preset.name {
        PresetName::Demo => {}
        PresetName::Paper | PresetName::Short | PresetName::Quarter => words.push_str(" --data DIR"),
    }
    words
}

fn flags(overrides: &Overrides) -> String {
    let words = overrides.words().into_iter();
    words.map(|(flag, value)| format!(" --{flag} {value}")).collect()
}
