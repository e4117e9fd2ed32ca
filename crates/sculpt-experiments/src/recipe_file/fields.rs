//! From the fields of a table to a node: what users write otherwise than ids do, and what they leave out.

use super::files::{Files, held};
use super::{Problem, Read};
use crate::methods::By;
use crate::{
    AveragePool, Criterion, DataFolder, DataRef, Init, Load, Node, Normalisation, Setup, StateRef, Version,
};
use sculpt_checkpoints::State;
use sculpt_datasets::{DEMO_A, data_set};
use sculpt_models::{ModelSpec, Shortcut};
use sculpt_scores::Criterion as Score;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// Fields that name a state.
pub(super) const REFERENCES: [&str; 5] = ["from", "mask_from", "weights_from", "signs_from", "norm_from"];

/// What nodes are filled up with.
pub(super) struct Usual<'a> {
    /// `like`.
    pub(super) setup: Option<&'a Setup>,
    /// `[defaults]`.
    pub(super) defaults: &'a Map<String, Value>,
    pub(super) data: &'a DataFolder,
    /// What names of files stand for.
    pub(super) files: &'a Files<'a>,
    /// What a kind is filled up with, and for which seed.
    pub(super) made: Made,
}

/// Usual fields, by kind and seed.
pub(super) type Made = Mutex<HashMap<(String, u64), Arc<Map<String, Value>>>>;

/// A network by name, or the file of an exported one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawModel {
    name: Option<String>,
    classes: Option<u32>,
    width: Option<u32>,
    shortcut: Option<Shortcut>,
    network: Option<PathBuf>,
}

/// The fields of a kind that may have a usual value.
pub(super) fn fields_of(kind: &str) -> &'static [&'static str] {
    match kind {
        "init" => &["model", "rule", "seed", "draw"],
        "train" => &[
            "data",
            "split",
            "augmentation",
            "drop_last",
            "schedule",
            "lr",
            "epochs",
            "batch",
            "momentum",
            "weight_decay",
            "precision",
            "batch_norm",
            "label_noise",
            "seed",
        ],
        "prune" => &["criterion", "density"],
        "combine" => &["perturb"],
        _ => &[],
    }
}

/// Whether a field is of a kind that a default can stand for.
pub(super) fn may_have_default(field: &str) -> bool {
    ["init", "train", "prune", "combine"]
        .iter()
        .any(|kind| fields_of(kind).contains(&field))
}

