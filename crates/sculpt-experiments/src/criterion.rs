//! What decides which weights survive a Prune node.

use crate::DataRef;
use crate::node::seed;
use sculpt_datasets::Split;
use sculpt_masks::{Allocation, Rule};
use sculpt_network::Mode;
use sculpt_scores::{Criterion as Score, DensitySchedule, ScoreError, SynFlow, WoodFisher};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use std::num::NonZeroU32;

/// What decides which weights survive.
///
/// Numbers that a criterion always had at one value, until a field was made of them, are left out of the JSON at that value:
/// older ids stay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Criterion {
    /// The largest |θ|, globally (A.3 to A.5).
    Magnitude,
    /// Chance, over all survivors together, whatever layer they are in (figure 9 a).
    RandomSubset {
        /// Seed of the choice, below 2³².
        #[serde(deserialize_with = "seed")]
        seed: u64,
    },
    /// Chance, layer by layer. Only from a state without a mask.
    Random {
        /// How density is shared among the layers.
        allocation: Allocation,
        /// Whether counts are exact or as in the authors' harness.
        rule: Rule,
        /// Seed of the positions, below 2³².
        #[serde(deserialize_with = "seed")]
        seed: u64,
    },
    /// |θ ⊙ ∂L/∂θ| over the scoring images (reference §2.1).
    Snip(Scored<SnipRule>),
    /// θ ⊙ Hg (reference §2.2).
    Grasp(Scored<GraspRule>),
    /// Iterated conservation of flow, without data (reference §2.3).
    Synflow {
        /// Iterations; its authors' 100.
        iterations: NonZeroU32,
        /// Rows and columns of the image of ones.
        side: u32,
        /// Densities on the way.
        #[serde(default, skip_serializing_if = "is_default")]
        schedule: SynflowSchedule,
    },
    /// ½ θ² F, one gradient an image (reference §2.4b).
    Fisher(Scored<FisherRule>),
    /// θ² / (2 [F⁻¹]ⱼⱼ) in diagonal blocks (reference §2.4b).
    WoodFisher(Scored<WoodFisherRule>),
}

/// The word for a criterion, without its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CriterionKind {
    /// [`Criterion::Magnitude`].
    Magnitude,
    /// [`Criterion::RandomSubset`].
    RandomSubset,
    /// [`Criterion::Snip`].
    Snip,
    /// [`Criterion::Synflow`].
    Synflow,
    /// [`Criterion::Grasp`].
    Grasp,
    /// [`Criterion::Fisher`].
    Fisher,
    /// [`Criterion::WoodFisher`].
    WoodFisher,
}

/// Images, and how a criterion scores on them; one JSON object.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scored<R> {
    /// On what.
    #[serde(flatten)]
    pub on: Scoring,
    /// How.
    #[serde(flatten)]
    pub rule: R,
}

/// The training images that a score is computed on: drawn without replacement, not augmented.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scoring {
    /// The training set.
    pub data: DataRef,
    /// What of it is held out, and so never scored on.
    pub split: Split,
    /// How many images.
    pub images: u32,
    /// Seed of the draw, and of the split, below 2³².
    pub seed: u64,
}

/// What is SNIP's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnipRule {
    /// BatchNorm while gradients are taken: the running statistics, or as the authors' harness the batch's (reference §2.1).
    #[serde(default, skip_serializing_if = "is_default")]
    pub batch_norm: ScoringMode,
}

/// What is GraSP's own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraspRule {
    /// Temperature of the logits, above 0; 200 (reference §2.2).
    #[serde(default = "temperature", skip_serializing_if = "is_200")]
    pub temperature: f64,
}

/// Fisher has nothing of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FisherRule {}

/// What is WoodFisher's own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WoodFisherRule {
    /// Weights of a block, 1..=2048; 50 (reference §2.4b).
    #[serde(default = "block_size", skip_serializing_if = "is_50")]
    pub block_size: u32,
    /// λ, above 0; 1e-5 (reference §2.4b).
    #[serde(default = "damping", skip_serializing_if = "is_1e_5")]
    pub damping: f64,
}

/// How BatchNorm behaves in a score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScoringMode {
    /// By its running statistics.
    #[default]
    Eval,
    /// By the batch's own.
    Train,
}

/// The densities between SynFlow's first and last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SynflowSchedule {
    /// Falling by the same factor.
    #[default]
    Exponential,
    /// Falling by the same amount.
    Linear,
}

impl Criterion {
    /// How it shares weights out among layers before it sees any; none where scores decide.
    pub fn allocation(&self) -> Option<(Allocation, Rule)> {
        match self {
            Self::Random { allocation, rule, .. } => Some((*allocation, *rule)),
            Self::Magnitude
            | Self::RandomSubset { .. }
            | Self::Snip(_)
            | Self::Grasp(_)
            | Self::Synflow { .. }
            | Self::Fisher(_)
            | Self::WoodFisher(_) => None,
        }
    }

