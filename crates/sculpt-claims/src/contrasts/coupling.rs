//! Masks and the weights that they were found with (§5, A.1).

use super::{COUPLING, Contrasts, LRR, RANDOM, barriers};
use crate::contrast::{BySeed, Contrast, Origin};
use crate::evidence::{Evidence, Id, Stage, minus};
use crate::images::Points;
use crate::methods;
use crate::panel::{Sparsities, last};
use crate::params::Sought::{Alike, AtLeast, Better, Connected, NoBetter, Separated};
use sculpt_rows::Name::Table;
use sculpt_rows::{ImageSet, Quantity, SignRow, Unit};

pub(crate) fn mask_alone_is_no_better(evidence: &Evidence) -> Contrasts {
    let alone = last(methods::LRR_MASK_RANDOM_INIT);
    Ok(evidence.at(COUPLING, |panel| {
        vec![panel.contrast("no better", alone, RANDOM, Sparsities::All, NoBetter)]
    }))
}

pub(crate) fn lrr_mask_warmup_matches(evidence: &Evidence) -> Contrasts {
    matches_lrr(evidence, methods::LRR_MASK_WARMUP_INIT)
}

pub(crate) fn wr_mask_warmup_matches(evidence: &Evidence) -> Contrasts {
    matches_lrr(evidence, methods::WR_MASK_WARMUP_INIT)
}

pub(crate) fn lrr_mask_lrr_init_matches(evidence: &Evidence) -> Contrasts {
    matches_lrr(evidence, methods::LRR_MASK_LRR_INIT)
}

/// At high sparsity, which is what §5 asks about: at low sparsity any mask does (claim 11).
fn matches_lrr(evidence: &Evidence, method: Id) -> Contrasts {
    Ok(evidence.at(COUPLING, |panel| {
        vec![panel.contrast("matches LRR", last(method), LRR, Sparsities::High, Alike)]
    }))
}

pub(crate) fn warmup_stays_in_one_basin(evidence: &Evidence) -> Contrasts {
    let (warm_up, random) = (methods::LRR_MASK_WARMUP_INIT, methods::LRR_MASK_RANDOM_INIT);
    let (both, test, train) = (&ImageSet::ALL[..], &[ImageSet::Test][..], &[ImageSet::Train][..]);
    let parts = [
        (
            "warm-up init, late cycles connected",
            warm_up,
            both,
            Stage::Late,
            Connected,
        ),
        (
            "random init, test loss connected",
            random,
            test,
            Stage::All,
            Connected,
        ),
        (
            "random init, train loss separated",
            random,
            train,
            Stage::All,
            Separated,
        ),
    ];
    let mut all = Vec::new();
    for (part, method, sets, stage, sought) in parts {
        for figure in [6, 18] {
            all.extend(barriers(evidence, part, (figure, method), sets, stage, sought)?);
        }
    }
    Ok(all)
}

pub(crate) fn levels_connected(evidence: &Evidence) -> Contrasts {
    let parts = [
        ("LRR connected", methods::LRR, Connected),
        ("WR connected", methods::WR, Connected),
        ("IMP separated", methods::IMP, Separated),
    ];
    let mut all = Vec::new();
    for (part, method, sought) in parts {
        all.extend(barriers(
            evidence,
            part,
            (16, method),
            &ImageSet::ALL,
            Stage::All,
            sought,
        )?);
    }
    Ok(all)
}

pub(crate) fn signs_suffice_to_90(evidence: &Evidence) -> Contrasts {
    let signs = last(methods::LRR_MASK_WARMUP_SIGNS);
    Ok(evidence.at(&[(8, "a")], |panel| {
        let at = Sparsities::UpTo(panel.sparse_90);
        vec![panel.contrast("suffice", signs, LRR, at, AtLeast)]
    }))
}

/// Cyclic and one-cycle training.
type Pair = (Id, Id);

const SIGNS: Pair = (
    methods::LRR_MASK_WARMUP_SIGNS,
    methods::LRR_MASK_WARMUP_SIGNS_ONE_CYCLE,
);
const FLIPPED_SIGNS: Pair = (
    methods::LRR_MASK_FLIPPED_SIGNS,
    methods::LRR_MASK_FLIPPED_SIGNS_ONE_CYCLE,
);
const FLIPPED_INIT: Pair = (
    methods::LRR_MASK_FLIPPED_WARMUP_INIT,
    methods::LRR_MASK_FLIPPED_WARMUP_INIT_ONE_CYCLE,
);

pub(crate) fn cyclic_recovers_signs(evidence: &Evidence) -> Contrasts {
    let mut all = evidence.at(&[(10, "a")], |panel| {
        let curves = [("warm-up signs", SIGNS), ("20 % flipped", FLIPPED_SIGNS)];
        let both = curves.iter().flat_map(|(name, (cyclic, one_cycle))| {
            let parts = [
                ("better at low sparsity", Sparsities::Low, Better),
                ("equal at high sparsity", Sparsities::High, Alike),
            ];
            parts.map(|(part, at, sought)| Contrast {
                replicate: format!("{}, {name}", panel.place),
                ..panel.contrast(part, last(cyclic), last(one_cycle), at, sought)
            })
        });
        both.collect()
    });
    let overlap: fn(&SignRow) -> f64 = |row| row.overlap;
    let accuracy: fn(&SignRow) -> f64 = |row| row.accuracy;
    // A.1: 95.37 − 93.67 and 88.71 − 88.12 points.
    for (part, quantity, value, pair, paper) in [
        ("overlap at 93 %", Quantity::SignOverlap, overlap, SIGNS, 1.70),
        (
            "accuracy at 93 %",
            Quantity::Accuracy,
            accuracy,
            FLIPPED_INIT,
            0.59,
        ),
    ] {
        all.push(Contrast {
            paper: Some(paper),
            ..sign_table(evidence, (part, quantity, value), pair)
        });
    }
    Ok(all)
}

/// Table 3 has one density, and a row for each method, seed and length of training, of which the longest counts, as in figure 10.
fn sign_table(
    evidence: &Evidence,
    (part, quantity, value): (&str, Quantity, fn(&SignRow) -> f64),
    (cyclic, one_cycle): Pair,
) -> Contrast {
    let of = |method: Id| {
        let own = evidence.signs.iter().filter(move |row| row.method == method);
        let last = own.clone().map(|row| row.cycle).max();
        own.filter(move |row| Some(row.cycle) == last)
    };
    let percent = |method: Id| -> BySeed { of(method).map(|row| (row.seed, 100.0 * value(row))).collect() };
    let densities: Vec<f64> = of(cyclic).map(|row| row.density_target).take(1).collect();
    let origin = Origin {
        versus_densities: densities.clone(),
        densities,
        ..Origin::new(Table(3), "", quantity, cyclic).versus(one_cycle)
    };
    let contrast = Contrast::new(
        (
            part,
            Table(3).to_string(),
            format!("{part}, {cyclic} − {one_cycle}"),
        ),
        origin,
        (Unit::Points, Better),
        minus(&percent(cyclic), &percent(one_cycle)),
    );
    // Overlaps are counted on no images.
    if quantity != Quantity::Accuracy {
        return contrast;
    }
    let state = |method: Id, seed: u32| {
        let row = of(method).find(|row| row.seed == seed)?;
        Some(Points::of(100.0 * row.accuracy, (row.node.clone(), row.epoch)))
    };
    let pair = |seed: &u32| Some((*seed, state(cyclic, *seed)?.minus(&state(one_cycle, *seed)?).of));
    let states = contrast.values.keys().filter_map(pair).collect();
    Contrast { states, ..contrast }
}
