use crate::operator::{Operator, ROUNDING};
use crate::{LanczosError, Space, space::norm};
use nalgebra::{DMatrix, SymmetricEigen};

/// An operator `A` seen from a growing orthonormal basis `V`: `AV = VH + r eᵀ`, `e` the last unit vector.
///
/// `H` is tridiagonal; a thick restart adds an arrowhead, a fresh start a block. Elsewhere it is zero, and
/// the products' errors are not taken for entries of it.
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
}

/// Eigenpairs of `H`, best first.
pub(crate) struct Ritz {
    /// Approximate eigenvalues of `A`.
    pub(crate) values: Vec<f64>,
    /// Unit eigenvectors: coordinates in the basis.
    pub(crate) coordinates: Vec<Vec<f64>>,
    /// Residual norms `‖r‖·|last coordinate|`.
    pub(crate) bounds: Vec<f64>,
}

impl<V> Projection<V> {
    pub(crate) fn new() -> Self {
        Self {
            basis: Vec::new(),
            rows: Vec::new(),
            next: None,
            rest: 0.0,
            couplings: Vec::new(),
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
        let mut row = std::mem::take(&mut self.couplings);
        row.push(space.dot(&v, &r));
        self.rows.push(row);
        self.basis.push(v);
        space.orthogonalise(&self.basis, &mut r);
        let once = norm(space, &r);
        space.orthogonalise(&self.basis, &mut r);
        self.rest = norm(space, &r);
        // Rounding of the product, or of the first pass, is no direction of A: the basis is invariant.
        let invariant = self.rest <= ROUNDING * operator.norm || self.rest < 0.1 * once;
        if invariant {
            self.rest = 0.0;
            self.next = None;
        } else {
            space.scale(1.0 / self.rest, &mut r);
            self.next = Some(r);
        }
        self.couplings = vec![0.0; self.basis.len()];
        self.couplings[self.basis.len() - 1] = self.rest;
        Ok(())
    }

    /// All eigenpairs of `H`, by falling `score` of the value.
    pub(crate) fn ritz(&self, score: impl Fn(f64) -> f64) -> Ritz {
        let n = self.basis.len();
        let h = DMatrix::from_fn(n, n, |i, j| self.rows[i.max(j)][i.min(j)]);
        let eigen = SymmetricEigen::new(h);
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&i, &j| score(eigen.eigenvalues[j]).total_cmp(&score(eigen.eigenvalues[i])));
        Ritz {
            values: order.iter().map(|&i| eigen.eigenvalues[i]).collect(),
            coordinates: order
                .iter()
                .map(|&i| eigen.eigenvectors.column(i).iter().copied().collect())
                .collect(),
            bounds: order
                .iter()
                .map(|&i| self.rest * eigen.eigenvectors[(n - 1, i)].abs())
                .collect(),
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
        self.keep(kept, &ritz.values[..n_kept], couplings);
    }

    /// Only these eigenvectors of `A` remain, as an invariant basis.
    pub(crate) fn deflate(&mut self, vectors: Vec<V>, values: &[f64]) {
        self.keep(vectors, values, vec![0.0; values.len()]);
        self.next = None;
        self.rest = 0.0;
    }

    /// `H` becomes diagonal.
    fn keep(&mut self, vectors: Vec<V>, values: &[f64], couplings: Vec<f64>) {
        let row = |(i, value): (usize, &f64)| {
            let mut row = vec![0.0; i];
            row.push(*value);
            row
        };
        self.basis = vectors;
        self.rows = values.iter().enumerate().map(row).collect();
        self.couplings = couplings;
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
        assert_eq!((ritz.values[0], ritz.bounds[0]), (2.0, 1.0));
        let next = projection.next.take().unwrap();
        assert_eq!(next, array![0.0, 1.0]);
        projection.extend(&space, &mut operator, next).unwrap();
        assert!(projection.next.is_none());
        // Eigenvalues of [[2, 1], [1, 2]]: 3 and 1, of an invariant basis.
        let ritz = projection.ritz(|value| value);
        assert!((ritz.values[0] - 3.0).abs() < 1e-15 && (ritz.values[1] - 1.0).abs() < 1e-15);
        assert_eq!(ritz.bounds, [0.0, 0.0]);
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
}
