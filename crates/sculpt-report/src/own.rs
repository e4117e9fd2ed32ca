//! Pictures and comparisons of a recipe of a user's own.

use crate::frame_file::read_frame;
use crate::output::{Shown, Written, write_files};
use crate::provenance::{GENERATED_OF_RECIPE, Provenance};
use crate::{ReportError, words};
use sculpt_claims::Question;
use sculpt_experiments::{
    Along, CurvePoint, Curves, DataFolder, Drawing, NamedState, Recipe, RecipeSuite, Source, StateRef, View,
};
use sculpt_figures::{Caption, Figure, Observed, PanelRows, Scale, XAxis, letter, line_panels, own_panel};
use sculpt_measures::Following;
use sculpt_rows::{
    Along as LineAlong, Difference, Frame, OwnAccuracyRow, OwnContrastRow, OwnCostRow, OwnEigenvalueRow,
    OwnLineRow, OwnSignRow, Row, compare,
};
use sculpt_stats::holm;
use sculpt_store::paths::{self, ReportFile};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tch::Device;

/// A recipe's suite opened for drawing.
pub struct OwnSession {
    suite: RecipeSuite,
    measures: sculpt_measures::Session,
}

/// The comparison of two curves, and its files.
#[derive(Clone, Debug)]
pub struct Contrasted {
    /// One row a place that both curves have, and one over all of them where there are several.
    pub rows: Vec<OwnContrastRow>,
    /// What was written.
    pub written: Written,
}

/// Which files are written, and by what.
#[derive(Clone, Debug)]
pub struct Output<'a> {
    /// Their name, without an ending.
    pub stem: &'a str,
    /// Where they go.
    pub folder: &'a Path,
    /// The command as typed.
    pub command: &'a str,
    /// Revision of the checkout, where there is one.
    pub git_revision: Option<String>,
}

/// What a view makes of states.
struct Measured {
    frame: Frame,
    shown: Shown,
    figure: Figure,
}

impl OwnSession {
    /// Opens a suite whose nodes are `recipe`. `data` may have no folder: then recorded scores stand for measured ones, except on
    /// the demo data, which are always at hand. Measures are cached under `cache`.
    pub fn new(
        suite: RecipeSuite,
        recipe: Recipe,
        source: Source,
        data: &DataFolder,
        device: Device,
        cache: &Path,
    ) -> Self {
        Self {
            measures: sculpt_measures::Session::new(source, recipe, data, device, cache),
            suite,
        }
    }

    /// The suite.
    pub fn suite(&self) -> &RecipeSuite {
        &self.suite
    }

    /// What measures its states.
    pub fn measures(&self) -> &sculpt_measures::Session {
        &self.measures
    }

    /// Measures and draws states, and writes all files.
    ///
    /// # Errors
    /// Nothing to draw, a state that is not there, a broken checkpoint, or what the file system refuses.
    pub fn draw(&self, drawing: &Drawing, output: &Output<'_>) -> Result<Written, ReportError> {
        let Measured { frame, shown, figure } = self.measure(output.stem, drawing)?;
        let provenance = Provenance::of_recipe(
            (output.stem, title(drawing)),
            (&self.suite, Some(drawing)),
            self.measures.device(),
            (&frame, Some(&figure)),
            output,
        );
        write_files(&shown, &frame, Some(&figure), &provenance, output.folder)
    }

    /// Measures states anew and compares the frame with the one named `stem` in `folder`; also the number of its rows.
    ///
    /// # Errors
    /// As [`OwnSession::draw`], and no such frame.
    pub fn check(
        &self,
        stem: &str,
        drawing: &Drawing,
        folder: &Path,
    ) -> Result<(usize, Vec<Difference>), ReportError> {
        let computed = self.measure(stem, drawing)?.frame;
        let path = paths::report(folder, stem, ReportFile::Parquet);
        let published = read_frame(&path, computed.columns().to_vec())?;
        let differences = match drawing.view {
            View::Accuracy => compare::<OwnAccuracyRow>(&computed.rows()?, &published.rows()?),
            View::Interpolation => compare::<OwnLineRow>(&computed.rows()?, &published.rows()?),
            View::Eigenvalue => compare::<OwnEigenvalueRow>(&computed.rows()?, &published.rows()?),
            View::Signs => compare::<OwnSignRow>(&computed.rows()?, &published.rows()?),
            View::Cost => compare::<OwnCostRow>(&computed.rows()?, &published.rows()?),
        };
        Ok((computed.len(), differences))
    }

