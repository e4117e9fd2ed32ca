//! Masks found at initialisation (§4, A.7).

use super::{Contrasts, LRR, PAI, PAI_MASKS, RANDOM};
use crate::contrast::Contrast;
use crate::evidence::{Evidence, Id};
use crate::methods;
use crate::panel::{Panel, Sparsities, first, last};
use crate::params::Sought::{Alike, AtLeast, Better};

/// The density of "20 % sparsity" (§4, ImageNet).
const DENSITY_20: f64 = 0.8;

/// On average over the sparsities, and at none of them worse: the smallest of several differences would be chosen by its noise.
pub(crate) fn cyclic_beats_standard(evidence: &Evidence) -> Contrasts {
    Ok(evidence.at(PAI, |panel| {
        let masks = PAI_MASKS.iter().flat_map(|&mask| {
            let (cyclic, standard) = (last(mask), first(mask));
            let average = format!("{mask}, on average");
            let everywhere = format!("{mask}, at no sparsity worse");
            let mut all = vec![panel.contrast(&average, cyclic, standard, Sparsities::All, Better)];
            all.extend(panel.each(&everywhere, cyclic, standard, AtLeast));
            all
        });
        masks.collect()
    }))
}

pub(crate) fn gain_grows_with_sparsity(evidence: &Evidence) -> Contrasts {
    Ok(evidence.at(PAI, |panel| {
        PAI_MASKS
            .map(|mask| panel.growth(mask, last(mask), first(mask), Better))
            .to_vec()
    }))
}

pub(crate) fn masks_equivalent(evidence: &Evidence) -> Contrasts {
    let [random, snip, synflow] = PAI_MASKS.map(last);
    Ok(evidence.at(PAI, |panel| {
        let pairs = [
            ("SNIP and random", snip, random),
            ("SynFlow and random", synflow, random),
            ("SynFlow and SNIP", synflow, snip),
        ];
        pairs
            .map(|(part, a, b)| panel.contrast(part, a, b, Sparsities::All, Alike))
            .to_vec()
    }))
}

pub(crate) fn cyclic_reaches_lrr_at_low_sparsity(evidence: &Evidence) -> Contrasts {
    let cifar = |panel: &Panel<'_>, mask: Id| panel.contrast(mask, last(mask), LRR, Sparsities::Low, AtLeast);
    let imagenet = |panel: &Panel<'_>, mask: Id| {
        let part = format!("{mask}, ImageNet at 20 %");
        panel.contrast(&part, last(mask), LRR, Sparsities::UpTo(DENSITY_20), AtLeast)
    };
    let mut all = against_lrr(evidence, &["a", "b"], cifar);
    all.extend(against_lrr(evidence, &["c"], imagenet));
    Ok(all)
}

pub(crate) fn lrr_wins_at_high_sparsity(evidence: &Evidence) -> Contrasts {
    let contrast =
        |panel: &Panel<'_>, mask: Id| panel.contrast(mask, LRR, last(mask), Sparsities::High, Better);
    Ok(against_lrr(evidence, &["a", "b", "c"], contrast))
}

/// Each mask in these panels of figure 4; figure 5 has the same random masks, and stands in where figure 4 is absent.
fn against_lrr(
    evidence: &Evidence,
    letters: &[&str],
    contrast: impl Fn(&Panel<'_>, Id) -> Contrast,
) -> Vec<Contrast> {
    let mut all = Vec::new();
    for mask in PAI_MASKS {
        let figures: &[u32] = if mask == RANDOM.0 { &[4, 5] } else { &[4] };
        let places = evidence.first_of(figures, letters);
        all.extend(evidence.at(&places, |panel| vec![contrast(panel, mask)]));
    }
    all
}

pub(crate) fn sparse_beats_dense_under_noise(evidence: &Evidence) -> Contrasts {
    let dense = last(methods::DENSE_CYCLIC);
    Ok(evidence.at(&[(9, "b")], |panel| {
        vec![panel.best_less_dense("beats dense", RANDOM, dense, Better)]
    }))
}

pub(crate) fn balanced_beats_erk(evidence: &Evidence) -> Contrasts {
    let erk = last(methods::ERK_CYCLIC);
    Ok(evidence.at(&[(13, "a")], |panel| {
        vec![panel.contrast("beats ERK", RANDOM, erk, Sparsities::All, Better)]
    }))
}
