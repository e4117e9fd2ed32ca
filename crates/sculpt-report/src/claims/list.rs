//! The claims, each with the contrasts that it comes down to.

use super::evidence::{Evidence, Panel, Sparsities, Stage, Way, first, last, minus};
use super::finding::{Contrast, Rule, Unit};
use crate::Name::{self, Figure, Table};
use crate::lines::{RULES, SETS};
use crate::{Cell, ReportError};
use sculpt_experiments::{Method, methods};

/// Points of accuracy that count as no difference (claims.md).
const MARGIN: f64 = 0.5;

/// Nats up to which a barrier counts as none. The paper gives no number; a loss that rises by this multiplies the
/// likelihood of a label by 0.95.
const BARRIER: f64 = 0.05;

/// One in so many of the dense network's cycles are its "first few" (§3). The paper gives no number.
const FIRST_CYCLES: u32 = 3;

/// The density of "20 % sparsity" (§4, ImageNet).
const DENSITY_20: f64 = 0.8;

/// Table 2's row of §6's example.
const RESNET_50_ON_IMAGENET: &str = "ImageNet, ResNet-50";

const BETTER: Rule = Rule::Above(0.0);
const AT_LEAST: Rule = Rule::Above(-MARGIN);
const NO_BETTER: Rule = Rule::Below(MARGIN);
const ALIKE: Rule = Rule::Within(MARGIN);
const SEPARATED: Rule = Rule::Above(BARRIER);
const CONNECTED: Rule = Rule::Below(BARRIER);

const TEST: &str = SETS[0];
const TRAIN: &str = SETS[1];

