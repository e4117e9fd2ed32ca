use crate::{Choice, Fisher, Grasp, Point, Probe, ScoreError, Snip, SynFlow, WoodFisher};
use sculpt_masks::{Density, Mask};
use sculpt_network::Mode;
use serde::{Deserialize, Serialize, Serializer};

macro_rules! criteria {
    ($($word:literal = $rule:ident;)+) => {
        /// Any of this crate's criteria with the numbers that are its own. As JSON an object of one field: under its word
        /// its numbers.
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(try_from = "Unchecked")]
        pub enum Criterion {
            $(
                #[doc = concat!("`", $word, "`")]
                #[serde(rename = $word)]
                $rule($rule),
            )+
        }

        /// Numbers of any size.
        #[derive(Deserialize)]
        enum Unchecked {
            $(#[serde(rename = $word)] $rule($rule),)+
        }

        impl Criterion {
            /// Every criterion, with its usual numbers.
            pub const ALL: [Criterion; [$($word),+].len()] = [$(Criterion::$rule($rule::USUAL)),+];

            /// The word for it in descriptions and on the command line, such as `wood-fisher`.
            pub fn word(&self) -> &'static str {
                match self {
                    $(Self::$rule(_) => $word,)+
                }
            }

            /// What it keeps, as a line of a help text.
            pub fn help(&self) -> &'static str {
                match self {
                    $(Self::$rule(_) => $rule::HELP,)+
                }
            }

            /// Whether it looks at images, and not at their size alone.
            pub fn needs_probe(&self) -> bool {
                match self {
                    $(Self::$rule(_) => $rule::NEEDS_PROBE,)+
                }
            }

            /// [`Scorer::prefers_folded`].
            pub fn prefers_folded(&self) -> bool {
                match self {
                    $(Self::$rule(rule) => rule.prefers_folded(),)+
                }
            }

            /// [`Scorer::choose`], of numbers that were checked.
            ///
            /// # Errors
            /// Numbers out of their ranges; no probe where one is needed; scores that are not finite; a density that keeps
            /// nothing, or more than the point's own mask has.
            pub fn choose(
                &self,
                point: &Point<'_>,
                images: Images<'_>,
                density: Density,
            ) -> Result<Choice, ScoreError> {
                match self {
                    $(Self::$rule(rule) => {
                        rule.check()?;
                        rule.choose(point, images, density)
                    })+
                }
            }

            /// The mask of it alone.
            ///
            /// # Errors
            /// As [`Criterion::choose`].
            pub fn mask(
                &self,
                point: &Point<'_>,
                images: Images<'_>,
                density: Density,
            ) -> Result<Mask, ScoreError> {
                self.choose(point, images, density).map(|choice| choice.mask)
            }
        }

        /// A criterion's numbers without its word: as JSON, the object that stands under it.
        #[derive(Clone, Copy, Debug)]
        pub struct Numbers<'a>(&'a Criterion);

        impl Serialize for Numbers<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self.0 {
                    $(Criterion::$rule(rule) => rule.serialize(serializer),)+
                }
            }
        }

        impl TryFrom<Unchecked> for Criterion {
            type Error = ScoreError;

            fn try_from(unchecked: Unchecked) -> Result<Self, ScoreError> {
                match unchecked {
                    $(Unchecked::$rule(rule) => rule.check().map(|()| Self::$rule(rule)),)+
                }
            }
        }

        $(
            impl Default for $rule {
                /// [`Scorer::USUAL`].
                fn default() -> Self {
                    Self::USUAL
                }
            }
        )+
    };
}

// A new criterion is a file of its own and a line here.
criteria! {
    "snip" = Snip;
    "grasp" = Grasp;
    "synflow" = SynFlow;
    "fisher" = Fisher;
    "wood-fisher" = WoodFisher;
}

/// The numbers that are a criterion's own, and with them all that others need to know of it.
///
/// As JSON they are an object; a number that came later than the first descriptions is left out of it at the usual value. What
/// an old description leaves out means that value for ever.
pub trait Scorer: Sized {
    /// What it keeps, as a line of a help text.
    const HELP: &'static str;

    /// The numbers where nobody asks for others.
    const USUAL: Self;

    /// Whether it looks at images, and not at their size alone.
    const NEEDS_PROBE: bool = true;

    /// Whether a network whose BatchNorm is folded into its convolutions is the faster one: where derivatives of many
    /// images are taken in evaluation mode. The scores are the same to rounding.
    fn prefers_folded(&self) -> bool {
        Self::NEEDS_PROBE
    }

    /// Whether the numbers are in their ranges: asked when a description is read, before anything is computed.
    ///
    /// # Errors
    /// One that is not, by its name.
    fn check(&self) -> Result<(), ScoreError> {
        Ok(())
    }

