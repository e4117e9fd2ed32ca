use crate::error::at_least;
use crate::operator::{Operator, ROUNDING};
use crate::projection::{Projection, Ritz};
use crate::space::norm;
use crate::start::{near, sphere};
use crate::{LanczosError, Seed, Space};

/// The `top` eigenpairs of the symmetric operator `A = product` that `params` asks for, by Lanczos with full
/// reorthogonalisation and thick restarts.
///
/// `product` maps `x` to `Ax` and stays within `space`. It must be symmetric; products with small errors (of
/// `f32`, say) are fine, and residuals below those errors then remain out of reach: the run ends with
/// `converged: false`.
///
/// # Errors
/// When the space has fewer than `top` dimensions, or a product is not finite.
pub fn eigenpairs<S: Space>(
    space: &S,
    product: impl FnMut(&S::Vector) -> S::Vector,
    params: &Eigen,
) -> Result<Eigenpairs<S::Vector>, LanczosError> {
    Search::new(space, product, params)?.run()
}

/// [`eigenpairs`], from a vector that is thought to be near an eigenvector, or a sum of some.
///
/// The run begins not at a uniform unit vector but at the sum of a tenth of one and the unit vector along
/// `start`, which has to lie in `space`: that cannot be checked here, and what of it lies outside would stay in
/// the answer. What the tenth is for, and how little it says after few steps, stands in the crate's
/// documentation. Further starts are as without.
///
/// # Errors
/// Those of [`eigenpairs`], and when `start` is zero or not finite.
pub fn eigenpairs_from<S: Space>(
    space: &S,
    product: impl FnMut(&S::Vector) -> S::Vector,
    params: &Eigen,
    start: &S::Vector,
) -> Result<Eigenpairs<S::Vector>, LanczosError> {
    let mut search = Search::new(space, product, params)?;
    search.projection.next = Some(near(space, start, params.seed, 0)?);
    search.n_starts = 1;
    search.run()
}

/// What to look for, and when to stop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Eigen {
    top: usize,
    which: Which,
    tolerance: f64,
    max_products: usize,
    max_basis: usize,
    seed: Seed,
    confirmation: usize,
    values_only: bool,
}

/// Which end of the spectrum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The largest eigenvalues, `λ₁ ≥ λ₂ ≥ …`.
    LargestAlgebraic,
    /// The eigenvalues farthest from zero, of either sign, `|λ₁| ≥ |λ₂| ≥ …`.
    LargestMagnitude,
}

/// Eigenpairs, the best first.
#[derive(Clone, Debug, PartialEq)]
pub struct Eigenpairs<V> {
    /// Ritz values `λ`: `⟨v, Av⟩`, to within the products' own errors.
    pub values: Vec<f64>,
    /// Orthonormal eigenvectors `v`.
    pub vectors: Vec<V>,
    /// Upper bounds of `‖Av − λv‖`, absolute, up to the rounding of the sums of vectors: of the products that
    /// were made, errors included, nothing is left out. Within this distance of `λ` lies an eigenvalue.
    pub residuals: Vec<f64>,
    /// Estimates of `|λ − eigenvalue|`, absolute: the residual `ρ`, or `ρ²/γ` and the products' own errors
    /// where that is less, with `γ` the distance from `λ` to what the nearest other Ritz value may stand for
    /// (Kato and Temple; Parlett 1998, theorem 11.7.1). This takes for granted that no eigenvalue of which the
    /// basis knows nothing hides in the gap; the residual does not.
    pub errors: Vec<f64>,
    /// Lanczos steps.
    pub iterations: usize,
    /// Products with the operator: one a step, and no others.
    pub products: usize,
    /// Whether every pair keeps its limit, and the confirmation, if any was due, came to its end.
    pub converged: bool,
}

impl Eigen {
    /// Parameters within their ranges.
    ///
    /// - `top`: number of eigenpairs, at least 1.
    /// - `tolerance`, in (0, 1): a residual may be `tolerance·|λ|`, or the rounding of the product
    ///   (2·10⁻¹⁴ `‖A‖`) where that is more, as at `λ = 0`.
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
    /// - its estimated [`error`](Eigenpairs::errors) does,
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

