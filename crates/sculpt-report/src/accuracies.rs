//! Figures of test accuracy: by density, by cycles, or by epochs.

use crate::artefact::{Content, Needs, PanelSource};
use crate::draw::{Curve, Figure, Interval, Panel, Point, Reference, Stroke, XAxis, YAxis};
use crate::session::STATISTIC;
use crate::summary::{mean_point, series};
use crate::words;
use crate::{Cell, Frame, Name, ReportError, Session};
use sculpt_experiments::{Method, Setup, methods};
use std::collections::BTreeMap;

/// A figure whose every panel shows accuracies.
pub(crate) struct Accuracies {
    pub(crate) name: Name,
    pub(crate) title: &'static str,
    pub(crate) sources: &'static [PanelSource],
    pub(crate) plots: &'static [Plot],
}

/// One panel as it is drawn.
pub(crate) struct Plot {
    /// The source whose rows it shows.
    pub(crate) source: &'static str,
    /// `(a)`, or what stands for it.
    pub(crate) place: &'static str,
    /// What it adds to data and network; may be empty.
    pub(crate) what: fn(&Setup) -> String,
    pub(crate) x: Over,
    /// Curves in the legend's order; those without rows are left out.
    pub(crate) curves: &'static [Shown],
    pub(crate) guides: &'static [Guide],
}

/// The horizontal axis.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Density,
    /// Cycles trained so far: of iterative pruning one a level.
    Cycles,
    /// Epochs trained since initialisation.
    Epochs,
}

/// A curve.
pub(crate) struct Shown {
    pub(crate) method: &'static Method,
    pub(crate) part: Part,
    /// How its line is broken, if not the method's way.
    pub(crate) stroke: Stroke,
    pub(crate) label: Option<&'static str>,
}

/// Which of a method's rows a curve goes through.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Those after the first cycle: standard training.
    First,
    /// Those after the last cycle.
    Last,
    /// All.
    All,
}

/// What of the dense network stands behind the curves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guide {
    /// From its first cycle to its last, shaded.
    Gain,
    /// After its first cycle: LRR's level 0.
    OneCycle,
    /// After its last cycle.
    Cyclic,
}

impl Shown {
    /// After the last cycle, in the method's own look.
    pub(crate) const fn last(method: &'static Method) -> Self {
        Self::of(method, Part::Last)
    }

    /// After every cycle.
    pub(crate) const fn all(method: &'static Method) -> Self {
        Self::of(method, Part::All)
    }

    /// Standard training, which is the first cycle, dotted.
    pub(crate) const fn standard(method: &'static Method, label: &'static str) -> Self {
        Self {
            method,
            part: Part::First,
            stroke: Stroke::Dotted,
            label: Some(label),
        }
    }

    /// Solid, as a method is where its dotted counterpart is beside it.
    pub(crate) const fn solid(self) -> Self {
        Self {
            stroke: Stroke::Solid,
            ..self
        }
    }

    const fn of(method: &'static Method, part: Part) -> Self {
        Self {
            method,
            part,
            stroke: Stroke::Own,
            label: None,
        }
    }
}

pub(crate) const COLUMNS: &[&str] = &[
    "panel",
    "method",
    "seed",
    "level",
    "cycle",
    "epochs",
    "density_target",
    "density",
    "node",
    "epoch",
    "accuracy",
    "n_correct",
    "n_images",
    "test_loss",
    "recorded_n_correct",
    "measured",
];

