use crate::ConnectivityError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Which BatchNorm running statistics a point of the line is evaluated with. Changes results (reference §2.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchNormRule {
    /// Interpolated like `θ`. The ends keep their own.
    Interpolate,
    /// Estimated anew at every point, the ends included: the mean over the batches of a fixed calibration set
    /// of each batch's statistics (PyTorch's `momentum=None`; REPAIR).
    Recalibrate,
    /// Those of the nearer end: `a`'s for `α ≤ ½`, else `b`'s.
    Endpoint,
}

impl BatchNormRule {
    /// All rules.
    pub const ALL: [Self; 3] = [Self::Interpolate, Self::Recalibrate, Self::Endpoint];

    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interpolate => "interpolate",
            Self::Recalibrate => "recalibrate",
            Self::Endpoint => "endpoint",
        }
    }
}

impl fmt::Display for BatchNormRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for BatchNormRule {
    type Err = ConnectivityError;

    fn from_str(given: &str) -> Result<Self, ConnectivityError> {
        let found = Self::ALL.into_iter().find(|rule| rule.name() == given);
        found.ok_or_else(|| ConnectivityError::UnknownRule {
            given: given.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for rule in BatchNormRule::ALL {
            assert_eq!(rule.to_string().parse::<BatchNormRule>().unwrap(), rule);
            let json = format!("{:?}", rule.name());
            assert_eq!(serde_json::to_string(&rule).unwrap(), json);
            assert_eq!(serde_json::from_str::<BatchNormRule>(&json).unwrap(), rule);
        }
        let error = "Interpolate".parse::<BatchNormRule>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "BatchNorm rule \"Interpolate\" is not one of interpolate, recalibrate, endpoint"
        );
    }
}
