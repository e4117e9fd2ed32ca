//! What decides which weights survive a Prune node.

use crate::DataRef;
use crate::node::seed;
use sculpt_datasets::Split;
use sculpt_masks::{Allocation, Rule};
use sculpt_scores::{Criterion as Score, Numbers};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

/// What decides which weights survive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
// What is derived is what the implementations below call for all but scores.
#[serde(rename_all = "kebab-case", deny_unknown_fields, remote = "Self")]
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
    /// The largest scores (reference §2.1 to §2.4), under their own word.
    #[serde(skip)]
    Scored(Scored),
}

/// The words of [`Criterion`] that are no scores'.
const UNSCORED: [&str; 3] = ["magnitude", "random-subset", "random"];

/// A score and what it is shown: one JSON object under the score's word, of the score's own numbers and the fields of
/// [`Scoring`], or for a score without images `side`.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    by: Score,
    on: ScoredOn,
}

/// What a score is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ScoredOn {
    /// Images.
    Images(Scoring),
    /// The size of an image alone.
    Size {
        /// Its rows and columns, at least 1.
        side: u32,
    },
}

/// The training images that a score is computed on: drawn without replacement, not augmented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scoring {
    /// The training set.
    pub data: DataRef,
    /// What of it is held out, and so never scored on.
    pub split: Split,
    /// How many images, at least 1.
    pub images: u32,
    /// Seed of the draw, and of the split, below 2³².
    #[serde(deserialize_with = "seed")]
    pub seed: u64,
}

impl Criterion {
    /// How it shares weights out among layers before it sees any; none where scores decide.
    pub fn allocation(&self) -> Option<(Allocation, Rule)> {
        match self {
            Self::Random { allocation, rule, .. } => Some((*allocation, *rule)),
            Self::Magnitude | Self::RandomSubset { .. } | Self::Scored(_) => None,
        }
    }
}

impl Criterion {
    /// The data that it looks at.
    pub fn data(&self) -> Option<&DataRef> {
        match self {
            Self::Scored(scored) => match scored.on() {
                ScoredOn::Images(on) => Some(&on.data),
                ScoredOn::Size { .. } => None,
            },
            Self::Magnitude | Self::RandomSubset { .. } | Self::Random { .. } => None,
        }
    }
}

impl Scored {
    /// A score of images, or, where it looks at none, of their rows and columns alone.
    pub fn new(by: Score, images: Scoring, side: u32) -> Self {
        let on = match by.needs_probe() {
            true => ScoredOn::Images(images),
            false => ScoredOn::Size { side },
        };
        Self { by, on }
    }

    /// The score, with its numbers.
    pub fn by(&self) -> &Score {
        &self.by
    }

    /// What it is shown.
    pub fn on(&self) -> &ScoredOn {
        &self.on
    }

    fn read(usual: Score, fields: Value) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Size {
            side: u32,
        }
        let (on, numbers) = match usual.needs_probe() {
            true => {
                let (scoring, numbers): (Scoring, _) = parts(fields)?;
                at_least_1("images", scoring.images)?;
                (ScoredOn::Images(scoring), numbers)
            }
            false => {
                let (Size { side }, numbers) = parts(fields)?;
                at_least_1("side", side)?;
                (ScoredOn::Size { side }, numbers)
            }
        };
        let by = serde_json::from_value(json!({ usual.word(): Value::Object(numbers) }))?;
        Ok(Self { by, on })
    }
}

/// Parts fields into those of `T` and all others.
fn parts<T: DeserializeOwned>(fields: Value) -> Result<(T, Map<String, Value>), serde_json::Error> {
    #[derive(Deserialize)]
    struct Parts<T> {
        #[serde(flatten)]
        on: T,
        #[serde(flatten)]
        numbers: Map<String, Value>,
    }
    let Parts { on, numbers } = Parts::deserialize(fields)?;
    Ok((on, numbers))
}

fn at_least_1(field: &str, value: u32) -> Result<(), serde_json::Error> {
    match value {
        0 => Err(serde_json::Error::custom(format!("{field} 0 is not at least 1"))),
        1.. => Ok(()),
    }
}

impl Serialize for Criterion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Scored(scored) => scored.serialize(serializer),
            unscored => Self::serialize(unscored, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Criterion {
    /// By hand, so that a word or a field that nobody knows is refused by its name.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let (word, fields) = match &value {
            Value::String(word) => (word, json!({})),
            Value::Object(map) if map.len() == 1 => {
                let (word, fields) = map.iter().next().expect("there is one");
                (word, fields.clone())
            }
            _ => {
                return Err(D::Error::custom(
                    "a criterion is one word, alone or with its fields",
                ));
            }
        };
        let read = if UNSCORED.contains(&word.as_str()) {
            Self::deserialize(value)
        } else if let Ok(usual) = Score::named(word) {
            Scored::read(usual, fields).map(Self::Scored)
        } else {
            let scores = Score::ALL.map(|score| score.word());
            let known = [&UNSCORED[..], &scores].concat().join(", ");
            let unknown = format!("{word:?} is no criterion, known are {known}");
            return Err(D::Error::custom(unknown));
        };
        read.map_err(D::Error::custom)
    }
}