impl Usual<'_> {
    /// The node of a table whose references are states already, and the state of one that loads it.
    pub(super) fn node(
        &self,
        fields: Map<String, Value>,
        seed: u64,
    ) -> Result<(Node, Option<State>), Problem> {
        match fields.get("kind").and_then(Value::as_str) {
            Some("load-weights") => self.load(fields, Load::weights),
            Some("load-mask") => self.load(fields, Load::mask),
            _ => Ok((self.described(fields, seed)?, None)),
        }
    }

    /// A node whose content is a file's: `file`, from the recipe's folder, and `model`.
    fn load(&self, mut fields: Map<String, Value>, read: Read) -> Result<(Node, Option<State>), Problem> {
        let given = fields
            .remove("model")
            .or_else(|| self.defaults.get("model").cloned());
        let model = match (given, self.setup) {
            (Some(value), _) => self.spec(value).map_err(|e| Problem::at("model", e))?,
            (None, Some(setup)) => setup.model.clone(),
            (None, None) => return Err(Problem::Text("missing field `model`".to_owned())),
        };
        let file = fields.remove("file");
        let file = file.as_ref().and_then(Value::as_str);
        let file = file.ok_or_else(|| Problem::Text("missing field `file`, the name of one".to_owned()))?;
        let kind = fields.remove("kind").unwrap_or_default();
        if let Some(unknown) = fields.keys().next() {
            let detail = format!("unknown field `{unknown}`, expected `file` or `model`");
            return Err(Problem::Field(unknown.clone(), detail));
        }
        let kind = kind.as_str().unwrap_or_default();
        let loaded = self.files.load(kind, file, model, read);
        loaded.map_err(|e| Problem::at("file", e))
    }

    fn described(&self, mut fields: Map<String, Value>, seed: u64) -> Result<Node, Problem> {
        let kind = fields
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        for &field in fields_of(&kind) {
            if let (None, Some(value)) = (fields.get(field), self.defaults.get(field)) {
                fields.insert(field.to_owned(), value.clone());
            }
        }
        let mut given = None;
        if let Some(value) = fields.get_mut("model") {
            let model = self.spec(value.take()).map_err(|e| Problem::at("model", e))?;
            *value = to_json(&model);
            given = Some(model);
        }
        if let Some(value) = fields.get_mut("data") {
            *value = to_json(&self.data(value)?);
        }
        if fields.get("batch_norm").is_some_and(is_whole_batch) {
            fields.remove("batch_norm");
        }
        if let Some(value) = fields.get_mut("criterion") {
            *value = self.criterion(value.take(), seed)?;
        }
        if let Some(setup) = self.setup {
            self.fill(&mut fields, &kind, setup, seed);
        }
        fields.insert("v".to_owned(), json!(1));
        let mut node = typed(fields)?;
        if let (Node::Init(init), Some(model)) = (&mut node, given) {
            // In JSON it is without the file that it was read from.
            init.model = model;
        }
        Ok(node)
    }

    /// A model as recipes write it.
    fn spec(&self, value: Value) -> Result<ModelSpec, String> {
        let raw: RawModel = serde_json::from_value(value).map_err(|e| e.to_string())?;
        match raw {
            RawModel {
                name: None,
                classes: None,
                width: None,
                shortcut: None,
                network: Some(file),
            } => self.files.network(&file),
            RawModel {
                name: Some(name),
                classes: Some(classes),
                width,
                shortcut,
                network: None,
            } => ModelSpec::named(&name, classes, width, shortcut).map_err(|e| e.to_string()),
            RawModel { network: Some(_), .. } => {
                Err("`network` stands alone: the file says the rest".to_owned())
            }
            RawModel { name: None, .. } => Err("missing field `name`".to_owned()),
            RawModel { classes: None, .. } => Err("missing field `classes`".to_owned()),
        }
    }

    /// The usual fields of a kind of nodes, as a preset's panel says them for a seed. Made once for each.
    fn usual_of(&self, kind: &str, setup: &Setup, seed: u64) -> Arc<Map<String, Value>> {
        let make = || {
            // Any state does: `from` is not taken.
            let nowhere = StateRef {
                id: Node::Init(own_init(setup, seed)).id(),
                epoch: 0,
            };
            let usual = match kind {
                "init" => to_json(&own_init(setup, seed)),
                "train" => to_json(&setup.cycle(nowhere, seed)),
                _ => json!({}),
            };
            let Value::Object(mut usual) = usual else {
                unreachable!("nodes are objects");
            };
            usual.retain(|field, _| fields_of(kind).contains(&field.as_str()));
            Arc::new(usual)
        };
        let mut made = held(&self.made);
        Arc::clone(made.entry((kind.to_owned(), seed)).or_insert_with(make))
    }

    /// What a preset's panel says where neither the table nor the defaults do.
    fn fill(&self, fields: &mut Map<String, Value>, kind: &str, setup: &Setup, seed: u64) {
        for (field, value) in self.usual_of(kind, setup, seed).iter() {
            if !fields.contains_key(field) {
                fields.insert(field.clone(), value.clone());
            }
        }
        let parts = [
            (
                "label_noise",
                json!({ "rule": to_json(&setup.label_noise_rule), "rate": setup.label_noise_rate, "seed": seed }),
            ),
            (
                "perturb",
                json!({ "fraction": setup.flip_fraction, "seed": seed }),
            ),
        ];
        for (field, usual) in parts {
            if let Some(Value::Object(given)) = fields.get_mut(field) {
                for (name, value) in usual.as_object().into_iter().flatten() {
                    given.entry(name.clone()).or_insert(value.clone());
                }
            }
        }
    }

    /// A criterion: a word, or `{ word = { … } }`.
    fn criterion(&self, value: Value, seed: u64) -> Result<Value, Problem> {
        let problem = |detail: String| Problem::at("criterion", detail);
        let (word, mut given) = match value {
            Value::String(word) => (word, Map::new()),
            Value::Object(map) if map.len() == 1 => match map.into_iter().next() {
                Some((word, Value::Object(given))) => (word, given),
                _ => return Err(problem("is no word and no { word = { … } }".to_owned())),
            },
            _ => return Err(problem("is no word and no { word = { … } }".to_owned())),
        };
        if let Some(data) = given.get_mut("data") {
            *data = to_json(&self.data(data)?);
        }
        let Some(setup) = self.setup else {
            return Ok(as_it_stands(word, given));
        };
        let by = match word.as_str() {
            "magnitude" => Some(By::Magnitude),
            "random-subset" => Some(By::Chance),
            word => Score::ALL
                .into_iter()
                .find(|score| score.word() == word)
                .map(By::Score),
        };
        let usual = match (by, word.as_str()) {
            (Some(by), _) => setup.criterion(by, seed),
            (None, "random") => Criterion::Random {
                allocation: setup.allocation,
                rule: setup.rule,
                seed,
            },
            (None, _) => return Ok(as_it_stands(word, given)),
        };
        Ok(match to_json(&usual) {
            Value::Object(mut usual) => {
                for (_, numbers) in &mut usual {
                    if let Value::Object(numbers) = numbers {
                        numbers.append(&mut given);
                    }
                }
                Value::Object(usual)
            }
            word => word,
        })
    }

    /// Data: what is not said is the preset's.
    pub(super) fn data(&self, value: &Value) -> Result<DataRef, Problem> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct RawData {
            name: Option<String>,
            train_images: Option<u32>,
            normalisation: Option<Normalisation>,
            /// 1: none, where a preset has one.
            average_pool: Option<u32>,
            classes: Option<u16>,
        }
        let text = |e: &dyn std::fmt::Display| Problem::at("data", e.to_string());
        let raw: RawData = serde_json::from_value(value.clone()).map_err(|e| text(&e))?;
        // What is meant, and the whole of it: a preset may use the first images alone.
        let (found, whole) = match (&raw.name, self.setup) {
            (Some(name), _) => {
                let spec = data_set(data_key(name)).map_err(|e| text(&e))?;
                let (found, _title) = self.data.find(spec).map_err(Problem::Error)?;
                (found.clone(), found)
            }
            (None, Some(setup)) => {
                let spec = setup.data.spec().map_err(Problem::Error)?;
                let whole = self
                    .data
                    .find_or_plan(spec)
                    .map_or_else(|_| setup.data.clone(), |(whole, _)| whole);
                (setup.data.clone(), whole)
            }
            (None, None) => return Err(text(&"missing field `name`")),
        };
        let (found, whole) = match raw.classes {
            None => (found, whole),
            Some(n) => {
                let whole = self.data.of_classes(&whole, n).map_err(|e| text(&e))?;
                (whole.clone(), whole)
            }
        };
        let n_train = whole.shape().map_err(Problem::Error)?.0;
        if raw
            .train_images
            .is_some_and(|n| !(1..=n_train).contains(&u64::from(n)))
        {
            let detail = format!(
                "train_images is not in 1..={n_train}, the training images of {:?}",
                found.name
            );
            return Err(Problem::at("data", detail));
        }
        let mut found = DataRef {
            train_images: match raw.train_images {
                None => found.train_images,
                // As an id has all of them.
                Some(n) if u64::from(n) == n_train => whole.train_images,
                fewer => fewer,
            },
            ..found
        };
        match raw.average_pool {
            None => {}
            Some(1) => found.average_pool = None,
            Some(k) => {
                let pool =
                    AveragePool::new(k).map_err(|_| text(&format!("average_pool {k} is not in 1..=16")))?;
                found = found.averaged(pool).map_err(|e| text(&e))?;
            }
        }
        match raw.normalisation {
            Some(normalisation) => found.normalised(normalisation).map_err(Problem::Error),
            None => Ok(found),
        }
    }
}

