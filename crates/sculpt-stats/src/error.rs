use thiserror::Error;

/// Why values cannot be summarised.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum StatsError {
    /// Nothing to summarise.
    #[error("no values to summarise")]
    NoValues,
    /// NaN or an infinity among the values.
    #[error("value {index} is {value}, not a finite number")]
    NotFinite {
        /// Place of the first such value.
        index: usize,
        /// The value.
        value: f64,
    },
    /// Finite values whose mean, standard deviation or interval is too large for an `f64`.
    #[error("the values are so large that their {quantity} is not a finite number")]
    Overflow {
        /// What could not be computed.
        quantity: &'static str,
    },
    /// A confidence level outside (0, 1).
    #[error("confidence level {level} is not in (0, 1)")]
    Level {
        /// The level.
        level: f64,
    },
    /// Pairs with a missing half.
    #[error("{n_a} values cannot be paired with {n_b}")]
    Lengths {
        /// Number of first halves.
        n_a: usize,
        /// Number of second halves.
        n_b: usize,
    },
}
