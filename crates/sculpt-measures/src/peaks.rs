//! Rows of where cyclic training is best.

use crate::{MeasureError, PanelNeeds, Session};
use sculpt_experiments::{Point, StateRef};
use sculpt_rows::PeakRow;
use std::collections::BTreeMap;

/// What a state gets right: of the images at even places, of those at odd ones.
#[derive(Clone, Copy)]
struct Halves {
    even: u32,
    odd: u32,
    n_odd: u32,
}

impl Halves {
    fn of(correct: &[bool]) -> Self {
        let count = |first: usize| {
            correct
                .iter()
                .skip(first)
                .step_by(2)
                .filter(|is_right| **is_right)
                .count()
        };
        Self {
            even: count(0) as u32,
            odd: count(1) as u32,
            n_odd: (correct.len() / 2) as u32,
        }
    }
}

/// The states of all seeds, by cycle.
type Curve<'a> = BTreeMap<u32, Vec<(&'a Point, Halves)>>;

impl Session {
    /// Of each curve of these panels, all of whose states are there, the cycle after which it is best.
    ///
    /// # Errors
    /// A broken checkpoint; a state whose classes of the test images are not known.
    pub fn peak_rows(&self, panels: &[PanelNeeds]) -> Result<Vec<PeakRow>, MeasureError> {
        let mut rows = Vec::new();
        for panel in panels {
            let states: Vec<StateRef> = panel.points.iter().map(|point| point.state.clone()).collect();
            let predictions = self.predictions(&states)?;
            let data = panel.data.loaded_as();
            // By method and density.
            let mut curves: BTreeMap<(&str, u64), Curve<'_>> = BTreeMap::new();
            for point in &panel.points {
                let correct = predictions.correct(&point.state, &data);
                let correct = correct.ok_or_else(|| MeasureError::NoPredictions {
                    id: point.state.id.clone(),
                    epoch: point.state.epoch,
                })?;
                let curve = curves
                    .entry((point.method.id, point.density.get().to_bits()))
                    .or_default();
                curve
                    .entry(point.cycle)
                    .or_default()
                    .push((point, Halves::of(&correct)));
            }
            // In the order of the panel's points.
            let mut told = Vec::new();
            for point in &panel.points {
                let key = (point.method.id, point.density.get().to_bits());
                if told.contains(&key) {
                    continue;
                }
                told.push(key);
                rows.extend(peak(panel, &curves[&key]));
            }
        }
        Ok(rows)
    }
}

/// A row a seed.
fn peak(panel: &PanelNeeds, curve: &Curve<'_>) -> Vec<PeakRow> {
    // Every cycle has the same seeds, so that sums say what means do.
    let sums = curve
        .iter()
        .map(|(&cycle, states)| (cycle, states.iter().map(|(_, halves)| halves.even).sum()));
    let peak_cycle = first_of_the_largest(sums);
    let (&cycles, last) = curve.last_key_value().expect("a curve has a state");
    let best = &curve[&peak_cycle];
    let row = |(point, halves): &(&Point, Halves)| {
        let (_, end) = last
            .iter()
            .find(|(end, _)| end.seed == point.seed)
            .expect("a state a seed and cycle");
        let fraction = |n: u32| f64::from(n) / f64::from(halves.n_odd);
        PeakRow {
            panel: panel.letter.to_owned(),
            method: point.method.id.to_owned(),
            density_target: point.density.get(),
            seed: point.seed as u32,
            cycles,
            peak_cycle,
            peak_epochs: panel.recipe.epochs_trained(&point.state) as u32,
            n_correct_chosen_on: halves.even,
            peak_n_correct: halves.odd,
            last_n_correct: end.odd,
            n_images: halves.n_odd,
            peak_accuracy: fraction(halves.odd),
            last_accuracy: fraction(end.odd),
            node: point.state.id.as_str().to_owned(),
            epoch: point.state.epoch,
        }
    };
    best.iter().map(row).collect()
}

/// The cycle of the largest sum; of equal ones the first, which costs least.
fn first_of_the_largest(sums: impl Iterator<Item = (u32, u32)>) -> u32 {
    let best = sums.reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.expect("a curve has a state").0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_places() {
        let halves = Halves::of(&[true, false, true, true, false, true, true]);
        assert_eq!((halves.even, halves.odd, halves.n_odd), (3, 2, 3));
    }

    #[test]
    fn of_equal_peaks_the_first() {
        assert_eq!(
            first_of_the_largest([(1, 4), (2, 9), (3, 9), (4, 8)].into_iter()),
            2
        );
        assert_eq!(first_of_the_largest([(5, 0)].into_iter()), 5);
    }
}
