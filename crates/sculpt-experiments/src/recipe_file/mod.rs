//! Recipes of users: the same nodes, in TOML, parents by name. `RECIPES.md` documents every field.

mod fields;
mod grid;
mod place;
#[cfg(test)]
mod tests;

use crate::{DataFolder, ExperimentError, Overrides, PanelName, Preset, Recipe, Setup, StateRef};
use fields::{REFERENCES, Usual, may_have_default};
use grid::{Axes, Instance, Known, title, word};
use place::{Field, Table, Text};
use serde_json::{Map, Value, json};
use std::path::Path;

/// Nodes that a recipe may stand for: the paper's whole grid is a tenth of it.
const MAX_NODES: usize = 100_000;

/// A recipe read from TOML, with the names that it gives its nodes.
#[derive(Clone, Debug)]
pub struct UserRecipe {
    /// The nodes.
    pub recipe: Recipe,
    /// State at the end of each node, by its name, in the file's order: `name[axis=value,…]`, and for all cycles but the last
    /// `name[…].cycle`.
    pub names: Vec<(String, StateRef)>,
}

type Fields = Map<String, Value>;

/// A way to choose a node's parents and the entries of its lists, and its fields then.
type Choice = (Axes, Fields);

/// Why a table is no node.
enum Problem {
    /// Of the whole table.
    Text(String),
    /// Of this field.
    Field(String, String),
    /// Of something else, which says it whole.
    Error(ExperimentError),
}

impl Problem {
    fn at(field: &str, detail: String) -> Self {
        Self::Field(field.to_owned(), format!("{field}: {detail}"))
    }
}

/// Reads a recipe: an array of `[[node]]` tables whose fields are those of [`Node`](crate::Node), written once for all seeds,
/// densities and cycles, and filled up with what a preset says (`RECIPES.md`).
///
/// # Errors
/// Text that is no such recipe, with line and column, the node and the field; data that are not at hand.
pub fn read_user_recipe(path: &Path, data: &DataFolder) -> Result<UserRecipe, ExperimentError> {
    let text = std::fs::read_to_string(path).map_err(|source| ExperimentError::Io {
        path: path.to_owned(),
        source,
    })?;
    let text = Text { path, text: &text };
    let table = text.table()?;
    for field in &table.fields {
        if !["like", "threads", "seeds", "defaults", "node"].contains(&field.name.as_str()) {
            let detail = format!(
                "unknown field `{}`, expected `like`, `threads`, `seeds`, `defaults` or `node`",
                field.name
            );
            return Err(text.error(&field.at, &detail));
        }
    }
    let mut setup = match table.field("like") {
        Some(field) => Some(like(&text, field, data)?),
        None => None,
    };
    let mut defaults = defaults(&text, &table)?;
    // The preset's data become these, so that scores look at them too.
    if let Some(setup) = &mut setup
        && let Some(value) = defaults.remove("data")
    {
        let none = Map::new();
        let usual = Usual {
            setup: Some(setup),
            defaults: &none,
            data,
        };
        let found = usual.data(&value).map_err(|problem| match problem {
            Problem::Error(error) => error,
            Problem::Field(_, detail) | Problem::Text(detail) => {
                text.error(&table.place(Some("defaults")), &detail)
            }
        })?;
        setup.data = found;
    }
    let mut reader = Reader {
        text: &text,
        usual: Usual {
            setup: setup.as_ref(),
            defaults: &defaults,
            data,
        },
        threads: threads(&text, &table, setup.as_ref())?,
        seeds: seeds(&text, &table)?,
        known: Known::default(),
        read: UserRecipe {
            recipe: Recipe::default(),
            names: Vec::new(),
        },
    };
    let nodes = table.field("node");
    let tables = nodes.map_or(&[][..], |field| &field.tables);
    if tables.is_empty() {
        return Err(text.error(&(0..0), "missing field `node`: a recipe has [[node]] tables"));
    }
    for node in tables {
        reader.table(node)?;
    }
    Ok(reader.read)
}

