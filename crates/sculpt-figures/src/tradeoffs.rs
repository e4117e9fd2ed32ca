//! Accuracy against what it cost.

use crate::summary::fraction_point;
use crate::{Curve, DrawError, Named, Panel, Point, Series, XAxis, YAxis};
use sculpt_rows::{IntervalOf, Price, TradeoffRow};

/// One panel: a curve a method through its densities, and the front that nothing lies beyond, dotted. None where no row has the
/// price. `unit` is what the axis counts in, and `label` says so.
///
/// # Errors
/// A mean that cannot be computed.
pub fn tradeoff_panel(
    rows: &[&TradeoffRow],
    price: Price,
    (unit, label): (f64, &str),
    title: String,
    methods: &[Named],
) -> Result<Option<Panel>, DrawError> {
    let (mut curves, mut front) = (Vec::new(), Vec::new());
    let n_images = rows.iter().map(|row| row.n_images).max().unwrap_or(0);
    for method in methods {
        let own: Vec<_> = rows.iter().filter(|row| row.method == method.id).collect();
        let mut densities: Vec<f64> = own.iter().map(|row| row.density_target).collect();
        densities.sort_by(|a, b| b.total_cmp(a));
        densities.dedup();
        let mut points: Vec<Point> = Vec::new();
        for density in densities {
            let here = own.iter().filter(|row| row.density_target == density);
            let priced: Vec<_> = here
                .filter_map(|row| Some((row.price(price)? / unit, row.accuracy, row.is_on_front(price))))
                .collect();
            if priced.is_empty() {
                continue;
            }
            let x = priced.iter().map(|(x, ..)| x).sum::<f64>() / priced.len() as f64;
            let accuracies: Vec<f64> = priced.iter().map(|(_, y, _)| *y).collect();
            let point = fraction_point(x, &accuracies, n_images)?;
            if priced.iter().all(|(.., on_front)| *on_front) {
                let interval = None;
                front.push(Point { interval, ..point });
            }
            points.push(point);
        }
        if !points.is_empty() {
            curves.push(Curve::new(*method, points));
        }
    }
    if curves.is_empty() {
        return Ok(None);
    }
    front.sort_by(|a, b| a.x.total_cmp(&b.x));
    if front.len() > 1 {
        curves.push(Curve::new(Series::Front, front));
    }
    let x = XAxis::Linear {
        label: label.to_owned(),
    };
    let y = YAxis {
        label: "test accuracy (fraction)".to_owned(),
        within: Some((0.0, 1.0)),
    };
    Ok(Some(Panel::new(title, x, y, curves, IntervalOf::LogitT)))
}
