use ndarray::Array1;

/// A real inner-product space: where the vectors live (host memory, a GPU) and how they are added.
///
/// Vectors may be kept in single precision; inner products are returned as `f64` and are best summed as such.
pub trait Space {
    /// A vector.
    type Vector;

    /// Number of coordinates of a vector that may differ from zero.
    fn dimension(&self) -> usize;

    /// The vector with these coordinates, [`dimension`](Space::dimension) of them, in an orthonormal basis.
    fn vector(&self, coordinates: &[f64]) -> Self::Vector;

    /// A copy of `x`.
    fn copy(&self, x: &Self::Vector) -> Self::Vector;

    /// `⟨x, y⟩`.
    fn dot(&self, x: &Self::Vector, y: &Self::Vector) -> f64;

    /// `y ← y + a x`.
    fn axpy(&self, a: f64, x: &Self::Vector, y: &mut Self::Vector);

    /// `x ← a x`.
    fn scale(&self, a: f64, x: &mut Self::Vector);

    /// Removes from `x` its components along the orthonormal `basis` and returns them, `⟨b_i, x⟩`.
    ///
    /// Done here by modified Gram-Schmidt, vector by vector; a space whose vectors lie in one matrix `B` does
    /// better by `c = Bᵀx`, `x ← x − Bc`. Callers that need orthogonality to rounding call it twice.
    fn orthogonalise(&self, basis: &[Self::Vector], x: &mut Self::Vector) -> Vec<f64> {
        let remove = |b| {
            let c = self.dot(b, x);
            self.axpy(-c, b, x);
            c
        };
        basis.iter().map(remove).collect()
    }

    /// `Σ c_i b_i`, as many coefficients as vectors.
    ///
    /// # Panics
    /// When `basis` is empty.
    fn combine(&self, basis: &[Self::Vector], coefficients: &[f64]) -> Self::Vector {
        let mut sum = self.copy(&basis[0]);
        self.scale(coefficients[0], &mut sum);
        for (b, c) in basis.iter().zip(coefficients).skip(1) {
            self.axpy(*c, b, &mut sum);
        }
        sum
    }
}

/// ℝⁿ in host memory: ndarray's `Array1<f64>` with the usual inner product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NdarraySpace {
    dimension: usize,
}

impl NdarraySpace {
    /// ℝⁿ for `n = dimension`.
    pub fn new(dimension: usize) -> Self {
        Self { dimension }
    }
}

impl Space for NdarraySpace {
    type Vector = Array1<f64>;

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn vector(&self, coordinates: &[f64]) -> Array1<f64> {
        Array1::from(coordinates.to_vec())
    }

    fn copy(&self, x: &Array1<f64>) -> Array1<f64> {
        x.clone()
    }

    fn dot(&self, x: &Array1<f64>, y: &Array1<f64>) -> f64 {
        x.dot(y)
    }

    fn axpy(&self, a: f64, x: &Array1<f64>, y: &mut Array1<f64>) {
        y.scaled_add(a, x);
    }

    fn scale(&self, a: f64, x: &mut Array1<f64>) {
        *x *= a;
    }
}

/// `‖x‖`.
pub(crate) fn norm<S: Space>(space: &S, x: &S::Vector) -> f64 {
    space.dot(x, x).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn provided_methods() {
        let space = NdarraySpace::new(3);
        let basis = [array![1.0, 0.0, 0.0], array![0.0, 0.6, 0.8]];
        // ⟨b₁, x⟩ = 2, ⟨b₂, x⟩ = 0.6·5 + 0.8·10 = 11; x − 2b₁ − 11b₂ = (0, 5 − 6.6, 10 − 8.8).
        let mut x = array![2.0, 5.0, 10.0];
        let c = space.orthogonalise(&basis, &mut x);
        assert!((c[0] - 2.0).abs() < 1e-15 && (c[1] - 11.0).abs() < 1e-14, "{c:?}");
        assert!(
            (&x - array![0.0, -1.6, 1.2]).iter().all(|d| d.abs() < 1e-14),
            "{x}"
        );
        // 2b₁ + 5b₂ = (2, 3, 4).
        assert_eq!(space.combine(&basis, &[2.0, 5.0]), array![2.0, 3.0, 4.0]);
        assert_eq!(norm(&space, &array![2.0, 3.0, 6.0]), 7.0);
    }
}
