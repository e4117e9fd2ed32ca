//! Test accuracy: by density, by cycles, or by epochs.

use crate::summary::fraction_point;
use crate::{Curve, DrawError, Interval, Named, Panel, Point, Reference, Stroke, XAxis, YAxis};
use sculpt_rows::{AccuracyRow, IntervalOf, Part, of_method};
use std::collections::BTreeMap;

/// One panel as it is drawn.
#[derive(Clone, Debug)]
pub struct Plot<'a> {
    /// The panel whose rows it shows, by its letter.
    pub source: &'a str,
    /// Stands above it.
    pub title: String,
    /// The horizontal axis.
    pub x: Over,
    /// Curves in the legend's order; those without rows are left out.
    pub curves: &'a [Shown],
    /// Values of other methods to compare with.
    pub guides: &'a [Guide],
    /// Whether each seed is a thin line, where they are few, in the place of intervals.
    pub seeds: bool,
}

/// The horizontal axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Density.
    Density,
    /// Cycles trained so far: of iterative pruning one a level.
    Cycles,
    /// Epochs trained since initialisation.
    Epochs,
}

/// A curve.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// The method.
    pub method: Named,
    /// Which of its states.
    pub part: Part,
    /// How its line is broken, if not the method's way.
    pub stroke: Stroke,
    /// The legend's text, if not the method's own.
    pub label: Option<&'static str>,
    /// Whether its weights have been trained a cycle a level.
    pub per_level: bool,
}

/// What of another method stands behind the curves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guide {
    /// At density 1 from its first cycle to its last, shaded: id and label.
    Gain(&'static str, &'static str),
    /// At density 1 after its last cycle: id and label.
    Last(&'static str, &'static str),
}

impl Shown {
    /// After the last cycle, in the method's own look.
    pub const fn last(method: Named) -> Self {
        Self::of(method, Part::Last)
    }

    /// After every cycle.
    pub const fn all(method: Named) -> Self {
        Self::of(method, Part::All)
    }

    /// Standard training, which is the first cycle, dotted.
    pub const fn standard(method: Named, label: &'static str) -> Self {
        Self {
            stroke: Stroke::Dotted,
            label: Some(label),
            ..Self::of(method, Part::First)
        }
    }

    const fn of(method: Named, part: Part) -> Self {
        Self {
            method,
            part,
            stroke: Stroke::Own,
            label: None,
            per_level: false,
        }
    }

    /// Cycles that a state's weights have been trained for.
    fn cycles_trained(&self, row: &AccuracyRow) -> u32 {
        if self.per_level {
            row.level + row.cycle
        } else {
            row.cycle
        }
    }

    /// Where a state stands on the axis: a key that tells places apart, and the place.
    fn place(&self, row: &AccuracyRow, x: Over) -> ((u32, u32, u32), f64) {
        let cycles = self.cycles_trained(row);
        match x {
            Over::Density => (
                (row.level, row.cycle, (1e9 * row.density_target) as u32),
                row.density,
            ),
            Over::Cycles => ((cycles, 0, 0), f64::from(cycles)),
            Over::Epochs => ((row.epochs, 0, 0), f64::from(row.epochs)),
        }
    }

    /// Means over seeds of what stands at one place of the axis.
    fn points(&self, rows: &[&AccuracyRow], x: Over) -> Result<Vec<Point>, DrawError> {
        let mut places: BTreeMap<_, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
        for row in rows {
            let (key, place) = self.place(row, x);
            let (xs, accuracies) = places.entry(key).or_default();
            xs.push(place);
            accuracies.push(row.accuracy);
        }
        let n_images = rows.iter().map(|row| row.n_images).max().unwrap_or(0);
        let point = |(xs, accuracies): &(Vec<f64>, Vec<f64>)| {
            fraction_point(sculpt_stats::mean(xs)?, accuracies, n_images)
        };
        places.values().map(point).collect()
    }

    /// What each seed gave, along the axis.
    fn seeds(&self, rows: &[&AccuracyRow], x: Over) -> Vec<Vec<(f64, f64)>> {
        let mut seeds: BTreeMap<u32, BTreeMap<_, (f64, f64)>> = BTreeMap::new();
        for row in rows {
            let (key, place) = self.place(row, x);
            seeds
                .entry(row.seed)
                .or_default()
                .insert(key, (place, row.accuracy));
        }
        seeds
            .into_values()
            .map(|line| line.into_values().collect())
            .collect()
    }
}

/// The panels of these plots; one without a row is left out.
///
/// # Errors
/// A mean that cannot be computed.
pub fn accuracy_panels(rows: &[AccuracyRow], plots: &[Plot<'_>]) -> Result<Vec<Panel>, DrawError> {
    let mut panels = Vec::new();
    for plot in plots {
        let own: Vec<_> = rows.iter().filter(|row| row.panel == plot.source).collect();
        if !own.is_empty() {
            panels.push(plot.draw(&own)?);
        }
    }
    Ok(panels)
}

impl Plot<'_> {
    fn draw(&self, rows: &[&AccuracyRow]) -> Result<Panel, DrawError> {
        let (mut curves, mut per_level) = (Vec::new(), Vec::new());
        for shown in self.curves {
            let own = of_method(rows, shown.method.id, shown.part);
            let points = shown.points(&own, self.x)?;
            if !points.is_empty() {
                per_level.extend(shown.per_level.then_some(shown.method.label));
                let seeds = if self.seeds {
                    shown.seeds(&own, self.x)
                } else {
                    Vec::new()
                };
                let curve = Curve::new(shown.method, points)
                    .stroked(shown.stroke)
                    .beside_seeds(seeds);
                curves.push(match shown.label {
                    Some(label) => curve.labelled(label),
                    None => curve,
                });
            }
        }
        let mut references = Vec::new();
        for guide in self.guides {
            references.extend(guide.draw(rows)?);
        }
        let x = match self.x {
            Over::Density => XAxis::Density,
            Over::Cycles => XAxis::Count {
                label: match per_level.join(", ") {
                    none if none.is_empty() => "cycles trained".to_owned(),
                    methods => format!("cycles trained ({methods}: level + 1)"),
                },
            },
            Over::Epochs => XAxis::Count {
                label: "epochs trained".to_owned(),
            },
        };
        let y = YAxis {
            label: "test accuracy (fraction)".to_owned(),
            within: Some((0.0, 1.0)),
        };
        Ok(Panel {
            references,
            ..Panel::new(self.title.clone(), x, y, curves, IntervalOf::LogitT)
        })
    }
}

impl Guide {
    fn draw(self, rows: &[&AccuracyRow]) -> Result<Option<Reference>, DrawError> {
        let mean = |method, part| -> Result<Option<f64>, DrawError> {
            let own = of_method(rows, method, part).into_iter();
            let dense: Vec<f64> = own
                .filter(|row| row.density_target == 1.0)
                .map(|row| row.accuracy)
                .collect();
            match dense.is_empty() {
                true => Ok(None),
                false => Ok(Some(sculpt_stats::mean(&dense)?)),
            }
        };
        Ok(match self {
            Guide::Gain(method, label) => {
                let (first, last) = (mean(method, Part::First)?, mean(method, Part::Last)?);
                first.zip(last).map(|(first, last)| Reference::Band {
                    range: Interval {
                        low: first.min(last),
                        high: first.max(last),
                    },
                    label: label.to_owned(),
                })
            }
            Guide::Last(method, label) => mean(method, Part::Last)?.map(|y| Reference::Line {
                y,
                label: label.to_owned(),
            }),
        })
    }
}
