//! A batch computed in parts: groups that BatchNorm sees one by one, and processes that each compute some of it.

use crate::Part;
use crate::train::{Sums, Training};
use crate::{State, TrainError};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use tch::{Kind, Reduction, Tensor, no_grad};

/// Why processes no longer work together: whatever their own error is.
pub type RanksError = Box<dyn Error + Send + Sync>;

/// The processes of a training, of which this is one. All call the same methods in the same order.
pub trait Ranks {
    /// This process, counted from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn world(&self) -> usize;

    /// Adds the processes' tensors up, in place: all have the same bits afterwards. On a GPU it may be queued.
    ///
    /// # Errors
    /// A process that was lost, now or in a sum of somebody else's before.
    fn sum(&self, tensor: &mut Tensor) -> Result<(), RanksError>;

    /// Adds numbers of the host up, in place; whole numbers below 2⁵³ exactly.
    ///
    /// # Errors
    /// As [`Ranks::sum`].
    fn sum_numbers(&self, numbers: &mut [f64]) -> Result<(), RanksError>;

    /// Gives all rank 0's tensor, in place, bit for bit.
    ///
    /// # Errors
    /// As [`Ranks::sum`].
    fn broadcast(&self, tensor: &mut Tensor) -> Result<(), RanksError>;

    /// Waits for what was queued.
    ///
    /// # Errors
    /// As [`Ranks::sum`].
    fn wait(&self) -> Result<(), RanksError>;
}

/// The groups of a batch that BatchNorm normalises one by one, and whose statistics evaluation gets. Changes results: part of a run's
/// identity. A whole batch is one group, and has none of this.
///
/// Images `i·n/groups` to `(i + 1)·n/groups`, rounded down, of the batch's n are group i; the gradient is that of the mean loss over all
/// n, however they are split.
///
/// | Name | Unit | Range |
/// | --- | --- | --- |
/// | groups | groups of a batch | 2 to 65,535 |
/// | statistics | – | sequential, rank-0 |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawBatchNorm")]
pub struct BatchNorm {
    groups: u32,
    statistics: Statistics,
}

/// What running statistics are those of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Statistics {
    /// Of all groups, one after the other: what one device makes of micro-batches, for which a whole batch is too much.
    #[serde(rename = "sequential")]
    Sequential,
    /// Of group 0 alone: what PyTorch's DistributedDataParallel leaves, of as many processes as there are groups.
    #[serde(rename = "rank-0")]
    Rank0,
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    rename = "{ groups = N, statistics = sequential | rank-0 | synchronised }"
)]
struct RawBatchNorm {
    groups: u32,
    statistics: RawStatistics,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawStatistics {
    Sequential,
    #[serde(rename = "rank-0")]
    Rank0,
    Synchronised,
}

impl BatchNorm {
    /// Groups, and what their running statistics are.
    ///
    /// # Errors
    /// Fewer than 2 groups: a single one is the whole batch. More than 65,535.
    pub fn new(groups: u32, statistics: Statistics) -> Result<Self, TrainError> {
        match groups {
            2..=65_535 => Ok(Self { groups, statistics }),
            groups => Err(TrainError::Groups { groups }),
        }
    }

    /// How many groups a batch has.
    pub fn groups(self) -> u32 {
        self.groups
    }

    /// What running statistics are those of.
    pub fn statistics(self) -> Statistics {
        self.statistics
    }
}

impl TryFrom<RawBatchNorm> for BatchNorm {
    type Error = TrainError;

    fn try_from(raw: RawBatchNorm) -> Result<Self, TrainError> {
        match raw.statistics {
            RawStatistics::Sequential => Self::new(raw.groups, Statistics::Sequential),
            RawStatistics::Rank0 => Self::new(raw.groups, Statistics::Rank0),
            RawStatistics::Synchronised => Err(TrainError::Synchronised),
        }
    }
}

/// How a batch is computed. [`Division::WHOLE`]: at once, by one process.
#[derive(Clone, Copy)]
pub struct Division<'a> {
    /// Groups that BatchNorm sees one by one; none: the whole batch is one. On several processes that takes a network whose BatchNorm adds
    /// up over them.
    pub batch_norm: Option<BatchNorm>,
    /// The processes that each compute a share; none: this one is alone. What they compute, bits apart, does not depend on how many
    /// there are.
    pub ranks: Option<&'a dyn Ranks>,
}

