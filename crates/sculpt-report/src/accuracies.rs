//! Figures of test accuracy: by density, by cycles, or by epochs.

use crate::artefact::{Content, PanelSource};
use crate::words::{self, named};
use crate::{ReportError, Session};
use sculpt_experiments::methods::{DENSE_CYCLIC, LRR, MaskSource, Rewind};
use sculpt_experiments::{Length, Method, Preset, Setup};
use sculpt_figures::{Figure, Guide, Over, Shown, accuracy_panels};
use sculpt_measures::Needs;
use sculpt_rows::{AccuracyRow, Name};

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
    /// Whether each of a few seeds is shown in the place of intervals.
    pub(crate) seeds: bool,
    /// Whether the demo's result is not the paper's.
    pub(crate) demo_differs: bool,
}

/// The gain of dense cyclic training over standard training.
pub(crate) const GAIN: Guide = Guide::Gain(DENSE_CYCLIC.id, "dense, first cycle to last");
/// The dense network after its first cycle: LRR's level 0.
pub(crate) const FIRST_CYCLE: Guide = Guide::Last(LRR.id, "dense, first cycle");
/// The dense network after its last cycle.
pub(crate) const CYCLIC: Guide = Guide::Last(DENSE_CYCLIC.id, "dense, cyclic");

/// After the last cycle, in the method's own look.
pub(crate) const fn last(method: &'static Method) -> Shown {
    counted(method, Shown::last(named(method)))
}

/// After every cycle.
pub(crate) const fn all(method: &'static Method) -> Shown {
    counted(method, Shown::all(named(method)))
}

/// Standard training, which is the first cycle, dotted.
pub(crate) const fn standard(method: &'static Method, label: &'static str) -> Shown {
    counted(method, Shown::standard(named(method), label))
}

/// Iterative pruning that keeps its weights, or an early state of them, has trained them a cycle a level.
const fn counted(method: &'static Method, shown: Shown) -> Shown {
    Shown {
        per_level: matches!(
            method.mask,
            MaskSource::Iterative(Rewind::LearningRate | Rewind::WarmUp)
        ),
        ..shown
    }
}

impl Content for Accuracies {
    type Row = AccuracyRow;

    fn sources(&self) -> &'static [PanelSource] {
        self.sources
    }

    fn measure(&self, session: &Session, needs: &Needs) -> Result<Vec<AccuracyRow>, ReportError> {
        Ok(session.measures().accuracy_rows(&needs.panels)?)
    }

    fn draw(&self, rows: &[AccuracyRow], preset: &Preset) -> Result<Option<Figure>, ReportError> {
        let (mut plots, mut absent, mut training) = (Vec::new(), Vec::new(), Vec::new());
        for plot in self.plots {
            if !rows.iter().any(|row| row.panel == plot.source) {
                absent.push(plot.place);
                continue;
            }
            let source = self.sources.iter().find(|source| source.letter == plot.source);
            let source = source.expect("a plot names a source of its figure");
            let mut setup = preset.panel(source.panel)?;
            // What is drawn is the last cycle of the longest run.
            if source.shows.iter().any(|show| show.length == Length::Total) {
                setup.cycles = setup.total_cycles();
            } else {
                setup.total_epochs = None;
            }
            plots.push(plot.titled(&setup, preset));
            training.push((plot.place, setup, plot.methods(rows)));
        }
        let recorded = rows.iter().any(|row| !row.measured);
        let footnote = [
            words::lengths(&training),
            "Density counts the weights of all convolutions and linear layers.".to_owned(),
            words::absent(&absent),
            if recorded { words::RECORDED } else { "" }.to_owned(),
        ];
        let caption = words::caption(
            (self.name, self.title),
            words::subtitle(preset),
            words::sentences(&footnote),
        );
        Ok(Some(caption.of_means(accuracy_panels(rows, &plots)?)))
    }
}

impl Plot {
    /// The methods of its curves that have rows.
    fn methods(&self, rows: &[AccuracyRow]) -> Vec<&'static Method> {
        let is_there = |id: &str| {
            rows.iter()
                .any(|row| row.panel == self.source && row.method == id)
        };
        let ids = self.curves.iter().map(|shown| shown.method.id);
        ids.filter(|id| is_there(id))
            .filter_map(|id| Method::named(id).ok())
            .collect()
    }

    fn titled(&self, setup: &Setup, preset: &Preset) -> sculpt_figures::Plot<'_> {
        let what = (self.what)(setup);
        let what = if what.is_empty() {
            what
        } else {
            format!(": {what}")
        };
        sculpt_figures::Plot {
            source: self.source,
            title: format!(
                "{} {}, {}{what}{}",
                self.place,
                setup.data_title,
                setup.model,
                words::demo_differs(preset, self.demo_differs)
            )
            .trim_start()
            .to_owned(),
            x: self.x,
            curves: self.curves,
            guides: self.guides,
            seeds: self.seeds,
        }
    }
}
