//! What each panel of the paper's figures shows of which methods, and so what must be trained for it (§3 to §6, A.1 to A.8).

use sculpt_experiments::methods::*;
use sculpt_experiments::{At, Length, Method, Show};

/// LRR, level by level: what most figures compare with.
const LRR_LEVELS: Show = Show::last(&[&LRR], At::Levels);

/// Figure 2 (a), (b): LRR and WR by level against as many cycles of the dense network, all of which are shown.
pub(crate) static ITERATIVE_AGAINST_DENSE: &[Show] = &[
    LRR_LEVELS,
    Show::last(&[&WR], At::Levels),
    Show::all(&[&DENSE_CYCLIC], At::Dense).over(Length::Levels),
];

/// Figure 2 (c): a random mask of 67 % sparsity after each cycle.
pub(crate) static CYCLE_BY_CYCLE: &[Show] = &[Show::all(&[&RANDOM_CYCLIC], At::Sparse67)];

/// Figure 2 (d): cyclic training, one-cycle and cosine cycles over equal epochs, dense and at 90 % sparsity, as far
/// as each got after every cycle's epochs.
pub(crate) static SCHEDULES_AT_EQUAL_EPOCHS: &[Show] = &[
    Show::all(&[&DENSE_CYCLIC, &DENSE_ONE_CYCLE, &DENSE_COSINE], At::Dense),
    Show::all(&[&RANDOM_CYCLIC, &RANDOM_ONE_CYCLE, &RANDOM_COSINE], At::Sparse90),
];

/// Table 5: those of figure 2 that are trained cycle by cycle.
pub(crate) static PEAKS: &[Show] = &[
    Show::all(&[&DENSE_CYCLIC], At::Dense).over(Length::Levels),
    Show::all(&[&RANDOM_CYCLIC], At::Sparse67),
    Show::all(&[&RANDOM_CYCLIC], At::Sparse90),
];

/// Figure 3: cyclic training and one-cycle over equal epochs, at 90 % sparsity and dense, after every cycle's epochs.
pub(crate) static JUMPS: &[Show] = &[
    Show::all(&[&RANDOM_CYCLIC, &RANDOM_ONE_CYCLE], At::Sparse90),
    Show::all(&[&DENSE_CYCLIC, &DENSE_ONE_CYCLE], At::Dense),
];

/// Figure 4: masks found at initialisation, after the first cycle and after all of them, with LRR and the dense
/// network beside them.
pub(crate) static PRUNED_AT_INITIALISATION: &[Show] = &[
    LRR_LEVELS,
    first_and_last(&[&DENSE_CYCLIC], At::Dense),
    first_and_last(&[&RANDOM_CYCLIC, &SNIP_CYCLIC, &SYNFLOW_CYCLIC], At::Sparse),
];

/// Figure 5: iterative pruning against cyclic training of its masks from other initialisations (§5). The random mask of
/// density 1 is the dense network.
pub(crate) static COUPLING: &[Show] = &[Show::last(
    &[
        &LRR,
        &WR,
        &IMP,
        &LRR_MASK_RANDOM_INIT,
        &LRR_MASK_WARMUP_INIT,
        &LRR_MASK_LRR_INIT,
        &WR_MASK_WARMUP_INIT,
        &RANDOM_CYCLIC,
    ],
    At::Levels,
)];

/// Figures 6 and 18: LRR's mask of 90 % sparsity after every cycle, from warm-up and from random init.
pub(crate) static BASINS: &[Show] = &[Show::all(
    &[&LRR_MASK_WARMUP_INIT, &LRR_MASK_RANDOM_INIT],
    At::Sparse90,
)];

const SCULPT_FROM_STARTS: [Show; 5] = [
    Show::last(&[&SCULPT_20], At::Sparse),
    Show::last(&[&SCULPT_50], At::Sparse),
    Show::last(&[&SCULPT_70], At::Sparse),
    Show::last(&[&SCULPT_80], At::Sparse),
    Show::last(&[&SCULPT_90], At::Sparse),
];

/// Figure 7: SCULPT from each of the preset's starts to every density below it, with LRR, cyclic random masks and the
/// dense network.
pub(crate) static SCULPTING: &[Show] = &[
    Show::last(&[&DENSE_CYCLIC], At::Dense),
    Show::last(&[&RANDOM_CYCLIC], At::Sparse),
    LRR_LEVELS,
    SCULPT_FROM_STARTS[0],
    SCULPT_FROM_STARTS[1],
    SCULPT_FROM_STARTS[2],
    SCULPT_FROM_STARTS[3],
    SCULPT_FROM_STARTS[4],
];

/// Figure 19 (a): LRR, masks found at initialisation, SCULPT, and WR, at the densities whose costs are compared.
pub(crate) static AT_EQUAL_COST: &[Show] = &[
    WITHOUT_WR[0],
    WITHOUT_WR[1],
    WITHOUT_WR[2],
    Show::last(&[&WR], At::Costs),
];