    /// Compares the test accuracy of two curves of a drawing, place by place and seed by seed, and writes frame and provenance.
    ///
    /// # Errors
    /// Curves that are not there or share no seed at any place; else as [`OwnSession::draw`].
    pub fn contrast(
        &self,
        drawing: &Drawing,
        (a, b): (&str, &str),
        question: Question,
        output: &Output<'_>,
    ) -> Result<Contrasted, ReportError> {
        let curves = self.curves(drawing)?;
        let names = names(&curves.points);
        for name in [a, b] {
            if !names.iter().any(|own| own == name) {
                return Err(ReportError::NoCurve {
                    name: name.to_owned(),
                    available: names.join("; "),
                });
            }
        }
        let mut points = curves.points;
        points.retain(|point| point.curve == a || point.curve == b);
        let accuracies = self.measures.own_accuracy_rows(&points)?;
        let rows = contrast_rows(&accuracies, &curves.along, (a, b), question)?;
        if rows.is_empty() {
            return Err(ReportError::NothingShared {
                a: a.to_owned(),
                b: b.to_owned(),
            });
        }
        let frame = Frame::of(&rows);
        let mut provenance = Provenance::of_recipe(
            (output.stem, "Contrast of two curves"),
            (&self.suite, Some(drawing)),
            self.measures.device(),
            (&frame, None),
            output,
        );
        let ids = accuracies.iter().map(|row| row.node.clone());
        provenance.nodes = ids.collect::<BTreeSet<_>>().into_iter().collect();
        let shown = Shown {
            name: output.stem.to_owned(),
            stem: output.stem.to_owned(),
            meanings: OwnContrastRow::meanings(),
        };
        let written = write_files(&shown, &frame, None, &provenance, output.folder)?;
        Ok(Contrasted { rows, written })
    }

    fn curves(&self, drawing: &Drawing) -> Result<Curves, ReportError> {
        let curves = drawing
            .selection
            .curves(self.measures.recipe(), self.suite.states())?;
        let source = self.measures.source();
        let states: Vec<&StateRef> = curves.points.iter().map(|point| &point.named.state).collect();
        let missing: Vec<_> = states.iter().filter(|state| !source.has(state)).collect();
        match missing.first() {
            None => Ok(curves),
            Some(first) => Err(ReportError::RecipeUnfinished {
                suite: self.suite.name.clone(),
                missing: missing.len(),
                needed: states.len(),
                id: first.id.clone(),
                epoch: first.epoch,
            }),
        }
    }

