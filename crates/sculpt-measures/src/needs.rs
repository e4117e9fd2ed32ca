use sculpt_experiments::{DataRef, PanelName, Point, Recipe, Source, StateRef};
use std::collections::{BTreeMap, BTreeSet};

/// What an artefact needs trained.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Panel by panel.
    pub panels: Vec<PanelNeeds>,
}

/// What a panel needs trained.
#[derive(Clone, Debug)]
pub struct PanelNeeds {
    /// The paper's letter.
    pub letter: &'static str,
    /// Data and network.
    pub panel: PanelName,
    /// The data.
    pub data: DataRef,
    /// The nodes.
    pub recipe: Recipe,
    /// The states that it shows.
    pub points: Vec<Point>,
}

impl Needs {
    /// Every node, once.
    pub fn recipe(&self) -> Recipe {
        let mut all = Recipe::default();
        for panel in &self.panels {
            all.merge(panel.recipe.clone());
        }
        all
    }

    /// Every state read, once.
    pub fn states(&self) -> Vec<StateRef> {
        let unique: BTreeSet<_> = self.panels.iter().flat_map(PanelNeeds::states).collect();
        unique.into_iter().collect()
    }

    /// The states of each curve of each seed.
    pub fn curves(&self) -> Vec<Vec<StateRef>> {
        let mut curves: BTreeMap<(&str, &str, u64), Vec<StateRef>> = BTreeMap::new();
        for panel in &self.panels {
            for point in &panel.points {
                let key = (panel.letter, point.method.id, point.seed);
                curves.entry(key).or_default().push(point.state.clone());
            }
        }
        curves.into_values().collect()
    }

    /// Only the panels of which a state is in `source`.
    pub fn in_source(mut self, source: &Source) -> Self {
        self.panels.retain(|panel| {
            let there = |state: &StateRef| source.has(state);
            panel.states().iter().any(there)
        });
        self
    }

    /// Only the panels that `keep` says yes to.
    pub fn only(mut self, keep: impl Fn(PanelName) -> bool) -> Self {
        self.panels.retain(|panel| keep(panel.panel));
        self
    }
}

impl PanelNeeds {
    /// Every state read, once.
    pub fn states(&self) -> BTreeSet<StateRef> {
        self.points.iter().map(|point| point.state.clone()).collect()
    }
}