impl<'a> Division<'a> {
    /// One group, one process.
    pub const WHOLE: Self = Self {
        batch_norm: None,
        ranks: None,
    };

    /// Of how many parts a batch is made.
    pub fn n_parts(&self) -> usize {
        match self.batch_norm {
            Some(batch_norm) => batch_norm.groups as usize,
            None => self.ranks.map_or(1, Ranks::world),
        }
    }

    /// The parts that this process computes.
    pub(crate) fn own_parts(&self) -> Range<usize> {
        let of = self.n_parts();
        self.ranks.map_or(0..of, |ranks| {
            share(of, ranks.rank()..ranks.rank() + 1, ranks.world())
        })
    }

    /// Whether there are as many ranks as can share the work.
    ///
    /// # Errors
    /// Running statistics that follow one another, or fewer groups, on several processes.
    pub fn check(&self) -> Result<(), TrainError> {
        let (Some(batch_norm), Some(ranks)) = (self.batch_norm, self.ranks.map(Ranks::world)) else {
            return Ok(());
        };
        let groups = batch_norm.groups;
        match batch_norm.statistics {
            Statistics::Sequential if ranks > 1 => Err(TrainError::OneAfterTheOther { ranks }),
            Statistics::Rank0 if ranks > groups as usize => Err(TrainError::TooManyRanks { ranks, groups }),
            Statistics::Sequential | Statistics::Rank0 => Ok(()),
        }
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.batch_norm.is_none() && self.ranks.is_none()
    }

    /// Whether any process says so.
    pub(crate) fn any(&self, here: bool) -> Result<bool, TrainError> {
        let mut n = [f64::from(u8::from(here))];
        if let Some(ranks) = self.ranks {
            ranks.sum_numbers(&mut n).map_err(TrainError::ranks)?;
        }
        Ok(n[0] > 0.0)
    }

    /// Waits until numbers can be read: a process that was lost is an error here, and no wait without end there.
    pub(crate) fn settle(&self) -> Result<(), TrainError> {
        self.ranks
            .map_or(Ok(()), |ranks| ranks.wait().map_err(TrainError::ranks))
    }

    /// Makes the running statistics everybody's, and asserts that all else is so already.
    pub(crate) fn unite(&self, state: &mut State, epoch: u32) -> Result<(), TrainError> {
        let Some(ranks) = self.ranks else {
            return Ok(());
        };
        if self.batch_norm.is_some() {
            ranks.broadcast(&mut state.buffers).map_err(TrainError::ranks)?;
        }
        let mut hasher = DefaultHasher::new();
        let (theta, buffers, momentum) = state.to_vecs();
        for value in theta.iter().chain(&buffers).chain(&momentum) {
            value.to_bits().hash(&mut hasher);
        }
        let hash = hasher.finish();
        let own = [hash >> 32, hash & u64::from(u32::MAX)].map(|half| half as f64);
        let mut first = if ranks.rank() == 0 { own } else { [0.0; 2] };
        ranks.sum_numbers(&mut first).map_err(TrainError::ranks)?;
        let mut differ = vec![0.0; ranks.world()];
        differ[ranks.rank()] = f64::from(u8::from(own != first));
        ranks.sum_numbers(&mut differ).map_err(TrainError::ranks)?;
        match differ.iter().position(|&differs| differs > 0.0) {
            None => Ok(()),
            Some(rank) => Err(TrainError::RanksDiffer { rank, epoch }),
        }
    }
}

/// The places that parts `parts`, of `of` equal ones, have among `n`.
pub fn share(n: usize, parts: Range<usize>, of: usize) -> Range<usize> {
    n * parts.start / of..n * parts.end / of
}

impl State {
    /// Gives all processes rank 0's numbers. The mask is each one's own.
    ///
    /// # Errors
    /// A process that was lost.
    pub fn unite(&mut self, ranks: &dyn Ranks) -> Result<(), TrainError> {
        for tensor in [&mut self.theta, &mut self.buffers, &mut self.momentum] {
            ranks.broadcast(tensor).map_err(TrainError::ranks)?;
        }
        Ok(())
    }
}

