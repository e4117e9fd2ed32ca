//! Figure 19: accuracy against what training cost.

use crate::artefact::{Content, PanelSource};
use crate::words::{self, named};
use crate::{ReportError, Session, shows};
use sculpt_experiments::{Labels, Method, PanelName, Preset, Show};
use sculpt_figures::{Figure, Named, Panel, tradeoff_panel};
use sculpt_measures::Needs;
use sculpt_rows::{Name, Price, TradeoffRow};
use std::collections::BTreeMap;

/// A figure of accuracies over costs.
pub(crate) struct Tradeoffs {
    pub(crate) name: Name,
    pub(crate) title: &'static str,
}

pub(crate) static FIGURE_19: Tradeoffs = Tradeoffs {
    name: Name::Figure(19),
    title: "Accuracy against the cost of training",
};

const fn source(letter: &'static str, panel: PanelName, shows: &'static [Show]) -> PanelSource {
    PanelSource {
        letter,
        panel,
        once: false,
        shows,
        labels: Labels::Clean,
    }
}

const SOURCES: &[PanelSource] = &[
    source("a", PanelName::A, shows::AT_EQUAL_COST),
    source("b", PanelName::B, shows::AT_EQUAL_COST_WITHOUT_WR),
    source("c", PanelName::C, shows::AT_EQUAL_COST_WITHOUT_WR),
];

impl Content for Tradeoffs {
    type Row = TradeoffRow;

    fn sources(&self) -> &'static [PanelSource] {
        SOURCES
    }

    fn measure(&self, session: &Session, needs: &Needs) -> Result<Vec<TradeoffRow>, ReportError> {
        let measures = session.measures();
        let accuracies = measures.accuracy_rows(&needs.panels)?;
        let costs = measures.cost_rows(&needs.panels)?;
        let rows = accuracies.into_iter().zip(costs);
        let mut rows: Vec<_> = rows
            .map(|(accuracy, cost)| {
                assert_eq!(accuracy.node, cost.node, "both are told point by point");
                TradeoffRow {
                    panel: accuracy.panel,
                    method: accuracy.method,
                    density_target: accuracy.density_target,
                    seed: accuracy.seed,
                    accuracy: accuracy.accuracy,
                    n_correct: accuracy.n_correct,
                    n_images: accuracy.n_images,
                    measured: accuracy.measured,
                    epochs: cost.epochs,
                    flops_sparse_ideal: cost.flops_sparse_ideal,
                    seconds: cost.seconds,
                    pareto_epochs: false,
                    pareto_flops: false,
                    pareto_seconds: None,
                    node: accuracy.node,
                }
            })
            .collect();
        mark_fronts(&mut rows);
        Ok(rows)
    }

    fn draw(&self, rows: &[TradeoffRow], preset: &Preset) -> Result<Option<Figure>, ReportError> {
        let methods = || shows::AT_EQUAL_COST.iter().flat_map(|show| show.methods).copied();
        let curves: Vec<Named> = methods().map(named).collect();
        let (mut panels, mut absent, mut training) = (Vec::<Panel>::new(), Vec::new(), Vec::new());
        let mut columns = 1;
        for source in SOURCES {
            let own: Vec<_> = rows.iter().filter(|row| row.panel == source.letter).collect();
            let place = format!("({})", source.letter);
            if own.is_empty() {
                absent.push(place);
                continue;
            }
            let setup = preset.panel(source.panel)?;
            let data = format!("{place} {}, {}", setup.data_title, setup.model);
            let n_before = panels.len();
            for price in Price::ALL {
                let axis = match price {
                    Price::Epochs => (1.0, "epochs of training".to_owned()),
                    // One cycle of the dense network: its cyclic training has all of the preset's.
                    Price::Flops => {
                        let dense = own.iter().find(|row| row.density_target == 1.0);
                        let whole = dense.map_or(1.0, |row| row.flops_sparse_ideal);
                        let cycle = whole / f64::from(setup.cycles);
                        (cycle, "operations, sparse-ideal (dense cycles)".to_owned())
                    }
                    Price::Seconds => (60.0, "wall time (minutes)".to_owned()),
                };
                let (unit, label) = axis;
                panels.extend(tradeoff_panel(
                    &own,
                    price,
                    (unit, &label),
                    data.clone(),
                    &curves,
                )?);
            }
            columns = columns.max(panels.len() - n_before);
            let is_there = |method: &&Method| own.iter().any(|row| row.method == method.id);
            training.push((place, setup, methods().filter(is_there).collect()));
        }
        let absent: Vec<_> = absent.iter().map(String::as_str).collect();
        let recorded = rows.iter().any(|row| !row.measured);
        let footnote = [
            format!(
                "Each curve goes through the densities {}; what was trained on the way to a network is part of its cost, and the front is \
                 over all densities together. Wall times compare only what ran alone on its machine.",
                densities(rows)
            ),
            words::lengths(&training),
            words::absent(&absent),
            if recorded { words::RECORDED } else { "" }.to_owned(),
        ];
        let caption = words::caption(
            (self.name, self.title),
            words::subtitle(preset),
            words::sentences(&footnote),
        );
        // A row of panels a network, a column a price.
        Ok(Some(Figure {
            columns,
            ..caption.of_means(panels)
        }))
    }
}