fn like(text: &Text<'_>, field: &Field, data: &DataFolder) -> Result<Setup, ExperimentError> {
    let allowed = "`like` is \"preset/panel\", such as \"paper/a\": paper, short, quarter or demo, and a, b, c, 8b or 8c";
    let wrong = || text.error(&field.at, allowed);
    let (preset, panel) = field
        .value
        .as_str()
        .and_then(|v| v.split_once('/'))
        .ok_or_else(wrong)?;
    let panel = match panel {
        "a" => PanelName::A,
        "b" => PanelName::B,
        "c" => PanelName::C,
        "8b" => PanelName::LargeB,
        "8c" => PanelName::LargeC,
        _ => return Err(wrong()),
    };
    let preset = preset.parse().map_err(|_| wrong())?;
    Preset::new(preset, Overrides::default(), data)?.panel(panel)
}

fn defaults(text: &Text<'_>, table: &Table) -> Result<Fields, ExperimentError> {
    let Some(field) = table.field("defaults") else {
        return Ok(Map::new());
    };
    let Value::Object(defaults) = &field.value else {
        return Err(text.error(&field.at, "`defaults` is a table of fields"));
    };
    if let Some(unknown) = defaults.keys().find(|name| !may_have_default(name)) {
        return Err(text.error(&field.at, &format!("no node has a field `{unknown}`")));
    }
    Ok(defaults.clone())
}

fn threads(text: &Text<'_>, table: &Table, setup: Option<&Setup>) -> Result<u32, ExperimentError> {
    let Some(field) = table.field("threads") else {
        let missing = || text.error(&(0..0), "missing field `threads`, and no `like` that says it");
        return setup.map(|setup| setup.threads).ok_or_else(missing);
    };
    match field.value.as_u64() {
        Some(n @ 1..=1024) => Ok(n as u32),
        Some(_) | None => {
            let detail = format!("threads is {}, not in 1..=1024", field.value);
            Err(text.error(&field.at, &detail))
        }
    }
}

/// The seeds of the grid; none where each node has its own.
fn seeds(text: &Text<'_>, table: &Table) -> Result<Vec<u64>, ExperimentError> {
    let Some(field) = table.field("seeds") else {
        return Ok(Vec::new());
    };
    let seed = |value: &Value| value.as_u64().filter(|seed| *seed < 1 << 32);
    let seeds: Option<Vec<u64>> = field
        .value
        .as_array()
        .and_then(|list| list.iter().map(seed).collect());
    match seeds {
        Some(seeds) if !seeds.is_empty() => Ok(seeds),
        Some(_) | None => Err(text.error(&field.at, "`seeds` is a list of integers in 0..4294967296")),
    }
}

struct Reader<'a> {
    text: &'a Text<'a>,
    usual: Usual<'a>,
    threads: u32,
    seeds: Vec<u64>,
    known: Known,
    read: UserRecipe,
}

