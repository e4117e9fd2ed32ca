//! Lines, dashes and markers, wherever they stand.

use super::error::DrawError;
use super::look::{Dash, Look, Marker, MarkerShape, Rgb};
use super::paint::{Picture, fill, stroke};
use plotters::prelude::{Circle, PathElement, Polygon, ShapeStyle};

/// Widths of lines in hundredths of a millimetre: 0.25 mm are 0.7 pt.
const LINE: u32 = 27;
pub(super) const THIN: u32 = 16;

/// Radius of the circle that a marker fills.
const MARKER: f64 = 60.0;
/// White rim that parts a marker from what it covers.
const HALO: f64 = 12.0;

const REFERENCE_COLOUR: Rgb = Rgb(85, 85, 85);

pub(super) fn reference_line(picture: &Picture<'_>, left: i32, right: i32, y: i32) -> Result<(), DrawError> {
    strokes(
        picture,
        &[(left, y), (right, y)],
        Dash::Dashed,
        stroke(REFERENCE_COLOUR, THIN),
    )
}

pub(super) fn line(picture: &Picture<'_>, path: &[(i32, i32)], look: Look) -> Result<(), DrawError> {
    strokes(picture, path, look.dash, stroke(look.colour, LINE))
}

pub(super) fn strokes(
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
pub(super) fn marker(picture: &Picture<'_>, at: (i32, i32), look: Look) -> Result<(), DrawError> {
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

/// A ring that a marker, or the line alone, stands in.
pub(super) fn ring(picture: &Picture<'_>, at: (i32, i32), look: Look) -> Result<(), DrawError> {
    picture.draw(&Circle::new(at, (2.0 * MARKER) as i32, stroke(look.colour, THIN)))?;
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
