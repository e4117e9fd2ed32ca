//! Figure 1: training and pruning steps of three ways to a sparse network, walked along their recipes.

use crate::artefact::Content;
use crate::words::{self, named};
use crate::{ReportError, Session, shows};
use sculpt_experiments::{Labels, Method, PanelName, Preset, Recipe, Setup, UnknownMethod, grow, methods};
use sculpt_figures::{Figure, schematic_panel};
use sculpt_measures::{Needs, one_seed, stretch_rows};
use sculpt_rows::{Name, StretchRow, sparsity};

/// The figure that shows what the methods do.
pub(crate) struct Schematic {
    pub(crate) name: Name,
    pub(crate) title: &'static str,
}

pub(crate) static FIGURE_1: Schematic = Schematic {
    name: Name::Figure(1),
    title: "SCULPT-ing schematic: training and pruning steps over density and cycle",
};

/// Panels from top to bottom, as the paper has them.
const PANELS: [(&str, &str); 3] = [
    ("a", "iterative pruning"),
    ("b", "cyclic training of a random mask"),
    ("c", "SCULPT: cyclic training, one pruning step, a cycle more"),
];

/// One row a Train node of each method's way to 90 % sparsity; SCULPT from its sparsest start that is denser.
fn rows_of(setup: Setup) -> Vec<StretchRow> {
    let setup = one_seed(setup);
    let mut recipe = Recipe::default();
    let points = grow(&mut recipe, &setup, shows::SCULPTING, Labels::Clean);
    let at_90 = || points.iter().filter(|point| point.density == setup.sparse_90);
    let ending = |method| at_90().find(|point| point.method == method);
    let sculpt = at_90().rfind(|point| point.method.last_step.is_some());
    let ends = [ending(&methods::LRR), ending(&methods::RANDOM_CYCLIC), sculpt];
    let panels = PANELS.iter().zip(ends);
    let rows = panels.filter_map(|((panel, _), end)| Some(stretch_rows(panel, end?, &recipe)));
    rows.flatten().collect()
}

impl Content for Schematic {
    type Row = StretchRow;

    fn measure(&self, session: &Session, _: &Needs) -> Result<Vec<StretchRow>, ReportError> {
        Ok(rows_of(session.suite().preset.panel(PanelName::A)?))
    }

    fn draw(&self, rows: &[StretchRow], preset: &Preset) -> Result<Option<Figure>, ReportError> {
        let setup = preset.panel(PanelName::A)?;
        let name = |id: &str| -> Result<_, UnknownMethod> { Ok(named(Method::named(id)?)) };
        let mut panels = Vec::new();
        for panel in PANELS {
            panels.extend(schematic_panel(rows, panel, name)?);
        }
        let footnote = format!(
            "A block of training is a cycle of {} epochs, as high as the network is dense; each runs the learning-rate schedule \
             from its beginning. A block of pruning reaches from the density before to the one after; a mask at \
             initialisation is one too. All end at {}.",
            setup.cycle_epochs,
            sparsity(setup.sparse_90.get())
        );
        let subtitle = words::of_setup(&setup, preset);
        let caption = words::caption((self.name, self.title), subtitle, footnote);
        // From top to bottom, as in the paper.
        Ok(Some(Figure {
            columns: 1,
            ..caption.of_single(panels)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sculpt_experiments::{DataFolder, Overrides, PresetName};

    fn rows(panel: &str, overrides: Overrides) -> Vec<(f64, f64, f64)> {
        let preset = Preset::new(PresetName::Demo, overrides, &DataFolder::default()).unwrap();
        let rows = rows_of(preset.panel(PanelName::A).unwrap());
        let of_panel = rows.iter().filter(|row| row.panel == panel);
        let stretch = |row: &StretchRow| (f64::from(row.epoch_start), f64::from(row.epoch_end), row.density);
        of_panel.map(stretch).collect()
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
