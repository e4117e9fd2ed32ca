use crate::ScheduleError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The shape of a schedule; the crate's table has the formulas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Linear warm-up by epoch, then two drops by 10 (paper, Table 1).
    StepWarmup,
    /// [`Kind::StepWarmup`] one epoch late, after an epoch at full rate, as TurboPrune trains.
    StepWarmupShifted,
    /// Constant warm-up at a tenth, then two drops by 10.
    ImagenetStep,
    /// Linear up over a tenth of the steps, linear down to 0.
    OneCycle,
    /// Warm-up by epoch, then half a cosine down to 0.01.
    Cosine,
    /// Linear up over a fifth of the steps, linear down to 0.
    Triangular,
    /// Linear up over a tenth of the steps, constant, linear down to 0 over a fifth.
    Trapezoidal,
    /// The peak rate throughout.
    Constant,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 8] = [
        Kind::StepWarmup,
        Kind::StepWarmupShifted,
        Kind::ImagenetStep,
        Kind::OneCycle,
        Kind::Cosine,
        Kind::Triangular,
        Kind::Trapezoidal,
        Kind::Constant,
    ];

    /// The name on the command line and in descriptions, such as `step-warmup`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::StepWarmup => "step-warmup",
            Kind::StepWarmupShifted => "step-warmup-shifted",
            Kind::ImagenetStep => "imagenet-step",
            Kind::OneCycle => "one-cycle",
            Kind::Cosine => "cosine",
            Kind::Triangular => "triangular",
            Kind::Trapezoidal => "trapezoidal",
            Kind::Constant => "constant",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kind {
    type Err = ScheduleError;

    fn from_str(name: &str) -> Result<Self, ScheduleError> {
        let given = || ScheduleError::UnknownKind {
            given: name.to_owned(),
        };
        Kind::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The command line and serde know the same names.
    #[test]
    fn names() {
        for kind in Kind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            assert_eq!(
                serde_json::to_string(&kind).unwrap(),
                format!("{:?}", kind.name())
            );
        }
        assert_eq!(
            "step".parse::<Kind>().unwrap_err().to_string(),
            "schedule \"step\" is not one of step-warmup, step-warmup-shifted, imagenet-step, one-cycle, \
             cosine, triangular, trapezoidal, constant"
        );
    }
}
