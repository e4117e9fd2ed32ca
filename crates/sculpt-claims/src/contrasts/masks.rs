//! Masks found at initialisation (§4, A.7).

use super::{ALIKE, AT_LEAST, BETTER, COUPLING, Contrasts, LRR, PAI, PAI_MASKS, RANDOM};
use crate::evidence::{Evidence, Id, Panel, Sparsities, first, last, minus};
use crate::finding::Contrast;
use crate::methods;

/// The density of "20 % sparsity" (§4, ImageNet).
const DENSITY_20: f64 = 0.8;

/// On average over the sparsities, and nowhere worse.
pub(crate) fn cyclic_beats_standard(evidence: &Evidence) -> Contrasts {
    Ok(evidence.at(PAI, |panel| {
        let masks = PAI_MASKS.iter().flat_map(|&mask| {
            [
                panel.contrast(last(mask), first(mask), Sparsities::All, BETTER),
                panel.worst(last(mask), first(mask), Sparsities::All, AT_LEAST),
            ]
        });
        masks.collect()
    }))
}

pub(crate) fn gain_grows_with_sparsity(evidence: &Evidence) -> Contrasts {
    Ok(evidence.at(PAI, |panel| {
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
    }))
}

pub(crate) fn masks_equivalent(evidence: &Evidence) -> Contrasts {
    let [random, snip, synflow] = PAI_MASKS.map(last);
    Ok(evidence.at(PAI, |panel| {
        let pairs = [(snip, random), (synflow, random), (synflow, snip)];
        pairs
            .map(|(a, b)| panel.contrast(a, b, Sparsities::All, ALIKE))
            .to_vec()
    }))
}

pub(crate) fn cyclic_reaches_lrr_at_low_sparsity(evidence: &Evidence) -> Contrasts {
    let masks = |panel: &Panel<'_>, masks: &[Id], at| -> Vec<Contrast> {
        let contrasts = masks
            .iter()
            .map(|mask| panel.contrast(last(mask), LRR, at, AT_LEAST));
        contrasts.collect()
    };
    let small = Sparsities::Low;
    let imagenet = Sparsities::UpTo(DENSITY_20);
    let all = [
        evidence.at(&PAI[..2], |panel| masks(panel, &PAI_MASKS, small)),
        evidence.at(&PAI[2..], |panel| masks(panel, &PAI_MASKS, imagenet)),
        evidence.at(&COUPLING[..2], |panel| masks(panel, &PAI_MASKS[..1], small)),
        evidence.at(&COUPLING[2..], |panel| masks(panel, &PAI_MASKS[..1], imagenet)),
    ];
    Ok(all.concat())
}

pub(crate) fn lrr_wins_at_high_sparsity(evidence: &Evidence) -> Contrasts {
    let mut all = evidence.at(PAI, |panel| {
        PAI_MASKS
            .map(|mask| panel.contrast(LRR, last(mask), Sparsities::High, BETTER))
            .to_vec()
    });
    all.extend(evidence.at(COUPLING, |panel| {
        vec![panel.contrast(LRR, RANDOM, Sparsities::High, BETTER)]
    }));
    Ok(all)
}

pub(crate) fn sparse_beats_dense_under_noise(evidence: &Evidence) -> Contrasts {
    Ok(evidence.at(&[(9, "b")], |panel| {
        let dense = panel.dense(last(methods::DENSE_CYCLIC));
        let gain = minus(&panel.best(RANDOM), &dense);
        vec![panel.points("random-cyclic best sparsity − dense-cyclic", gain, BETTER)]
    }))
}

pub(crate) fn balanced_beats_erk(evidence: &Evidence) -> Contrasts {
    Ok(evidence.at(&[(13, "a")], |panel| {
        vec![panel.contrast(RANDOM, last(methods::ERK_CYCLIC), Sparsities::All, BETTER)]
    }))
}