impl Content for Accuracies {
    fn sources(&self) -> &'static [PanelSource] {
        self.sources
    }

    fn columns(&self) -> &'static [&'static str] {
        COLUMNS
    }

    fn measure(&self, session: &Session, needs: &Needs) -> Result<Frame, ReportError> {
        let mut frame = Frame::new(COLUMNS);
        for panel in &needs.panels {
            let states: Vec<_> = panel.points.iter().map(|point| point.state.clone()).collect();
            let scores = session.scores(panel.panel, &states)?;
            for (point, score) in panel.points.iter().zip(scores) {
                let method = point.method;
                frame.push(vec![
                    panel.letter.into(),
                    method.id.into(),
                    (point.seed as u32).into(),
                    point.level.into(),
                    point.cycle.into(),
                    (panel.recipe.epochs_trained(&point.state) as u32).into(),
                    point.density.get().into(),
                    score.density.into(),
                    point.state.id.as_str().into(),
                    point.state.epoch.into(),
                    (score.test.n_correct as f64 / score.test.n as f64).into(),
                    (score.test.n_correct as u32).into(),
                    (score.test.n as u32).into(),
                    score.test.loss.into(),
                    Cell::from(score.recorded.map(|r| r.n_correct as u32)),
                    score.measured.into(),
                ]);
            }
        }
        Ok(frame)
    }

    fn draw(&self, frame: &Frame, session: &Session) -> Result<Option<Figure>, ReportError> {
        let preset = &session.suite().preset;
        let rows = Rows::read(frame, self.name)?;
        let (mut panels, mut absent, mut training) = (Vec::new(), Vec::new(), Vec::new());
        for plot in self.plots {
            let source = self.sources.iter().find(|source| source.letter == plot.source);
            let source = source.expect("a plot names a source of its figure");
            let setup = preset.panel(source.panel)?;
            let rows = rows.of_panel(plot.source);
            if rows.0.is_empty() {
                absent.push(plot.place);
                continue;
            }
            training.push((plot.place, setup.cycle_epochs, setup.cycles));
            panels.push(plot.draw(&rows, &setup)?);
        }
        let footnote = [
            words::cycles(&training),
            "Density counts the weights of all convolutions and linear layers.".to_owned(),
            words::absent(&absent),
            words::recorded(session),
        ];
        Ok(Some(Figure {
            title: words::title(self.name, self.title),
            subtitle: words::subtitle(preset),
            statistic: Some(STATISTIC.to_owned()),
            columns: words::columns(panels.len()),
            panels,
            footnote: words::sentences(&footnote),
            comment: words::comment(self.name),
        }))
    }

    /// Counts may differ by max(1, 0.1 %) images between machines (design §5), losses in the last digits of f32 sums.
    fn tolerance(&self, published: &Frame, column: &str, row: usize) -> Option<f64> {
        let n = published.number(self.name, row, "n_images").unwrap_or(0.0);
        let images = (n / 1000.0).floor().max(1.0);
        match column {
            "n_correct" => Some(images),
            "accuracy" => Some(images / n + f64::EPSILON),
            "test_loss" => Some(1e-3),
            _ => None,
        }
    }
}

