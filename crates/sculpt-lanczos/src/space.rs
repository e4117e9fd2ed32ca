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
        remove_one_by_one(self, basis, x)
    }

    /// `Σ c_i b_i`, as many coefficients as vectors.
    ///
    /// # Panics
    /// When `basis` is empty.
    fn combine(&self, basis: &[Self::Vector], coefficients: &[f64]) -> Self::Vector {
        combine_one_by_one(self, basis, coefficients)
    }
}

/// What [`Space::orthogonalise`] does where a space does not know better: modified Gram-Schmidt.
pub fn remove_one_by_one<S: Space + ?Sized>(space: &S, basis: &[S::Vector], x: &mut S::Vector) -> Vec<f64> {
    let remove = |b| {
        let c = space.dot(b, x);
        space.axpy(-c, b, x);
        c
    };
    basis.iter().map(remove).collect()
}

/// What [`Space::combine`] does where a space does not know better.
///
/// # Panics
/// When `basis` is empty.
pub fn combine_one_by_one<S: Space + ?Sized>(
    space: &S,
    basis: &[S::Vector],
    coefficients: &[f64],
) -> S::Vector {
    let mut sum = space.copy(&basis[0]);
    space.scale(coefficients[0], &mut sum);
    for (b, c) in basis.iter().zip(coefficients).skip(1) {
        space.axpy(*c, b, &mut sum);
    }
    sum
}

/// ℝⁿ in host memory: `Vec<f64>` with the usual inner product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VecSpace {
    dimension: usize,
}

impl VecSpace {
    /// ℝⁿ for `n = dimension`.
    pub fn new(dimension: usize) -> Self {
        Self { dimension }
    }
}

/// Sums that an inner product is split into, so that it is computed in vector registers.
const LANES: usize = 8;

impl Space for VecSpace {
    type Vector = Vec<f64>;

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn vector(&self, coordinates: &[f64]) -> Vec<f64> {
        coordinates.to_vec()
    }

    fn copy(&self, x: &Vec<f64>) -> Vec<f64> {
        x.clone()
    }

    fn dot(&self, x: &Vec<f64>, y: &Vec<f64>) -> f64 {
        assert_eq!(x.len(), y.len(), "vectors of one space have one length");
        let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
        let mut sums = [0.0; LANES];
        for (x, y) in x.iter().zip(y) {
            for lane in 0..LANES {
                sums[lane] += x[lane] * y[lane];
            }
        }
        let rest: f64 = x_rest.iter().zip(y_rest).map(|(x, y)| x * y).sum();
        sums.iter().sum::<f64>() + rest
    }

    fn axpy(&self, a: f64, x: &Vec<f64>, y: &mut Vec<f64>) {
        assert_eq!(x.len(), y.len(), "vectors of one space have one length");
        y.iter_mut().zip(x).for_each(|(y, x)| *y += a * x);
    }

    fn scale(&self, a: f64, x: &mut Vec<f64>) {
        x.iter_mut().for_each(|x| *x *= a);
    }
}

/// `‖x‖`.
pub(crate) fn norm<S: Space>(space: &S, x: &S::Vector) -> f64 {
    space.dot(x, x).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NdarraySpace;
    use ndarray::array;

    #[test]
    fn provided_methods() {
        let space = VecSpace::new(3);
        let basis = [vec![1.0, 0.0, 0.0], vec![0.0, 0.6, 0.8]];
        // ⟨b₁, x⟩ = 2, ⟨b₂, x⟩ = 0.6·5 + 0.8·10 = 11; x − 2b₁ − 11b₂ = (0, 5 − 6.6, 10 − 8.8).
        let mut x = vec![2.0, 5.0, 10.0];
        let c = space.orthogonalise(&basis, &mut x);
        assert!((c[0] - 2.0).abs() < 1e-15 && (c[1] - 11.0).abs() < 1e-14, "{c:?}");
        let differences = x.iter().zip([0.0, -1.6, 1.2]).map(|(x, e)| (x - e).abs());
        assert!(differences.into_iter().all(|d| d < 1e-14), "{x:?}");
        // 2b₁ + 5b₂ = (2, 3, 4).
        assert_eq!(space.combine(&basis, &[2.0, 5.0]), [2.0, 3.0, 4.0]);
        assert_eq!(norm(&space, &vec![2.0, 3.0, 6.0]), 7.0);
    }

    /// 1 + 2 + … + 19 = 190, and of the squares 2,470: two chunks of eight and three beyond.
    #[test]
    fn every_coordinate_counts() {
        let space = VecSpace::new(19);
        let x: Vec<f64> = (1..=19).map(f64::from).collect();
        assert_eq!(space.dot(&x, &vec![1.0; 19]), 190.0);
        let mut y = x.clone();
        space.axpy(1.0, &x, &mut y);
        space.scale(0.5, &mut y);
        assert_eq!(space.dot(&x, &y), 2_470.0);
    }

    /// The same, of ndarray's vectors.
    #[test]
    fn both_spaces_are_one() {
        let space = NdarraySpace::new(3);
        let basis = [array![1.0, 0.0, 0.0], array![0.0, 0.6, 0.8]];
        let mut x = array![2.0, 5.0, 10.0];
        let c = space.orthogonalise(&basis, &mut x);
        assert!((c[0] - 2.0).abs() < 1e-15 && (c[1] - 11.0).abs() < 1e-14, "{c:?}");
        assert!(
            (&x - array![0.0, -1.6, 1.2]).iter().all(|d| d.abs() < 1e-14),
            "{x}"
        );
        assert_eq!(space.combine(&basis, &[2.0, 5.0]), array![2.0, 3.0, 4.0]);
        assert_eq!(norm(&space, &array![2.0, 3.0, 6.0]), 7.0);
    }
}