    fn measure(&self, stem: &str, drawing: &Drawing) -> Result<Measured, ReportError> {
        let curves = self.curves(&in_full(drawing, self.suite.states()))?;
        let (along, points) = (&curves.along, &curves.points);
        let many = names(points).len();
        if many > MOST_CURVES {
            return Err(ReportError::TooManyCurves {
                n: many,
                most: MOST_CURVES,
            });
        }
        let caption = |footnote: &[String]| Caption {
            title: title(drawing).to_owned(),
            subtitle: self.suite.title.clone(),
            footnote: words::sentences(footnote),
            comment: GENERATED_OF_RECIPE.to_owned(),
        };
        let measured = |meanings, frame, figure| Measured {
            frame,
            shown: Shown {
                name: stem.to_owned(),
                stem: stem.to_owned(),
                meanings,
            },
            figure,
        };
        let density = match along {
            Along::Density => "Density counts the weights of all convolutions and linear layers.",
            Along::Cycles | Along::Epochs | Along::Axis(_) => "",
        };
        let recorded = |is: bool| if is { words::RECORDED } else { "" }.to_owned();
        match drawing.view {
            View::Accuracy => {
                let rows = self.measures.own_accuracy_rows(points)?;
                let of = |row| observed_accuracy(row, along);
                let observed: Vec<_> = rows.iter().map(of).collect();
                let images = rows.iter().map(|row| row.n_images).max().unwrap_or(0);
                let panel = own_panel(
                    "",
                    axis(along),
                    ACCURACY,
                    &observed,
                    Scale::Fraction(images),
                    false,
                )?;
                let any_recorded = rows.iter().any(|row| !row.measured);
                let said = caption(&[density.to_owned(), recorded(any_recorded)]);
                let figure = said.of_means(vec![panel]);
                Ok(measured(OwnAccuracyRow::meanings(), Frame::of(&rows), figure))
            }
            View::Interpolation => {
                let (pairs, counted) = following(points, along, self.measures.recipe());
                if pairs.is_empty() {
                    return Err(ReportError::NothingFollows);
                }
                let rows = self.measures.own_line_rows(&pairs)?;
                let lines: Vec<_> = rows.iter().map(OwnLineRow::line).collect();
                let mut panels = line_panels(&lines, counted, PanelRows::Own(&names(points)))?;
                letter(&mut panels);
                let said = caption(&[
                    "Between whole numbers: the line from one state to the next, at 11 points, BatchNorm statistics interpolated; the \
                     frame has them recalibrated too. What lies above the straight line between two states is a barrier."
                        .to_owned(),
                ]);
                let figure = said.of_means(panels);
                Ok(measured(OwnLineRow::meanings(), Frame::of(&rows), figure))
            }
            View::Eigenvalue => {
                let rows = self.measures.own_eigenvalue_rows(points)?;
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
                let positive = rows.iter().all(|row| row.eigenvalue >= 0.0);
                let scale = if positive { Scale::Positive } else { Scale::Any };
                let label = "largest eigenvalue, train loss (nats)";
                let panel = own_panel("", axis(along), label, &observed, scale, true)?;
                let open = rows.iter().filter(|row| !row.converged).count();
                let said = if open > 0 {
                    format!(
                        "{open} of {} eigenvalues are not converged: their points stand in a ring.",
                        rows.len()
                    )
                } else {
                    String::new()
                };
                let figure = caption(&[density.to_owned(), said]).of_means(vec![panel]);
                Ok(measured(OwnEigenvalueRow::meanings(), Frame::of(&rows), figure))
            }
            View::Signs => {
                let against = drawing.against.as_deref().ok_or(ReportError::NoReference)?;
                let states = self.suite.states();
                if !states.iter().any(|named| named.name == against) {
                    return Err(ReportError::NoReferenceNode {
                        name: against.to_owned(),
                    });
                }
                let (mut pairs, mut alone) = (Vec::new(), BTreeSet::new());
                for point in points.iter().filter(|point| point.named.name != against) {
                    match partner(point, self.measures.recipe(), states, against) {
                        Ok(other) => pairs.push((point, other)),
                        // What nobody asked for by name is left out, and said.
                        Err(_) if drawing.selection.nodes.is_empty() => {
                            alone.insert(point.named.name.clone());
                        }
                        Err(error) => return Err(error),
                    }
                }
                if pairs.is_empty() {
                    return Err(ReportError::OnlyReference {
                        name: against.to_owned(),
                    });
                }
                let rows = self.measures.own_sign_rows(&pairs)?;
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
                let panel = own_panel(
                    "",
                    axis(along),
                    &label,
                    &observed,
                    Scale::Fraction(n_signs),
                    false,
                )?;
                let said = format!("Of the weights that {against}'s mask keeps.");
                let alone = alone.into_iter().collect::<Vec<_>>().join(", ");
                let left_out = if alone.is_empty() {
                    String::new()
                } else {
                    format!("Left out, since no one state of {against} goes with theirs: {alone}.")
                };
                let figure = caption(&[said, left_out, density.to_owned()]).of_means(vec![panel]);
                Ok(measured(OwnSignRow::meanings(), Frame::of(&rows), figure))
            }
            View::Cost => {
                let rows = self.measures.own_cost_rows(points)?;
                let images = rows.iter().map(|row| row.n_images).max().unwrap_or(0);
                let mut panels = Vec::new();
                for (label, units, price) in PRICES {
                    let most = rows.iter().filter_map(price).fold(0.0, f64::max);
                    let fits = units.iter().rfind(|(_, size)| most >= *size);
                    let (unit, size) = fits.or(units.first()).expect("a price has a unit");
                    let priced = rows.iter().filter_map(|row| {
                        Some(Observed {
                            curve: &row.curve,
                            seed: row.seed,
                            place: row.x,
                            x: price(row)? / size,
                            y: row.accuracy,
                            converged: true,
                        })
                    });
                    let priced: Vec<_> = priced.collect();
                    if !priced.is_empty() {
                        let label = format!("{label} ({unit})");
                        let x = if *unit == EPOCHS {
                            XAxis::Count { label }
                        } else {
                            XAxis::Linear { label }
                        };
                        panels.push(own_panel(
                            "",
                            x,
                            ACCURACY,
                            &priced,
                            Scale::Fraction(images),
                            false,
                        )?);
                    }
                }
                let said = format!(
                    "Each curve goes through its {}; what was trained on the way to a network is part of its cost.",
                    match along {
                        Along::Density => "densities".to_owned(),
                        Along::Cycles => "cycles".to_owned(),
                        Along::Epochs => "states".to_owned(),
                        Along::Axis(axis) => format!("values of {axis}"),
                    }
                );
                letter(&mut panels);
                let any_recorded = rows.iter().any(|row| !row.measured);
                let figure = caption(&[said, recorded(any_recorded)]).of_means(panels);
                Ok(measured(OwnCostRow::meanings(), Frame::of(&rows), figure))
            }
        }
    }
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

/// What a cost is called, the units that it may be counted in, each the larger, and how much it is.
type Price = (
    &'static str,
    &'static [(&'static str, f64)],
    fn(&OwnCostRow) -> Option<f64>,
);

