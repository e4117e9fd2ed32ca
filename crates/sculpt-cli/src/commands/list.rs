//! `list`: every artefact, what it needs, and what of it is there.

use crate::words::Global;
use crate::{places, printing};
use clap::Args;
use sculpt_experiments::{AnySuite, ExperimentError, Source};
use sculpt_report::{ALL, Name};
use sculpt_store::paths;
use std::{collections::BTreeMap, fs, path::Path};

#[derive(Args)]
pub(crate) struct Words {
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    let suites = suites(global)?;
    let mut rows = Vec::new();
    for artefact in ALL {
        let mut available = BTreeMap::new();
        for (suite, source) in &suites {
            let AnySuite::OfPreset(suite) = suite else {
                continue;
            };
            let needs = artefact.needs(&suite.preset)?;
            let states = needs.states();
            let there = states.iter().filter(|state| source.has(state)).count();
            available.insert(suite.name.clone(), (there, states.len()));
        }
        rows.push((artefact, available));
    }
    let recipes: Vec<_> = suites.iter().filter_map(Recipe::of).collect();
    if words.json {
        let artefacts: Vec<_> = rows
            .iter()
            .map(|(artefact, available)| {
                let suites: BTreeMap<_, _> = available
                    .iter()
                    .map(|(name, (there, of))| {
                        (name, serde_json::json!({ "available": there, "needed": of }))
                    })
                    .collect();
                serde_json::json!({ "artefact": artefact.name.to_string(), "title": artefact.title, "suites": suites })
            })
            .collect();
        let recipes: Vec<_> = recipes.iter().map(Recipe::json).collect();
        return printing::json(&serde_json::json!({ "artefacts": artefacts, "recipes": recipes }));
    }
    for (artefact, available) in &rows {
        printing::line(&format!("{:<12} {}", artefact.name.to_string(), artefact.title));
        if available.is_empty() {
            printing::line("             no suite is here; `sculpt reproduce` trains one");
        }
        for (suite, (there, needed)) in available {
            let states = match artefact.name {
                Name::Claims | Name::Contrasts => "rests on the other artefacts".to_owned(),
                Name::Figure(_) | Name::Table(_) | Name::Differences if *needed == 0 => {
                    "needs no checkpoints".to_owned()
                }
                Name::Figure(_) | Name::Table(_) | Name::Differences => {
                    format!("{there} of {needed} checkpoints")
                }
            };
            printing::line(&format!("             suite {suite}: {states}"));
        }
    }
    for recipe in &recipes {
        printing::line(&format!("{:<12} {}", "recipe", recipe.title));
        printing::line(&format!(
            "             suite {}: {} of {} trained states; drawn: {}",
            recipe.name,
            recipe.available,
            recipe.trained,
            if recipe.drawn.is_empty() {
                format!(
                    "nothing yet, `sculpt draw accuracy --suite {}` begins",
                    recipe.name
                )
            } else {
                recipe.drawn.join(", ")
            }
        ));
    }
    Ok(())
}

/// What there is of a recipe's suite.
struct Recipe {
    name: String,
    title: String,
    available: usize,
    trained: usize,
    drawn: Vec<String>,
}

impl Recipe {
    fn of((suite, source): &(AnySuite, Source)) -> Option<Self> {
        let AnySuite::OfRecipe(suite) = suite else {
            return None;
        };
        let states = suite.trained();
        Some(Self {
            name: suite.name.clone(),
            title: suite.title.clone(),
            available: states.iter().filter(|state| source.has(state)).count(),
            trained: states.len(),
            drawn: suite.drawings.keys().cloned().collect(),
        })
    }

    fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "suite": self.name,
            "title": self.title,
            "available": self.available,
            "trained": self.trained,
            "drawings": self.drawn,
        })
    }
}

/// Every suite that is here: published, fetched, in the store; the first of a name wins. What begins with a dot is
/// being made.
fn suites(global: &Global) -> anyhow::Result<Vec<(AnySuite, Source)>> {
    let data = places::data();
    let store = places::store(global);
    let mut found: BTreeMap<String, (AnySuite, Source)> = BTreeMap::new();
    for folder in [paths::published_folder(&data), paths::fetched_folder(&data)] {
        for name in names(&folder) {
            let folder = folder.join(&name);
            let open = || Ok((AnySuite::in_folder(&folder)?, Source::published(&folder)?));
            let there = paths::suite_json(&folder).exists() && !found.contains_key(&name);
            if let Some((Some(suite), source)) = there.then(|| readable(open())).flatten() {
                found.insert(name, (suite, source));
            }
        }
    }
    store.bring_suites()?;
    for file in names(&paths::suites_folder(store.runs())) {
        let Some(name) = paths::suite_of(&file) else {
            continue;
        };
        let known = found.get(name).map(|(suite, _)| suite);
        if matches!(known, Some(AnySuite::OfPreset(_))) {
            continue;
        }
        // A recipe's suite in the store may be ahead of what is published of it.
        if let Some(suite) = readable(AnySuite::in_store(&store, name)).flatten() {
            found.insert(name.to_owned(), (suite, Source::Runs(store.clone())));
        }
    }
    Ok(found.into_values().collect())
}

/// One broken suite does not hide the others.
fn readable<T>(read: Result<T, ExperimentError>) -> Option<T> {
    read.inspect_err(|error| printing::warning(&format!("{error}; `sculpt verify` says more")))
        .ok()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .filter_map(|e| e.file_name().into_string().ok())
        .filter(|name| paths::is_plain_name(name))
        .collect();
    names.sort();
    names
}
