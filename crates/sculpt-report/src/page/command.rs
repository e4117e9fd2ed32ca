//! What a reader types to make what the page lacks.

use super::Entry;
use sculpt_experiments::{Overrides, PresetName, Suite};
use std::fmt::Write;

/// What makes an artefact: drawing alone where the suite has its checkpoints, else training too. Folders are
/// for the reader to put in.
pub(super) fn command(entry: &Entry, suite: &Suite) -> String {
    let mut words = if suite.artefacts.contains(&entry.name) {
        format!("cargo xtask {}", entry.name)
    } else {
        let preset = &suite.preset;
        format!(
            "cargo xtask reproduce {} --preset {}{}",
            entry.name,
            preset.name,
            flags(&preset.overrides)
        )
    };
    write!(words, " --suite {}", suite.name).expect("a string takes what is written");
    match suite.preset.name {
        PresetName::Demo => {}
        PresetName::Paper | PresetName::Short => words.push_str(" --data DIR"),
    }
    words
}

fn flags(overrides: &Overrides) -> String {
    let Overrides {
        cycle_epochs,
        cycles,
        densities,
        seeds,
        train_images,
    } = overrides;
    let number = |n: &Option<u32>| n.map(|n| n.to_string());
    let densities = densities.as_ref().map(|densities| {
        let values = densities.iter().map(|d| d.get().to_string());
        values.collect::<Vec<_>>().join(",")
    });
    let all = [
        ("cycle-epochs", number(cycle_epochs)),
        ("cycles", number(cycles)),
        ("densities", densities),
        ("seeds", number(seeds)),
        ("train-images", number(train_images)),
    ];
    all.into_iter()
        .filter_map(|(flag, value)| Some(format!(" --{flag} {}", value?)))
        .collect()
}
