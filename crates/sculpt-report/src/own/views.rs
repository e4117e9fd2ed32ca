//! What a picture of a recipe's states shows: from curves to rows, and from rows to panels.

use super::OwnSession;
use super::pairs::{following, names, partner};
use crate::provenance::GENERATED_OF_RECIPE;
use crate::{ReportError, words};
use sculpt_experiments::{Along, CurvePoint, Drawing, NamedState, View};
use sculpt_figures::{
    Caption, Figure, Observed, Panel, PanelRows, Scale, XAxis, letter, line_panels, own_panel,
};
use sculpt_rows::{Difference, Frame, Meaning, OwnAccuracyRow, OwnCostRow, OwnLineRow, Row, compare};
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
    let curves = session.curves(&in_full(drawing, session.suite.states()))?;
    let shown = Shown {
        session,
        drawing,
        along: &curves.along,
        points: &curves.points,
    };
    let many = names(shown.points).len();
    if many > MOST_CURVES {
        return Err(ReportError::TooManyCurves {
            n: many,
            most: MOST_CURVES,
        });
    }
    match drawing.view {
        View::Accuracy => shown.accuracy(),
        View::Interpolation => shown.interpolation(),
        View::Eigenvalue => shown.eigenvalue(),
        View::Signs => shown.signs(),
        View::Cost => shown.cost(),
    }
}

impl Shown<'_> {
    fn accuracy(&self) -> Result<Measured, ReportError> {
        let rows = self.session.measures.own_accuracy_rows(self.points)?;
        let observed: Vec<_> = rows
            .iter()
            .map(|row| observed_accuracy(row, self.along))
            .collect();
        let images = rows.iter().map(|row| row.n_images).max().unwrap_or(0);
        let panel = self.panel(ACCURACY, &observed, Scale::Fraction(images), false)?;
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
        Ok(self.measured(&rows, panels, &[said.to_owned()]))
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
        let panel = self.panel("largest eigenvalue, train loss (nats)", &observed, scale, true)?;
        let open = rows.iter().filter(|row| !row.converged).count();
        let said = if open > 0 {
            let all = rows.len();
            format!("{open} of {all} eigenvalues are not converged: their points stand in a ring.")
        } else {
            String::new()
        };
        Ok(self.measured(&rows, vec![panel], &[self.of_density(), said]))
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
        let panel = self.panel(&label, &observed, Scale::Fraction(n_signs), false)?;
        let alone = alone.into_iter().collect::<Vec<_>>().join(", ");
        let left_out = if alone.is_empty() {
            String::new()
        } else {
            format!("Left out, since no one state of {against} goes with theirs: {alone}.")
        };
        let said = format!("Of the weights that {against}'s mask keeps.");
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
    fn panel(
        &self,
        y_label: &str,
        observed: &[Observed<'_>],
        scale: Scale,
        seeds: bool,
    ) -> Result<Panel, ReportError> {
        Ok(own_panel("", axis(self.along), y_label, observed, scale, seeds)?)
    }

    fn measured<R: Row>(&self, rows: &[R], panels: Vec<Panel>, footnote: &[String]) -> Measured {
        let caption = Caption {
            title: title(self.drawing).to_owned(),
            subtitle: self.session.suite.title.clone(),
            footnote: words::sentences(footnote),
            comment: GENERATED_OF_RECIPE.to_owned(),
        };
        Measured {
            frame: Frame::of(rows),
            meanings: R::meanings(),
            figure: caption.of_means(panels),
            compare: |computed, published| Ok(compare::<R>(&computed.rows()?, &published.rows()?)),
        }
    }

    fn of_density(&self) -> String {
        match self.along {
            Along::Density => "Density counts the weights of all convolutions and linear layers.".to_owned(),
            Along::Cycles | Along::Epochs | Along::Axis(_) => String::new(),
        }
    }
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
        let panel = own_panel("", x, ACCURACY, &priced, Scale::Fraction(images), false)?;
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

/// Along densities a state stands at its mask's own.
fn observed_accuracy<'a>(row: &'a OwnAccuracyRow, along: &Along) -> Observed<'a> {
    Observed {
        curve: &row.curve,
        seed: row.seed,
        place: row.x,
        x: match along {
            Along::Density => row.density,
            Along::Cycles | Along::Epochs | Along::Axis(_) => row.x,
        },
        y: row.accuracy,
        converged: true,
    }
}
