use crate::error::at_least;
use crate::operator::Operator;
use crate::outliers::Outliers;
use crate::projection::Projection;
use crate::start::{rademacher, sphere};
use crate::trace::mean;
use crate::{LanczosError, Seed, Space};
use std::f64::consts::TAU;

/// The spectral density of the symmetric operator `A = product` by stochastic Lanczos quadrature.
///
/// # Errors
/// When the space is empty, or a product is not finite.
pub fn density<S: Space>(
    space: &S,
    product: impl FnMut(&S::Vector) -> S::Vector,
    params: &Density,
) -> Result<SpectralDensity, LanczosError> {
    let dimension = at_least(1, "dimension", space.dimension())? as f64;
    let mut operator = Operator::new(product);
    let Outliers {
        mut vectors,
        values,
        residuals,
        steps,
    } = Outliers::search(space, &mut operator, params)?;
    let n_known = vectors.len();
    let (known, rest) = (1.0 / dimension, 1.0 - n_known as f64 / dimension);
    let (mut nodes, mut weights) = (Vec::new(), Vec::new());
    for index in 0..params.n_starts {
        // A vector of signs, projected, would be uniform in no sense, and might be nothing.
        let start = match n_known {
            0 => Some(rademacher(space, params.seed, index as u64)),
            n if n < space.dimension() => Some(sphere(space, &vectors, params.seed, index as u64)?),
            _ => None,
        };
        let mut projection = Projection::new();
        projection.deflate(vectors, &values, &residuals);
        projection.next = start;
        // An invariant basis, and a complete one is, makes the quadrature exact.
        while projection.basis.len() < n_known + steps
            && let Some(v) = projection.next.take()
        {
            projection.extend(space, &mut operator, v)?;
        }
        let ritz = projection.ritz(|value| -value);
        let weight = |s: &Vec<f64>| {
            let outliers: f64 = s[..n_known].iter().map(|x| x * x).sum();
            known * outliers + s.get(n_known).map_or(0.0, |x| rest * x * x)
        };
        weights.push(ritz.coordinates.iter().map(weight).collect());
        nodes.push(ritz.values);
        vectors = projection.basis;
        vectors.truncate(n_known);
    }
    Ok(SpectralDensity {
        nodes,
        weights,
        n_known,
        products: operator.products,
    })
}

/// How well to resolve the density.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Density {
    pub(crate) steps: usize,
    pub(crate) n_starts: usize,
    pub(crate) search: usize,
    pub(crate) seed: Seed,
}

impl Density {
    /// Parameters within their ranges: Lanczos steps per start and number of starts, both at least 1, and the
    /// seed of the start vectors, Rademacher's. All `steps` basis vectors of a start are held at once.
    ///
    /// # Errors
    /// When one of the two is 0.
    pub fn new(steps: usize, n_starts: usize, seed: Seed) -> Result<Self, LanczosError> {
        Ok(Self {
            steps: at_least(1, "steps", steps)?,
            n_starts: at_least(1, "n_starts", n_starts)?,
            search: 0,
            seed,
        })
    }

    /// Before the first start, `steps` Lanczos steps look for eigenvalues at the ends of the spectrum. Those found to a residual of
    /// a thousandth of themselves get the weight that they have, `1/n` each, and the starts sample what is orthogonal to
    /// their vectors. (Papyan 2018, arXiv:1811.07062, deflates so.)
    ///
    /// Nodes lie as densely as the spectrum's length over the number of steps: of what is left, a start takes so much fewer steps as it is
    /// shorter than the whole, but 20, or all, at least. What is left is that of which the search saw something.
    ///
    /// Of a spectrum with few large eigenvalues this is what makes moments usable: a start alone weighs each of them by the square of a
    /// random number. Also where an eigenvalue is a multiple one, of which a search sees one copy, moments have no bias but that of the
    /// residuals' squares, at most 1e-6 of what is known: the starts are uniform in the complement, and see the other copies.
    ///
    /// Held at once are the search's basis and what it found, then that and a start's basis. 0, as by default: no search.
    pub fn after_search(self, steps: usize) -> Self {
        Self {
            search: steps,
            ..self
        }
    }
}

/// `(1/n) Σ_i δ(λ − λ_i)` as one quadrature rule per start: `Σ_j w_j f(θ_j) ≈ tr f(A)/n`.
#[derive(Clone, Debug, PartialEq)]
pub struct SpectralDensity {
    /// Per start, the Ritz values `θ_j`, ascending; `steps` of them, or fewer when fewer are exact; after a search, what it found and as
    /// many as its starts take steps.
    pub nodes: Vec<Vec<f64>>,
    /// Per start, the weights `w_j` of its nodes: they are not negative and their sum is 1.
    pub weights: Vec<Vec<f64>>,
    /// Eigenvalues among the nodes of each start that a search found, each of weight `1/n`.
    pub n_known: usize,
    /// Products with the operator.
    pub products: usize,
}

