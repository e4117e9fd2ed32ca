//! What a picture of a recipe's states shows: from curves to rows, and from rows to panels.

use super::OwnSession;
use super::pairs::{following, names, partner};
use crate::provenance::GENERATED_OF_RECIPE;
use crate::{ReportError, words};
use sculpt_experiments::{Along, CurvePoint, Curves, Drawing, NamedState, Node, View};
use sculpt_figures::{
    Caption, Figure, Observed, Panel, PanelRows, Scale, XAxis, letter, line_panels, own_panel,
};
use sculpt_rows::{Cell, Difference, Frame, Meaning, OwnAccuracyRow, OwnCostRow, OwnLineRow, Row, compare};
use std::collections::BTreeSet;

/// What a view makes of states, whatever its rows are.
pub(super) struct Measured {
    pub(super) frame: Frame,
    pub(super) meanings: Vec<Meaning>,
    pub(super) figure: Figure,
    /// Of a recomputed frame and a published one.
    pub(super) compare: fn(&Frame, &Frame) -> Result<Vec<Difference>, ReportError>,
}

/// The states of a drawing, opened.
struct Shown<'a> {
    session: &'a OwnSession,
    drawing: &'a Drawing,
    along: &'a Along,
    points: &'a [CurvePoint],
}

/// Measures and draws what a drawing shows.
pub(super) fn measure(session: &OwnSession, drawing: &Drawing) -> Result<Measured, ReportError> {
    let curves = curves(session, drawing)?;
    let shown = Shown {
        session,
        drawing,
        along: &curves.along,
        points: &curves.points,
    };
    match drawing.view {
        View::Accuracy => shown.accuracy(),
        View::Interpolation => shown.interpolation(),
        View::Eigenvalue => shown.eigenvalue(),
        View::Signs => shown.signs(),
        View::Cost => shown.cost(),
    }
}

/// The curves of a drawing, which are no more than a picture tells apart, and all of whose states are there.
pub(super) fn curves(session: &OwnSession, drawing: &Drawing) -> Result<Curves, ReportError> {
    let drawing = in_full(drawing, session.suite.states());
    let curves = drawing
        .selection
        .curves(session.measures.recipe(), session.suite.states())?;
    let n = names(&curves.points).len();
    if n > MOST_CURVES {
        return Err(ReportError::TooManyCurves { n, most: MOST_CURVES });
    }
    session.there(curves)
}

/// Whether a view reads images: then their data must be at hand.
pub(super) fn needs_data(view: View) -> bool {
    match view {
        View::Interpolation | View::Eigenvalue => true,
        View::Accuracy | View::Signs | View::Cost => false,
    }
}

