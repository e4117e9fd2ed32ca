//! What a method does, step by step: training and pruning as blocks over density and cycle.

use crate::{Curve, Height, Interval, Named, Panel, Point, Reference, Step, XAxis, YAxis};
use sculpt_rows::{IntervalOf, StretchRow};

/// Half of what parts two blocks of training, in cycles: a block of pruning stands there.
const GAP: f64 = 0.09;

/// The steps of the rows of panel `letter`, on an axis up to the last cycle of all rows; none where there is none
/// of it. `name` tells what a method of an id is called. A network begins dense, so that a mask found at initialisation is a
/// pruning step too.
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
    let (mut points, mut references) = (Vec::<Point>::new(), Vec::new());
    let mut before = 1.0;
    for row in own() {
        let (from, to) = (f64::from(row.cycle - 1), f64::from(row.cycle));
        references.push(block((from + GAP, to - GAP), (0.0, row.density), Step::Training));
        if row.density < before {
            let x = (from - 0.7 * GAP, from + 0.7 * GAP);
            references.push(block(x, (row.density, before), Step::Pruning));
        }
        before = row.density;
        for x in [from, to] {
            let here = (x, row.density);
            if points.last().is_none_or(|last| (last.x, last.mean) != here) {
                points.push(Point::single(x, row.density));
            }
        }
    }
    let x = XAxis::Shared {
        label: "cycles trained".to_owned(),
        end: rows.iter().map(|row| row.cycle).max().unwrap_or(0),
    };
    let y = YAxis {
        label: "density".to_owned(),
        within: Some((0.0, 1.0)),
    };
    let curves = vec![Curve::new(name(&first.method)?, points)];
    Ok(Some(Panel {
        references,
        height: Height::Low,
        ..Panel::new(format!("({letter}) {what}"), x, y, curves, IntervalOf::StudentT)
    }))
}

fn block(x: (f64, f64), (low, high): (f64, f64), step: Step) -> Reference {
    let label = match step {
        Step::Training => "a cycle of training",
        Step::Pruning => "a pruning step",
    };
    Reference::Block {
        x,
        range: Interval { low, high },
        step,
        label: label.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn row(panel: &str, cycle: u32, density: f64) -> StretchRow {
        StretchRow {
            panel: panel.to_owned(),
            method: "lrr".to_owned(),
            seed: 1,
            cycle,
            epoch_start: 8 * (cycle - 1),
            epoch_end: 8 * cycle,
            density,
            node: String::new(),
        }
    }

    /// Two cycles at one density are one line with a marker between; the axis is as long as that of the longest panel. Each cycle is a
    /// block as high as its density, and what is pruned before it a block from the density before, which was 1.
    #[test]
    fn a_block_goes_down_where_it_was_pruned() {
        let rows = [
            row("a", 1, 0.8),
            row("a", 2, 0.8),
            row("a", 3, 0.5),
            row("b", 5, 0.5),
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
            [(0.0, 0.8), (1.0, 0.8), (2.0, 0.8), (2.0, 0.5), (3.0, 0.5)]
        );
        assert!(matches!(panel.x, XAxis::Shared { end: 5, .. }));
        let edges = |reference: &Reference| match reference {
            Reference::Block { range, step, .. } => (*step, range.low, range.high),
            other => panic!("{other:?} is no block"),
        };
        let blocks: Vec<_> = panel.references.iter().map(edges).collect();
        let (training, pruning) = (Step::Training, Step::Pruning);
        assert_eq!(
            blocks,
            [
                (training, 0.0, 0.8),
                (pruning, 0.8, 1.0),
                (training, 0.0, 0.8),
                (training, 0.0, 0.5),
                (pruning, 0.5, 0.8)
            ]
        );
        assert_eq!(schematic_panel(&rows, ("c", "what"), name), Ok(None));
    }
}