impl Reader<'_> {
    fn table(&mut self, table: &Table) -> Result<(), ExperimentError> {
        let name = table.field("name").and_then(|field| field.value.as_str());
        let Some(name) = name else {
            return Err(self.text.error(&table.at, "a node has no `name`"));
        };
        let made = if table.field("kind").and_then(|f| f.value.as_str()) == Some("repeat") {
            self.repeat(table)
        } else {
            self.node(name, table)
        };
        let instances = made.map_err(|problem| self.located(name, table, problem))?;
        let is_name = !name.contains(['@', '[', ']', '=', ',']) && !name.is_empty();
        if !is_name || !self.known.insert(name, instances.clone()) {
            let detail = format!(
                "node {name:?}: has a name that stands twice, is empty or has one of @ [ ] = , in it"
            );
            return Err(self.text.error(&table.place(Some("name")), &detail));
        }
        for instance in instances {
            let title = title(name, &instance.axes);
            let n = instance.states.len();
            for (cycle, state) in (1..).zip(instance.states) {
                let title = if cycle == n {
                    title.clone()
                } else {
                    format!("{title}.{cycle}")
                };
                self.read.names.push((title, state));
            }
        }
        Ok(())
    }

    fn located(&self, name: &str, table: &Table, problem: Problem) -> ExperimentError {
        let here = |field: Option<&str>, detail: String| {
            self.text
                .error(&table.place(field), &format!("node {name:?}: {detail}"))
        };
        match problem {
            Problem::Text(detail) => here(None, detail),
            Problem::Field(field, detail) => here(Some(&field), detail),
            Problem::Error(error) => error,
        }
    }

    /// One instance for each way to choose its parents and an entry of each of its lists.
    fn node(&mut self, name: &str, table: &Table) -> Result<Vec<Instance>, Problem> {
        let fields = fields_of(table, &["name", "keep", "cycles"]);
        let keep = keep(table)?;
        let cycles = cycles(table, fields.get("kind"))?;
        let mut choices = self.parents(&fields)?;
        for (field, value) in &fields {
            let Value::Array(values) = value else {
                continue;
            };
            if values.is_empty() {
                return Err(Problem::at(field, "is an empty list".to_owned()));
            }
            let taken = choices.iter().any(|(axes, _)| axes.contains_key(field));
            let axis = if taken {
                format!("{name}.{field}")
            } else {
                field.clone()
            };
            let spread = choices.into_iter().flat_map(|(axes, fields)| {
                let axis = &axis;
                values.iter().map(move |value| {
                    let (mut axes, mut fields) = (axes.clone(), fields.clone());
                    axes.insert(axis.clone(), word(value));
                    fields.insert(field.clone(), value.clone());
                    (axes, fields)
                })
            });
            choices = spread.collect();
            self.limit(choices.len())?;
        }
        let mut instances = Vec::new();
        for (axes, fields) in choices {
            let mut states: Vec<StateRef> = Vec::new();
            for _ in 0..cycles {
                let mut fields = fields.clone();
                if let Some(before) = states.last() {
                    fields.insert("from".to_owned(), json!(before));
                }
                states.push(self.add(fields, &axes)?);
            }
            for &epoch in &keep {
                let id = states.last().expect("a node has a cycle").id.clone();
                let none = |_| Problem::at("keep", format!("has no epoch {epoch} to keep"));
                self.read.recipe.keep(&StateRef { id, epoch }).map_err(none)?;
            }
            instances.push(Instance { axes, states });
        }
        Ok(instances)
    }

    /// The ways to choose the states that a node's references name: those of one instance go together.
    fn parents(&self, fields: &Fields) -> Result<Vec<Choice>, Problem> {
        let named: Vec<&str> = REFERENCES
            .into_iter()
            .filter(|field| fields.contains_key(*field))
            .collect();
        if named.is_empty() && !self.seeds.is_empty() && !fields.contains_key("seed") {
            let one = |seed: &u64| {
                (
                    Axes::from([("seed".to_owned(), seed.to_string())]),
                    fields.clone(),
                )
            };
            return Ok(self.seeds.iter().map(one).collect());
        }
        let mut choices = vec![(Axes::new(), fields.clone())];
        for field in named {
            let text = fields[field].as_str();
            let text = text.ok_or_else(|| Problem::at(field, "is no name of a node".to_owned()))?;
            let at = |detail| Problem::at(field, detail);
            let reference = self.known.reference(text).map_err(at)?;
            let (mut joined, mut without) = (Vec::new(), None);
            for (axes, fields) in choices {
                match self.known.beside(&reference, &axes) {
                    Ok(states) => joined.extend(states.into_iter().map(|(axes, state)| {
                        let mut fields = fields.clone();
                        fields.insert(field.to_owned(), json!(state));
                        (axes, fields)
                    })),
                    Err(detail) => without = Some(detail),
                }
            }
            if let (true, Some(detail)) = (joined.is_empty(), without) {
                return Err(at(detail));
            }
            self.limit(joined.len())?;
            choices = joined;
        }
        Ok(choices)
    }

    /// Steps gone through once a density, each from where the one before ended.
    fn repeat(&mut self, table: &Table) -> Result<Vec<Instance>, Problem> {
        let from = table.field("from").and_then(|field| field.value.as_str());
        let from = from.ok_or_else(|| Problem::Text("a repeat has a `from`".to_owned()))?;
        let densities = table
            .field("density")
            .and_then(|field| field.value.as_array())
            .cloned();
        let densities =
            densities.ok_or_else(|| Problem::Text("a repeat has a list of `density`".to_owned()))?;
        let steps = table.field("steps").map_or(&[][..], |field| &field.tables);
        if steps.is_empty() {
            return Err(Problem::Text(
                "a repeat has `steps`, tables of nodes without names".to_owned(),
            ));
        }
        for field in &table.fields {
            if !["name", "kind", "from", "density", "steps"].contains(&field.name.as_str()) {
                let detail = format!("unknown field `{}` of a repeat", field.name);
                return Err(Problem::Field(field.name.clone(), detail));
            }
        }
        let reference = self.known.reference(from).map_err(|e| Problem::at("from", e))?;
        let starts = self
            .known
            .beside(&reference, &Axes::new())
            .map_err(|e| Problem::at("from", e))?;
        self.limit(starts.len() * densities.len() * steps.len())?;
        let mut instances = Vec::new();
        for (axes, start) in starts {
            if axes.contains_key("density") {
                return Err(Problem::at("from", "has an axis `density` already".to_owned()));
            }
            let mut state = start;
            for density in &densities {
                for step in steps {
                    state = self.step(step, &axes, density, state)?;
                }
                let mut axes = axes.clone();
                axes.insert("density".to_owned(), word(density));
                let states = vec![state.clone()];
                instances.push(Instance { axes, states });
            }
        }
        Ok(instances)
    }

    fn step(
        &mut self,
        step: &Table,
        axes: &Axes,
        density: &Value,
        before: StateRef,
    ) -> Result<StateRef, Problem> {
        let mut fields = fields_of(step, &[]);
        for field in REFERENCES {
            let Some(text) = fields.get(field).map(|value| value.as_str().map(str::to_owned)) else {
                continue;
            };
            let at = |detail: String| Problem::at("steps", format!("{field}: {detail}"));
            let text = text.ok_or_else(|| at("is no name of a node".to_owned()))?;
            let reference = self.known.reference(&text).map_err(at)?;
            let states = self.known.beside(&reference, axes).map_err(at)?;
            let [(_, state)] = states.as_slice() else {
                return Err(at(format!("{text:?} are {} states; say which", states.len())));
            };
            fields.insert(field.to_owned(), json!(state));
        }
        let own = match fields.get("kind").and_then(Value::as_str) {
            Some("combine") => "mask_from",
            _ => "from",
        };
        fields.entry(own).or_insert_with(|| json!(before));
        if fields.get("kind").and_then(Value::as_str) == Some("prune") {
            fields.entry("density").or_insert_with(|| density.clone());
        }
        self.add(fields, axes).map_err(|problem| match problem {
            Problem::Field(_, detail) | Problem::Text(detail) => Problem::at("steps", detail),
            Problem::Error(error) => Problem::Error(error),
        })
    }

    fn add(&mut self, fields: Fields, axes: &Axes) -> Result<StateRef, Problem> {
        let seed = axes.get("seed").and_then(|seed| seed.parse().ok());
        let node = self.usual.node(fields, seed.unwrap_or(1))?;
        let added = self.read.recipe.try_add(node, self.threads);
        self.limit(self.read.recipe.len())?;
        added.map_err(|error| match error {
            ExperimentError::OutOfRange { field, .. } => Problem::Field(field.to_owned(), error.to_string()),
            error => Problem::Text(error.to_string()),
        })
    }

    fn limit(&self, n: usize) -> Result<(), Problem> {
        if n > MAX_NODES {
            return Err(Problem::Text(format!("stands for more than {MAX_NODES} nodes")));
        }
        Ok(())
    }
}

/// The table's fields but for these, which are no node's.
fn fields_of(table: &Table, without: &[&str]) -> Fields {
    let fields = table.fields.iter();
    fields
        .filter(|field| !without.contains(&field.name.as_str()))
        .map(|field| (field.name.clone(), field.value.clone()))
        .collect()
}

/// Further epochs whose state is kept.
fn keep(table: &Table) -> Result<Vec<u32>, Problem> {
    let Some(field) = table.field("keep") else {
        return Ok(Vec::new());
    };
    serde_json::from_value(field.value.clone()).map_err(|e| Problem::at("keep", e.to_string()))
}

/// How often a Train node is gone through, each time from where the last one ended.
fn cycles(table: &Table, kind: Option<&Value>) -> Result<u32, Problem> {
    let Some(field) = table.field("cycles") else {
        return Ok(1);
    };
    match (kind.and_then(Value::as_str), field.value.as_u64()) {
        (Some("train"), Some(n @ 1..=1000)) => Ok(n as u32),
        (Some("train"), _) => Err(Problem::at(
            "cycles",
            format!("is {}, not in 1..=1000", field.value),
        )),
        _ => Err(Problem::at("cycles", "only training has cycles".to_owned())),
    }
}