/// Figure 19 (b), (c): the same without WR, of which there is one seed (A.2).
pub(crate) static AT_EQUAL_COST_WITHOUT_WR: &[Show] = &WITHOUT_WR;

const WITHOUT_WR: [Show; 3] = [
    Show::last(&[&DENSE_CYCLIC], At::Dense),
    Show::last(&[&LRR, &RANDOM_CYCLIC], At::Costs),
    Show::last(
        &[&SCULPT_20, &SCULPT_50, &SCULPT_70, &SCULPT_80, &SCULPT_90],
        At::Costs,
    ),
];

/// Figure 8 (b), (c): SCULPT from each of the preset's starts to every density below it, with LRR.
pub(crate) static SCULPTING_AGAINST_LRR: &[Show] = SCULPTING.split_at(2).1;

/// Figure 8 (a): LRR's mask from the signs of the first warm-up under new magnitudes, beside what it is compared with.
pub(crate) static SIGNS_SUFFICE: &[Show] = &[
    LRR_LEVELS,
    Show::last(
        &[
            &LRR_MASK_WARMUP_INIT,
            &LRR_MASK_WARMUP_SIGNS,
            &LRR_MASK_RANDOM_INIT,
            &RANDOM_CYCLIC,
        ],
        At::Sparse,
    ),
];

/// Figure 9 (a): SCULPT from the sparsest of the preset's starts, its pruning step decided in seven ways.
pub(crate) static PRUNING_CRITERIA: &[Show] = &[Show::last(
    &[
        &SCULPT_70,
        &SCULPT_BY_RANDOM,
        &SCULPT_BY_SNIP,
        &SCULPT_BY_SYNFLOW,
        &SCULPT_BY_GRASP,
        &SCULPT_BY_FISHER,
        &SCULPT_BY_WOODFISHER,
    ],
    At::CriterionTargets,
)];

/// Figure 9 (b): LRR, random masks and the dense network, the latter two cyclic.
pub(crate) static NOISY_LABELS: &[Show] = &[
    LRR_LEVELS,
    Show::last(&[&DENSE_CYCLIC], At::Dense),
    Show::last(&[&RANDOM_CYCLIC], At::Sparse),
];

/// Figure 10: the signs of the first warm-up, whole (left) and with a fifth flipped (right), trained cyclically and
/// one-cycle over as many epochs, with LRR. Where the preset has more epochs for them (A.1), those too, which are shown then.
pub(crate) static SIGN_RECOVERY: &[Show] = &[LRR_LEVELS, RECOVERED, RECOVERED.over(Length::Total)];

const RECOVERED: Show = Show::last(
    &[
        &LRR_MASK_WARMUP_SIGNS,
        &LRR_MASK_WARMUP_SIGNS_ONE_CYCLE,
        &LRR_MASK_FLIPPED_SIGNS,
        &LRR_MASK_FLIPPED_SIGNS_ONE_CYCLE,
    ],
    At::Sparse,
);

/// The numbers of A.1 at 93 % sparsity: LRR, its mask from the signs of the first warm-up, and from the weights of
/// the first warm-up with a fifth of the signs flipped, both ways; as in figure 10 over more epochs too, where there are such.
pub(crate) static SIGN_OVERLAP: &[Show] = &[
    Show::last(&[&LRR], At::Sparse93),
    OVERLAPPING,
    OVERLAPPING.over(Length::Total),
];

const OVERLAPPING: Show = Show::last(
    &[
        &LRR_MASK_WARMUP_SIGNS,
        &LRR_MASK_WARMUP_SIGNS_ONE_CYCLE,
        &LRR_MASK_FLIPPED_WARMUP_INIT,
        &LRR_MASK_FLIPPED_WARMUP_INIT_ONE_CYCLE,
    ],
    At::Sparse93,
);

/// Figure 13: random masks of two allocations, cyclic.
pub(crate) static ALLOCATIONS: &[Show] = &[Show::last(&[&RANDOM_CYCLIC, &ERK_CYCLIC], At::Sparse)];

/// Figures 14 and 15: random masks after every cycle, by sparsity.
pub(crate) static RANDOM_MASKS: &[Show] = &[Show::all(&[&RANDOM_CYCLIC], At::Landscape)];

/// Figure 16: the levels of iterative pruning, and LRR's masks from random init after a single cycle.
pub(crate) static LEVELS: &[Show] = &[
    LRR_LEVELS,
    Show::last(&[&WR], At::Levels),
    Show::last(&[&IMP], At::Levels),
    Show::last(&[&LRR_MASK_RANDOM_INIT], At::Sparse).over(Length::Once),
];

/// Figure 17: a random mask of 90 % sparsity under one-cycle and under cosine cycles, interval by interval.
pub(crate) static LONG_RUNS: &[Show] =
    &[Show::all(&[&RANDOM_ONE_CYCLE, &RANDOM_COSINE], At::Sparse90).over(Length::Long)];

const fn first_and_last(methods: &'static [&'static Method], at: At) -> Show {
    Show {
        states: sculpt_experiments::States::FirstAndLast,
        ..Show::last(methods, at)
    }
}
