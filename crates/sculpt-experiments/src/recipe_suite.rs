//! A recipe of a user's own as a suite: what it trained, by name, and what is drawn of it.

use crate::limits;
use crate::{Environment, ExperimentError, NamedState, Node, Recipe, Selection, StateRef, Store, UserRecipe};
use sculpt_store::paths;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// What a recipe trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeSuite {
    /// Name, as `--suite` takes it.
    pub name: String,
    /// Title, as pictures show it.
    pub title: String,
    /// Its nodes and their names.
    recipe: Nodes,
    /// What is drawn of it, by the stem of the files.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub drawings: BTreeMap<String, Drawing>,
    /// The machine that published it, where one trained all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nodes {
    threads: u32,
    /// Parents before children.
    nodes: Vec<Node>,
    states: Vec<NamedState>,
}

/// A picture of a recipe's states.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drawing {
    /// What it shows.
    pub view: View,
    /// Of which states, and how they make curves.
    #[serde(default)]
    pub selection: Selection,
    /// Of signs, the node that those of the others are compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
}

/// What a picture of a recipe's states shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// Test accuracy.
    Accuracy,
    /// Loss on the lines between states that follow each other.
    Interpolation,
    /// Largest eigenvalue of the Hessian of the training loss.
    Eigenvalue,
    /// Fraction of the signs that are another node's.
    Signs,
    /// Test accuracy against what training cost.
    Cost,
}

impl RecipeSuite {
    /// What a user's recipe trains, under this name.
    pub fn new(name: String, title: String, user: &UserRecipe, threads: u32) -> Self {
        Self {
            name,
            title,
            recipe: Nodes {
                threads,
                nodes: user.recipe.iter().map(|(_, entry)| entry.node.clone()).collect(),
                states: user.states.clone(),
            },
            drawings: BTreeMap::new(),
            environment: None,
        }
    }

    /// The states that its recipe names, in the recipe's order.
    pub fn states(&self) -> &[NamedState] {
        &self.recipe.states
    }

    /// What is published: the named states that training made, and what the signs of drawings are compared with.
    pub fn shown(&self) -> Vec<StateRef> {
        let against: BTreeSet<_> = self
            .drawings
            .values()
            .filter_map(|drawing| drawing.against.as_ref())
            .collect();
        let loads = |node: &&Node| matches!(node, Node::LoadMask(_) | Node::LoadWeights(_));
        let loaded: BTreeSet<_> = self.recipe.nodes.iter().filter(loads).map(Node::id).collect();
        // What came from a file of the user's comes from nowhere else.
        let others = self.recipe.states.iter().filter(|named| {
            (against.contains(&named.name) && named.is_last()) || loaded.contains(&named.state.id)
        });
        let mut states: BTreeSet<_> = self.trained().into_iter().collect();
        states.extend(others.map(|named| named.state.clone()));
        states.into_iter().collect()
    }

    /// The named states that training made.
    pub fn trained(&self) -> Vec<StateRef> {
        let trained = self
            .recipe
            .nodes
            .iter()
            .filter(|node| matches!(node, Node::Train(_)));
        let trained: BTreeSet<_> = trained.map(Node::id).collect();
        let states = self.recipe.states.iter().map(|named| &named.state);
        let states: BTreeSet<_> = states.filter(|state| trained.contains(&state.id)).collect();
        states.into_iter().cloned().collect()
    }

    /// What names and numbers the file of a stranger may not have: they become names of files and words of pictures.
    fn check(&self) -> Result<(), String> {
        if !limits::THREADS.contains(u64::from(self.recipe.threads)) {
            return Err(format!(
                "has {} threads, not in {}",
                self.recipe.threads,
                limits::THREADS
            ));
        }
        if let Some(stem) = self.drawings.keys().find(|stem| !is_stem(stem)) {
            return Err(format!("has a drawing {stem:?}, which is no plain name"));
        }
        let is_word = |word: &String| !word.is_empty() && !word.chars().any(char::is_control);
        for named in &self.recipe.states {
            let axes = named.axes.iter().flat_map(|(axis, value)| [axis, value]);
            if !axes.chain([&named.name]).all(is_word) || !(1..=named.cycles).contains(&named.cycle) {
                return Err(format!(
                    "has a state {:?}, which no recipe names so",
                    named.title()
                ));
            }
        }
        Ok(())
    }

    /// Its nodes, the files of exported networks from `store`; `path` is where the suite was read.
    ///
    /// # Errors
    /// Nodes that make no recipe, states that are none of theirs: the file of a stranger.
    pub fn recipe(&self, store: &Store, path: &Path) -> Result<Recipe, ExperimentError> {
        let bad = |detail: String| ExperimentError::BadFile {
            path: path.to_owned(),
            detail,
        };
        self.check().map_err(bad)?;
        let mut recipe = Recipe::default();
        for node in &self.recipe.nodes {
            let mut node = node.clone();
            match &mut node {
                Node::Init(init) => init.model = store.with_network(init.model.clone())?,
                Node::LoadWeights(load) | Node::LoadMask(load) => {
                    load.model = store.with_network(load.model.clone())?;
                }
                Node::Train(_) | Node::Prune(_) | Node::Combine(_) => {}
            }
            recipe
                .try_add(node, self.recipe.threads)
                .map_err(|error| bad(error.to_string()))?;
        }
        for named in &self.recipe.states {
            let last = recipe.get(&named.state.id).map(|entry| entry.node.last_epoch());
            if last != Some(named.state.epoch) {
                return Err(bad(format!("{} is none of the recipe's states", named.title())));
            }
        }
        Ok(recipe)
    }
}

/// Whether a word can be the stem of a drawing's files.
pub fn is_stem(word: &str) -> bool {
    paths::is_plain_name(word) && !word.contains('.')
}

impl View {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 5] = [
        Self::Accuracy,
        Self::Interpolation,
        Self::Eigenvalue,
        Self::Signs,
        Self::Cost,
    ];
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            View::Accuracy => "accuracy",
            View::Interpolation => "interpolation",
            View::Eigenvalue => "eigenvalue",
            View::Signs => "signs",
            View::Cost => "cost",
        })
    }
}

impl FromStr for View {
    type Err = ExperimentError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let found = View::ALL.into_iter().find(|view| view.to_string() == word);
        found.ok_or_else(|| ExperimentError::BadValue {
            what: "view",
            value: format!("{word:?}"),
            problem: "is none of accuracy, interpolation, eigenvalue, signs, cost",
        })
    }
}
