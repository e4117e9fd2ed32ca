use crate::error::at_least;
use crate::operator::{Operator, ROUNDING};
use crate::space::norm;
use crate::start::{rademacher, sphere};
use crate::{LanczosError, Seed, Space};

/// An estimate of a trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trace {
    /// The estimate.
    pub estimate: f64,
    /// Its standard error: the samples' standard deviation over the root of their number, 0 when nothing was
    /// left to sample. None of a single sample.
    pub standard_error: Option<f64>,
    /// Products with the operator.
    pub products: usize,
}

/// `tr A` of the symmetric operator `A = product` as the mean of `n_samples` values `zᵀAz` with Rademacher
/// vectors `z` (Hutchinson 1990). Exact for a diagonal `A`.
///
/// # Errors
/// When `n_samples` is 0, the space is empty, or a product is not finite.
pub fn hutchinson<S: Space>(
    space: &S,
    product: impl FnMut(&S::Vector) -> S::Vector,
    n_samples: usize,
    seed: Seed,
) -> Result<Trace, LanczosError> {
    at_least(1, "n_samples", n_samples)?;
    at_least(1, "dimension", space.dimension())?;
    let mut operator = Operator::new(product);
    let samples = sample(space, &mut operator, &[], 0..n_samples, seed)?;
    let (estimate, standard_error) = mean(&samples);
    Ok(Trace {
        estimate,
        standard_error,
        products: operator.products,
    })
}

/// `tr A` by Hutch++ (Meyer, Musco, Musco and Woodruff 2021, algorithm 1) with at most `n_products` products:
/// a third of them sketches the range of `A` with normal vectors, a third takes the trace there exactly, and
/// the others are Hutchinson samples of what is left. Exact for a rank of at most `n_products / 3`.
///
/// The standard error is that of the samples. A space that the sketch fills needs none, and fewer products.
///
/// # Errors
/// When `n_products` is below 3, the space is empty, or a product is not finite.
pub fn hutch_plus_plus<S: Space>(
    space: &S,
    product: impl FnMut(&S::Vector) -> S::Vector,
    n_products: usize,
    seed: Seed,
) -> Result<Trace, LanczosError> {
    at_least(3, "n_products", n_products)?;
    let dimension = at_least(1, "dimension", space.dimension())?;
    let mut operator = Operator::new(product);
    let n_sketch = n_products / 3;
    let mut range = Vec::new();
    for index in 0..n_sketch {
        if range.len() == dimension {
            break;
        }
        let mut q = operator.apply(space, &sphere(space, &[], seed, index as u64)?)?;
        let length = norm(space, &q);
        space.orthogonalise(&range, &mut q);
        space.orthogonalise(&range, &mut q);
        let left = norm(space, &q);
        if left > ROUNDING * length {
            space.scale(1.0 / left, &mut q);
            range.push(q);
        }
    }
    let mut within = 0.0;
    for q in &range {
        within += space.dot(q, &operator.apply(space, q)?);
    }
    // Outside the whole space there is nothing to sample.
    let n_samples = if range.len() == dimension {
        0
    } else {
        n_products - operator.products
    };
    let samples = sample(space, &mut operator, &range, n_sketch..n_sketch + n_samples, seed)?;
    let (outside, standard_error) = mean(&samples);
    Ok(Trace {
        estimate: within + outside,
        standard_error,
        products: operator.products,
    })
}

/// Hutchinson samples of `PAP` with `P` the projection off the orthonormal `range`, a product each.
fn sample<S: Space, F: FnMut(&S::Vector) -> S::Vector>(
    space: &S,
    operator: &mut Operator<F>,
    range: &[S::Vector],
    indices: std::ops::Range<usize>,
    seed: Seed,
) -> Result<Vec<f64>, LanczosError> {
    let n = space.dimension() as f64;
    let one = |index| {
        let mut z = rademacher(space, seed, index as u64);
        space.orthogonalise(range, &mut z);
        Ok(n * space.dot(&z, &operator.apply(space, &z)?))
    };
    indices.map(one).collect()
}

