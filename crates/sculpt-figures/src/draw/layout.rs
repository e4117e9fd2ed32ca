//! Where everything stands: decided here, drawn elsewhere.

use super::error::DrawError;
use super::figure::{Figure, Height, Panel, XAxis};
use super::legend::{self, Entry, Sample};
use super::look::Rgb;
use super::place::{LABEL_GAP, baseline_offset, half_digit, horizontal, inset, readable, vertical};
use super::text::Font;
use super::ticks::{self, DensityTick, Tick};

/// Width of a panel: the paper's column, and a third of two.
const PANEL: i32 = 8400;
const NARROW: i32 = 5600;
/// Empty rim of the picture.
const MARGIN: i32 = 150;
/// Length of a tick.
pub(crate) const TICK: i32 = 80;
const SAMPLE_TO_LABEL: i32 = 110;
const COLUMN_GAP: i32 = 350;
const SPREAD_NOTE: &str = "Markers at one x value are set side by side.";
const CUT_NOTE: &str =
    "Where an interval ends in an arrow, or a band in a thick edge, it goes on beyond the axis.";

/// Grey of what is read second; 7.5 to 1 on white.
const QUIET: Rgb = Rgb(85, 85, 85);

/// A rectangle, in hundredths of a millimetre from the picture's upper left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rect {
    pub(crate) left: i32,
    pub(crate) top: i32,
    pub(crate) right: i32,
    pub(crate) bottom: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Left,
    Middle,
    Right,
}

/// One line of text on its baseline.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Label {
    pub(crate) text: String,
    pub(crate) font: Font,
    pub(crate) colour: Rgb,
    pub(crate) anchor: Anchor,
    pub(crate) x: i32,
    pub(crate) baseline: i32,
    /// Reads upwards: `x` is then the baseline, and `baseline` the place along it.
    pub(crate) upwards: bool,
}

/// One chart's place and ranges.
#[derive(Clone, Debug)]
pub(crate) struct Chart<'a> {
    pub(crate) panel: &'a Panel,
    pub(crate) plot: Rect,
    pub(crate) x: (f64, f64),
    pub(crate) y: (f64, f64),
    pub(crate) x_ticks: Vec<f64>,
    pub(crate) y_ticks: Vec<f64>,
}

impl Chart<'_> {
    /// Whether an interval goes on beyond the axis.
    fn cuts_an_interval(&self) -> bool {
        let drawn = self.panel.curves.iter().filter(|curve| curve.seeds.is_empty());
        let points = drawn.flat_map(|curve| &curve.points);
        points
            .filter_map(|point| point.interval)
            .any(|i| i.low < self.y.0 || i.high > self.y.1)
    }
}

/// A legend's sample of line and marker, or of shading.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Key {
    pub(crate) sample: Sample,
    pub(crate) place: Rect,
}

/// The whole picture.
#[derive(Clone, Debug)]
pub(crate) struct Layout<'a> {
    /// Width of a panel.
    panel: i32,
    /// Of each column the width of its widest tick label, so that plots above each other begin at one place.
    tick_widths: Vec<i32>,
    pub(crate) width: i32,
    pub(crate) height: i32,
    pub(crate) labels: Vec<Label>,
    pub(crate) charts: Vec<Chart<'a>>,
    pub(crate) keys: Vec<Key>,
}

