use thiserror::Error;

/// Why there is no answer.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum LanczosError {
    /// A count that is too small to mean anything.
    #[error("{name} is {value}, but at least {least} is needed")]
    TooFew {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: usize,
        /// The smallest that would do.
        least: usize,
    },
    /// A tolerance outside (0, 1).
    #[error("tolerance {value} is not in (0, 1)")]
    Tolerance {
        /// The number.
        value: f64,
    },
    /// More eigenpairs asked for than there are.
    #[error("a space of dimension {dimension} has no {top} eigenpairs")]
    Dimension {
        /// Dimension of the space.
        dimension: usize,
        /// Eigenpairs asked for.
        top: usize,
    },
    /// A product with a NaN or an infinity in it, or so large that its norm is one.
    #[error("product {product} of the operator is not finite")]
    NotFinite {
        /// Which one, from 1.
        product: usize,
    },
    /// A random vector of which nothing is left outside the basis: the space is smaller than its dimension.
    #[error("start vector {index} has no direction of its own: the dimension {dimension} is too large")]
    Start {
        /// Index of the stream it was drawn from.
        index: u64,
        /// Dimension that the space gave.
        dimension: usize,
    },
    /// A start vector that is zero, or not finite, or so large or small that its norm is.
    #[error("a start vector of norm {norm} has no direction")]
    StartNorm {
        /// Its norm.
        norm: f64,
    },
    /// A width of the smoothing Gaussian that is none.
    #[error("relative variance {value} is not positive and finite")]
    RelativeVariance {
        /// The number.
        value: f64,
    },
    /// A grid that misses what it should show.
    #[error(
        "on a grid of {n_points} points, {spacing} apart, Gaussians of deviation {deviation} are not seen"
    )]
    Grid {
        /// Points of the grid.
        n_points: usize,
        /// Distance between two of them.
        spacing: f64,
        /// Standard deviation of the Gaussians.
        deviation: f64,
    },
}

/// `value`, unless it is too small.
pub(crate) fn at_least(least: usize, name: &'static str, value: usize) -> Result<usize, LanczosError> {
    if value < least {
        return Err(LanczosError::TooFew { name, value, least });
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        let errors = [
            (
                at_least(1, "top", 0).unwrap_err(),
                "top is 0, but at least 1 is needed",
            ),
            (
                LanczosError::Tolerance { value: f64::NAN },
                "tolerance NaN is not in (0, 1)",
            ),
            (
                LanczosError::Dimension { dimension: 2, top: 3 },
                "a space of dimension 2 has no 3 eigenpairs",
            ),
            (
                LanczosError::NotFinite { product: 4 },
                "product 4 of the operator is not finite",
            ),
            (
                LanczosError::Start {
                    index: 1,
                    dimension: 5,
                },
                "start vector 1 has no direction of its own: the dimension 5 is too large",
            ),
            (
                LanczosError::StartNorm { norm: 0.0 },
                "a start vector of norm 0 has no direction",
            ),
            (
                LanczosError::RelativeVariance { value: 0.0 },
                "relative variance 0 is not positive and finite",
            ),
            (
                LanczosError::Grid {
                    n_points: 2,
                    spacing: 1.5,
                    deviation: 0.01,
                },
                "on a grid of 2 points, 1.5 apart, Gaussians of deviation 0.01 are not seen",
            ),
        ];
        for (error, text) in errors {
            assert_eq!(error.to_string(), text);
        }
    }
}
