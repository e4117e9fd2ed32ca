use crate::{Allocation, Density, Rule};
use thiserror::Error;

/// Why a number is no density.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum DensityError {
    /// A density outside (0, 1].
    #[error("density {value} is not in (0, 1]")]
    Density {
        /// The number.
        value: f64,
    },
    /// A sparsity outside [0, 1).
    #[error("sparsity {value} is not in [0, 1)")]
    Sparsity {
        /// The number.
        value: f64,
    },
    /// Text that is not a number.
    #[error("density {given:?} is not a number in (0, 1]")]
    NotANumber {
        /// The text.
        given: String,
    },
}

/// Why there is no such mask.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum MaskError {
    /// A density at which nothing survives.
    #[error("density {density} keeps none of {n} prunable weights")]
    NothingKept {
        /// The density.
        density: Density,
        /// Number of prunable weights.
        n: usize,
    },
    /// More survivors asked for than there are candidates.
    #[error("{n_kept} weights cannot be kept: only {available} are not pruned already")]
    TooFewCandidates {
        /// Survivors asked for.
        n_kept: usize,
        /// Candidates.
        available: usize,
    },
    /// A score that has no rank.
    #[error("the score of prunable weight {index} is NaN")]
    NanScore {
        /// Place of the first such score.
        index: usize,
    },
    /// Packed bits of another length than the mask's.
    #[error("a mask of {n} bits takes {expected} bytes, not {found}")]
    PackedLength {
        /// Number of bits.
        n: usize,
        /// Bytes they take.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// Ones behind the last bit.
    #[error("the last byte {last_byte:#010b} of a mask of {n} bits has ones behind its last bit")]
    PackedPadding {
        /// Number of bits.
        n: usize,
        /// The byte; its highest bits should be 0.
        last_byte: u8,
    },
    /// A name that no allocation has.
    #[error("allocation {given:?} is not one of {}", Allocation::ALL.map(Allocation::name).join(", "))]
    UnknownAllocation {
        /// The name.
        given: String,
    },
    /// A name that no rule has.
    #[error("rule {given:?} is not one of {}", Rule::ALL.map(Rule::name).join(", "))]
    UnknownRule {
        /// The name.
        given: String,
    },
}