impl<'a> Layout<'a> {
    /// Places a checked figure.
    pub(crate) fn new(figure: &'a Figure) -> Result<Self, DrawError> {
        let columns = figure.columns.min(figure.panels.len());
        let panel = if columns > 2 { NARROW } else { PANEL };
        let width = panel * columns as i32;
        let mut tick_widths = vec![0; columns];
        for (i, panel) in figure.panels.iter().enumerate() {
            for tick in y_ticks(panel, ticks::y_range(panel)) {
                let width = &mut tick_widths[i % columns];
                *width = Font::TICK.width(&tick.text)?.max(*width);
            }
        }
        let mut layout = Self {
            panel,
            tick_widths,
            width,
            height: MARGIN,
            labels: Vec::new(),
            charts: Vec::new(),
            keys: Vec::new(),
        };
        let (subtitle, entries) = legend::read(figure)?;
        layout.paragraph(&figure.title, Font::TITLE, Rgb::BLACK)?;
        layout.height += 40;
        layout.paragraph(&subtitle, Font::SUBTITLE, QUIET)?;
        let mut last_row = layout.height;
        for row in figure.panels.chunks(columns) {
            last_row = layout.row(row)?;
        }
        // What the last row leaves empty is the legend's, unless that is all of the picture.
        let left = match figure.panels.len() % columns {
            0 => 0,
            n => panel * n as i32,
        };
        let top = if left > 0 { last_row } else { layout.height + 160 };
        layout.legend(entries, left, top)?;
        let spread = figure.panels.iter().any(Panel::is_spread);
        let cut = layout.charts.iter().any(Chart::cuts_an_interval);
        let notes = [
            figure.footnote.as_str(),
            if spread { SPREAD_NOTE } else { "" },
            if cut { CUT_NOTE } else { "" },
        ];
        layout.height += 100;
        layout.paragraph(&notes.join(" "), Font::FOOTNOTE, QUIET)?;
        layout.height += MARGIN;
        Ok(layout)
    }

    /// Full-width text at the left, under what is there.
    fn paragraph(&mut self, text: &str, font: Font, colour: Rgb) -> Result<(), DrawError> {
        let lines = font.wrap(text, self.width - 2 * MARGIN)?;
        self.height = self.lines(lines, font, colour, MARGIN, self.height);
        Ok(())
    }

    /// Lines from `top` on; the bottom of the last one.
    fn lines(&mut self, lines: Vec<String>, font: Font, colour: Rgb, x: i32, mut top: i32) -> i32 {
        for text in lines {
            let baseline = top + baseline_offset(font);
            self.label(&text, font, colour, Anchor::Left, x, baseline);
            top += font.line_height();
        }
        top
    }

    /// Panels side by side, their plots at one height; where those begin.
    fn row(&mut self, panels: &'a [Panel]) -> Result<i32, DrawError> {
        let mut titles = Vec::new();
        for panel in panels {
            titles.push(Font::PANEL.wrap(&panel.title, self.panel - 2 * MARGIN)?);
        }
        let title_lines = titles.iter().map(Vec::len).max().unwrap_or(0) as i32;
        let is_strip = panels.iter().all(|panel| panel.height == Height::Strip);
        self.height += match (self.charts.is_empty(), is_strip) {
            (true, _) => 120,
            (false, true) => 150,
            (false, false) => 320,
        };
        let plot_top = self.height + title_lines * Font::PANEL.line_height() + 100;
        let mut bottom = plot_top;
        for (i, (panel, title)) in panels.iter().zip(titles).enumerate() {
            let left = self.panel * i as i32;
            self.lines(title, Font::PANEL, Rgb::BLACK, left + MARGIN, self.height);
            bottom = bottom.max(self.chart(panel, i, plot_top)?);
        }
        self.height = bottom;
        Ok(plot_top)
    }

