use crate::operator::{Operator, ROUNDING};
use crate::{LanczosError, Space, space::norm};
use nalgebra::{DMatrix, SymmetricEigen};

/// An operator `A` seen from a growing orthonormal basis `V`: `AV = VH + r eᵀ + D`, `e` the last unit vector.
///
/// `H` is symmetric and tridiagonal; a thick restart adds an arrowhead, a fresh start a block. Elsewhere it is
/// zero, and the products' errors are not taken for entries of it: they are `D`, of which the norms are known,
/// since the orthogonalisation sees every coefficient of every product.
pub(crate) struct Projection<V> {
    pub(crate) basis: Vec<V>,
    /// Lower triangle of `H`: row `i` holds `⟨v_j, A v_i⟩` for `j ≤ i`.
    rows: Vec<Vec<f64>>,
    /// The unit vector along `r`; none when the basis is invariant under `A`.
    pub(crate) next: Option<V>,
    /// `‖r‖`.
    rest: f64,
    /// `⟨v_j, A next⟩`: 0 but for the last, or for what a restart kept.
    couplings: Vec<f64>,
    /// Bounds of the norms of the columns of `D`.
    errors: Vec<f64>,
    /// Bound of the Frobenius norm of `D`. That of the columns' bounds is another, but it grows from restart
    /// to restart, where `D` does not.
    errors_norm: f64,
}

/// Eigenpairs of `H`, best first.
pub(crate) struct Ritz {
    /// Approximate eigenvalues of `A`.
    pub(crate) values: Vec<f64>,
    /// Unit eigenvectors: coordinates in the basis.
    pub(crate) coordinates: Vec<Vec<f64>>,
    /// What is missing in the basis of each: `‖r‖·|last coordinate|`. Further steps make it small.
    pub(crate) rests: Vec<f64>,
    /// Bounds of what the products' errors add, `‖Ds‖`. Further steps do not.
    pub(crate) errors: Vec<f64>,
}

impl Ritz {
    /// An upper bound of `‖Av − θv‖` for pair `i`.
    pub(crate) fn residual(&self, i: usize) -> f64 {
        self.rests[i] + self.errors[i]
    }

    /// Estimate of `|θ − λ|` for pair `i`: `ρ²/γ` is the bound of Kato and Temple for a Rayleigh quotient with
    /// the residual `ρ` and the distance `γ` to the other eigenvalues (Parlett 1998, theorem 11.7.1), of which
    /// `θ` is off by no more than the products' errors. The other eigenvalues are taken to lie within the
    /// residuals of the other Ritz values. Where there is no gap, it is the residual.
    pub(crate) fn error(&self, i: usize) -> f64 {
        let others = (0..self.values.len()).filter(|j| *j != i);
        let gap = others
            .map(|j| (self.values[i] - self.values[j]).abs() - self.residual(j))
            .fold(f64::INFINITY, f64::min);
        let residual = self.residual(i);
        // One value alone says nothing of a gap.
        if gap > 0.0 && gap.is_finite() {
            residual.min(self.errors[i] + residual * residual / gap)
        } else {
            residual
        }
    }
}

impl<V> Projection<V> {
    pub(crate) fn new() -> Self {
        Self {
            basis: Vec::new(),
            rows: Vec::new(),
            next: None,
            rest: 0.0,
            couplings: Vec::new(),
            errors: Vec::new(),
            errors_norm: 0.0,
        }
    }