impl Shown<'_> {
    fn accuracy(&self) -> Result<Measured, ReportError> {
        let rows = self.session.measures.own_accuracy_rows(self.points)?;
        let observed: Vec<_> = rows.iter().map(observed_accuracy).collect();
        let images = rows.iter().map(|row| row.n_images).max().unwrap_or(0);
        let panel = self.panel(ACCURACY, &observed, Scale::Fraction(images))?;
        let recorded = recorded(rows.iter().any(|row| !row.measured));
        Ok(self.measured(&rows, vec![panel], &[self.of_density(), recorded]))
    }

    fn interpolation(&self) -> Result<Measured, ReportError> {
        let (pairs, counted) = following(self.points, self.along, self.session.measures.recipe());
        if pairs.is_empty() {
            return Err(ReportError::NothingFollows);
        }
        let rows = self.session.measures.own_line_rows(&pairs)?;
        let lines: Vec<_> = rows.iter().map(OwnLineRow::line).collect();
        let mut panels = line_panels(&lines, counted, PanelRows::Own(&names(self.points)))?;
        letter(&mut panels);
        let said = "Between whole numbers: the line from one state to the next, at 11 points, BatchNorm statistics interpolated; the frame \
                    has them recalibrated too. What lies above the straight line between two states is a barrier.";
        Ok(self.measured(&rows, panels, &[said.to_owned(), self.of_labels()]))
    }

    fn eigenvalue(&self) -> Result<Measured, ReportError> {
        let rows = self.session.measures.own_eigenvalue_rows(self.points)?;
        let observed: Vec<_> = rows
            .iter()
            .map(|row| Observed {
                curve: &row.curve,
                seed: row.seed,
                place: row.x,
                x: row.x,
                y: row.eigenvalue,
                converged: row.converged,
            })
            .collect();
        // The largest eigenvalue at a minimum is not negative; where training left one that is, it is no logarithm's.
        let positive = rows.iter().all(|row| row.eigenvalue >= 0.0);
        let scale = if positive { Scale::Positive } else { Scale::Any };
        let panel = self.panel("largest eigenvalue, train loss (nats)", &observed, scale)?;
        let open = rows.iter().filter(|row| !row.converged).count();
        let said = if open > 0 {
            let all = rows.len();
            format!("{open} of {all} eigenvalues are not converged: their points stand in a ring.")
        } else {
            String::new()
        };
        let of =
            "Of the first 512 training images, or of pictures as many spread over all, without augmentation."
                .to_owned();
        Ok(self.measured(
            &rows,
            vec![panel],
            &[of, said, self.of_density(), self.of_labels()],
        ))
    }

    fn signs(&self) -> Result<Measured, ReportError> {
        let against = self.drawing.against.as_deref().ok_or(ReportError::NoReference)?;
        let states = self.session.suite.states();
        if !states.iter().any(|named| named.name == against) {
            return Err(ReportError::NoReferenceNode {
                name: against.to_owned(),
            });
        }
        let (mut pairs, mut alone) = (Vec::new(), BTreeSet::new());
        for point in self.points.iter().filter(|point| point.named.name != against) {
            match partner(point, self.session.measures.recipe(), states, against) {
                Ok(other) => pairs.push((point, other)),
                // What nobody asked for by name is left out, and said.
                Err(_) if self.drawing.selection.nodes.is_empty() => {
                    alone.insert(point.named.name.as_str());
                }
                Err(error) => return Err(error),
            }
        }
        if pairs.is_empty() {
            return Err(ReportError::OnlyReference {
                name: against.to_owned(),
            });
        }
        let rows = self.session.measures.own_sign_rows(&pairs)?;
        let observed: Vec<_> = rows
            .iter()
            .map(|row| Observed {
                curve: &row.curve,
                seed: row.seed,
                place: row.x,
                x: row.x,
                y: row.overlap,
                converged: true,
            })
            .collect();
        let n_signs = rows.iter().map(|row| row.n_signs).max().unwrap_or(0);
        let label = format!("signs as in {against} (fraction)");
        let panel = self.panel(&label, &observed, Scale::Fraction(n_signs))?;
        let alone = alone.into_iter().collect::<Vec<_>>().join(", ");
        let left_out = if alone.is_empty() {
            String::new()
        } else {
            format!("Left out, since no one state of {against} goes with theirs: {alone}.")
        };
        let said = format!("Of the weights that both {against}'s mask and their own keep.");
        Ok(self.measured(&rows, vec![panel], &[said, left_out, self.of_density()]))
    }

    fn cost(&self) -> Result<Measured, ReportError> {
        let rows = self.session.measures.own_cost_rows(self.points)?;
        let mut panels = Vec::new();
        for price in &PRICES {
            panels.extend(price.panel(&rows)?);
        }
        letter(&mut panels);
        let through = match self.along {
            Along::Density => "densities".to_owned(),
            Along::Cycles => "cycles".to_owned(),
            Along::Epochs => "states".to_owned(),
            Along::Axis(axis) => format!("values of {axis}"),
        };
        let said = format!(
            "Each curve goes through its {through}; what was trained on the way to a network is part of its cost."
        );
        let recorded = recorded(rows.iter().any(|row| !row.measured));
        Ok(self.measured(&rows, panels, &[said, recorded]))
    }

    /// One panel along what the curves run along.
    fn panel(&self, y_label: &str, observed: &[Observed<'_>], scale: Scale) -> Result<Panel, ReportError> {
        Ok(own_panel(
            "",
            axis(self.along),
            y_label,
            observed,
            scale,
            EACH_SEED,
        )?)
    }

    fn measured<R: Row>(&self, rows: &[R], panels: Vec<Panel>, footnote: &[String]) -> Measured {
        let footnote: Vec<_> = footnote.iter().cloned().chain([self.chosen()]).collect();
        let caption = Caption {
            title: title(self.drawing).to_owned(),
            subtitle: self.session.suite.title.clone(),
            footnote: words::sentences(&footnote),
            comment: GENERATED_OF_RECIPE.to_owned(),
        };
        Measured {
            frame: Frame::of(rows),
            meanings: R::meanings(),
            figure: caption.of_means(panels),
            compare: |computed, published| {
                // Whether accuracies were measured is what was at hand, and they say the same.
                let (computed, published) = (without_measured(computed), without_measured(published));
                Ok(compare::<R>(&computed.rows()?, &published.rows()?))
            },
        }
    }

    /// What was chosen, in words.
    fn chosen(&self) -> String {
        let only = &self.drawing.selection.only;
        let pairs: Vec<_> = only
            .iter()
            .map(|(axis, value)| format!("{axis} {value}"))
            .collect();
        if pairs.is_empty() {
            String::new()
        } else {
            format!("Of {} only.", pairs.join(", "))
        }
    }

    /// Losses are those of the labels that the data came with.
    fn of_labels(&self) -> String {
        let recipe = self.session.measures.recipe();
        let is_noisy = |point: &CurvePoint| {
            let entry = recipe.get(&point.named.state.id);
            entry
                .is_some_and(|entry| matches!(&entry.node, Node::Train(train) if train.label_noise.is_some()))
        };
        if self.points.iter().any(is_noisy) {
            "Losses are of the right labels, also where training saw wrong ones.".to_owned()
        } else {
            String::new()
        }
    }

    fn of_density(&self) -> String {
        match self.along {
            Along::Density => "Density counts the weights of all convolutions and linear layers.".to_owned(),
            Along::Cycles | Along::Epochs | Along::Axis(_) => String::new(),
        }
    }
}