    /// One plot of a column with its axes' texts; where those end.
    fn chart(&mut self, panel: &'a Panel, column: usize, top: i32) -> Result<i32, DrawError> {
        let left = self.panel * column as i32;
        let y = ticks::y_range(panel);
        let y_ticks = y_ticks(panel, y);
        let height = match panel.height {
            Height::Full => 5800,
            Height::Low => 4000,
            Height::Strip => 2400,
        };
        let title_x = left + MARGIN + baseline_offset(Font::AXIS);
        let plot = Rect {
            left: title_x + 150 + self.tick_widths[column] + LABEL_GAP + TICK,
            top,
            right: left + self.panel - 2 * MARGIN,
            bottom: top + height,
        };
        for tick in &y_ticks {
            let baseline = vertical(tick.at, y, plot) + half_digit(Font::TICK);
            self.label(
                &tick.text,
                Font::TICK,
                Rgb::BLACK,
                Anchor::Right,
                plot.left - TICK - 60,
                baseline,
            );
        }
        self.y_title(panel, title_x, plot)?;

        let wanted = if self.panel < PANEL { 4 } else { 7 };
        let x = inset(ticks::x_extent(panel), plot);
        let (x_ticks, bottom) = match &panel.x {
            XAxis::Linear { label } | XAxis::Shared { label, .. } => {
                let x_ticks = ticks::round_ticks(x.0, x.1, wanted);
                let bottom = self.linear_labels(&x_ticks, label, x, plot)?;
                (x_ticks.iter().map(|tick| tick.at).collect(), bottom)
            }
            XAxis::Count { label } => {
                let x_ticks = ticks::whole_ticks(x.0, x.1, wanted);
                let bottom = self.linear_labels(&x_ticks, label, x, plot)?;
                (x_ticks.iter().map(|tick| tick.at).collect(), bottom)
            }
            XAxis::Doubling { label } => {
                let x_ticks = ticks::ticks_of_values(panel);
                let bottom = self.linear_labels(&x_ticks, label, x, plot)?;
                (x_ticks.iter().map(|tick| tick.at).collect(), bottom)
            }
            XAxis::Density => {
                let x_ticks = ticks::density_ticks(panel);
                let bottom = self.density_labels(&x_ticks, x, plot)?;
                (x_ticks.iter().map(|tick| tick.at).collect(), bottom)
            }
        };
        let y_ticks = y_ticks.iter().map(|tick| tick.at).collect();
        self.charts.push(Chart {
            panel,
            plot,
            x,
            y,
            x_ticks,
            y_ticks,
        });
        Ok(bottom)
    }

    /// The vertical axis' title, a little smaller where it is longer than the axis.
    fn y_title(&mut self, panel: &Panel, x: i32, plot: Rect) -> Result<(), DrawError> {
        let text = panel.y.label.clone();
        // One line only: the margin has no room for a second. An axis of 58 mm has room for some 40 letters.
        let mut font = Font::AXIS;
        while font.points > 6.0 && font.width(&text)? > plot.bottom - plot.top {
            font.points -= 0.25;
        }
        let (anchor, baseline) = (Anchor::Middle, (plot.top + plot.bottom) / 2);
        self.labels.push(Label {
            text,
            font,
            colour: Rgb::BLACK,
            anchor,
            x,
            baseline,
            upwards: true,
        });
        Ok(())
    }

    /// Tick labels and title of a linear axis; where they end.
    fn linear_labels(
        &mut self,
        x_ticks: &[Tick],
        title: &str,
        x: (f64, f64),
        plot: Rect,
    ) -> Result<i32, DrawError> {
        let mut spans = Vec::new();
        for tick in x_ticks {
            spans.push((horizontal(tick.at, x, plot), Font::TICK.width(&tick.text)?));
        }
        let top = plot.bottom + TICK + 50;
        for i in readable(&spans) {
            let baseline = top + baseline_offset(Font::TICK);
            self.label(
                &x_ticks[i].text,
                Font::TICK,
                Rgb::BLACK,
                Anchor::Middle,
                spans[i].0,
                baseline,
            );
        }
        let top = top + Font::TICK.line_height() + 20;
        let middle = (plot.left + plot.right) / 2;
        self.label(
            title,
            Font::AXIS,
            Rgb::BLACK,
            Anchor::Middle,
            middle,
            top + baseline_offset(Font::AXIS),
        );
        Ok(top + Font::AXIS.line_height())
    }