    /// One Lanczos step: `v`, which is `next` or, of an invariant basis, any unit vector orthogonal to it,
    /// joins the basis, at the cost of one product.
    pub(crate) fn extend<S, F>(
        &mut self,
        space: &S,
        operator: &mut Operator<F>,
        v: V,
    ) -> Result<(), LanczosError>
    where
        S: Space<Vector = V>,
        F: FnMut(&V) -> V,
    {
        let mut r = operator.apply(space, &v)?;
        self.basis.push(v);
        // What is known to be there goes first, so that the pass over all of the basis finds rounding and the product's errors
        // alone. Where those are much of what is left, their own rounding takes another (Kahan's twice is enough).
        let first = self.couplings.iter().position(|h| *h != 0.0);
        let first = first.unwrap_or(self.couplings.len());
        let mut coefficients = vec![0.0; first];
        coefficients.extend(space.orthogonalise(&self.basis[first..], &mut r));
        let (mut once, mut passes) = (0.0, 0);
        self.rest = norm(space, &r);
        while passes == 0 || (passes == 1 && self.rest < 0.7 * once) {
            once = self.rest;
            let corrections = space.orthogonalise(&self.basis, &mut r);
            for (c, correction) in coefficients.iter_mut().zip(corrections) {
                *c += correction;
            }
            self.rest = norm(space, &r);
            passes += 1;
        }
        let mut row = std::mem::take(&mut self.couplings);
        let differences = coefficients.iter().zip(&row).map(|(c, h)| (c - h).powi(2));
        let mut error: f64 = differences.sum();
        row.push(coefficients[row.len()]);
        self.rows.push(row);
        // Rounding of the product, or of the pass before, is no direction of A: the basis is invariant.
        let invariant = self.rest <= ROUNDING * operator.norm || self.rest < 0.1 * once;
        if invariant {
            error += self.rest * self.rest;
            self.rest = 0.0;
            self.next = None;
        } else {
            space.scale(1.0 / self.rest, &mut r);
            self.next = Some(r);
        }
        self.errors.push(error.sqrt());
        self.errors_norm = self.errors_norm.hypot(error.sqrt());
        self.couplings = vec![0.0; self.basis.len()];
        self.couplings[self.basis.len() - 1] = self.rest;
        Ok(())
    }

    /// All eigenpairs of `H`, by falling `score` of the value.
    pub(crate) fn ritz(&self, score: impl Fn(f64) -> f64) -> Ritz {
        self.leading(self.basis.len(), &self.couplings, score)
    }

    /// What [`ritz`](Self::ritz) was before the last step.
    pub(crate) fn ritz_before(&self, score: impl Fn(f64) -> f64) -> Ritz {
        let n = self.basis.len() - 1;
        self.leading(n, &self.rows[n][..n], score)
    }

