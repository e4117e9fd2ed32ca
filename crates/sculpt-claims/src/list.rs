//! The claims, each with the contrasts that it comes down to.

use crate::contrasts::{Contrasts, coupling, masks, sculpting, training};
use crate::evidence::Evidence;
use sculpt_rows::Name::{self, Figure, Table};

/// A sentence of the paper that runs can contradict.
pub(crate) struct Claim {
    pub(crate) number: u32,
    pub(crate) claim: &'static str,
    /// Where the paper says it.
    pub(crate) place: &'static str,
    /// Whose rows it reads.
    pub(crate) artefacts: &'static [Name],
    /// The numbers of the paper's text; may be empty.
    pub(crate) paper: &'static str,
    /// What it comes down to.
    pub(crate) contrasts: fn(&Evidence) -> Contrasts,
}

/// Number, place, artefacts, contrasts and what is claimed.
macro_rules! claims {
    ($($number:literal $place:literal [$($artefact:expr),+] $module:ident::$contrasts:ident $claim:literal $(paper $paper:literal)?)+) => {
        [$(Claim {
            number: $number,
            claim: $claim,
            place: $place,
            artefacts: &[$($artefact),+],
            paper: concat!($($paper)?),
            contrasts: $module::$contrasts,
        }),+]
    };
}

pub(crate) static CLAIMS: [Claim; 27] = claims! {
    1 "§3" [Figure(2)] training::lrr_beats_dense
        "LRR's best level beats a dense network trained once"
    2 "§1, §4" [Figure(2)] training::cyclic_dense_reaches_lrr
        "a dense network trained cyclically reaches at least LRR's best level"
    3 "§3" [Figure(2)] training::dense_gains_then_plateaus
        "dense cyclic training gains in the first cycles, then plateaus"
    4 "§4" [Figure(4)] masks::cyclic_beats_standard
        "cyclic beats standard training for every PaI mask and sparsity"
    5 "§4" [Figure(4)] masks::gain_grows_with_sparsity
        "that gain grows with sparsity"
    6 "§4" [Figure(2)] training::dense_schedules_alike
        "dense: cyclic and cosine alike, both at or above one-cycle"
    7 "§4" [Figure(2)] training::cyclic_best_at_90
        "at 90 % sparsity cyclic beats both"
    8 "§4" [Figure(3), Figure(17)] training::cycles_jump
        "consecutive cycles are separated by a train-loss barrier, one-cycle checkpoints are not"
    9 "§4" [Figure(3)] training::cyclic_ends_flatter
        "cyclic training ends flatter (smaller largest eigenvalue)"
    10 "§4" [Figure(4)] masks::masks_equivalent
        "random, SNIP, SynFlow are equivalent under cyclic training"
    11 "§4" [Figure(4), Figure(5)] masks::cyclic_reaches_lrr_at_low_sparsity
        "cyclic PaI reaches at least LRR at low sparsity (on ImageNet only at 20 %)"
    12 "§4" [Figure(4), Figure(5)] masks::lrr_wins_at_high_sparsity
        "LRR beats cyclic PaI at high sparsity"
    13 "§5" [Figure(5)] coupling::mask_alone_is_no_better
        "LRR mask + random init is no better than a random mask"
    14 "§5" [Figure(5)] coupling::lrr_mask_warmup_matches
        "LRR mask + warm-up init, cyclic, matches LRR"
    15 "§5" [Figure(5)] coupling::wr_mask_warmup_matches
        "WR mask + warm-up init, cyclic, matches LRR: cyclic training closes WR's gap"
    16 "§5" [Figure(5)] coupling::lrr_mask_lrr_init_matches
        "LRR mask + LRR init, cyclic, matches LRR"
    17 "§5, A.8" [Figure(6), Figure(18)] coupling::warmup_stays_in_one_basin
        "warm-up init: late cycles lie in one basin; random init: test loss connected, train loss with barriers"
    18 "§5, A.8" [Figure(16)] coupling::levels_connected
        "LRR and WR levels are linearly connected, IMP's are not"
    19 "§5" [Figure(8)] coupling::signs_suffice_to_90
        "warm-up signs with random magnitudes suffice up to 90 %"
    20 "A.1" [Figure(10), Table(3)] coupling::cyclic_recovers_signs
        "cyclic recovers signs better than one-cycle at low sparsity, equally at high; at 93 % by overlap and accuracy"
        paper "overlap 95.37 against 93.67 %; accuracy 88.71 against 88.12 % at 93 %"
    21 "§6" [Figure(7)] sculpting::sculpt_by_start
        "SCULPT: 50 % matches LRR on CIFAR-100, 20 % on ImageNet; 70 % on CIFAR-10 beats cyclic random and stays below LRR"
    22 "§6" [Figure(8)] sculpting::sculpt_on_large_networks
        "ResNet-50: SCULPT matches LRR on CIFAR-100 and beats it on ImageNet"
    23 "§6" [Table(2)] sculpting::sculpt_needs_half_the_epochs
        "SCULPT needs half of LRR's epochs at 90 %"
        paper "450 against 900 epochs"
    24 "§6" [Figure(9)] sculpting::magnitude_is_best
        "magnitude is the best criterion for SCULPT's pruning step"
    25 "§4" [Figure(9)] masks::sparse_beats_dense_under_noise
        "a sparse random network beats the dense one under 15 % label noise, both cyclic"
    26 "A.7" [Figure(13)] masks::balanced_beats_erk
        "balanced random masks beat ERK ones"
    27 "§6" [Table(4)] sculpting::sparse_needs_less_memory
        "sparse training from scratch needs less memory (ideal sparse bytes; masked dense tensors save none)"
};