impl SpectralDensity {
    /// The mean of `λ^degree` over the eigenvalues, `tr A^degree / n`: of each start exact for what it weighs up to a degree of
    /// `2·steps − 1`, of the steps that it took; here the mean over the starts and its standard error, none of a single start.
    pub fn moment(&self, degree: i32) -> (f64, Option<f64>) {
        let of_start = |(nodes, weights): (&Vec<f64>, &Vec<f64>)| {
            nodes.iter().zip(weights).map(|(x, w)| w * x.powi(degree)).sum()
        };
        let moments: Vec<f64> = self.nodes.iter().zip(&self.weights).map(of_start).collect();
        mean(&moments)
    }

    /// The density as a smooth curve: `n_points` abscissae, and at each the mean over the starts of
    /// `Σ_j w_j N(λ; θ_j, variance)`, scaled so that sum times spacing is 1.
    ///
    /// As PyHessian's `density_plot` does it (there 10,000 points and a relative variance of 1e-5): the grid
    /// ends 0.01 outside the means over starts of smallest and largest node, both ends included, and the
    /// variance is `relative_variance · max(1, length of the grid)`, in units of λ².
    ///
    /// # Errors
    /// When `n_points` is below 2, `relative_variance` is not positive and finite, or the points are so few
    /// that every Gaussian falls between two of them.
    pub fn smooth(
        &self,
        n_points: usize,
        relative_variance: f64,
    ) -> Result<(Vec<f64>, Vec<f64>), LanczosError> {
        at_least(2, "n_points", n_points)?;
        if !(relative_variance > 0.0 && relative_variance.is_finite()) {
            return Err(LanczosError::RelativeVariance {
                value: relative_variance,
            });
        }
        let n_starts = self.nodes.len() as f64;
        let mean = |nodes: fn(&Vec<f64>) -> f64| self.nodes.iter().map(nodes).sum::<f64>() / n_starts;
        let from = mean(|nodes| nodes[0]) - 0.01;
        let to = mean(|nodes| nodes[nodes.len() - 1]) + 0.01;
        let variance = relative_variance * (to - from).max(1.0);
        let spacing = (to - from) / (n_points - 1) as f64;
        let grid: Vec<f64> = (0..n_points).map(|i| from + i as f64 * spacing).collect();

        let height = 1.0 / (n_starts * (TAU * variance).sqrt());
        let at = |x: &f64| {
            let all = self.nodes.iter().flatten().zip(self.weights.iter().flatten());
            all.map(|(node, weight)| weight * height * (-(x - node).powi(2) / (2.0 * variance)).exp())
                .sum()
        };
        let mut curve: Vec<f64> = grid.iter().map(at).collect();
        let area = curve.iter().sum::<f64>() * spacing;
        if area.is_nan() || area <= 0.0 {
            let deviation = variance.sqrt();
            return Err(LanczosError::Grid {
                n_points,
                spacing,
                deviation,
            });
        }
        curve.iter_mut().for_each(|value| *value /= area);
        Ok((grid, curve))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NdarraySpace;
    use ndarray::{Array1, Array2, array};

    fn diagonal(n: usize) -> Array1<f64> {
        (0..n).map(|i| (i as f64).sin() + 0.5).collect()
    }

    /// Of a start with squared coordinates 1/n, the rule of m nodes is exact up to degree 2m − 1, where the
    /// sum of the `k`-th powers of the diagonal, over n, is `startᵀ A^k start`; at degree 2m it is not.
    #[test]
    fn moments_are_exact_to_degree_2m_minus_1() {
        let (d, m) = (diagonal(30), 4);
        let params = Density::new(m, 2, Seed(1)).unwrap();
        let density = density(&NdarraySpace::new(30), |x| &d * x, &params).unwrap();
        assert_eq!(density.products, 8);
        for (nodes, weights) in density.nodes.iter().zip(&density.weights) {
            assert!(nodes.len() == m && nodes.is_sorted());
            let error = |degree| {
                let rule: f64 = nodes.iter().zip(weights).map(|(x, w)| w * x.powi(degree)).sum();
                (rule - d.mapv(|x| x.powi(degree)).mean().unwrap()).abs()
            };
            for degree in 0..2 * m as i32 {
                assert!(error(degree) < 1e-13, "{degree} {}", error(degree));
            }
            assert!(error(2 * m as i32) > 1e-6);
        }
    }

    /// Two different eigenvalues take two nodes, 3 of 4 coordinates at the one, however many steps are asked
    /// for.
    #[test]
    fn few_eigenvalues_take_few_nodes() {
        let d = array![2.0, 2.0, -1.0, 2.0];
        let params = Density::new(50, 3, Seed(1)).unwrap();
        let density = density(&NdarraySpace::new(4), |x| &d * x, &params).unwrap();
        assert_eq!(density.products, 6);
        for (nodes, weights) in density.nodes.iter().zip(&density.weights) {
            assert!((nodes[0] + 1.0).abs() < 1e-14 && (nodes[1] - 2.0).abs() < 1e-14);
            assert!((weights[0] - 0.25).abs() < 1e-14 && (weights[1] - 0.75).abs() < 1e-14);
        }
    }

    #[test]
    fn same_seed_same_bits() {
        let a = array![[2.0, 1.0, 0.0], [1.0, 2.0, 1.0], [0.0, 1.0, 2.0]];
        let run = |seed| {
            let params = Density::new(2, 4, Seed(seed)).unwrap();
            density(&NdarraySpace::new(3), |x| a.dot(x), &params).unwrap()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    /// Four eigenvalues far out, one of them twice, and 56 near zero of either sign, in the basis of the discrete cosines: a
    /// start of signs would otherwise weigh each by 1/n exactly.
    fn with_outliers() -> (Array1<f64>, impl Fn(&Array1<f64>) -> Array1<f64>) {
        let n = 60;
        let value = |i: usize| match i {
            0 => 40.0,
            1 | 2 => 25.0,
            3 => -10.0,
            i => 0.1 * ((i * i) as f64).sin(),
        };
        let values: Array1<f64> = (0..n).map(value).collect();
        let q = Array2::from_shape_fn((n, n), |(i, j)| {
            let size = if j == 0 { 1.0 } else { 2.0_f64.sqrt() } / (n as f64).sqrt();
            size * (std::f64::consts::PI * (i as f64 + 0.5) * j as f64 / n as f64).cos()
        });
        let a = (&q * &values).dot(&q.t());
        (values, move |x| a.dot(x))
    }

    /// What is found has its weight; the copy that one search cannot see is seen by the starts, without bias.
    #[test]
    fn what_a_search_finds_is_not_left_to_chance() {
        let (values, product) = with_outliers();
        let space = NdarraySpace::new(60);
        let run = |params: Density| density(&space, &product, &params).unwrap();
        let exact = values.mapv(|x| x * x).mean().unwrap();
        let plain = Density::new(12, 400, Seed(1)).unwrap();
        let searched = run(plain.after_search(20));
        assert!(searched.n_known >= 3, "{}", searched.n_known);
        for (nodes, weights) in searched.nodes.iter().zip(&searched.weights) {
            assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            assert!(nodes.is_sorted());
            let at = |value: f64| {
                let near = nodes
                    .iter()
                    .zip(weights)
                    .filter(|(x, _)| (*x - value).abs() < 0.1);
                near.map(|(_, w)| w).sum::<f64>()
            };
            for single in [40.0, -10.0] {
                assert!((at(single) * 60.0 - 1.0).abs() < 1e-9, "{single}");
            }
            assert!(at(25.0) * 60.0 > 1.0 - 1e-9);
        }
        let (moment, error) = searched.moment(2);
        let (by_chance, larger) = run(plain).moment(2);
        let (error, larger) = (error.unwrap(), larger.unwrap());
        assert!((moment - exact).abs() < 4.0 * error, "{moment} {error} {exact}");
        assert!(
            (by_chance - exact).abs() < 4.0 * larger,
            "{by_chance} {larger} {exact}"
        );
        assert!(error < 0.5 * larger, "{error} {larger}");
    }

    /// Without the double one, nothing that is left is as large as a hundredth of what was found.
    #[test]
    fn a_search_takes_the_chance_out_of_moments() {
        let (_, product) = with_outliers();
        // The second copy, 25 times the projection on its cosine, taken away.
        let cosine: Array1<f64> = (0..60)
            .map(|i| {
                (2.0 / 60.0_f64).sqrt() * (std::f64::consts::PI * (f64::from(i) + 0.5) * 2.0 / 60.0).cos()
            })
            .collect();
        let single = |x: &Array1<f64>| product(x) - &cosine * (25.0 * cosine.dot(x));
        let params = Density::new(12, 3, Seed(1)).unwrap().after_search(20);
        let found = density(&NdarraySpace::new(60), single, &params).unwrap();
        assert_eq!(found.products, 20 + 3 * 12);
        let bulk: f64 = (4..60).map(|i| (0.1 * f64::from(i * i).sin()).powi(2)).sum();
        let exact = (1600.0 + 625.0 + 100.0 + bulk) / 60.0;
        assert!(
            (found.moment(2).0 / exact - 1.0).abs() < 1e-3,
            "{:?}",
            found.moment(2)
        );
    }

    /// Of 5 and 0 along (1, 1) and (1, -1) only the first can be known. What is left has its half at every start, where a vector of signs
    /// has nothing along it half of the time.
    #[test]
    fn what_is_left_has_its_weight_at_every_start() {
        let plane = array![[2.5, 2.5], [2.5, 2.5]];
        let params = Density::new(5, 20, Seed(1)).unwrap().after_search(5);
        let found = density(&NdarraySpace::new(2), |x| plane.dot(x), &params).unwrap();
        assert_eq!(found.n_known, 1);
        for weights in &found.weights {
            assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{weights:?}");
        }
    }

    /// A search that finds all eigenvalues leaves nothing to sample; a start's own steps then are none.
    #[test]
    fn a_search_may_find_everything() {
        let d = array![3.0, 2.0, -1.0];
        let params = Density::new(5, 2, Seed(1)).unwrap().after_search(5);
        let found = density(&NdarraySpace::new(3), |x| &d * x, &params).unwrap();
        assert_eq!((found.n_known, found.products), (3, 3));
        let (mean, error) = found.moment(1);
        assert!(
            (mean - 4.0 / 3.0).abs() < 1e-14 && error.unwrap() < 1e-14,
            "{mean} {error:?}"
        );
    }

    fn two_starts() -> SpectralDensity {
        SpectralDensity {
            nodes: vec![vec![-1.0, 0.5, 2.0], vec![-1.25, 0.25, 2.25]],
            weights: vec![vec![0.25, 0.5, 0.25], vec![0.125, 0.625, 0.25]],
            n_known: 0,
            products: 6,
        }
    }

    /// The answers are from `goldens/smooth.py`.
    #[test]
    fn smooth_as_density_plot() {
        let (grid, curve) = two_starts().smooth(6, 0.05).unwrap();
        let expected_grid = [-1.135, -0.481, 0.173, 0.827, 1.481, 2.135];
        let expected_curve = [
            0.19124355860293862,
            0.1486017062382743,
            0.5220155668295281,
            0.31512901647620384,
            0.09770150079703827,
            0.2543606388236013,
        ];
        for i in 0..6 {
            assert!((grid[i] - expected_grid[i]).abs() < 1e-14, "{grid:?}");
            assert!((curve[i] - expected_curve[i]).abs() < 1e-14, "{curve:?}");
        }
    }

    /// 3.27 between two points, none near a node: Gaussians of deviation 0.0018 underflow to 0 at all of
    /// them.
    #[test]
    fn refusals() {
        let text = |result: Result<_, LanczosError>| {
            let (_, _): (Vec<f64>, Vec<f64>) = match result {
                Err(error) => return error.to_string(),
                Ok(curve) => curve,
            };
            String::new()
        };
        assert_eq!(
            text(two_starts().smooth(1, 0.05)),
            "n_points is 1, but at least 2 is needed"
        );
        for (value, given) in [(0.0, "0"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
            let expected = format!("relative variance {given} is not positive and finite");
            assert_eq!(text(two_starts().smooth(9, value)), expected);
        }
        let error = two_starts().smooth(2, 1e-6).unwrap_err();
        assert!(matches!(error, LanczosError::Grid { n_points: 2, .. }), "{error}");
        for (steps, n_starts, name) in [(0, 1, "steps"), (1, 0, "n_starts")] {
            let error = Density::new(steps, n_starts, Seed(1)).unwrap_err();
            assert_eq!(
                error,
                LanczosError::TooFew {
                    name,
                    value: 0,
                    least: 1
                }
            );
        }
        let params = Density::new(1, 1, Seed(1)).unwrap();
        let error = density(&NdarraySpace::new(0), Array1::clone, &params).unwrap_err();
        assert_eq!(error.to_string(), "dimension is 0, but at least 1 is needed");
        let error = density(&NdarraySpace::new(2), |x| x / 0.0, &params).unwrap_err();
        assert_eq!(error.to_string(), "product 1 of the operator is not finite");
    }
}
