//! A comparison that a claim comes down to, before and after it is judged.

use crate::images::{Weights, of_images, standard_error};
use crate::judge::{Judged, judge, judge_levels, known, reach};
use crate::params::{ALPHA, Margins, Rule, Sought};
use sculpt_rows::{BatchNorm, ContrastRow, ImageSet, Name, Over, Quantity, Test, Unit, Verdict};
use sculpt_stats::StatsError;
use std::collections::BTreeMap;

/// One number a seed.
pub(crate) type BySeed = BTreeMap<u32, f64>;

/// A comparison of a part of a claim, at one place.
#[derive(Clone, Debug)]
pub(crate) struct Contrast {
    /// The part of the sentence.
    pub(crate) part: String,
    /// Which of the part's replicates, such as `4a`.
    pub(crate) replicate: String,
    /// What is compared, such as `lrr − random-cyclic, 50 % sparsity`.
    pub(crate) what: String,
    pub(crate) origin: Origin,
    pub(crate) unit: Unit,
    pub(crate) sought: Sought,
    /// Empty where the suite has no such panel, and of what is counted.
    pub(crate) values: BySeed,
    /// Of accuracies what they are of, by seed.
    pub(crate) states: BTreeMap<u32, Weights>,
    /// Of a best level the values of all, of which `values` are one's.
    pub(crate) levels: Vec<BySeed>,
    /// What is counted.
    pub(crate) count: Option<f64>,
    /// Of chords.
    pub(crate) mean_of_ends: Option<f64>,
    /// The paper's number.
    pub(crate) paper: Option<f64>,
    pub(crate) note: Option<String>,
}

/// The rows that a contrast comes from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) artefact: Name,
    pub(crate) panel: String,
    pub(crate) quantity: Quantity,
    pub(crate) method: String,
    pub(crate) cycle: Option<String>,
    pub(crate) versus: Option<String>,
    pub(crate) versus_cycle: Option<String>,
    pub(crate) densities: Vec<f64>,
    pub(crate) versus_densities: Vec<f64>,
    pub(crate) over: Option<Over>,
    pub(crate) set: Option<ImageSet>,
    pub(crate) batch_norm: Option<BatchNorm>,
    pub(crate) pairs: Vec<String>,
}

impl Origin {
    pub(crate) fn new(artefact: Name, panel: &str, quantity: Quantity, method: &str) -> Self {
        Self {
            artefact,
            panel: panel.to_owned(),
            quantity,
            method: method.to_owned(),
            cycle: None,
            versus: None,
            versus_cycle: None,
            densities: Vec::new(),
            versus_densities: Vec::new(),
            over: None,
            set: None,
            batch_norm: None,
            pairs: Vec::new(),
        }
    }

    pub(crate) fn versus(self, method: &str) -> Self {
        Self {
            versus: Some(method.to_owned()),
            ..self
        }
    }
}

impl Contrast {
    /// Of values by seed; what is rarer is filled in by whoever knows it.
    pub(crate) fn new(
        (part, replicate, what): (&str, String, String),
        origin: Origin,
        (unit, sought): (Unit, Sought),
        values: BySeed,
    ) -> Self {
        Self {
            part: part.to_owned(),
            replicate,
            what,
            origin,
            unit,
            sought,
            values,
            states: BTreeMap::new(),
            levels: Vec::new(),
            count: None,
            mean_of_ends: None,
            paper: None,
            note: None,
        }
    }

