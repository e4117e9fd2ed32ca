use crate::{Density, DensityError};

/// Fraction that each level of iterative pruning keeps of the level before (paper, A.3: "typically x = 20 %").
const LEVEL_RATE: f64 = 0.8;

/// The densities `rate^k` of the levels `k = 0 … n_levels − 1`: level 0 is dense.
///
/// Computed by repeated multiplication, so equal on every machine.
///
/// # Errors
/// A level whose density is too small for an `f64`.
pub fn geometric_densities(rate: Density, n_levels: usize) -> Result<Vec<Density>, DensityError> {
    let mut densities = Vec::new();
    let mut density = Density::DENSE;
    for level in 0..n_levels {
        if level > 0 {
            density = Density::new(density.get() * rate.get())?;
        }
        densities.push(density);
    }
    Ok(densities)
}

/// The levels of TurboPrune's `generate_densities`: 1, 0.8, 0.64, … while above `target`, and the first that
/// is not.
pub fn turboprune_densities(target: Density) -> Vec<Density> {
    let mut densities = vec![Density::DENSE];
    let mut density = Density::DENSE;
    while density > target {
        match Density::new(density.get() * LEVEL_RATE) {
            Ok(next) if next < density => density = next,
            // Near the smallest f64 a product rounds to its factor; there the target itself is the last level.
            Ok(_) | Err(_) => density = target,
        }
        densities.push(density);
    }
    densities
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1, 0.8, 0.64, 0.512; and the paper's level 12, 0.8¹² = 0.06872 (93 % sparse), of the 19 to 0.8¹⁸.
    #[test]
    fn powers() {
        let rate = Density::new(0.8).unwrap();
        let densities = geometric_densities(rate, 19).unwrap();
        let close = |level: usize, density: f64| (densities[level].get() - density).abs() < 1e-12;
        assert!(close(0, 1.0) && close(1, 0.8) && close(2, 0.64) && close(3, 0.512));
        assert!(close(12, 0.068719476736) && densities.len() == 19);
        assert_eq!(geometric_densities(rate, 0), Ok(vec![]));
        let tiny = geometric_densities(Density::new(1e-200).unwrap(), 3);
        assert_eq!(tiny, Err(DensityError::Density { value: 0.0 }));
    }

    /// 0.8¹¹ = 0.0859, 0.8¹⁴ = 0.0440, 0.8¹⁸ = 0.0180.
    #[test]
    fn turboprune() {
        for (target, n_levels, last) in [
            (0.1, 12, 0.0859),
            (1.0 - 0.9, 12, 0.0859),
            (0.05, 15, 0.0440),
            (0.02, 19, 0.0180),
            (0.8, 2, 0.8),
            (1.0, 1, 1.0),
        ] {
            let densities = turboprune_densities(Density::new(target).unwrap());
            assert_eq!(densities.len(), n_levels, "{target}");
            assert!(
                (densities[n_levels - 1].get() - last).abs() < 5e-5,
                "{target}: {densities:?}"
            );
        }
        let smallest = Density::new(5e-324).unwrap();
        assert_eq!(turboprune_densities(smallest).last(), Some(&smallest));
    }
}
