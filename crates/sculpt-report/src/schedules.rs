//! Figures 11 and 12: the learning rate over epochs, from the Train nodes of the recipes: those of the suite, and the paper's own
//! numbers, which need nothing trained.

use crate::artefact::Content;
use crate::{ReportError, Session, shows, words};
use sculpt_experiments::{
    DataFolder, Labels, Overrides, PanelName, Preset, PresetName, Recipe, Setup, StateRef, grow, methods,
};
use sculpt_figures::{Figure, schedule_panel};
use sculpt_measures::{Needs, one_seed, schedule_rows};
use sculpt_rows::{Name, ScheduleRow};

/// A figure of learning rates, of panel (a)'s set-up.
pub(crate) struct Schedules {
    pub(crate) name: Name,
    pub(crate) title: &'static str,
    runs: fn(&Setup) -> (Recipe, Vec<Run>),
    /// What each panel shows, in the paper's order, and in which of its places.
    panels: &'static [(&'static str, &'static str)],
    footnote: fn(&Setup, &Setup) -> String,
}

/// What one panel shows.
struct Run {
    panel: &'static str,
    end: StateRef,
}

pub(crate) static FIGURE_11: Schedules = Schedules {
    name: Name::Figure(11),
    title: "Learning-rate schedules of a single cycle, of cyclic training and of one-cycle",
    runs: cyclic_and_one_cycle,
    panels: &[
        ("left", "a single cycle"),
        ("middle", "cyclic training"),
        ("right", "one-cycle, over all epochs"),
    ],
    footnote: |setup, paper| {
        let warm_up = |setup: &Setup| setup.warm_up_epochs().expect("a preset's schedule was checked");
        format!(
            "Epochs of warm-up in a cycle: {} above, {} in the paper. One-cycle has as many epochs as the cyclic run, {} above \
             and {} in figure 17; below the {ONE_CYCLE_EPOCHS} of the paper's caption, where A.1 and A.8 say 2000.",
            warm_up(setup),
            warm_up(paper),
            setup.cycles * setup.cycle_epochs,
            setup.long_interval * setup.long_intervals,
        )
    },
};

/// Figure 11's caption; A.1 and A.8 say 2000.
const ONE_CYCLE_EPOCHS: u32 = 3000;

/// Before the name of a panel: the same in the paper's numbers.
const PAPER: &str = "paper ";

pub(crate) static FIGURE_12: Schedules = Schedules {
    name: Name::Figure(12),
    title: "Learning rate of LRR over its levels",
    runs: over_levels,
    panels: &[("all", "LRR, a cycle a level")],
    footnote: |setup, paper| {
        format!(
            "{} levels of {} epochs, in the paper {} of {}: each begins with the schedule from its beginning.",
            setup.levels.len(),
            setup.cycle_epochs,
            paper.levels.len(),
            paper.cycle_epochs
        )
    },
};

fn cyclic_and_one_cycle(setup: &Setup) -> (Recipe, Vec<Run>) {
    let mut recipe = Recipe::default();
    let points = grow(
        &mut recipe,
        setup,
        shows::SCHEDULES_AT_EQUAL_EPOCHS,
        Labels::Clean,
    );
    let run = |panel, method, cycle| {
        let of_method = points.iter().find(|p| p.method == method && p.cycle == cycle);
        let end = of_method.expect("figure 2 (d) shows every cycle");
        Run {
            panel,
            end: end.state.clone(),
        }
    };
    let runs = vec![
        run("left", &methods::DENSE_CYCLIC, 1),
        run("middle", &methods::DENSE_CYCLIC, setup.cycles),
        run("right", &methods::DENSE_ONE_CYCLE, setup.cycles),
    ];
    (recipe, runs)
}

fn over_levels(setup: &Setup) -> (Recipe, Vec<Run>) {
    let mut recipe = Recipe::default();
    let points = grow(&mut recipe, setup, shows::ITERATIVE_AGAINST_DENSE, Labels::Clean);
    let levels = points.iter().filter(|point| point.method == &methods::LRR);
    let last = levels.max_by_key(|point| point.level).expect("LRR has a level");
    let end = last.state.clone();
    (recipe, vec![Run { panel: "all", end }])
}

