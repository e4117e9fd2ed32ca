use crate::{DensityError, MaskError};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Fraction of the prunable weights that a mask keeps, in (0, 1].
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Density(f64);

/// Fraction of the prunable weights that a mask removes, in [0, 1): the complement of a [`Density`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sparsity {
    /// Kept instead of the sparsity: 1 − d is less exact than d, and 1 for the smallest d.
    density: Density,
}

impl Density {
    /// Everything kept.
    pub const DENSE: Density = Density(1.0);

    /// A checked density.
    ///
    /// # Errors
    /// A value outside (0, 1], or NaN.
    pub fn new(value: f64) -> Result<Self, DensityError> {
        if value > 0.0 && value <= 1.0 {
            Ok(Self(value))
        } else {
            Err(DensityError::Density { value })
        }
    }

    /// The fraction.
    pub fn get(self) -> f64 {
        self.0
    }

    /// The complement.
    pub fn sparsity(self) -> Sparsity {
        Sparsity { density: self }
    }

    /// Number of survivors of `n` weights: `round(d·n)`, half away from zero.
    ///
    /// # Errors
    /// No survivors.
    pub fn n_kept(self, n: usize) -> Result<usize, MaskError> {
        // At most n, since d ≤ 1.
        match (self.0 * n as f64).round() as usize {
            0 => Err(MaskError::NothingKept { density: self, n }),
            n_kept => Ok(n_kept),
        }
    }
}

impl Sparsity {
    /// A checked sparsity.
    ///
    /// # Errors
    /// A value outside [0, 1), or NaN.
    pub fn new(value: f64) -> Result<Self, DensityError> {
        if (0.0..1.0).contains(&value) {
            Ok(Self {
                density: Density(1.0 - value),
            })
        } else {
            Err(DensityError::Sparsity { value })
        }
    }

    /// The fraction.
    pub fn get(self) -> f64 {
        1.0 - self.density.0
    }

    /// The complement.
    pub fn density(self) -> Density {
        self.density
    }
}

impl TryFrom<f64> for Density {
    type Error = DensityError;

    fn try_from(value: f64) -> Result<Self, DensityError> {
        Density::new(value)
    }
}

impl From<Density> for f64 {
    fn from(density: Density) -> f64 {
        density.0
    }
}

impl fmt::Display for Density {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Density {
    type Err = DensityError;

    fn from_str(text: &str) -> Result<Self, DensityError> {
        match text.parse() {
            Ok(value) => Density::new(value),
            Err(_) => Err(DensityError::NotANumber {
                given: text.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 0.25 · 10 = 2.5 and 0.75 · 10 = 7.5 round away from zero; 0.05 · 10 = 0.5 keeps one.
    #[test]
    fn survivors() {
        let n_kept = |d, n| Density::new(d).unwrap().n_kept(n);
        assert_eq!(n_kept(0.25, 10), Ok(3));
        assert_eq!(n_kept(0.75, 10), Ok(8));
        assert_eq!(n_kept(0.05, 10), Ok(1));
        assert_eq!(n_kept(1.0, 25_502_912), Ok(25_502_912));
        assert_eq!(
            n_kept(0.04, 10).unwrap_err().to_string(),
            "density 0.04 keeps none of 10 prunable weights"
        );
    }

    #[test]
    fn only_fractions() {
        for value in [0.0, -0.0, -0.5, 1.5, 80.0, f64::NAN, f64::INFINITY] {
            assert!(Density::new(value).is_err(), "{value}");
        }
        assert_eq!(
            "1.5".parse::<Density>().unwrap_err().to_string(),
            "density 1.5 is not in (0, 1]"
        );
        assert_eq!(
            "20%".parse::<Density>().unwrap_err().to_string(),
            "density \"20%\" is not a number in (0, 1]"
        );
        assert_eq!("0.8".parse(), Density::new(0.8));
        for value in [1.0, -0.1, f64::NAN] {
            assert!(Sparsity::new(value).is_err(), "{value}");
        }
    }

    #[test]
    fn complement() {
        let density = Density::new(0.75).unwrap();
        assert_eq!(density.sparsity().get(), 0.25);
        assert_eq!(density.sparsity().density(), density);
        assert_eq!(Sparsity::new(0.25), Ok(density.sparsity()));
        assert_eq!(Density::DENSE.sparsity().get(), 0.0);
    }

    #[test]
    fn serde_checks_the_range() {
        assert_eq!(serde_json::to_string(&Density(0.8)).unwrap(), "0.8");
        assert_eq!(serde_json::from_str::<Density>("0.8").unwrap(), Density(0.8));
        let refused = serde_json::from_str::<Density>("80").unwrap_err().to_string();
        assert!(refused.starts_with("density 80 is not in (0, 1]"), "{refused}");
    }

    proptest! {
        #[test]
        fn accepted_if_and_only_if_in_range(value in proptest::num::f64::ANY) {
            let is_density = value > 0.0 && value <= 1.0;
            prop_assert_eq!(Density::new(value).is_ok(), is_density);
            prop_assert_eq!(value.to_string().parse::<Density>().is_ok(), is_density);
        }
    }
}
