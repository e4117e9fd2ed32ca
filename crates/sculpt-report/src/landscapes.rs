//! Figures of the loss between checkpoints that follow each other, and of its curvature at them.

use crate::artefact::{Content, Needs, PanelSource};
use crate::draw::{Curve, Figure, Panel, Point, Stroke, XAxis, YAxis};
use crate::lines::{RULES, SETS};
use crate::session::STATISTIC;
use crate::summary::{mean_point, series};
use crate::words;
use crate::{Cell, Frame, Name, ReportError, Session};
use sculpt_experiments::{Method, Point as State};
use std::collections::BTreeMap;

/// A figure of losses between checkpoints: a row for each of its curves or densities, the test loss at the left, the
/// loss on training images at the right.
pub(crate) struct Landscape {
    pub(crate) name: Name,
    pub(crate) title: &'static str,
    pub(crate) sources: &'static [PanelSource],
    pub(crate) along: Along,
    pub(crate) pairs: Pairs,
    pub(crate) rows: Rows,
    /// Methods whose largest eigenvalues stand in a panel of their own.
    pub(crate) curvature: &'static [(&'static Method, Stroke)],
}

/// What the checkpoints of a curve count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Along {
    /// Cycles, or the intervals of a long run.
    Cycles,
    /// Levels of iterative pruning.
    Levels,
}

/// Which pairs of checkpoints that follow each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pairs {
    All,
    First,
    Last,
}

/// What a row of panels shows.
#[derive(Clone, Copy)]
pub(crate) enum Rows {
    /// Methods of one row in one panel each.
    Methods(&'static [&'static [&'static Method]]),
    /// A density a row.
    Densities(&'static Method),
}

const COLUMNS_WITH_CURVATURE: &[&str] = &[
    "method",
    "seed",
    "density_target",
    "from",
    "to",
    "set",
    "batch_norm",
    "alpha",
    "loss",
    "error",
    "node_from",
    "epoch_from",
    "node",
    "epoch",
    "eigenvalue",
    "residual",
    "converged",
];

/// Without the three of curvature.
const COLUMNS: &[&str] = COLUMNS_WITH_CURVATURE.split_at(14).0;

impl Landscape {
    /// The runs that the points are of, each in its order.
    fn runs<'p>(&self, points: &'p [State]) -> Vec<Vec<&'p State>> {
        let mut runs: BTreeMap<_, Vec<&State>> = BTreeMap::new();
        for point in points {
            let density = match self.along {
                Along::Cycles => (1e9 * point.density.get()) as u32,
                Along::Levels => 0,
            };
            runs.entry((point.seed, point.method, density))
                .or_default()
                .push(point);
        }
        for run in runs.values_mut() {
            run.sort_by_key(|point| self.count(point));
        }
        runs.into_values().collect()
    }

    fn count(&self, point: &State) -> u32 {
        match self.along {
            Along::Cycles => point.cycle,
            Along::Levels => point.level,
        }
    }

    fn drawn(&self, method: &'static Method) -> bool {
        match self.rows {
            Rows::Methods(rows) => rows.iter().any(|row| row.contains(&method)),
            Rows::Densities(own) => own == method,
        }
    }
}

impl Content for Landscape {
    fn sources(&self) -> &'static [PanelSource] {
        self.sources
    }