/// The paper's own numbers.
fn paper() -> Result<Setup, ReportError> {
    let preset = Preset::new(PresetName::Paper, Overrides::default(), &DataFolder::default())?;
    Ok(preset.panel(PanelName::A)?)
}

impl Schedules {
    fn rows(&self, setup: Setup) -> Result<Vec<ScheduleRow>, ReportError> {
        let (recipe, runs) = (self.runs)(&one_seed(setup));
        let mut rows = Vec::new();
        for run in runs {
            rows.extend(schedule_rows(run.panel, &run.end, &recipe)?);
        }
        Ok(rows)
    }

    /// In the paper's numbers; one-cycle is as long as the caption says, which is more than the eight cycles beside it.
    fn rows_of_the_paper(&self) -> Result<Vec<ScheduleRow>, ReportError> {
        let setup = paper()?;
        let long = Setup {
            cycles: ONE_CYCLE_EPOCHS / setup.cycle_epochs,
            ..setup.clone()
        };
        let is_long = |row: &ScheduleRow| row.panel == "right";
        let mut rows = self.rows(setup)?;
        rows.retain(|row| !is_long(row));
        rows.extend(self.rows(long)?.into_iter().filter(is_long));
        for row in &mut rows {
            row.panel.insert_str(0, PAPER);
        }
        Ok(rows)
    }
}

impl Content for Schedules {
    type Row = ScheduleRow;

    fn measure(&self, session: &Session, _: &Needs) -> Result<Vec<ScheduleRow>, ReportError> {
        let mut rows = self.rows(session.suite().preset.panel(PanelName::A)?)?;
        rows.extend(self.rows_of_the_paper()?);
        Ok(rows)
    }

    fn draw(&self, rows: &[ScheduleRow], preset: &Preset) -> Result<Option<Figure>, ReportError> {
        let setup = preset.panel(PanelName::A)?;
        let mut panels = Vec::new();
        for (before, whose) in [("", ""), (PAPER, ", the paper's numbers")] {
            for (place, what) in self.panels {
                let title = match *place {
                    "all" => format!("{what}{whose}"),
                    place => format!("({place}) {what}{whose}"),
                };
                panels.push(schedule_panel(rows, &format!("{before}{place}"), title)?);
            }
        }
        let subtitle = words::of_setup(&setup, preset);
        let footnote = (self.footnote)(&setup, &paper()?);
        let caption = words::caption((self.name, self.title), subtitle, footnote);
        // The paper's panels side by side, in its order; figure 12 has one, beside which the paper's own stands.
        let columns = self.panels.len().max(2);
        Ok(Some(Figure {
            columns,
            ..caption.of_single(panels)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (epoch, rate) of a panel under the paper's preset.
    fn rates(figure: &Schedules, panel: &str) -> Vec<(f64, f64)> {
        rates_of(&figure.rows(paper().unwrap()).unwrap(), panel)
    }

    fn rates_of(rows: &[ScheduleRow], panel: &str) -> Vec<(f64, f64)> {
        let of_panel = rows.iter().filter(|row| row.panel == panel);
        of_panel.map(|row| (row.epoch, row.learning_rate)).collect()
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

    /// Eight cycles of 150 epochs, each like the first; one-cycle over all 1200 epochs peaks after a tenth,
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

    /// Beside a suite's: one-cycle is 3000 epochs long, a row every tenth, with its peak after a tenth of them; the others are the
    /// preset's.
    #[test]
    fn the_papers_numbers_need_no_suite() {
        let rows = FIGURE_11.rows_of_the_paper().unwrap();
        let whole = rates_of(&rows, "paper right");
        assert_eq!((whole.len(), whole[30]), (300, (300.0, 0.1)));
        assert_eq!(rates_of(&rows, "paper left"), rates(&FIGURE_11, "left"));
        assert_eq!(rates_of(&rows, "paper middle").len(), 1200);
        let levels = FIGURE_12.rows_of_the_paper().unwrap();
        assert_eq!(rates_of(&levels, "paper all"), rates(&FIGURE_12, "all"));
    }

    /// 19 levels of 150 epochs.
    #[test]
    fn lrr_restarts_at_every_level() {
        let (one, levels) = (rates(&FIGURE_11, "left"), rates(&FIGURE_12, "all"));
        assert_eq!(levels.len(), 19 * 150);
        assert_eq!(levels[18 * 150 + 4], (2704.0, one[4].1));
    }
}
