//! Draws a layout through plotters.

use super::error::DrawError;
use super::figure::{Figure, Interval, Reference, Step};
use super::layout::{Anchor, Chart, Key, Label, Layout, Rect, TICK};
use super::legend::Sample;
use super::look::Rgb;
use super::marks::{line, marker, reference_line, ring};
use super::placed::curves_in_place;
use super::text::{FAMILY, PLOTTERS_EM, TOP_TO_BASELINE};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::{
    Cartesian2d, ChartBuilder, ChartContext, DrawingArea, FontFamily, IntoDrawingArea, IntoTextStyle,
    PathElement, RGBColor, Rectangle, SVGBackend, ShapeStyle, Text, TextStyle, WHITE,
};
use plotters::style::FontTransform;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Widths of lines in hundredths of a millimetre.
const GRID: u32 = 10;
const AXIS: u32 = 18;

const GRID_COLOUR: Rgb = Rgb(226, 226, 226);
const BAND_COLOUR: Rgb = Rgb(214, 232, 224);
/// Blocks are outlined, so that they are told apart without their colours.
const TRAINING_COLOUR: Rgb = Rgb(205, 223, 240);
const PRUNING_COLOUR: Rgb = Rgb::VERMILLION;

pub(super) type Picture<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Context<'a, 'b> =
    ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// The figure as a self-contained SVG: the same bytes for the same figure.
///
/// # Errors
/// What cannot be drawn honestly: no panel or more than 60, more than 3 columns; no curve or more than 10 in a panel, one without
/// points; a number that its axis has no place for; a mean of no seed; an interval that does not hold its mean; two legend
/// entries drawn alike.
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

pub(super) fn colour(Rgb(r, g, b): Rgb) -> RGBColor {
    RGBColor(r, g, b)
}

pub(super) fn stroke(rgb: Rgb, width: u32) -> ShapeStyle {
    ShapeStyle {
        color: colour(rgb).into(),
        filled: false,
        stroke_width: width,
    }
}

pub(super) fn fill(rgb: Rgb) -> ShapeStyle {
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
            Reference::Line { .. } | Reference::Block { .. } => {}
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
            Reference::Block {
                x: (from, to),
                range: Interval { low, high },
                step,
                ..
            } => {
                let corners = [(*from, *high), (*to, *low)];
                let corners = corners.map(|corner| context.backend_coord(&corner));
                block(picture, corners, *step)?;
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
        for at in curve.unconverged() {
            ring(picture, at, curve.look)?;
        }
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
        Sample::Block(step) => {
            let (x, half) = ((left + right) / 2, (bottom - top) / 2);
            let corners = match step {
                Step::Training => [(left, top), (right, bottom)],
                Step::Pruning => [(x - half, top), (x + half, bottom)],
            };
            block(picture, corners, step)
        }
    }
}

fn block(picture: &Picture<'_>, corners: [(i32, i32); 2], step: Step) -> Result<(), DrawError> {
    let inside = match step {
        Step::Training => TRAINING_COLOUR,
        Step::Pruning => PRUNING_COLOUR,
    };
    picture.draw(&Rectangle::new(corners, fill(inside)))?;
    // plotters gives the outline of a rectangle no width.
    let [(x0, y0), (x1, y1)] = corners;
    let around = vec![(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0), (x1, y0)];
    picture.draw(&PathElement::new(around, stroke(Rgb::BLACK, AXIS)))?;
    Ok(())
}