impl Serialize for Scored {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Parts<'a> {
            #[serde(flatten)]
            numbers: Numbers<'a>,
            #[serde(flatten)]
            on: &'a ScoredOn,
        }
        let (numbers, on) = (self.by.numbers(), &self.on);
        serializer.collect_map([(self.by.word(), Parts { numbers, on })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sculpt_scores::{BatchNorm, DensitySchedule, Fisher, Grasp, Snip, SynFlow, WoodFisher};

    const IMAGES: &str = r#""data":{"digest":"d","name":"n"},"images":4,"seed":1,"split":"all""#;

    #[track_caller]
    fn check(text: &str, expected: Result<Score, &str>) {
        let read: Result<Criterion, _> = serde_json::from_str(text);
        match (read, expected) {
            (Ok(criterion), Ok(expected)) => {
                let again = sculpt_store::canonical::to_canonical_json(&criterion).unwrap();
                assert_eq!(again, text);
                let Criterion::Scored(scored) = criterion else {
                    panic!("{criterion:?} is no score")
                };
                assert_eq!(scored.by, expected);
            }
            (Err(found), Err(words)) => assert!(found.to_string().contains(words), "{found}"),
            (found, expected) => panic!("{found:?}, not {expected:?}"),
        }
    }

    /// Left out at the values that were the only ones before there were fields: the first of each pair is the older text.
    #[test]
    fn numbers_of_a_criterion_are_in_the_text_where_they_are_not_the_usual_ones() {
        let snip = |batch_norm| Ok(Score::Snip(Snip { batch_norm }));
        check(&format!(r#"{{"snip":{{{IMAGES}}}}}"#), snip(BatchNorm::Eval));
        let train = format!(r#"{{"snip":{{"batch_norm":"train",{IMAGES}}}}}"#);
        check(&train, snip(BatchNorm::Train));
        let grasp = |temperature| Ok(Score::Grasp(Grasp { temperature }));
        check(&format!(r#"{{"grasp":{{{IMAGES}}}}}"#), grasp(200.0));
        check(
            &format!(r#"{{"grasp":{{{IMAGES},"temperature":1}}}}"#),
            grasp(1.0),
        );
        let synflow = |iterations: u32, schedule| {
            Ok(Score::SynFlow(SynFlow {
                iterations: iterations.try_into().unwrap(),
                schedule,
                batch_norm: BatchNorm::Eval,
            }))
        };
        let text = r#"{"synflow":{"iterations":100,"side":8}}"#;
        check(text, synflow(100, DensitySchedule::Exponential));
        let text = r#"{"synflow":{"iterations":3,"schedule":"linear","side":8}}"#;
        check(text, synflow(3, DensitySchedule::Linear));
        check(
            &format!(r#"{{"fisher":{{{IMAGES}}}}}"#),
            Ok(Score::Fisher(Fisher {})),
        );
        let wood = |block_size, damping| Ok(Score::WoodFisher(WoodFisher { block_size, damping }));
        check(&format!(r#"{{"wood-fisher":{{{IMAGES}}}}}"#), wood(50, 1e-5));
        let text = format!(r#"{{"wood-fisher":{{"block_size":2,"damping":0.1,{IMAGES}}}}}"#);
        check(&text, wood(2, 0.1));
    }

    #[test]
    fn magnitude_and_chance_are_written_as_ever() {
        for text in [
            r#""magnitude""#,
            r#"{"random-subset":{"seed":1}}"#,
            r#"{"random":{"allocation":"erk","rule":"exact","seed":1}}"#,
        ] {
            let read: Criterion = serde_json::from_str(text).unwrap();
            assert_eq!(sculpt_store::canonical::to_canonical_json(&read).unwrap(), text);
        }
    }

    #[test]
    fn what_a_criterion_does_not_know_is_refused() {
        let with = |word: &str, field: &str| format!(r#"{{"{word}":{{{field},{IMAGES}}}}}"#);
        check(
            &with("snip", r#""temperature":1"#),
            Err("unknown field `temperature`"),
        );
        check(&with("wood-fisher", r#""side":8"#), Err("unknown field `side`"));
        check(
            &with("wood-fisher", r#""block_size":0"#),
            Err("block_size 0 is not in"),
        );
        check(&with("wood-fisher", r#""damping":-1"#), Err("damping -1 is not"));
        check(&with("grasp", r#""temperature":0"#), Err("temperature 0 is not"));
        check(r#"{"snip":{}}"#, Err("missing field `data`"));
        check(r#""snip""#, Err("missing field `data`"));
        let none = IMAGES.replace("4", "0");
        check(
            &format!(r#"{{"snip":{{{none}}}}}"#),
            Err("images 0 is not at least 1"),
        );
        check(
            r#"{"synflow":{"iterations":1,"side":0}}"#,
            Err("side 0 is not at least 1"),
        );
        check(r#"{"synflow":{"iterations":1}}"#, Err("missing field `side`"));
        check(
            r#""best""#,
            Err("\"best\" is no criterion, known are magnitude, random-subset, random, snip, grasp, synflow"),
        );
        check(r#"{"random-subset":{"seed":-1}}"#, Err("a seed is an integer"));
        check(
            r#"{"magnitude":null,"snip":null}"#,
            Err("a criterion is one word"),
        );
    }
}
