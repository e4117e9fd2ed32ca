//! The learning rate over epochs.

use crate::{Curve, DrawError, Panel, Point, Series, XAxis, YAxis};
use sculpt_rows::{IntervalOf, ScheduleRow};

/// The rates of the rows of the panel at `place`; a rate that stays through an epoch is a staircase.
///
/// # Errors
/// No such row.
pub fn schedule_panel(rows: &[ScheduleRow], place: &str, title: String) -> Result<Panel, DrawError> {
    let own: Vec<_> = rows.iter().filter(|row| row.panel == place).collect();
    let Some(first) = own.first() else {
        return Err(DrawError::NoRows { panel: title });
    };
    let mut points = Vec::new();
    for row in &own {
        if row.schedule.is_by_epoch() {
            step(&mut points, row.epoch, row.learning_rate);
        } else {
            points.push(Point::single(row.epoch, row.learning_rate));
        }
    }
    let x = XAxis::Linear {
        label: "epochs trained".to_owned(),
    };
    let y = YAxis {
        label: "learning rate".to_owned(),
        within: Some((0.0, f64::INFINITY)),
    };
    let curves = vec![Curve::new(Series::Schedule(first.schedule), points)];
    Ok(Panel::new(title, x, y, curves, IntervalOf::StudentT))
}

/// Adds an epoch of one rate: the level part of a staircase grows, or a new one begins.
fn step(points: &mut Vec<Point>, epoch: f64, rate: f64) {
    match points.last_mut() {
        Some(last) if last.mean == rate => last.x = epoch + 1.0,
        Some(_) | None => points.extend([Point::single(epoch, rate), Point::single(epoch + 1.0, rate)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rates_are_one_step() {
        let mut points = Vec::new();
        for (epoch, rate) in [(0.0, 0.1), (1.0, 0.1), (2.0, 0.01)] {
            step(&mut points, epoch, rate);
        }
        let corners: Vec<_> = points.iter().map(|p| (p.x, p.mean)).collect();
        assert_eq!(corners, [(0.0, 0.1), (2.0, 0.1), (2.0, 0.01), (3.0, 0.01)]);
    }
}
