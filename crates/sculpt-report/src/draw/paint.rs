//! Draws a layout through plotters.

use super::error::DrawError;
use super::figure::{Curve, Figure, Interval, Point, Reference, XAxis};
use super::layout::{Anchor, Chart, Key, Label, Layout, Rect, TICK};
use super::legend::Sample;
use super::look::{Dash, Look, Marker, MarkerShape, Rgb};
use super::text::{FAMILY, PLOTTERS_EM, TOP_TO_BASELINE};
use super::ticks;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::{
    Cartesian2d, ChartBuilder, ChartContext, Circle, DrawingArea, FontFamily, IntoDrawingArea, IntoTextStyle,
    PathElement, Polygon, RGBColor, Rectangle, SVGBackend, ShapeStyle, Text, TextStyle, WHITE,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontTransform};

/// Widths of lines in hundredths of a millimetre: 0.25 mm are 0.7 pt.
const LINE: u32 = 27;
const THIN: u32 = 16;
const GRID: u32 = 10;
const AXIS: u32 = 18;

/// Radius of the circle that a marker fills.
const MARKER: f64 = 60.0;
/// White rim that parts a marker from what it covers.
const HALO: f64 = 12.0;
/// Half a cap of an error bar.
const CAP: i32 = 40;
/// Most sideways shift from curve to curve.
const SPREAD: f64 = 42.0;
/// Space between the markers of a long curve.
const MARKER_SPACE: f64 = 700.0;

const GRID_COLOUR: Rgb = Rgb(226, 226, 226);
const BAND_COLOUR: Rgb = Rgb(214, 232, 224);
const REFERENCE_COLOUR: Rgb = Rgb(85, 85, 85);

type Picture<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Context<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// The figure as a self-contained SVG: the same bytes for the same figure.
pub fn svg(figure: &Figure) -> Result<String, DrawError> {
    figure.check()?;
    let layout = Layout::new(figure)?;
    let mut drawn = String::new();
    {
        let size = (layout.width as u32, layout.height as u32);
        let picture = SVGBackend::with_string(&mut drawn, size).into_drawing_area();
        picture.fill(&WHITE)?;
        for chart in &layout.charts {
            draw_chart(&picture, chart)?;
        }
        for key in &layout.keys {
            draw_key(&picture, key)?;
        }
        for label in &layout.labels {
            draw_label(&picture, label)?;
        }
        picture.present()?;
    }
    // plotters counts in pixels: its opening tag gives way to one in millimetres.
    let body = drawn.split_once('>').map_or("", |(_, body)| body);
    let (width, height) = (layout.width, layout.height);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}mm\" height=\"{}mm\" \
         viewBox=\"0 0 {width} {height}\">\n<!-- {} -->\n<title>{}</title>{body}",
        f64::from(width) / 100.0,
        f64::from(height) / 100.0,
        figure.comment.replace("--", "- -").replace("--", "- -"),
        escaped(&figure.title),
    ))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn colour(Rgb(r, g, b): Rgb) -> RGBColor {
    RGBColor(r, g, b)
}

fn stroke(rgb: Rgb, width: u32) -> ShapeStyle {
    ShapeStyle {
        color: colour(rgb).into(),
        filled: false,
        stroke_width: width,
    }
}

fn fill(rgb: Rgb) -> ShapeStyle {
    ShapeStyle {
        color: colour(rgb).into(),
        filled: true,
        stroke_width: 0,
    }
}

fn draw_label(picture: &Picture<'_>, label: &Label) -> Result<(), DrawError> {
    let (font, em) = (label.font, label.font.em());
    let ink = colour(label.colour);
    let h_pos = match label.anchor {
        Anchor::Left => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::Right => HPos::Right,
    };
    let style: TextStyle<'_> = (FontFamily::Name(FAMILY), em * PLOTTERS_EM, font.style())
        .into_text_style(picture)
        .color(&ink)
        .pos(Pos::new(h_pos, VPos::Top));
    let rise = (em * TOP_TO_BASELINE).round() as i32;
    let (style, at) = if label.upwards {
        (
            style.transform(FontTransform::Rotate270),
            (label.x - rise, label.baseline),
        )
    } else {
        (style, (label.x, label.baseline - rise))
    };
    picture.draw(&Text::new(label.text.as_str(), at, style))?;
    Ok(())
}