    /// The score that it ranks by and the images that the score looks at; none for magnitude and chance.
    ///
    /// # Errors
    /// Numbers that the score refuses.
    pub fn score(&self) -> Result<Option<(Score, Option<&Scoring>)>, ScoreError> {
        Ok(Some(match self {
            Self::Magnitude | Self::RandomSubset { .. } | Self::Random { .. } => return Ok(None),
            Self::Snip(Scored { on, rule }) => {
                let mode = match rule.batch_norm {
                    ScoringMode::Eval => Mode::Eval,
                    ScoringMode::Train => Mode::Train,
                };
                (Score::Snip { mode }, Some(on))
            }
            Self::Grasp(Scored { on, rule }) => {
                let temperature = rule.temperature;
                (Score::Grasp { temperature }, Some(on))
            }
            Self::Synflow {
                iterations,
                side,
                schedule,
            } => {
                let schedule = match schedule {
                    SynflowSchedule::Exponential => DensitySchedule::Exponential,
                    SynflowSchedule::Linear => DensitySchedule::Linear,
                };
                let variant = SynFlow::Iterative {
                    iterations: *iterations,
                    schedule,
                };
                let image = [3, i64::from(*side), i64::from(*side)];
                (Score::Synflow { variant, image }, None)
            }
            Self::Fisher(Scored { on, .. }) => (Score::Fisher, Some(on)),
            Self::WoodFisher(Scored { on, rule }) => {
                let params = WoodFisher::new(rule.block_size as usize, rule.damping)?;
                (Score::WoodFisher(params), Some(on))
            }
        }))
    }
}

impl Default for GraspRule {
    fn default() -> Self {
        Self {
            temperature: temperature(),
        }
    }
}

impl Default for WoodFisherRule {
    fn default() -> Self {
        Self {
            block_size: block_size(),
            damping: damping(),
        }
    }
}

impl<'de, R: DeserializeOwned> Deserialize<'de> for Scored<R> {
    /// By hand, so that a field that neither the images nor the rule know is refused.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            data: DataRef,
            split: Split,
            images: u32,
            #[serde(deserialize_with = "seed")]
            seed: u64,
            #[serde(flatten)]
            rule: serde_json::Map<String, serde_json::Value>,
        }
        let raw = Raw::deserialize(deserializer)?;
        let rule = R::deserialize(serde_json::Value::Object(raw.rule)).map_err(serde::de::Error::custom)?;
        let on = Scoring {
            data: raw.data,
            split: raw.split,
            images: raw.images,
            seed: raw.seed,
        };
        Ok(Self { on, rule })
    }
}

// An id that leaves a number out means these, whatever becomes the usual one in `sculpt-scores`.

fn temperature() -> f64 {
    200.0
}

fn block_size() -> u32 {
    50
}

fn damping() -> f64 {
    1e-5
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn is_200(value: &f64) -> bool {
    *value == temperature()
}

fn is_50(value: &u32) -> bool {
    *value == block_size()
}

fn is_1e_5(value: &f64) -> bool {
    *value == damping()
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGES: &str = r#""data":{"digest":"d","name":"n"},"images":4,"seed":1,"split":"all""#;

    #[track_caller]
    fn check(text: &str, expected: Result<Score, &str>) {
        let read: Result<Criterion, _> = serde_json::from_str(text);
        let found = match &read {
            Ok(criterion) => {
                let again = sculpt_store::canonical::to_canonical_json(criterion).unwrap();
                assert_eq!(again, text);
                let score = criterion.score().map_err(|e| e.to_string());
                score.map(|score| score.expect("a criterion of images").0)
            }
            Err(error) => Err(error.to_string()),
        };
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(words)) => assert!(found.contains(words), "{found}"),
            (found, expected) => panic!("{found:?}, not {expected:?}"),
        }
    }

    /// Left out at the values that were the only ones before there were fields: the first of each pair is the older text.
    #[test]
    fn numbers_of_a_criterion_are_in_the_text_where_they_are_not_the_usual_ones() {
        let snip = |mode| Ok(Score::Snip { mode });
        check(&format!(r#"{{"snip":{{{IMAGES}}}}}"#), snip(Mode::Eval));
        let train = format!(r#"{{"snip":{{"batch_norm":"train",{IMAGES}}}}}"#);
        check(&train, snip(Mode::Train));
        let grasp = |temperature| Ok(Score::Grasp { temperature });
        check(&format!(r#"{{"grasp":{{{IMAGES}}}}}"#), grasp(200.0));
        check(
            &format!(r#"{{"grasp":{{{IMAGES},"temperature":1}}}}"#),
            grasp(1.0),
        );
        check(&format!(r#"{{"fisher":{{{IMAGES}}}}}"#), Ok(Score::Fisher));
        let wood = |block, damping| Ok(Score::WoodFisher(WoodFisher::new(block, damping).unwrap()));
        check(&format!(r#"{{"wood-fisher":{{{IMAGES}}}}}"#), wood(50, 1e-5));
        let text = format!(r#"{{"wood-fisher":{{"block_size":2,"damping":0.1,{IMAGES}}}}}"#);
        check(&text, wood(2, 0.1));
    }

    #[test]
    fn what_a_criterion_does_not_know_is_refused() {
        let unknown = format!(r#"{{"snip":{{{IMAGES},"temperature":1}}}}"#);
        check(&unknown, Err("temperature"));
        check(
            &format!(r#"{{"wood-fisher":{{"block_size":0,{IMAGES}}}}}"#),
            Err("0"),
        );
    }
}
