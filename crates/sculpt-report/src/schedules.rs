//! Figures 11 and 12: the learning rate over epochs, from the Train nodes of the recipes.

use crate::artefact::{Content, Needs};
use crate::chain::{Stretch, one_seed, trained};
use crate::draw::{Curve, Figure, Panel, Point, Series, XAxis, YAxis};
use crate::shows;
use crate::words;
use crate::{Frame, Name, ReportError, Session};
use sculpt_experiments::{ExperimentError, PanelName, Recipe, Setup, grow, methods};
use sculpt_schedules::{Kind, Schedule};

/// A figure of learning rates, of panel (a)'s set-up.
pub(crate) struct Schedules {
    pub(crate) name: Name,
    pub(crate) title: &'static str,
    runs: fn(&Setup) -> Vec<Run>,
    panels: &'static [(&'static str, &'static str)],
    footnote: fn(&Setup) -> String,
}

/// What one panel shows.
struct Run {
    panel: &'static str,
    training: Vec<Stretch>,
}

pub(crate) static FIGURE_11: Schedules = Schedules {
    name: Name::Figure(11),
    title: "Learning-rate schedules of one cycle, of cyclic training and of one cycle over all epochs",
    runs: cyclic_and_one_cycle,
    panels: &[
        ("left", "one cycle"),
        ("middle", "cyclic training"),
        ("right", "one cycle over all epochs"),
    ],
    footnote: |setup| {
        format!(
            "Epochs of warm-up in a cycle: {}. The one cycle over all epochs has as many as the cyclic run, {}, \
             and {} in figure 17; the paper's caption says 3000, A.1 and A.8 say 2000.",
            setup.warm_up_epochs().expect("a preset's schedule was checked"),
            setup.cycles * setup.cycle_epochs,
            setup.long_interval * setup.long_intervals,
        )
    },
};

pub(crate) static FIGURE_12: Schedules = Schedules {
    name: Name::Figure(12),
    title: "Learning rate of LRR over its levels",
    runs: over_levels,
    panels: &[("all", "LRR, one cycle a level")],
    footnote: |setup| {
        format!(
            "{} levels of {} epochs: each begins with the schedule from its beginning.",
            setup.levels.len(),
            setup.cycle_epochs
        )
    },
};

const COLUMNS: &[&str] = &[
    "panel",
    "schedule",
    "cycle",
    "density",
    "epoch",
    "learning_rate",
    "node",
];

/// Steps an epoch of schedules that change by step: their shape, whatever the size of the training set.
const STEPS: u32 = 10;

/// Longer cycles are sampled once an epoch.
const LONG: u32 = 100;

fn cyclic_and_one_cycle(setup: &Setup) -> Vec<Run> {
    let mut recipe = Recipe::default();
    let points = grow(&mut recipe, setup, shows::SCHEDULES_AT_EQUAL_EPOCHS, false);
    let run = |panel, method, cycle| {
        let of_method = points.iter().find(|p| p.method == method && p.cycle == cycle);
        let end = of_method.expect("figure 2 (d) shows every cycle");
        Run {
            panel,
            training: trained(&recipe, &end.state),
        }
    };
    vec![
        run("left", &methods::DENSE_CYCLIC, 1),
        run("middle", &methods::DENSE_CYCLIC, setup.cycles),
        run("right", &methods::DENSE_ONE_CYCLE, setup.cycles),
    ]
}

fn over_levels(setup: &Setup) -> Vec<Run> {
    let mut recipe = Recipe::default();
    let points = grow(&mut recipe, setup, shows::ITERATIVE_AGAINST_DENSE, false);
    let levels = points.iter().filter(|point| point.method == &methods::LRR);
    let last = levels.max_by_key(|point| point.level).expect("LRR has a level");
    vec![Run {
        panel: "all",
        training: trained(&recipe, &last.state),
    }]
}

/// Whether the rate stays the same through an epoch.
fn by_epoch(kind: Kind) -> bool {
    match kind {
        Kind::StepWarmup | Kind::StepWarmupShifted | Kind::ImagenetStep | Kind::Constant => true,
        Kind::OneCycle | Kind::Cosine | Kind::Triangular | Kind::Trapezoidal => false,
    }
}

impl Schedules {
    /// One row an epoch, and where the rate changes by step, ten an epoch of short cycles.
    fn frame(&self, setup: Setup) -> Result<Frame, ReportError> {
        let mut frame = Frame::new(COLUMNS);
        for run in (self.runs)(&one_seed(setup)) {
            for (i, stretch) in run.training.iter().enumerate() {
                let train = &stretch.train;
                let steps = if by_epoch(train.schedule) { 1 } else { STEPS };
                let every = if train.epochs < LONG { 1 } else { steps };
                let schedule = Schedule::new(train.schedule, train.lr, train.epochs, steps)
                    .map_err(ExperimentError::from)?;
                for step in (0..schedule.n_steps()).step_by(every as usize) {
                    frame.push(vec![
                        run.panel.into(),
                        train.schedule.name().into(),
                        (i as u32 + 1).into(),
                        stretch.density.into(),
                        (stretch.from as f64 + step as f64 / f64::from(steps)).into(),
                        schedule.lr(step).into(),
                        stretch.node.as_str().into(),
                    ]);
                }
            }
        }
        Ok(frame)
    }