impl Plot {
    fn draw(&self, rows: &Rows, setup: &Setup) -> Result<Panel, ReportError> {
        let mut curves = Vec::new();
        for shown in self.curves {
            let points = points(&rows.of_curve(shown), self.x)?;
            if !points.is_empty() {
                let curve = Curve::new(series(shown.method), points).stroked(shown.stroke);
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
        let what = (self.what)(setup);
        let what = if what.is_empty() {
            what
        } else {
            format!(": {what}")
        };
        Ok(Panel {
            title: format!("{} {}, {}{what}", self.place, setup.data_title, setup.model),
            x: match self.x {
                Over::Density => XAxis::Density,
                Over::Cycles => XAxis::Count {
                    label: "cycles trained (LRR, WR: level + 1)".to_owned(),
                },
                Over::Epochs => XAxis::Linear {
                    label: "epochs".to_owned(),
                },
            },
            y: YAxis {
                label: "test accuracy (%)".to_owned(),
                within: Some((0.0, 100.0)),
            },
            curves,
            references,
        })
    }
}

impl Guide {
    fn draw(self, rows: &Rows) -> Result<Option<Reference>, ReportError> {
        let mean = |method, part| -> Result<Option<f64>, ReportError> {
            let dense = Rows(
                rows.of_method(method, part)
                    .0
                    .into_iter()
                    .filter(|row| row.density_target == 1.0)
                    .collect(),
            );
            let accuracies: Vec<f64> = dense.0.iter().map(|row| row.accuracy).collect();
            match accuracies.is_empty() {
                true => Ok(None),
                false => Ok(Some(sculpt_stats::mean(&accuracies)?)),
            }
        };
        Ok(match self {
            Guide::Gain => {
                let first = mean(&methods::DENSE_CYCLIC, Part::First)?;
                let last = mean(&methods::DENSE_CYCLIC, Part::Last)?;
                first.zip(last).map(|(first, last)| Reference::Band {
                    range: Interval {
                        low: first.min(last),
                        high: first.max(last),
                    },
                    label: "dense, one cycle to cyclic".to_owned(),
                })
            }
            Guide::OneCycle => mean(&methods::LRR, Part::Last)?.map(|y| Reference::Line {
                y,
                label: "dense, one cycle".to_owned(),
            }),
            Guide::Cyclic => mean(&methods::DENSE_CYCLIC, Part::Last)?.map(|y| Reference::Line {
                y,
                label: "dense, cyclic".to_owned(),
            }),
        })
    }
}

/// What drawing takes from a frame of [`COLUMNS`].
pub(crate) struct Rows(pub(crate) Vec<Row>);

#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) panel: String,
    pub(crate) method: String,
    pub(crate) seed: u32,
    pub(crate) level: u32,
    pub(crate) cycle: u32,
    pub(crate) epochs: u32,
    pub(crate) density_target: f64,
    pub(crate) density: f64,
    /// In percent.
    pub(crate) accuracy: f64,
}

impl Row {
    /// Cycles that its weights have been trained for: iterative pruning trains one a level.
    fn cycles_trained(&self) -> u32 {
        let iterative = [&methods::LRR, &methods::WR].map(|method| method.id);
        if iterative.contains(&self.method.as_str()) {
            self.level + self.cycle
        } else {
            self.cycle
        }
    }
}

impl Rows {
    pub(crate) fn read(frame: &Frame, name: Name) -> Result<Self, ReportError> {
        let row = |row| -> Result<Row, ReportError> {
            Ok(Row {
                panel: frame.text(name, row, "panel")?.to_owned(),
                method: frame.text(name, row, "method")?.to_owned(),
                seed: frame.number(name, row, "seed")? as u32,
                level: frame.number(name, row, "level")? as u32,
                cycle: frame.number(name, row, "cycle")? as u32,
                epochs: frame.number(name, row, "epochs")? as u32,
                density_target: frame.number(name, row, "density_target")?,
                density: frame.number(name, row, "density")?,
                accuracy: 100.0 * frame.number(name, row, "accuracy")?,
            })
        };
        Ok(Self((0..frame.len()).map(row).collect::<Result<_, _>>()?))
    }

    pub(crate) fn of_panel(&self, letter: &str) -> Self {
        Self(self.0.iter().filter(|row| row.panel == letter).cloned().collect())
    }

    fn of_curve(&self, shown: &Shown) -> Self {
        self.of_method(shown.method, shown.part)
    }

    /// A method's rows after its first cycle, its last one, or all.
    pub(crate) fn of_method(&self, method: &'static Method, part: Part) -> Self {
        let own = || self.0.iter().filter(|row| row.method == method.id);
        let last = |density: f64| {
            let cycles = own().filter(|row| row.density_target == density);
            cycles.map(|row| row.cycle).max()
        };
        let keep = |row: &&Row| match part {
            Part::First => row.cycle == 1,
            Part::Last => Some(row.cycle) == last(row.density_target),
            Part::All => true,
        };
        Self(own().filter(keep).cloned().collect())
    }
}

/// Means over seeds of what stands at one place of the axis.
fn points(rows: &Rows, x: Over) -> Result<Vec<Point>, ReportError> {
    let place = |row: &Row| match x {
        Over::Density => (row.level, row.cycle, (1e9 * row.density_target) as u32),
        Over::Cycles => (row.cycles_trained(), 0, 0),
        Over::Epochs => (row.epochs, 0, 0),
    };
    let mut places: BTreeMap<_, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for row in &rows.0 {
        let (xs, accuracies) = places.entry(place(row)).or_default();
        xs.push(match x {
            Over::Density => row.density,
            Over::Cycles => f64::from(row.cycles_trained()),
            Over::Epochs => f64::from(row.epochs),
        });
        accuracies.push(row.accuracy);
    }
    let point = |(xs, accuracies): &(Vec<f64>, Vec<f64>)| mean_point(sculpt_stats::mean(xs)?, accuracies);
    places.values().map(point).collect()
}
