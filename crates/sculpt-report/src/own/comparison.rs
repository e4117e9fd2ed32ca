//! Two curves, compared seed by seed.

use crate::ReportError;
use sculpt_claims::{Question, adjusted};
use sculpt_experiments::Along;
use sculpt_rows::{OwnAccuracyRow, OwnContrastRow, Test};
use std::collections::{BTreeMap, BTreeSet};

/// A row for each place that both curves have, with the seeds that both have there, and one for the mean over all places.
pub(super) fn contrast_rows(
    accuracies: &[OwnAccuracyRow],
    along: &Along,
    (a, b): (&str, &str),
    question: Question,
) -> Result<Vec<OwnContrastRow>, ReportError> {
    let points = |curve: &str| {
        let own = accuracies.iter().filter(|row| row.curve == curve);
        own.map(|row| ((order(row.x), row.seed), 100.0 * row.accuracy))
            .collect::<BTreeMap<_, _>>()
    };
    let (of_a, of_b) = (points(a), points(b));
    // By place, what the seeds that both have differ by.
    let mut places: BTreeMap<i64, BTreeMap<u32, f64>> = BTreeMap::new();
    for ((place, seed), value) in &of_a {
        if let Some(other) = of_b.get(&(*place, *seed)) {
            places.entry(*place).or_default().insert(*seed, value - other);
        }
    }
    let x_of = |place: i64| accuracies.iter().map(|row| row.x).find(|x| order(*x) == place);
    let mut rows = Vec::new();
    for (place, values) in &places {
        rows.push(contrast_row(x_of(*place), values, along, (a, b), question)?);
    }
    if places.len() > 1 {
        // Seeds that have all places, so that no place weighs more in one than in another.
        let seeds = accuracies.iter().map(|row| row.seed).collect::<BTreeSet<_>>();
        let mean = |seed: u32| {
            let values: Option<Vec<f64>> = places.values().map(|values| values.get(&seed).copied()).collect();
            values.map(|values| (seed, values.iter().sum::<f64>() / values.len() as f64))
        };
        let means: BTreeMap<u32, f64> = seeds.into_iter().filter_map(mean).collect();
        if !means.is_empty() {
            rows.push(contrast_row(None, &means, along, (a, b), question)?);
        }
    }
    let is_tested = |row: &OwnContrastRow| row.x.is_some() && row.verdict.is_tested();
    let p: Vec<_> = rows
        .iter()
        .filter(|row| is_tested(row))
        .map(|row| row.p)
        .collect();
    for (row, p_holm) in rows.iter_mut().filter(|row| is_tested(row)).zip(adjusted(&p)) {
        row.p_holm = p_holm;
    }
    Ok(rows)
}

/// A number's place among numbers, as a key: that of its bits, negative ones turned.
fn order(x: f64) -> i64 {
    let bits = x.to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

fn contrast_row(
    x: Option<f64>,
    values: &BTreeMap<u32, f64>,
    along: &Along,
    (a, b): (&str, &str),
    question: Question,
) -> Result<OwnContrastRow, ReportError> {
    let differences: Vec<f64> = values.values().copied().collect();
    let answer = question.ask(&differences)?;
    let joined = |words: Vec<String>| words.join(" ");
    let place = match x {
        Some(x) => format!("at {} {x}", along.label()),
        None => "over all places".to_owned(),
    };
    let test = question.test();
    let null = match test {
        Test::Within => format!(
            "the mean of {a} − {b} is at least {} points from 0",
            question.bound()
        ),
        Test::Above | Test::Below | Test::Counted => {
            format!("the mean of {a} − {b} is not above {}", question.bound())
        }
    };
    Ok(OwnContrastRow {
        contrast: format!("{a} − {b}, {place}"),
        a: a.to_owned(),
        b: b.to_owned(),
        along: along.label(),
        x,
        seeds: joined(values.keys().map(ToString::to_string).collect()),
        values: joined(differences.iter().map(ToString::to_string).collect()),
        effect: answer.effect,
        low: answer.interval.map(|(low, _)| low),
        high: answer.interval.map(|(_, high)| high),
        deviation: answer.deviation,
        n: differences.len() as u32,
        test,
        bound: question.bound(),
        null,
        p: answer.p,
        p_holm: None,
        verdict: answer.verdict,
        smallest_effect: answer.smallest_effect,
        n_to_decide: answer.n_to_decide.map(|n| n as u32),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sculpt_rows::Verdict;

    fn row(curve: &str, seed: u32, x: f64, accuracy: f64) -> OwnAccuracyRow {
        OwnAccuracyRow {
            curve: curve.to_owned(),
            state: String::new(),
            seed,
            x,
            density_target: x,
            density: x,
            cycle: 1,
            epochs: 8,
            node: String::new(),
            epoch: 8,
            accuracy,
            n_correct: (1000.0 * accuracy) as u32,
            n_images: 1000,
            test_loss: 0.0,
            recorded_n_correct: None,
            measured: true,
        }
    }

    /// Differences of 1, 2 and 3 points at density 0.1, of 4, 5 and 6 at 0.5, where b has no seed 4: t = 2 √3 and 5 √3, so
    /// p = ½ (1 − t / √(2 + t²)) with two degrees of freedom. Over both places 2.5, 3.5, 4.5.
    #[test]
    fn curves_are_compared_seed_by_seed_at_each_place() {
        let mut rows = Vec::new();
        for (seed, (low, high)) in (1..).zip([(0.51, 0.74), (0.52, 0.75), (0.53, 0.76)]) {
            rows.extend([row("a", seed, 0.1, low), row("a", seed, 0.5, high)]);
            rows.extend([row("b", seed, 0.1, 0.5), row("b", seed, 0.5, 0.7)]);
        }
        rows.extend([row("a", 4, 0.1, 0.9), row("b", 1, 0.9, 0.9)]);
        let found = contrast_rows(&rows, &Along::Density, ("a", "b"), Question::BETTER).unwrap();
        let said: Vec<_> = found
            .iter()
            .map(|row| (row.x, (1e6 * row.effect).round() / 1e6, row.n, row.verdict))
            .collect();
        assert_eq!(
            said,
            [
                (Some(0.1), 2.0, 3, Verdict::Supported),
                (Some(0.5), 5.0, 3, Verdict::Supported),
                (None, 3.5, 3, Verdict::Supported)
            ]
        );
        let p = |mean: f64| {
            let t = mean * 3f64.sqrt();
            0.5 * (1.0 - t / (2.0 + t * t).sqrt())
        };
        let near = |found: Option<f64>, wanted: f64| {
            assert!((found.unwrap() - wanted).abs() < 1e-9, "{found:?} {wanted}");
        };
        near(found[0].p, p(2.0));
        near(found[1].p, p(5.0));
        // Holm: the smaller of two is doubled, the larger one stands.
        near(found[1].p_holm, 2.0 * p(5.0));
        near(found[0].p_holm, p(2.0));
        assert_eq!(found[2].p_holm, None);
        let apart = contrast_rows(&rows[..1], &Along::Density, ("a", "b"), Question::BETTER).unwrap();
        assert!(apart.is_empty());
    }

    #[test]
    fn keys_stand_in_the_order_of_their_numbers() {
        let numbers = [-2.0, -0.5, 0.0, 0.1, 0.5, 3.0];
        assert!(numbers.map(order).is_sorted());
    }
}
