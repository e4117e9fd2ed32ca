//! Cyclic training of the dense network, and of one mask (§3, §4).

use super::{ALIKE, AT_LEAST, BETTER, CONNECTED, Contrasts, ITERATIVE, LRR, RANDOM, SEPARATED, barriers};
use crate::evidence::{Evidence, Id, Sparsities, Stage, first, last, minus};
use crate::finding::Contrast;
use crate::methods;
use sculpt_rows::{ImageSet, Unit};

/// One in so many of the dense network's cycles are its "first few" (§3). The paper gives no number.
const FIRST_CYCLES: u32 = 3;

pub(crate) fn lrr_beats_dense(evidence: &Evidence) -> Contrasts {
    Ok(evidence.at(ITERATIVE, |panel| {
        let dense = panel.dense(first(methods::DENSE_CYCLIC));
        let gain = minus(&panel.best(LRR), &dense);
        vec![panel.points("lrr best level − dense one cycle", gain, BETTER)]
    }))
}

pub(crate) fn cyclic_dense_reaches_lrr(evidence: &Evidence) -> Contrasts {
    Ok(evidence.at(ITERATIVE, |panel| {
        let dense = panel.dense(last(methods::DENSE_CYCLIC));
        let above = minus(&dense, &panel.best(LRR));
        vec![panel.points("dense-cyclic − lrr best level", above, AT_LEAST)]
    }))
}

pub(crate) fn dense_gains_then_plateaus(evidence: &Evidence) -> Contrasts {
    Ok(evidence.at(ITERATIVE, |panel| {
        let [one, few, all] = panel.dense_cycles(FIRST_CYCLES);
        vec![
            panel.points(
                "dense-cyclic first third of the cycles − one cycle",
                minus(&few, &one),
                BETTER,
            ),
            panel.points("dense-cyclic last cycle − first third", minus(&all, &few), ALIKE),
        ]
    }))
}

pub(crate) fn dense_schedules_alike(evidence: &Evidence) -> Contrasts {
    Ok(evidence.at(&[(2, "d")], |panel| {
        let versus = |a: Id, b: Id, rule| {
            let difference = minus(&panel.dense(last(a)), &panel.dense(last(b)));
            panel.points(format!("{a} − {b}"), difference, rule)
        };
        vec![
            versus(methods::DENSE_CYCLIC, methods::DENSE_COSINE, ALIKE),
            versus(methods::DENSE_CYCLIC, methods::DENSE_ONE_CYCLE, AT_LEAST),
            versus(methods::DENSE_COSINE, methods::DENSE_ONE_CYCLE, AT_LEAST),
        ]
    }))
}

pub(crate) fn cyclic_best_at_90(evidence: &Evidence) -> Contrasts {
    Ok(evidence.at(&[(2, "d")], |panel| {
        let others = [methods::RANDOM_ONE_CYCLE, methods::RANDOM_COSINE];
        let at = Sparsities::Only(panel.sparse_90);
        others
            .map(|other| panel.contrast(RANDOM, last(other), at, BETTER))
            .to_vec()
    }))
}

pub(crate) fn cycles_jump(evidence: &Evidence) -> Contrasts {
    let mut all = Vec::new();
    for (figure, cyclic) in [(3, methods::RANDOM_CYCLIC), (17, methods::RANDOM_COSINE)] {
        all.extend(barriers(
            evidence,
            figure,
            cyclic,
            ImageSet::Train,
            Stage::All,
            SEPARATED,
        )?);
        all.extend(barriers(
            evidence,
            figure,
            methods::RANDOM_ONE_CYCLE,
            ImageSet::Train,
            Stage::All,
            CONNECTED,
        )?);
    }
    Ok(all)
}

pub(crate) fn cyclic_ends_flatter(evidence: &Evidence) -> Contrasts {
    let pairs = [
        (methods::RANDOM_ONE_CYCLE, methods::RANDOM_CYCLIC),
        (methods::DENSE_ONE_CYCLE, methods::DENSE_CYCLIC),
    ];
    let contrasts = pairs.map(|(one_cycle, cyclic)| {
        let sharper = minus(
            &evidence.log_curvature(one_cycle),
            &evidence.log_curvature(cyclic),
        );
        Contrast {
            what: format!(
                "largest eigenvalue, {one_cycle} over {cyclic}{}",
                evidence.note_of_searches(&[one_cycle, cyclic])
            ),
            place: "3c".to_owned(),
            unit: Unit::LogRatio,
            rule: BETTER,
            values: sharper,
        }
    });
    Ok(contrasts.to_vec())
}
