//! What the test images add to a contrast's uncertainty: with others of their kind the same states would have scored otherwise.

use sculpt_stats::{StatsError, Summary, mean_t_interval};
use std::collections::BTreeMap;

/// States, as (node, epoch), each with what its accuracy counts for.
pub(crate) type Weights = BTreeMap<(String, u32), f64>;

/// A number of accuracies, and what it is of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Points {
    /// In points.
    pub(crate) value: f64,
    pub(crate) of: Weights,
}

impl Points {
    /// A state's accuracy.
    pub(crate) fn of(value: f64, state: (String, u32)) -> Self {
        let of = [(state, 1.0)].into();
        Self { value, of }
    }

    /// The difference.
    pub(crate) fn minus(&self, other: &Self) -> Self {
        let mut of = self.of.clone();
        add(&mut of, &other.of, -1.0);
        Self {
            value: self.value - other.value,
            of,
        }
    }

    /// The mean of at least one.
    pub(crate) fn mean<'a>(all: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let n = all.clone().count() as f64;
        let mut of = Weights::new();
        all.clone().for_each(|one| add(&mut of, &one.of, 1.0 / n));
        Self {
            value: all.map(|one| one.value).sum::<f64>() / n,
            of,
        }
    }
}

impl std::ops::Neg for &Points {
    type Output = Points;

    fn neg(self) -> Points {
        let of = self.of.iter().map(|(state, weight)| (state.clone(), -weight));
        Points {
            value: -self.value,
            of: of.collect(),
        }
    }
}

fn add(to: &mut Weights, what: &Weights, times: f64) {
    for (state, weight) in what {
        *to.entry(state.clone()).or_default() += times * weight;
    }
}

/// Mean over images, in points, of what an image adds to the mean over seeds; its interval by Student's t over images, which
/// are paired: each was shown to every state. None where a state's answers are not known, or states saw other images.
pub(crate) fn of_images(
    seeds: &BTreeMap<u32, Weights>,
    correct: &BTreeMap<(String, u32), Vec<bool>>,
    level: f64,
) -> Result<Option<Summary>, StatsError> {
    let mut all = Weights::new();
    for weights in seeds.values() {
        add(&mut all, weights, 1.0 / seeds.len() as f64);
    }
    let mut points: Vec<f64> = Vec::new();
    for (state, weight) in &all {
        let Some(own) = correct.get(state) else {
            return Ok(None);
        };
        if points.is_empty() {
            points.resize(own.len(), 0.0);
        }
        if own.len() != points.len() {
            return Ok(None);
        }
        for (sum, is_right) in points.iter_mut().zip(own) {
            *sum += 100.0 * weight * f64::from(u8::from(*is_right));
        }
    }
    if points.len() < 2 {
        return Ok(None);
    }
    mean_t_interval(&points, level).map(Some)
}

/// Of the mean.
pub(crate) fn standard_error(images: &Summary) -> Option<f64> {
    let deviation = images.standard_deviation?;
    Some(deviation / (images.n as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(name: &str) -> (String, u32) {
        (name.to_owned(), 1)
    }

    /// One state against another on ten images: b = 3 right by the first alone, c = 1 by the second alone. The mean is
    /// (b − c) / n, and n² · se² · (n − 1) / n is b + c − (b − c)² / n: McNemar's b + c, less what the mean takes.
    #[test]
    fn two_states_are_mcnemars() {
        let bits = |text: &str| text.bytes().map(|bit| bit == b'1').collect::<Vec<_>>();
        let correct = [(state("a"), bits("1111100110")), (state("b"), bits("1100000111"))].into();
        let seeds = [(
            1,
            Points::of(70.0, state("a"))
                .minus(&Points::of(50.0, state("b")))
                .of,
        )]
        .into();
        let found = of_images(&seeds, &correct, 0.9).unwrap().unwrap();
        assert!((found.mean - 20.0).abs() < 1e-12);
        let se = standard_error(&found).unwrap() / 100.0;
        assert!((100.0 * se * se * 9.0 / 10.0 - (4.0 - 0.4)).abs() < 1e-12);
    }

    #[test]
    fn what_is_not_known_of_a_state_is_not_known_of_the_effect() {
        let pair = Points::of(1.0, state("a")).minus(&Points::of(1.0, state("b"))).of;
        let seeds: BTreeMap<u32, Weights> = [(1, pair)].into();
        let of = |b: Option<Vec<bool>>| {
            let mut correct: BTreeMap<_, _> = [(state("a"), vec![true, false, true])].into();
            correct.extend(b.map(|b| (state("b"), b)));
            of_images(&seeds, &correct, 0.9).unwrap().is_some()
        };
        assert!(of(Some(vec![true; 3])));
        assert!(!of(Some(vec![true; 2])) && !of(None));
        assert!(
            of_images(&BTreeMap::new(), &BTreeMap::new(), 0.9)
                .unwrap()
                .is_none()
        );
    }

    /// States in both terms count for what is left of them.
    #[test]
    fn weights_add_up() {
        let (a, b) = (Points::of(3.0, state("a")), Points::of(1.0, state("b")));
        let mean = Points::mean([&a, &b].into_iter());
        let less = mean.minus(&a);
        assert_eq!(less.value, -1.0);
        assert_eq!(less.of, [(state("a"), -0.5), (state("b"), 0.5)].into());
        assert_eq!((-&less).of, [(state("a"), 0.5), (state("b"), -0.5)].into());
    }
}
