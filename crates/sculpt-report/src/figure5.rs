//! Figure 5: coupling. LRR, WR and IMP against cyclic training of their masks from other initialisations (§5).

use crate::artefact::{Artefact, ArtefactKind, Needs};
use crate::draw::{Curve, Figure, Interval, Method, Panel, Point, Reference, XAxis, YAxis};
use crate::session::STATISTIC;
use crate::{Cell, Frame, ReportError, Session};
use sculpt_experiments::{PanelName, Point as Shown, Preset, Recipe, coupling};
use sculpt_stats::mean_t_interval;
use std::collections::BTreeMap;

pub(crate) const FIGURE_5: Artefact = Artefact {
    kind: ArtefactKind::Figure,
    number: 5,
    title: "Coupling of mask and initialisation",
    needs,
    columns: COLUMNS,
    measure,
    draw,
    tolerance,
};

const NAME: &str = "figure 5";

const COLUMNS: &[&str] = &[
    "panel",
    "method",
    "seed",
    "level",
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

fn points(preset: &Preset) -> Result<(Recipe, Vec<Shown>), ReportError> {
    let mut recipe = Recipe::default();
    let points = coupling(&mut recipe, &preset.panel(PanelName::A)?);
    Ok((recipe, points))
}

fn needs(preset: &Preset) -> Result<Needs, ReportError> {
    let (recipe, points) = points(preset)?;
    let mut curves = BTreeMap::new();
    for point in points {
        curves
            .entry((point.curve, point.seed))
            .or_insert_with(Vec::new)
            .push(point.state);
    }
    Ok(Needs {
        recipe,
        curves: curves.into_values().collect(),
    })
}

fn measure(session: &Session, _needs: &Needs) -> Result<Frame, ReportError> {
    let (_, points) = points(&session.suite().preset)?;
    let mut frame = Frame::new(COLUMNS);
    for point in points {
        let score = session.score(&point.state)?;
        frame.push(vec![
            "a".into(),
            Method::of(point.curve).id().into(),
            (point.seed as u32).into(),
            point.level.into(),
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
    Ok(frame)
}

fn draw(frame: &Frame, session: &Session) -> Result<Figure, ReportError> {
    let preset = &session.suite().preset;
    let setup = preset.panel(PanelName::A)?;
    let mut curves = Vec::new();
    for method in METHODS {
        // (level) -> accuracies and densities over seeds.
        let mut levels: BTreeMap<u32, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
        for row in 0..frame.len() {
            if frame.text(NAME, row, "method")? == method.id() {
                let level = frame.number(NAME, row, "level")? as u32;
                let (accuracies, densities) = levels.entry(level).or_default();
                accuracies.push(100.0 * frame.number(NAME, row, "accuracy")?);
                densities.push(frame.number(NAME, row, "density")?);
            }
        }
        let mut drawn = Vec::new();
        for (accuracies, densities) in levels.values() {
            let summary = mean_t_interval(accuracies, 0.95)?;
            drawn.push(Point {
                x: sculpt_stats::mean(densities)?,
                mean: summary.mean,
                interval: summary.interval.map(|i| Interval {
                    low: i.low,
                    high: i.high,
                }),
                n: summary.n,
            });
        }
        curves.push(Curve::new(method, drawn));
    }
    let dense = curves[0].points.first().map(|p| p.mean);
    let dense_line = dense.map(|y| Reference::Line {
        y,
        label: "dense, one cycle".to_owned(),
    });
    let cut = preset.cut();
    let cut = if cut.is_empty() {
        String::new()
    } else {
        format!(", cut to {cut}")
    };
    Ok(Figure {
        title: "Figure 5 (a) Coupling of mask and initialisation".to_owned(),
        subtitle: format!(
            "{}, {}; preset {}{cut}",
            setup.data.name, setup.model, preset.name
        ),
        statistic: Some(STATISTIC.to_owned()),
        panels: vec![Panel {
            title: String::new(),
            x: XAxis::Density,
            y: YAxis {
                label: "test accuracy (%)".to_owned(),
                within: Some((0.0, 100.0)),
            },
            curves,
            references: dense_line.into_iter().collect(),
        }],
        columns: 1,
        footnote: footnote(session, setup.cycles, setup.cycle_epochs),
        comment: FIGURE_5.comment(),
    })
}

fn footnote(session: &Session, cycles: u32, epochs: u32) -> String {
    let cycles = format!(
        "LRR, WR and IMP train one cycle of {epochs} epochs a level, all others {cycles} such cycles. \
         Density counts the weights of all convolutions and linear layers."
    );
    match session.test_examples() {
        Some(_) => cycles,
        None => format!("{cycles} Accuracies as training recorded them."),
    }
}

/// Counts may differ by max(1, 0.1 %) images between machines (design §5), losses in the last digits of f32 sums.
fn tolerance(published: &Frame, column: &str, row: usize) -> Option<f64> {
    let n = published.number(NAME, row, "n_images").unwrap_or(0.0);
    let images = (n / 1000.0).floor().max(1.0);
    match column {
        "n_correct" => Some(images),
        "accuracy" => Some(images / n + f64::EPSILON),
        "test_loss" => Some(1e-3),
        _ => None,
    }
}

/// In the order of the legend.
const METHODS: [Method; 8] = [
    Method::Lrr,
    Method::Wr,
    Method::Imp,
    Method::LrrMaskLrrInit,
    Method::LrrMaskWarmupInit,
    Method::WrMaskWarmupInit,
    Method::LrrMaskRandomInit,
    Method::RandomCyclic,
];
