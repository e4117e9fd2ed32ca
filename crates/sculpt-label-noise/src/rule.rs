use crate::LabelNoiseError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What becomes of the chosen labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// They are put into a uniformly random order among themselves: the paper's. Classes keep their sizes; of
    /// a label of class `c`, the chance to stay is the fraction of `c` among the chosen.
    Permute,
    /// They are rearranged among themselves so that each changes class. Classes keep their sizes.
    Derange,
    /// Each is drawn anew, uniformly from all `K` classes; a `1/K` of them stay.
    Uniform,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Rule; 3] = [Rule::Permute, Rule::Derange, Rule::Uniform];

    /// The name on the command line and in descriptions.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Permute => "permute",
            Rule::Derange => "derange",
            Rule::Uniform => "uniform",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Rule {
    type Err = LabelNoiseError;

    fn from_str(given: &str) -> Result<Self, LabelNoiseError> {
        let mut all = Self::ALL.into_iter();
        all.find(|rule| rule.name() == given)
            .ok_or_else(|| LabelNoiseError::UnknownRule {
                given: given.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_everywhere() {
        for rule in Rule::ALL {
            assert_eq!(rule.to_string().parse(), Ok(rule));
            assert_eq!(serde_json::to_string(&rule).unwrap(), format!("\"{rule}\""));
        }
        assert_eq!(
            "shuffle".parse::<Rule>().unwrap_err().to_string(),
            "rule \"shuffle\" is not one of permute, derange, uniform"
        );
    }
}