    /// Residual that a pair may have, of an operator of this norm.
    fn limit(&self, value: f64, norm: f64) -> f64 {
        (self.tolerance * value.abs()).max(ROUNDING * norm)
    }
}

impl Which {
    /// What is larger for the eigenvalue that comes first.
    fn score(self, value: f64) -> f64 {
        match self {
            Which::LargestAlgebraic => value,
            Which::LargestMagnitude => value.abs(),
        }
    }
}

/// A run in progress.
struct Search<'a, S: Space, F> {
    space: &'a S,
    operator: Operator<F>,
    params: &'a Eigen,
    projection: Projection<S::Vector>,
    iterations: usize,
    n_starts: u64,
    steps_since_start: usize,
}

/// Pairs that will be the answer if the fresh start finds no better one within so many steps.
struct Candidate<V> {
    pairs: Eigenpairs<V>,
    steps: usize,
}

impl<'a, S: Space, F: FnMut(&S::Vector) -> S::Vector> Search<'a, S, F> {
    fn new(space: &'a S, product: F, params: &'a Eigen) -> Result<Self, LanczosError> {
        let (dimension, top) = (space.dimension(), params.top);
        if dimension < top {
            return Err(LanczosError::Dimension { dimension, top });
        }
        Ok(Self {
            space,
            operator: Operator::new(product),
            params,
            projection: Projection::new(),
            iterations: 0,
            n_starts: 0,
            steps_since_start: 0,
        })
    }

    fn run(mut self) -> Result<Eigenpairs<S::Vector>, LanczosError> {
        let Eigen {
            top,
            which,
            confirmation,
            ..
        } = *self.params;
        let mut candidate: Option<Candidate<S::Vector>> = None;
        loop {
            self.step()?;
            let n_basis = self.projection.basis.len();
            let invariant = self.projection.next.is_none();
            let complete = n_basis == self.space.dimension();
            let over = complete || self.operator.products >= self.params.max_products;
            let confirmed = candidate
                .as_ref()
                .is_some_and(|c| invariant || self.steps_since_start >= c.steps);
            // The small eigenproblem of a large basis is not solved at every step.
            let due = self.steps_since_start.is_multiple_of(1 + n_basis / 20);
            if n_basis < top || !(due || over || invariant || confirmed) {
                continue;
            }
            let ritz = self.projection.ritz(|value| which.score(value));

            if let Some(Candidate { pairs, steps }) = candidate.take()
                && !self.is_beaten(&pairs, &ritz)
            {
                if confirmed || over {
                    return Ok(self.finish(pairs, confirmed || complete));
                }
                candidate = Some(Candidate { pairs, steps });
                continue;
            }

            // Deflation adds what is missing in a pair to the errors of others, hence the reserve.
            let share = if confirmation > 0 && !over { 0.1 } else { 1.0 };
            if self.is_answer(&ritz, share) {
                let pairs = self.answer(&ritz);
                let steps = self.steps_to_confirm(invariant);
                let confirmed = complete || steps == 0;
                if confirmed || over {
                    return Ok(self.finish(pairs, confirmed));
                }
                let vectors = pairs.vectors.iter().map(|v| self.space.copy(v)).collect();
                self.projection.deflate(vectors, &pairs.values, &pairs.residuals);
                candidate = Some(Candidate { pairs, steps });
            } else if over || self.is_stuck(&ritz) {
                return Ok(self.finish(self.answer(&ritz), false));
            }
        }
    }

    /// Steps from a fresh start without a better pair that make a candidate the answer.
    ///
    /// A start's basis that is invariant holds one copy of every eigenvalue. The first one always does: of
    /// the largest eigenvalue nothing more is to be known. Other copies are seen from a further start, whose
    /// basis is invariant after no more steps.
    fn steps_to_confirm(&self, invariant: bool) -> usize {
        let Eigen {
            top, confirmation, ..
        } = *self.params;
        if invariant && top > 1 {
            confirmation.max(self.iterations)
        } else {
            confirmation
        }
    }

