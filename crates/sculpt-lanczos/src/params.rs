use crate::error::at_least;
use crate::operator::ROUNDING;
use crate::{LanczosError, Seed};

/// What to look for, and when to stop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Eigen {
    pub(crate) top: usize,
    pub(crate) which: Which,
    pub(crate) tolerance: f64,
    pub(crate) max_products: usize,
    pub(crate) max_basis: usize,
    pub(crate) seed: Seed,
    pub(crate) confirmation: usize,
    pub(crate) values_only: bool,
    pub(crate) hidden: f64,
}

/// Which end of the spectrum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The largest eigenvalues, `λ₁ ≥ λ₂ ≥ …`.
    LargestAlgebraic,
    /// The eigenvalues farthest from zero, of either sign, `|λ₁| ≥ |λ₂| ≥ …`.
    LargestMagnitude,
}

impl Eigen {
    /// Parameters within their ranges.
    ///
    /// - `top`: number of eigenpairs, at least 1.
    /// - `tolerance`, in (0, 1): a residual may be `tolerance·|λ|`, or the rounding of the product
    ///   (2·10⁻¹⁴ `‖A‖`, or what [`hiding`](Self::hiding) says and a tenth of it) where that is more, as at `λ = 0`.
    /// - `max_products`: at least `top`. When they are spent, the pairs found so far are returned.
    /// - `max_basis`: basis vectors held at once, at least `top + 2`; when all are there, the run restarts
    ///   from the better half. (In addition there are two vectors of work, `top` of the answer, and, during a
    ///   restart, the half that is kept.)
    /// - `seed`: of the normal start vectors.
    ///
    /// # Errors
    /// When one of them is out of its range.
    pub fn new(
        top: usize,
        which: Which,
        tolerance: f64,
        max_products: usize,
        max_basis: usize,
        seed: Seed,
    ) -> Result<Self, LanczosError> {
        let top = at_least(1, "top", top)?;
        if !(tolerance > 0.0 && tolerance < 1.0) {
            return Err(LanczosError::Tolerance { value: tolerance });
        }
        Ok(Self {
            top,
            which,
            tolerance,
            max_products: at_least(top, "max_products", max_products)?,
            max_basis: at_least(top.saturating_add(2), "max_basis", max_basis)?,
            seed,
            confirmation: 0,
            values_only: false,
            hidden: 0.0,
        })
    }

    /// Has the answer confirmed: by `steps` Lanczos steps (at least 1) from a fresh start in the orthogonal
    /// complement of the vectors found. An eigenvalue that the first start missed, as a rule a further copy
    /// of a multiple one, is then found, and the search goes on with it. What this guarantees stands in the
    /// crate's documentation.
    ///
    /// # Errors
    /// When `steps` is 0, or the basis cannot hold `top + steps` vectors.
    pub fn confirmed_by(self, steps: usize) -> Result<Self, LanczosError> {
        let confirmation = at_least(1, "confirmation", steps)?;
        at_least(self.top.saturating_add(steps), "max_basis", self.max_basis)?;
        Ok(Self { confirmation, ..self })
    }

    /// Has the run end as soon as the values are known to the tolerance, though their vectors are further off:
    /// when the residual of each pair keeps its limit, or
    ///
    /// - its estimated [`error`](crate::Eigenpairs::errors) does,
    /// - the last step changed its value by no more than that, and
    /// - so would its residual keep it, if it fell in one more step as it did in the last.
    ///
    /// The last two are there because eigenvalues that are not told apart yet show a gap that is not there: the
    /// residual then stays above what it would be for one of them. As a rule this saves one product, and where
    /// two of the largest eigenvalues are within some percent, it takes one of them for the other more often
    /// than residuals do; how often stands in the crate's documentation.
    ///
    /// A confirmation needs the vectors: with [`confirmed_by`](Self::confirmed_by) the residuals still have to
    /// keep the tolerance.
    pub fn values_only(self) -> Self {
        Self {
            values_only: true,
            ..self
        }
    }

