use crate::ScheduleError;
use crate::shape::{Shape, WarmUp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

macro_rules! kinds {
    ($($(#[$doc:meta])+ $kind:ident = $module:ident;)+) => {
        /// The shape of a schedule; the crate's table has the formulas.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Kind {
            $($(#[$doc])+ $kind,)+
        }

        impl Kind {
            /// Every kind.
            pub const ALL: [Kind; [$(Kind::$kind),+].len()] = [$(Kind::$kind),+];

            pub(crate) fn shape(self) -> &'static Shape {
                match self {
                    $(Kind::$kind => &crate::kinds::$module::SHAPE,)+
                }
            }
        }
    };
}

// A new kind is a file in `kinds/` and a line here.
kinds! {
    /// Linear warm-up by epoch, then two drops by 10 (paper, Table 1).
    StepWarmup = step_warmup;
    /// [`Kind::StepWarmup`] one epoch late, after an epoch at full rate, as TurboPrune trains.
    StepWarmupShifted = step_warmup_shifted;
    /// Constant warm-up at a tenth, then two drops by 10.
    ImagenetStep = imagenet_step;
    /// Linear up over a tenth of the steps, linear down to 0.
    OneCycle = one_cycle;
    /// Warm-up by epoch, then half a cosine down to 0.01.
    Cosine = cosine;
    /// Linear up over a fifth of the steps, linear down to 0.
    Triangular = triangular;
    /// Linear up over a tenth of the steps, constant, linear down to 0 over a fifth.
    Trapezoidal = trapezoidal;
    /// The peak rate throughout.
    Constant = constant;
}

impl Kind {
    /// The name on the command line and in descriptions, such as `step-warmup`.
    pub fn name(self) -> &'static str {
        self.shape().name
    }

    /// Whether the rate stays the same through an epoch, so that one step an epoch tells it all.
    pub fn is_by_epoch(self) -> bool {
        self.shape().by_epoch
    }

    /// How the rate rises at the beginning of a cycle.
    pub fn warm_up(self) -> WarmUp {
        self.shape().warm_up
    }

    /// The names of all kinds in a sentence: `step-warmup, …, trapezoidal or constant`.
    pub fn names() -> String {
        let names = Kind::ALL.map(Kind::name);
        let (last, others) = names.split_last().expect("there is a kind");
        format!("{} or {last}", others.join(", "))
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

    /// By epoch means: two steps of an epoch have one rate.
    #[test]
    fn kinds_by_epoch_keep_their_rate_through_an_epoch() {
        for kind in Kind::ALL {
            let schedule = crate::Schedule::new(kind, 0.1, 30, 4).unwrap();
            let rows: Vec<_> = schedule.rows(1).collect();
            let keeps = rows
                .chunks(4)
                .all(|epoch| epoch.iter().all(|row| row.lr == epoch[0].lr));
            assert_eq!(keeps, kind.is_by_epoch(), "{kind}");
        }
        assert_eq!(Kind::ImagenetStep.warm_up(), WarmUp::Constant);
        assert!(Kind::names().ends_with("triangular, trapezoidal or constant"));
    }
}
