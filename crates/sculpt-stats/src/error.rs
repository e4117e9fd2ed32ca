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
    /// A fraction that is none.
    #[error("value {index} is {value}, not a fraction in [0, 1]")]
    NoFraction {
        /// Place of the first such value.
        index: usize,
        /// The value.
        value: f64,
    },
    /// Less than 0, of what is never negative.
    #[error("value {index} is {value}, less than 0")]
    Negative {
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
    /// An error rate of an equivalence test outside (0, 0.5).
    #[error("alpha {alpha} is not in (0, 0.5)")]
    Alpha {
        /// The rate.
        alpha: f64,
    },
    /// A deviation that no power can be computed for.
    #[error("deviation {deviation} is not a positive number")]
    Deviation {
        /// The deviation.
        deviation: f64,
    },
    /// Too few values for a t test.
    #[error("{n} values have no deviation")]
    TooFew {
        /// Their number.
        n: usize,
    },
    /// A mean that is assumed or tested, and is NaN or infinite.
    #[error("{value} is no mean that values can have")]
    Hypothesis {
        /// It.
        value: f64,
    },
    /// A power that no effect has, as far as it can be computed.
    #[error("a power of {wanted} is nearer to 1 than powers are computed")]
    Power {
        /// The power.
        wanted: f64,
    },
    /// An equivalence margin that is not positive and finite.
    #[error("margin {margin} is not a positive number")]
    Margin {
        /// The margin.
        margin: f64,
    },
    /// A bootstrap without resamples.
    #[error("a bootstrap needs at least one resample")]
    NoResamples,
    /// A statistic that is NaN or infinite.
    #[error("the statistic of the values is {value}, not a finite number")]
    Statistic {
        /// What it is.
        value: f64,
    },
    /// A statistic that is NaN or infinite for values drawn with replacement.
    #[error("the statistic of resample {resample} is {value}, not a finite number")]
    ResampledStatistic {
        /// Number of the first such resample.
        resample: usize,
        /// What it is.
        value: f64,
    },
}