/// The key in the registry of what a recipe calls a data set.
pub fn data_key(name: &str) -> &str {
    if name == "demo" { DEMO_A.key } else { name }
}

/// Whether a `batch_norm` that is well written says that the whole batch is one group: a node says that by leaving it out.
fn is_whole_batch(batch_norm: &Value) -> bool {
    if batch_norm == "synchronised" {
        return true;
    }
    let groups = batch_norm.get("groups").and_then(Value::as_u64);
    let statistics = batch_norm.get("statistics").and_then(Value::as_str);
    let n_fields = batch_norm.as_object().map_or(0, Map::len);
    match (groups, statistics) {
        (Some(1), Some("sequential" | "rank-0")) | (Some(1..), Some("synchronised")) => n_fields == 2,
        (None, Some("synchronised")) => n_fields == 1,
        _ => false,
    }
}

/// A criterion that nothing is added to.
fn as_it_stands(word: String, given: Map<String, Value>) -> Value {
    if given.is_empty() {
        json!(word)
    } else {
        json!({ word: given })
    }
}

fn own_init(setup: &Setup, seed: u64) -> Init {
    Init {
        v: Version,
        model: setup.model.clone(),
        rule: setup.init,
        seed,
        draw: 0,
    }
}

/// Reads a node; serde does not say which field is wrong, but is silent of it once the field is gone.
fn typed(fields: Map<String, Value>) -> Result<Node, Problem> {
    let read = |fields: &Map<String, Value>| {
        let node = serde_json::from_value::<Node>(Value::Object(fields.clone()));
        // What version a kind has is nobody's field.
        node.map_err(|e| e.to_string().replace("`v`, ", ""))
    };
    let error = match read(&fields) {
        Ok(node) => return Ok(node),
        Err(error) => error,
    };
    // Without its kind a table is no node at all, whatever else is wrong.
    for field in fields.keys().filter(|field| *field != "kind") {
        let mut fewer = fields.clone();
        fewer.remove(field);
        if read(&fewer).err().is_none_or(|other| other != error) {
            let named = error.contains(&format!("`{field}`"));
            let detail = if named { error } else { format!("{field}: {error}") };
            return Err(Problem::Field(field.clone(), detail));
        }
    }
    Err(Problem::Text(error))
}

fn to_json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("what nodes are made of is JSON")
}
