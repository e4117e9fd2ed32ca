//! From one number a seed to a verdict.

use sculpt_rows::{Unit, Verdict};
use sculpt_stats::{StatsError, equivalence, paired_difference};
use std::collections::{BTreeMap, BTreeSet};

/// Error rate of every verdict (claims.md).
const ALPHA: f64 = 0.05;

/// Fewer seeds support nothing (claims.md).
const FEWEST_SEEDS: usize = 3;

/// One number a seed.
pub(crate) type BySeed = BTreeMap<u32, f64>;

/// A comparison that a claim, or a part of it, comes down to at one place.
#[derive(Clone, Debug)]
pub(crate) struct Contrast {
    /// What is compared, such as `lrr − random-cyclic, 50 % sparsity`.
    pub(crate) what: String,
    /// Where, such as `4a`.
    pub(crate) place: String,
    pub(crate) unit: Unit,
    pub(crate) rule: Rule,
    /// Empty where the suite has no such panel.
    pub(crate) values: BySeed,
}

/// What must be true of the mean over seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rule {
    /// It lies above this, by a one-sided t test. Below 0 this is "at least", the lower side of TOST.
    Above(f64),
    /// It lies below this, by a one-sided t test.
    Below(f64),
    /// It is nearer to 0 than this, by TOST.
    Within(f64),
    /// It is 0 or more. For counts, which no seed changes; alone it supports nothing.
    Exact,
}

/// What is known of a contrast, or, by its weakest contrast, of a claim.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    /// Mean over seeds.
    pub(crate) effect: Option<f64>,
    /// 95 % Student-t interval.
    pub(crate) interval: Option<(f64, f64)>,
    /// Seeds; counts have none.
    pub(crate) n: usize,
    /// None without spread: then the sign decides.
    pub(crate) p: Option<f64>,
    /// Of the contrast shown; none where there is none.
    pub(crate) shown: Option<(Unit, Rule)>,
    /// What was compared, and what was left out.
    pub(crate) contrast: String,
}

impl Contrast {
    fn judge(&self) -> Result<Finding, StatsError> {
        let values: Vec<f64> = self.values.values().copied().collect();
        let mut finding = Finding {
            verdict: Verdict::NotEnoughRuns,
            effect: None,
            interval: None,
            n: if self.rule == Rule::Exact { 0 } else { values.len() },
            p: None,
            shown: Some((self.unit, self.rule)),
            contrast: format!("{}, {}", self.what, self.place),
        };
        if values.is_empty() {
            return Ok(finding);
        }
        let against = |value: f64| vec![value; values.len()];
        let summary = paired_difference(&values, &against(0.0), 0.95)?;
        finding.effect = Some(summary.mean);
        finding.interval = summary.interval.map(|i| (i.low, i.high));
        finding.p = match self.rule {
            Rule::Above(bound) => paired_difference(&values, &against(bound), 0.95)?
                .test
                .map(|t| t.p_greater()),
            Rule::Below(bound) => paired_difference(&against(bound), &values, 0.95)?
                .test
                .map(|t| t.p_greater()),
            Rule::Within(margin) => equivalence(&values, &against(0.0), margin, ALPHA)?
                .test
                .map(|t| t.p),
            Rule::Exact => None,
        };
        let holds = finding.p.map_or(self.rule.holds(summary.mean), |p| p < ALPHA);
        if values.len() >= FEWEST_SEEDS || self.rule == Rule::Exact {
            finding.verdict = if holds {
                Verdict::Supported
            } else {
                Verdict::NotSupported
            };
        }
        Ok(finding)
    }
}