/// `0.3, 0.1 and 0.05`: those below 1, from the largest.
fn densities(rows: &[TradeoffRow]) -> String {
    let mut all: Vec<f64> = rows
        .iter()
        .map(|row| row.density_target)
        .filter(|density| *density < 1.0)
        .collect();
    all.sort_by(|a, b| b.total_cmp(a));
    all.dedup();
    let words: Vec<_> = all.iter().map(f64::to_string).collect();
    match words.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => words.concat(),
    }
}

/// Marks the rows of whose method and density, in the mean over seeds, nothing of the panel is cheaper and better.
fn mark_fronts(rows: &mut [TradeoffRow]) {
    for price in Price::ALL {
        let mut sums: BTreeMap<(String, String, u64), (f64, f64, f64)> = BTreeMap::new();
        let key = |row: &TradeoffRow| {
            (
                row.panel.clone(),
                row.method.clone(),
                row.density_target.to_bits(),
            )
        };
        for row in rows.iter() {
            if let Some(cost) = row.price(price) {
                let (costs, accuracies, n) = sums.entry(key(row)).or_default();
                *costs += cost;
                *accuracies += row.accuracy;
                *n += 1.0;
            }
        }
        let means: BTreeMap<_, _> = sums
            .into_iter()
            .map(|(key, (cost, accuracy, n))| (key, (cost / n, accuracy / n)))
            .collect();
        for row in rows.iter_mut() {
            let own = key(row);
            let on_front = row.price(price).map(|_| {
                let mine = means[&own];
                let mut others = means.iter().filter(|((panel, ..), _)| *panel == own.0);
                !others.any(|(_, other)| is_beyond(*other, mine))
            });
            match price {
                Price::Epochs => row.pareto_epochs = on_front == Some(true),
                Price::Flops => row.pareto_flops = on_front == Some(true),
                Price::Seconds => row.pareto_seconds = on_front,
            }
        }
    }
}

/// Whether the first (cost, accuracy) is no dearer and no worse than the second, and one of them strictly.
fn is_beyond(a: (f64, f64), b: (f64, f64)) -> bool {
    a.0 <= b.0 && a.1 >= b.1 && a != b
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(
        panel: &str,
        method: &str,
        seed: u32,
        epochs: u32,
        accuracy: f64,
        seconds: Option<f64>,
    ) -> TradeoffRow {
        TradeoffRow {
            panel: panel.to_owned(),
            method: method.to_owned(),
            density_target: 0.1,
            seed,
            accuracy,
            n_correct: (1000.0 * accuracy) as u32,
            n_images: 1000,
            measured: true,
            epochs,
            flops_sparse_ideal: f64::from(epochs),
            seconds,
            pareto_epochs: false,
            pareto_flops: false,
            pareto_seconds: None,
            node: String::new(),
        }
    }

    /// Means: a 40 epochs, .8; b 40, .7; c 30, .75; d 50, .8. Nothing is beyond a and c; a is beyond b (as cheap, better) and d (as
    /// good, cheaper). In the other panel one stands alone.
    #[test]
    fn the_front_is_what_nothing_lies_beyond() {
        let mut rows = vec![
            row("a", "a", 1, 40, 0.9, Some(9.0)),
            row("a", "a", 2, 40, 0.7, Some(9.0)),
            row("a", "b", 1, 40, 0.7, Some(1.0)),
            row("a", "c", 1, 30, 0.75, None),
            row("a", "d", 1, 50, 0.8, Some(9.5)),
            row("b", "b", 1, 99, 0.1, None),
        ];
        mark_fronts(&mut rows);
        let on: Vec<_> = rows.iter().map(|row| row.pareto_epochs).collect();
        assert_eq!(on, [true, true, false, true, false, true]);
        assert!(rows.iter().all(|row| row.pareto_flops == row.pareto_epochs));
        let timed: Vec<_> = rows.iter().map(|row| row.pareto_seconds).collect();
        assert_eq!(
            timed,
            [Some(true), Some(true), Some(true), None, Some(false), None]
        );
    }
}
