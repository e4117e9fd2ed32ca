use crate::operator::Operator;
use crate::projection::{Projection, Ritz};
use crate::space::norm;
use crate::start::{near, sphere};
use crate::{Eigen, LanczosError, Space};

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

/// Eigenpairs, the best first.
#[derive(Clone, Debug, PartialEq)]
pub struct Eigenpairs<V> {
    /// Ritz values `λ`: `⟨v, Av⟩`, to within the products' own errors.
    pub values: Vec<f64>,
    /// Orthonormal eigenvectors `v`.
    pub vectors: Vec<V>,
    /// Upper bounds of `‖Av − λv‖`, absolute, up to the rounding of the sums of vectors: of the products that
    /// were made, errors included, nothing is left out, and what they [hide](Eigen::hiding) is added. Within this
    /// distance of `λ` lies an eigenvalue.
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
            top, confirmation, ..
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
            let ritz = self.ritz();

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
                // What is hidden stays so, and is added again.
                let hidden = self.hidden();
                let seen: Vec<f64> = pairs.residuals.iter().map(|residual| residual - hidden).collect();
                self.projection.deflate(vectors, &pairs.values, &seen);
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

    /// What the basis knows, with what is hidden from it.
    fn ritz(&mut self) -> Ritz {
        let mut ritz = self.projection.ritz(|value| self.params.which.score(value));
        // Vectors of a start show little of ‖A‖.
        let values = ritz.values.iter().map(|value| value.abs());
        self.operator.norm = values.fold(self.operator.norm, f64::max);
        let hidden = self.hidden();
        for error in &mut ritz.errors {
            *error += hidden;
        }
        ritz
    }

    /// What the products err by unseen.
    fn hidden(&self) -> f64 {
        self.params.hidden * self.operator.norm
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
            let seen = ritz.residual(i) - self.hidden();
            let next = seen * (seen / before.residual(i)) + self.hidden();
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