/// A sentence of the paper that runs can contradict.
pub(super) struct Claim {
    pub(super) number: u32,
    pub(super) claim: &'static str,
    /// Where the paper says it.
    pub(super) place: &'static str,
    /// Whose frames it reads.
    pub(super) artefacts: &'static [Name],
    /// The numbers of the paper's text; may be empty.
    pub(super) paper: &'static str,
    /// What must hold for it, all of it.
    pub(super) contrasts: fn(&Evidence<'_>) -> Result<Vec<Contrast>, ReportError>,
}

/// Number, place, artefacts, contrasts and what is claimed.
macro_rules! claims {
    ($($number:literal $place:literal [$($artefact:expr),+] $contrasts:ident $claim:literal $(paper $paper:literal)?)+) => {
        [$(Claim {
            number: $number,
            claim: $claim,
            place: $place,
            artefacts: &[$($artefact),+],
            paper: concat!($($paper)?),
            contrasts: $contrasts,
        }),+]
    };
}

pub(super) static CLAIMS: [Claim; 27] = claims! {
    1 "§3" [Figure(2)] lrr_beats_dense
        "LRR's best level beats a dense network trained once"
    2 "§1, §4" [Figure(2)] cyclic_dense_reaches_lrr
        "a dense network trained cyclically reaches at least LRR's best level"
    3 "§3" [Figure(2)] dense_gains_then_plateaus
        "dense cyclic training gains in the first cycles, then plateaus"
    4 "§4" [Figure(4)] cyclic_beats_standard
        "cyclic beats standard training for every PaI mask and sparsity"
    5 "§4" [Figure(4)] gain_grows_with_sparsity
        "that gain grows with sparsity"
    6 "§4" [Figure(2)] dense_schedules_alike
        "dense: cyclic and cosine alike, both at or above one-cycle"
    7 "§4" [Figure(2)] cyclic_best_at_90
        "at 90 % sparsity cyclic beats both"
    8 "§4" [Figure(3), Figure(17)] cycles_jump
        "consecutive cycles are separated by a train-loss barrier, one-cycle checkpoints are not"
    9 "§4" [Figure(3)] cyclic_ends_flatter
        "cyclic training ends flatter (smaller largest eigenvalue)"
    10 "§4" [Figure(4)] masks_equivalent
        "random, SNIP, SynFlow are equivalent under cyclic training"
    11 "§4" [Figure(4), Figure(5)] cyclic_reaches_lrr_at_low_sparsity
        "cyclic PaI reaches at least LRR at low sparsity (on ImageNet only at 20 %)"
    12 "§4" [Figure(4), Figure(5)] lrr_wins_at_high_sparsity
        "LRR beats cyclic PaI at high sparsity"
    13 "§5" [Figure(5)] mask_alone_is_no_better
        "LRR mask + random init is no better than a random mask"
    14 "§5" [Figure(5)] lrr_mask_warmup_matches
        "LRR mask + warm-up init, cyclic, matches LRR"
    15 "§5" [Figure(5)] wr_mask_warmup_matches
        "WR mask + warm-up init, cyclic, matches LRR: cyclic training closes WR's gap"
    16 "§5" [Figure(5)] lrr_mask_lrr_init_matches
        "LRR mask + LRR init, cyclic, matches LRR"
    17 "§5, A.8" [Figure(6), Figure(18)] warmup_stays_in_one_basin
        "warm-up init: late cycles lie in one basin; random init: test loss connected, train loss with barriers"
    18 "§5, A.8" [Figure(16)] levels_connected
        "LRR and WR levels are linearly connected, IMP's are not"
    19 "§5" [Figure(8)] signs_suffice_to_90
        "warm-up signs with random magnitudes suffice up to 90 %"
    20 "A.1" [Figure(10), Table(3)] cyclic_recovers_signs
        "cyclic recovers signs better than one-cycle at low sparsity, equally at high; at 93 % by overlap and accuracy"
        paper "overlap 95.37 against 93.67 %; accuracy 88.71 against 88.12 % at 93 %"
    21 "§6" [Figure(7)] sculpt_by_start
        "SCULPT: 50 % matches LRR on CIFAR-100, 20 % on ImageNet; 70 % on CIFAR-10 beats cyclic random and stays below LRR"
    22 "§6" [Figure(8)] sculpt_on_large_networks
        "ResNet-50: SCULPT matches LRR on CIFAR-100 and beats it on ImageNet"
    23 "§6" [Figure(8), Table(2)] sculpt_needs_half_the_epochs
        "SCULPT needs half of LRR's epochs at 90 %"
        paper "450 against 900 epochs"
    24 "§6" [Figure(9)] magnitude_is_best
        "magnitude is the best criterion for SCULPT's pruning step"
    25 "§4" [Figure(9)] sparse_beats_dense_under_noise
        "a sparse random network beats the dense one under 15 % label noise, both cyclic"
    26 "A.7" [Figure(13)] balanced_beats_erk
        "balanced random masks beat ERK ones"
    27 "§6" [Table(4)] sparse_needs_less_memory
        "sparse training from scratch needs less memory (ideal sparse bytes; masked dense tensors save none)"
};

type Contrasts = Result<Vec<Contrast>, ReportError>;

const ITERATIVE: &[(u32, &str)] = &[(2, "a"), (2, "b")];
const PAI: &[(u32, &str)] = &[(4, "a"), (4, "b"), (4, "c")];
const COUPLING: &[(u32, &str)] = &[(5, "a"), (5, "b"), (5, "c")];

const LRR: Way = last(&methods::LRR);
const RANDOM: Way = last(&methods::RANDOM_CYCLIC);
const PAI_MASKS: [&Method; 3] = [
    &methods::RANDOM_CYCLIC,
    &methods::SNIP_CYCLIC,
    &methods::SYNFLOW_CYCLIC,
];

fn lrr_beats_dense(evidence: &Evidence<'_>) -> Contrasts {
    evidence.at(ITERATIVE, |panel| {
        let dense = panel.dense(first(&methods::DENSE_CYCLIC));
        let gain = minus(&panel.best(LRR), &dense);
        vec![panel.points("lrr best level − dense one cycle", gain, BETTER)]
    })
}

fn cyclic_dense_reaches_lrr(evidence: &Evidence<'_>) -> Contrasts {
    evidence.at(ITERATIVE, |panel| {
        let dense = panel.dense(last(&methods::DENSE_CYCLIC));
        let above = minus(&dense, &panel.best(LRR));
        vec![panel.points("dense-cyclic − lrr best level", above, AT_LEAST)]
    })
}

fn dense_gains_then_plateaus(evidence: &Evidence<'_>) -> Contrasts {
    evidence.at(ITERATIVE, |panel| {
        let [one, few, all] = panel.dense_cycles(FIRST_CYCLES);
        vec![
            panel.points(
                "dense-cyclic first third of the cycles − one cycle",
                minus(&few, &one),
                BETTER,
            ),
            panel.points("dense-cyclic last cycle − first third", minus(&all, &few), ALIKE),
        ]
    })
}

/// On average over the sparsities, and nowhere worse.
fn cyclic_beats_standard(evidence: &Evidence<'_>) -> Contrasts {
    evidence.at(PAI, |panel| {
        let masks = PAI_MASKS.iter().flat_map(|&mask| {
            [
                panel.contrast(last(mask), first(mask), Sparsities::All, BETTER),
                panel.worst(last(mask), first(mask), Sparsities::All, AT_LEAST),
            ]
        });
        masks.collect()
    })
}

fn gain_grows_with_sparsity(evidence: &Evidence<'_>) -> Contrasts {
    evidence.at(PAI, |panel| {
        let masks = PAI_MASKS.iter().map(|&mask| {
            let gain = |at| panel.mean_difference(last(mask), first(mask), at);
            let growth = minus(&gain(Sparsities::High), &gain(Sparsities::Low));
            panel.points(
                format!("{mask} gain at high − gain at low sparsities"),
                growth,
                BETTER,
            )
        });
        masks.collect()
    })
}

fn dense_schedules_alike(evidence: &Evidence<'_>) -> Contrasts {
    evidence.at(&[(2, "d")], |panel| {
        let versus = |a: &'static Method, b: &'static Method, rule| {
            let difference = minus(&panel.dense(last(a)), &panel.dense(last(b)));
            panel.points(format!("{a} − {b}"), difference, rule)
        };
        vec![
            versus(&methods::DENSE_CYCLIC, &methods::DENSE_COSINE, ALIKE),
            versus(&methods::DENSE_CYCLIC, &methods::DENSE_ONE_CYCLE, AT_LEAST),
            versus(&methods::DENSE_COSINE, &methods::DENSE_ONE_CYCLE, AT_LEAST),
        ]
    })
}

fn cyclic_best_at_90(evidence: &Evidence<'_>) -> Contrasts {
    evidence.at(&[(2, "d")], |panel| {
        let others = [&methods::RANDOM_ONE_CYCLE, &methods::RANDOM_COSINE];
        let at = Sparsities::Only(panel.sparse_90);
        others
            .map(|other| panel.contrast(RANDOM, last(other), at, BETTER))
            .to_vec()
    })
}

fn cycles_jump(evidence: &Evidence<'_>) -> Contrasts {
    let mut all = Vec::new();
    for (figure, cyclic) in [(3, &methods::RANDOM_CYCLIC), (17, &methods::RANDOM_COSINE)] {
        all.extend(barriers(evidence, figure, cyclic, TRAIN, Stage::All, SEPARATED)?);
        all.extend(barriers(
            evidence,
            figure,
            &methods::RANDOM_ONE_CYCLE,
            TRAIN,
            Stage::All,
            CONNECTED,
        )?);
    }
    Ok(all)
}

fn cyclic_ends_flatter(evidence: &Evidence<'_>) -> Contrasts {
    let pairs = [
        (&methods::RANDOM_ONE_CYCLE, &methods::RANDOM_CYCLIC),
        (&methods::DENSE_ONE_CYCLE, &methods::DENSE_CYCLIC),
    ];
    let contrasts = pairs.map(|(one_cycle, cyclic)| {
        let sharper = minus(
            &evidence.log_curvature(3, one_cycle)?,
            &evidence.log_curvature(3, cyclic)?,
        );
        Ok(Contrast {
            what: format!("largest eigenvalue, {one_cycle} over {cyclic}"),
            place: "3c".to_owned(),
            unit: Unit::LogRatio,
            rule: BETTER,
            values: sharper,
        })
    });
    contrasts.into_iter().collect()
}

fn masks_equivalent(evidence: &Evidence<'_>) -> Contrasts {
    let [random, snip, synflow] = PAI_MASKS.map(last);
    evidence.at(PAI, |panel| {
        let pairs = [(snip, random), (synflow, random), (synflow, snip)];
        pairs
            .map(|(a, b)| panel.contrast(a, b, Sparsities::All, ALIKE))
            .to_vec()
    })
}

fn cyclic_reaches_lrr_at_low_sparsity(evidence: &Evidence<'_>) -> Contrasts {
    let masks = |panel: &Panel, masks: &[&'static Method], at| -> Vec<Contrast> {
        let contrasts = masks
            .iter()
            .map(|mask| panel.contrast(last(mask), LRR, at, AT_LEAST));
        contrasts.collect()
    };
    let small = Sparsities::Low;
    let imagenet = Sparsities::UpTo(DENSITY_20);
    let all = [
        evidence.at(&PAI[..2], |panel| masks(panel, &PAI_MASKS, small))?,
        evidence.at(&PAI[2..], |panel| masks(panel, &PAI_MASKS, imagenet))?,
        evidence.at(&COUPLING[..2], |panel| masks(panel, &PAI_MASKS[..1], small))?,
        evidence.at(&COUPLING[2..], |panel| masks(panel, &PAI_MASKS[..1], imagenet))?,
    ];
    Ok(all.concat())
}

fn lrr_wins_at_high_sparsity(evidence: &Evidence<'_>) -> Contrasts {
    let mut all = evidence.at(PAI, |panel| {
        PAI_MASKS
            .map(|mask| panel.contrast(LRR, last(mask), Sparsities::High, BETTER))
            .to_vec()
    })?;
    all.extend(evidence.at(COUPLING, |panel| {
        vec![panel.contrast(LRR, RANDOM, Sparsities::High, BETTER)]
    })?);
    Ok(all)
}

fn mask_alone_is_no_better(evidence: &Evidence<'_>) -> Contrasts {
    let alone = last(&methods::LRR_MASK_RANDOM_INIT);
    evidence.at(COUPLING, |panel| {
        vec![panel.contrast(alone, RANDOM, Sparsities::All, NO_BETTER)]
    })
}

fn lrr_mask_warmup_matches(evidence: &Evidence<'_>) -> Contrasts {
    matches_lrr(evidence, &methods::LRR_MASK_WARMUP_INIT)
}

fn wr_mask_warmup_matches(evidence: &Evidence<'_>) -> Contrasts {
    matches_lrr(evidence, &methods::WR_MASK_WARMUP_INIT)
}

fn lrr_mask_lrr_init_matches(evidence: &Evidence<'_>) -> Contrasts {
    matches_lrr(evidence, &methods::LRR_MASK_LRR_INIT)
}

/// At high sparsity, which is what §5 asks about: at low sparsity any mask does (claim 11).
fn matches_lrr(evidence: &Evidence<'_>, method: &'static Method) -> Contrasts {
    evidence.at(COUPLING, |panel| {
        vec![panel.contrast(last(method), LRR, Sparsities::High, ALIKE)]
    })
}

fn warmup_stays_in_one_basin(evidence: &Evidence<'_>) -> Contrasts {
    let (warm_up, random) = (&methods::LRR_MASK_WARMUP_INIT, &methods::LRR_MASK_RANDOM_INIT);
    let mut all = Vec::new();
    for figure in [6, 18] {
        for set in SETS {
            all.extend(barriers(evidence, figure, warm_up, set, Stage::Late, CONNECTED)?);
        }
        all.extend(barriers(evidence, figure, random, TEST, Stage::All, CONNECTED)?);
        all.extend(barriers(evidence, figure, random, TRAIN, Stage::All, SEPARATED)?);
    }
    Ok(all)
}

fn levels_connected(evidence: &Evidence<'_>) -> Contrasts {
    let methods = [
        (&methods::LRR, CONNECTED),
        (&methods::WR, CONNECTED),
        (&methods::IMP, SEPARATED),
    ];
    let mut all = Vec::new();
    for (method, rule) in methods {
        for set in SETS {
            all.extend(barriers(evidence, 16, method, set, Stage::All, rule)?);
        }
    }
    Ok(all)
}

fn signs_suffice_to_90(evidence: &Evidence<'_>) -> Contrasts {
    let signs = last(&methods::LRR_MASK_WARMUP_SIGNS);
    evidence.at(&[(8, "a")], |panel| {
        vec![panel.contrast(signs, LRR, Sparsities::UpTo(panel.sparse_90), AT_LEAST)]
    })
}

fn cyclic_recovers_signs(evidence: &Evidence<'_>) -> Contrasts {
    let curves = [
        (
            &methods::LRR_MASK_WARMUP_SIGNS,
            &methods::LRR_MASK_WARMUP_SIGNS_ONE_CYCLE,
        ),
        (
            &methods::LRR_MASK_FLIPPED_SIGNS,
            &methods::LRR_MASK_FLIPPED_SIGNS_ONE_CYCLE,
        ),
    ];
    let mut all = evidence.at(&[(10, "a")], |panel| {
        let both = curves.iter().flat_map(|&(cyclic, one_cycle)| {
            [(Sparsities::Low, BETTER), (Sparsities::High, ALIKE)]
                .map(|(at, rule)| panel.contrast(last(cyclic), last(one_cycle), at, rule))
        });
        both.collect()
    })?;
    let flipped = (
        &methods::LRR_MASK_FLIPPED_WARMUP_INIT,
        &methods::LRR_MASK_FLIPPED_WARMUP_INIT_ONE_CYCLE,
    );
    for (column, (cyclic, one_cycle)) in [("overlap", curves[0]), ("accuracy", flipped)] {
        let percent = |method: &'static Method| {
            evidence.mean_of(Table(3), |frame, row| {
                let own = frame.text(Table(3), row, "method")? == method.id;
                let value = || Ok(100.0 * frame.number(Table(3), row, column)?);
                own.then(value).transpose()
            })
        };
        all.push(Contrast {
            what: format!("{column}, {cyclic} − {one_cycle}"),
            place: "table 3".to_owned(),
            unit: Unit::Points,
            rule: BETTER,
            values: minus(&percent(cyclic)?, &percent(one_cycle)?),
        });
    }
    Ok(all)
}

