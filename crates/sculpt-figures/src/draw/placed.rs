//! Curves at their places in the picture, set apart where they would cover each other.

use super::error::DrawError;
use super::figure::{Curve, Interval, Point, XAxis};
use super::layout::{Chart, Rect};
use super::look::{Dash, Look, MarkerShape, Rgb};
use super::marks::{THIN, strokes};
use super::paint::{Context, Picture, colour, fill, stroke};
use super::ticks;
use plotters::prelude::{PathElement, Polygon, ShapeStyle};
use plotters::style::Color;

/// Width of a seed's line, and how much of the way to white it is.
const SEED: u32 = 12;
const LIGHTER: f64 = 0.4;
/// Width of the edge where a band is cut off.
const CUT: u32 = 45;
/// Half a cap of an error bar.
const CAP: i32 = 40;
/// Most sideways shift from curve to curve, and from the first to the last at one place.
const STEP: f64 = 90.0;
const SPREAD: f64 = 380.0;
/// Space between the markers of a long curve.
const MARKER_SPACE: f64 = 700.0;

/// A curve in the picture's coordinates.
pub(super) struct Placed {
    pub(super) look: Look,
    long: bool,
    points: Vec<PlacedPoint>,
    /// What each seed gave, in the place of intervals.
    seeds: Vec<Vec<(i32, i32)>>,
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
    converged: bool,
}

pub(super) fn curves_in_place(chart: &Chart<'_>, context: &Context<'_, '_>) -> Vec<Placed> {
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
                converged: point.converged,
            }
        };
        let mut points: Vec<PlacedPoint> = curve.points.iter().map(at).collect();
        match panel.x {
            XAxis::Density => points.sort_by_key(|point| point.x),
            XAxis::Linear { .. } | XAxis::Count { .. } | XAxis::Shared { .. } | XAxis::Doubling { .. } => {}
        }
        let seed = |line: &Vec<(f64, f64)>| {
            let at = |&(x, y): &(f64, f64)| {
                let (x, y) = context.backend_coord(&(ticks::place(&panel.x, x), y));
                (x + spread.shift(x, i), y)
            };
            let mut line: Vec<_> = line.iter().map(at).collect();
            if panel.x == XAxis::Density {
                line.sort_by_key(|point| point.0);
            }
            line
        };
        let Rect { top, bottom, .. } = chart.plot;
        let first_marker = MARKER_SPACE * i as f64 / n;
        Placed {
            look: curve.look(),
            long: curve.is_long(),
            points,
            seeds: curve.seeds.iter().map(seed).collect(),
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
    /// In order; none if nothing is spread.
    places: Vec<Place>,
}

/// Where points of some curves stand.
struct Place {
    x: i32,
    /// In order, each once.
    curves: Vec<usize>,
}

impl Spread {
    /// Nominal and achieved densities of one level lie closer than this: one place.
    const SAME_PLACE: i32 = 30;

    fn of(chart: &Chart<'_>, context: &Context<'_, '_>) -> Self {
        let panel = chart.panel;
        // A line without markers hides none.
        let marked = |curve: &Curve| panel.is_spread() && curve.look().marker.shape != MarkerShape::None;
        let curves = panel.curves.iter().enumerate().filter(|(_, curve)| marked(curve));
        let at = |point: &Point| {
            context
                .backend_coord(&(ticks::place(&panel.x, point.x), point.mean))
                .0
        };
        let points = curves.flat_map(|(i, curve)| curve.points.iter().map(move |point| (at(point), i)));
        Self::over(points.collect())
    }

    /// From points of curves.
    fn over(mut points: Vec<(i32, usize)>) -> Self {
        points.sort_unstable();
        let mut places: Vec<Place> = Vec::new();
        for (x, curve) in points {
            match places.last_mut() {
                Some(last) if x - last.x <= Self::SAME_PLACE => last.curves.push(curve),
                Some(_) | None => places.push(Place {
                    x,
                    curves: vec![curve],
                }),
            }
        }
        for place in &mut places {
            place.curves.sort_unstable();
            place.curves.dedup();
        }
        Self { places }
    }

