use crate::ScheduleError;
use serde::{Deserialize, Serialize};

/// How training is cut into cycles, each of which repeats the schedule. The paper says 8 cycles, and also up to 1,500
/// epochs of 150-epoch cycles, and 2,000 epochs in Table 2 (A.2, A.6; reference §1.8): these are different rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum CycleRule {
    /// So many cycles of equal length.
    Repeat {
        /// Epochs of each.
        epochs: u32,
        /// How many.
        cycles: u32,
    },
    /// Cycles of one length until the total is reached; a last one that would not be whole is left out.
    Whole {
        /// Epochs of each.
        epochs: u32,
        /// Epochs at most.
        total: u32,
    },
    /// Exactly the total in so many cycles, the first ones longer by an epoch where it does not divide.
    Even {
        /// Epochs of all.
        total: u32,
        /// How many.
        cycles: u32,
    },
}

impl CycleRule {
    /// Length of each cycle in epochs; never empty, and no cycle is.
    ///
    /// # Errors
    /// A rule that leaves no cycle, or one without epochs.
    pub fn lengths(self) -> Result<Vec<u32>, ScheduleError> {
        let lengths = match self {
            CycleRule::Repeat { epochs, cycles } => vec![epochs; cycles as usize],
            CycleRule::Whole { epochs, total } => {
                vec![epochs; total.checked_div(epochs).unwrap_or(0) as usize]
            }
            CycleRule::Even { total, cycles } => {
                let (each, longer) = match cycles {
                    0 => (0, 0),
                    n => (total / n, total % n),
                };
                (0..cycles)
                    .map(|cycle| each + u32::from(cycle < longer))
                    .collect()
            }
        };
        if lengths.is_empty() || lengths.contains(&0) {
            return Err(ScheduleError::NoCycle { rule: self });
        }
        Ok(lengths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The paper's three readings: 8 · 150 = 1,200; ⌊1500 / 150⌋ = 10 cycles; ⌊2000 / 150⌋ = 13 of them, 1,950 epochs;
    /// 1,500 = 4 · 188 + 4 · 187.
    #[test]
    fn the_papers_readings() {
        let lengths = |rule: CycleRule| rule.lengths().unwrap();
        assert_eq!(
            lengths(CycleRule::Repeat {
                epochs: 150,
                cycles: 8
            }),
            [150; 8]
        );
        assert_eq!(
            lengths(CycleRule::Whole {
                epochs: 150,
                total: 1500
            }),
            [150; 10]
        );
        assert_eq!(
            lengths(CycleRule::Whole {
                epochs: 150,
                total: 2000
            }),
            [150; 13]
        );
        let even = lengths(CycleRule::Even {
            total: 1500,
            cycles: 8,
        });
        assert_eq!(even, [188, 188, 188, 188, 187, 187, 187, 187]);
    }

    #[test]
    fn rules_without_a_cycle_are_refused() {
        for rule in [
            CycleRule::Repeat { epochs: 0, cycles: 3 },
            CycleRule::Repeat { epochs: 3, cycles: 0 },
            CycleRule::Whole { epochs: 0, total: 3 },
            CycleRule::Whole { epochs: 4, total: 3 },
            CycleRule::Even { total: 3, cycles: 4 },
            CycleRule::Even { total: 3, cycles: 0 },
        ] {
            assert_eq!(rule.lengths(), Err(ScheduleError::NoCycle { rule }));
        }
    }
}