    /// The mask of this density, within the point's own, and how clearly it was chosen.
    ///
    /// # Errors
    /// Numbers out of their ranges; no probe where one is needed; scores that are not finite; a density that keeps nothing,
    /// or more than the point's own mask has.
    fn choose(&self, point: &Point<'_>, images: Images<'_>, density: Density) -> Result<Choice, ScoreError>;
}

/// What a criterion is shown.
#[derive(Clone, Copy, Debug)]
pub enum Images<'a> {
    /// Images and labels.
    Probe(&'a Probe),
    /// Channels, rows and columns of an image, where the criterion needs no more.
    Size([i64; 3]),
}

impl<'a> Images<'a> {
    /// The images themselves.
    ///
    /// # Errors
    /// There are none.
    pub fn probe(self) -> Result<&'a Probe, ScoreError> {
        match self {
            Images::Probe(probe) => Ok(probe),
            Images::Size(_) => Err(ScoreError::NoProbe),
        }
    }

    /// Channels, rows and columns.
    ///
    /// # Errors
    /// Images that have other dimensions.
    pub fn size(self) -> Result<[i64; 3], ScoreError> {
        match self {
            Images::Probe(probe) => probe.image_size(),
            Images::Size(size) => Ok(size),
        }
    }
}

/// How BatchNorm behaves in a score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchNorm {
    /// By its running statistics.
    #[default]
    Eval,
    /// By the batch's own.
    Train,
}

impl From<BatchNorm> for Mode {
    fn from(batch_norm: BatchNorm) -> Self {
        match batch_norm {
            BatchNorm::Eval => Mode::Eval,
            BatchNorm::Train => Mode::Train,
        }
    }
}

impl Criterion {
    /// The criterion of this word, with its usual numbers.
    ///
    /// # Errors
    /// A word that none has.
    pub fn named(word: &str) -> Result<Self, ScoreError> {
        let known = Self::ALL.into_iter().find(|criterion| criterion.word() == word);
        known.ok_or_else(|| ScoreError::UnknownCriterion {
            given: word.to_owned(),
        })
    }

    /// Its numbers alone.
    pub fn numbers(&self) -> Numbers<'_> {
        Numbers(self)
    }
}

/// Whether a number may be left out of a description.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<Criterion, &str>) {
        match (serde_json::from_str::<Criterion>(text), expected) {
            (Ok(found), Ok(expected)) => {
                assert_eq!(found, expected);
                assert_eq!(serde_json::to_string(&found).unwrap(), text);
            }
            (Err(found), Err(words)) => assert!(found.to_string().contains(words), "{found}"),
            (found, expected) => panic!("{found:?}, not {expected:?}"),
        }
    }

    #[test]
    fn each_goes_by_its_word() {
        for criterion in Criterion::ALL {
            assert_eq!(Criterion::named(criterion.word()).unwrap(), criterion);
            let text = serde_json::to_string(&criterion).unwrap();
            assert!(
                text.starts_with(&format!("{{{:?}:{{", criterion.word())),
                "{text}"
            );
        }
        let unknown = Criterion::named("best").unwrap_err().to_string();
        assert!(unknown.starts_with("\"best\" is no criterion, known are snip, grasp, synflow"));
    }

    #[test]
    fn numbers_are_written_where_they_are_not_the_usual_ones() {
        check(r#"{"snip":{}}"#, Ok(Criterion::Snip(Snip::USUAL)));
        let batch_norm = BatchNorm::Train;
        check(
            r#"{"snip":{"batch_norm":"train"}}"#,
            Ok(Criterion::Snip(Snip { batch_norm })),
        );
        let temperature = 1.5;
        check(
            r#"{"grasp":{"temperature":1.5}}"#,
            Ok(Criterion::Grasp(Grasp { temperature })),
        );
        check(
            r#"{"synflow":{"iterations":100}}"#,
            Ok(Criterion::SynFlow(SynFlow::USUAL)),
        );
        check(
            r#"{"synflow":{"iterations":1,"batch_norm":"train"}}"#,
            Ok(Criterion::SynFlow(SynFlow::TURBO_PRUNE)),
        );
        let few = WoodFisher {
            block_size: 2,
            ..WoodFisher::USUAL
        };
        check(
            r#"{"wood-fisher":{"block_size":2}}"#,
            Ok(Criterion::WoodFisher(few)),
        );
    }

    #[test]
    fn what_no_criterion_has_is_refused() {
        check(r#"{"fisher":{"damping":1.0}}"#, Err("unknown field `damping`"));
        check(r#"{"best":{}}"#, Err("unknown variant `best`"));
        check(r#"{"synflow":{}}"#, Err("missing field `iterations`"));
        check(
            r#"{"grasp":{"temperature":-1.0}}"#,
            Err("temperature -1 is not a finite number above 0"),
        );
        check(
            r#"{"wood-fisher":{"block_size":0}}"#,
            Err("block_size 0 is not in 1..=2048"),
        );
    }
}