/// A claim holds when all of its contrasts do. Those of a panel that the suite has not, or has too few seeds of, are
/// left out and named, as long as one is left.
pub(crate) fn judge(contrasts: &[Contrast]) -> Result<Finding, StatsError> {
    let all = contrasts.iter().map(|c| Ok((c, c.judge()?)));
    let all = all.collect::<Result<Vec<_>, StatsError>>()?;
    let any = |test: fn(&Finding) -> bool| all.iter().any(|(_, finding)| test(finding));
    let verdict = if any(|f| f.verdict == Verdict::NotSupported) {
        Verdict::NotSupported
    } else if any(|f| f.verdict == Verdict::Supported && f.n >= FEWEST_SEEDS) {
        Verdict::Supported
    } else {
        Verdict::NotEnoughRuns
    };
    let judged = |finding: &Finding| {
        finding.effect.is_some()
            && (verdict == Verdict::NotEnoughRuns || finding.verdict != Verdict::NotEnoughRuns)
    };
    let (judged, left_out): (Vec<_>, Vec<_>) = all.iter().partition(|(_, finding)| judged(finding));
    // What is not supported has a larger p than what is.
    let p = |(contrast, finding): &(&Contrast, Finding)| {
        let sign = finding.effect.is_some_and(|mean| contrast.rule.holds(mean));
        finding.p.unwrap_or(if sign { 0.0 } else { 1.0 })
    };
    let weakest = judged.iter().min_by(|a, b| p(b).total_cmp(&p(a)));
    let mut shown = match weakest {
        Some((_, finding)) => finding.clone(),
        None => Finding {
            verdict,
            effect: None,
            interval: None,
            n: 0,
            p: None,
            shown: None,
            contrast: "nothing of it is in the suite".to_owned(),
        },
    };
    shown.verdict = verdict;
    if judged.len() > 1 {
        shown.contrast.push_str(&format!("; weakest of {}", judged.len()));
    }
    let seeds = |(contrast, finding): &(&Contrast, Finding)| match finding.n {
        0 => format!("{} (absent)", contrast.place),
        1 => format!("{} (1 seed)", contrast.place),
        n => format!("{} ({n} seeds)", contrast.place),
    };
    let left_out: BTreeSet<_> = left_out.into_iter().map(seeds).collect();
    if !left_out.is_empty() {
        let names: Vec<_> = left_out.into_iter().collect();
        shown
            .contrast
            .push_str(&format!("; left out: {}", names.join(", ")));
    }
    Ok(shown)
}

impl Rule {
    /// Whether a mean without spread obeys it.
    fn holds(self, mean: f64) -> bool {
        match self {
            Rule::Above(bound) => mean > bound,
            Rule::Below(bound) => mean < bound,
            Rule::Within(margin) => mean.abs() < margin,
            Rule::Exact => mean >= 0.0,
        }
    }

