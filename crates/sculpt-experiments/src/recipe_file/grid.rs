//! Nodes written once that stand for many: one for each seed, each entry of a list, each cycle.

use crate::StateRef;
use serde_json::Value;
use std::collections::BTreeMap;

/// What tells instances of a node apart: the value on each axis, such as seed or density.
pub(super) type Axes = BTreeMap<String, String>;

/// One of the nodes that a table stands for.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) axes: Axes,
    /// The state after each cycle; of other kinds than Train the one that it makes.
    pub(super) states: Vec<StateRef>,
}

/// A table's instances by its name.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<String, Vec<Instance>>);

/// `name[axis=value,…].cycle@epoch`; all but the name may be left out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reference {
    name: String,
    axes: Axes,
    cycle: Option<usize>,
    epoch: Option<u32>,
}

/// `name[axis=value,…]`.
pub(super) fn title(name: &str, axes: &Axes) -> String {
    if axes.is_empty() {
        return name.to_owned();
    }
    let axes: Vec<_> = axes
        .iter()
        .map(|(axis, value)| format!("{axis}={value}"))
        .collect();
    format!("{name}[{}]", axes.join(","))
}

/// A value as names of nodes have it: words and numbers, of a table its fields too, such as `snip-images-64`.
pub(super) fn word(value: &Value) -> String {
    match value {
        Value::String(word) => word.clone(),
        Value::Object(fields) => {
            let said = fields.iter().map(|(name, value)| match word(value) {
                value if value.is_empty() => name.clone(),
                value => format!("{name}-{value}"),
            });
            said.collect::<Vec<_>>().join("-")
        }
        Value::Array(values) => values.iter().map(word).collect::<Vec<_>>().join("-"),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

impl Known {
    pub(super) fn insert(&mut self, name: &str, instances: Vec<Instance>) -> bool {
        self.0.insert(name.to_owned(), instances).is_none()
    }

    /// Reads a reference to a table that stands earlier.
    pub(super) fn reference(&self, text: &str) -> Result<Reference, String> {
        let number = |what: &str, digits: &str| {
            digits
                .parse::<u32>()
                .map_err(|_| format!("{digits:?} is no {what}"))
        };
        let (rest, epoch) = match text.rsplit_once('@') {
            Some((rest, epoch)) => (rest, Some(number("epoch", epoch)?)),
            None => (text, None),
        };
        let (name, axes, tail) = match rest.split_once('[') {
            Some((name, rest)) => {
                let (axes, tail) = rest
                    .split_once(']')
                    .ok_or_else(|| format!("{text:?} has a [ without its ]"))?;
                let pairs = axes.split(',').map(|pair| {
                    let (axis, value) = pair
                        .split_once('=')
                        .ok_or_else(|| format!("{pair:?} is no axis=value"))?;
                    Ok((axis.trim().to_owned(), value.trim().to_owned()))
                });
                (
                    name,
                    pairs.collect::<Result<_, String>>()?,
                    tail.strip_prefix('.'),
                )
            }
            // Names with a dot in them are as old as recipes.
            None => match rest.rsplit_once('.') {
                Some((name, cycle)) if !self.0.contains_key(rest) => (name, Axes::new(), Some(cycle)),
                Some(_) | None => (rest, Axes::new(), None),
            },
        };
        let cycle = tail.map(|digits| number("cycle", digits)).transpose()?;
        let cycle = cycle.map(|cycle| cycle as usize);
        if !self.0.contains_key(name) {
            let known: Vec<_> = self.0.keys().map(String::as_str).collect();
            return Err(format!(
                "no earlier node is called {name:?} (there are: {})",
                known.join(", ")
            ));
        }
        Ok(Reference {
            name: name.to_owned(),
            axes,
            cycle,
            epoch,
        })
    }

    /// The states that a reference may mean beside what is chosen already, each with all that is chosen then: where both have
    /// an axis, its values agree.
    pub(super) fn beside(
        &self,
        reference: &Reference,
        chosen: &Axes,
    ) -> Result<Vec<(Axes, StateRef)>, String> {
        let instances = &self.0[&reference.name];
        let agrees = |axes: &Axes, others: &Axes| {
            let mut shared = others
                .iter()
                .filter_map(|(axis, value)| Some((axes.get(axis)?, value)));
            shared.all(|(mine, theirs)| mine == theirs)
        };
        for axis in reference.axes.keys() {
            if !instances.iter().any(|instance| instance.axes.contains_key(axis)) {
                return Err(format!("{:?} has no axis {axis:?}", reference.name));
            }
        }
        let mut found = Vec::new();
        for instance in instances {
            if !agrees(&instance.axes, &reference.axes) {
                continue;
            }
            // An axis that the reference fixes is no choice of the node that refers.
            let free = instance
                .axes
                .iter()
                .filter(|(axis, _)| !reference.axes.contains_key(*axis));
            let free: Axes = free.map(|(axis, value)| (axis.clone(), value.clone())).collect();
            if !agrees(&free, chosen) {
                continue;
            }
            let mut axes = chosen.clone();
            axes.extend(free);
            found.push((axes, reference.of(instance)?));
        }
        if found.is_empty() {
            let wanted = title(&reference.name, &reference.axes);
            return Err(format!("no {wanted:?} goes with {:?}", title("", chosen)));
        }
        Ok(found)
    }
}

impl Reference {
    fn of(&self, instance: &Instance) -> Result<StateRef, String> {
        let n = instance.states.len();
        let cycle = self.cycle.unwrap_or(n);
        let state = (1..=n).contains(&cycle).then(|| &instance.states[cycle - 1]);
        let state = state.ok_or_else(|| format!("{:?} has no cycle {cycle}, but {n}", self.name))?;
        Ok(StateRef {
            id: state.id.clone(),
            epoch: self.epoch.unwrap_or(state.epoch),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::word;
    use serde_json::json;

    /// Without a character that a reference could not have.
    #[test]
    fn values_have_short_words() {
        assert_eq!(word(&json!("snip")), "snip");
        assert_eq!(word(&json!(0.5)), "0.5");
        let table = json!({ "snip": { "batch_norm": "train", "images": 64 } });
        assert_eq!(word(&table), "snip-batch_norm-train-images-64");
        assert_eq!(word(&json!({ "random": {} })), "random");
    }
}
