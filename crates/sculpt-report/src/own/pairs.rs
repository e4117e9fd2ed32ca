//! Which states of curves go together.

use crate::ReportError;
use sculpt_experiments::{Along, CurvePoint, NamedState, Recipe};
use sculpt_measures::Following;
use sculpt_rows::Along as LineAlong;
use std::collections::BTreeMap;

/// Names of the curves, in the order in which they come up.
pub(super) fn names(points: &[CurvePoint]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for point in points {
        if !names.contains(&point.curve) {
            names.push(point.curve.clone());
        }
    }
    names
}

/// The states of each curve and seed that follow each other: cycle by cycle, or from density to density, and what they are counted by.
pub(super) fn following<'a>(
    points: &'a [CurvePoint],
    along: &Along,
    recipe: &Recipe,
) -> (Vec<Following<'a>>, LineAlong) {
    let mut runs: BTreeMap<(usize, u64), Vec<&CurvePoint>> = BTreeMap::new();
    let names = names(points);
    for point in points {
        let place = names.iter().position(|name| *name == point.curve);
        runs.entry((place.unwrap_or_default(), point.seed))
            .or_default()
            .push(point);
    }
    let counted = match along {
        Along::Cycles | Along::Epochs => LineAlong::Cycles,
        Along::Density | Along::Axis(_) => LineAlong::Levels,
    };
    let mut pairs = Vec::new();
    for mut run in runs.into_values() {
        match along {
            // From dense to sparse, as levels are trained.
            Along::Density => run.sort_by(|a, b| b.x.total_cmp(&a.x)),
            Along::Cycles | Along::Epochs | Along::Axis(_) => run.sort_by(|a, b| a.x.total_cmp(&b.x)),
        }
        for (i, pair) in (1..).zip(run.windows(2)) {
            // Runs that know nothing of each other have no line worth a look.
            if !recipe
                .ancestors(&pair[1].named.state)
                .contains_key(&pair[0].named.state.id)
            {
                continue;
            }
            let (from, to) = match counted {
                LineAlong::Cycles => (pair[0].named.cycle, pair[1].named.cycle),
                LineAlong::Levels => (i, i + 1),
            };
            pairs.push(Following {
                from: (pair[0], from),
                to: (pair[1], to),
            });
        }
    }
    (pairs, counted)
}

/// The one state of the node `against` that goes with a state: of the same seed, with the same values where both have an axis other than
/// a density's, and of the same density; or the only one, where it has no other.
pub(super) fn partner<'a>(
    point: &CurvePoint,
    recipe: &Recipe,
    states: &'a [NamedState],
    against: &str,
) -> Result<&'a NamedState, ReportError> {
    // A density of the grid may be an earlier mask's.
    let is_density = |axis: &str| axis == "density" || axis.ends_with(".density");
    let agrees = |other: &NamedState| {
        let own = point.named.axes.iter().filter(|(axis, _)| !is_density(axis));
        let mut shared = own.filter_map(|(axis, value)| Some((other.axes.get(axis)?, value)));
        shared.all(|(theirs, own)| theirs == own)
    };
    let of_node = states
        .iter()
        .filter(|other| other.name == against && other.is_last());
    let all: Vec<_> = of_node
        .filter(|other| agrees(other) && recipe.seed_of(&other.state) == point.seed)
        .collect();
    // That of a loaded mask is what its counts give: less than a weight beside.
    let density = |other: &&NamedState| {
        recipe.get(&other.state.id).is_some_and(|entry| {
            let weights = entry.model.layout().n_prunable() as f64;
            weights * (entry.density - point.density).abs() < 1.0
        })
    };
    let same: Vec<_> = all.iter().copied().filter(density).collect();
    match (same.as_slice(), all.as_slice()) {
        ([one], _) | ([], [one]) => Ok(one),
        (_, found) => Err(ReportError::NoPartner {
            state: point.named.title(),
            against: against.to_owned(),
            n: found.len(),
        }),
    }
}
