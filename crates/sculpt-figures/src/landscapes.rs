//! The loss between checkpoints that follow each other, and its curvature at them.

use crate::summary::{mean_point, positive_point};
use crate::{Curve, DrawError, Height, Named, Panel, Point, Reference, Series, XAxis, YAxis};
use sculpt_rows::{Along, BatchNorm, Eigenvalue, ImageSet, IntervalOf, LineRow, sparsity};
use std::collections::BTreeMap;

/// What a row of panels shows.
#[derive(Clone, Copy, Debug)]
pub enum PanelRows<'a> {
    /// Methods of one row in one panel each.
    Methods(&'a [&'a [Named]]),
    /// Of one method, a density a row.
    Densities(Named),
    /// A user's own curves, in one panel.
    Own(&'a [String]),
}

/// What stands in a row, and what it is called.
struct RowOfPanels<'a> {
    rows: Vec<&'a LineRow>,
    drawn: Vec<Drawn>,
    what: String,
}

/// What is drawn as a curve.
#[derive(Clone)]
struct Drawn {
    /// What its rows call it.
    id: String,
    series: Series,
    label: Option<String>,
}

impl From<Named> for Drawn {
    fn from(method: Named) -> Self {
        Self {
            id: method.id.to_owned(),
            series: method.into(),
            label: None,
        }
    }
}

impl Drawn {
    /// A user's own curve, the `place`-th.
    fn own(place: usize, name: &str) -> Self {
        Self {
            id: name.to_owned(),
            series: Series::Own(place),
            label: Some(name.to_owned()),
        }
    }

    fn curve(&self, points: Vec<Point>) -> Curve {
        let curve = Curve::new(self.series, points);
        match &self.label {
            Some(label) => curve.labelled(label.clone()),
            None => curve,
        }
    }
}

/// For each of the methods or densities two rows of panels: the test loss at the left, the loss on training images at the right,
/// BatchNorm's statistics interpolated; and below, how far each lies above the straight line between its checkpoints, which is what a
/// barrier is.
///
/// # Errors
/// A mean that cannot be computed.
pub fn line_panels(rows: &[LineRow], along: Along, shown: PanelRows<'_>) -> Result<Vec<Panel>, DrawError> {
    let drawn: Vec<_> = rows
        .iter()
        .filter(|row| row.batch_norm == BatchNorm::ALL[0])
        .collect();
    let all = match shown {
        PanelRows::Methods(all) => {
            let row = |methods: &&[Named]| RowOfPanels {
                rows: drawn.clone(),
                drawn: methods.iter().copied().map(Drawn::from).collect(),
                what: match methods {
                    [one] => one.label.to_owned(),
                    _ => String::new(),
                },
            };
            all.iter().map(row).collect::<Vec<_>>()
        }
        PanelRows::Densities(method) => {
            let mut densities: Vec<f64> = drawn.iter().map(|row| row.density_target).collect();
            densities.sort_by(|a, b| b.total_cmp(a));
            densities.dedup();
            let row = |density: &f64| RowOfPanels {
                rows: drawn
                    .iter()
                    .copied()
                    .filter(|row| row.density_target == *density)
                    .collect(),
                drawn: vec![method.into()],
                what: sparsity(*density),
            };
            densities.iter().map(row).collect()
        }
        PanelRows::Own(names) => vec![RowOfPanels {
            rows: drawn.clone(),
            drawn: own(names),
            what: String::new(),
        }],
    };
    let height = if all.len() > 2 { Height::Low } else { Height::Full };
    let mut panels = Vec::new();
    for row in &all {
        for set in ImageSet::ALL {
            panels.push(Panel {
                height,
                ..row.losses(along, set)?
            });
        }
        for set in ImageSet::ALL {
            panels.push(row.excess(along, set)?);
        }
    }
    Ok(panels)
}