    fn columns(&self) -> &'static [&'static str] {
        if self.curvature.is_empty() {
            COLUMNS
        } else {
            COLUMNS_WITH_CURVATURE
        }
    }

    fn measure(&self, session: &Session, needs: &Needs) -> Result<Frame, ReportError> {
        let mut frame = Frame::new(self.columns());
        let curvature = |values: [Cell; 3]| {
            let columns = if self.curvature.is_empty() { 0 } else { 3 };
            values.into_iter().take(columns)
        };
        for panel in &needs.panels {
            let mut pairs = Vec::new();
            for run in self.runs(&panel.points) {
                let all: Vec<_> = run.windows(2).map(|pair| (pair[0], pair[1])).collect();
                let n = all.len();
                let kept = all.into_iter().enumerate().filter(|(i, (a, _))| {
                    self.drawn(a.method)
                        && match self.pairs {
                            Pairs::All => true,
                            Pairs::First => *i == 0,
                            Pairs::Last => i + 1 == n,
                        }
                });
                pairs.extend(kept.map(|(_, pair)| pair));
            }
            let states: Vec<_> = pairs
                .iter()
                .map(|(a, b)| (a.state.clone(), b.state.clone()))
                .collect();
            for ((a, b), line) in pairs.iter().zip(session.lines(panel.panel, &states)?) {
                for (rule, profiles) in RULES.iter().zip(&line.profiles) {
                    for (set, profile) in SETS.iter().zip(profiles) {
                        for (i, alpha) in profile.alpha.iter().enumerate() {
                            let mut row = vec![
                                b.method.id.into(),
                                (b.seed as u32).into(),
                                b.density.get().into(),
                                self.count(a).into(),
                                self.count(b).into(),
                                (*set).into(),
                                rule.name().into(),
                                (*alpha).into(),
                                profile.loss[i].into(),
                                profile.error[i].into(),
                                a.state.id.as_str().into(),
                                a.state.epoch.into(),
                                b.state.id.as_str().into(),
                                b.state.epoch.into(),
                            ];
                            row.extend(curvature([Cell::Missing, Cell::Missing, Cell::Missing]));
                            frame.push(row);
                        }
                    }
                }
            }
            let curved = |point: &&State| self.curvature.iter().any(|(m, _)| *m == point.method);
            let points: Vec<_> = panel.points.iter().filter(curved).collect();
            let states: Vec<_> = points.iter().map(|point| point.state.clone()).collect();
            for (point, found) in points.iter().zip(session.sharpness(panel.panel, &states)?) {
                let mut row = vec![
                    point.method.id.into(),
                    (point.seed as u32).into(),
                    point.density.get().into(),
                    self.count(point).into(),
                    self.count(point).into(),
                    "train".into(),
                    Cell::Missing,
                    Cell::Missing,
                    Cell::Missing,
                    Cell::Missing,
                    point.state.id.as_str().into(),
                    point.state.epoch.into(),
                    point.state.id.as_str().into(),
                    point.state.epoch.into(),
                ];
                row.extend(curvature([
                    found.eigenvalue.into(),
                    found.residual.into(),
                    found.converged.into(),
                ]));
                frame.push(row);
            }
        }
        Ok(frame)
    }

    fn draw(&self, frame: &Frame, session: &Session) -> Result<Option<Figure>, ReportError> {
        let preset = &session.suite().preset;
        let source = words::first(self.sources, self.name)?;
        let setup = preset.panel(source.panel)?;
        let rows = self.read(frame)?;
        let mut panels = Vec::new();
        for (methods, density) in self.panel_rows(&rows) {
            for set in SETS {
                panels.push(self.panel(&rows, methods, density, set)?);
            }
        }
        if !self.curvature.is_empty() {
            panels.push(self.curvature_panel(frame)?);
        }
        letter(&mut panels);
        let unit = match self.along {
            Along::Cycles => "checkpoint",
            Along::Levels => "level",
        };
        let footnote = format!(
            "Between whole numbers: the line from one {unit} to the next, at 11 points, BatchNorm statistics interpolated; \
             the frame has them recalibrated too."
        );
        Ok(Some(Figure {
            title: words::title(self.name, self.title),
            subtitle: format!(
                "{}, {}; {}",
                setup.data_title,
                setup.model,
                words::subtitle(preset)
            ),
            statistic: Some(STATISTIC.to_owned()),
            columns: 2,
            panels,
            footnote,
            comment: words::comment(self.name),
        }))
    }

    /// Sums in f32, and a search that stops at a thousandth; an error is a number of images.
    fn tolerance(&self, published: &Frame, column: &str, row: usize) -> Option<f64> {
        let value = published.number(self.name, row, column).unwrap_or(0.0).abs();
        match column {
            "loss" => Some(1e-3 * value.max(1.0)),
            "error" => Some(4e-3),
            "eigenvalue" => Some(1e-2 * value.max(1.0)),
            "residual" => {
                let eigenvalue = published.number(self.name, row, "eigenvalue").unwrap_or(0.0);
                Some(1e-2 * eigenvalue.abs().max(1.0))
            }
            _ => None,
        }
    }
}

/// A row of the frame that is drawn: interpolated statistics.
struct Drawn {
    method: String,
    density: f64,
    set: String,
    from: u32,
    alpha: f64,
    loss: f64,
}

impl Landscape {
    fn read(&self, frame: &Frame) -> Result<Vec<Drawn>, ReportError> {
        let name = self.name;
        let mut rows = Vec::new();
        for row in 0..frame.len() {
            if *frame.cell(row, "batch_norm") != Cell::from(RULES[0].name()) {
                continue;
            }
            rows.push(Drawn {
                method: frame.text(name, row, "method")?.to_owned(),
                density: frame.number(name, row, "density_target")?,
                set: frame.text(name, row, "set")?.to_owned(),
                from: frame.number(name, row, "from")? as u32,
                alpha: frame.number(name, row, "alpha")?,
                loss: frame.number(name, row, "loss")?,
            });
        }
        Ok(rows)
    }

