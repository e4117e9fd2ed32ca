//! Figure 1: density over training epochs of three ways to a sparse network, walked along their recipes.

use crate::artefact::{Content, Needs};
use crate::chain::{one_seed, trained};
use crate::draw::{Curve, Figure, Panel, Point, Reference, XAxis, YAxis};
use crate::shows;
use crate::summary::series;
use crate::words;
use crate::{Frame, Name, ReportError, Session};
use sculpt_experiments::{Method, PanelName, Recipe, Setup, grow, methods};

/// The figure that shows what the methods do.
pub(crate) struct Schematic {
    pub(crate) name: Name,
    pub(crate) title: &'static str,
}

pub(crate) static FIGURE_1: Schematic = Schematic {
    name: Name::Figure(1),
    title: "SCULPT-ing schematic: density over training",
};

const COLUMNS: &[&str] = &[
    "panel",
    "method",
    "seed",
    "cycle",
    "epoch_start",
    "epoch_end",
    "density",
    "node",
];

/// Panels from top to bottom, as the paper has them.
const PANELS: [(&str, &str); 3] = [
    ("a", "iterative pruning"),
    ("b", "cyclic training of a random mask"),
    ("c", "SCULPT: cyclic training, one pruning step, one cycle more"),
];

/// One row a Train node of each method's way to 90 % sparsity; SCULPT from its sparsest start that is denser.
fn frame(setup: Setup) -> Frame {
    let setup = one_seed(setup);
    let mut recipe = Recipe::default();
    let points = grow(&mut recipe, &setup, shows::SCULPTING, false);
    let at_90 = || points.iter().filter(|point| point.density == setup.sparse_90);
    let ending = |method| at_90().find(|point| point.method == method);
    let sculpt = at_90().rfind(|point| point.method.last_step.is_some());
    let ends = [ending(&methods::LRR), ending(&methods::RANDOM_CYCLIC), sculpt];
    let mut frame = Frame::new(COLUMNS);
    for ((panel, _), end) in PANELS.iter().zip(ends) {
        let Some(end) = end else { continue };
        for (i, stretch) in trained(&recipe, &end.state).iter().enumerate() {
            frame.push(vec![
                (*panel).into(),
                end.method.id.into(),
                (end.seed as u32).into(),
                (i as u32 + 1).into(),
                (stretch.from as u32).into(),
                (stretch.to as u32).into(),
                stretch.density.into(),
                stretch.node.as_str().into(),
            ]);
        }
    }
    frame
}

impl Schematic {
    /// The staircase of one method; none where the preset does not have it.
    fn panel(&self, frame: &Frame, letter: &str, what: &str, end: u32) -> Result<Option<Panel>, ReportError> {
        let name = self.name;
        let (mut method, mut points) = (None, Vec::<Point>::new());
        for row in 0..frame.len() {
            if frame.text(name, row, "panel")? != letter {
                continue;
            }
            let id = frame.text(name, row, "method")?;
            method = Some(Method::named(id)?);
            let density = frame.number(name, row, "density")?;
            for column in ["epoch_start", "epoch_end"] {
                let x = frame.number(name, row, column)?;
                if points
                    .last()
                    .is_none_or(|last| (last.x, last.mean) != (x, density))
                {
                    points.push(Point::single(x, density));
                }
            }
        }
        let Some(method) = method else { return Ok(None) };
        Ok(Some(Panel {
            title: format!("({letter}) {what}"),
            x: XAxis::Shared {
                label: "epochs trained".to_owned(),
                end,
            },
            y: YAxis {
                label: "density".to_owned(),
                within: Some((0.0, 1.0)),
            },
            curves: vec![Curve::new(series(method), points)],
            references: vec![Reference::Line {
                y: 1.0,
                label: "dense network".to_owned(),
            }],
        }))
    }
}

impl Content for Schematic {
    fn columns(&self) -> &'static [&'static str] {
        COLUMNS
    }

    fn measure(&self, session: &Session, _: &Needs) -> Result<Frame, ReportError> {
        Ok(frame(session.suite().preset.panel(PanelName::A)?))
    }

    fn draw(&self, frame: &Frame, session: &Session) -> Result<Option<Figure>, ReportError> {
        let preset = &session.suite().preset;
        let setup = preset.panel(PanelName::A)?;
        let mut end: f64 = 0.0;
        for row in 0..frame.len() {
            end = end.max(frame.number(self.name, row, "epoch_end")?);
        }
        let mut panels = Vec::new();
        for (letter, what) in PANELS {
            panels.extend(self.panel(frame, letter, what, end as u32)?);
        }
        let footnote = format!(
            "Markers stand where cycles of {} epochs begin and end; each cycle runs the learning-rate schedule \
             from its beginning. A step down is a pruning step. All end at {}.",
            setup.cycle_epochs,
            words::sparsity(setup.sparse_90.get())
        );
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
            footnote,
            comment: words::comment(self.name),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sculpt_experiments::{DataFolder, Overrides, Preset, PresetName};

    fn rows(panel: &str, overrides: Overrides) -> Vec<(f64, f64, f64)> {
        let preset = Preset::new(PresetName::Demo, overrides, &DataFolder::default()).unwrap();
        let frame = frame(preset.panel(PanelName::A).unwrap());
        let number = |row, column| frame.number(FIGURE_1.name, row, column).unwrap();
        let of_panel = |row: &usize| frame.text(FIGURE_1.name, *row, "panel").unwrap() == panel;
        let rows = (0..frame.len()).filter(of_panel);
        rows.map(|row| {
            (
                number(row, "epoch_start"),
                number(row, "epoch_end"),
                number(row, "density"),
            )
        })
        .collect()
    }

    /// The demo: cycles of 8 epochs; levels 1, 0.8, 0.5, 0.3, 0.1 down to 90 %; four cycles; SCULPT from 0.3.
    #[test]
    fn densities_of_the_demo() {
        let lrr = [1.0, 0.8, 0.5, 0.3, 0.1];
        let level = |(i, &density): (usize, &f64)| (8.0 * i as f64, 8.0 * i as f64 + 8.0, density);
        assert_eq!(
            rows("a", Overrides::default()),
            lrr.iter().enumerate().map(level).collect::<Vec<_>>()
        );
        let cycles = [0.1; 4];
        assert_eq!(
            rows("b", Overrides::default()),
            cycles.iter().enumerate().map(level).collect::<Vec<_>>()
        );
        let sculpt = [0.3, 0.3, 0.3, 0.3, 0.1];
        assert_eq!(
            rows("c", Overrides::default()),
            sculpt.iter().enumerate().map(level).collect::<Vec<_>>()
        );
    }

    /// At densities of 0.6 and 1 alone, "90 %" is 0.6: the only start above it is 0.8.
    #[test]
    fn sculpt_starts_above_its_end() {
        let overrides = Overrides {
            densities: Some(vec![sculpt_masks::Density::new(0.6).unwrap()]),
            ..Overrides::default()
        };
        let densities: Vec<_> = rows("c", overrides)
            .into_iter()
            .map(|(_, _, density)| density)
            .collect();
        assert_eq!(densities, [0.8, 0.8, 0.8, 0.8, 0.6]);
    }
}