impl RowOfPanels<'_> {
    fn losses(&self, along: Along, set: ImageSet) -> Result<Panel, DrawError> {
        let loss = format!("{set} loss");
        let title = match self.what.as_str() {
            "" => loss.clone(),
            what => format!("{what}, {loss}"),
        };
        let y = YAxis {
            label: format!("{loss} (nats)"),
            within: Some((0.0, f64::INFINITY)),
        };
        let curves = self.curves(set, |row, _| row.loss, positive_point)?;
        Ok(Panel::new(title, axis(along), y, curves, IntervalOf::LogT))
    }

    /// What is left of the loss when the straight line between the checkpoints is taken away.
    fn excess(&self, along: Along, set: ImageSet) -> Result<Panel, DrawError> {
        let y = YAxis {
            label: "above line (nats)".to_owned(),
            within: None,
        };
        let curves = self.curves(set, |row, ends| row.loss - ends.at(row.alpha), mean_point)?;
        let title = "above the line between checkpoints";
        Ok(Panel {
            height: Height::Strip,
            references: vec![Reference::Line {
                y: 0.0,
                label: "straight line between checkpoints".to_owned(),
            }],
            ..Panel::new(title, axis(along), y, curves, IntervalOf::StudentT)
        })
    }

    /// A curve a method, of what `value` makes of a row and of the losses at the ends of its line.
    fn curves(
        &self,
        set: ImageSet,
        value: impl Fn(&LineRow, Ends) -> f64,
        mean: impl Fn(f64, &[f64]) -> Result<Point, DrawError>,
    ) -> Result<Vec<Curve>, DrawError> {
        let mut curves = Vec::new();
        for method in &self.drawn {
            let own = |row: &&&LineRow| row.method == method.id && row.set == set;
            let own: Vec<&LineRow> = self.rows.iter().filter(own).copied().collect();
            let seeds = seeds(&own, &value);
            let mut places: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
            for (place, value) in seeds.values().flatten() {
                places.entry(*place).or_default().push(*value);
            }
            let points = places
                .iter()
                .map(|(place, values)| mean(thousandths(*place), values));
            let points = points.collect::<Result<Vec<_>, _>>()?;
            if !points.is_empty() {
                let line = |line: BTreeMap<u32, f64>| {
                    line.into_iter()
                        .map(|(place, value)| (thousandths(place), value))
                        .collect()
                };
                let lines = seeds.into_values().map(line).collect();
                curves.push(method.curve(points).beside_seeds(lines));
            }
        }
        Ok(curves)
    }
}

/// Losses at the ends of a line.
#[derive(Clone, Copy)]
struct Ends {
    first: f64,
    last: f64,
}

impl Ends {
    /// On the straight line between them.
    fn at(self, alpha: f64) -> f64 {
        (1.0 - alpha) * self.first + alpha * self.last
    }
}

/// Of each seed its values along all lines, by the place in thousandths; ends that two lines share are one place, that of the
/// earlier line.
fn seeds(rows: &[&LineRow], value: impl Fn(&LineRow, Ends) -> f64) -> BTreeMap<u32, BTreeMap<u32, f64>> {
    let mut lines: BTreeMap<(u32, u32), Vec<&LineRow>> = BTreeMap::new();
    for row in rows {
        lines.entry((row.seed, row.from)).or_default().push(row);
    }
    let mut seeds: BTreeMap<u32, BTreeMap<u32, f64>> = BTreeMap::new();
    for ((seed, from), line) in lines {
        let end = |alpha: f64| line.iter().find(|row| row.alpha == alpha).map(|row| row.loss);
        // A line without its ends has no straight line between them: it is its own.
        let ends = end(0.0).zip(end(1.0));
        for row in &line {
            let place = (1000.0 * (f64::from(from) + row.alpha)).round() as u32;
            let (first, last) = ends.unwrap_or((row.loss, row.loss));
            let value = value(row, Ends { first, last });
            seeds.entry(seed).or_default().entry(place).or_insert(value);
        }
    }
    seeds
}

fn own(names: &[String]) -> Vec<Drawn> {
    let names = names.iter().enumerate();
    names.map(|(place, name)| Drawn::own(place, name)).collect()
}

fn thousandths(place: u32) -> f64 {
    f64::from(place) / 1000.0
}

fn axis(along: Along) -> XAxis {
    XAxis::Count {
        label: match along {
            Along::Cycles => "cycle".to_owned(),
            Along::Levels => "level".to_owned(),
        },
    }
}

/// The largest eigenvalues of these methods over cycles.
///
/// # Errors
/// A mean that cannot be computed.
pub fn curvature_panel(rows: &[Eigenvalue], shown: &[Named]) -> Result<Panel, DrawError> {
    let shown: Vec<_> = shown.iter().copied().map(Drawn::from).collect();
    // The largest eigenvalue of a Hessian at a minimum is not negative; where training left one that is, it is no logarithm's.
    let positive = rows.iter().all(|row| row.value >= 0.0);
    let (mean, interval): (fn(f64, &[f64]) -> _, _) = if positive {
        (positive_point, IntervalOf::LogT)
    } else {
        (mean_point, IntervalOf::StudentT)
    };
    let mut curves = Vec::new();
    for method in &shown {
        let mut places: BTreeMap<u32, (Vec<f64>, bool)> = BTreeMap::new();
        let mut seeds: BTreeMap<u32, Vec<(f64, f64)>> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.method == method.id) {
            let (values, converged) = places.entry(row.cycle).or_insert((Vec::new(), true));
            values.push(row.value);
            *converged &= row.converged;
            let line = seeds.entry(row.seed).or_default();
            line.push((f64::from(row.cycle), row.value));
        }
        let points = places.iter().map(|(cycle, (values, converged))| {
            let point: Point = mean(f64::from(*cycle), values)?;
            Ok(Point {
                converged: *converged,
                ..point
            })
        });
        let points = points.collect::<Result<Vec<_>, DrawError>>()?;
        if !points.is_empty() {
            let curve = method.curve(points);
            curves.push(curve.beside_seeds(seeds.into_values().collect()));
        }
    }
    let x = axis(Along::Cycles);
    let y = YAxis {
        label: "largest eigenvalue, train loss (nats)".to_owned(),
        within: positive.then_some((0.0, f64::INFINITY)),
    };
    let title = "largest eigenvalue of the Hessian";
    Ok(Panel::new(title, x, y, curves, interval))
}

