use crate::{DrawError, Interval, Point};
use sculpt_stats::mean_t_interval;

/// The mean of what seeds gave, with its 95 % Student-t interval, at `x`.
pub(crate) fn mean_point(x: f64, values: &[f64]) -> Result<Point, DrawError> {
    let summary = mean_t_interval(values, 0.95)?;
    Ok(Point {
        x,
        mean: summary.mean,
        interval: summary.interval.map(|i| Interval {
            low: i.low,
            high: i.high,
        }),
        n: summary.n,
        converged: true,
    })
}