/// The frame with nothing said of how accuracies came about.
fn without_measured(frame: &Frame) -> Frame {
    let place = frame.columns().iter().position(|column| *column == "measured");
    let mut cells = frame.cells().to_vec();
    if let Some(place) = place {
        cells.iter_mut().for_each(|row| row[place] = Cell::Flag(true));
    }
    Frame::from_cells(frame.columns().to_vec(), cells)
}

fn recorded(any: bool) -> String {
    if any { words::RECORDED } else { "" }.to_owned()
}

/// A line is between cycles where there are several, whatever else is left out.
fn in_full(drawing: &Drawing, states: &[NamedState]) -> Drawing {
    let mut drawing = drawing.clone();
    let nodes = &drawing.selection.nodes;
    let is_shown = |named: &&NamedState| nodes.is_empty() || nodes.contains(&named.name);
    let cyclic = states.iter().filter(is_shown).any(|named| named.cycles > 1);
    if drawing.view == View::Interpolation && drawing.selection.x.is_none() && cyclic {
        drawing.selection.x = Some("cycles".to_owned());
    }
    drawing
}

/// More curves are not told apart.
const MOST_CURVES: usize = 10;

/// Of a few seeds each is a line: intervals of three leave the axis.
const EACH_SEED: bool = true;

const ACCURACY: &str = "test accuracy (fraction)";

/// What training cost.
struct Price {
    label: &'static str,
    /// Units that it may be counted in, each the larger, by their names.
    units: &'static [(&'static str, f64)],
    is_count: bool,
    of: fn(&OwnCostRow) -> Option<f64>,
}

const PRICES: [Price; 3] = [
    Price {
        label: "training",
        units: &[("epochs", 1.0)],
        is_count: true,
        of: |row| Some(f64::from(row.epochs_total)),
    },
    Price {
        label: "training, sparse-ideal",
        units: &[
            ("GFLOPs", 1e9),
            ("TFLOPs", 1e12),
            ("PFLOPs", 1e15),
            ("EFLOPs", 1e18),
        ],
        is_count: false,
        of: |row| Some(row.flops_sparse_ideal),
    },
    Price {
        label: "wall time",
        units: &[("s", 1.0), ("min", 60.0), ("h", 3600.0)],
        is_count: false,
        of: |row| row.seconds,
    },
];

impl Price {
    /// Accuracy against it; none where nothing has it.
    fn panel(&self, rows: &[OwnCostRow]) -> Result<Option<Panel>, ReportError> {
        let most = rows.iter().filter_map(self.of).fold(0.0, f64::max);
        let fits = self.units.iter().rfind(|(_, size)| most >= *size);
        let (unit, size) = fits.or(self.units.first()).expect("a price has a unit");
        let priced = rows.iter().filter_map(|row| {
            Some(Observed {
                curve: &row.curve,
                seed: row.seed,
                place: row.x,
                x: (self.of)(row)? / size,
                y: row.accuracy,
                converged: true,
            })
        });
        let priced: Vec<_> = priced.collect();
        if priced.is_empty() {
            return Ok(None);
        }
        let label = format!("{} ({unit})", self.label);
        let x = if self.is_count {
            XAxis::Count { label }
        } else {
            XAxis::Linear { label }
        };
        let images = rows.iter().map(|row| row.n_images).max().unwrap_or(0);
        let panel = own_panel("", x, ACCURACY, &priced, Scale::Fraction(images), EACH_SEED)?;
        Ok(Some(panel))
    }
}

pub(super) fn title(drawing: &Drawing) -> &'static str {
    match drawing.view {
        View::Accuracy => "Test accuracy",
        View::Interpolation => "Loss between states that follow each other",
        View::Eigenvalue => "Largest eigenvalue of the Hessian",
        View::Signs => "Signs shared",
        View::Cost => "Accuracy against the cost of training",
    }
}

fn axis(along: &Along) -> XAxis {
    match along {
        Along::Density => XAxis::Density,
        Along::Cycles => XAxis::Count { label: along.label() },
        Along::Epochs | Along::Axis(_) => XAxis::Linear { label: along.label() },
    }
}

fn observed_accuracy(row: &OwnAccuracyRow) -> Observed<'_> {
    Observed {
        curve: &row.curve,
        seed: row.seed,
        place: row.x,
        x: row.x,
        y: row.accuracy,
        converged: true,
    }
}
