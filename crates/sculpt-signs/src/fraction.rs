use crate::FractionError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Fraction of the surviving signs, in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Fraction(f64);

impl Fraction {
    /// A checked fraction.
    ///
    /// # Errors
    /// A value outside [0, 1], or NaN.
    pub fn new(value: f64) -> Result<Self, FractionError> {
        if (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(FractionError::Range { value })
        }
    }

    /// The fraction.
    pub fn get(self) -> f64 {
        self.0
    }

    /// How many of `n` it is: `round(f·n)`, half away from zero.
    pub fn of(self, n: usize) -> usize {
        // At most n, since f ≤ 1.
        (self.0 * n as f64).round() as usize
    }
}

impl TryFrom<f64> for Fraction {
    type Error = FractionError;

    fn try_from(value: f64) -> Result<Self, FractionError> {
        Fraction::new(value)
    }
}

impl From<Fraction> for f64 {
    fn from(fraction: Fraction) -> f64 {
        fraction.0
    }
}

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Fraction {
    type Err = FractionError;

    fn from_str(text: &str) -> Result<Self, FractionError> {
        match text.parse() {
            Ok(value) => Fraction::new(value),
            Err(_) => Err(FractionError::NotANumber {
                given: text.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0.2 · 12 = 2.4 and 0.25 · 10 = 2.5, which rounds away from zero.
    #[test]
    fn of_a_count() {
        for (value, n, expected) in [(0.2, 12, 2), (0.25, 10, 3), (0.0, 7, 0), (1.0, 7, 7)] {
            assert_eq!(Fraction::new(value).unwrap().of(n), expected, "{value} of {n}");
        }
    }

    #[test]
    fn only_fractions() {
        for value in [-1e-9, 1.5, 20.0, f64::NAN, f64::INFINITY] {
            assert!(Fraction::new(value).is_err(), "{value}");
        }
        let refused = |text: &str| text.parse::<Fraction>().unwrap_err().to_string();
        assert_eq!(refused("20"), "fraction 20 is not in [0, 1]");
        assert_eq!(refused("20%"), "fraction \"20%\" is not a number in [0, 1]");
        assert_eq!("0.2".parse(), Fraction::new(0.2));
        assert_eq!(Fraction::new(0.2).unwrap().to_string(), "0.2");
    }

    #[test]
    fn serde_checks_the_range() {
        assert_eq!(serde_json::to_string(&Fraction(0.2)).unwrap(), "0.2");
        assert_eq!(serde_json::from_str::<Fraction>("0.2").unwrap(), Fraction(0.2));
        let refused = serde_json::from_str::<Fraction>("20").unwrap_err().to_string();
        assert!(refused.starts_with("fraction 20 is not in [0, 1]"), "{refused}");
    }
}
