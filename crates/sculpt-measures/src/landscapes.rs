//! Rows of figures of the loss between checkpoints that follow each other, and of its curvature at them.

use crate::{MeasureError, PanelNeeds, Session};
use sculpt_experiments::{Method, Point};
use sculpt_rows::{Along, BatchNorm, ImageSet, JumpRow, LineRow};
use std::collections::BTreeMap;

/// Which pairs of checkpoints that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairs {
    /// All.
    All,
    /// The first two.
    First,
    /// The last two.
    Last,
}

impl Session {
    /// The lines between these checkpoints of the methods that `drawn` says yes to.
    ///
    /// # Errors
    /// Data that are not at hand, a broken checkpoint, a loss that is not finite.
    pub fn line_rows(
        &self,
        panels: &[PanelNeeds],
        along: Along,
        which: Pairs,
        drawn: impl Fn(&Method) -> bool,
    ) -> Result<Vec<LineRow>, MeasureError> {
        let mut rows = Vec::new();
        for panel in panels {
            let mut pairs = Vec::new();
            for run in runs(&panel.points, along) {
                let all: Vec<_> = run.windows(2).map(|pair| (pair[0], pair[1])).collect();
                let n = all.len();
                let kept = all.into_iter().enumerate().filter(|(i, (a, _))| {
                    drawn(a.method)
                        && match which {
                            Pairs::All => true,
                            Pairs::First => *i == 0,
                            Pairs::Last => i + 1 == n,
                        }
                });
                pairs.extend(kept.map(|(_, pair)| pair));
            }
            let states: Vec<_> = pairs
                .iter()
                .map(|(a, b)| (a.state.clone(), b.state.clone()))
                .collect();
            for ((a, b), line) in pairs.iter().zip(self.lines(&panel.data, &states)?) {
                for (batch_norm, profiles) in BatchNorm::ALL.into_iter().zip(&line.profiles) {
                    for (set, profile) in ImageSet::ALL.into_iter().zip(profiles) {
                        for (i, alpha) in profile.alpha.iter().enumerate() {
                            rows.push(LineRow {
                                panel: panel.letter.to_owned(),
                                method: b.method.id.to_owned(),
                                seed: b.seed as u32,
                                density_target: b.density.get(),
                                from: count(a, along),
                                to: count(b, along),
                                set,
                                batch_norm,
                                alpha: *alpha,
                                loss: profile.loss[i],
                                error: profile.error[i],
                                node_from: a.state.id.as_str().to_owned(),
                                epoch_from: a.state.epoch,
                                node: b.state.id.as_str().to_owned(),
                                epoch: b.state.epoch,
                            });
                        }
                    }
                }
            }
        }
        Ok(rows)
    }

    /// The largest eigenvalue at every checkpoint of the methods that `curved` says yes to, cycle by cycle.
    ///
    /// # Errors
    /// As [`Session::line_rows`].
    pub fn eigenvalue_rows(
        &self,
        panels: &[PanelNeeds],
        curved: impl Fn(&Method) -> bool,
    ) -> Result<Vec<JumpRow>, MeasureError> {
        let mut rows = Vec::new();
        for panel in panels {
            let points: Vec<_> = panel.points.iter().filter(|point| curved(point.method)).collect();
            let states: Vec<_> = points.iter().map(|point| point.state.clone()).collect();
            for (point, found) in points.iter().zip(self.sharpness(&panel.data, &states)?) {
                let node = point.state.id.as_str();
                rows.push(JumpRow {
                    panel: panel.letter.to_owned(),
                    method: point.method.id.to_owned(),
                    seed: point.seed as u32,
                    density_target: point.density.get(),
                    from: point.cycle,
                    to: point.cycle,
                    set: ImageSet::Train,
                    batch_norm: None,
                    alpha: None,
                    loss: None,
                    error: None,
                    node_from: node.to_owned(),
                    epoch_from: point.state.epoch,
                    node: node.to_owned(),
                    epoch: point.state.epoch,
                    eigenvalue: Some(found.eigenvalue),
                    residual: Some(found.residual),
                    converged: Some(found.converged),
                });
            }
        }
        Ok(rows)
    }
}

/// The runs that the points are of, each in its order.
fn runs(points: &[Point], along: Along) -> Vec<Vec<&Point>> {
    let mut runs: BTreeMap<_, Vec<&Point>> = BTreeMap::new();
    for point in points {
        let density = match along {
            Along::Cycles => (1e9 * point.density.get()) as u32,
            Along::Levels => 0,
        };
        runs.entry((point.seed, point.method, density))
            .or_default()
            .push(point);
    }
    for run in runs.values_mut() {
        run.sort_by_key(|point| count(point, along));
    }
    runs.into_values().collect()
}

fn count(point: &Point, along: Along) -> u32 {
    match along {
        Along::Cycles => point.cycle,
        Along::Levels => point.level,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RULES;

    /// Lines are measured under the rules in the order of the rows.
    #[test]
    fn rules_are_those_of_the_rows() {
        let rows = BatchNorm::ALL.map(|rule| rule.to_string());
        assert_eq!(RULES.map(|rule| rule.name().to_owned()), rows);
    }
}
