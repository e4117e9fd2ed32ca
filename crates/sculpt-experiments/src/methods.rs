//! The one table of training methods: what each is made of, its id in frames and its name in legends.
//!
//! A method is data. [`crate::grow`] makes its recipe; the figures' crate gives its id a look. A new one is a row here, at its
//! place in [`ALL`], and a look there.

use sculpt_masks::Allocation;
use sculpt_scores::{Criterion as Score, Fisher, Grasp, Scorer, Snip, SynFlow, WoodFisher};
use std::cmp::Ordering;
use std::fmt;
use thiserror::Error;

/// A training method as the paper's figures tell them apart.
#[derive(Debug)]
pub struct Method {
    /// The name in frames and files; never changes.
    pub id: &'static str,
    /// What a legend calls it.
    pub label: &'static str,
    /// Where the mask comes from.
    pub mask: MaskSource,
    /// What is trained under it.
    pub weights: WeightSource,
    /// Whether a fraction of the surviving signs is flipped before training (A.1).
    pub flipped: bool,
    /// How it is trained.
    pub training: Training,
    /// What follows training: SCULPT's pruning step and a cycle more (§6).
    pub last_step: Option<LastStep>,
}

/// Where a method's mask comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaskSource {
    /// There is none.
    Dense,
    /// Chance, over the run's own initialisation; the preset's allocation unless one is given.
    Random(Option<Allocation>),
    /// A criterion at the run's own initialisation (§4).
    AtInit(By),
    /// Pruning by magnitude and training again, level by level (A.3 to A.5); the training is part of it.
    Iterative(Rewind),
    /// The mask with which that starts a level.
    OfLevel(Rewind),
}

/// What iterative pruning does to the weights after each pruning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rewind {
    /// Nothing: learning-rate rewinding (A.5).
    LearningRate,
    /// Back to the end of the first warm-up (A.4).
    WarmUp,
    /// Back to initialisation (A.3).
    Init,
}

/// What is trained under a mask (reference §2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightSource {
    /// The run's own initialisation.
    OwnInit,
    /// An independent second one: "random init".
    RandomInit,
    /// The dense network at the end of its first warm-up.
    WarmUp,
    /// What the iterative method itself starts the level with: LRR's pruned weights, WR's warm-up.
    OfLevel,
    /// The signs of the warm-up, the magnitudes of the second initialisation.
    WarmUpSigns,
}

/// How a method is trained under its mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Training {
    /// Cycles of the preset's schedule, each from its beginning. Standard training is the first.
    Cyclic,
    /// One-cycle: up once and down once, over all epochs. Never one of the short cycles, of which standard training is the first.
    OneCycle,
    /// Cosine cycles.
    Cosine,
}

/// A pruning step after cyclic training, and a cycle more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LastStep {
    /// Density of the mask before it.
    pub start: Start,
    /// What decides.
    pub by: By,
}

/// What a method prunes by; the preset has the images and the seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum By {
    /// The largest |θ|.
    Magnitude,
    /// Chance, over all survivors together.
    Chance,
    /// A score with its numbers; of SynFlow's the preset has the iterations.
    Score(Score),
}

/// Density that SCULPT starts from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Start {
    /// This one, in presets that start from it.
    At(f64),
    /// The sparsest of the preset's (figure 9 a).
    Sparsest,
}

const fn cyclic(id: &'static str, label: &'static str, mask: MaskSource) -> Method {
    Method {
        id,
        label,
        mask,
        weights: WeightSource::OwnInit,
        flipped: false,
        training: Training::Cyclic,
        last_step: None,
    }
}

const fn under_lrr(id: &'static str, label: &'static str, weights: WeightSource) -> Method {
    Method {
        weights,
        ..cyclic(id, label, MaskSource::OfLevel(Rewind::LearningRate))
    }
}

const fn by(training: Training, method: Method) -> Method {
    Method { training, ..method }
}

const fn flipped(method: Method) -> Method {
    Method {
        flipped: true,
        ..method
    }
}

const fn sculpt(id: &'static str, label: &'static str, start: f64) -> Method {
    let last_step = LastStep {
        start: Start::At(start),
        by: By::Magnitude,
    };
    Method {
        last_step: Some(last_step),
        ..cyclic(id, label, MaskSource::Random(None))
    }
}

const fn sculpt_by(id: &'static str, label: &'static str, by: By) -> Method {
    let last_step = LastStep {
        start: Start::Sparsest,
        by,
    };
    Method {
        last_step: Some(last_step),
        ..cyclic(id, label, MaskSource::Random(None))
    }
}