impl Training<'_> {
    /// The gradient of a step's mean loss, which `sums` is told of; None where the batch is to be computed whole.
    pub(crate) fn gradient_of_parts(
        &self,
        state: &State,
        sums: &mut Sums,
        epoch: u64,
        step: u32,
    ) -> Result<Option<Tensor>, TrainError> {
        let division = &self.division;
        if division.is_whole() {
            return Ok(None);
        }
        let (own, of) = (division.own_parts(), division.n_parts());
        let part = self.batches.part(epoch, step as usize, own.clone(), of);
        let Part { images, labels, n } =
            part.map_err(|source| TrainError::NoBatch { epoch, step, source })?;
        let mut gradient = state.theta.zeros_like();
        let mut counts = Tensor::zeros([2], (Kind::Double, state.theta.device()));
        let first = share(n, own.clone(), of).start;
        for group in own {
            let places = share(n, group..group + 1, of);
            if n == 0 || places.is_empty() && division.batch_norm.is_some() {
                continue;
            }
            let (start, length) = ((places.start - first) as i64, places.len() as i64);
            let (images, labels) = (images.narrow(0, start, length), labels.narrow(0, start, length));
            // Nobody asks for the statistics of the other groups.
            let of_group_0 = division
                .batch_norm
                .is_none_or(|norm| norm.statistics == Statistics::Sequential || group == 0);
            let buffers = match of_group_0 {
                true => state.buffers.shallow_clone(),
                false => state.buffers.copy(),
            };
            let mut loss = None;
            let (logits, _, of_group) = self.differentiate(state, &buffers, &images, |logits| {
                let sum = logits.cross_entropy_loss(&labels, None::<Tensor>, Reduction::Sum, -100, 0.0);
                loss.insert(sum).shallow_clone() / n as f64
            });
            let loss = loss.expect("it was asked for");
            no_grad(|| {
                gradient += of_group;
                let correct = logits.argmax(1, false).eq_tensor(&labels).sum(Kind::Double);
                counts += Tensor::stack(&[loss.detach().to_kind(Kind::Double), correct], 0);
            });
        }
        if let Some(ranks) = division.ranks {
            ranks.sum(&mut gradient).map_err(TrainError::ranks)?;
            ranks.sum(&mut counts).map_err(TrainError::ranks)?;
        }
        no_grad(|| sums.add_counts(&counts.get(0), &counts.get(1), n));
        Ok(Some(gradient))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_the_whole_in_order() {
        for n in [0, 1, 7, 512] {
            for of in [1, 2, 3, 8] {
                let all: Vec<_> = (0..of).flat_map(|i| share(n, i..i + 1, of)).collect();
                assert_eq!(all, (0..n).collect::<Vec<_>>());
                assert_eq!(share(n, 0..of, of), 0..n);
            }
        }
    }

    #[test]
    fn the_whole_batch_has_one_description_and_that_is_none() {
        let read = |text: &str| serde_json::from_str::<BatchNorm>(text).map_err(|error| error.to_string());
        let norm = read(r#"{"groups":4,"statistics":"rank-0"}"#).unwrap();
        assert_eq!(norm, BatchNorm::new(4, Statistics::Rank0).unwrap());
        let text = serde_json::to_string(&norm).unwrap();
        assert_eq!(text, r#"{"groups":4,"statistics":"rank-0"}"#);
        for (text, says) in [
            (
                r#"{"groups":1,"statistics":"sequential"}"#,
                "leave batch_norm out",
            ),
            (
                r#"{"groups":65536,"statistics":"sequential"}"#,
                "not in 2..=65535",
            ),
            (
                r#"{"groups":4,"statistics":"synchronised"}"#,
                "leave batch_norm out",
            ),
            (r#"{"groups":4,"statistics":"rank0"}"#, "unknown variant"),
            (r#"{"groups":4}"#, "missing field"),
            (r#"{"groups":4,"statistics":"rank-0","ranks":2}"#, "unknown field"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
