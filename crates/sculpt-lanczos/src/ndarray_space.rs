use crate::Space;
use ndarray::Array1;

/// ℝⁿ in host memory: `Array1<f64>` of [`ndarray`](crate::ndarray) with the usual inner product.
///
/// ```rust
/// use sculpt_lanczos::ndarray::{Array1, array};
/// use sculpt_lanczos::{Eigen, NdarraySpace, Seed, Which, eigenpairs};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let a = array![[2.0, 1.0], [1.0, 2.0]];
///     let largest = Eigen::new(1, Which::LargestAlgebraic, 1e-9, 100, 20, Seed(1))?;
///     let pairs = eigenpairs(&NdarraySpace::new(2), |x: &Array1<f64>| a.dot(x), &largest)?;
///     assert!((pairs.values[0] - 3.0).abs() <= pairs.residuals[0] + 1e-14);
///     Ok(())
/// }
/// ```
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
