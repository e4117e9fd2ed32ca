use crate::error::at_least;
use crate::operator::{Operator, ROUNDING};
use crate::projection::{Projection, Ritz};
use crate::space::norm;
use crate::start::sphere;
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
    let (dimension, top) = (space.dimension(), params.top);
    if dimension < top {
        return Err(LanczosError::Dimension { dimension, top });
    }
    Search {
        space,
        operator: Operator::new(product),
        params,
        projection: Projection::new(),
        iterations: 0,
        n_starts: 0,
        steps_since_start: 0,
    }
    .run()
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
    /// Rayleigh quotients `λ = ⟨v, Av⟩`.
    pub values: Vec<f64>,
    /// Orthonormal eigenvectors `v`.
    pub vectors: Vec<V>,
    /// `‖Av − λv‖`, absolute, each from a product made for it. Within this distance of `λ` lies an
    /// eigenvalue.
    pub residuals: Vec<f64>,
    /// Lanczos steps.
    pub iterations: usize,
    /// Products with the operator: the steps, and those that measured residuals.
    pub products: usize,
    /// Whether every residual keeps its limit, and the confirmation, if any was due, came to its end.
    pub converged: bool,
}

impl Eigen {
    /// Parameters within their ranges.
    ///
    /// - `top`: number of eigenpairs, at least 1.
    /// - `tolerance`, in (0, 1): a residual may be `tolerance·|λ|`, or the rounding of the product
    ///   (2·10⁻¹⁴ `‖A‖`) where that is more, as at `λ = 0`.
    /// - `max_products`: at least `2·top`. When they are spent, the pairs found so far are returned.
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
            max_products: at_least(top.saturating_mul(2), "max_products", max_products)?,
            max_basis: at_least(top.saturating_add(2), "max_basis", max_basis)?,
            seed,
            confirmation: 0,
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

impl<S: Space, F: FnMut(&S::Vector) -> S::Vector> Search<'_, S, F> {
    fn run(mut self) -> Result<Eigenpairs<S::Vector>, LanczosError> {
        let Eigen {
            top,
            which,
            confirmation,
            ..
        } = *self.params;
        let mut candidate: Option<Candidate<S::Vector>> = None;
        // Share of its limit that a bound keeps before the residual is measured. What the residuals of
        // deflated vectors add is in no bound, hence the reserve.
        let first_share = if confirmation > 0 { 0.1 } else { 1.0 };
        let mut share = first_share;
        let mut last_excess = f64::INFINITY;
        loop {
            self.step()?;
            let n_basis = self.projection.basis.len();
            let invariant = self.projection.next.is_none();
            let complete = n_basis == self.space.dimension();
            let over = complete || self.is_spent();
            let confirmed = candidate
                .as_ref()
                .is_some_and(|c| invariant || self.steps_since_start >= c.steps);
            // The small eigenproblem of a large basis is not solved at every step.
            let due = self.steps_since_start.is_multiple_of(1 + n_basis / 20);
            if n_basis < top || !(due || over || invariant || confirmed) {
                continue;
            }
            let ritz = self.projection.ritz(|value| which.score(value));

            if let Some(Candidate { pairs, steps }) = candidate.take() {
                if !self.is_beaten(&pairs, &ritz) {
                    if confirmed || over {
                        return Ok(self.finish(pairs, confirmed || complete));
                    }
                    candidate = Some(Candidate { pairs, steps });
                    continue;
                }
                (share, last_excess) = (first_share, f64::INFINITY);
            }

            if !over && !self.within_limits(&ritz, share) {
                continue;
            }
            let pairs = self.measure(&ritz)?;
            let excess = self.excess(&pairs);
            let over = complete || self.is_spent();
            if excess <= 1.0 {
                let steps = self.steps_to_confirm(invariant);
                let confirmed = complete || steps == 0;
                if confirmed || over {
                    return Ok(self.finish(pairs, confirmed));
                }
                let vectors = pairs.vectors.iter().map(|v| self.space.copy(v)).collect();
                self.projection.deflate(vectors, &pairs.values);
                candidate = Some(Candidate { pairs, steps });
                continue;
            }
            // Where smaller bounds do not help, the products' own errors are above the limit.
            if over || excess > 0.5 * last_excess {
                return Ok(self.finish(pairs, false));
            }
            last_excess = excess;
            share *= 0.1;
        }
    }

    /// Whether a further step would leave too few products to measure the residuals.
    fn is_spent(&self) -> bool {
        self.operator.products + self.params.top >= self.params.max_products
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

    /// Whether the bounds of the best Ritz pairs keep this share of their limits.
    fn within_limits(&self, ritz: &Ritz, share: f64) -> bool {
        let mut pairs = ritz.values.iter().zip(&ritz.bounds).take(self.params.top);
        pairs.all(|(value, bound)| *bound <= share * self.params.limit(*value, self.operator.norm))
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

    /// The best Ritz pairs, with their residuals, by one product each.
    fn measure(&mut self, ritz: &Ritz) -> Result<Eigenpairs<S::Vector>, LanczosError> {
        let top = self.params.top;
        let mut measured = Vec::with_capacity(top);
        for coordinates in &ritz.coordinates[..top] {
            let mut v = self.space.combine(&self.projection.basis, coordinates);
            let length = norm(self.space, &v);
            self.space.scale(1.0 / length, &mut v);
            let mut r = self.operator.apply(self.space, &v)?;
            let value = self.space.dot(&v, &r);
            self.space.axpy(-value, &v, &mut r);
            measured.push((value, v, norm(self.space, &r)));
        }
        // Rayleigh quotients of nearly equal pairs may come in another order than the Ritz values.
        let score = |value| self.params.which.score(value);
        measured.sort_by(|a, b| score(b.0).total_cmp(&score(a.0)));
        let mut pairs = Eigenpairs {
            values: Vec::with_capacity(top),
            vectors: Vec::with_capacity(top),
            residuals: Vec::with_capacity(top),
            iterations: self.iterations,
            products: self.operator.products,
            converged: false,
        };
        for (value, v, residual) in measured {
            pairs.values.push(value);
            pairs.vectors.push(v);
            pairs.residuals.push(residual);
        }
        Ok(pairs)
    }

    /// The largest residual, in units of its limit.
    fn excess(&self, pairs: &Eigenpairs<S::Vector>) -> f64 {
        let ratio = |(value, residual): (&f64, &f64)| {
            // The zero operator has the residual 0 and the limit 0.
            if *residual == 0.0 {
                return 0.0;
            }
            residual / self.params.limit(*value, self.operator.norm)
        };
        pairs
            .values
            .iter()
            .zip(&pairs.residuals)
            .map(ratio)
            .fold(0.0, f64::max)
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
        assert!(new(1, 1e-3, 2, 3).is_ok());
        check_refusal(new(0, 1e-3, 2, 3), "top is 0, but at least 1 is needed");
        check_refusal(new(2, 1e-3, 3, 4), "max_products is 3, but at least 4 is needed");
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