const EPOCHS: &str = "epochs";

const PRICES: [Price; 3] = [
    ("training", &[(EPOCHS, 1.0)], |row| {
        Some(f64::from(row.epochs_total))
    }),
    (
        "training, sparse-ideal",
        &[
            ("GFLOPs", 1e9),
            ("TFLOPs", 1e12),
            ("PFLOPs", 1e15),
            ("EFLOPs", 1e18),
        ],
        |row| Some(row.flops_sparse_ideal),
    ),
    ("wall time", &[("s", 1.0), ("min", 60.0), ("h", 3600.0)], |row| {
        row.seconds
    }),
];

fn title(drawing: &Drawing) -> &'static str {
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

/// Names of the curves, in the order in which they come up.
fn names(points: &[CurvePoint]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for point in points {
        if !names.contains(&point.curve) {
            names.push(point.curve.clone());
        }
    }
    names
}

/// The states of each curve and seed that follow each other: cycle by cycle, or from density to density, and what they are counted by.
fn following<'a>(
    points: &'a [CurvePoint],
    along: &Along,
    recipe: &Recipe,
) -> (Vec<Following<'a>>, LineAlong) {
    let mut runs: BTreeMap<(usize, u64), Vec<&CurvePoint>> = BTreeMap::new();
    let names = names(points);
    for point in points {
        let place = names.iter().position(|name| *name == point.curve);
        runs.entry((place.unwrap_or_default(), point.seed))
            .or_default()
            .push(point);
    }
    let counted = match along {
        Along::Cycles | Along::Epochs => LineAlong::Cycles,
        Along::Density | Along::Axis(_) => LineAlong::Levels,
    };
    let mut pairs = Vec::new();
    for mut run in runs.into_values() {
        match along {
            // From dense to sparse, as levels are trained.
            Along::Density => run.sort_by(|a, b| b.x.total_cmp(&a.x)),
            Along::Cycles | Along::Epochs | Along::Axis(_) => run.sort_by(|a, b| a.x.total_cmp(&b.x)),
        }
        for (i, pair) in (1..).zip(run.windows(2)) {
            // Runs that know nothing of each other have no line worth a look.
            if !recipe
                .ancestors(&pair[1].named.state)
                .contains(&pair[0].named.state.id)
            {
                continue;
            }
            let (from, to) = match counted {
                LineAlong::Cycles => (pair[0].named.cycle, pair[1].named.cycle),
                LineAlong::Levels => (i, i + 1),
            };
            pairs.push(Following {
                from: (pair[0], from),
                to: (pair[1], to),
            });
        }
    }
    (pairs, counted)
}