macro_rules! table {
    ($($(#[doc = $doc:literal])+ $name:ident = $row:expr;)+) => {
        $($(#[doc = $doc])+ pub const $name: Method = $row;)+

        /// All methods, in the order of a legend.
        pub static ALL: &[&Method] = &[$(&$name),+];
    };
}

table! {
    /// Learning-rate rewinding: prune, keep the weights, train again (A.5).
    LRR = cyclic("lrr", "LRR", MaskSource::Iterative(Rewind::LearningRate));
    /// Weight rewinding to the end of the first warm-up (A.4).
    WR = cyclic("wr", "WR", MaskSource::Iterative(Rewind::WarmUp));
    /// Iterative magnitude pruning: rewinding to initialisation (A.3).
    IMP = cyclic("imp", "IMP", MaskSource::Iterative(Rewind::Init));
    /// LRR's mask from a new initialisation (§5).
    LRR_MASK_RANDOM_INIT =
        under_lrr("lrr-mask-random-init", "LRR mask + random init", WeightSource::RandomInit);
    /// LRR's mask from the end of the first warm-up (§5).
    LRR_MASK_WARMUP_INIT =
        under_lrr("lrr-mask-warmup-init", "LRR mask + warm-up init", WeightSource::WarmUp);
    /// LRR's mask from the weights that LRR itself starts the level with (§5).
    LRR_MASK_LRR_INIT = under_lrr("lrr-mask-lrr-init", "LRR mask + LRR init", WeightSource::OfLevel);
    /// WR's mask from the end of the first warm-up (§5).
    WR_MASK_WARMUP_INIT = Method {
        weights: WeightSource::OfLevel,
        ..cyclic("wr-mask-warmup-init", "WR mask + warm-up init", MaskSource::OfLevel(Rewind::WarmUp))
    };
    /// LRR's mask, signs of the warm-up, magnitudes of a new initialisation (figure 8 a).
    LRR_MASK_WARMUP_SIGNS =
        under_lrr("lrr-mask-warmup-signs", "LRR mask + warm-up signs", WeightSource::WarmUpSigns);
    /// The same, one-cycle over all epochs (A.1).
    LRR_MASK_WARMUP_SIGNS_ONE_CYCLE = by(Training::OneCycle, under_lrr(
        "lrr-mask-warmup-signs-one-cycle",
        "LRR mask + warm-up signs, one-cycle",
        WeightSource::WarmUpSigns,
    ));
    /// Signs of the warm-up, a fifth of them flipped (A.1).
    LRR_MASK_FLIPPED_SIGNS = flipped(under_lrr(
        "lrr-mask-flipped-signs",
        "LRR mask + 20 % flipped signs",
        WeightSource::WarmUpSigns,
    ));
    /// The same, one-cycle over all epochs (A.1).
    LRR_MASK_FLIPPED_SIGNS_ONE_CYCLE = by(Training::OneCycle, flipped(under_lrr(
        "lrr-mask-flipped-signs-one-cycle",
        "LRR mask + 20 % flipped signs, one-cycle",
        WeightSource::WarmUpSigns,
    )));
    /// LRR's mask from the warm-up, a fifth of the surviving signs flipped (A.1).
    LRR_MASK_FLIPPED_WARMUP_INIT = flipped(under_lrr(
        "lrr-mask-flipped-warmup-init",
        "LRR mask + warm-up init, 20 % signs flipped",
        WeightSource::WarmUp,
    ));
    /// The same, one-cycle over all epochs (A.1).
    LRR_MASK_FLIPPED_WARMUP_INIT_ONE_CYCLE = by(Training::OneCycle, flipped(under_lrr(
        "lrr-mask-flipped-warmup-init-one-cycle",
        "LRR mask + warm-up init, 20 % signs flipped, one-cycle",
        WeightSource::WarmUp,
    )));
    /// A random mask (§4).
    RANDOM_CYCLIC = cyclic("random-cyclic", "random mask, cyclic", MaskSource::Random(None));
    /// A random mask whose layers get Erdős-Rényi-kernel densities (A.7).
    ERK_CYCLIC = cyclic("erk-cyclic", "ERK mask, cyclic", MaskSource::Random(Some(Allocation::Erk)));
    /// A random mask, one-cycle over all epochs (§4).
    RANDOM_ONE_CYCLE = by(
        Training::OneCycle,
        cyclic("random-one-cycle", "random mask, one-cycle", MaskSource::Random(None)),
    );
    /// A random mask, cosine cycles (§4).
    RANDOM_COSINE = by(
        Training::Cosine,
        cyclic("random-cosine", "random mask, cosine", MaskSource::Random(None)),
    );
    /// The dense network (§3).
    DENSE_CYCLIC = cyclic("dense-cyclic", "dense, cyclic", MaskSource::Dense);
    /// The dense network, one-cycle over all epochs (§4).
    DENSE_ONE_CYCLE =
        by(Training::OneCycle, cyclic("dense-one-cycle", "dense, one-cycle", MaskSource::Dense));
    /// The dense network, cosine cycles (§4).
    DENSE_COSINE = by(Training::Cosine, cyclic("dense-cosine", "dense, cosine", MaskSource::Dense));
    /// SNIP's mask (§4).
    SNIP_CYCLIC = cyclic("snip-cyclic", "SNIP, cyclic", MaskSource::AtInit(By::Score(Score::Snip(Snip::USUAL))));
    /// SynFlow's mask (§4).
    SYNFLOW_CYCLIC =
        cyclic("synflow-cyclic", "SynFlow, cyclic", MaskSource::AtInit(By::Score(Score::SynFlow(SynFlow::USUAL))));
    /// SCULPT from 20 % sparsity (§6).
    SCULPT_20 = sculpt("sculpt-20", "SCULPT from 20 %", 0.8);
    /// SCULPT from 50 % sparsity (§6).
    SCULPT_50 = sculpt("sculpt-50", "SCULPT from 50 %", 0.5);
    /// SCULPT from 70 % sparsity (§6).
    SCULPT_70 = sculpt("sculpt-70", "SCULPT from 70 %", 0.3);
    /// SCULPT from 80 % sparsity.
    SCULPT_80 = sculpt("sculpt-80", "SCULPT from 80 %", 0.2);
    /// SCULPT from 90 % sparsity.
    SCULPT_90 = sculpt("sculpt-90", "SCULPT from 90 %", 0.1);
    /// SCULPT whose pruning step is chance (figure 9 a), and so on.
    SCULPT_BY_RANDOM = sculpt_by("sculpt-by-random", "SCULPT by random", By::Chance);
    /// SNIP.
    SCULPT_BY_SNIP = sculpt_by("sculpt-by-snip", "SCULPT by SNIP", By::Score(Score::Snip(Snip::USUAL)));
    /// SynFlow.
    SCULPT_BY_SYNFLOW = sculpt_by("sculpt-by-synflow", "SCULPT by SynFlow", By::Score(Score::SynFlow(SynFlow::USUAL)));
    /// GraSP.
    SCULPT_BY_GRASP = sculpt_by("sculpt-by-grasp", "SCULPT by GraSP", By::Score(Score::Grasp(Grasp::USUAL)));
    /// Fisher information.
    SCULPT_BY_FISHER = sculpt_by("sculpt-by-fisher", "SCULPT by Fisher", By::Score(Score::Fisher(Fisher::USUAL)));
    /// WoodFisher.
    SCULPT_BY_WOODFISHER =
        sculpt_by("sculpt-by-woodfisher", "SCULPT by WoodFisher", By::Score(Score::WoodFisher(WoodFisher::USUAL)));
}

impl Method {
    /// The method of this id.
    ///
    /// # Errors
    /// An id that no method has.
    pub fn named(id: &str) -> Result<&'static Self, UnknownMethod> {
        let known = ALL.iter().find(|method| method.id == id);
        known.copied().ok_or_else(|| UnknownMethod { id: id.to_owned() })
    }

    fn place(&self) -> usize {
        ALL.iter()
            .position(|method| method.id == self.id)
            .unwrap_or(ALL.len())
    }
}

/// A method is its id.
impl PartialEq for Method {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Method {}

impl PartialOrd for Method {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Method {
    /// By the order of a legend; methods of other people's after all of ours, by their ids.
    fn cmp(&self, other: &Self) -> Ordering {
        (self.place(), self.id).cmp(&(other.place(), other.id))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

/// An id that names no method.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{id:?} is no method, known are {}", ids().join(", "))]
pub struct UnknownMethod {
    /// The id.
    pub id: String,
}

fn ids() -> Vec<&'static str> {
    ALL.iter().map(|method| method.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_and_labels_are_told_apart() {
        for method in ALL {
            assert_eq!(Method::named(method.id), Ok(*method));
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(method.id.chars().all(plain), "{method}");
        }
        let labels: BTreeSet<_> = ALL.iter().map(|method| method.label).collect();
        assert_eq!(labels.len(), ALL.len());
        // "One-cycle" is the long schedule; one of the short cycles is "a cycle", or "the first".
        assert!(labels.iter().all(|label| !label.contains("one cycle")));
        let unknown = Method::named("LRR").unwrap_err().to_string();
        assert!(unknown.starts_with("\"LRR\" is no method, known are lrr, wr, imp"));
    }

    /// What [`crate::grow`] can make: weights other than the run's own stand under the mask of a level, and only random
    /// masks are sculpted.
    #[test]
    fn parts_of_a_method_fit() {
        for method in ALL {
            let of_level = matches!(method.mask, MaskSource::OfLevel(_));
            assert_eq!(method.weights != WeightSource::OwnInit, of_level, "{method}");
            assert!(!method.flipped || of_level, "{method}");
            let random = method.mask == MaskSource::Random(None) && method.training == Training::Cyclic;
            assert!(method.last_step.is_none() || random, "{method}");
        }
    }
}
