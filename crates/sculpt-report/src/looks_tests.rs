//! What stands in one figure is told apart, in grey too.

use crate::accuracies::Accuracies;
use crate::figures::*;
use crate::landscapes::Landscape;
use crate::shows::AT_EQUAL_COST;
use crate::tradeoffs::FIGURE_19;
use sculpt_figures::{Named, PanelRows, look_of};
use std::collections::BTreeSet;

const ACCURACIES: [&Accuracies; 8] = [
    &FIGURE_2, &FIGURE_4, &FIGURE_5, &FIGURE_7, &FIGURE_8, &FIGURE_9, &FIGURE_10, &FIGURE_13,
];

fn of_landscape<R>(figure: &Landscape<R>) -> Vec<Named> {
    let rows = match figure.rows {
        PanelRows::Methods(rows) => rows.concat(),
        PanelRows::Densities(method) => vec![method],
        PanelRows::Own(_) => unreachable!("a figure of the paper shows methods"),
    };
    rows.into_iter().chain(figure.curvature.iter().copied()).collect()
}

/// The methods of each figure that shows some.
fn figures() -> Vec<(String, BTreeSet<&'static str>)> {
    let ids = |methods: Vec<Named>| methods.into_iter().map(|method| method.id).collect();
    let accuracies = ACCURACIES.map(|figure| {
        let shown = figure.plots.iter().flat_map(|plot| plot.curves);
        let methods = shown.map(|shown| shown.method).collect();
        (figure.name.to_string(), ids(methods))
    });
    let lines = [
        &FIGURE_6, &FIGURE_14, &FIGURE_15, &FIGURE_16, &FIGURE_17, &FIGURE_18,
    ];
    let lines = lines.map(|figure| (figure.name.to_string(), ids(of_landscape(figure))));
    let jumps = [(FIGURE_3.name.to_string(), ids(of_landscape(&FIGURE_3)))];
    let costs = AT_EQUAL_COST.iter().flat_map(|show| show.methods);
    let costs = [(
        FIGURE_19.name.to_string(),
        costs.map(|method| method.id).collect(),
    )];
    accuracies
        .into_iter()
        .chain(lines)
        .chain(jumps)
        .chain(costs)
        .collect()
}

/// Neither colour nor line is needed: in one figure each method has a marker of its own.
#[test]
fn markers_alone_tell_the_methods_of_a_figure_apart() {
    for (figure, methods) in figures() {
        let mut markers = BTreeSet::new();
        for id in &methods {
            let look = look_of(id).unwrap_or_else(|| panic!("{id} has no look"));
            let marker = (format!("{:?}", look.marker.shape), look.marker.filled);
            assert!(
                markers.insert(marker),
                "{figure}: the marker of {id} is another's too"
            );
        }
    }
}