fn draw_chart(picture: &Picture<'_>, chart: &Chart<'_>) -> Result<(), DrawError> {
    let Chart { panel, plot, .. } = chart;
    let area = picture.clone().shrink(
        (plot.left, plot.top),
        (plot.right - plot.left, plot.bottom - plot.top),
    );
    let mut context =
        ChartBuilder::on(&area).build_cartesian_2d(chart.x.0..chart.x.1, chart.y.0..chart.y.1)?;

    for reference in &panel.references {
        match reference {
            Reference::Band {
                range: Interval { low, high },
                ..
            } => {
                let corners = [(chart.x.0, *high), (chart.x.1, *low)];
                context.draw_series([Rectangle::new(corners, fill(BAND_COLOUR))])?;
            }
            Reference::Line { .. } => {}
        }
    }
    // plotters' own mesh cannot be told where its lines are on a continuous axis.
    let across = chart
        .y_ticks
        .iter()
        .map(|&y| vec![(chart.x.0, y), (chart.x.1, y)]);
    let upright = chart
        .x_ticks
        .iter()
        .map(|&x| vec![(x, chart.y.0), (x, chart.y.1)]);
    let grid = stroke(GRID_COLOUR, GRID);
    context.draw_series(across.chain(upright).map(|line| PathElement::new(line, grid)))?;
    for reference in &panel.references {
        match reference {
            Reference::Band { .. } => {}
            Reference::Line { y, .. } => {
                let (_, y) = context.backend_coord(&(chart.x.0, *y));
                reference_line(picture, plot.left, plot.right, y)?;
            }
        }
    }
    draw_axes(picture, chart, &context)?;

    let curves = curves_in_place(chart, &context);
    for curve in curves.iter().rev() {
        curve.draw_intervals(picture)?;
    }
    for curve in curves.iter().rev() {
        line(picture, &curve.path(), curve.look)?;
    }
    for curve in curves.iter().rev() {
        for at in curve.marked() {
            marker(picture, at, curve.look)?;
        }
    }
    Ok(())
}

fn draw_axes(picture: &Picture<'_>, chart: &Chart<'_>, context: &Context<'_, '_>) -> Result<(), DrawError> {
    let Rect {
        left,
        top,
        right,
        bottom,
    } = chart.plot;
    let style = stroke(Rgb::BLACK, AXIS);
    picture.draw(&PathElement::new(
        vec![(left, top), (left, bottom), (right, bottom)],
        style,
    ))?;
    for &tick in &chart.x_ticks {
        let (x, _) = context.backend_coord(&(tick, chart.y.0));
        picture.draw(&PathElement::new(vec![(x, bottom), (x, bottom + TICK)], style))?;
    }
    for &tick in &chart.y_ticks {
        let (_, y) = context.backend_coord(&(chart.x.0, tick));
        picture.draw(&PathElement::new(vec![(left - TICK, y), (left, y)], style))?;
    }
    Ok(())
}

/// A curve in the picture's coordinates.
struct Placed {
    look: Look,
    long: bool,
    points: Vec<PlacedPoint>,
    /// Edges of the plot, where intervals end.
    top: i32,
    bottom: i32,
    /// Where along the curve the first marker of many stands, so that curves take turns.
    first_marker: f64,
}

struct PlacedPoint {
    x: i32,
    y: i32,
    /// Places of the high and of the low end, perhaps outside the plot.
    interval: Option<(i32, i32)>,
}

fn curves_in_place(chart: &Chart<'_>, context: &Context<'_, '_>) -> Vec<Placed> {
    let panel = chart.panel;
    let spread = Spread::of(chart, context);
    let n = panel.curves.len() as f64;
    let place = |i: usize, curve: &Curve| {
        let at = |point: &Point| {
            let u = ticks::place(&panel.x, point.x);
            let (x, y) = context.backend_coord(&(u, point.mean));
            let end = |value| context.backend_coord(&(u, value)).1;
            let interval = point.interval.map(|Interval { low, high }| (end(high), end(low)));
            PlacedPoint {
                x: x + spread.shift(x, i),
                y,
                interval,
            }
        };
        let mut points: Vec<PlacedPoint> = curve.points.iter().map(at).collect();
        match panel.x {
            XAxis::Density => points.sort_by_key(|point| point.x),
            XAxis::Linear { .. } | XAxis::Count { .. } | XAxis::Shared { .. } => {}
        }
        let Rect { top, bottom, .. } = chart.plot;
        let first_marker = MARKER_SPACE * i as f64 / n;
        Placed {
            look: curve.look(),
            long: curve.is_long(),
            points,
            top,
            bottom,
            first_marker,
        }
    };
    panel
        .curves
        .iter()
        .enumerate()
        .map(|(i, curve)| place(i, curve))
        .collect()
}

/// How far points of one place are set apart, curve by curve.
struct Spread {
    /// Places in order; none if nothing is spread.
    places: Vec<i32>,
    n_curves: usize,
}