    /// How far the mean may be off, or must be; none for a plain sign.
    pub(crate) fn margin(self) -> Option<f64> {
        match self {
            Rule::Above(bound) | Rule::Below(bound) => (bound != 0.0).then_some(bound.abs()),
            Rule::Within(margin) => Some(margin),
            Rule::Exact => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contrast(place: &str, rule: Rule, values: &[f64]) -> Contrast {
        Contrast {
            what: "a − b".to_owned(),
            place: place.to_owned(),
            unit: Unit::Points,
            rule,
            values: (1..).zip(values.iter().copied()).collect(),
        }
    }

    #[track_caller]
    fn check(rule: Rule, values: &[f64], verdict: Verdict, p: Option<f64>) {
        let finding = judge(&[contrast("2a", rule, values)]).unwrap();
        assert_eq!((finding.verdict, finding.n), (verdict, values.len()));
        match (finding.p, p) {
            (Some(a), Some(b)) => assert!((a - b).abs() < 1e-10, "{a} {b}"),
            (a, b) => assert_eq!(a, b),
        }
    }

    /// With 2 degrees of freedom P(T > t) = ½ (1 − t / √(2 + t²)). Differences 1, 2, 3: mean 2, s = 1, s / √3 = 1 / √3.
    #[test]
    fn each_rule_by_hand() {
        let above = |t: f64| Some(0.5 * (1.0 - t / (2.0 + t * t).sqrt()));
        let root = 3f64.sqrt();
        // t = 2 √3: p = 0.037.
        check(
            Rule::Above(0.0),
            &[1.0, 2.0, 3.0],
            Verdict::Supported,
            above(2.0 * root),
        );
        // The wrong sign.
        check(
            Rule::Above(0.0),
            &[-1.0, -2.0, -3.0],
            Verdict::NotSupported,
            above(-2.0 * root),
        );
        // Half a point of grace: t = 2.5 √3.
        check(
            Rule::Above(-0.5),
            &[1.0, 2.0, 3.0],
            Verdict::Supported,
            above(2.5 * root),
        );
        // t = (4 − 2) √3, and (2.5 − 2) √3, which is too little.
        check(
            Rule::Below(4.0),
            &[1.0, 2.0, 3.0],
            Verdict::Supported,
            above(2.0 * root),
        );
        check(
            Rule::Below(2.5),
            &[1.0, 2.0, 3.0],
            Verdict::NotSupported,
            above(0.5 * root),
        );
        // TOST: the farther side is t = (4 − 2) √3 again.
        check(
            Rule::Within(4.0),
            &[1.0, 2.0, 3.0],
            Verdict::Supported,
            above(2.0 * root),
        );
        check(
            Rule::Within(2.5),
            &[1.0, 2.0, 3.0],
            Verdict::NotSupported,
            above(0.5 * root),
        );
    }

    /// Without spread there is no t: the sign decides, and 0 is not above 0.
    #[test]
    fn equal_differences_have_no_p() {
        check(Rule::Above(0.0), &[0.5; 3], Verdict::Supported, None);
        check(Rule::Above(0.0), &[0.0; 3], Verdict::NotSupported, None);
        check(Rule::Within(0.5), &[0.0; 3], Verdict::Supported, None);
        check(Rule::Within(0.5), &[0.5; 3], Verdict::NotSupported, None);
        check(Rule::Below(0.05), &[0.01; 3], Verdict::Supported, None);
    }

    /// Mean 2 ± 4.3027 / √3 = 2.4841.
    #[test]
    fn effect_and_interval() {
        let finding = judge(&[contrast("2a", Rule::Above(0.0), &[1.0, 2.0, 3.0])]).unwrap();
        let (low, high) = finding.interval.unwrap();
        assert_eq!(finding.effect, Some(2.0));
        assert!(
            (low + 0.4841).abs() < 1e-4 && (high - 4.4841).abs() < 1e-4,
            "{low} {high}"
        );
        assert_eq!(finding.contrast, "a − b, 2a");
    }

    /// However clear: 100 and 100.001 give p = 3e-6.
    #[test]
    fn fewer_than_three_seeds_support_nothing() {
        for rule in [Rule::Above(0.0), Rule::Below(1e3), Rule::Within(1e3)] {
            for values in [&[][..], &[100.0], &[100.0, 100.001]] {
                let finding = judge(&[contrast("2a", rule, values)]).unwrap();
                assert_eq!(
                    (finding.verdict, finding.n),
                    (Verdict::NotEnoughRuns, values.len())
                );
                assert_eq!(finding.effect.is_some(), !values.is_empty());
            }
        }
        assert_eq!(judge(&[]).unwrap().verdict, Verdict::NotEnoughRuns);
    }

    #[test]
    fn absent_panels_and_single_seeds_are_left_out_and_named() {
        let good = contrast("4a", Rule::Above(0.0), &[1.0, 2.0, 3.0]);
        let all = [
            contrast("4c", Rule::Above(0.0), &[]),
            good.clone(),
            contrast("5b", Rule::Above(0.0), &[-9.0]),
        ];
        let finding = judge(&all).unwrap();
        assert_eq!(finding.verdict, Verdict::Supported);
        assert_eq!(finding.contrast, "a − b, 4a; left out: 4c (absent), 5b (1 seed)");
        let none = judge(&all[..1]).unwrap();
        assert_eq!(
            (none.verdict, none.n, none.effect),
            (Verdict::NotEnoughRuns, 0, None)
        );
        assert_eq!(
            none.contrast,
            "nothing of it is in the suite; left out: 4c (absent)"
        );
        let few = judge(&[all[0].clone(), all[2].clone()]).unwrap();
        assert_eq!((few.verdict, few.effect), (Verdict::NotEnoughRuns, Some(-9.0)));
        assert_eq!(few.contrast, "a − b, 5b; left out: 4c (absent)");
    }

    #[test]
    fn the_weakest_part_is_shown_and_one_that_fails_is_enough() {
        let strong = contrast("4a", Rule::Above(0.0), &[10.0, 10.1, 10.2]);
        let weak = contrast("4b", Rule::Above(0.0), &[1.0, 2.0, 3.0]);
        let wrong = contrast("4c", Rule::Above(0.0), &[1.0, -2.0, -3.0]);
        let finding = judge(&[strong.clone(), weak.clone()]).unwrap();
        assert_eq!(finding.verdict, Verdict::Supported);
        assert_eq!(finding.contrast, "a − b, 4b; weakest of 2");
        let finding = judge(&[strong, wrong, weak]).unwrap();
        assert_eq!(finding.verdict, Verdict::NotSupported);
        assert_eq!(finding.contrast, "a − b, 4c; weakest of 3");
    }

    /// Counts can refute, but not support alone.
    #[test]
    fn counts_refute_but_do_not_support() {
        let count = |value| contrast("table 2", Rule::Exact, &[value]);
        assert_eq!(judge(&[count(-1.0)]).unwrap().verdict, Verdict::NotSupported);
        assert_eq!(judge(&[count(0.0)]).unwrap().verdict, Verdict::NotEnoughRuns);
        let runs = contrast("8c", Rule::Above(-0.5), &[1.0, 2.0, 3.0]);
        let finding = judge(&[count(0.0), runs]).unwrap();
        assert_eq!((finding.verdict, finding.n), (Verdict::Supported, 3));
    }
}
