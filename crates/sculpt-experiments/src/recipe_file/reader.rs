//! From tables to nodes: grids, cycles and rounds.

use super::fields::{REFERENCES, Usual};
use super::grid::{Axes, Instance, Known, word};
use super::place::{Table, Text};
use super::{Choice, Fields, NamedState, Problem, UserRecipe};
use crate::limits;
use crate::{ExperimentError, Node, NodeId, StateRef};
use sculpt_checkpoints::State;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;

/// Turns tables into nodes, one after the other.
pub(super) struct Reader<'a> {
    pub(super) text: &'a Text<'a>,
    pub(super) usual: Usual<'a>,
    pub(super) threads: u32,
    pub(super) seeds: Vec<u64>,
    pub(super) known: Known,
    pub(super) read: UserRecipe,
}

/// A node that a table stands for, before it is of the recipe.
struct Made {
    id: NodeId,
    node: Node,
    /// Of a node that loads its state.
    loaded: Option<State>,
}

impl Usual<'_> {
    fn made(&self, fields: Fields, axes: &Axes) -> Result<Made, Problem> {
        let seed = axes.get("seed").and_then(|seed| seed.parse().ok());
        let (node, loaded) = self.node(fields, seed.unwrap_or(1))?;
        let id = node.id();
        Ok(Made { id, node, loaded })
    }

    /// So many of them, each from where the one before ends; the last may be a problem.
    fn cycles(&self, fields: &Fields, axes: &Axes, n: u32) -> Vec<Result<Made, Problem>> {
        let mut cycles: Vec<Result<Made, Problem>> = Vec::new();
        for _ in 0..n {
            let mut fields = fields.clone();
            match cycles.last() {
                Some(Ok(before)) => {
                    let end = StateRef {
                        id: before.id.clone(),
                        epoch: before.node.last_epoch(),
                    };
                    fields.insert("from".to_owned(), json!(end));
                }
                Some(Err(_)) => break,
                None => {}
            }
            cycles.push(self.made(fields, axes));
        }
        cycles
    }
}

/// What `of` makes of each, in their order, by as many threads as there are processors: a grid of ten thousand nodes is read while
/// somebody waits for it to be submitted.
fn side_by_side<T: Sync, R: Send>(items: &[T], of: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let n_threads = thread::available_parallelism().map_or(1, NonZero::get);
    if items.len() < FEW || n_threads == 1 {
        return items.iter().map(of).collect();
    }
    let of = &of;
    thread::scope(|scope| {
        let parts = items.chunks(items.len().div_ceil(n_threads));
        let readers: Vec<_> = parts
            .map(|part| scope.spawn(move || part.iter().map(of).collect::<Vec<R>>()))
            .collect();
        let join = |reader: thread::ScopedJoinHandle<'_, Vec<R>>| {
            reader.join().unwrap_or_else(|panic| resume_unwind(panic))
        };
        readers.into_iter().flat_map(join).collect()
    })
}

/// Fewer are read before threads have begun.
const FEW: usize = 64;

impl Reader<'_> {
    pub(super) fn table(&mut self, table: &Table) -> Result<(), ExperimentError> {
        let name = table.field("name").and_then(|field| field.value.as_str());
        let Some(name) = name else {
            return Err(self.text.error(&table.at, "a node has no `name`"));
        };
        let kind = table.field("kind").and_then(|field| field.value.as_str());
        let made = match kind {
            Some("repeat") => self.repeat(table),
            Some("init" | "train" | "prune" | "combine" | "load-mask" | "load-weights") => {
                self.node(name, table)
            }
            Some(_) | None => Err(Problem::at(
                "kind",
                "is none of init, train, prune, combine, load-mask, load-weights, repeat".to_owned(),
            )),
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
            let cycles = instance.states.len() as u32;
            for (cycle, state) in (1..).zip(instance.states) {
                self.read.states.push(NamedState {
                    name: name.to_owned(),
                    axes: instance.axes.clone(),
                    cycle,
                    cycles,
                    state,
                });
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
            distinct(field, values)?;
            self.limit(choices.len().saturating_mul(values.len()))?;
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
        }
        fill_in(&mut choices);
        self.limit(choices.len().saturating_mul(cycles as usize))?;
        let made = side_by_side(&choices, |(axes, fields)| self.usual.cycles(fields, axes, cycles));
        let mut instances = Vec::new();
        for ((axes, _), made) in choices.into_iter().zip(made) {
            let mut states: Vec<StateRef> = Vec::new();
            for node in made {
                states.push(self.add(node?)?);
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
        distinct("density", &densities)?;
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
        let made = self.usual.made(fields, axes);
        made.and_then(|made| self.add(made))
            .map_err(|problem| match problem {
                Problem::Field(_, detail) | Problem::Text(detail) => Problem::at("steps", detail),
                Problem::Error(error) => Problem::Error(error),
            })
    }

    fn add(&mut self, made: Made) -> Result<StateRef, Problem> {
        let added = self.read.recipe.try_add_as(made.id, made.node, self.threads);
        self.limit(self.read.recipe.len())?;
        if let (Ok(end), Some(state)) = (&added, made.loaded) {
            self.read.loaded.insert(end.id.clone(), state);
        }
        added.map_err(|error| match error {
            ExperimentError::OutOfRange { field, .. } => Problem::Field(field.to_owned(), error.to_string()),
            ExperimentError::UnknownParent { id, epoch } => {
                let named = self.read.states.iter().rfind(|named| named.state.id == id);
                let (name, last) = named.map_or_else(
                    || ("a state".to_owned(), 0),
                    |named| (named.title(), named.state.epoch),
                );
                Problem::Text(format!(
                    "{name:?} has no state after epoch {epoch}, but up to {last}"
                ))
            }
            error => Problem::Text(error.to_string()),
        })
    }

    fn limit(&self, n: usize) -> Result<(), Problem> {
        let limit = limits::NODES;
        if n > limit.most as usize {
            return Err(Problem::Text(format!(
                "stands for more than {} nodes ({})",
                limit.most, limit.why
            )));
        }
        Ok(())
    }
}

/// `mask-{seed}.pt`: a file for each seed, or for each value on another axis.
fn fill_in(choices: &mut [Choice]) {
    for (axes, fields) in choices {
        let Some(Value::String(file)) = fields.get_mut("file") else {
            continue;
        };
        for (axis, value) in axes.iter() {
            *file = file.replace(&format!("{{{axis}}}"), value);
        }
    }
}

/// A list of a grid: something, and nothing twice.
fn distinct(field: &str, values: &[Value]) -> Result<(), Problem> {
    if values.is_empty() {
        return Err(Problem::at(field, "is an empty list".to_owned()));
    }
    let mut words = BTreeSet::new();
    match values.iter().find(|value| !words.insert(word(value))) {
        Some(twice) => Err(Problem::at(field, format!("has {} twice", word(twice)))),
        None => Ok(()),
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
