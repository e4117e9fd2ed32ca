//! The training behind a state, node by node.

use crate::MeasureError;
use sculpt_experiments::{Node, NodeId, Point, Recipe, Setup, StateRef, Train};
use sculpt_rows::{ScheduleRow, StretchRow};
use sculpt_schedules::Schedule;

/// A Train node as far as a state takes it.
pub struct Stretch {
    /// The node.
    pub node: NodeId,
    /// Its description.
    pub train: Train,
    /// Epochs trained since initialisation, before it.
    pub from: u64,
    /// And after it.
    pub to: u64,
    /// Density that its mask was asked to have.
    pub density: f64,
}

/// Everything trained since initialisation along the weights of `state`, in the order of training.
///
/// # Panics
/// When the recipe lacks the state's node, or one that it comes from.
pub fn trained(recipe: &Recipe, state: &StateRef) -> Vec<Stretch> {
    let (mut stretches, mut at) = (Vec::new(), Some(state.clone()));
    while let Some(state) = at {
        let entry = recipe
            .get(&state.id)
            .expect("a recipe holds what its states come from");
        if let Node::Train(train) = &entry.node {
            stretches.push(Stretch {
                node: state.id.clone(),
                train: train.clone(),
                from: entry.epochs_before,
                to: recipe.epochs_trained(&state),
                density: entry.density,
            });
        }
        at = entry.node.trunk().cloned();
    }
    stretches.reverse();
    stretches
}

/// The set-up with the first of its seeds alone: recipes of all seeds are alike.
pub fn one_seed(mut setup: Setup) -> Setup {
    setup.seeds.truncate(1);
    setup
}

/// One row for each Train node behind a point of a panel.
///
/// # Panics
/// As [`trained`].
pub fn stretch_rows(panel: &str, point: &Point, recipe: &Recipe) -> Vec<StretchRow> {
    let row = |(cycle, stretch): (u32, Stretch)| StretchRow {
        panel: panel.to_owned(),
        method: point.method.id.to_owned(),
        seed: point.seed as u32,
        cycle,
        epoch_start: stretch.from as u32,
        epoch_end: stretch.to as u32,
        density: stretch.density,
        node: stretch.node.as_str().to_owned(),
    };
    (1..).zip(trained(recipe, &point.state)).map(row).collect()
}

/// Steps an epoch of schedules that change by step: their shape, whatever the size of the training set.
const STEPS: u32 = 10;

/// Longer cycles are sampled once an epoch, and these once in ten.
const LONG: u32 = 100;
const VERY_LONG: u32 = 2500;

/// The learning rate along the training behind a state: a row an epoch, and where the rate changes by step, ten an epoch of
/// short cycles; of cycles of thousands of epochs a row every tenth.
///
/// # Errors
/// A schedule out of range.
pub fn schedule_rows(
    panel: &str,
    state: &StateRef,
    recipe: &Recipe,
) -> Result<Vec<ScheduleRow>, MeasureError> {
    let mut rows = Vec::new();
    for (cycle, stretch) in (1..).zip(trained(recipe, state)) {
        let train = &stretch.train;
        let steps = if train.schedule.is_by_epoch() { 1 } else { STEPS };
        let every = match train.epochs {
            0..LONG => 1,
            LONG..VERY_LONG => steps,
            VERY_LONG.. if train.schedule.is_by_epoch() => steps,
            VERY_LONG.. => 10 * steps,
        };
        let schedule = Schedule::new(train.schedule, train.lr, train.epochs, steps)?;
        for step in (0..schedule.n_steps()).step_by(every as usize) {
            rows.push(ScheduleRow {
                panel: panel.to_owned(),
                schedule: train.schedule,
                cycle,
                density: stretch.density,
                epoch: stretch.from as f64 + step as f64 / f64::from(steps),
                learning_rate: schedule.lr(step),
                node: stretch.node.as_str().to_owned(),
            });
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sculpt_experiments::{
        At, DataFolder, Labels, Overrides, PanelName, Preset, PresetName, Show, grow, methods,
    };

    fn setup() -> Setup {
        let preset = Preset::new(PresetName::Paper, Overrides::default(), &DataFolder::default()).unwrap();
        one_seed(preset.panel(PanelName::A).unwrap())
    }

    /// SCULPT of the paper: eight cycles of 150 epochs at 30 % density, pruning, a cycle more at 0.8^10.
    #[test]
    fn pruning_stands_between_cycles() {
        let (setup, mut recipe) = (setup(), Recipe::default());
        let points = grow(
            &mut recipe,
            &setup,
            &[Show::last(&[&methods::SCULPT_70], At::Sparse)],
            Labels::Clean,
        );
        let ends = |p: &&Point| p.method == &methods::SCULPT_70 && p.density == setup.sparse_90;
        let end = points.iter().find(ends).unwrap();
        let stretches = trained(&recipe, &end.state);
        let found: Vec<_> = stretches.iter().map(|s| (s.from, s.to, s.density)).collect();
        let mut expected: Vec<_> = (0..8)
            .map(|cycle| (150 * cycle, 150 * (cycle + 1), 0.3))
            .collect();
        expected.push((1200, 1350, setup.sparse_90.get()));
        assert_eq!(found, expected);
    }

    /// WR's level starts from epoch 10 of the dense cycle: only as much of it is in the chain.
    #[test]
    fn a_rewound_chain_ends_where_the_weights_were_taken() {
        let (setup, mut recipe) = (setup(), Recipe::default());
        let points = grow(
            &mut recipe,
            &setup,
            &[Show::last(&[&methods::WR], At::Levels)],
            Labels::Clean,
        );
        let level = points
            .iter()
            .find(|p| p.method == &methods::WR && p.level == 3)
            .unwrap();
        let found: Vec<_> = trained(&recipe, &level.state)
            .iter()
            .map(|s| (s.from, s.to))
            .collect();
        assert_eq!(found, [(0, 10), (10, 160)]);
    }
}
