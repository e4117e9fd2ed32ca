//! Cyclic training of the dense network, and of one mask (§3, §4).

use super::{Contrasts, ITERATIVE, LRR, RANDOM, barriers};
use crate::contrast::{Contrast, Origin};
use crate::evidence::{Evidence, Id, Stage, minus};
use crate::methods;
use crate::panel::{Sparsities, first, last};
use crate::params::Sought::{Alike, AtLeast, Better, Connected, Separated};
use sculpt_rows::{ImageSet, Name, Quantity, Unit};

/// One in so many of the dense network's cycles are its "first few" (§3). The paper gives no number.
const FIRST_CYCLES: u32 = 3;

pub(crate) fn lrr_beats_dense(evidence: &Evidence) -> Contrasts {
    let dense = first(methods::DENSE_CYCLIC);
    Ok(evidence.at(ITERATIVE, |panel| {
        vec![panel.best_less_dense("beats dense", LRR, dense, Better)]
    }))
}

pub(crate) fn cyclic_dense_reaches_lrr(evidence: &Evidence) -> Contrasts {
    let dense = last(methods::DENSE_CYCLIC);
    Ok(evidence.at(ITERATIVE, |panel| {
        vec![panel.dense_less_best("reaches LRR", dense, LRR, AtLeast)]
    }))
}

pub(crate) fn dense_gains_then_plateaus(evidence: &Evidence) -> Contrasts {
    Ok(evidence.at(ITERATIVE, |panel| {
        let n = panel.n_dense_cycles();
        let few = n.div_ceil(FIRST_CYCLES).max(2);
        // Fewer than three cycles have no first ones and later ones.
        let pair = |a, b| (n >= 3).then_some((a, b));
        vec![
            panel.dense_cycles(("gains", "first third of the cycles − one"), pair(few, 1), Better),
            panel.dense_cycles(("plateaus", "all cycles − the first third"), pair(n, few), Alike),
        ]
    }))
}

pub(crate) fn dense_schedules_alike(evidence: &Evidence) -> Contrasts {
    let (cyclic, cosine, one_cycle) = (
        last(methods::DENSE_CYCLIC),
        last(methods::DENSE_COSINE),
        last(methods::DENSE_ONE_CYCLE),
    );
    Ok(evidence.at(&[(2, "d")], |panel| {
        vec![
            panel.dense_contrast("cyclic and cosine alike", cyclic, cosine, Alike),
            panel.dense_contrast("cyclic at least one-cycle", cyclic, one_cycle, AtLeast),
            panel.dense_contrast("cosine at least one-cycle", cosine, one_cycle, AtLeast),
        ]
    }))
}

pub(crate) fn cyclic_best_at_90(evidence: &Evidence) -> Contrasts {
    Ok(evidence.at(&[(2, "d")], |panel| {
        let others = [
            ("beats one-cycle", methods::RANDOM_ONE_CYCLE),
            ("beats cosine", methods::RANDOM_COSINE),
        ];
        let at = Sparsities::Only(panel.sparse_90);
        others
            .map(|(part, other)| panel.contrast(part, RANDOM, last(other), at, Better))
            .to_vec()
    }))
}

/// Of cyclic training in figure 3, and of one-cycle training in figures 3 and 17. Figure 17's cosine is none of the two.
pub(crate) fn cycles_jump(evidence: &Evidence) -> Contrasts {
    let train = &[ImageSet::Train];
    let (cyclic, one_cycle) = (methods::RANDOM_CYCLIC, methods::RANDOM_ONE_CYCLE);
    let part = "cyclic separated";
    let mut all = barriers(evidence, part, (3, cyclic), train, Stage::All, Separated)?;
    for figure in [3, 17] {
        let part = "one-cycle connected";
        all.extend(barriers(
            evidence,
            part,
            (figure, one_cycle),
            train,
            Stage::All,
            Connected,
        )?);
    }
    Ok(all)
}

/// Of figure 3c's two networks, sparse and dense.
pub(crate) fn cyclic_ends_flatter(evidence: &Evidence) -> Contrasts {
    let one = |(network, one_cycle, cyclic): (&str, Id, Id)| {
        let sharper = minus(
            &evidence.log_curvature(one_cycle),
            &evidence.log_curvature(cyclic),
        );
        let origin = Origin {
            cycle: Some("last".to_owned()),
            versus_cycle: Some("last".to_owned()),
            ..Origin::new(Name::Figure(3), "", Quantity::LogEigenvalue, one_cycle).versus(cyclic)
        };
        let what = format!("largest eigenvalue, {one_cycle} over {cyclic}");
        Contrast {
            note: evidence.note_of_searches(&[one_cycle, cyclic]),
            ..Contrast::new(
                ("ends flatter", format!("3c, {network}"), what),
                origin,
                (Unit::LogRatio, Better),
                sharper,
            )
        }
    };
    let pairs = [
        ("sparse", methods::RANDOM_ONE_CYCLE, methods::RANDOM_CYCLIC),
        ("dense", methods::DENSE_ONE_CYCLE, methods::DENSE_CYCLIC),
    ];
    Ok(pairs.map(one).to_vec())
}
