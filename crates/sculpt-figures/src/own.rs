//! Curves of a recipe of a user's own.

use crate::summary::{fraction_point, mean_point, positive_point};
use crate::{Curve, DrawError, Panel, Point, Series, XAxis, YAxis};
use sculpt_rows::IntervalOf;

/// What one state gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observed<'a> {
    /// Name of its curve.
    pub curve: &'a str,
    /// Seed of its run.
    pub seed: u32,
    /// The place that its curve calls it by: observations of all seeds there have one mean.
    pub place: f64,
    /// Where it stands on the axis.
    pub x: f64,
    /// What was measured.
    pub y: f64,
    /// Whether it was computed to its end.
    pub converged: bool,
}

/// What values there can be, and so how the interval of their mean is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Fractions of so many trials.
    Fraction(u32),
    /// Nothing below 0.
    Positive,
    /// Any number.
    Any,
}

/// A panel of these observations: a curve a name, in the order in which names come up, along the places in their order; each of a few
/// seeds is a thin line where `seeds` says so and a curve has several places.
///
/// # Errors
/// A mean that cannot be computed.
pub fn own_panel(
    title: impl Into<String>,
    x: XAxis,
    y_label: &str,
    observed: &[Observed<'_>],
    scale: Scale,
    seeds: bool,
) -> Result<Panel, DrawError> {
    let mut names: Vec<&str> = Vec::new();
    for one in observed {
        if !names.contains(&one.curve) {
            names.push(one.curve);
        }
    }
    let mut curves = Vec::new();
    for (place, name) in names.into_iter().enumerate() {
        let mut own: Vec<_> = observed.iter().filter(|one| one.curve == name).collect();
        own.sort_by(|a, b| a.place.total_cmp(&b.place));
        let mut points = Vec::new();
        for here in own.chunk_by(|a, b| a.place == b.place) {
            let of = |value: fn(&Observed<'_>) -> f64| here.iter().map(|one| value(one)).collect::<Vec<_>>();
            let (x, values) = (sculpt_stats::mean(&of(|one| one.x))?, of(|one| one.y));
            let point = match scale {
                Scale::Fraction(n_trials) => fraction_point(x, &values, n_trials)?,
                Scale::Positive => positive_point(x, &values)?,
                Scale::Any => mean_point(x, &values)?,
            };
            points.push(Point {
                converged: here.iter().all(|one| one.converged),
                ..point
            });
        }
        // A line of one point is none.
        let seeds = seeds && points.len() > 1;
        let curve = Curve::new(Series::Own(place), points).labelled(name);
        curves.push(if seeds {
            curve.beside_seeds(lines(&own))
        } else {
            curve
        });
    }
    let (within, interval) = match scale {
        Scale::Fraction(_) => (Some((0.0, 1.0)), IntervalOf::LogitT),
        Scale::Positive => (Some((0.0, f64::INFINITY)), IntervalOf::LogT),
        Scale::Any => (None, IntervalOf::StudentT),
    };
    let y = YAxis {
        label: y_label.to_owned(),
        within,
    };
    Ok(Panel::new(title, x, y, curves, interval))
}

/// What each seed gave, along the places; `own` are in the order of places.
fn lines(own: &[&Observed<'_>]) -> Vec<Vec<(f64, f64)>> {
    let mut seeds: Vec<u32> = own.iter().map(|one| one.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    let line = |seed| {
        let of_seed = own.iter().filter(|one| one.seed == seed);
        of_seed.map(|one| (one.x, one.y)).collect()
    };
    seeds.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three seeds at two densities of two curves; places come in any order, the x of one place is the mean of the seeds'.
    #[test]
    fn curves_stand_in_the_order_of_their_names_and_points_in_that_of_their_places() {
        let one = |curve, seed, place, x, y| Observed {
            curve,
            seed,
            place,
            x,
            y,
            converged: seed != 2,
        };
        let observed = [
            one("snip", 1, 0.5, 0.5, 0.8),
            one("snip", 1, 0.1, 0.1, 0.6),
            one("random", 1, 0.1, 0.1, 0.5),
            one("snip", 2, 0.1, 0.12, 0.7),
        ];
        let panel = own_panel("t", XAxis::Density, "y", &observed, Scale::Fraction(10), true).unwrap();
        let found: Vec<_> = panel
            .curves
            .iter()
            .map(|curve| (curve.label(), curve.points.len()))
            .collect();
        assert_eq!(found, [("snip".to_owned(), 2), ("random".to_owned(), 1)]);
        let first = panel.curves[0].points[0];
        assert_eq!((first.n, first.converged), (2, false));
        assert!((first.x - 0.11).abs() < 1e-12 && (first.mean - 0.65).abs() < 1e-12);
        assert_eq!(panel.curves[0].seeds.len(), 2);
        assert_eq!(panel.curves[0].seeds[0], [(0.1, 0.6), (0.5, 0.8)]);
        assert!(panel.curves[1].seeds.is_empty(), "one place is no line");
        assert_eq!(panel.interval, IntervalOf::LogitT);
    }
}