/// `(a)`, `(b)`, … before the titles, also of what belongs to the panel above: two panels stand side by side.
pub fn letter(panels: &mut [Panel]) {
    let mut free = 'a'..='z';
    let mut given: Vec<char> = Vec::new();
    for (i, panel) in panels.iter_mut().enumerate() {
        let above = i.checked_sub(2).filter(|_| panel.height == Height::Strip);
        let letter = above.map(|above| given[above]).or_else(|| free.next());
        let letter = letter.unwrap_or('…');
        given.push(letter);
        panel.title = format!("({letter}) {}", panel.title).trim_end().to_owned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METHOD: Named = Named {
        id: "lrr",
        label: "LRR",
    };

    fn row(seed: u32, from: u32, alpha: f64, loss: f64) -> LineRow {
        LineRow {
            panel: "a".to_owned(),
            method: METHOD.id.to_owned(),
            seed,
            density_target: 0.1,
            from,
            to: from + 1,
            set: ImageSet::Test,
            batch_norm: BatchNorm::Interpolate,
            alpha,
            loss,
            error: 0.0,
            node_from: String::new(),
            epoch_from: 8,
            node: String::new(),
            epoch: 8,
        }
    }

    /// From 1 to 0.5 over 0.9, which lies 0.15 above the straight line's 0.75; then level. The end that both lines share is one point.
    #[test]
    fn a_barrier_is_what_lies_above_the_straight_line() {
        let line = |seed, shift: f64| {
            [
                (1, 0.0, 1.0),
                (1, 0.5, 0.9),
                (1, 1.0, 0.5),
                (2, 0.0, 0.5),
                (2, 1.0, 0.5),
            ]
            .map(|(from, alpha, loss)| row(seed, from, alpha, loss + shift))
        };
        let rows = [line(1, 0.0), line(2, 0.2)].concat();
        let panels = line_panels(&rows, Along::Cycles, PanelRows::Methods(&[&[METHOD]])).unwrap();
        assert_eq!(panels.len(), 4);
        let corners = |panel: &Panel| -> Vec<_> {
            let points = panel.curves[0].points.iter();
            points
                .map(|p| (p.x, (1000.0 * p.mean).round() / 1000.0, p.n))
                .collect()
        };
        let losses = [(1.0, 1.1, 2), (1.5, 1.0, 2), (2.0, 0.6, 2), (3.0, 0.6, 2)];
        assert_eq!(corners(&panels[0]), losses);
        let excess = [(1.0, 0.0, 2), (1.5, 0.15, 2), (2.0, 0.0, 2), (3.0, 0.0, 2)];
        assert_eq!(corners(&panels[2]), excess);
        assert_eq!(panels[0].curves[0].seeds.len(), 2);
        assert!(panels[1].curves.is_empty() && panels[2].height == Height::Strip);
        let mut panels = panels;
        letter(&mut panels);
        let titles: Vec<_> = panels.iter().map(|panel| panel.title.as_str()).collect();
        let above = "above the line between checkpoints";
        assert_eq!(titles[..2], ["(a) LRR, test loss", "(b) LRR, train loss"]);
        assert_eq!(titles[2..], [format!("(a) {above}"), format!("(b) {above}")]);
    }

    /// 1 and 9: Student's t about the mean of 5 goes down to 5 − 12.7 · 4 = −45.8, about its logarithm not below 0.
    #[test]
    fn eigenvalues_stay_above_0() {
        let row = |seed, value| Eigenvalue {
            method: METHOD.id.to_owned(),
            seed,
            cycle: 1,
            value,
            converged: true,
        };
        let panel = curvature_panel(&[row(1, 1.0), row(2, 9.0)], &[METHOD]).unwrap();
        let interval = panel.curves[0].points[0].interval.unwrap();
        assert!(0.0 < interval.low && interval.low < 1.0, "{interval:?}");
        assert_eq!(panel.curves[0].seeds, [[(1.0, 1.0)], [(1.0, 9.0)]]);
    }
}
