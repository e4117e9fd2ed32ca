use crate::{DrawError, Figure, Interval, Point};
use sculpt_rows::{IntervalOf, SummaryRow};
use sculpt_stats::{mean_log_interval, mean_logit_interval, mean_t_interval};

/// Confidence level of all intervals (A.2).
const LEVEL: f64 = 0.95;

/// The mean of fractions of `n_trials` that seeds gave, with its 95 % interval on the logit, at `x`.
pub(crate) fn fraction_point(x: f64, values: &[f64], n_trials: u32) -> Result<Point, DrawError> {
    Ok(point(x, mean_logit_interval(values, n_trials, LEVEL)?))
}

/// The mean of what is never negative, with its 95 % interval on the logarithm, at `x`.
pub(crate) fn positive_point(x: f64, values: &[f64]) -> Result<Point, DrawError> {
    Ok(point(x, mean_log_interval(values, LEVEL)?))
}

/// The mean of what seeds gave, with its 95 % Student-t interval, at `x`.
pub(crate) fn mean_point(x: f64, values: &[f64]) -> Result<Point, DrawError> {
    Ok(point(x, mean_t_interval(values, LEVEL)?))
}

fn point(x: f64, summary: sculpt_stats::Summary) -> Point {
    Point {
        x,
        mean: summary.mean,
        interval: summary.interval.map(|i| Interval {
            low: i.low,
            high: i.high,
        }),
        n: summary.n,
        converged: true,
    }
}

/// What a picture shows as numbers: a row a point, panel by panel and curve by curve. Of a picture of what is not repeated none.
pub fn summary_rows(figure: &Figure) -> Vec<SummaryRow> {
    if figure.statistic.is_none() {
        return Vec::new();
    }
    let mut rows = Vec::new();
    for panel in &figure.panels {
        for curve in &panel.curves {
            rows.extend(curve.points.iter().map(|point| SummaryRow {
                panel: panel.title.clone(),
                series: curve.id(),
                label: curve.label(),
                x_is: panel.x.label().to_owned(),
                x: point.x,
                y_is: panel.y.label.clone(),
                mean: point.mean,
                low: point.interval.map(|interval| interval.low),
                high: point.interval.map(|interval| interval.high),
                interval: point.interval.map(|_| panel.interval),
                n: point.n as u32,
            }));
        }
    }
    rows
}

/// What mean and interval of a picture are, in words.
pub(crate) fn statistic(panels: &[crate::Panel]) -> String {
    let curves = || {
        panels
            .iter()
            .flat_map(|panel| panel.curves.iter().map(move |curve| (panel, curve)))
    };
    let has_interval = |points: &[Point]| points.iter().any(|point| point.interval.is_some());
    let barred = || curves().filter(|(_, curve)| curve.seeds.is_empty() && has_interval(&curve.points));
    let kinds = IntervalOf::ALL
        .into_iter()
        .filter(|kind| barred().any(|(panel, _)| panel.interval == *kind));
    let kinds: Vec<_> = kinds.map(|kind| kind.to_string()).collect();
    let seeds = curves().any(|(_, curve)| !curve.seeds.is_empty());
    match (seeds, kinds.is_empty()) {
        (true, true) => "mean over seeds, and each seed as a thin line".to_owned(),
        (true, false) => format!(
            "mean over seeds, and each of at most 5 seeds as a thin line, of more the 95 % interval ({})",
            kinds.join(", ")
        ),
        (false, true) => "mean over seeds".to_owned(),
        (false, false) => format!("mean and 95 % interval over seeds ({})", kinds.join(", ")),
    }
}
