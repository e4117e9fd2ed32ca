use crate::DatasetError;
use sculpt_random::{Purpose, Seed, Stream};
use serde::{Deserialize, Serialize};

/// Held-out validation split.
const SPLIT: Purpose = Purpose::new(b"split---");

/// Which of the training examples are trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Split {
    /// All of them.
    All,
    /// All but some, drawn at random, which serve to choose cycle counts.
    HeldOut {
        /// Number of examples held out; below the number of examples.
        n_validation: u32,
    },
}

impl Split {
    /// How many of `n` examples are trained on.
    pub fn n_training(&self, n: u64) -> u64 {
        match *self {
            Split::All => n,
            Split::HeldOut { n_validation } => n.saturating_sub(n_validation.into()),
        }
    }

    /// Places of the training and of the validation examples among `n` examples, each ascending.
    ///
    /// # Errors
    /// A split that leaves nothing to train on.
    ///
    /// # Panics
    /// When there are 2³² examples or more.
    pub fn indices(&self, n: usize, seed: Seed) -> Result<(Vec<u32>, Vec<u32>), DatasetError> {
        match *self {
            Split::All => Ok((indices(n), Vec::new())),
            Split::HeldOut { n_validation } => {
                let n_validation = n_validation as usize;
                if n_validation >= n {
                    return Err(DatasetError::NothingLeft {
                        n_validation,
                        n_examples: n,
                    });
                }
                let validation = Stream::new(seed, SPLIT, 0).choose(n_validation, n);
                let training = indices(n)
                    .into_iter()
                    .filter(|i| validation.binary_search(i).is_err())
                    .collect();
                Ok((training, validation))
            }
        }
    }
}

/// `0..n`.
fn indices(n: usize) -> Vec<u32> {
    (0..u32::try_from(n).expect("data sets have at most 2³² examples")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_disjoint_sorted_and_fixed_by_the_seed() {
        let split = Split::HeldOut { n_validation: 30 };
        assert_eq!([Split::All, split].map(|split| split.n_training(100)), [100, 70]);
        assert_eq!(split.n_training(20), 0);
        let (training, validation) = split.indices(100, Seed(1)).unwrap();
        assert_eq!((training.len(), validation.len()), (70, 30));
        assert!(training.is_sorted() && validation.is_sorted());
        let mut all = [training, validation.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        assert_eq!(split.indices(100, Seed(1)).unwrap().1, validation);
        assert_ne!(split.indices(100, Seed(2)).unwrap().1, validation);
        assert_eq!(Split::All.indices(3, Seed(1)).unwrap(), (vec![0, 1, 2], vec![]));
        assert_eq!(
            split.indices(30, Seed(1)).unwrap_err().to_string(),
            "holding out 30 of 30 examples leaves none to train on"
        );
    }

    #[test]
    fn written_as() {
        let check = |split: Split, json: &str| {
            assert_eq!(serde_json::to_string(&split).unwrap(), json);
            assert_eq!(serde_json::from_str::<Split>(json).unwrap(), split);
        };
        check(Split::All, "\"all\"");
        check(
            Split::HeldOut { n_validation: 5000 },
            r#"{"held-out":{"n_validation":5000}}"#,
        );
        assert!(serde_json::from_str::<Split>(r#"{"held-out":{"n_validation":5,"x":1}}"#).is_err());
    }
}
