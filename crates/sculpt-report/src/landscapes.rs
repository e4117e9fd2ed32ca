//! Figures of the loss between checkpoints that follow each other, and of its curvature at them.

use crate::artefact::{Content, PanelSource};
use crate::{ReportError, Session, words};
use sculpt_experiments::{Method, Preset, Setup};
use sculpt_figures::{
    Caption, Figure, Height, Named, Panel, PanelRows, curvature_panel, letter, line_panels,
};
use sculpt_measures::{Needs, Pairs};
use sculpt_rows::{Along, JumpRow, LineRow, Name};
use std::marker::PhantomData;

/// A figure of losses between checkpoints, whose rows are lines, or lines and eigenvalues.
pub(crate) struct Landscape<R> {
    pub(crate) name: Name,
    pub(crate) title: &'static str,
    /// What a picture's title adds to it; may be empty.
    pub(crate) what: fn(&Setup) -> String,
    /// Whether the demo's result is not the paper's: of the eigenvalues where there are any, else of all panels.
    pub(crate) demo_differs: bool,
    pub(crate) sources: &'static [PanelSource],
    pub(crate) along: Along,
    pub(crate) pairs: Pairs,
    pub(crate) rows: PanelRows<'static>,
    /// Methods whose largest eigenvalues stand in a panel of their own.
    pub(crate) curvature: &'static [Named],
    pub(crate) rows_are: PhantomData<fn() -> R>,
}

impl<R> Landscape<R> {
    fn drawn(&self, method: &Method) -> bool {
        match self.rows {
            PanelRows::Methods(rows) => rows.iter().copied().flatten().any(|own| own.id == method.id),
            PanelRows::Densities(own) => own.id == method.id,
            PanelRows::Own(names) => names.iter().any(|own| own == method.id),
        }
    }

    fn lines(&self, session: &Session, needs: &Needs) -> Result<Vec<LineRow>, ReportError> {
        let measures = session.measures();
        let drawn = |method: &Method| self.drawn(method);
        Ok(measures.line_rows(&needs.panels, self.along, self.pairs, drawn)?)
    }

    /// `more` ends the footnote.
    fn caption(&self, preset: &Preset, more: &str) -> Result<Caption, ReportError> {
        let source = self.sources.first().expect("a figure has a panel");
        let setup = preset.panel(source.panel)?;
        let unit = match self.along {
            Along::Cycles => "checkpoint",
            Along::Levels => "level",
        };
        let footnote = format!(
            "Between whole numbers: the line from one {unit} to the next, at 11 points, BatchNorm statistics interpolated; \
             the frame has them recalibrated too. What lies above the straight line between two {unit}s is a barrier.{more}"
        );
        let subtitle = words::of_setup(&setup, preset);
        let title = format!("{}{}", self.title, (self.what)(&setup));
        Ok(words::caption((self.name, &title), subtitle, footnote))
    }

    fn say_of_the_demo(&self, preset: &Preset, panels: &mut [Panel]) {
        for panel in panels.iter_mut().filter(|panel| panel.height != Height::Strip) {
            panel
                .title
                .push_str(words::demo_differs(preset, self.demo_differs));
        }
    }
}

impl Content for Landscape<LineRow> {
    type Row = LineRow;

    fn sources(&self) -> &'static [PanelSource] {
        self.sources
    }

    fn measure(&self, session: &Session, needs: &Needs) -> Result<Vec<LineRow>, ReportError> {
        self.lines(session, needs)
    }

    fn draw(&self, rows: &[LineRow], preset: &Preset) -> Result<Option<Figure>, ReportError> {
        let mut panels = line_panels(rows, self.along, self.rows)?;
        self.say_of_the_demo(preset, &mut panels);
        letter(&mut panels);
        Ok(Some(self.caption(preset, "")?.of_means(panels)))
    }
}

impl Content for Landscape<JumpRow> {
    type Row = JumpRow;

    fn sources(&self) -> &'static [PanelSource] {
        self.sources
    }

    fn measure(&self, session: &Session, needs: &Needs) -> Result<Vec<JumpRow>, ReportError> {
        let lines = self.lines(session, needs)?.into_iter();
        let mut rows: Vec<_> = lines.map(LineRow::into_jump).collect();
        let curved = |method: &Method| self.curvature.iter().any(|own| own.id == method.id);
        rows.extend(session.measures().eigenvalue_rows(&needs.panels, curved)?);
        Ok(rows)
    }

    fn draw(&self, rows: &[JumpRow], preset: &Preset) -> Result<Option<Figure>, ReportError> {
        let lines: Vec<_> = rows.iter().filter_map(JumpRow::line).collect();
        let eigenvalues: Vec<_> = rows.iter().filter_map(JumpRow::eigenvalue).collect();
        let mut panels = line_panels(&lines, self.along, self.rows)?;
        let mut curvature = [curvature_panel(&eigenvalues, self.curvature)?];
        self.say_of_the_demo(preset, &mut curvature);
        panels.extend(curvature);
        letter(&mut panels);
        let open = eigenvalues.iter().filter(|found| !found.converged).count();
        let more = if open > 0 {
            format!(
                " {open} of {} eigenvalues are not converged: their points stand in a ring.",
                eigenvalues.len()
            )
        } else {
            String::new()
        };
        Ok(Some(self.caption(preset, &more)?.of_means(panels)))
    }
}