    /// The eigenpairs of the leading `n` rows and columns of `H`.
    fn leading(&self, n: usize, couplings: &[f64], score: impl Fn(f64) -> f64) -> Ritz {
        let h = DMatrix::from_fn(n, n, |i, j| self.rows[i.max(j)][i.min(j)]);
        let eigen = SymmetricEigen::new(h);
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&i, &j| score(eigen.eigenvalues[j]).total_cmp(&score(eigen.eigenvalues[i])));
        let coordinates: Vec<Vec<f64>> = order
            .iter()
            .map(|&i| eigen.eigenvectors.column(i).iter().copied().collect())
            .collect();
        let rest = |s: &Vec<f64>| s.iter().zip(couplings).map(|(s, c)| s * c).sum::<f64>().abs();
        let error = |s: &Vec<f64>| {
            let sum: f64 = s.iter().zip(&self.errors).map(|(s, e)| s.abs() * e).sum();
            sum.min(self.errors_norm)
        };
        Ritz {
            values: order.iter().map(|&i| eigen.eigenvalues[i]).collect(),
            rests: coordinates.iter().map(rest).collect(),
            errors: coordinates.iter().map(error).collect(),
            coordinates,
        }
    }

    /// Thick restart (Wu and Simon 2000): only the first `n_kept` Ritz vectors remain, and `next`.
    pub(crate) fn restart<S: Space<Vector = V>>(&mut self, space: &S, ritz: &Ritz, n_kept: usize) {
        let mut kept = Vec::with_capacity(n_kept);
        for coordinates in &ritz.coordinates[..n_kept] {
            let mut v = space.combine(&self.basis, coordinates);
            // Rounding would otherwise add up from restart to restart.
            space.orthogonalise(&kept, &mut v);
            let norm = norm(space, &v);
            space.scale(1.0 / norm, &mut v);
            kept.push(v);
        }
        let couplings = ritz.coordinates[..n_kept]
            .iter()
            .map(|s| self.rest * s[s.len() - 1])
            .collect();
        self.keep(kept, &ritz.values[..n_kept], couplings, &ritz.errors[..n_kept]);
    }

    /// Only these eigenvectors of `A` remain, as an invariant basis; `residuals` says how good they are.
    pub(crate) fn deflate(&mut self, vectors: Vec<V>, values: &[f64], residuals: &[f64]) {
        self.errors_norm = f64::INFINITY;
        self.keep(vectors, values, vec![0.0; values.len()], residuals);
        self.next = None;
        self.rest = 0.0;
    }

    /// `H` becomes diagonal.
    fn keep(&mut self, vectors: Vec<V>, values: &[f64], couplings: Vec<f64>, errors: &[f64]) {
        let row = |(i, value): (usize, &f64)| {
            let mut row = vec![0.0; i];
            row.push(*value);
            row
        };
        self.basis = vectors;
        self.rows = values.iter().enumerate().map(row).collect();
        self.couplings = couplings;
        self.errors = errors.to_vec();
        let squares: f64 = errors.iter().map(|e| e * e).sum();
        self.errors_norm = self.errors_norm.min(squares.sqrt());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NdarraySpace;
    use ndarray::{Array2, array};

    /// A = [[2, 1], [1, 2]] from v = (1, 0): Av = (2, 1), so H = (2), r = (0, 1); one more step closes.
    #[test]
    fn two_steps_by_hand() {
        let space = NdarraySpace::new(2);
        let a: Array2<f64> = array![[2.0, 1.0], [1.0, 2.0]];
        let mut operator = Operator::new(|x: &_| a.dot(x));
        let mut projection = Projection::new();
        projection
            .extend(&space, &mut operator, array![1.0, 0.0])
            .unwrap();
        let ritz = projection.ritz(|value| value);
        assert_eq!((ritz.values[0], ritz.residual(0)), (2.0, 1.0));
        let next = projection.next.take().unwrap();
        assert_eq!(next, array![0.0, 1.0]);
        projection.extend(&space, &mut operator, next).unwrap();
        assert!(projection.next.is_none());
        // Eigenvalues of [[2, 1], [1, 2]]: 3 and 1, of an invariant basis.
        let ritz = projection.ritz(|value| value);
        assert!((ritz.values[0] - 3.0).abs() < 1e-15 && (ritz.values[1] - 1.0).abs() < 1e-15);
        assert_eq!(ritz.rests, [0.0, 0.0]);
        assert_eq!(operator.products, 2);
    }

    /// The same after a restart that keeps the Ritz vector: its coupling to `next` is known.
    #[test]
    fn restart_loses_nothing() {
        let space = NdarraySpace::new(2);
        let a: Array2<f64> = array![[2.0, 1.0], [1.0, 2.0]];
        let mut operator = Operator::new(|x: &_| a.dot(x));
        let mut projection = Projection::new();
        projection
            .extend(&space, &mut operator, array![1.0, 0.0])
            .unwrap();
        let ritz = projection.ritz(|value| value);
        projection.restart(&space, &ritz, 1);
        let next = projection.next.take().unwrap();
        projection.extend(&space, &mut operator, next).unwrap();
        let values = projection.ritz(|value| -value).values;
        assert!(
            (values[0] - 1.0).abs() < 1e-15 && (values[1] - 3.0).abs() < 1e-15,
            "{values:?}"
        );
    }

    /// A = [[2, 1.5], [1, 2]] is not symmetric: from (1, 0), H = [[2, 1], [1, 2]], and D has the column
    /// (0.5, 0). Of 3 and (1, 1)/√2, Av − 3v = (0.5, 0)/√2.
    #[test]
    fn errors_by_hand() {
        let space = NdarraySpace::new(2);
        let a: Array2<f64> = array![[2.0, 1.5], [1.0, 2.0]];
        let mut operator = Operator::new(|x: &_| a.dot(x));
        let mut projection = Projection::new();
        projection
            .extend(&space, &mut operator, array![1.0, 0.0])
            .unwrap();
        assert_eq!(projection.errors, [0.0]);
        let next = projection.next.take().unwrap();
        projection.extend(&space, &mut operator, next).unwrap();
        assert_eq!(projection.errors, [0.0, 0.5]);
        let ritz = projection.ritz(|value| value);
        assert_eq!(ritz.rests, [0.0, 0.0]);
        assert!((ritz.residual(0) - 0.125_f64.sqrt()).abs() < 1e-15);
        // Before that step: the first one's H = (2), with 1 missing.
        let before = projection.ritz_before(|value| value);
        assert_eq!(
            (before.values[0], before.rests[0], before.errors[0]),
            (2.0, 1.0, 0.0)
        );
        // Half of the column in each Ritz vector, all of it in the two.
        projection.restart(&space, &ritz, 2);
        assert_eq!(projection.errors, ritz.errors);
        assert!((projection.errors_norm - 0.5).abs() < 1e-15);
    }

    /// The coordinates of (√0.5, √0.5) along columns of 0.3 and 0.4 are 0.49 by the triangle inequality; of
    /// columns that are together no longer than 0.35, it is no more than that.
    #[test]
    fn errors_do_not_outgrow_their_norm() {
        let projection = Projection::<()> {
            basis: vec![(), ()],
            rows: vec![vec![0.0], vec![1.0, 0.0]],
            next: None,
            rest: 0.0,
            couplings: vec![0.0, 0.0],
            errors: vec![0.3, 0.4],
            errors_norm: 0.5,
        };
        let error = |projection: &Projection<()>| projection.ritz(|value| value).errors[0];
        assert!((error(&projection) - 0.7 * 0.5_f64.sqrt()).abs() < 1e-15);
        let known = Projection {
            errors_norm: 0.35,
            ..projection
        };
        assert_eq!(error(&known), 0.35);
    }

    /// A(1, 0) = (1, 10⁻¹⁵): what is taken for rounding is no next vector, but an error.
    #[test]
    fn what_is_dropped_is_an_error() {
        let space = NdarraySpace::new(2);
        let a: Array2<f64> = array![[1.0, 0.0], [1e-15, 1.0]];
        let mut operator = Operator::new(|x: &_| a.dot(x));
        let mut projection = Projection::new();
        projection
            .extend(&space, &mut operator, array![1.0, 0.0])
            .unwrap();
        assert!(projection.next.is_none());
        let ritz = projection.ritz(|value| value);
        assert_eq!((ritz.rests[0], ritz.errors[0]), (0.0, 1e-15));
    }

    #[test]
    fn deflation_keeps_the_residuals() {
        let mut projection = Projection::new();
        projection.deflate(vec![array![1.0, 0.0], array![0.0, 1.0]], &[3.0, 2.0], &[0.3, 0.4]);
        let ritz = projection.ritz(|value| value);
        assert_eq!((ritz.values, ritz.errors), (vec![3.0, 2.0], vec![0.3, 0.4]));
        assert!((projection.errors_norm - 0.5).abs() < 1e-15);
    }

    /// Residuals 0.25 + 0.05 and 0.5: 3 lies 1.5 from [0.5, 1.5], 1 lies 1.7 from [2.7, 3.3].
    #[test]
    fn value_errors_by_hand() {
        let ritz = |values: &[f64], rests: &[f64]| Ritz {
            values: values.to_vec(),
            coordinates: Vec::new(),
            rests: rests.to_vec(),
            errors: vec![0.05, 0.0],
        };
        let apart = ritz(&[3.0, 1.0], &[0.25, 0.5]);
        assert!((apart.error(0) - (0.05 + 0.09 / 1.5)).abs() < 1e-15);
        assert!((apart.error(1) - 0.25 / 1.7).abs() < 1e-15);
        // 1 may stand for 3.5: no gap. So narrow a gap as that of 0.1 is none either: 0.09/0.1 > 0.3.
        for rest in [2.5, 1.9] {
            assert_eq!(ritz(&[3.0, 1.0], &[0.25, rest]).error(0), 0.3);
        }
        assert_eq!(ritz(&[3.0], &[0.25]).error(0), 0.3);
    }
}