/// The one state of the node `against` that goes with a state: where both have an axis, its values agree; the seed is the same, and
/// of several the density.
fn partner<'a>(
    point: &CurvePoint,
    recipe: &Recipe,
    states: &'a [NamedState],
    against: &str,
) -> Result<&'a NamedState, ReportError> {
    let agrees = |other: &NamedState| {
        let own = point.named.axes.iter();
        let mut shared = own.filter_map(|(axis, value)| Some((other.axes.get(axis)?, value)));
        shared.all(|(theirs, own)| theirs == own)
    };
    let of_node = states
        .iter()
        .filter(|other| other.name == against && other.is_last());
    let all: Vec<_> = of_node
        .filter(|other| agrees(other) && recipe.seed_of(&other.state) == point.seed)
        .collect();
    let density = |other: &&&NamedState| {
        let entry = recipe.get(&other.state.id);
        entry.is_some_and(|entry| entry.density == point.density)
    };
    let same: Vec<_> = all.iter().filter(density).copied().collect();
    match (all.as_slice(), same.as_slice()) {
        ([one], _) | (_, [one]) => Ok(one),
        (found, _) => Err(ReportError::NoPartner {
            state: point.named.title(),
            against: against.to_owned(),
            n: found.len(),
        }),
    }
}

fn contrast_rows(
    accuracies: &[OwnAccuracyRow],
    along: &Along,
    (a, b): (&str, &str),
    question: Question,
) -> Result<Vec<OwnContrastRow>, ReportError> {
    let points = |curve: &str| {
        let own = accuracies.iter().filter(|row| row.curve == curve);
        own.map(|row| ((order(row.x), row.seed), 100.0 * row.accuracy))
            .collect::<BTreeMap<_, _>>()
    };
    let (of_a, of_b) = (points(a), points(b));
    // By place, what the seeds that both have differ by.
    let mut places: BTreeMap<i64, BTreeMap<u32, f64>> = BTreeMap::new();
    for ((place, seed), value) in &of_a {
        if let Some(other) = of_b.get(&(*place, *seed)) {
            places.entry(*place).or_default().insert(*seed, value - other);
        }
    }
    let x_of = |place: i64| accuracies.iter().map(|row| row.x).find(|x| order(*x) == place);
    let mut rows = Vec::new();
    for (place, values) in &places {
        rows.push(contrast_row(x_of(*place), values, along, (a, b), question)?);
    }
    if places.len() > 1 {
        // Seeds that have all places, so that no place weighs more in one than in another.
        let seeds = accuracies.iter().map(|row| row.seed).collect::<BTreeSet<_>>();
        let mean = |seed: u32| {
            let values: Option<Vec<f64>> = places.values().map(|values| values.get(&seed).copied()).collect();
            values.map(|values| (seed, values.iter().sum::<f64>() / values.len() as f64))
        };
        let means: BTreeMap<u32, f64> = seeds.into_iter().filter_map(mean).collect();
        if !means.is_empty() {
            rows.push(contrast_row(None, &means, along, (a, b), question)?);
        }
    }
    let tested = |row: &OwnContrastRow| row.x.is_some() && row.verdict.is_tested();
    let p: Vec<f64> = rows
        .iter()
        .filter(|row| tested(row))
        .map(|row| row.p.unwrap_or(0.0))
        .collect();
    let adjusted = holm(&p);
    for (row, adjusted) in rows.iter_mut().filter(|row| tested(row)).zip(adjusted) {
        row.p_holm = row.p.map(|_| adjusted);
    }
    Ok(rows)
}