impl Spread {
    /// Nominal and achieved densities of one level lie closer than this: one place.
    const SAME_PLACE: i32 = 30;

    fn of(chart: &Chart<'_>, context: &Context<'_, '_>) -> Self {
        let panel = chart.panel;
        let points = panel
            .curves
            .iter()
            .flat_map(|curve| &curve.points)
            .filter(|_| panel.is_spread());
        let x = |point: &Point| {
            context
                .backend_coord(&(ticks::place(&panel.x, point.x), point.mean))
                .0
        };
        let mut places: Vec<i32> = points.map(x).collect();
        places.sort_unstable();
        places.dedup_by(|next, kept| *next - *kept <= Self::SAME_PLACE);
        Self {
            places,
            n_curves: panel.curves.len(),
        }
    }

    /// Shift of curve `i` at `x`: all curves keep within 0.6 of the narrower gap to the next place.
    fn shift(&self, x: i32, i: usize) -> i32 {
        let Some(place) = self.places.partition_point(|&place| place <= x).checked_sub(1) else {
            return 0;
        };
        let before = place
            .checked_sub(1)
            .map(|before| self.places[place] - self.places[before]);
        let after = self.places.get(place + 1).map(|after| after - self.places[place]);
        let steps = (self.n_curves - 1) as f64;
        let room = before
            .into_iter()
            .chain(after)
            .min()
            .map(|gap| 0.6 * f64::from(gap) / steps);
        let step = room.unwrap_or(SPREAD).min(SPREAD);
        ((i as f64 - steps / 2.0) * step).round() as i32
    }
}

impl Placed {
    fn path(&self) -> Vec<(i32, i32)> {
        self.points.iter().map(|point| (point.x, point.y)).collect()
    }

    /// Where markers stand: at every point, or along a long curve at even distances.
    fn marked(&self) -> Vec<(i32, i32)> {
        let path = self.path();
        if !self.long {
            return path;
        }
        let mut left = self.first_marker;
        let mut marked = Vec::new();
        for pair in path.windows(2) {
            if left <= 0.0 {
                marked.push(pair[0]);
                left += MARKER_SPACE;
            }
            left -= f64::from(pair[1].0 - pair[0].0).hypot(f64::from(pair[1].1 - pair[0].1));
        }
        marked
    }

    fn draw_intervals(&self, picture: &Picture<'_>) -> Result<(), DrawError> {
        if self.long {
            return self.draw_band(picture);
        }
        let style = stroke(self.look.colour, THIN);
        for point in &self.points {
            let Some((high, low)) = point.interval else {
                continue;
            };
            let (x, from, to) = (point.x, high.max(self.top), low.min(self.bottom));
            picture.draw(&PathElement::new(vec![(x, from), (x, to)], style))?;
            for (end, edge, inwards) in [(high, self.top, 1), (low, self.bottom, -1)] {
                let beyond = if inwards > 0 { end < edge } else { end > edge };
                if beyond {
                    let base = edge + inwards * 2 * CAP;
                    let arrow = vec![(x, edge), (x - CAP, base), (x + CAP, base)];
                    picture.draw(&Polygon::new(arrow, fill(self.look.colour)))?;
                } else {
                    picture.draw(&PathElement::new(vec![(x - CAP, end), (x + CAP, end)], style))?;
                }
            }
        }
        Ok(())
    }

    fn draw_band(&self, picture: &Picture<'_>) -> Result<(), DrawError> {
        let ends = |point: &PlacedPoint| {
            let (high, low) = point.interval?;
            Some((point.x, high.max(self.top), low.min(self.bottom)))
        };
        let ends: Vec<(i32, i32, i32)> = self.points.iter().filter_map(ends).collect();
        let upper = ends.iter().map(|&(x, high, _)| (x, high));
        let lower = ends.iter().rev().map(|&(x, _, low)| (x, low));
        let outline: Vec<(i32, i32)> = upper.chain(lower).collect();
        if !outline.is_empty() {
            let style = ShapeStyle {
                color: colour(self.look.colour).mix(0.18),
                filled: true,
                stroke_width: 0,
            };
            picture.draw(&Polygon::new(outline, style))?;
        }
        Ok(())
    }
}

fn draw_key(picture: &Picture<'_>, key: &Key) -> Result<(), DrawError> {
    let Rect {
        left,
        top,
        right,
        bottom,
    } = key.place;
    let middle = (top + bottom) / 2;
    match key.sample {
        Sample::Curve(look) => {
            line(picture, &[(left, middle), (right, middle)], look)?;
            marker(picture, ((left + right) / 2, middle), look)
        }
        Sample::Band => {
            picture.draw(&Rectangle::new([(left, top), (right, bottom)], fill(BAND_COLOUR)))?;
            Ok(())
        }
        Sample::Line => reference_line(picture, left, right, middle),
    }
}