    /// As a row of the frame, judged.
    pub(crate) fn row(
        self,
        claim: u32,
        margins: &Margins,
        correct: &BTreeMap<(String, u32), Vec<bool>>,
    ) -> Result<ContrastRow, StatsError> {
        let values: Vec<f64> = self.values.values().copied().collect();
        let rule = self.sought.rule(margins);
        let alpha = self.alpha();
        let (known, judged, reach) = match rule {
            None => Default::default(),
            Some(rule) => {
                let judged = self.judge(&values, rule)?;
                let reach = reach(&values, rule, judged.verdict, alpha)?;
                (known(&values, alpha)?, Some(judged), reach)
            }
        };
        let images = match rule {
            Some(_) => of_images(&self.states, correct, 1.0 - 2.0 * alpha)?,
            None => None,
        };
        let ends = images.as_ref().and_then(|images| images.interval.as_ref());
        let counted = self.count.map_or(Verdict::Absent, |_| Verdict::ByConstruction);
        let margin = rule.map(Rule::bound).filter(|bound| *bound != 0.0);
        let at = |factor: f64| -> Result<Option<Verdict>, StatsError> {
            let scaled = rule.filter(|_| margin.is_some()).map(|rule| rule.times(factor));
            let judged = scaled.map(|rule| self.judge(&values, rule)).transpose()?;
            Ok(judged.map(|judged| judged.verdict))
        };
        let (half, twice) = (at(0.5)?, at(2.0)?);
        let origin = self.origin;
        Ok(ContrastRow {
            claim,
            part: self.part,
            replicate: self.replicate,
            contrast: self.what,
            artefact: origin.artefact.to_string(),
            panel: origin.panel,
            quantity: origin.quantity,
            method: origin.method,
            cycle: origin.cycle,
            versus: origin.versus,
            versus_cycle: origin.versus_cycle,
            densities: list(&origin.densities),
            versus_densities: list(&origin.versus_densities),
            over: origin.over,
            set: origin.set,
            batch_norm: origin.batch_norm,
            pairs: list(&origin.pairs),
            seeds: list(&self.values.keys().collect::<Vec<_>>()).unwrap_or_default(),
            values: list(&values).unwrap_or_default(),
            unit: self.unit,
            test: rule.map_or(Test::Counted, Rule::test),
            bound: rule.map(Rule::bound),
            margin: margin.map(f64::abs),
            null: null(rule, self.unit, origin.over),
            effect: self.count.or(known.effect),
            low: known.interval.map(|(low, _)| low),
            high: known.interval.map(|(_, high)| high),
            image_se: images.as_ref().and_then(standard_error),
            image_low: ends.map(|interval| interval.low),
            image_high: ends.map(|interval| interval.high),
            n_images: images.as_ref().map(|images| images.n as u32),
            level: (known.interval.is_some() || images.is_some()).then_some(1.0 - 2.0 * alpha),
            deviation: known.deviation,
            p: judged.and_then(|judged| judged.p),
            n: rule.map(|_| values.len() as u32),
            verdict: judged.map_or(counted, |judged| judged.verdict),
            verdict_half_margin: half,
            verdict_twice_margin: twice,
            smallest_effect: reach.smallest_effect,
            n_to_decide: reach.n_to_decide.map(|n| n as u32),
            mean_of_ends: self.mean_of_ends,
            paper: self.paper,
            note: self.note,
        })
    }
}

impl Contrast {
    fn judge(&self, values: &[f64], rule: Rule) -> Result<Judged, StatsError> {
        let levels = || -> Vec<Vec<f64>> {
            let all = self.levels.iter();
            all.map(|level| level.values().copied().collect()).collect()
        };
        match self.origin.over {
            Some(Over::Best) => judge_levels(&levels(), values, rule, true),
            Some(Over::VersusBest) => judge_levels(&levels(), values, rule, false),
            Some(Over::Mean | Over::Growth | Over::Worst) | None => judge(values, rule),
        }
    }

    /// Error rate at which the values shown support the sentence: of the best of several levels a share.
    fn alpha(&self) -> f64 {
        match self.origin.over {
            Some(Over::Best) => ALPHA / self.levels.len().max(1) as f64,
            Some(Over::VersusBest | Over::Mean | Over::Growth | Over::Worst) | None => ALPHA,
        }
    }
}

fn null(rule: Option<Rule>, unit: Unit, over: Option<Over>) -> String {
    let of = match over {
        Some(Over::Best) => ", at every sparsity",
        Some(Over::VersusBest) => ", at one of the sparsities",
        Some(Over::Mean | Over::Growth | Over::Worst) | None => "",
    };
    let words = match rule {
        None => "none: it is counted, not tested".to_owned(),
        Some(Rule::Above(bound)) => format!("the mean over seeds is {bound} {unit} or less"),
        Some(Rule::Below(bound)) => format!("the mean over seeds is {bound} {unit} or more"),
        Some(Rule::Within(margin)) => format!("the mean over seeds is {margin} {unit} or more away from 0"),
    };
    words + of
}

fn list<T: ToString>(items: &[T]) -> Option<String> {
    let words: Vec<String> = items.iter().map(T::to_string).collect();
    Some(words.join(" ")).filter(|text| !text.is_empty())
}
