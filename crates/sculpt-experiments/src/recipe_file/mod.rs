//! Recipes of users: the same nodes, in TOML, parents by name. `RECIPES.md` documents every field.

#[cfg(test)]
mod documented_tests;
mod fields;
mod files;
mod grid;
#[cfg(test)]
mod groups_tests;
mod place;
mod reader;
#[cfg(test)]
mod tests;

use crate::limits;
use crate::{
    DataFolder, ExperimentError, Node, NodeId, Overrides, PanelName, Preset, Recipe, Setup, StateRef, Store,
};
pub use fields::data_key;
use fields::{Made, Usual, may_have_default};
use files::{Contents, Files};
use grid::{Axes, Known, title};
use place::{Field, Table, Text};
use reader::Reader;
use sculpt_checkpoints::State;
use sculpt_models::ModelSpec;
use sculpt_store::canonical::sha256_hex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A recipe read from TOML, with the names that it gives its nodes.
#[derive(Clone, Debug)]
pub struct UserRecipe {
    /// The nodes.
    pub recipe: Recipe,
    /// The state at the end of each node and of each of its cycles, in the file's order.
    pub states: Vec<NamedState>,
    /// What its nodes load, for [`Store::keep_loaded`](crate::Store::keep_loaded).
    pub loaded: BTreeMap<NodeId, State>,
    /// Files that it names and that are not there: the store has what they were.
    pub gone: Vec<PathBuf>,
    /// For [`Store::keep_recipe`](crate::Store::keep_recipe).
    pub(crate) files: Contents,
    pub(crate) sha256: String,
}

/// A state by the name that a recipe gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedState {
    /// Name of its node in the recipe.
    pub name: String,
    /// What tells it from others of that name: the value on each axis of the grid, such as seed or density.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub axes: BTreeMap<String, String>,
    /// The cycle that it ends, from 1.
    pub cycle: u32,
    /// How many cycles there are.
    pub cycles: u32,
    /// The state.
    pub state: StateRef,
}

impl NamedState {
    /// Whether it is the end of its node, and not of one of its earlier cycles.
    pub fn is_last(&self) -> bool {
        self.cycle == self.cycles
    }

    /// As a reference names it: `name[axis=value,…]`, and for all cycles but the last `name[…].cycle`.
    pub fn title(&self) -> String {
        let title = title(&self.name, &self.axes);
        if self.is_last() {
            title
        } else {
            format!("{title}.{}", self.cycle)
        }
    }
}

type Fields = Map<String, Value>;

/// Makes a node of a file.
type Read = fn(&Path, ModelSpec) -> Result<(Node, State), ExperimentError>;

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
    read_recipe(path, data, None)
}

impl Store {
    /// Reads a recipe as [`read_user_recipe`] does; where it was run in this store, the files that it names need not be there any
    /// more.
    ///
    /// # Errors
    /// As there.
    pub fn read_user_recipe(&self, path: &Path, data: &DataFolder) -> Result<UserRecipe, ExperimentError> {
        read_recipe(path, data, Some(self))
    }
}

fn read_recipe(path: &Path, data: &DataFolder, store: Option<&Store>) -> Result<UserRecipe, ExperimentError> {
    let text = sculpt_store::read_text(path).map_err(|source| ExperimentError::Io {
        path: path.to_owned(),
        source,
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let files = Files::new(folder, &text, store);
    let sha256 = sha256_hex(text.as_bytes());
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
            files: &files,
            made: Made::default(),
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
            files: &files,
            made: Made::default(),
        },
        threads: threads(&text, &table, setup.as_ref())?,
        seeds: seeds(&text, &table)?,
        known: Known::default(),
        read: UserRecipe {
            recipe: Recipe::default(),
            states: Vec::new(),
            loaded: BTreeMap::new(),
            gone: Vec::new(),
            files: Contents::new(),
            sha256,
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
    let mut read = reader.read;
    (read.files, read.gone) = files.into_found();
    Ok(read)
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
        Some(n) if limits::THREADS.contains(n) => Ok(n as u32),
        Some(_) | None => {
            let detail = format!("threads is {}, not in {}", field.value, limits::THREADS);
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