/// A number's place among numbers, as a key: that of its bits, negative ones turned.
fn order(x: f64) -> i64 {
    let bits = x.to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

fn contrast_row(
    x: Option<f64>,
    values: &BTreeMap<u32, f64>,
    along: &Along,
    (a, b): (&str, &str),
    question: Question,
) -> Result<OwnContrastRow, ReportError> {
    let differences: Vec<f64> = values.values().copied().collect();
    let answer = question.ask(&differences)?;
    let joined = |words: Vec<String>| words.join(" ");
    let place = match x {
        Some(x) => format!("at {} {x}", along.label()),
        None => "over all places".to_owned(),
    };
    let test = question.test();
    let null = match test {
        sculpt_rows::Test::Within => format!(
            "the mean of {a} − {b} is at least {} points from 0",
            question.bound()
        ),
        sculpt_rows::Test::Above | sculpt_rows::Test::Below | sculpt_rows::Test::Counted => {
            format!("the mean of {a} − {b} is not above {}", question.bound())
        }
    };
    Ok(OwnContrastRow {
        contrast: format!("{a} − {b}, {place}"),
        a: a.to_owned(),
        b: b.to_owned(),
        along: along.label(),
        x,
        seeds: joined(values.keys().map(ToString::to_string).collect()),
        values: joined(differences.iter().map(ToString::to_string).collect()),
        effect: answer.effect,
        low: answer.interval.map(|(low, _)| low),
        high: answer.interval.map(|(_, high)| high),
        deviation: answer.deviation,
        n: differences.len() as u32,
        test,
        bound: question.bound(),
        null,
        p: answer.p,
        p_holm: None,
        verdict: answer.verdict,
        smallest_effect: answer.smallest_effect,
        n_to_decide: answer.n_to_decide.map(|n| n as u32),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sculpt_rows::Verdict;

    fn row(curve: &str, seed: u32, x: f64, accuracy: f64) -> OwnAccuracyRow {
        OwnAccuracyRow {
            curve: curve.to_owned(),
            state: String::new(),
            seed,
            x,
            density_target: x,
            density: x,
            cycle: 1,
            epochs: 8,
            node: String::new(),
            epoch: 8,
            accuracy,
            n_correct: (1000.0 * accuracy) as u32,
            n_images: 1000,
            test_loss: 0.0,
            recorded_n_correct: None,
            measured: true,
        }
    }

    /// Differences of 1, 2 and 3 points at density 0.1, of 4, 5 and 6 at 0.5, where b has no seed 4: t = 2 √3 and 5 √3, so
    /// p = ½ (1 − t / √(2 + t²)) with two degrees of freedom. Over both places 2.5, 3.5, 4.5.
    #[test]
    fn curves_are_compared_seed_by_seed_at_each_place() {
        let mut rows = Vec::new();
        for (seed, (low, high)) in (1..).zip([(0.51, 0.74), (0.52, 0.75), (0.53, 0.76)]) {
            rows.extend([row("a", seed, 0.1, low), row("a", seed, 0.5, high)]);
            rows.extend([row("b", seed, 0.1, 0.5), row("b", seed, 0.5, 0.7)]);
        }
        rows.extend([row("a", 4, 0.1, 0.9), row("b", 1, 0.9, 0.9)]);
        let found = contrast_rows(&rows, &Along::Density, ("a", "b"), Question::BETTER).unwrap();
        let said: Vec<_> = found
            .iter()
            .map(|row| (row.x, (1e6 * row.effect).round() / 1e6, row.n, row.verdict))
            .collect();
        assert_eq!(
            said,
            [
                (Some(0.1), 2.0, 3, Verdict::Supported),
                (Some(0.5), 5.0, 3, Verdict::Supported),
                (None, 3.5, 3, Verdict::Supported)
            ]
        );
        let p = |mean: f64| {
            let t = mean * 3f64.sqrt();
            0.5 * (1.0 - t / (2.0 + t * t).sqrt())
        };
        let near = |found: Option<f64>, wanted: f64| {
            assert!((found.unwrap() - wanted).abs() < 1e-9, "{found:?} {wanted}");
        };
        near(found[0].p, p(2.0));
        near(found[1].p, p(5.0));
        // Holm: the smaller of two is doubled, the larger one stands.
        near(found[1].p_holm, 2.0 * p(5.0));
        near(found[0].p_holm, p(2.0));
        assert_eq!(found[2].p_holm, None);
        let apart = contrast_rows(&rows[..1], &Along::Density, ("a", "b"), Question::BETTER).unwrap();
        assert!(apart.is_empty());
    }

    #[test]
    fn keys_stand_in_the_order_of_their_numbers() {
        let numbers = [-2.0, -0.5, 0.0, 0.1, 0.5, 3.0];
        assert!(numbers.map(order).is_sorted());
    }
}