/// Mean and standard error.
pub(crate) fn mean(samples: &[f64]) -> (f64, Option<f64>) {
    let n = samples.len() as f64;
    match samples {
        [] => (0.0, Some(0.0)),
        [only] => (*only, None),
        _ => {
            let mean = samples.iter().sum::<f64>() / n;
            let squares: f64 = samples.iter().map(|x| (x - mean).powi(2)).sum();
            (mean, Some((squares / ((n - 1.0) * n)).sqrt()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NdarraySpace;
    use ndarray::{Array1, Array2};
    use sculpt_random::{Purpose, Stream};

    /// `n × n`, of rank `rank`: a sum of random outer squares with signs + − + ….
    fn symmetric(n: usize, rank: usize) -> Array2<f64> {
        let mut stream = Stream::new(Seed(9), Purpose::TEST, 0);
        let mut a = Array2::zeros((n, n));
        for r in 0..rank {
            let u: Array1<f64> = (0..n).map(|_| stream.normal()).collect();
            let sign = if r % 2 == 0 { 1.0 } else { -1.0 };
            a += &Array2::from_shape_fn((n, n), |(i, j)| sign * u[i] * u[j]);
        }
        a
    }

    fn exact(a: &Array2<f64>) -> f64 {
        a.diag().sum()
    }

    /// zᵀDz = Σ d_i z_i² = Σ d_i = 1 + 2 + … + 10, whatever the signs.
    #[test]
    fn hutchinson_is_exact_for_diagonal_operators() {
        let d: Array1<f64> = (1..=10).map(f64::from).collect();
        let trace = hutchinson(&NdarraySpace::new(10), |x| &d * x, 5, Seed(1)).unwrap();
        assert!((trace.estimate - 55.0).abs() < 1e-13, "{}", trace.estimate);
        assert!(trace.standard_error.unwrap() < 1e-13);
        assert_eq!(trace.products, 5);
    }

    /// The variance of zᵀAz with signs z is 2 Σ_{i≠j} a_ij²; the standard error estimates its root over √n.
    #[test]
    fn hutchinson_knows_its_error() {
        let (a, n_samples) = (symmetric(40, 7), 400);
        let trace = hutchinson(&NdarraySpace::new(40), |x| a.dot(x), n_samples, Seed(1)).unwrap();
        let error = trace.standard_error.unwrap();
        assert!((trace.estimate - exact(&a)).abs() < 4.0 * error, "{trace:?}");
        let off_diagonal = (&a * &a).sum() - a.diag().dot(&a.diag());
        let expected = (2.0 * off_diagonal / n_samples as f64).sqrt();
        assert!((error / expected - 1.0).abs() < 0.2, "{error} {expected}");
    }

    #[test]
    fn hutch_plus_plus_is_exact_for_low_ranks() {
        let a = symmetric(40, 3);
        for n_products in [9, 12, 30] {
            let trace = hutch_plus_plus(&NdarraySpace::new(40), |x| a.dot(x), n_products, Seed(1)).unwrap();
            assert!((trace.estimate - exact(&a)).abs() < 1e-10, "{trace:?}");
            assert!(trace.standard_error.unwrap() < 1e-10);
            assert_eq!(trace.products, n_products);
        }
    }

    /// Eigenvalues 0.7^i: what the sketch leaves is a hundredth of the whole, and so is the error.
    #[test]
    fn hutch_plus_plus_is_better_on_decaying_spectra() {
        // In the basis of the discrete cosines, which is orthonormal.
        let n = 32;
        let q = Array2::from_shape_fn((n, n), |(i, j)| {
            let size = if j == 0 { 1.0 } else { 2.0_f64.sqrt() } / (n as f64).sqrt();
            size * (std::f64::consts::PI * (i as f64 + 0.5) * j as f64 / n as f64).cos()
        });
        let values: Array1<f64> = (0..n).map(|i| 0.7_f64.powi(i as i32)).collect();
        let a = (&q * &values).dot(&q.t());
        let plain = hutchinson(&NdarraySpace::new(n), |x| a.dot(x), 30, Seed(1)).unwrap();
        let better = hutch_plus_plus(&NdarraySpace::new(n), |x| a.dot(x), 30, Seed(1)).unwrap();
        assert_eq!((plain.products, better.products), (30, 30));
        let (error, smaller) = (plain.standard_error.unwrap(), better.standard_error.unwrap());
        assert!(
            (better.estimate - values.sum()).abs() < 4.0 * smaller,
            "{better:?}"
        );
        assert!(smaller < 0.1 * error, "{smaller} {error}");
    }

    /// A sketch of the whole space leaves nothing to sample.
    #[test]
    fn hutch_plus_plus_in_a_small_space() {
        let a = symmetric(3, 3);
        let trace = hutch_plus_plus(&NdarraySpace::new(3), |x| a.dot(x), 100, Seed(1)).unwrap();
        assert!((trace.estimate - exact(&a)).abs() < 1e-12);
        assert_eq!((trace.standard_error, trace.products), (Some(0.0), 6));
    }

    /// (1 + 2 + 3)/3 = 2; ((−1)² + 0² + 1²) / ((3 − 1)·3) = 1/3.
    #[test]
    fn means() {
        assert_eq!(mean(&[1.0, 2.0, 3.0]), (2.0, Some((1.0_f64 / 3.0).sqrt())));
        assert_eq!(mean(&[5.0]), (5.0, None));
        assert_eq!(mean(&[]), (0.0, Some(0.0)));
    }

    #[test]
    fn refusals() {
        let space = NdarraySpace::new(2);
        let errors = [
            (
                hutchinson(&space, Array1::clone, 0, Seed(1)),
                "n_samples is 0, but at least 1 is needed",
            ),
            (
                hutch_plus_plus(&space, Array1::clone, 2, Seed(1)),
                "n_products is 2, but at least 3 is needed",
            ),
            (
                hutchinson(&NdarraySpace::new(0), Array1::clone, 1, Seed(1)),
                "dimension is 0, but at least 1 is needed",
            ),
            (
                hutch_plus_plus(&space, |x| x * f64::INFINITY, 3, Seed(1)),
                "product 1 of the operator is not finite",
            ),
        ];
        for (result, text) in errors {
            assert_eq!(result.unwrap_err().to_string(), text);
        }
    }
}
