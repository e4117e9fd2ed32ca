use crate::LabelNoiseError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Fraction of the labels that are chosen to be corrupted, in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Rate(f64);

impl Rate {
    /// A checked rate.
    ///
    /// # Errors
    /// A value outside [0, 1], or NaN.
    pub fn new(value: f64) -> Result<Self, LabelNoiseError> {
        if (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(LabelNoiseError::Rate { value })
        }
    }

    /// The fraction.
    pub fn get(self) -> f64 {
        self.0
    }

    /// Number of labels chosen of `n`: `round(rate·n)`, half away from zero.
    pub fn n_chosen(self, n: usize) -> usize {
        // At most n, since the rate is at most 1.
        (self.0 * n as f64).round() as usize
    }
}

impl TryFrom<f64> for Rate {
    type Error = LabelNoiseError;

    fn try_from(value: f64) -> Result<Self, LabelNoiseError> {
        Rate::new(value)
    }
}

impl From<Rate> for f64 {
    fn from(rate: Rate) -> f64 {
        rate.0
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Rate {
    type Err = LabelNoiseError;

    fn from_str(text: &str) -> Result<Self, LabelNoiseError> {
        match text.parse() {
            Ok(value) => Rate::new(value),
            Err(_) => Err(LabelNoiseError::NotANumber {
                given: text.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0.15 · 50,000 = 7,500; 0.15 · 10 = 1.5 and 0.25 · 10 = 2.5 round away from zero.
    #[test]
    fn of_a_count() {
        for (value, n, expected) in [
            (0.15, 50_000, 7_500),
            (0.15, 10, 2),
            (0.25, 10, 3),
            (0.0, 5, 0),
            (1.0, 5, 5),
        ] {
            assert_eq!(Rate::new(value).unwrap().n_chosen(n), expected, "{value} of {n}");
        }
    }

    #[test]
    fn only_fractions() {
        for value in [-1e-9, 1.5, 15.0, f64::NAN, f64::INFINITY] {
            assert!(Rate::new(value).is_err(), "{value}");
        }
        let refused = |text: &str| text.parse::<Rate>().unwrap_err().to_string();
        assert_eq!(refused("15"), "rate 15 is not in [0, 1]");
        assert_eq!(refused("15%"), "rate \"15%\" is not a number in [0, 1]");
        assert_eq!("0.15".parse(), Rate::new(0.15));
        assert_eq!(Rate(0.15).to_string(), "0.15");
    }

    #[test]
    fn serde_checks_the_range() {
        assert_eq!(serde_json::to_string(&Rate(0.15)).unwrap(), "0.15");
        assert_eq!(serde_json::from_str::<Rate>("0.15").unwrap(), Rate(0.15));
        let refused = serde_json::from_str::<Rate>("15").unwrap_err().to_string();
        assert!(refused.starts_with("rate 15 is not in [0, 1]"), "{refused}");
    }
}
