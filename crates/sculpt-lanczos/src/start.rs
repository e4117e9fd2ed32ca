use crate::{LanczosError, Seed, Space, space::norm};
use sculpt_random::{Purpose, Stream};

/// Starting vectors; index: the start.
const START_VECTOR: Purpose = Purpose::new(b"start---");

/// A unit vector orthogonal to `basis`, uniform on the sphere: normal coordinates, projected, normalised.
pub(crate) fn sphere<S: Space>(
    space: &S,
    basis: &[S::Vector],
    seed: Seed,
    index: u64,
) -> Result<S::Vector, LanczosError> {
    let dimension = space.dimension();
    let mut stream = Stream::new(seed, START_VECTOR, index);
    let coordinates: Vec<f64> = (0..dimension).map(|_| stream.normal()).collect();
    let mut x = space.vector(&coordinates);
    // The second pass removes what rounding left along the basis, magnified if the first left little else.
    for _ in 0..2 {
        space.orthogonalise(basis, &mut x);
        let norm = norm(space, &x);
        if !(norm > 0.0 && norm.is_finite()) {
            return Err(LanczosError::Start { index, dimension });
        }
        space.scale(1.0 / norm, &mut x);
    }
    Ok(x)
}

/// The unit vector along `start`, plus a tenth of a uniform unit vector, normalised.
pub(crate) fn near<S: Space>(
    space: &S,
    start: &S::Vector,
    seed: Seed,
    index: u64,
) -> Result<S::Vector, LanczosError> {
    let length = norm(space, start);
    if !(length > 0.0 && length.is_finite()) {
        return Err(LanczosError::StartNorm { norm: length });
    }
    let mut x = space.copy(start);
    space.scale(1.0 / length, &mut x);
    space.axpy(0.1, &sphere(space, &[], seed, index)?, &mut x);
    let length = norm(space, &x);
    space.scale(1.0 / length, &mut x);
    Ok(x)
}

/// A unit vector of coordinates `±1/√n` with independent fair signs.
pub(crate) fn rademacher<S: Space>(space: &S, seed: Seed, index: u64) -> S::Vector {
    let mut stream = Stream::new(seed, START_VECTOR, index);
    let size = 1.0 / (space.dimension() as f64).sqrt();
    let sign = |_| if stream.bernoulli(0.5) { size } else { -size };
    let coordinates: Vec<f64> = (0..space.dimension()).map(sign).collect();
    space.vector(&coordinates)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NdarraySpace;
    use ndarray::array;

    /// Of a plane without its first axis, a line is left.
    #[test]
    fn sphere_is_orthogonal_to_the_basis() {
        let basis = [array![1.0, 0.0]];
        let x = sphere(&NdarraySpace::new(2), &basis, Seed(1), 0).unwrap();
        assert!(x[0].abs() < 1e-16 && (x[1].abs() - 1.0).abs() < 1e-15, "{x}");
    }

    /// In the direction of (3, 4), the vector is (0.6, 0.8) + 0.1·z with a unit vector z, over its length.
    #[test]
    fn near_is_a_tenth_off() {
        let space = NdarraySpace::new(2);
        let z = sphere(&space, &[], Seed(1), 0).unwrap();
        let sum = array![0.6 + 0.1 * z[0], 0.8 + 0.1 * z[1]];
        let x = near(&space, &array![3e3, 4e3], Seed(1), 0).unwrap();
        assert!((x.dot(&x) - 1.0).abs() < 1e-15);
        assert!(
            (&x - &sum / sum.dot(&sum).sqrt()).iter().all(|d| d.abs() < 1e-15),
            "{x}"
        );
    }

    #[test]
    fn near_needs_a_direction() {
        let space = NdarraySpace::new(2);
        for (c, norm) in [(0.0, "0"), (f64::INFINITY, "inf"), (f64::NAN, "NaN")] {
            let error = near(&space, &array![c, 0.0], Seed(1), 0).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("a start vector of norm {norm} has no direction")
            );
        }
    }

    /// A line without its axis: nothing is left.
    #[test]
    fn full_basis_leaves_nothing() {
        let space = NdarraySpace::new(1);
        let error = sphere(&space, &[array![1.0]], Seed(1), 3).unwrap_err();
        assert_eq!(
            error,
            LanczosError::Start {
                index: 3,
                dimension: 1
            }
        );
    }

    #[test]
    fn signs_are_fair_and_follow_seed_and_index() {
        let space = NdarraySpace::new(10_000);
        let x = rademacher(&space, Seed(1), 0);
        // 1/√10,000; the number of plus signs has a standard deviation of 50.
        assert!(x.iter().all(|c| c.abs() == 0.01));
        let n_plus = x.iter().filter(|c| **c > 0.0).count();
        assert!((4_800..5_200).contains(&n_plus), "{n_plus}");
        assert_eq!(x, rademacher(&space, Seed(1), 0));
        assert_ne!(x, rademacher(&space, Seed(2), 0));
        assert_ne!(x, rademacher(&space, Seed(1), 1));
    }
}
