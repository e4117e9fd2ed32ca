use serde::{Deserialize, Serialize};
use std::fmt;

/// What is found about a contrast, a part of a claim or a claim, in the order in which they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Verdict {
    /// All of it holds.
    #[serde(rename = "supported")]
    Supported,
    /// Some parts of a claim hold, and others do not, are undecided or absent.
    #[serde(rename = "partly")]
    Partly,
    /// The opposite holds, or of what is said to be alike a difference beyond the margin.
    #[serde(rename = "contradicted")]
    Contradicted,
    /// The runs decide neither way.
    #[serde(rename = "undecided")]
    Undecided,
    /// There are fewer than three seeds.
    #[serde(rename = "not enough runs")]
    NotEnoughRuns,
    /// It is counted, not measured: no run can make it otherwise.
    #[serde(rename = "by construction")]
    ByConstruction,
    /// The suite has nothing of it: of a contrast or a part, never of a claim.
    #[serde(rename = "absent")]
    Absent,
}

impl Verdict {
    /// All, in their order.
    pub const ALL: [Self; 7] = [
        Self::Supported,
        Self::Partly,
        Self::Contradicted,
        Self::Undecided,
        Self::NotEnoughRuns,
        Self::ByConstruction,
        Self::Absent,
    ];

    /// As frames word it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::Partly => "partly",
            Self::Contradicted => "contradicted",
            Self::Undecided => "undecided",
            Self::NotEnoughRuns => "not enough runs",
            Self::ByConstruction => "by construction",
            Self::Absent => "absent",
        }
    }

    /// What it says, for a reader who meets it first.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Supported => "all of the sentence holds at 5 %",
            Self::Partly => "some parts of the sentence hold, others do not, are undecided or absent",
            Self::Contradicted => {
                "the opposite of a part holds at 5 %, or what is said to be alike differs by more than the margin"
            }
            Self::Undecided => "the runs decide neither way",
            Self::NotEnoughRuns => "fewer than three seeds, which decide nothing",
            Self::ByConstruction => "counted, not measured: no run can make it otherwise",
            Self::Absent => "the suite has nothing of it",
        }
    }

    /// The verdict of this word, as a frame has it.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.word() == word)
    }

    /// A sign beside the word, so that no verdict is told by its colour alone.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Supported => "✓",
            Self::Partly => "◐",
            Self::Contradicted => "✗",
            Self::Undecided => "?",
            Self::NotEnoughRuns => "○",
            Self::ByConstruction => "=",
            Self::Absent => "–",
        }
    }

    /// Whether enough runs stand behind it.
    pub const fn is_tested(self) -> bool {
        match self {
            Self::Supported | Self::Partly | Self::Contradicted | Self::Undecided => true,
            Self::NotEnoughRuns | Self::ByConstruction | Self::Absent => false,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn verdicts_are_the_words_of_the_frame() {
        for verdict in Verdict::ALL {
            assert_eq!(serde_json::json!(verdict), verdict.to_string());
            assert_eq!(Verdict::of_word(verdict.word()), Some(verdict));
        }
        assert_eq!(Verdict::of_word("not supported"), None);
        let signs: BTreeSet<_> = Verdict::ALL.map(Verdict::sign).into();
        assert_eq!(signs.len(), Verdict::ALL.len());
        assert!(Verdict::ALL.is_sorted());
    }
}