    /// Shift of curve `i` at `x`, among those that stand there: all keep within 0.6 of the narrower gap to the next place, and one
    /// alone stands where it is.
    fn shift(&self, x: i32, i: usize) -> i32 {
        let nearest = self
            .places
            .iter()
            .enumerate()
            .min_by_key(|(_, place)| (place.x - x).abs());
        let Some((n, place)) = nearest else {
            return 0;
        };
        let Ok(rank) = place.curves.binary_search(&i) else {
            return 0;
        };
        let neighbours = [n.checked_sub(1), Some(n + 1)].into_iter().flatten();
        let gaps = neighbours.filter_map(|other| Some((self.places.get(other)?.x - place.x).abs()));
        let room = gaps.min().map_or(SPREAD, |gap| SPREAD.min(0.6 * f64::from(gap)));
        let steps = place.curves.len() as f64 - 1.0;
        let step = if steps > 0.0 { STEP.min(room / steps) } else { 0.0 };
        ((rank as f64 - steps / 2.0) * step).round() as i32
    }
}

impl Placed {
    pub(super) fn path(&self) -> Vec<(i32, i32)> {
        self.points.iter().map(|point| (point.x, point.y)).collect()
    }

    /// Where markers stand: at every point, or along a long curve at even distances.
    pub(super) fn marked(&self) -> Vec<(i32, i32)> {
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

    /// Points that rest on a value that did not converge.
    pub(super) fn unconverged(&self) -> impl Iterator<Item = (i32, i32)> {
        let open = self.points.iter().filter(|point| !point.converged);
        open.map(|point| (point.x, point.y))
    }

    pub(super) fn draw_intervals(&self, picture: &Picture<'_>) -> Result<(), DrawError> {
        if !self.seeds.is_empty() {
            return self.draw_seeds(picture);
        }
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

    /// Thin lines, lighter than the mean's; dotted where that is.
    fn draw_seeds(&self, picture: &Picture<'_>) -> Result<(), DrawError> {
        let dash = match self.look.dash {
            Dash::Dotted => Dash::Dotted,
            Dash::Solid | Dash::Dashed | Dash::LongDashed | Dash::DashDot | Dash::DashDotDot => Dash::Solid,
        };
        let light = self.look.colour.towards(Rgb(255, 255, 255), LIGHTER);
        for seed in &self.seeds {
            strokes(picture, seed, dash, stroke(light, SEED))?;
        }
        Ok(())
    }

    /// A band, with a thick edge where the axis cuts it off.
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
        let cut = |is_cut: &dyn Fn((i32, i32)) -> bool, edge: i32| -> Result<(), DrawError> {
            for pair in self.points.windows(2) {
                let both = pair[0].interval.zip(pair[1].interval);
                if both.is_some_and(|(a, b)| is_cut(a) && is_cut(b)) {
                    let piece = vec![(pair[0].x, edge), (pair[1].x, edge)];
                    picture.draw(&PathElement::new(piece, stroke(self.look.colour, CUT)))?;
                }
            }
            Ok(())
        };
        cut(&|(high, _)| high < self.top, self.top)?;
        cut(&|(_, low)| low > self.bottom, self.bottom)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Curves 0, 1 and 2 at 1000 (with 10 and 30 of rounding), 1 and 2 at 1100, 2 alone at 3000. At 1000 three share the 60 of a gap of
    /// 100, at 1100 two; alone nothing moves, nor does a curve that is not there.
    #[test]
    fn what_stands_at_one_place_is_set_apart() {
        let points = [(1000, 0), (1010, 1), (1030, 2), (1100, 1), (1100, 2), (3000, 2)];
        let spread = Spread::over(points.to_vec());
        let shifts = |x: i32| [0, 1, 2].map(|i| spread.shift(x, i));
        assert_eq!(shifts(1000), [-30, 0, 30]);
        assert_eq!(shifts(1030), [-30, 0, 30]);
        assert_eq!(shifts(1095), [0, -30, 30]);
        assert_eq!(shifts(3000), [0, 0, 0]);
        assert_eq!(Spread::over(Vec::new()).shift(5, 0), 0);
    }

    /// Two are 0.9 mm apart, ten 3.8 mm from the first to the last.
    #[test]
    fn few_are_set_farther_apart() {
        let ends = |n: usize| {
            let spread = Spread::over((0..n).map(|i| (0, i)).collect());
            (spread.shift(0, 0), spread.shift(0, n - 1))
        };
        assert_eq!([ends(1), ends(2), ends(10)], [(0, 0), (-45, 45), (-190, 190)]);
    }
}
