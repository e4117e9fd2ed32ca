use crate::LabelNoiseError;
use sculpt_random::Stream;
use std::collections::BTreeMap;

/// `labels` rearranged so that none stands where an equal one stood.
///
/// A uniformly random order; then, in random order, each label that still stands in its own class is swapped
/// with one drawn uniformly from those whose swap leaves neither of the two in its class.
pub(crate) fn derange(labels: &[i64], stream: &mut Stream) -> Result<Vec<i64>, LabelNoiseError> {
    check_possible(labels)?;
    let n = labels.len();
    let mut deranged = labels.to_vec();
    stream.shuffle(&mut deranged);
    let mut unchanged: Vec<usize> = (0..n).filter(|&i| deranged[i] == labels[i]).collect();
    stream.shuffle(&mut unchanged);
    for i in unchanged {
        let class = labels[i];
        // An earlier swap may have moved it already; no swap puts a label into its own class.
        if deranged[i] != class {
            continue;
        }
        // There is a partner: `class` has at most n/2 labels, so at most n/2 places had it before and n/2
        // have it now, and place i is counted twice. Drawn until found: in the worst case, n draws on
        // average.
        let partner = loop {
            let j = stream.below(n as u64) as usize;
            if labels[j] != class && deranged[j] != class {
                break j;
            }
        };
        deranged.swap(i, partner);
    }
    Ok(deranged)
}

/// A class with more than half of the labels cannot move into the places of the others.
fn check_possible(labels: &[i64]) -> Result<(), LabelNoiseError> {
    let n_chosen = labels.len();
    let mut counts = BTreeMap::new();
    for &label in labels {
        *counts.entry(label).or_insert(0) += 1;
    }
    match counts.into_iter().find(|(_, count)| 2 * count > n_chosen) {
        None => Ok(()),
        Some((class, count)) => Err(LabelNoiseError::NoDerangement {
            class,
            count,
            n_chosen,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sculpt_random::{Purpose, Seed};

    fn derange_under(labels: &[i64], index: u64) -> Result<Vec<i64>, LabelNoiseError> {
        derange(labels, &mut Stream::new(Seed(1), Purpose::TEST, index))
    }

    /// Three classes of two have 10 derangements. Each has a probability between 0.0910 and 0.1358, by the
    /// enumeration in `crates/sculpt-label-noise/goldens/label_noise.py`; with 4,000 draws the standard
    /// deviations are below 0.0055, of which the bounds leave four.
    #[test]
    fn near_uniform() {
        let n_draws = 4_000;
        let mut counts = BTreeMap::new();
        for index in 0..n_draws {
            let deranged = derange_under(&[0, 0, 1, 1, 2, 2], index).unwrap();
            *counts.entry(deranged).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 10);
        for (deranged, count) in counts {
            let frequency = f64::from(count) / n_draws as f64;
            assert!((0.072..0.158).contains(&frequency), "{deranged:?}: {frequency}");
        }
    }

    /// Two classes of equal size can only change places: as narrow as it gets.
    #[test]
    fn exactly_half() {
        let labels: Vec<i64> = (0..1000).map(|i| i % 2).collect();
        let swapped: Vec<i64> = labels.iter().map(|label| 1 - label).collect();
        assert_eq!(derange_under(&labels, 0), Ok(swapped));
        assert_eq!(derange_under(&[], 0), Ok(vec![]));
    }

    #[test]
    fn more_than_half() {
        assert_eq!(
            derange_under(&[7, 3, 7, 7, 1], 0).unwrap_err().to_string(),
            "class 7 has 3 of the 5 chosen labels, more than half: they cannot all change class"
        );
        assert!(derange_under(&[7], 0).is_err());
    }

    proptest! {
        /// Possible if and only if no class has more than half; and then nothing is lost and nothing stays.
        #[test]
        fn whenever_possible(labels in proptest::collection::vec(0i64..4, 0..40), index: u64) {
            let largest = (0..4).map(|class| labels.iter().filter(|&&label| label == class).count()).max();
            match derange_under(&labels, index) {
                Ok(mut deranged) => {
                    prop_assert!(labels.iter().zip(&deranged).all(|(before, after)| before != after));
                    let mut sorted = labels.clone();
                    sorted.sort();
                    deranged.sort();
                    prop_assert_eq!(deranged, sorted);
                }
                Err(_) => prop_assert!(2 * largest.unwrap() > labels.len()),
            }
        }
    }
}