    /// Has residuals and errors hold what the products err by unseen, `share·‖A‖` for unit vectors (`‖A‖` as the products show it;
    /// `share` is finite, not negative). Errors that a basis sees, where a product is not what symmetry says, are in them
    /// without it; those that products repeat are not, as where an operator in `f32` is only nearly the one that is meant.
    ///
    /// # Panics
    /// When `share` is negative or not finite.
    pub fn hiding(self, share: f64) -> Self {
        assert!(share >= 0.0 && share.is_finite(), "{share} is no share");
        Self {
            hidden: share,
            ..self
        }
    }

    /// The same pairs, unconfirmed, to a residual of a tenth of each, by sixteen products at most or one a pair: what a search
    /// for good ones may begin with ([`eigenpairs_from`](crate::eigenpairs_from)), found by a cheaper operator that is like the one that is meant.
    pub fn roughly(self) -> Self {
        Self {
            tolerance: 0.1,
            max_products: self.max_products.min(self.top.max(16)),
            confirmation: 0,
            values_only: false,
            ..self
        }
    }

    /// Residual that a pair may have, of an operator of this norm.
    pub(crate) fn limit(&self, value: f64, norm: f64) -> f64 {
        (self.tolerance * value.abs()).max(ROUNDING.max(1.1 * self.hidden) * norm)
    }
}

impl Which {
    /// What is larger for the eigenvalue that comes first.
    pub(crate) fn score(self, value: f64) -> f64 {
        match self {
            Which::LargestAlgebraic => value,
            Which::LargestMagnitude => value.abs(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(top: usize, tolerance: f64, max_products: usize, max_basis: usize) -> Result<Eigen, LanczosError> {
        Eigen::new(
            top,
            Which::LargestMagnitude,
            tolerance,
            max_products,
            max_basis,
            Seed(1),
        )
    }

    #[track_caller]
    fn check_refusal(params: Result<Eigen, LanczosError>, text: &str) {
        assert_eq!(params.unwrap_err().to_string(), text);
    }

    #[test]
    fn ranges() {
        assert!(new(1, 1e-3, 1, 3).is_ok());
        check_refusal(new(0, 1e-3, 2, 3), "top is 0, but at least 1 is needed");
        check_refusal(new(2, 1e-3, 1, 4), "max_products is 1, but at least 2 is needed");
        check_refusal(new(2, 1e-3, 4, 3), "max_basis is 3, but at least 4 is needed");
        for (tolerance, text) in [(0.0, "0"), (1.0, "1"), (-1e-3, "-0.001"), (f64::NAN, "NaN")] {
            check_refusal(
                new(1, tolerance, 2, 3),
                &format!("tolerance {text} is not in (0, 1)"),
            );
        }
    }

    #[test]
    fn ranges_of_the_confirmation() {
        let params = new(2, 1e-3, 100, 10).unwrap();
        assert!(params.confirmed_by(8).is_ok());
        check_refusal(
            params.confirmed_by(0),
            "confirmation is 0, but at least 1 is needed",
        );
        check_refusal(
            params.confirmed_by(9),
            "max_basis is 10, but at least 11 is needed",
        );
    }

    /// Whoever asks for little gets no more; each pair has its product.
    #[test]
    fn rough_searches_are_short() {
        let products = |top, most| new(top, 1e-3, most, 100).unwrap().roughly().max_products;
        assert_eq!([products(1, 300), products(1, 5), products(20, 300)], [16, 5, 20]);
    }

    /// A thousandth of |−2|; at 0, a hundred roundings of the norm 4, or what is hidden of it.
    #[test]
    fn limits() {
        let params = new(1, 1e-3, 2, 3).unwrap();
        assert_eq!(params.limit(-2.0, 4.0), 2e-3);
        assert_eq!(params.limit(0.0, 4.0), 400.0 * f64::EPSILON);
        assert_eq!(params.hiding(0.25).limit(-2.0, 4.0), 1.1);
    }
}
