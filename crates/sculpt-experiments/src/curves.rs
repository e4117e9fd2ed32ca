//! From the named states of a recipe to curves: which states, along which axis, told apart by what.

use crate::{ExperimentError, NamedState, Node, Recipe};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Which states of a recipe, and how they make curves. Seeds are what is averaged over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// `density`, `cycles`, `epochs`, or an axis of the grid whose values are numbers. Left out: density where there are several,
    /// else cycles where there are several, else epochs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// What tells curves apart: `name`, or axes of the grid. Left out: whatever differs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<String>,
    /// Names of nodes; left out, all that train.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
    /// Values on axes of the grid that states must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub only: BTreeMap<String, String>,
}

/// States as curves.
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    /// What the curves run along.
    pub along: Along,
    /// Their points; those of one curve and seed in the order of the recipe.
    pub points: Vec<CurvePoint>,
}

/// What curves run along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Along {
    /// Density of the mask.
    Density,
    /// Cycles trained with the mask.
    Cycles,
    /// Epochs trained since initialisation.
    Epochs,
    /// An axis of the grid.
    Axis(String),
}

/// A state on a curve.
#[derive(Clone, Debug, PartialEq)]
pub struct CurvePoint {
    /// Name of the curve.
    pub curve: String,
    /// Where it stands along it; of density the one that was asked for.
    pub x: f64,
    /// The state's own name.
    pub named: NamedState,
    /// Seed of the run.
    pub seed: u64,
    /// Density that its mask was asked to have.
    pub density: f64,
    /// Epochs trained since initialisation.
    pub epochs: u64,
}

/// The attribute that is the node's name.
const NAME: &str = "name";
const SEED: &str = "seed";
const DENSITY: &str = "density";
const FILE: &str = "file";

/// A state that may be shown.
struct Candidate<'a> {
    named: &'a NamedState,
    seed: u64,
    density: f64,
    /// As a grid would write it.
    density_text: String,
    epochs: u64,
}

impl Candidate<'_> {
    fn attribute(&self, what: &str) -> Option<&str> {
        if what == NAME {
            Some(&self.named.name)
        } else {
            let own = self.named.axes.get(what).map(String::as_str);
            // Masks that were loaded have a density too.
            own.or_else(|| (what == DENSITY).then_some(self.density_text.as_str()))
        }
    }

    /// Whatever tells states of one seed apart.
    fn signature(&self) -> (&str, Vec<(&String, &String)>) {
        let axes = self.named.axes.iter().filter(|(axis, _)| *axis != SEED);
        (&self.named.name, axes.collect())
    }

    fn is_last(&self) -> bool {
        self.named.is_last()
    }
}

impl Selection {
    /// The curves of the trained states that the selection means.
    ///
    /// # Errors
    /// A name, an axis or a value that is not there; two states of one seed at one place of a curve.
    pub fn curves(&self, recipe: &Recipe, states: &[NamedState]) -> Result<Curves, ExperimentError> {
        let candidates = self.candidates(recipe, states)?;
        let along = self.along(&candidates)?;
        let shown: Vec<_> = match along {
            Along::Cycles | Along::Epochs => candidates,
            Along::Density | Along::Axis(_) => candidates.into_iter().filter(Candidate::is_last).collect(),
        };
        let apart = self.told_apart_by(&along, &shown)?;
        let mut points: Vec<CurvePoint> = Vec::new();
        // By curve and place the first state there, and by seed which.
        let mut firsts: BTreeMap<(String, u64), usize> = BTreeMap::new();
        let mut taken: BTreeMap<(String, u64, u64), usize> = BTreeMap::new();
        for (i, candidate) in shown.iter().enumerate() {
            let x = along.place(candidate)?;
            let point = CurvePoint {
                curve: label(candidate, &apart),
                x,
                named: candidate.named.clone(),
                seed: candidate.seed,
                density: candidate.density,
                epochs: candidate.epochs,
            };
            let clash = |other: &NamedState| {
                wrong(format!(
                    "{} and {} stand at one place of one curve, and nothing is averaged over but seeds; add what tells them apart to \
                     --by, choose with --only or --nodes, or take another --x",
                    other.title(),
                    point.named.title()
                ))
            };
            let place = (point.curve.clone(), point.seed, point.x.to_bits());
            match taken.get(&place).map(|at| &points[*at]) {
                // One node by two names.
                Some(other) if other.named.state == point.named.state => continue,
                Some(other) => return Err(clash(&other.named)),
                None => {}
            }
            let first = firsts
                .entry((point.curve.clone(), point.x.to_bits()))
                .or_insert(i);
            if shown[*first].signature() != candidate.signature() {
                return Err(clash(shown[*first].named));
            }
            taken.insert(place, points.len());
            points.push(point);
        }
        Ok(Curves { along, points })
    }