    /// Sparsities, and under them densities in grey; where they and their title end.
    fn density_labels(
        &mut self,
        x_ticks: &[DensityTick],
        x: (f64, f64),
        plot: Rect,
    ) -> Result<i32, DrawError> {
        let mut spans = Vec::new();
        for tick in x_ticks {
            let width = Font::TICK
                .width(&tick.sparsity)?
                .max(Font::TICK.width(&tick.density)?);
            spans.push((horizontal(tick.at, x, plot), width));
        }
        let first = plot.bottom + TICK + 50;
        let second = first + Font::TICK.line_height();
        for i in readable(&spans) {
            let offset = baseline_offset(Font::TICK);
            let (tick, middle) = (&x_ticks[i], spans[i].0);
            self.label(
                &tick.sparsity,
                Font::TICK,
                Rgb::BLACK,
                Anchor::Middle,
                middle,
                first + offset,
            );
            self.label(
                &tick.density,
                Font::TICK,
                QUIET,
                Anchor::Middle,
                middle,
                second + offset,
            );
        }
        let top = second + Font::TICK.line_height() + 20;
        let baseline = top + baseline_offset(Font::AXIS);
        let (sparsity, density) = ("sparsity (%)", "/ density");
        let gap = 80;
        let (left, right) = (Font::AXIS.width(sparsity)?, Font::AXIS.width(density)?);
        let start = (plot.left + plot.right - left - gap - right) / 2;
        self.label(sparsity, Font::AXIS, Rgb::BLACK, Anchor::Left, start, baseline);
        self.label(
            density,
            Font::AXIS,
            QUIET,
            Anchor::Left,
            start + left + gap,
            baseline,
        );
        Ok(top + Font::AXIS.line_height())
    }

    /// The legend, from `left` to the right rim: as many columns as fit, read down each.
    fn legend(&mut self, entries: Vec<Entry>, left: i32, top: i32) -> Result<(), DrawError> {
        let sample = legend::SAMPLE_WIDTH + SAMPLE_TO_LABEL;
        let room = self.width - left - 2 * MARGIN;
        let mut texts = Vec::new();
        for entry in &entries {
            let lines = Font::LEGEND.wrap(&entry.text, room - sample)?;
            let mut width = 0;
            for line in &lines {
                width = width.max(Font::LEGEND.width(line)?);
            }
            texts.push((lines, sample + width));
        }
        let rows = |columns: usize| entries.len().div_ceil(columns);
        let widths = |columns: usize| -> Vec<i32> {
            let column = |texts: &[(Vec<String>, i32)]| texts.iter().map(|t| t.1).max().unwrap_or(0);
            texts.chunks(rows(columns)).map(column).collect()
        };
        let total = |widths: &[i32]| widths.iter().sum::<i32>() + COLUMN_GAP * (widths.len() as i32 - 1);
        let n_columns = (1..=entries.len())
            .rev()
            .find(|&n| total(&widths(n)) <= room)
            .unwrap_or(1);
        let (n_rows, widths) = (rows(n_columns), widths(n_columns));

        let mut left = left + (self.width - left - total(&widths)) / 2;
        let line = Font::LEGEND.line_height();
        let mut columns = entries.into_iter().zip(texts).peekable();
        for width in widths {
            let mut row_top = top;
            for (entry, (lines, _)) in columns.by_ref().take(n_rows) {
                let middle = row_top + line / 2;
                let place = Rect {
                    left,
                    top: middle - line / 2 + 20,
                    right: left + legend::SAMPLE_WIDTH,
                    bottom: middle + line / 2 - 20,
                };
                self.keys.push(Key {
                    sample: entry.sample,
                    place,
                });
                row_top = self.lines(lines, Font::LEGEND, Rgb::BLACK, left + sample, row_top) + 15;
            }
            self.height = self.height.max(row_top);
            left += width + COLUMN_GAP;
        }
        Ok(())
    }

    fn label(&mut self, text: &str, font: Font, colour: Rgb, anchor: Anchor, x: i32, baseline: i32) {
        let text = text.to_owned();
        self.labels.push(Label {
            text,
            font,
            colour,
            anchor,
            x,
            baseline,
            upwards: false,
        });
    }
}

/// The ticks of a plot of the panel's height.
fn y_ticks(panel: &Panel, (low, high): (f64, f64)) -> Vec<Tick> {
    let wanted = match panel.height {
        Height::Full => 7,
        Height::Low => 5,
        Height::Strip => 3,
    };
    ticks::round_ticks(low, high, wanted)
}