    /// One Lanczos step, after a restart or from a fresh start where there is need.
    fn step(&mut self) -> Result<(), LanczosError> {
        let Eigen {
            top,
            which,
            max_basis,
            seed,
            ..
        } = *self.params;
        if self.projection.basis.len() == max_basis {
            let ritz = self.projection.ritz(|value| which.score(value));
            self.projection
                .restart(self.space, &ritz, top + (max_basis - top) / 2);
        }
        let v = match self.projection.next.take() {
            Some(v) => v,
            None => {
                self.n_starts += 1;
                self.steps_since_start = 0;
                sphere(self.space, &self.projection.basis, seed, self.n_starts - 1)?
            }
        };
        self.projection.extend(self.space, &mut self.operator, v)?;
        self.iterations += 1;
        self.steps_since_start += 1;
        Ok(())
    }

    /// Whether the best Ritz pairs keep their limits, with only this share of it missing in the basis.
    fn is_answer(&self, ritz: &Ritz, share: f64) -> bool {
        let Eigen {
            top,
            which,
            confirmation,
            values_only,
            ..
        } = *self.params;
        let limit = |i: usize| self.params.limit(ritz.values[i], self.operator.norm);
        if (0..top).all(|i| ritz.residual(i) <= limit(i) && ritz.rests[i] <= share * limit(i)) {
            return true;
        }
        // What is deflated for a confirmation is a vector.
        if !values_only || confirmation > 0 || (0..top).any(|i| ritz.error(i) > limit(i)) {
            return false;
        }
        let before = self.projection.ritz_before(|value| which.score(value));
        let settled = |i: usize| {
            // Of a pair that is two eigenvalues in one the estimate is small, but the residual does not fall.
            let next = ritz.residual(i) * (ritz.residual(i) / before.residual(i));
            (ritz.values[i] - before.values[i]).abs() <= limit(i) && next <= limit(i)
        };
        before.values.len() >= top && (0..top).all(settled)
    }

    /// Whether further steps are of no use, because where a residual is still above its limit, the products'
    /// own errors are.
    fn is_stuck(&self, ritz: &Ritz) -> bool {
        let limit = |i: usize| self.params.limit(ritz.values[i], self.operator.norm);
        let by_errors = |i: &usize| ritz.errors[*i] > limit(*i) && ritz.rests[*i] <= 0.1 * ritz.errors[*i];
        let mut above = (0..self.params.top)
            .filter(|i| ritz.residual(*i) > limit(*i))
            .peekable();
        above.peek().is_some() && above.all(|i| by_errors(&i))
    }

    /// Whether, rank by rank, a Ritz value is better than these pairs know, by more than their residuals
    /// explain.
    fn is_beaten(&self, pairs: &Eigenpairs<S::Vector>, ritz: &Ritz) -> bool {
        let score = |value| self.params.which.score(value);
        pairs
            .values
            .iter()
            .zip(&ritz.values)
            .any(|(known, new)| score(*new) > score(*known) + self.params.limit(*known, self.operator.norm))
    }

    /// The best Ritz pairs.
    fn answer(&self, ritz: &Ritz) -> Eigenpairs<S::Vector> {
        let top = self.params.top;
        let unit = |coordinates: &Vec<f64>| {
            let mut v = self.space.combine(&self.projection.basis, coordinates);
            let length = norm(self.space, &v);
            self.space.scale(1.0 / length, &mut v);
            v
        };
        Eigenpairs {
            values: ritz.values[..top].to_vec(),
            vectors: ritz.coordinates[..top].iter().map(unit).collect(),
            residuals: (0..top).map(|i| ritz.residual(i)).collect(),
            errors: (0..top).map(|i| ritz.error(i)).collect(),
            iterations: self.iterations,
            products: self.operator.products,
            converged: false,
        }
    }

    /// The answer, with all that it cost.
    fn finish(&self, pairs: Eigenpairs<S::Vector>, converged: bool) -> Eigenpairs<S::Vector> {
        Eigenpairs {
            iterations: self.iterations,
            products: self.operator.products,
            converged,
            ..pairs
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

    /// A thousandth of |−2|; at 0, a hundred roundings of the norm 4.
    #[test]
    fn limits() {
        let params = new(1, 1e-3, 2, 3).unwrap();
        assert_eq!(params.limit(-2.0, 4.0), 2e-3);
        assert_eq!(params.limit(0.0, 4.0), 400.0 * f64::EPSILON);
    }
}