fn sculpt_by_start(evidence: &Evidence<'_>) -> Contrasts {
    let (sculpt_20, sculpt_50, sculpt_70) = (
        last(&methods::SCULPT_20),
        last(&methods::SCULPT_50),
        last(&methods::SCULPT_70),
    );
    let one = |letter, a, b, rule| {
        evidence.at(&[(7, letter)], |panel| {
            vec![panel.contrast(a, b, Sparsities::All, rule)]
        })
    };
    let all = [
        one("b", sculpt_50, LRR, ALIKE)?,
        one("c", sculpt_20, LRR, ALIKE)?,
        one("a", sculpt_70, RANDOM, BETTER)?,
        one("a", LRR, sculpt_70, BETTER)?,
    ];
    Ok(all.concat())
}

fn sculpt_on_large_networks(evidence: &Evidence<'_>) -> Contrasts {
    let one = |letter, rule| {
        evidence.at(&[(8, letter)], |panel| {
            vec![panel.contrast(last(&methods::SCULPT_50), LRR, Sparsities::All, rule)]
        })
    };
    Ok([one("b", ALIKE)?, one("c", BETTER)?].concat())
}

/// Half of the epochs, and no less accuracy for it: the paper's example is ResNet-50 on ImageNet.
fn sculpt_needs_half_the_epochs(evidence: &Evidence<'_>) -> Contrasts {
    let panel = evidence.panel(8, "c")?;
    let at = Sparsities::Only(panel.sparse_90);
    let epochs = |method: &'static Method| -> Result<Option<f64>, ReportError> {
        let Some(frame) = evidence.frame(Table(2)) else {
            return Ok(None);
        };
        let wanted = [
            ("panel", Cell::from(RESNET_50_ON_IMAGENET)),
            ("method", method.id.into()),
            ("density", panel.sparse_90.into()),
        ];
        let own = |row: &usize| {
            wanted
                .iter()
                .all(|(column, value)| frame.cell(*row, column) == value)
        };
        let row = (0..frame.len()).find(own);
        row.map(|row| frame.number(Table(2), row, "epochs")).transpose()
    };
    let both = epochs(&methods::LRR)?.zip(epochs(&methods::SCULPT_50)?);
    // Counts have no seed.
    let spared = both.map(|(lrr, sculpt)| (0, lrr - 2.0 * sculpt));
    Ok(vec![
        Contrast {
            what: "epochs of lrr − twice those of sculpt-50".to_owned(),
            place: "table 2".to_owned(),
            unit: Unit::Epochs,
            rule: Rule::Exact,
            values: spared.into_iter().collect(),
        },
        panel.contrast(last(&methods::SCULPT_50), LRR, at, AT_LEAST),
    ])
}