    /// Methods and, where rows are densities, the density of each row of panels.
    fn panel_rows(&self, rows: &[Drawn]) -> Vec<(&'static [&'static Method], Option<f64>)> {
        match self.rows {
            Rows::Methods(all) => all.iter().map(|methods| (*methods, None)).collect(),
            Rows::Densities(_) => {
                let mut densities: Vec<f64> = rows.iter().map(|row| row.density).collect();
                densities.sort_by(|a, b| b.total_cmp(a));
                densities.dedup();
                densities.into_iter().map(|d| (&[][..], Some(d))).collect()
            }
        }
    }

    fn panel(
        &self,
        rows: &[Drawn],
        methods: &[&'static Method],
        density: Option<f64>,
        set: &str,
    ) -> Result<Panel, ReportError> {
        let all = match self.rows {
            Rows::Methods(_) => methods.to_vec(),
            Rows::Densities(method) => vec![method],
        };
        let mut curves = Vec::new();
        for method in all {
            let mut places: BTreeMap<(u32, u32), Vec<f64>> = BTreeMap::new();
            let own = rows.iter().filter(|row| {
                row.method == method.id && row.set == set && density.is_none_or(|d| row.density == d)
            });
            for row in own {
                // Ends that two lines share are one place.
                let place = row.from as f64 + row.alpha;
                let place = (1000.0 * place).round() as u32;
                let last = u32::from(row.alpha == 1.0);
                places.entry((place, 1 - last)).or_default().push(row.loss);
            }
            let mut points: Vec<Point> = Vec::new();
            for ((place, _), losses) in &places {
                let x = f64::from(*place) / 1000.0;
                if points.last().is_some_and(|point| point.x == x) {
                    continue;
                }
                points.push(mean_point(x, losses)?);
            }
            if !points.is_empty() {
                let own = self.curvature.iter().find(|(curved, _)| *curved == method);
                let stroke = own.map_or(Stroke::Own, |(_, stroke)| *stroke);
                curves.push(Curve::new(series(method), points).stroked(stroke));
            }
        }
        let of = match (density, methods) {
            (Some(density), _) => words::sparsity(density),
            (None, [one]) => one.label.to_owned(),
            (None, _) => String::new(),
        };
        let loss = if set == SETS[0] { "test loss" } else { "train loss" };
        let title = if of.is_empty() {
            loss.to_owned()
        } else {
            format!("{of}, {loss}")
        };
        Ok(Panel {
            title,
            x: XAxis::Count {
                label: match self.along {
                    Along::Cycles => "cycle".to_owned(),
                    Along::Levels => "level".to_owned(),
                },
            },
            y: YAxis {
                label: format!("{loss} (nats)"),
                within: Some((0.0, f64::INFINITY)),
            },
            curves,
            references: Vec::new(),
        })
    }

    fn curvature_panel(&self, frame: &Frame) -> Result<Panel, ReportError> {
        let name = self.name;
        let mut curves = Vec::new();
        for (method, stroke) in self.curvature {
            let mut places: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
            for row in 0..frame.len() {
                if *frame.cell(row, "eigenvalue") != Cell::Missing
                    && frame.text(name, row, "method")? == method.id
                {
                    let cycle = frame.number(name, row, "to")? as u32;
                    let value = frame.number(name, row, "eigenvalue")?;
                    places.entry(cycle).or_default().push(value);
                }
            }
            let points = places
                .iter()
                .map(|(cycle, values)| mean_point(f64::from(*cycle), values));
            let points = points.collect::<Result<Vec<_>, _>>()?;
            if !points.is_empty() {
                curves.push(Curve::new(series(method), points).stroked(*stroke));
            }
        }
        Ok(Panel {
            title: "largest eigenvalue of the Hessian".to_owned(),
            x: XAxis::Count {
                label: "cycle".to_owned(),
            },
            y: YAxis {
                label: "largest eigenvalue, train loss".to_owned(),
                // The largest of a Hessian at a minimum.
                within: Some((0.0, f64::INFINITY)),
            },
            curves,
            references: Vec::new(),
        })
    }
}

/// `(a)`, `(b)`, … before the titles.
fn letter(panels: &mut [Panel]) {
    for (letter, panel) in ('a'..='z').zip(panels) {
        panel.title = format!("({letter}) {}", panel.title);
    }
}