fn reference_line(picture: &Picture<'_>, left: i32, right: i32, y: i32) -> Result<(), DrawError> {
    strokes(
        picture,
        &[(left, y), (right, y)],
        Dash::Dashed,
        stroke(REFERENCE_COLOUR, THIN),
    )
}

fn line(picture: &Picture<'_>, path: &[(i32, i32)], look: Look) -> Result<(), DrawError> {
    strokes(picture, path, look.dash, stroke(look.colour, LINE))
}

fn strokes(
    picture: &Picture<'_>,
    path: &[(i32, i32)],
    dash: Dash,
    style: ShapeStyle,
) -> Result<(), DrawError> {
    let path: Vec<(f64, f64)> = path.iter().map(|&(x, y)| (f64::from(x), f64::from(y))).collect();
    for piece in dash.strokes(&path) {
        let piece: Vec<(i32, i32)> = piece
            .iter()
            .map(|&(x, y)| (x.round() as i32, y.round() as i32))
            .collect();
        picture.draw(&PathElement::new(piece, style))?;
    }
    Ok(())
}

/// A marker on a white rim.
fn marker(picture: &Picture<'_>, at: (i32, i32), look: Look) -> Result<(), DrawError> {
    let Marker { shape, filled } = look.marker;
    let inside = if filled { look.colour } else { Rgb(255, 255, 255) };
    let outline = stroke(look.colour, 24);
    let white = Rgb(255, 255, 255);
    match figure_of(shape, at, MARKER) {
        Shape::Circle => {
            let circle = |radius: f64, style| Circle::new(at, radius.round() as i32, style);
            picture.draw(&circle(MARKER + 12.0 + HALO, fill(white)))?;
            picture.draw(&circle(MARKER, fill(inside)))?;
            picture.draw(&circle(MARKER, outline))?;
        }
        Shape::Closed(corners) => {
            // First and second corner again, so that the first corner is joined as the others are.
            let mut around = corners.clone();
            around.extend_from_slice(&corners[..2]);
            picture.draw(&PathElement::new(
                around.clone(),
                stroke(white, 24 + 2 * HALO as u32),
            ))?;
            picture.draw(&Polygon::new(corners, fill(inside)))?;
            picture.draw(&PathElement::new(around, outline))?;
        }
        Shape::Strokes(pieces) => {
            for style in [stroke(white, 30 + 2 * HALO as u32), stroke(look.colour, 30)] {
                for piece in &pieces {
                    picture.draw(&PathElement::new(piece.to_vec(), style))?;
                }
            }
        }
    }
    Ok(())
}

enum Shape {
    Circle,
    Closed(Vec<(i32, i32)>),
    Strokes(Vec<[(i32, i32); 2]>),
}

/// The marker's outline about `at`, the areas alike: `radius` is that of the circle.
fn figure_of(shape: MarkerShape, at: (i32, i32), radius: f64) -> Shape {
    // `n` corners, the first at `start` quarter turns from the right, counted upwards.
    let corners = |n: usize, size: f64, start: f64| -> Vec<(i32, i32)> {
        let corner = |i: usize| {
            let angle = std::f64::consts::PI * (start / 2.0 + 2.0 * i as f64 / n as f64);
            let (dx, dy) = (size * radius * angle.cos(), -size * radius * angle.sin());
            (at.0 + dx.round() as i32, at.1 + dy.round() as i32)
        };
        (0..n).map(corner).collect()
    };
    let through = |n: usize, size: f64, start: f64| {
        let ends = corners(2 * n, size, start);
        Shape::Strokes((0..n).map(|i| [ends[i], ends[i + n]]).collect())
    };
    match shape {
        MarkerShape::Circle => Shape::Circle,
        MarkerShape::Square => Shape::Closed(corners(4, 1.25, 0.5)),
        MarkerShape::TriangleUp => Shape::Closed(corners(3, 1.35, 1.0)),
        MarkerShape::TriangleDown => Shape::Closed(corners(3, 1.35, 3.0)),
        MarkerShape::Diamond => Shape::Closed(corners(4, 1.35, 1.0)),
        MarkerShape::Plus => through(2, 1.4, 0.0),
        MarkerShape::Cross => through(2, 1.4, 0.5),
        MarkerShape::Star => through(3, 1.4, 1.0),
        MarkerShape::None => Shape::Strokes(Vec::new()),
    }
}
