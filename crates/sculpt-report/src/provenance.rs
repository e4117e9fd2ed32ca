use crate::{Artefact, Output, ReportError, Session};
use sculpt_experiments::{Drawing, LIBTORCH_VERSION, NodeId, RecipeSuite, Source, Suite, device_name};
use sculpt_figures::{Figure, STATISTIC};
use sculpt_rows::{Cell, Frame};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use tch::Device;

/// Where an artefact's numbers come from: the `.json` beside its frame.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Provenance {
    /// The artefact, such as `figure 5`.
    pub artefact: String,
    /// Its title.
    pub title: String,
    /// What wrote the files.
    pub generated_by: String,
    /// The command as typed.
    pub command: String,
    /// Revision of the checkout, where there is one.
    pub git_revision: Option<String>,
    /// The suite.
    pub suite: SuiteShown,
    /// libtorch that measured.
    pub libtorch: String,
    /// Device that measured.
    pub device: String,
    /// `measured`, `recorded` where the data were not at hand, or `measured and recorded`; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracies: Option<String>,
    /// What points and intervals are.
    pub statistic: String,
    /// Runs behind each point: the fewest and the most; zeros where nothing is repeated.
    pub n: (usize, usize),
    /// Observations in the frame.
    pub rows: usize,
    /// Ids of the nodes whose states were read, sorted.
    pub nodes: Vec<String>,
    /// Pictures that nobody can read, and that those nodes were made without, each with the reason.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub left_out: BTreeSet<String>,
    /// What drew the pictures anew since the frame was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restyled: Option<Restyled>,
}

/// The suite that an artefact is of.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SuiteShown {
    /// One of a preset.
    OfPreset(Box<Suite>),
    /// One of a recipe: its nodes stand in the suite alone.
    OfRecipe {
        /// Its name.
        name: String,
        /// Its title.
        title: String,
        /// What is drawn.
        drawing: Option<Drawing>,
    },
}

/// What drew pictures from a frame that was there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Restyled {
    /// The command as typed.
    pub command: String,
    /// Revision of the checkout, where there is one.
    pub git_revision: Option<String>,
}

impl Provenance {
    /// Of a frame measured now, and its picture.
    pub(crate) fn of(
        artefact: &Artefact,
        session: &Session,
        frame: &Frame,
        figure: Option<&Figure>,
        command: &str,
        git_revision: Option<String>,
    ) -> Self {
        let suite = SuiteShown::OfPreset(Box::new(session.suite().clone()));
        let device = session.measures().device();
        let own = Self::measured(suite, device, frame, figure, command, git_revision);
        Self {
            artefact: artefact.name.to_string(),
            title: title(artefact, figure),
            generated_by: artefact.comment(),
            ..own
        }
    }

    /// Of a frame measured now of a recipe's states, and its picture.
    pub(crate) fn of_recipe(
        (stem, title): (&str, &str),
        (suite, drawing): (&RecipeSuite, Option<&Drawing>),
        device: Device,
        (frame, figure): (&Frame, Option<&Figure>),
        output: &Output<'_>,
    ) -> Self {
        let shown = SuiteShown::OfRecipe {
            name: suite.name.clone(),
            title: suite.title.clone(),
            drawing: drawing.cloned(),
        };
        let git_revision = output.git_revision.clone();
        let own = Self::measured(shown, device, frame, figure, output.command, git_revision);
        Self {
            artefact: stem.to_owned(),
            title: title.to_owned(),
            generated_by: GENERATED_OF_RECIPE.to_owned(),
            ..own
        }
    }

    fn measured(
        suite: SuiteShown,
        device: Device,
        frame: &Frame,
        figure: Option<&Figure>,
        command: &str,
        git_revision: Option<String>,
    ) -> Self {
        // A schedule is no mean over runs.
        let repeated = figure.filter(|figure| figure.statistic.is_some());
        Self {
            artefact: String::new(),
            title: String::new(),
            generated_by: String::new(),
            command: command.to_owned(),
            git_revision,
            suite,
            libtorch: LIBTORCH_VERSION.to_owned(),
            device: device_name(device),
            accuracies: accuracies(frame).map(str::to_owned),
            statistic: statistic(figure),
            n: repeated.map_or((0, 0), runs_behind_points),
            rows: frame.len(),
            nodes: nodes(frame),
            left_out: BTreeSet::new(),
            restyled: None,
        }
    }

    /// The same with the pictures that its nodes were made without.
    pub(crate) fn with_left_out(mut self, source: &Source) -> Result<Self, ReportError> {
        for id in &self.nodes {
            let id: NodeId = id.parse()?;
            self.left_out.extend(source.left_out(&id)?);
        }
        Ok(self)
    }

    /// The same with another picture of the frame.
    pub(crate) fn redrawn(self, artefact: &Artefact, figure: &Figure, by: Restyled) -> Self {
        Self {
            title: title(artefact, Some(figure)),
            statistic: statistic(Some(figure)),
            restyled: Some(by),
            ..self
        }
    }
}

/// What files of a recipe's suite say about themselves.
pub(crate) const GENERATED_OF_RECIPE: &str = "Generated by `cargo xtask draw`, do not edit";

/// What a picture says on top, which has data and sparsity where the artefact's own title has not.
fn title(artefact: &Artefact, figure: Option<&Figure>) -> String {
    let drawn = figure.and_then(|figure| figure.title.split_once(". "));
    drawn.map_or_else(|| artefact.title.to_owned(), |(_, title)| title.to_owned())
}

fn statistic(figure: Option<&Figure>) -> String {
    let drawn = figure.and_then(|figure| figure.statistic.clone());
    drawn.unwrap_or_else(|| STATISTIC.to_owned())
}

fn runs_behind_points(figure: &Figure) -> (usize, usize) {
    let counts = figure
        .panels
        .iter()
        .flat_map(|p| &p.curves)
        .flat_map(|c| &c.points)
        .map(|p| p.n);
    (counts.clone().min().unwrap_or(0), counts.max().unwrap_or(0))
}

/// How the accuracies of a frame came about, by its rows: the data of one panel may be at hand and not those of another.
fn accuracies(frame: &Frame) -> Option<&'static str> {
    let is = |flag| move |cell: &Cell| *cell == Cell::Flag(flag);
    let measured = frame.column("measured").any(is(true));
    let recorded = frame.column("measured").any(is(false));
    match (measured, recorded) {
        (true, true) => Some("measured and recorded"),
        (true, false) => Some("measured"),
        (false, true) => Some("recorded"),
        (false, false) => None,
    }
}

fn nodes(frame: &Frame) -> Vec<String> {
    let cells = frame
        .column("node")
        .chain(frame.column("node_from"))
        .chain(frame.column("node_against"));
    let ids: BTreeSet<_> = cells.map(Cell::to_string).collect();
    ids.into_iter().filter(|id| !id.is_empty()).collect()
}
