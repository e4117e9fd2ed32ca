use crate::{Mask, Score, magnitude};
use sculpt_layout::Layout;
use std::fmt;

/// Equal scores of which a mask keeps some and prunes others: there the order of the layers decides, and no score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ties {
    /// Candidates whose score is the lowest that is kept.
    pub n_equal: usize,
    /// Those of them that are kept.
    pub n_kept: usize,
    /// All candidates.
    pub n_candidates: usize,
}

impl Ties {
    /// The ties at the threshold of a mask that keeps the highest scores among those that `within` keeps; none where the
    /// scores tell apart what is kept and what is not.
    ///
    /// # Panics
    /// When the masks are not of the scores' length.
    pub fn of<S: Score>(scores: &[S], mask: &Mask, within: Option<&Mask>) -> Option<Self> {
        assert_eq!(scores.len(), mask.len(), "a mask has a bit for each score");
        assert!(
            within.is_none_or(|within| within.len() == mask.len()),
            "a mask bounds as many scores as it has bits"
        );
        let kept = scores.iter().zip(mask.as_slice());
        let lowest = kept
            .filter(|&(_, &kept)| kept)
            .map(|(&score, _)| score)
            .reduce(|a, b| if b < a { b } else { a })?;
        let is_candidate = |i: usize| within.is_none_or(|within| within.get(i));
        let mut ties = Self {
            n_equal: 0,
            n_kept: 0,
            n_candidates: 0,
        };
        for (i, &score) in scores.iter().enumerate().filter(|&(i, _)| is_candidate(i)) {
            let is_equal = score == lowest;
            ties.n_candidates += 1;
            ties.n_equal += usize::from(is_equal);
            ties.n_kept += usize::from(is_equal && mask.get(i));
        }
        (ties.n_kept < ties.n_equal).then_some(ties)
    }

    /// The ties of a mask by magnitude.
    ///
    /// # Panics
    /// When `theta` or a mask is not of this layout.
    pub fn of_magnitudes(layout: &Layout, theta: &[f32], mask: &Mask, within: Option<&Mask>) -> Option<Self> {
        Self::of(&magnitude::scores(layout, theta), mask, within)
    }

    /// Whether no score differs from another.
    pub fn are_all(&self) -> bool {
        self.n_equal == self.n_candidates
    }
}

impl fmt::Display for Ties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            n_equal,
            n_kept,
            n_candidates,
        } = self;
        write!(
            f,
            "{n_equal} of {n_candidates} scores are equal at the threshold; the first {n_kept} of them in the order of the \
             layers are kept"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keep_top;

    #[track_caller]
    fn check(scores: &[f32], n_kept: usize, within: Option<&Mask>, expected: Option<(usize, usize, usize)>) {
        let mask = keep_top(scores, n_kept, within).unwrap();
        let ties = Ties::of(scores, &mask, within);
        assert_eq!(ties.map(|t| (t.n_equal, t.n_kept, t.n_candidates)), expected);
    }

    /// 3, 2, 2, 2, 0: the highest is alone, two keep one of three equal ones, four keep all three.
    #[test]
    fn ties_at_the_threshold() {
        let scores = [2.0, 3.0, 2.0, 0.0, 2.0];
        check(&scores, 1, None, None);
        check(&scores, 2, None, Some((3, 1, 5)));
        check(&scores, 3, None, Some((3, 2, 5)));
        check(&scores, 4, None, None);
        check(&scores, 5, None, None);
        check(&scores, 0, None, None);
        let within = Mask::from_bools(vec![true, true, true, true, false]);
        check(&scores, 2, Some(&within), Some((2, 1, 4)));
        check(&scores, 3, Some(&within), None);
    }

    #[test]
    fn all_may_tie() {
        let scores = [0.0f64, -0.0, 0.0];
        let mask = keep_top(&scores, 2, None).unwrap();
        let ties = Ties::of(&scores, &mask, None).unwrap();
        assert!(ties.are_all());
        assert_eq!(
            ties.to_string(),
            "3 of 3 scores are equal at the threshold; the first 2 of them in the order of the layers are kept"
        );
    }
}