/// Against each other criterion.
fn magnitude_is_best(evidence: &Evidence<'_>) -> Contrasts {
    let others = [
        &methods::SCULPT_BY_RANDOM,
        &methods::SCULPT_BY_SNIP,
        &methods::SCULPT_BY_SYNFLOW,
        &methods::SCULPT_BY_GRASP,
        &methods::SCULPT_BY_FISHER,
        &methods::SCULPT_BY_WOODFISHER,
    ];
    let magnitude = last(&methods::SCULPT_70);
    evidence.at(&[(9, "a")], |panel| {
        others
            .map(|other| panel.contrast(magnitude, last(other), Sparsities::All, BETTER))
            .to_vec()
    })
}

fn sparse_beats_dense_under_noise(evidence: &Evidence<'_>) -> Contrasts {
    evidence.at(&[(9, "b")], |panel| {
        let dense = panel.dense(last(&methods::DENSE_CYCLIC));
        let gain = minus(&panel.best(RANDOM), &dense);
        vec![panel.points("random-cyclic best sparsity − dense-cyclic", gain, BETTER)]
    })
}

fn balanced_beats_erk(evidence: &Evidence<'_>) -> Contrasts {
    evidence.at(&[(13, "a")], |panel| {
        vec![panel.contrast(RANDOM, last(&methods::ERK_CYCLIC), Sparsities::All, BETTER)]
    })
}