    fn candidates<'a>(
        &self,
        recipe: &Recipe,
        states: &'a [NamedState],
    ) -> Result<Vec<Candidate<'a>>, ExperimentError> {
        let mut found = Vec::new();
        let mut trained = BTreeSet::new();
        for named in states {
            let entry = recipe
                .get(&named.state.id)
                .expect("a named state is of its recipe");
            if !matches!(entry.node, Node::Train(_)) {
                continue;
            }
            trained.insert(named.name.as_str());
            if self.nodes.is_empty() || self.nodes.contains(&named.name) {
                found.push(Candidate {
                    named,
                    seed: recipe.seed_of(&named.state),
                    density: entry.density,
                    density_text: entry.density.to_string(),
                    epochs: recipe.epochs_trained(&named.state),
                });
            }
        }
        let list = |words: &BTreeSet<&str>| words.iter().copied().collect::<Vec<_>>().join(", ");
        if trained.is_empty() {
            return Err(wrong("the recipe trains nothing".to_owned()));
        }
        if let Some(unknown) = self.nodes.iter().find(|name| !trained.contains(name.as_str())) {
            return Err(wrong(format!(
                "no node that trains is called {unknown:?}; there are {}",
                list(&trained)
            )));
        }
        same_counts(recipe, &mut found);
        for (axis, value) in &self.only {
            let values: BTreeSet<_> = found.iter().filter_map(|c| c.attribute(axis)).collect();
            if values.is_empty() {
                return Err(wrong(no_axis(axis, &found)));
            }
            if !values.contains(value.as_str()) {
                return Err(wrong(format!(
                    "nothing has {axis} {value:?}; there are {}",
                    list(&values)
                )));
            }
            found.retain(|candidate| candidate.attribute(axis) == Some(value));
            let is_left = |name: &&String| found.iter().any(|candidate| candidate.named.name == **name);
            if let Some(dropped) = self.nodes.iter().find(|name| !is_left(name)) {
                return Err(wrong(format!("no state of {dropped} has {axis} {value:?}")));
            }
        }
        Ok(found)
    }

    fn along(&self, candidates: &[Candidate<'_>]) -> Result<Along, ExperimentError> {
        Ok(match self.x.as_deref() {
            Some("density") => Along::Density,
            Some("cycle" | "cycles") => Along::Cycles,
            Some("epoch" | "epochs") => Along::Epochs,
            Some(axis) if candidates.iter().any(|c| c.named.axes.contains_key(axis)) => {
                Along::Axis(axis.to_owned())
            }
            Some(axis) => return Err(wrong(no_axis(axis, candidates))),
            None => {
                let last = || candidates.iter().filter(|candidate| candidate.is_last());
                let first = last().next().map(|candidate| candidate.density);
                if last().any(|candidate| Some(candidate.density) != first) {
                    Along::Density
                } else if candidates.iter().any(|candidate| candidate.named.cycles > 1) {
                    Along::Cycles
                } else {
                    Along::Epochs
                }
            }
        })
    }

    /// Attributes that are not the same for all, seeds and what the curves run along apart.
    fn told_apart_by(&self, along: &Along, shown: &[Candidate<'_>]) -> Result<Vec<String>, ExperimentError> {
        let axes: BTreeSet<&str> = shown
            .iter()
            .flat_map(|candidate| candidate.named.axes.keys().map(String::as_str))
            .collect();
        if !self.by.is_empty() {
            let unknown = self
                .by
                .iter()
                .find(|by| *by != NAME && !axes.contains(by.as_str()));
            return match unknown {
                Some(axis) => Err(wrong(no_axis(axis, shown))),
                None => Ok(self.by.clone()),
            };
        }
        let varies = |what: &&str| {
            let values: BTreeSet<_> = shown.iter().map(|candidate| candidate.attribute(what)).collect();
            values.len() > 1
        };
        let is_place = |axis: &&str| match along {
            Along::Axis(own) => own == axis,
            // `density`, or `sparser.density`, whichever the mask has.
            Along::Density => shown.iter().all(|candidate| {
                let value = candidate.attribute(axis).map(str::parse::<f64>);
                value.is_none_or(|value| value.is_ok_and(|value| value == candidate.density))
            }),
            Along::Cycles | Along::Epochs => false,
        };
        // Files of masks, one a density, are where the masks stand, too.
        let is_file = |axis: &&str| {
            let pairs: BTreeSet<_> = shown
                .iter()
                .filter_map(|candidate| Some((candidate.attribute(axis)?, candidate.density.to_bits())))
                .collect();
            let files: BTreeSet<_> = pairs.iter().map(|(file, _)| file).collect();
            let densities: BTreeSet<_> = pairs.iter().map(|(_, density)| density).collect();
            let is_one = files.len() == pairs.len() && densities.len() == pairs.len();
            *along == Along::Density && (*axis == FILE || axis.ends_with(".file")) && is_one
        };
        let all = std::iter::once(NAME).chain(
            axes.into_iter()
                .filter(|axis| *axis != SEED && !is_place(axis) && !is_file(axis)),
        );
        Ok(all.filter(varies).map(str::to_owned).collect())
    }
}

impl Along {
    fn place(&self, candidate: &Candidate<'_>) -> Result<f64, ExperimentError> {
        Ok(match self {
            Along::Density => candidate.density,
            Along::Cycles => f64::from(candidate.named.cycle),
            Along::Epochs => candidate.epochs as f64,
            Along::Axis(axis) => {
                let value = candidate.attribute(axis);
                let number = value.and_then(|value| value.parse::<f64>().ok());
                number.filter(|number| number.is_finite()).ok_or_else(|| {
                    wrong(format!(
                        "{} has {axis} {}, which is no number to stand at: choose with --nodes or --only, or take {axis} for --by",
                        candidate.named.title(),
                        value.map_or("none".to_owned(), |value| format!("{value:?}"))
                    ))
                })?
            }
        })
    }

    /// What a picture says of it.
    pub fn label(&self) -> String {
        match self {
            Along::Density => "density".to_owned(),
            Along::Cycles => "cycles trained".to_owned(),
            Along::Epochs => "epochs trained".to_owned(),
            Along::Axis(axis) => axis.clone(),
        }
    }
}

/// `snip, lr 0.1`: words as they stand, numbers after what they are of.
fn label(candidate: &Candidate<'_>, apart: &[String]) -> String {
    let word = |what: &String| {
        let value = candidate.attribute(what)?;
        Some(if what == NAME || value.parse::<f64>().is_err() {
            value.to_owned()
        } else {
            format!("{what} {value}")
        })
    };
    let words: Vec<_> = apart.iter().filter_map(word).collect();
    match (words.is_empty(), apart) {
        (false, _) => words.join(", "),
        (true, []) => candidate.named.name.clone(),
        // Not the name alone, which may be somebody's value.
        (true, apart) => format!("{} (no {})", candidate.named.name, apart.join(", ")),
    }
}

/// Masks that keep as many weights have one density: that of a loaded mask is what its counts give, and a grid's is what was asked for.
fn same_counts(recipe: &Recipe, candidates: &mut [Candidate<'_>]) {
    let mut layouts: Vec<(&sculpt_models::ModelSpec, usize)> = Vec::new();
    let mut counts = Vec::with_capacity(candidates.len());
    for candidate in candidates.iter() {
        let entry = recipe
            .get(&candidate.named.state.id)
            .expect("a named state is of its recipe");
        let known = layouts.iter().find(|(model, _)| **model == entry.model);
        let n = known
            .map(|(_, n)| *n)
            .unwrap_or_else(|| entry.model.layout().n_prunable());
        if known.is_none() {
            layouts.push((&entry.model, n));
        }
        counts.push((n, (candidate.density * n as f64).round() as u64));
    }
    let mut shortest: BTreeMap<(usize, u64), f64> = BTreeMap::new();
    for (candidate, count) in candidates.iter().zip(&counts) {
        let known = shortest.entry(*count).or_insert(candidate.density);
        if candidate.density.to_string().len() < known.to_string().len() {
            *known = candidate.density;
        }
    }
    for (candidate, count) in candidates.iter_mut().zip(&counts) {
        candidate.density = shortest[count];
        candidate.density_text = candidate.density.to_string();
    }
}

fn no_axis(axis: &str, among: &[Candidate<'_>]) -> String {
    let axes: BTreeSet<_> = among
        .iter()
        .flat_map(|candidate| candidate.named.axes.keys())
        .collect();
    let axes: Vec<_> = axes.into_iter().map(String::as_str).collect();
    format!(
        "the grid has no axis {axis:?}; there are {}",
        if axes.is_empty() {
            "none".to_owned()
        } else {
            axes.join(", ")
        }
    )
}

fn wrong(detail: String) -> ExperimentError {
    ExperimentError::Selection { detail }
}
