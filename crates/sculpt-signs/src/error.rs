use thiserror::Error;

/// Why signs cannot be compared, taken or flipped.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SignsError {
    /// A vector of another length than it must have.
    #[error("{vector} has {found} numbers, not {expected}")]
    Length {
        /// Name of the argument.
        vector: &'static str,
        /// The length it must have.
        expected: usize,
        /// Its length.
        found: usize,
    },
    /// A mask over another number of weights.
    #[error("the mask has {found} bits, not {expected}")]
    MaskLength {
        /// Number of weights.
        expected: usize,
        /// Number of bits.
        found: usize,
    },
    /// NaN has no sign; in a bare slice.
    #[error("number {index} of {vector} is NaN")]
    Nan {
        /// Name of the argument.
        vector: &'static str,
        /// Place of the first NaN.
        index: usize,
    },
    /// NaN has no sign; in a tensor of a layout.
    #[error("weight {index} of {tensor} in {vector} is NaN")]
    NanWeight {
        /// Name of the argument.
        vector: &'static str,
        /// `state_dict` name of the tensor.
        tensor: String,
        /// Place of the first NaN in the tensor, row-major.
        index: usize,
    },
    /// A mask that keeps nothing.
    #[error("no weight survives, so there are no signs to compare")]
    NothingToCompare,
}

/// Why a number is no fraction of the signs.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum FractionError {
    /// A fraction outside [0, 1].
    #[error("fraction {value} is not in [0, 1]")]
    Range {
        /// The number.
        value: f64,
    },
    /// Text that is not a number.
    #[error("fraction {given:?} is not a number in [0, 1]")]
    NotANumber {
        /// The text.
        given: String,
    },
}
