//! The loss between checkpoints that follow each other, and its curvature at them.

use crate::summary::mean_point;
use crate::{Curve, DrawError, Named, Panel, Point, Stroke, XAxis, YAxis};
use sculpt_rows::{Along, BatchNorm, Eigenvalue, ImageSet, LineRow, sparsity};
use std::collections::BTreeMap;

/// What a row of panels shows.
#[derive(Clone, Copy, Debug)]
pub enum PanelRows<'a> {
    /// Methods of one row in one panel each.
    Methods(&'a [&'a [Named]]),
    /// Of one method, a density a row.
    Densities(Named),
}

/// A row of panels for each of the methods or densities: the test loss at the left, the loss on training images at the right,
/// BatchNorm's statistics interpolated. A method of `strokes` has its own line.
///
/// # Errors
/// A mean that cannot be computed.
pub fn line_panels(
    rows: &[LineRow],
    along: Along,
    shown: PanelRows<'_>,
    strokes: &[(Named, Stroke)],
) -> Result<Vec<Panel>, DrawError> {
    let drawn: Vec<_> = rows
        .iter()
        .filter(|row| row.batch_norm == BatchNorm::ALL[0])
        .collect();
    let mut panels = Vec::new();
    match shown {
        PanelRows::Methods(all) => {
            for methods in all {
                let what = if let [one] = methods { one.label } else { "" };
                for set in ImageSet::ALL {
                    panels.push(line_panel(&drawn, along, (methods, what), set, strokes)?);
                }
            }
        }
        PanelRows::Densities(method) => {
            let mut densities: Vec<f64> = drawn.iter().map(|row| row.density_target).collect();
            densities.sort_by(|a, b| b.total_cmp(a));
            densities.dedup();
            for density in densities {
                let of_density = drawn.iter().copied().filter(|row| row.density_target == density);
                let own: Vec<_> = of_density.collect();
                for set in ImageSet::ALL {
                    let what = sparsity(density);
                    panels.push(line_panel(&own, along, (&[method], &what), set, strokes)?);
                }
            }
        }
    }
    Ok(panels)
}

fn line_panel(
    rows: &[&LineRow],
    along: Along,
    (methods, what): (&[Named], &str),
    set: ImageSet,
    strokes: &[(Named, Stroke)],
) -> Result<Panel, DrawError> {
    let mut curves = Vec::new();
    for method in methods {
        let own = rows
            .iter()
            .filter(|row| row.method == method.id && row.set == set);
        let points = line_points(own.copied())?;
        if !points.is_empty() {
            let own = strokes.iter().find(|(other, _)| other == method);
            let stroke = own.map_or(Stroke::Own, |(_, stroke)| *stroke);
            curves.push(Curve::new(*method, points).stroked(stroke));
        }
    }
    let loss = match set {
        ImageSet::Test => "test loss",
        ImageSet::Train => "train loss",
    };
    Ok(Panel {
        title: if what.is_empty() {
            loss.to_owned()
        } else {
            format!("{what}, {loss}")
        },
        x: XAxis::Count {
            label: match along {
                Along::Cycles => "cycle".to_owned(),
                Along::Levels => "level".to_owned(),
            },
        },
        y: YAxis {
            label: format!("{loss} (nats)"),
            within: Some((0.0, f64::INFINITY)),
        },
        curves,
        references: Vec::new(),
    })
}

/// Means over seeds along all lines of a method.
fn line_points<'a>(rows: impl Iterator<Item = &'a LineRow>) -> Result<Vec<Point>, DrawError> {
    let mut places: BTreeMap<(u32, u32), Vec<f64>> = BTreeMap::new();
    for row in rows {
        // Ends that two lines share are one place.
        let place = f64::from(row.from) + row.alpha;
        let place = (1000.0 * place).round() as u32;
        let last = u32::from(row.alpha == 1.0);
        places.entry((place, 1 - last)).or_default().push(row.loss);
    }
    let mut points: Vec<Point> = Vec::new();
    for ((place, _), losses) in &places {
        let x = f64::from(*place) / 1000.0;
        if points.last().is_some_and(|point| point.x == x) {
            continue;
        }
        points.push(mean_point(x, losses)?);
    }
    Ok(points)
}

/// The largest eigenvalues of these methods over cycles.
///
/// # Errors
/// A mean that cannot be computed.
pub fn curvature_panel(rows: &[Eigenvalue], shown: &[(Named, Stroke)]) -> Result<Panel, DrawError> {
    let mut curves = Vec::new();
    for (method, stroke) in shown {
        let mut places: BTreeMap<u32, (Vec<f64>, bool)> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.method == method.id) {
            let (values, converged) = places.entry(row.cycle).or_insert((Vec::new(), true));
            values.push(row.value);
            *converged &= row.converged;
        }
        let points = places.iter().map(|(cycle, (values, converged))| {
            let point = mean_point(f64::from(*cycle), values)?;
            Ok(Point {
                converged: *converged,
                ..point
            })
        });
        let points = points.collect::<Result<Vec<_>, DrawError>>()?;
        if !points.is_empty() {
            curves.push(Curve::new(*method, points).stroked(*stroke));
        }
    }
    Ok(Panel {
        title: "largest eigenvalue of the Hessian".to_owned(),
        x: XAxis::Count {
            label: "cycle".to_owned(),
        },
        y: YAxis {
            label: "largest eigenvalue, train loss".to_owned(),
            // The largest of a Hessian at a minimum.
            within: Some((0.0, f64::INFINITY)),
        },
        curves,
        references: Vec::new(),
    })
}

/// `(a)`, `(b)`, … before the titles.
pub fn letter(panels: &mut [Panel]) {
    for (letter, panel) in ('a'..='z').zip(panels) {
        panel.title = format!("({letter}) {}", panel.title);
    }
}
