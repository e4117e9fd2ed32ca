//! Recipes of users: the same nodes, in TOML, parents by name.

use crate::{AveragePool, DataFolder, DataRef, ExperimentError, Node, Normalisation, Recipe, StateRef};
use sculpt_datasets::{DEMO_A, data_set};
use sculpt_models::{ModelSpec, Shortcut};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, path::Path};

/// A recipe read from TOML, with the names that it gives its nodes.
#[derive(Clone, Debug)]
pub struct UserRecipe {
    /// The nodes.
    pub recipe: Recipe,
    /// State at the end of each node, by its name, in the file's order.
    pub names: Vec<(String, StateRef)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRecipe {
    /// libtorch threads of each node.
    threads: u32,
    node: Vec<RawNode>,
}

#[derive(Deserialize)]
struct RawNode {
    name: String,
    /// Further epochs whose state is kept.
    #[serde(default)]
    keep: Vec<u32>,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawModel {
    name: String,
    classes: u32,
    width: Option<u32>,
    shortcut: Option<Shortcut>,
}

/// Reads a recipe: an array of `[[node]]` tables whose fields are those of [`Node`], with four differences.
/// `v` is left out; `model` is `{ name, classes, width?, shortcut? }`; `data` is `{ name, train_images?,
/// normalisation?, average_pool? }`, the name being `"demo"` or a key of the registry (files of the user's own go by that of their layout) and the
/// normalisation `{ mean = [r, g, b], std = [r, g, b] }`, also in a criterion; `from`, `mask_from`, `weights_from`,
/// `signs_from` and `norm_from` are the name of an earlier node, or `name@epoch`.
///
/// # Errors
/// Text that is no such recipe, naming the node and the field; data that are not at hand.
pub fn read_user_recipe(path: &Path, data: &DataFolder) -> Result<UserRecipe, ExperimentError> {
    let text = std::fs::read_to_string(path).map_err(|source| ExperimentError::Io {
        path: path.to_owned(),
        source,
    })?;
    let bad = |detail: String| ExperimentError::BadFile {
        path: path.to_owned(),
        detail,
    };
    // toml's messages are several lines with the place drawn; one sentence is enough here.
    let raw: RawRecipe = toml::from_str(&text).map_err(|e| bad(e.message().to_owned()))?;
    if !(1..=1024).contains(&raw.threads) {
        return Err(bad(format!("threads is {}, not in 1..=1024", raw.threads)));
    }
    let mut read = UserRecipe {
        recipe: Recipe::default(),
        names: Vec::new(),
    };
    let mut ends: BTreeMap<String, StateRef> = BTreeMap::new();
    for raw_node in raw.node {
        let name = raw_node.name.clone();
        let here = |detail: String| bad(format!("node {name:?}: {detail}"));
        let node = parse(raw_node.fields, &ends, data).map_err(|e| match e {
            Problem::Text(detail) => here(detail),
            Problem::Error(error) => error,
        })?;
        let end = read
            .recipe
            .try_add(node, raw.threads)
            .map_err(|e| here(e.to_string()))?;
        for epoch in raw_node.keep {
            let state = StateRef {
                id: end.id.clone(),
                epoch,
            };
            read.recipe
                .keep(&state)
                .map_err(|_| here(format!("has no epoch {epoch} to keep")))?;
        }
        if name.contains('@') || ends.insert(name.clone(), end.clone()).is_some() {
            return Err(here("has a name that stands twice, or an @ in it".to_owned()));
        }
        read.names.push((name, end));
    }
    Ok(read)
}

enum Problem {
    Text(String),
    Error(ExperimentError),
}

fn parse(
    mut fields: Map<String, Value>,
    ends: &BTreeMap<String, StateRef>,
    data: &DataFolder,
) -> Result<Node, Problem> {
    let text = |e: serde_json::Error| Problem::Text(e.to_string());
    for field in ["from", "mask_from", "weights_from", "signs_from", "norm_from"] {
        if let Some(value) = fields.get_mut(field) {
            let word = value
                .as_str()
                .ok_or_else(|| Problem::Text(format!("{field} is no name of a node")))?;
            let parent = parent(word, ends).map_err(|e| Problem::Text(format!("{field}: {e}")))?;
            *value = serde_json::to_value(parent).map_err(text)?;
        }
    }
    if let Some(value) = fields.get_mut("model") {
        let raw: RawModel = serde_json::from_value(value.take()).map_err(text)?;
        let spec = ModelSpec::named(&raw.name, raw.classes, raw.width, raw.shortcut)
            .map_err(|e| Problem::Text(e.to_string()))?;
        *value = serde_json::to_value(spec).map_err(text)?;
    }
    if let Some(value) = fields.get_mut("data") {
        *value = serde_json::to_value(data_of(value, data)?).map_err(text)?;
    }
    // A criterion that looks at images: { snip = { data = { … }, … } }.
    let criterion = fields.get_mut("criterion").and_then(Value::as_object_mut);
    for scoring in criterion.into_iter().flat_map(|criterion| criterion.values_mut()) {
        if let Some(value) = scoring.get_mut("data") {
            *value = serde_json::to_value(data_of(value, data)?).map_err(text)?;
        }
    }
    fields.insert("v".to_owned(), json!(1));
    serde_json::from_value(Value::Object(fields)).map_err(text)
}

fn parent(word: &str, ends: &BTreeMap<String, StateRef>) -> Result<StateRef, String> {
    let (name, epoch) = match word.split_once('@') {
        None => (word, None),
        Some((name, epoch)) => (
            name,
            Some(
                epoch
                    .parse::<u32>()
                    .map_err(|_| format!("{epoch:?} is no epoch"))?,
            ),
        ),
    };
    let end = ends.get(name).ok_or_else(|| {
        let known: Vec<_> = ends.keys().map(String::as_str).collect();
        format!(
            "no earlier node is called {name:?} (there are: {})",
            known.join(", ")
        )
    })?;
    Ok(StateRef {
        id: end.id.clone(),
        epoch: epoch.unwrap_or(end.epoch),
    })
}

fn data_of(value: &Value, data: &DataFolder) -> Result<DataRef, Problem> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct RawData {
        name: String,
        train_images: Option<u32>,
        normalisation: Option<Normalisation>,
        average_pool: Option<AveragePool>,
    }
    let text = |e: &dyn std::fmt::Display| Problem::Text(e.to_string());
    let raw: RawData = serde_json::from_value(value.clone()).map_err(|e| text(&e))?;
    let key = if raw.name == "demo" { DEMO_A.key } else { &raw.name };
    let spec = data_set(key).map_err(|e| text(&e))?;
    let (found, _title) = data.find(spec).map_err(Problem::Error)?;
    let n_train = found.train_images.unwrap_or(spec.n_train);
    if raw.train_images.is_some_and(|n| !(1..=n_train).contains(&n)) {
        let detail = format!("train_images is not in 1..={n_train}, the training images of {key:?}");
        return Err(Problem::Text(detail));
    }
    let found = DataRef {
        train_images: raw.train_images.or(found.train_images),
        ..found
    };
    let found = match raw.average_pool {
        Some(pool) => found.averaged(pool).map_err(|e| text(&e))?,
        None => found,
    };
    match raw.normalisation {
        Some(normalisation) => found.normalised(normalisation).map_err(Problem::Error),
        None => Ok(found),
    }
}