/// Of what starts sparse, against the dense network that LRR starts from. Both are counted, not measured.
fn sparse_needs_less_memory(evidence: &Evidence<'_>) -> Contrasts {
    let from_scratch = [
        &methods::RANDOM_CYCLIC,
        &methods::SNIP_CYCLIC,
        &methods::SYNFLOW_CYCLIC,
        &methods::SCULPT_20,
        &methods::SCULPT_50,
        &methods::SCULPT_70,
    ];
    let saved = evidence.mean_of(Table(4), |frame, row| {
        let method = frame.text(Table(4), row, "method")?;
        let counts = from_scratch.iter().any(|own| own.id == method)
            && frame.number(Table(4), row, "density_target")? < 1.0;
        let bytes = |column| frame.number(Table(4), row, column);
        let saved = || Ok(100.0 * (1.0 - bytes("sparse_ideal_bytes")? / bytes("dense_bytes")?));
        counts.then(saved).transpose()
    })?;
    Ok(vec![Contrast {
        what: "bytes of a dense network − ideal sparse bytes".to_owned(),
        place: "table 4".to_owned(),
        unit: Unit::PercentOfBytes,
        rule: BETTER,
        values: saved,
    }])
}

/// Barriers on one set, under both BatchNorm rules.
fn barriers(
    evidence: &Evidence<'_>,
    figure: u32,
    method: &'static Method,
    set: &str,
    stage: Stage,
    rule: Rule,
) -> Contrasts {
    let late = match stage {
        Stage::All => "",
        Stage::Late => "late ",
    };
    let one = |batch_norm: &str| {
        Ok(Contrast {
            what: format!("{late}barriers of {method}, {set} loss, {batch_norm} BatchNorm"),
            place: Figure(figure).to_string(),
            unit: Unit::Nats,
            rule,
            values: evidence.barriers(figure, method, (set, batch_norm), stage)?,
        })
    };
    RULES.iter().map(|batch_norm| one(batch_norm.name())).collect()
}
