use crate::ReportError;
use crate::draw::{Interval, Named, Point};
use sculpt_experiments::Method;
use sculpt_stats::mean_t_interval;

/// The mean of what seeds gave, with its 95 % Student-t interval, at `x`.
pub(crate) fn mean_point(x: f64, values: &[f64]) -> Result<Point, ReportError> {
    let summary = mean_t_interval(values, 0.95)?;
    Ok(Point {
        x,
        mean: summary.mean,
        interval: summary.interval.map(|i| Interval {
            low: i.low,
            high: i.high,
        }),
        n: summary.n,
    })
}

/// A method as pictures know it.
pub(crate) fn series(method: &'static Method) -> Named {
    Named {
        id: method.id,
        label: method.label,
    }
}

#[cfg(test)]
mod tests {
    use crate::draw::look_of;
    use sculpt_experiments::methods;

    #[test]
    fn every_method_has_a_look() {
        let without: Vec<_> = methods::ALL.iter().filter(|m| look_of(m.id).is_none()).collect();
        assert!(without.is_empty(), "{without:?}");
    }
}
