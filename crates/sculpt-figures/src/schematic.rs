//! Density over training epochs: a staircase a method.

use crate::{Curve, Named, Panel, Point, Reference, XAxis, YAxis};
use sculpt_rows::StretchRow;

/// The staircase of the rows of panel `letter`, on an axis up to the last epoch of all rows; none where there is none
/// of it. `name` tells what a method of an id is called.
///
/// # Errors
/// What `name` says of an id that it does not know.
pub fn schematic_panel<E>(
    rows: &[StretchRow],
    (letter, what): (&str, &str),
    name: impl Fn(&str) -> Result<Named, E>,
) -> Result<Option<Panel>, E> {
    let own = || rows.iter().filter(|row| row.panel == letter);
    let Some(first) = own().next() else {
        return Ok(None);
    };
    let mut points = Vec::<Point>::new();
    for row in own() {
        for x in [row.epoch_start, row.epoch_end].map(f64::from) {
            let here = (x, row.density);
            if points.last().is_none_or(|last| (last.x, last.mean) != here) {
                points.push(Point::single(x, row.density));
            }
        }
    }
    Ok(Some(Panel {
        title: format!("({letter}) {what}"),
        x: XAxis::Shared {
            label: "epochs trained".to_owned(),
            end: rows.iter().map(|row| row.epoch_end).max().unwrap_or(0),
        },
        y: YAxis {
            label: "density".to_owned(),
            within: Some((0.0, 1.0)),
        },
        curves: vec![Curve::new(name(&first.method)?, points)],
        references: vec![Reference::Line {
            y: 1.0,
            label: "dense network".to_owned(),
        }],
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn row(panel: &str, (start, end): (u32, u32), density: f64) -> StretchRow {
        StretchRow {
            panel: panel.to_owned(),
            method: "lrr".to_owned(),
            seed: 1,
            cycle: 1,
            epoch_start: start,
            epoch_end: end,
            density,
            node: String::new(),
        }
    }

    /// Two stretches of one density are one line with a marker between; the axis is as long as that of the longest panel.
    #[test]
    fn a_staircase_goes_down_where_it_was_pruned() {
        let rows = [
            row("a", (0, 8), 1.0),
            row("a", (8, 16), 1.0),
            row("a", (16, 24), 0.5),
            row("b", (0, 40), 0.5),
        ];
        let name = |id: &str| -> Result<Named, Infallible> {
            assert_eq!(id, "lrr");
            Ok(Named {
                id: "lrr",
                label: "LRR",
            })
        };
        let panel = schematic_panel(&rows, ("a", "what"), name).unwrap().unwrap();
        let corners: Vec<_> = panel.curves[0].points.iter().map(|p| (p.x, p.mean)).collect();
        assert_eq!(
            corners,
            [(0.0, 1.0), (8.0, 1.0), (16.0, 1.0), (16.0, 0.5), (24.0, 0.5)]
        );
        assert!(matches!(panel.x, XAxis::Shared { end: 40, .. }));
        assert_eq!(schematic_panel(&rows, ("c", "what"), name), Ok(None));
    }
}