    fn panel(&self, frame: &Frame, place: &str, what: &str) -> Result<Panel, ReportError> {
        let name = self.name;
        let (mut kinds, mut points) = (Vec::new(), Vec::<Point>::new());
        for row in 0..frame.len() {
            if frame.text(name, row, "panel")? != place {
                continue;
            }
            let word = frame.text(name, row, "schedule")?;
            let kind = words::first(Kind::ALL.into_iter().filter(|kind| kind.name() == word), name)?;
            kinds.push(kind);
            let epoch = frame.number(name, row, "epoch")?;
            let rate = frame.number(name, row, "learning_rate")?;
            if by_epoch(kind) {
                step(&mut points, epoch, rate);
            } else {
                points.push(Point::single(epoch, rate));
            }
        }
        let kind = words::first(kinds, name)?;
        Ok(Panel {
            title: match place {
                "all" => what.to_owned(),
                _ => format!("({place}) {what}"),
            },
            x: XAxis::Linear {
                label: "epochs trained".to_owned(),
            },
            y: YAxis {
                label: "learning rate".to_owned(),
                within: Some((0.0, f64::INFINITY)),
            },
            curves: vec![Curve::new(Series::Schedule(kind), points)],
            references: Vec::new(),
        })
    }
}

/// Adds an epoch of one rate: the level part of a staircase grows, or a new one begins.
fn step(points: &mut Vec<Point>, epoch: f64, rate: f64) {
    match points.last_mut() {
        Some(last) if last.mean == rate => last.x = epoch + 1.0,
        Some(_) | None => points.extend([Point::single(epoch, rate), Point::single(epoch + 1.0, rate)]),
    }
}

impl Content for Schedules {
    fn columns(&self) -> &'static [&'static str] {
        COLUMNS
    }

    fn measure(&self, session: &Session, _: &Needs) -> Result<Frame, ReportError> {
        self.frame(session.suite().preset.panel(PanelName::A)?)
    }

    fn draw(&self, frame: &Frame, session: &Session) -> Result<Option<Figure>, ReportError> {
        let preset = &session.suite().preset;
        let setup = preset.panel(PanelName::A)?;
        let panels = self
            .panels
            .iter()
            .map(|(place, what)| self.panel(frame, place, what));
        let panels = panels.collect::<Result<Vec<_>, _>>()?;
        Ok(Some(Figure {
            title: words::title(self.name, self.title),
            subtitle: format!(
                "{}, {}; {}",
                setup.data_title,
                setup.model,
                words::subtitle(preset)
            ),
            statistic: None,
            columns: words::columns(panels.len()),
            panels,
            footnote: (self.footnote)(&setup),
            comment: words::comment(self.name),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sculpt_experiments::{DataFolder, Overrides, Preset, PresetName};

    /// (epoch, rate) of a panel under the paper's preset.
    fn rates(figure: &Schedules, panel: &str) -> Vec<(f64, f64)> {
        let preset = Preset::new(PresetName::Paper, Overrides::default(), &DataFolder::default()).unwrap();
        let frame = figure.frame(preset.panel(PanelName::A).unwrap()).unwrap();
        let of_panel = |row: &usize| frame.text(figure.name, *row, "panel").unwrap() == panel;
        let number = |row, column| frame.number(figure.name, row, column).unwrap();
        let rows = (0..frame.len()).filter(of_panel);
        rows.map(|row| (number(row, "epoch"), number(row, "learning_rate")))
            .collect()
    }

    /// A.2 and figure 11, left: linear to 0.1 over ten epochs, then divided by ten at 70 and at 130.
    #[test]
    fn one_cycle_of_the_paper() {
        let rates = rates(&FIGURE_11, "left");
        assert_eq!(rates.len(), 150);
        for (epoch, rate) in [
            (0, 0.01),
            (4, 0.05),
            (9, 0.1),
            (69, 0.1),
            (70, 0.01),
            (129, 0.01),
            (130, 0.001),
        ] {
            let (at, found) = rates[epoch];
            assert_eq!(at, epoch as f64);
            assert!((found - rate).abs() < 1e-15, "epoch {epoch}: {found}");
        }
    }

    /// Eight cycles of 150 epochs, each like the first; the one cycle over all 1200 epochs peaks after a tenth,
    /// 120, and is at half its peak in the middle of the way down, 120 + 540.
    #[test]
    fn all_cycles_of_the_paper() {
        let (one, cyclic) = (rates(&FIGURE_11, "left"), rates(&FIGURE_11, "middle"));
        assert_eq!(cyclic.len(), 1200);
        for (i, (epoch, rate)) in cyclic.iter().enumerate() {
            assert_eq!((*epoch, *rate), (i as f64, one[i % 150].1));
        }
        let whole = rates(&FIGURE_11, "right");
        assert_eq!((whole.len(), whole[120]), (1200, (120.0, 0.1)));
        assert!((whole[0].1 - 0.01).abs() < 1e-15 && (whole[660].1 - 0.05).abs() < 1e-15);
    }

    /// 19 levels of 150 epochs.
    #[test]
    fn lrr_restarts_at_every_level() {
        let (one, levels) = (rates(&FIGURE_11, "left"), rates(&FIGURE_12, "all"));
        assert_eq!(levels.len(), 19 * 150);
        assert_eq!(levels[18 * 150 + 4], (2704.0, one[4].1));
    }

    #[test]
    fn equal_rates_are_one_step() {
        let mut points = Vec::new();
        for (epoch, rate) in [(0.0, 0.1), (1.0, 0.1), (2.0, 0.01)] {
            step(&mut points, epoch, rate);
        }
        let corners: Vec<_> = points.iter().map(|p| (p.x, p.mean)).collect();
        assert_eq!(corners, [(0.0, 0.1), (2.0, 0.1), (2.0, 0.01), (3.0, 0.01)]);
    }
}
