//! Masks and the weights that they were found with (§5, A.1).

use super::{
    ALIKE, AT_LEAST, BETTER, CONNECTED, COUPLING, Contrasts, LRR, NO_BETTER, RANDOM, SEPARATED, barriers,
};
use crate::evidence::{Evidence, Id, Sparsities, Stage, last, means, minus};
use crate::finding::Contrast;
use crate::methods;
use sculpt_rows::Name::Table;
use sculpt_rows::{ImageSet, SignRow, Unit};

pub(crate) fn mask_alone_is_no_better(evidence: &Evidence) -> Contrasts {
    let alone = last(methods::LRR_MASK_RANDOM_INIT);
    Ok(evidence.at(COUPLING, |panel| {
        vec![panel.contrast(alone, RANDOM, Sparsities::All, NO_BETTER)]
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
        vec![panel.contrast(last(method), LRR, Sparsities::High, ALIKE)]
    }))
}

pub(crate) fn warmup_stays_in_one_basin(evidence: &Evidence) -> Contrasts {
    let (warm_up, random) = (methods::LRR_MASK_WARMUP_INIT, methods::LRR_MASK_RANDOM_INIT);
    let mut all = Vec::new();
    for figure in [6, 18] {
        for set in ImageSet::ALL {
            all.extend(barriers(evidence, figure, warm_up, set, Stage::Late, CONNECTED)?);
        }
        all.extend(barriers(
            evidence,
            figure,
            random,
            ImageSet::Test,
            Stage::All,
            CONNECTED,
        )?);
        all.extend(barriers(
            evidence,
            figure,
            random,
            ImageSet::Train,
            Stage::All,
            SEPARATED,
        )?);
    }
    Ok(all)
}

pub(crate) fn levels_connected(evidence: &Evidence) -> Contrasts {
    let methods = [
        (methods::LRR, CONNECTED),
        (methods::WR, CONNECTED),
        (methods::IMP, SEPARATED),
    ];
    let mut all = Vec::new();
    for (method, rule) in methods {
        for set in ImageSet::ALL {
            all.extend(barriers(evidence, 16, method, set, Stage::All, rule)?);
        }
    }
    Ok(all)
}

pub(crate) fn signs_suffice_to_90(evidence: &Evidence) -> Contrasts {
    let signs = last(methods::LRR_MASK_WARMUP_SIGNS);
    Ok(evidence.at(&[(8, "a")], |panel| {
        vec![panel.contrast(signs, LRR, Sparsities::UpTo(panel.sparse_90), AT_LEAST)]
    }))
}

pub(crate) fn cyclic_recovers_signs(evidence: &Evidence) -> Contrasts {
    let curves = [
        (
            methods::LRR_MASK_WARMUP_SIGNS,
            methods::LRR_MASK_WARMUP_SIGNS_ONE_CYCLE,
        ),
        (
            methods::LRR_MASK_FLIPPED_SIGNS,
            methods::LRR_MASK_FLIPPED_SIGNS_ONE_CYCLE,
        ),
    ];
    let mut all = evidence.at(&[(10, "a")], |panel| {
        let both = curves.iter().flat_map(|&(cyclic, one_cycle)| {
            [(Sparsities::Low, BETTER), (Sparsities::High, ALIKE)]
                .map(|(at, rule)| panel.contrast(last(cyclic), last(one_cycle), at, rule))
        });
        both.collect()
    });
    let flipped = (
        methods::LRR_MASK_FLIPPED_WARMUP_INIT,
        methods::LRR_MASK_FLIPPED_WARMUP_INIT_ONE_CYCLE,
    );
    let overlap: fn(&SignRow) -> f64 = |row| row.overlap;
    let accuracy: fn(&SignRow) -> f64 = |row| row.accuracy;
    for (column, value, (cyclic, one_cycle)) in
        [("overlap", overlap, curves[0]), ("accuracy", accuracy, flipped)]
    {
        let percent = |method: Id| {
            let own = evidence.signs.iter().filter(|row| row.method == method);
            means(own.map(|row| (row.seed, 100.0 * value(row))))
        };
        all.push(Contrast {
            what: format!("{column}, {cyclic} − {one_cycle}"),
            place: Table(3).to_string(),
            unit: Unit::Points,
            rule: BETTER,
            values: minus(&percent(cyclic)?, &percent(one_cycle)?),
        });
    }
    Ok(all)
}
