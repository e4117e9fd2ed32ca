use crate::{Point, ScoreError};
use sculpt_masks::{Density, Mask, Ties, keep_top};
use tch::{Device, Kind, Tensor};

/// A mask, and how clearly its scores chose it.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The mask.
    pub mask: Mask,
    /// Where equal scores did not choose, and the order of the layers did; none of a criterion that looks again and again.
    pub ties: Option<Ties>,
}

/// A score for each prunable weight, in layout order: the largest are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    values: Vec<f64>,
    within: Option<Mask>,
}

impl Scores {
    /// The scores; those computed in f32 are exact in f64. This crate's criteria give a pruned weight the score 0.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The mask of the `round(d·N)` largest scores among the weights not pruned already; of equal scores, the
    /// first in layout order survives.
    ///
    /// # Errors
    /// No survivors, or more than there are candidates.
    pub fn keep(&self, density: Density) -> Result<Mask, ScoreError> {
        let n_kept = density.n_kept(self.values.len())?;
        Ok(keep_top(&self.values, n_kept, self.within.as_ref())?)
    }

    /// The mask of [`Scores::keep`] with the ties at its threshold.
    ///
    /// # Errors
    /// As there.
    pub fn choose(&self, density: Density) -> Result<Choice, ScoreError> {
        let mask = self.keep(density)?;
        let ties = self.ties(&mask);
        Ok(Choice { mask, ties })
    }

    /// Where equal scores, and not the criterion, decided what a mask of [`Scores::keep`] keeps.
    pub fn ties(&self, mask: &Mask) -> Option<Ties> {
        Ties::of(&self.values, mask, self.within.as_ref())
    }

    /// From a vector over the prunable coordinates, as [`Point::prunable`] makes it; errors name the `criterion`. What the
    /// point has pruned never comes back, whatever its score.
    ///
    /// # Errors
    /// Another number of scores than of prunable weights, or one that is not finite.
    pub fn new(point: &Point<'_>, criterion: &'static str, scores: &Tensor) -> Result<Self, ScoreError> {
        let expected = point.layout().n_prunable();
        if scores.size() != [expected as i64] {
            return Err(ScoreError::Length {
                what: "the scores",
                found: scores.size(),
                expected,
            });
        }
        let scores = scores.to_device(Device::Cpu).to_kind(Kind::Double).contiguous();
        let mut values = vec![0.0; expected];
        scores.copy_data(&mut values, expected);
        if let Some(i) = first_non_finite(&values) {
            let mut places = point.layout().prunable().flat_map(|param| param.range());
            let place = places.nth(i).expect("a place for each score");
            return Err(point.non_finite_score(criterion, place, values[i]));
        }
        Ok(Self {
            values,
            within: point.mask().cloned(),
        })
    }
}

/// The place of the first number that is not finite.
fn first_non_finite(values: &[f64]) -> Option<usize> {
    // Without an early end the compiler looks at several numbers at once.
    if values
        .iter()
        .fold(true, |finite, value| finite & value.is_finite())
    {
        return None;
    }
    values.iter().position(|value| !value.is_finite())
}
